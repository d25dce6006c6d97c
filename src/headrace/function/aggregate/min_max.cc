// min and max of every type that has an order; NaN is above infinity; null over no value.
#include <variant>

#include "arrow/array/builder_base.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "headrace/function/aggregate/accumulate.h"
#include "headrace/function/aggregate/counted_values.h"
#include "headrace/function/aggregate/narrow_kernel.h"
#include "headrace/function/aggregate/removing_kernel.h"
#include "headrace/function/cell.h"
#include "headrace/function/define.h"
#include "headrace/function/order.h"
#include "headrace/function/state_bytes.h"

namespace headrace {
namespace {

constexpr size_t kFixedBytesMax = 32;  // decimal256

/// The raw bytes of a fixed-width value.
struct FixedValue {
  alignas(8) uint8_t bytes[kFixedBytesMax];
  uint8_t size;
};

/// The best value so far, as a cell.
struct Extreme {
  std::variant<std::monostate, FixedValue, std::string> best;

  std::string_view Cell() const {
    if (const auto* text = std::get_if<std::string>(&best)) return *text;
    const auto& fixed = std::get<FixedValue>(best);
    return {reinterpret_cast<const char*>(fixed.bytes), fixed.size};
  }
  bool empty() const { return best.index() == 0; }
};

template <bool kMax, typename T>
bool Better(const T& candidate, const T& best) {
  return kMax ? ValueLess(best, candidate) : ValueLess(candidate, best);
}

template <bool kMax, typename T>
void Offer(Extreme& state, const T& value) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    auto* text = std::get_if<std::string>(&state.best);
    if (text == nullptr) {
      state.best.emplace<std::string>(value);
    } else if (Better<kMax, std::string_view>(value, *text)) {
      text->assign(value);
    }
  } else {
    static_assert(sizeof(T) <= kFixedBytesMax);
    auto* fixed = std::get_if<FixedValue>(&state.best);
    if (fixed == nullptr) {
      fixed = &state.best.emplace<FixedValue>();
      fixed->size = sizeof(T);
    } else {
      T best;
      std::memcpy(static_cast<void*>(&best), fixed->bytes, sizeof(T));
      if (!Better<kMax>(value, best)) return;
    }
    std::memcpy(fixed->bytes, static_cast<const void*>(&value), sizeof(T));
  }
}

template <typename Visit>
Status VisitValues(const AggregateRows& rows, Visit&& visit) {
  const arrow::Array& array = *rows.args[0].array;
  if (array.type_id() == arrow::Type::NA) return Status::OK();
  const bool known = VisitOrdered(
      array.type_id(), [&](auto tag) { visit(tag, typename decltype(tag)::Column(rows.args[0])); });
  if (known) return Status::OK();
  return Error(ErrorKind::kInternal, "no order for {}", array.type()->ToString());
}

template <bool kMax>
Status AddGroups(KernelContext&, std::byte* const* groups, size_t offset,
                 const AggregateRows& rows) {
  return VisitValues(rows, [&](auto tag, const auto& values) {
    using Value = typename decltype(tag)::Value;
    ForEachValid(rows, [&](int64_t row) {
      Offer<kMax, Value>(StateAt<Extreme>(groups[row], offset), values[row]);
    });
  });
}

template <bool kMax>
Status AddAll(KernelContext&, std::byte* state, const AggregateRows& rows) {
  return VisitValues(rows, [&](auto tag, const auto& values) {
    using Value = typename decltype(tag)::Value;
    Value best{};
    bool found = false;
    ForEachValid(rows, [&](int64_t row) {
      const Value value = values[row];
      if (!found || Better<kMax>(value, best)) best = value;
      found = true;
    });
    if (found) Offer<kMax>(StateAt<Extreme>(state), best);
  });
}

/// Which of two cells is better depends on the type, which the result has too.
template <bool kMax>
Status Merge(KernelContext& ctx, std::byte* into, const std::byte* from) {
  Extreme& state = StateAt<Extreme>(into);
  const Extreme& other = StateAt<Extreme>(from);
  if (other.empty()) return Status::OK();
  if (state.empty()) {
    state = other;
    return Status::OK();
  }
  Status status;
  VisitOrdered(ctx.result_type->id(), [&](auto tag) {
    using Value = typename decltype(tag)::Value;
    if constexpr (std::is_same_v<Value, std::string_view>) {
      Offer<kMax>(state, other.Cell());
    } else {
      if (state.Cell().size() != sizeof(Value) || other.Cell().size() != sizeof(Value)) {
        status =
            Error(ErrorKind::kBadData, "saved extremes are no {}", ctx.result_type->ToString());
        return;
      }
      Value value;
      std::memcpy(static_cast<void*>(&value), other.Cell().data(), sizeof(Value));
      Offer<kMax>(state, value);
    }
  });
  return status;
}

Status Finish(KernelContext& ctx, std::byte* const* groups, size_t offset, int64_t count,
              arrow::ArrayBuilder* out) {
  ARROW_RETURN_NOT_OK(out->Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    const Extreme& state = StateAt<Extreme>(groups[i], offset);
    ARROW_RETURN_NOT_OK(state.empty() ? out->AppendNull()
                                      : AppendCell(state.Cell(), *ctx.result_type, out));
  }
  return Status::OK();
}

Status Save(const std::byte* bytes, std::string* out) {
  const auto& state = StateAt<Extreme>(bytes);
  PutValue<uint8_t>(static_cast<uint8_t>(state.best.index()), out);
  if (!state.empty()) PutText(state.Cell(), out);
  return Status::OK();
}

Status Load(std::byte* state, std::string_view bytes) {
  StateBytesReader reader("min or max", bytes);
  uint8_t kind = 0;
  ARROW_RETURN_NOT_OK(reader.Read(&kind));
  if (kind > 2) return reader.Damaged("unknown kind of value");
  std::string cell;
  if (kind != 0) ARROW_RETURN_NOT_OK(reader.ReadText(&cell));
  ARROW_RETURN_NOT_OK(reader.Finish());
  Extreme loaded;
  if (kind == 1) {
    if (cell.empty() || cell.size() > kFixedBytesMax) return reader.Damaged("impossible width");
    auto& fixed = loaded.best.emplace<FixedValue>();
    fixed.size = static_cast<uint8_t>(cell.size());
    std::memcpy(fixed.bytes, cell.data(), cell.size());
  } else if (kind == 2) {
    loaded.best = std::move(cell);
  }
  StateAt<Extreme>(state) = std::move(loaded);
  return Status::OK();
}

int64_t Bytes(const std::byte* state) {
  const auto* text = std::get_if<std::string>(&StateAt<Extreme>(state).best);
  return text == nullptr ? 0 : HeapBytes(*text);
}

template <bool kMax>
constexpr AggregateKernel kKernel = {
    .size = sizeof(Extreme),
    .align = alignof(Extreme),
    .init = InitState<Extreme>,
    .destroy = DestroyState<Extreme>,
    .add = AddGroups<kMax>,
    .add_all = AddAll<kMax>,
    .merge = Merge<kMax>,
    .finish = Finish,
    .save = Save,
    .load = Load,
    .bytes = Bytes,
};

// -- States of values of one fixed width --

template <typename T>
struct FixedExtreme {
  T best{};
  bool found = false;
};

template <bool kMax, typename T>
void OfferFixed(FixedExtreme<T>& state, const T& value) {
  if (!state.found || Better<kMax>(value, state.best)) state.best = value;
  state.found = true;
}

template <bool kMax, typename Tag>
struct Narrow {
  using Value = typename Tag::Value;
  using State = FixedExtreme<Value>;

  static Status AddGroups(KernelContext&, std::byte* const* groups, size_t offset,
                          const AggregateRows& rows) {
    const typename Tag::Column values(rows.args[0]);
    ForEachValid(rows, [&](int64_t row) {
      OfferFixed<kMax, Value>(StateAt<State>(groups[row], offset), values[row]);
    });
    return Status::OK();
  }

  static Status AddAll(KernelContext&, std::byte* state, const AggregateRows& rows) {
    const typename Tag::Column values(rows.args[0]);
    State best = StateAt<State>(state);
    ForEachValid(rows, [&](int64_t row) { OfferFixed<kMax, Value>(best, values[row]); });
    StateAt<State>(state) = best;
    return Status::OK();
  }

  static Status Merge(KernelContext&, std::byte* into, const std::byte* from) {
    const State& other = StateAt<State>(from);
    if (other.found) OfferFixed<kMax>(StateAt<State>(into), other.best);
    return Status::OK();
  }

  static Status Finish(KernelContext& ctx, std::byte* const* groups, size_t offset, int64_t count,
                       arrow::ArrayBuilder* out) {
    ARROW_RETURN_NOT_OK(out->Reserve(count));
    if constexpr (std::is_arithmetic_v<Value>) {
      using Type = typename arrow::CTypeTraits<Value>::ArrowType;
      if (ctx.result_type->id() == Type::type_id) {
        return FinishNumbers<Type>(groups, offset, count, *out);
      }
    }
    for (int64_t i = 0; i < count; ++i) {
      const State& state = StateAt<State>(groups[i], offset);
      const std::string_view cell(reinterpret_cast<const char*>(&state.best), sizeof(Value));
      ARROW_RETURN_NOT_OK(state.found ? AppendCell(cell, *ctx.result_type, out)
                                      : out->AppendNull());
    }
    return Status::OK();
  }

  // Into reserved memory.
  template <typename Type>
  static Status FinishNumbers(std::byte* const* groups, size_t offset, int64_t count,
                              arrow::ArrayBuilder& out) {
    auto& builder = static_cast<arrow::NumericBuilder<Type>&>(out);
    for (int64_t i = 0; i < count; ++i) {
      const State& state = StateAt<State>(groups[i], offset);
      if (state.found) {
        builder.UnsafeAppend(state.best);
      } else {
        builder.UnsafeAppendNull();
      }
    }
    return Status::OK();
  }

  static Status Save(const std::byte* state, std::string* out) {
    PutValue(StateAt<State>(state).found, out);
    PutValue(StateAt<State>(state).best, out);
    return Status::OK();
  }

  static Status Load(std::byte* state, std::string_view bytes) {
    StateBytesReader reader("min or max", bytes);
    State loaded;
    ARROW_RETURN_NOT_OK(reader.ReadFlag(&loaded.found));
    ARROW_RETURN_NOT_OK(reader.Read(&loaded.best));
    StateAt<State>(state) = loaded;
    return reader.Finish();
  }

  static constexpr AggregateKernel kKernel = {
      .size = sizeof(State),
      .align = alignof(State),
      .init = InitState<State>,
      .add = AddGroups,
      .add_all = AddAll,
      .merge = Merge,
      .finish = Finish,
      .save = Save,
      .load = Load,
  };
};

template <bool kMax>
const AggregateKernel* NarrowFor(const arrow::DataType& argument) {
  const AggregateKernel* kernel = nullptr;
  VisitOrdered(argument.id(), [&](auto tag) {
    using Tag = decltype(tag);
    if constexpr (std::is_trivially_copyable_v<typename Tag::Value> &&
                  !std::is_same_v<typename Tag::Value, std::string_view>) {
      kernel = &Narrow<kMax, Tag>::kKernel;
    }
  });
  return kernel;
}

// -- States that can take rows back --

template <bool kMax, typename Tag>
Status FinishCounted(KernelContext& ctx, std::byte* const* groups, size_t offset, int64_t count,
                     arrow::ArrayBuilder* out) {
  ARROW_RETURN_NOT_OK(out->Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    const auto& state = StateAt<CountedValues<Tag>>(groups[i], offset);
    if (state.empty()) {
      ARROW_RETURN_NOT_OK(out->AppendNull());
      continue;
    }
    const typename Tag::Value best = kMax ? state.Greatest() : state.Least();
    if constexpr (std::is_same_v<typename Tag::Value, std::string_view>) {
      ARROW_RETURN_NOT_OK(AppendCell(best, *ctx.result_type, out));
    } else {
      const std::string_view cell(reinterpret_cast<const char*>(&best), sizeof(best));
      ARROW_RETURN_NOT_OK(AppendCell(cell, *ctx.result_type, out));
    }
  }
  return Status::OK();
}

template <bool kMax, typename Tag>
constexpr AggregateKernel kCountedKernel =
    StateKernel<CountedValues<Tag>, RemovableValues<Tag>>(FinishCounted<kMax, Tag>);

template <bool kMax>
const AggregateKernel* CountedFor(const arrow::DataType& argument) {
  const AggregateKernel* kernel = nullptr;
  VisitOrdered(argument.id(), [&](auto tag) { kernel = &kCountedKernel<kMax, decltype(tag)>; });
  return kernel;
}

constexpr ArgPattern kComparable[] = {ArgPattern::kCommonComparable};
template <bool kMax>
constexpr Overload kOverloads[] = {
    {.args = kComparable, .result = FirstType, .aggregate = &kKernel<kMax>},
};
constexpr Example kMinExamples[] = {
    {"min(x)", "1", "(3), (NULL), (1)"},
    {"min(x)", "a", "('b'), ('a'), (NULL)"},
};
constexpr Example kMaxExamples[] = {
    {"max(x)", "3", "(3), (NULL), (1)"},
    {"max(x)", "NULL", "(CAST(NULL AS INTEGER)), (NULL)"},
};

}  // namespace

const AggregateKernel* NarrowExtreme(const AggregateKernel& kernel,
                                     const arrow::DataType& argument) {
  if (&kernel == &kKernel<false>) return NarrowFor<false>(argument);
  return &kernel == &kKernel<true> ? NarrowFor<true>(argument) : nullptr;
}

const AggregateKernel* RemovingExtreme(const AggregateKernel& kernel,
                                       const arrow::DataType& argument) {
  if (&kernel == &kKernel<false>) return CountedFor<false>(argument);
  return &kernel == &kKernel<true> ? CountedFor<true>(argument) : nullptr;
}

HEADRACE_DEFINE_FUNCTION(kMin) = {
    .id = "min",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "min", .ltseq = "min"},
    .overloads = kOverloads<false>,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc =
        "The least of the values that are not null, null when there is none; NaN is above "
        "infinity, text is ordered by its UTF-8 bytes.",
    .examples = kMinExamples,
};

HEADRACE_DEFINE_FUNCTION(kMax) = {
    .id = "max",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "max", .ltseq = "max"},
    .overloads = kOverloads<true>,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc =
        "The greatest of the values that are not null, null when there is none; NaN is above "
        "infinity, text is ordered by its UTF-8 bytes.",
    .examples = kMaxExamples,
};

}  // namespace headrace
