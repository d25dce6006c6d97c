// first and last: the value of the first or last row of a group, by place in the whole input.
#include "arrow/array/builder_base.h"
#include "arrow/type.h"
#include "headrace/function/aggregate/accumulate.h"
#include "headrace/function/aggregate/removing_kernel.h"
#include "headrace/function/aggregate/retained_rows.h"
#include "headrace/function/cell.h"
#include "headrace/function/define.h"
#include "headrace/function/state_bytes.h"

namespace headrace {
namespace {

struct Chosen {
  RowPosition position;
  bool has_row = false;
  bool is_valid = false;
  std::string cell;
};

template <bool kLast>
bool Precedes(const RowPosition& candidate, const Chosen& chosen) {
  if (!chosen.has_row) return true;
  return kLast ? chosen.position < candidate : candidate < chosen.position;
}

template <bool kLast>
Status Offer(Chosen& chosen, const AggregateRows& rows, int64_t row) {
  const RowPosition position = PositionOfRow(rows, row);
  if (!Precedes<kLast>(position, chosen)) return Status::OK();
  const Argument& arg = rows.args[0];
  const int64_t place = arg.is_constant ? 0 : row;
  chosen.position = position;
  chosen.has_row = true;
  chosen.is_valid = arg.array->IsValid(place);
  chosen.cell.clear();
  return chosen.is_valid ? EncodeCell(*arg.array, place, &chosen.cell) : Status::OK();
}

/// Rows come mostly in order, so going backwards for `last` keeps the first row met.
template <bool kLast>
Status AddGroups(KernelContext&, std::byte* const* groups, size_t offset,
                 const AggregateRows& rows) {
  for (int64_t i = 0; i < rows.length; ++i) {
    const int64_t row = kLast ? rows.length - 1 - i : i;
    ARROW_RETURN_NOT_OK(Offer<kLast>(StateAt<Chosen>(groups[row], offset), rows, row));
  }
  return Status::OK();
}

template <bool kLast>
Status AddAll(KernelContext&, std::byte* state, const AggregateRows& rows) {
  if (rows.length == 0) return Status::OK();
  if (rows.positions == nullptr) {
    return Offer<kLast>(StateAt<Chosen>(state), rows, kLast ? rows.length - 1 : 0);
  }
  for (int64_t i = 0; i < rows.length; ++i) {
    const int64_t row = kLast ? rows.length - 1 - i : i;
    ARROW_RETURN_NOT_OK(Offer<kLast>(StateAt<Chosen>(state), rows, row));
  }
  return Status::OK();
}

template <bool kLast>
Status Merge(KernelContext&, std::byte* into, const std::byte* from) {
  const auto& other = StateAt<Chosen>(from);
  auto& state = StateAt<Chosen>(into);
  if (other.has_row && Precedes<kLast>(other.position, state)) state = other;
  return Status::OK();
}

Status Finish(KernelContext& ctx, std::byte* const* groups, size_t offset, int64_t count,
              arrow::ArrayBuilder* out) {
  ARROW_RETURN_NOT_OK(out->Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    const auto& state = StateAt<Chosen>(groups[i], offset);
    ARROW_RETURN_NOT_OK(state.is_valid ? AppendCell(state.cell, *ctx.result_type, out)
                                       : out->AppendNull());
  }
  return Status::OK();
}

Status Save(const std::byte* bytes, std::string* out) {
  const auto& state = StateAt<Chosen>(bytes);
  PutValue(state.position.split, out);
  PutValue(state.position.row, out);
  PutValue<uint8_t>(state.has_row ? 1 : 0, out);
  PutValue<uint8_t>(state.is_valid ? 1 : 0, out);
  PutText(state.cell, out);
  return Status::OK();
}

Status Load(std::byte* state, std::string_view bytes) {
  StateBytesReader reader("first or last", bytes);
  Chosen loaded;
  ARROW_RETURN_NOT_OK(reader.Read(&loaded.position.split));
  ARROW_RETURN_NOT_OK(reader.Read(&loaded.position.row));
  ARROW_RETURN_NOT_OK(reader.ReadFlag(&loaded.has_row));
  ARROW_RETURN_NOT_OK(reader.ReadFlag(&loaded.is_valid));
  ARROW_RETURN_NOT_OK(reader.ReadText(&loaded.cell));
  ARROW_RETURN_NOT_OK(reader.Finish());
  StateAt<Chosen>(state) = std::move(loaded);
  return Status::OK();
}

int64_t Bytes(const std::byte* state) { return HeapBytes(StateAt<Chosen>(state).cell); }

template <bool kLast>
constexpr AggregateKernel kKernel = {
    .size = sizeof(Chosen),
    .align = alignof(Chosen),
    .init = InitState<Chosen>,
    .destroy = DestroyState<Chosen>,
    .add = AddGroups<kLast>,
    .add_all = AddAll<kLast>,
    .merge = Merge<kLast>,
    .finish = Finish,
    .save = Save,
    .load = Load,
    .bytes = Bytes,
};

template <bool kLast>
Status FinishRetained(KernelContext& ctx, std::byte* const* groups, size_t offset, int64_t count,
                      arrow::ArrayBuilder* out) {
  ARROW_RETURN_NOT_OK(out->Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    const auto& state = StateAt<RetainedRows>(groups[i], offset);
    if (state.rows.empty()) {
      ARROW_RETURN_NOT_OK(out->AppendNull());
      continue;
    }
    const RetainedRows::Entry entry = kLast ? state.Last() : state.First();
    ARROW_RETURN_NOT_OK(entry.is_valid ? AppendCell(entry.cell, *ctx.result_type, out)
                                       : out->AppendNull());
  }
  return Status::OK();
}

template <bool kLast>
constexpr AggregateKernel kRetainedKernel =
    StateKernel<RetainedRows, Retained<AllRows>>(FinishRetained<kLast>);

constexpr ArgPattern kAnything[] = {ArgPattern::kAny};
template <bool kLast>
constexpr Overload kOverloads[] = {
    {.args = kAnything, .result = FirstType, .aggregate = &kKernel<kLast>},
};
constexpr Example kFirstExamples[] = {
    {"first(x)", "3", "(3), (NULL), (1)"},
    {"first(x)", "NULL", "(NULL), (1)"},
};
constexpr Example kLastExamples[] = {
    {"last(x)", "1", "(3), (NULL), (1)"},
    {"last(x)", "NULL", "('a'), (NULL)"},
};

}  // namespace

const AggregateKernel* RemovingEnd(const AggregateKernel& kernel) {
  if (&kernel == &kKernel<false>) return &kRetainedKernel<false>;
  return &kernel == &kKernel<true> ? &kRetainedKernel<true> : nullptr;
}

HEADRACE_DEFINE_FUNCTION(kFirst) = {
    .id = "first",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "first", .ltseq = "first"},
    .overloads = kOverloads<false>,
    .nulls = NullRule::kKernel,
    .flags = function_flag::kOrderSensitive,
    .arguments = "x",
    .doc = "The value of the first row, null when that row's value is null. Any type.",
    .examples = kFirstExamples,
};

HEADRACE_DEFINE_FUNCTION(kLast) = {
    .id = "last",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "last", .ltseq = "last"},
    .overloads = kOverloads<true>,
    .nulls = NullRule::kKernel,
    .flags = function_flag::kOrderSensitive,
    .arguments = "x",
    .doc = "The value of the last row, null when that row's value is null. Any type.",
    .examples = kLastExamples,
};

}  // namespace headrace
