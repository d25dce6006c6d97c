// Aggregates that fold values into one number or flag: bits, booleans, count_if, product.
#include <algorithm>
#include <cmath>

#include "arrow/array/builder_primitive.h"
#include "arrow/type.h"
#include "headrace/function/aggregate/double_double.h"
#include "headrace/function/aggregate/state_kernel.h"
#include "headrace/function/define.h"

namespace headrace {
namespace {

using enum ArgPattern;

/// Values of T, or booleans, one by one.
template <typename T>
struct Values {
  template <typename Into>
  static Status Add(KernelContext&, const AggregateRows& rows, Into&& into) {
    using Column = std::conditional_t<std::is_same_v<T, bool>, BooleanView, View<T>>;
    const Column values(rows.args[0]);
    ForEachValid(rows, [&](int64_t row) { into(row).Add(values[row]); });
    return Status::OK();
  }
};

enum class Bits : uint8_t { kAnd, kOr, kXor };

template <typename T, Bits kBits>
struct BitState {
  static constexpr const char* kOwner = "bit_and, bit_or or bit_xor";

  T value = kBits == Bits::kAnd ? static_cast<T>(~T{0}) : T{0};
  bool any = false;

  void Add(T other) {
    any = true;
    if (kBits == Bits::kAnd) value &= other;
    if (kBits == Bits::kOr) value |= other;
    if (kBits == Bits::kXor) value ^= other;
  }
  void Merge(const BitState& other) {
    if (other.any) Add(other.value);
  }
  void Save(std::string* out) const {
    PutValue(value, out);
    PutValue<uint8_t>(any ? 1 : 0, out);
  }
  Status Load(StateBytesReader& reader) {
    ARROW_RETURN_NOT_OK(reader.Read(&value));
    return reader.ReadFlag(&any);
  }
};

template <typename State, typename Builder>
Status FinishAny(KernelContext&, std::byte* const* groups, size_t offset, int64_t count,
                 arrow::ArrayBuilder* out) {
  auto& builder = static_cast<Builder&>(*out);
  ARROW_RETURN_NOT_OK(builder.Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    const auto& state = StateAt<State>(groups[i], offset);
    if (state.any) {
      builder.UnsafeAppend(state.value);
    } else {
      builder.UnsafeAppendNull();
    }
  }
  return Status::OK();
}

template <typename T, Bits kBits, typename Builder>
constexpr AggregateKernel kBitKernel =
    StateKernel<BitState<T, kBits>, Values<T>>(FinishAny<BitState<T, kBits>, Builder>);
template <Bits kBits>
constexpr Overload kBitForm[] = {
    {.args = kArgs<kInt32>,
     .result = FirstType,
     .aggregate = &kBitKernel<int32_t, kBits, arrow::Int32Builder>},
    {.args = kArgs<kInt64>,
     .result = FirstType,
     .aggregate = &kBitKernel<int64_t, kBits, arrow::Int64Builder>},
    {.args = kArgs<kUInt64>,
     .result = FirstType,
     .aggregate = &kBitKernel<uint64_t, kBits, arrow::UInt64Builder>},
};

/// How many are true and how many false: enough to take rows back.
struct Truths {
  static constexpr const char* kOwner = "bool_and, bool_or or count_if";

  int64_t trues = 0;
  int64_t falses = 0;

  void Merge(const Truths& other) {
    trues += other.trues;
    falses += other.falses;
  }
  void Save(std::string* out) const {
    PutValue(trues, out);
    PutValue(falses, out);
  }
  Status Load(StateBytesReader& reader) {
    ARROW_RETURN_NOT_OK(reader.ReadCount(&trues));
    return reader.ReadCount(&falses);
  }
};

struct Booleans {
  static constexpr bool kRemoves = true;

  template <typename Into>
  static Status Change(const AggregateRows& rows, Into&& into, int64_t sign) {
    const BooleanView values(rows.args[0]);
    ForEachValid(rows, [&](int64_t row) {
      Truths& state = into(row);
      (values[row] ? state.trues : state.falses) += sign;
    });
    return Status::OK();
  }
  template <typename Into>
  static Status Add(KernelContext&, const AggregateRows& rows, Into&& into) {
    return Change(rows, into, 1);
  }
  template <typename Into>
  static Status Remove(KernelContext&, const AggregateRows& rows, Into&& into) {
    return Change(rows, into, -1);
  }
};

template <bool kAnd>
Status FinishTruth(KernelContext&, std::byte* const* groups, size_t offset, int64_t count,
                   arrow::ArrayBuilder* out) {
  auto& builder = static_cast<arrow::BooleanBuilder&>(*out);
  ARROW_RETURN_NOT_OK(builder.Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    const auto& state = StateAt<Truths>(groups[i], offset);
    if (state.trues + state.falses == 0) {
      builder.UnsafeAppendNull();
    } else {
      builder.UnsafeAppend(kAnd ? state.falses == 0 : state.trues > 0);
    }
  }
  return Status::OK();
}

template <bool kAnd>
constexpr AggregateKernel kTruthKernel = StateKernel<Truths, Booleans>(FinishTruth<kAnd>);
template <bool kAnd>
constexpr Overload kTruthForm[] = {
    {.args = kArgs<kBoolean>, .result = BooleanType, .aggregate = &kTruthKernel<kAnd>},
};
constexpr AggregateKernel kCountIfKernel =
    StateKernel<Truths, Booleans>(FinishInt64<Truths, &Truths::trues>);
constexpr Overload kCountIfForm[] = {
    {.args = kArgs<kBoolean>, .result = Int64Type, .aggregate = &kCountIfKernel},
};

/// The product as mantissa and exponent, so that its way there neither overflows nor depends on
/// order. Zeros, infinities and NaN are kept apart.
struct Product {
  static constexpr const char* kOwner = "product";

  DoubleDouble mantissa{1, 0};
  int64_t exponent = 0;
  double special = 1;
  bool any = false;

  void Normalize() {
    int shift = 0;
    mantissa.high = std::frexp(mantissa.high, &shift);
    mantissa.low = std::ldexp(mantissa.low, -shift);
    exponent += shift;
  }
  void Add(double value) {
    any = true;
    if (value == 0 || value - value != 0) {
      special *= value;
      return;
    }
    int shift = 0;
    mantissa = mantissa * std::frexp(value, &shift);
    exponent += shift;
    Normalize();
  }
  void Merge(const Product& other) {
    any = any || other.any;
    special *= other.special;
    mantissa = mantissa * other.mantissa;
    exponent += other.exponent;
    Normalize();
  }
  double Value() const {
    if (special != 1) return std::copysign(1.0, mantissa.high) * special;
    const auto shift = static_cast<int>(std::clamp<int64_t>(exponent, -10'000, 10'000));
    return std::ldexp(mantissa.high, shift);
  }
  void Save(std::string* out) const {
    PutValue(mantissa, out);
    PutValue(exponent, out);
    PutValue(special, out);
    PutValue<uint8_t>(any ? 1 : 0, out);
  }
  Status Load(StateBytesReader& reader) {
    ARROW_RETURN_NOT_OK(reader.Read(&mantissa));
    ARROW_RETURN_NOT_OK(reader.Read(&exponent));
    ARROW_RETURN_NOT_OK(reader.Read(&special));
    constexpr int64_t kExponentMax = int64_t{1} << 60;
    const bool possible = std::isfinite(mantissa.high) && std::isfinite(mantissa.low) &&
                          std::fabs(mantissa.high) <= 2 && exponent < kExponentMax &&
                          exponent > -kExponentMax;
    if (!possible) return reader.Damaged("no product");
    return reader.ReadFlag(&any);
  }
};

Status FinishProduct(KernelContext&, std::byte* const* groups, size_t offset, int64_t count,
                     arrow::ArrayBuilder* out) {
  auto& builder = static_cast<arrow::DoubleBuilder&>(*out);
  ARROW_RETURN_NOT_OK(builder.Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    const auto& state = StateAt<Product>(groups[i], offset);
    if (state.any) {
      builder.UnsafeAppend(state.Value());
    } else {
      builder.UnsafeAppendNull();
    }
  }
  return Status::OK();
}

constexpr AggregateKernel kProductKernel = StateKernel<Product, Values<double>>(FinishProduct);
constexpr Overload kProductForm[] = {
    {.args = kArgs<kFloat64>, .result = Float64Type, .aggregate = &kProductKernel},
};

constexpr Example kBitAndExamples[] = {{"bit_and(x)", "2", "(6), (NULL), (3)"},
                                       {"bit_and(x)", "NULL", "(CAST(NULL AS BIGINT))"}};
constexpr Example kBitOrExamples[] = {{"bit_or(x)", "7", "(6), (NULL), (3)"},
                                      {"bit_or(x)", "NULL", "(CAST(NULL AS BIGINT))"}};
constexpr Example kBitXorExamples[] = {{"bit_xor(x)", "5", "(6), (NULL), (3)"},
                                       {"bit_xor(x)", "NULL", "(CAST(NULL AS BIGINT))"}};
constexpr Example kBoolAndExamples[] = {{"bool_and(x)", "true", "(true), (NULL)"},
                                        {"bool_and(x)", "NULL", "(CAST(NULL AS BOOLEAN))"}};
constexpr Example kBoolOrExamples[] = {{"bool_or(x)", "true", "(true), (NULL), (false)"},
                                       {"bool_or(x)", "NULL", "(CAST(NULL AS BOOLEAN))"}};
constexpr Example kCountIfExamples[] = {{"count_if(x > 1)", "2", "(1), (NULL), (2), (3)"},
                                        {"count_if(x > 1)", "0", "(CAST(NULL AS BIGINT))"}};
constexpr Example kProductExamples[] = {{"product(x)", "6.0", "(2), (NULL), (3)"},
                                        {"product(x)", "NULL", "(CAST(NULL AS DOUBLE))"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kBitAnd) = {
    .id = "bit_and",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "bit_and"},
    .overloads = kBitForm<Bits::kAnd>,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc = "The bits that are set in all integers.",
    .examples = kBitAndExamples,
};

HEADRACE_DEFINE_FUNCTION(kBitOr) = {
    .id = "bit_or",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "bit_or"},
    .overloads = kBitForm<Bits::kOr>,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc = "The bits that are set in any of the integers.",
    .examples = kBitOrExamples,
};

HEADRACE_DEFINE_FUNCTION(kBitXor) = {
    .id = "bit_xor",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "bit_xor"},
    .overloads = kBitForm<Bits::kXor>,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc = "The bits that are set in an odd number of the integers.",
    .examples = kBitXorExamples,
};

HEADRACE_DEFINE_FUNCTION(kBoolAnd) = {
    .id = "bool_and",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "bool_and", .ltseq = "all"},
    .overloads = kTruthForm<true>,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc = "Whether all values that are not null are true; null when there is none.",
    .examples = kBoolAndExamples,
};

HEADRACE_DEFINE_FUNCTION(kBoolOr) = {
    .id = "bool_or",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "bool_or", .ltseq = "any"},
    .overloads = kTruthForm<false>,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc = "Whether a value is true; null when all are null.",
    .examples = kBoolOrExamples,
};

HEADRACE_DEFINE_FUNCTION(kCountIf) = {
    .id = "count_if",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "count_if|countif"},
    .overloads = kCountIfForm,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc = "The number of rows where the argument is true. Never null.",
    .examples = kCountIfExamples,
};

HEADRACE_DEFINE_FUNCTION(kProduct) = {
    .id = "product",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "product"},
    .overloads = kProductForm,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc = "The product of the values as float64.",
    .examples = kProductExamples,
};

}  // namespace headrace
