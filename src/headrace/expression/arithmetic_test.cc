// Arithmetic and comparisons against loops over single values, with random rows, nulls and
// extremes; overflow and division by zero exactly where they happen.
#include <cmath>
#include <limits>
#include <optional>

#include "arrow/array/array_decimal.h"
#include "arrow/array/array_primitive.h"
#include "arrow/util/decimal.h"
#include "headrace/expression/test_binding.h"

namespace headrace {
namespace {

constexpr int64_t kRows = 200;

template <typename ArrowType>
using Value = typename ArrowType::c_type;

/// Random values with many extremes among them, a tenth null.
template <typename ArrowType>
ArrayPtr Extremes(uint64_t seed, const TypePtr& type) {
  using T = Value<ArrowType>;
  const T special[] = {T{0},
                       T{1},
                       static_cast<T>(-1),
                       std::numeric_limits<T>::min(),
                       std::numeric_limits<T>::max(),
                       std::numeric_limits<T>::lowest()};
  Rng rng(seed);
  arrow::NumericBuilder<ArrowType> builder(type, TestPool());
  for (int64_t i = 0; i < kRows; ++i) {
    const uint64_t choice = rng.Below(10);
    if (choice == 0) {
      EXPECT_TRUE(builder.AppendNull().ok());
    } else if (choice < 5) {
      EXPECT_TRUE(builder.Append(special[rng.Below(6)]).ok());
    } else if constexpr (std::is_floating_point_v<T>) {
      const T values[] = {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(),
                          -std::numeric_limits<T>::infinity(), T{-0.0},
                          static_cast<T>(rng.Unit() * 10 - 5)};
      EXPECT_TRUE(builder.Append(values[rng.Below(5)]).ok());
    } else {
      EXPECT_TRUE(builder.Append(static_cast<T>(rng.Below(200) - 100)).ok());
    }
  }
  return builder.Finish().ValueOrDie();
}

/// The exact result of an integer operation; none when it is an error.
template <typename T>
std::optional<T> Exact(const std::string& name, T a, T b) {
  const auto x = static_cast<__int128>(a);
  const auto y = static_cast<__int128>(b);
  __int128 result = 0;
  if (name == "+") result = x + y;
  if (name == "-") result = x - y;
  if (name == "*" && __builtin_mul_overflow(x, y, &result)) return std::nullopt;
  if (name == "//" || name == "%") {
    if (y == 0) return std::nullopt;
    result = name == "//" ? x / y : x % y;
  }
  if (result != static_cast<__int128>(static_cast<T>(result))) return std::nullopt;
  return static_cast<T>(result);
}

/// Rows of x and y where the operation has a result, or where it has none.
template <typename ArrowType>
std::vector<uint32_t> RowsThat(bool have_result, const std::string& name, const arrow::Array& x,
                               const arrow::Array& y) {
  using ArrayType = arrow::NumericArray<ArrowType>;
  std::vector<uint32_t> rows;
  for (int64_t i = 0; i < x.length(); ++i) {
    const bool is_null = x.IsNull(i) || y.IsNull(i);
    const bool has = is_null || Exact(name, static_cast<const ArrayType&>(x).Value(i),
                                      static_cast<const ArrayType&>(y).Value(i))
                                    .has_value();
    if (has == have_result) rows.push_back(static_cast<uint32_t>(i));
  }
  return rows;
}

Batch Selected(const Batch& batch, std::vector<uint32_t> rows) {
  return batch.WithSelection(std::make_shared<const std::vector<uint32_t>>(std::move(rows)));
}

template <typename ArrowType>
void CheckIntegers(const TypePtr& type, const std::string& name) {
  SCOPED_TRACE(type->ToString() + " " + name);
  using ArrayType = arrow::NumericArray<ArrowType>;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const ArrayPtr x = Sliced(Extremes<ArrowType>(seed, type));
    const ArrayPtr y = Extremes<ArrowType>(seed + 100, type);
    const Batch batch = Columns({x, y});
    const UnboundPtr call = Fn(name, {Col("x"), Col("y")});
    const auto good = RowsThat<ArrowType>(true, name, *x, *y);
    const auto bad = RowsThat<ArrowType>(false, name, *x, *y);
    ASSERT_OK_AND_ASSIGN(const ArrayPtr result, Eval(call, Selected(batch, good)));
    for (const uint32_t row : good) {
      const bool is_null = x->IsNull(row) || y->IsNull(row);
      ASSERT_EQ(result->IsNull(row), is_null);
      if (is_null) continue;
      EXPECT_EQ(static_cast<const ArrayType&>(*result).Value(row),
                *Exact(name, static_cast<const ArrayType&>(*x).Value(row),
                       static_cast<const ArrayType&>(*y).Value(row)));
    }
    for (const uint32_t row : bad) {
      const bool by_zero =
          (name == "//" || name == "%") && static_cast<const ArrayType&>(*y).Value(row) == 0;
      const auto error = Eval(call, Selected(batch, {row}));
      ASSERT_FALSE(error.ok());
      EXPECT_EQ(KindOf(error.status()),
                by_zero ? ErrorKind::kDivisionByZero : ErrorKind::kOverflow);
    }
  }
}

TEST(ArithmeticTest, IntegersAgreeWithWiderOnes) {
  for (const char* name : {"+", "-", "*", "//", "%"}) {
    CheckIntegers<arrow::Int32Type>(arrow::int32(), name);
    CheckIntegers<arrow::Int64Type>(arrow::int64(), name);
    CheckIntegers<arrow::UInt64Type>(arrow::uint64(), name);
  }
}

TEST(ArithmeticTest, IntegerDivisionToFloat) {
  const Batch batch = Columns({FromJson(arrow::int64(), "[7, -7, null, 9007199254740993]"),
                               FromJson(arrow::int64(), "[2, 2, 0, 1]")});
  const ArrayPtr result = Eval(Fn("/", {Col("x"), Col("y")}), batch).ValueOrDie();
  EXPECT_TRUE(result->Equals(*FromJson(arrow::float64(), "[3.5, -3.5, null, 9007199254740992]")));
  EXPECT_ERROR(Eval(Fn("/", {Lit(int64_t{3}), Lit(int64_t{0})}), batch), kDivisionByZero,
               "division by zero in 3 / 0");
}

TEST(ArithmeticTest, FloatsFollowIeee) {
  const auto value = [](const char* name, double a, double b) {
    const ArrayPtr result = Eval(Fn(name, {Lit(a), Lit(b)}), Columns({})).ValueOrDie();
    return static_cast<const arrow::DoubleArray&>(*result).Value(0);
  };
  EXPECT_EQ(value("/", 1, 0), std::numeric_limits<double>::infinity());
  EXPECT_EQ(value("/", -1, 0), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(value("/", 0, 0)));
  EXPECT_TRUE(std::isnan(value("%", 5, 0)));
  EXPECT_EQ(value("%", -7.5, 2), -1.5);
  EXPECT_EQ(value("+", 0.1, 0.2), 0.1 + 0.2);
  EXPECT_EQ(value("*", 1e200, 1e200), std::numeric_limits<double>::infinity());
}

TEST(ArithmeticTest, UnaryMinusAndAbs) {
  EXPECT_EQ(EvalText(Fn("-", {Lit(int64_t{5})})), "int64 -5");
  EXPECT_EQ(EvalText(Fn("-", {Lit(0.0)})), "double -0.0");
  EXPECT_EQ(EvalText(Fn("-", {Decimal("1.50", 3, 2)})), "decimal128(3, 2) -1.50");
  EXPECT_EQ(EvalText(Fn("abs", {Decimal("-1.50", 3, 2)})), "decimal128(3, 2) 1.50");
  EXPECT_EQ(EvalText(Fn("abs", {Lit(-2.5)})), "double 2.5");
  EXPECT_EQ(EvalText(Fn("-", {Lit(std::numeric_limits<int64_t>::min())})),
            "int64 overflow in -(-9223372036854775808)");
  EXPECT_EQ(EvalText(Fn("abs", {Lit(std::numeric_limits<int64_t>::min())})),
            "int64 overflow in abs(-9223372036854775808)");
  EXPECT_EQ(EvalText(Fn("abs", {Lit(arrow::MakeScalar(uint64_t{7}))})), "uint64 7");
  EXPECT_EQ(EvalText(Fn("-", {Lit(arrow::MakeScalar(uint64_t{7}))})), "decimal128(1, 0) -7");
}

TEST(ArithmeticTest, DecimalsAreExact) {
  const auto text = [](const char* name, const UnboundPtr& a, const UnboundPtr& b) {
    return EvalText(Fn(name, {a, b}));
  };
  EXPECT_EQ(text("+", Decimal("0.1", 2, 1), Decimal("0.20", 3, 2)), "decimal128(4, 2) 0.30");
  EXPECT_EQ(text("-", Decimal("0.1", 2, 1), Decimal("0.25", 3, 2)), "decimal128(4, 2) -0.15");
  EXPECT_EQ(text("*", Decimal("-1.5", 2, 1), Decimal("0.25", 3, 2)), "decimal128(5, 3) -0.375");
  EXPECT_EQ(text("/", Decimal("2.00", 3, 2), Decimal("3.0", 2, 1)), "decimal128(38, 6) 0.666667");
  EXPECT_EQ(text("/", Decimal("-2.00", 3, 2), Decimal("3.0", 2, 1)), "decimal128(38, 6) -0.666667");
  EXPECT_EQ(text("/", Decimal("1", 1, 0), Lit(int64_t{8})), "decimal128(38, 4) 0.1250");
  EXPECT_EQ(text("%", Decimal("-7.5", 2, 1), Decimal("2.00", 3, 2)), "decimal128(38, 2) -1.50");
}

TEST(ArithmeticTest, DecimalErrors) {
  const std::string nines(38, '9');
  const UnboundPtr largest = Decimal(nines, 38, 0);
  const auto text = [](const char* name, const UnboundPtr& a, const UnboundPtr& b) {
    return EvalText(Fn(name, {a, b}));
  };
  EXPECT_EQ(text("+", largest, Decimal("1", 1, 0)),
            "decimal overflow (more than 38 digits) in " + nines + " + 1");
  EXPECT_EQ(text("-", Fn("-", {largest}), Decimal("1", 1, 0)),
            "decimal overflow (more than 38 digits) in -" + nines + " - 1");
  EXPECT_EQ(text("*", largest, Decimal("2", 1, 0)),
            "decimal overflow (more than 38 digits) in " + nines + " * 2");
  EXPECT_EQ(text("/", largest, Decimal("1", 1, 0)),
            "decimal overflow (more than 38 digits) in " + nines + " / 1");
  EXPECT_EQ(text("/", Decimal("1.5", 2, 1), Decimal("0.0", 1, 1)), "division by zero in 1.5 / 0");
  EXPECT_EQ(text("%", Decimal("1.5", 2, 1), Decimal("0.0", 1, 1)), "division by zero in 1.5 % 0");
}

TEST(ArithmeticTest, DecimalsAgreeWithScaledIntegers) {
  const TypePtr type = arrow::decimal128(12, 2);
  const ArrayPtr x = Sliced(RandomArray(type, kRows, 5, 1000000));
  const ArrayPtr y = RandomArray(type, kRows, 6, 1000000);
  const auto unscaled = [](const arrow::Array& array, int64_t row) {
    const auto* bytes = static_cast<const arrow::Decimal128Array&>(array).GetValue(row);
    return static_cast<int64_t>(arrow::Decimal128(bytes));
  };
  const Batch batch = Columns({x, y});
  for (const std::string name : {"+", "-", "*"}) {
    ASSERT_OK_AND_ASSIGN(const ArrayPtr result, Eval(Fn(name, {Col("x"), Col("y")}), batch));
    for (int64_t row = 0; row < kRows; ++row) {
      ASSERT_EQ(result->IsNull(row), x->IsNull(row) || y->IsNull(row));
      if (result->IsNull(row)) continue;
      const int64_t a = unscaled(*x, row);
      const int64_t b = unscaled(*y, row);
      EXPECT_EQ(unscaled(*result, row), name == "+" ? a + b : name == "-" ? a - b : a * b);
    }
  }
}

// ---- comparisons ----

/// How a and b stand to each other: −1, 0, 1.
template <typename T>
int Order(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return static_cast<int>(std::isnan(a)) - std::isnan(b);
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

bool Holds(const std::string& name, int order) {
  if (name == "=") return order == 0;
  if (name == "<>") return order != 0;
  if (name == "<") return order < 0;
  if (name == "<=") return order <= 0;
  if (name == ">") return order > 0;
  return order >= 0;
}

const char* const kComparisons[] = {"=", "<>", "<", "<=", ">", ">="};

template <typename ArrowType>
void CheckComparisons(const TypePtr& type) {
  SCOPED_TRACE(type->ToString());
  using ArrayType = typename arrow::TypeTraits<ArrowType>::ArrayType;
  const ArrayPtr x = Sliced(Extremes<ArrowType>(1, type));
  const ArrayPtr y = Extremes<ArrowType>(2, type);
  for (const std::string name : kComparisons) {
    ASSERT_OK_AND_ASSIGN(const ArrayPtr result,
                         Eval(Fn(name, {Col("x"), Col("y")}), Columns({x, y})));
    for (int64_t row = 0; row < kRows; ++row) {
      const bool is_null = x->IsNull(row) || y->IsNull(row);
      ASSERT_EQ(result->IsNull(row), is_null);
      if (is_null) continue;
      const int order = Order(static_cast<const ArrayType&>(*x).Value(row),
                              static_cast<const ArrayType&>(*y).Value(row));
      EXPECT_EQ(static_cast<const arrow::BooleanArray&>(*result).Value(row), Holds(name, order));
    }
  }
}

TEST(ComparisonTest, EveryWidthAgreesWithSingleValues) {
  using arrow::TimeUnit;
  CheckComparisons<arrow::Int8Type>(arrow::int8());
  CheckComparisons<arrow::Int16Type>(arrow::int16());
  CheckComparisons<arrow::Int32Type>(arrow::int32());
  CheckComparisons<arrow::Int64Type>(arrow::int64());
  CheckComparisons<arrow::UInt8Type>(arrow::uint8());
  CheckComparisons<arrow::UInt16Type>(arrow::uint16());
  CheckComparisons<arrow::UInt32Type>(arrow::uint32());
  CheckComparisons<arrow::UInt64Type>(arrow::uint64());
  CheckComparisons<arrow::FloatType>(arrow::float32());
  CheckComparisons<arrow::DoubleType>(arrow::float64());
  CheckComparisons<arrow::Date32Type>(arrow::date32());
  CheckComparisons<arrow::TimestampType>(arrow::timestamp(TimeUnit::NANO, "UTC"));
  CheckComparisons<arrow::DurationType>(arrow::duration(TimeUnit::MILLI));
}

void ExpectComparisons(const TypePtr& type, const std::string& smaller, const std::string& larger) {
  SCOPED_TRACE(type->ToString() + " " + smaller + " < " + larger);
  const Batch batch =
      Columns({FromJson(type, "[" + smaller + "," + larger + "," + smaller + ",null]"),
               FromJson(type, "[" + larger + "," + smaller + "," + smaller + "," + larger + "]")});
  for (const std::string name : kComparisons) {
    ASSERT_OK_AND_ASSIGN(const ArrayPtr result, Eval(Fn(name, {Col("x"), Col("y")}), batch));
    const auto& holds = static_cast<const arrow::BooleanArray&>(*result);
    EXPECT_EQ(holds.Value(0), Holds(name, -1)) << name;
    EXPECT_EQ(holds.Value(1), Holds(name, 1)) << name;
    EXPECT_EQ(holds.Value(2), Holds(name, 0)) << name;
    EXPECT_TRUE(holds.IsNull(3));
  }
}

TEST(ComparisonTest, TypesBeyondNumbers) {
  ExpectComparisons(arrow::boolean(), "false", "true");
  ExpectComparisons(arrow::utf8(), R"("Zz")", R"("a")");
  ExpectComparisons(arrow::utf8(), R"("")", R"("é")");
  ExpectComparisons(arrow::binary(), R"("a")", R"("ab")");
  ExpectComparisons(arrow::fixed_size_binary(2), R"("aa")", R"("ab")");
  ExpectComparisons(arrow::decimal128(5, 2), R"("-1.00")", R"("0.50")");
  ExpectComparisons(arrow::decimal256(50, 2), R"("-1.00")", R"("0.50")");
  ExpectComparisons(arrow::time64(arrow::TimeUnit::MICRO), "1", "2");
  ExpectComparisons(arrow::float16(), "-1", "2");
  ExpectComparisons(arrow::large_utf8(), R"("a")", R"("b")");
}

TEST(ComparisonTest, AcrossTypes) {
  const auto compare = [](const TypePtr& a, const std::string& x, const char* name,
                          const TypePtr& b, const std::string& y) {
    const Batch batch = Columns({FromJson(a, "[" + x + "]"), FromJson(b, "[" + y + "]")});
    const ArrayPtr result = Eval(Fn(name, {Col("x"), Col("y")}), batch).ValueOrDie();
    return static_cast<const arrow::BooleanArray&>(*result).Value(0);
  };
  EXPECT_TRUE(compare(arrow::uint64(), "18446744073709551615", ">", arrow::int64(), "-1"));
  EXPECT_TRUE(compare(arrow::int64(), "2", "=", arrow::decimal128(3, 1), "\"2.0\""));
  EXPECT_TRUE(compare(arrow::date32(), "1", "=", arrow::timestamp(arrow::TimeUnit::NANO),
                      "86400000000000"));
  EXPECT_TRUE(compare(arrow::timestamp(arrow::TimeUnit::SECOND), "1", "<",
                      arrow::timestamp(arrow::TimeUnit::MILLI), "1001"));
  EXPECT_TRUE(compare(arrow::float64(), "-0.0", "=", arrow::float64(), "0.0"));
  EXPECT_TRUE(compare(arrow::float64(), "NaN", "=", arrow::float32(), "NaN"));
  EXPECT_TRUE(compare(arrow::float64(), "NaN", ">", arrow::float64(), "Inf"));
}

}  // namespace
}  // namespace headrace
