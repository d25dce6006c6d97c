// Aggregates that pick the value of one row: any_value, arg_min, arg_max. Of rows that are as good
// the first in the whole input is taken.
#include <bit>

#include "arrow/array/builder_base.h"
#include "arrow/type.h"
#include "headrace/function/aggregate/state_kernel.h"
#include "headrace/function/cell.h"
#include "headrace/function/define.h"
#include "headrace/function/order.h"

namespace headrace {
namespace {

using enum ArgPattern;

/// Appends the bits of an integer, the highest first, its sign turned over: bytes in its order.
template <typename T>
void AppendOrdered(T value, std::string* out) {
  if constexpr (std::is_signed_v<T> || std::is_same_v<T, Int128>) {
    using Unsigned = std::conditional_t<std::is_same_v<T, Int128>, UInt128, std::make_unsigned<T>>;
    if constexpr (std::is_same_v<T, Int128>) {
      AppendOrdered(static_cast<UInt128>(value) ^ (UInt128{1} << 127), out);
    } else {
      using Bits = typename Unsigned::type;
      AppendOrdered(static_cast<Bits>(static_cast<Bits>(value) ^ (Bits{1} << (sizeof(T) * 8 - 1))),
                    out);
    }
  } else {
    for (size_t i = sizeof(T); i-- > 0;) out->push_back(static_cast<char>(value >> (8 * i)));
  }
}

/// Bytes that compare as the values do.
template <typename T>
void AppendKey(const T& value, std::string* out) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    out->append(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    using Signed = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
    const T same = value != value ? std::numeric_limits<T>::quiet_NaN() : value + T{0};
    const auto bits = std::bit_cast<Signed>(same);
    AppendOrdered(bits < 0 ? static_cast<Signed>(~bits ^ std::numeric_limits<Signed>::min()) : bits,
                  out);
  } else if constexpr (std::is_same_v<T, arrow::BasicDecimal256>) {
    const auto& words = value.little_endian_array();
    AppendOrdered(static_cast<int64_t>(words[3]), out);
    for (int i = 2; i >= 0; --i) AppendOrdered(words[static_cast<size_t>(i)], out);
  } else {
    AppendOrdered(value, out);
  }
}

enum class Pick : uint8_t { kFirst, kLeast, kGreatest };

template <Pick kPick>
struct Picked {
  static constexpr const char* kOwner = "any_value, arg_min or arg_max";

  bool any = false;
  RowPosition position;
  std::string key;
  std::string cell;

  bool IsBeatenBy(std::string_view other_key, const RowPosition& other) const {
    if (!any) return true;
    const int order = kPick == Pick::kFirst ? 0 : other_key.compare(key);
    if (order != 0) return kPick == Pick::kLeast ? order < 0 : order > 0;
    return other < position;
  }
  void Merge(const Picked& other) {
    if (other.any && IsBeatenBy(other.key, other.position)) *this = other;
  }
  void Save(std::string* out) const {
    PutValue<uint8_t>(any ? 1 : 0, out);
    PutValue(position.split, out);
    PutValue(position.row, out);
    PutText(key, out);
    PutText(cell, out);
  }
  Status Load(StateBytesReader& reader) {
    ARROW_RETURN_NOT_OK(reader.ReadFlag(&any));
    ARROW_RETURN_NOT_OK(reader.Read(&position.split));
    ARROW_RETURN_NOT_OK(reader.Read(&position.row));
    ARROW_RETURN_NOT_OK(reader.ReadText(&key));
    return reader.ReadText(&cell);
  }
  int64_t Bytes() const { return HeapBytes(key) + HeapBytes(cell); }
};

template <Pick kPick>
struct PickedRows {
  template <typename Into>
  static Status Offer(const AggregateRows& rows, Into&& into, int64_t row, const std::string& key) {
    Picked<kPick>& state = into(row);
    const RowPosition position = PositionOfRow(rows, row);
    if (!state.IsBeatenBy(key, position)) return Status::OK();
    state.any = true;
    state.position = position;
    state.key = key;
    state.cell.clear();
    const Argument& arg = rows.args[0];
    return EncodeCell(*arg.array, arg.is_constant ? 0 : row, &state.cell);
  }

  template <typename Into>
  static Status Add(KernelContext&, const AggregateRows& rows, Into&& into) {
    std::string key;
    Status status;
    if constexpr (kPick == Pick::kFirst) {
      ForEachComplete(rows, [&](int64_t row) {
        if (status.ok()) status = Offer(rows, into, row, key);
      });
      return status;
    } else {
      const arrow::Array& values = *rows.args[1].array;
      if (values.type_id() == arrow::Type::NA) return Status::OK();
      const bool known = VisitOrdered(values.type_id(), [&](auto tag) {
        using Tag = decltype(tag);
        const typename Tag::Column column(rows.args[1]);
        ForEachComplete(rows, [&](int64_t row) {
          key.clear();
          AppendKey(typename Tag::Value(column[row]), &key);
          if (status.ok()) status = Offer(rows, into, row, key);
        });
      });
      if (known) return status;
      return Error(ErrorKind::kInternal, "no order for {}", values.type()->ToString());
    }
  }
};

template <Pick kPick>
Status Finish(KernelContext& ctx, std::byte* const* groups, size_t offset, int64_t count,
              arrow::ArrayBuilder* out) {
  ARROW_RETURN_NOT_OK(out->Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    const auto& state = StateAt<Picked<kPick>>(groups[i], offset);
    ARROW_RETURN_NOT_OK(state.any && ctx.result_type->id() != arrow::Type::NA
                            ? AppendCell(state.cell, *ctx.result_type, out)
                            : out->AppendNull());
  }
  return Status::OK();
}

template <Pick kPick>
constexpr AggregateKernel kKernel = StateKernel<Picked<kPick>, PickedRows<kPick>>(Finish<kPick>);
constexpr Overload kAnyForm[] = {
    {.args = kArgs<kAny>, .result = FirstType, .aggregate = &kKernel<Pick::kFirst>},
};
template <Pick kPick>
constexpr Overload kArgForm[] = {
    {.args = kArgs<kAny, kCommonComparable>, .result = FirstType, .aggregate = &kKernel<kPick>},
};

constexpr Example kAnyValueExamples[] = {{"any_value(x)", "2", "(NULL), (2), (3)"},
                                         {"any_value(x)", "NULL", "(CAST(NULL AS VARCHAR))"}};
constexpr Example kArgMinExamples[] = {{"arg_min(x, -x)", "3", "(1), (NULL), (3)"},
                                       {"arg_min(x, -x)", "NULL", "(CAST(NULL AS BIGINT))"}};
constexpr Example kArgMaxExamples[] = {{"arg_max(x, -x)", "1", "(1), (NULL), (3)"},
                                       {"arg_max(x, -x)", "NULL", "(CAST(NULL AS BIGINT))"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kAnyValue) = {
    .id = "any_value",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "any_value"},
    .overloads = kAnyForm,
    .nulls = NullRule::kSkip,
    .flags = function_flag::kOrderSensitive,
    .arguments = "x",
    .doc = "The first value that is not null; null when there is none. Any type.",
    .examples = kAnyValueExamples,
};

HEADRACE_DEFINE_FUNCTION(kArgMin) = {
    .id = "arg_min",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "arg_min|argmin|min_by"},
    .overloads = kArgForm<Pick::kLeast>,
    .nulls = NullRule::kSkip,
    .flags = function_flag::kOrderSensitive,
    .arguments = "x, y",
    .doc =
        "x of the row with the least y, the first of several; rows where x or y is null do not "
        "count.",
    .examples = kArgMinExamples,
};

HEADRACE_DEFINE_FUNCTION(kArgMax) = {
    .id = "arg_max",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "arg_max|argmax|max_by"},
    .overloads = kArgForm<Pick::kGreatest>,
    .nulls = NullRule::kSkip,
    .flags = function_flag::kOrderSensitive,
    .arguments = "x, y",
    .doc =
        "x of the row with the greatest y, the first of several; rows where x or y is null do not "
        "count.",
    .examples = kArgMaxExamples,
};

}  // namespace headrace
