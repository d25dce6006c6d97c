// delta: how far the greatest value is from the least.
#include <array>
#include <bit>
#include <type_traits>

#include "arrow/array/builder_decimal.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/array/builder_time.h"
#include "arrow/type.h"
#include "arrow/util/decimal.h"
#include "headrace/function/aggregate/counted_values.h"
#include "headrace/function/aggregate/removing_kernel.h"
#include "headrace/function/aggregate/state_kernel.h"
#include "headrace/function/decimal_value.h"
#include "headrace/function/define.h"

namespace headrace {
namespace {

using enum ArgPattern;

/// In words aligned to 8, as states are.
template <typename T>
struct Extent {
  static constexpr const char* kOwner = "delta";

  using Stored = std::conditional_t<std::is_same_v<T, Int128>, std::array<uint64_t, 2>, T>;
  Stored least{};
  Stored greatest{};
  bool any = false;

  static T Unpacked(const Stored& stored) { return std::bit_cast<T>(stored); }
  T Least() const { return Unpacked(least); }
  T Greatest() const { return Unpacked(greatest); }
  bool empty() const { return !any; }
  void Add(T value) {
    if (!any || ValueLess(value, Least())) least = std::bit_cast<Stored>(value);
    if (!any || ValueLess(Greatest(), value)) greatest = std::bit_cast<Stored>(value);
    any = true;
  }
  void Merge(const Extent& other) {
    if (!other.any) return;
    Add(other.Least());
    Add(other.Greatest());
  }
  void Save(std::string* out) const {
    PutValue(least, out);
    PutValue(greatest, out);
    PutValue<uint8_t>(any ? 1 : 0, out);
  }
  Status Load(StateBytesReader& reader) {
    ARROW_RETURN_NOT_OK(reader.Read(&least));
    ARROW_RETURN_NOT_OK(reader.Read(&greatest));
    return reader.ReadFlag(&any);
  }
};

template <typename T>
struct Values {
  template <typename Into>
  static Status Add(KernelContext&, const AggregateRows& rows, Into&& into) {
    const View<T> values(rows.args[0]);
    ForEachValid(rows, [&](int64_t row) { into(row).Add(values[row]); });
    return Status::OK();
  }
};

Status Overflow(const arrow::DataType& type) {
  return Error(ErrorKind::kOverflow, "the greatest value less the least does not fit {}",
               type.ToString());
}

template <typename T, typename Builder>
Status AppendDifference(T least, T greatest, Builder& out) {
  if constexpr (std::is_same_v<T, Int128>) {
    Int128 difference;
    if (__builtin_sub_overflow(greatest, least, &difference) ||
        !FitsPrecision(difference, kDecimalPrecisionMax)) {
      return Overflow(*out.type());
    }
    return out.Append(arrow::Decimal128(static_cast<int64_t>(difference >> 64),
                                        static_cast<uint64_t>(difference)));
  } else if constexpr (std::is_floating_point_v<T>) {
    return out.Append(greatest - least);
  } else {
    T difference;
    if (__builtin_sub_overflow(greatest, least, &difference)) return Overflow(*out.type());
    return out.Append(difference);
  }
}

template <typename State, typename T, typename Builder>
Status Finish(KernelContext&, std::byte* const* groups, size_t offset, int64_t count,
              arrow::ArrayBuilder* out) {
  auto& builder = static_cast<Builder&>(*out);
  for (int64_t i = 0; i < count; ++i) {
    const auto& state = StateAt<State>(groups[i], offset);
    ARROW_RETURN_NOT_OK(state.empty()
                            ? builder.AppendNull()
                            : (AppendDifference<T>(state.Least(), state.Greatest(), builder)));
  }
  return Status::OK();
}

template <typename T, typename Builder>
constexpr AggregateKernel kKernel =
    StateKernel<Extent<T>, Values<T>>(Finish<Extent<T>, T, Builder>);
template <typename T, typename Builder>
constexpr AggregateKernel kRemovingKernel =
    StateKernel<CountedValues<representation::Fixed<T>>, RemovableValues<representation::Fixed<T>>>(
        Finish<CountedValues<representation::Fixed<T>>, T, Builder>);

template <typename T, typename Builder>
const AggregateKernel* RemovingOf(const AggregateKernel& kernel) {
  return &kernel == &kKernel<T, Builder> ? &kRemovingKernel<T, Builder> : nullptr;
}

Result<TypePtr> DifferenceOfTimesType(std::span<const TypePtr> args) {
  return arrow::duration(static_cast<const arrow::TimestampType&>(*args[0]).unit());
}

constexpr Overload kOverloads[] = {
    {.args = kArgs<kInt64>,
     .result = Int64Type,
     .aggregate = &kKernel<int64_t, arrow::Int64Builder>},
    {.args = kArgs<kUInt64>,
     .result = UInt64Type,
     .aggregate = &kKernel<uint64_t, arrow::UInt64Builder>},
    {.args = kArgs<kFloat64>,
     .result = Float64Type,
     .aggregate = &kKernel<double, arrow::DoubleBuilder>},
    {.args = kArgs<kDecimal128>,
     .result = WidestDecimalType,
     .aggregate = &kKernel<Int128, arrow::Decimal128Builder>},
    {.args = kArgs<kTimestamp>,
     .result = DifferenceOfTimesType,
     .aggregate = &kKernel<int64_t, arrow::DurationBuilder>},
    {.args = kArgs<kDuration>,
     .result = FirstType,
     .aggregate = &kKernel<int64_t, arrow::DurationBuilder>},
};
constexpr Example kExamples[] = {{"delta(x)", "7", "(3), (NULL), (-1), (6)"},
                                 {"delta(x)", "0", "(5)"},
                                 {"delta(x)", "NULL", "(CAST(NULL AS BIGINT))"}};

}  // namespace

const AggregateKernel* RemovingDelta(const AggregateKernel& kernel) {
  for (const AggregateKernel* removing : {RemovingOf<int64_t, arrow::Int64Builder>(kernel),
                                          RemovingOf<uint64_t, arrow::UInt64Builder>(kernel),
                                          RemovingOf<double, arrow::DoubleBuilder>(kernel),
                                          RemovingOf<Int128, arrow::Decimal128Builder>(kernel),
                                          RemovingOf<int64_t, arrow::DurationBuilder>(kernel)}) {
    if (removing != nullptr) return removing;
  }
  return nullptr;
}

HEADRACE_DEFINE_FUNCTION(kDelta) = {
    .id = "delta",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "delta"},
    .overloads = kOverloads,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc = "The greatest value less the least; of times a span. Overflow is an error.",
    .examples = kExamples,
};

}  // namespace headrace
