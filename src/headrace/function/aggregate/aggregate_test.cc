// Aggregates: known values, naive references over random rows, and independence of how the rows are
// divided, merged, saved and loaded.
#include <cmath>
#include <map>
#include <memory>
#include <optional>

#include "arrow/array/array_primitive.h"
#include "arrow/scalar.h"
#include "headrace/function/registry.h"
#include "headrace/function/test_arrays.h"

namespace headrace {
namespace {

/// One state of an aggregate, in memory of its own.
class AggregateState {
 public:
  explicit AggregateState(const AggregateKernel& kernel)
      : kernel_(&kernel),
        memory_(new std::max_align_t[kernel.size / sizeof(std::max_align_t) + 1]) {
    kernel_->init(get());
  }
  AggregateState(AggregateState&&) = default;
  AggregateState& operator=(AggregateState&& other) {
    std::swap(kernel_, other.kernel_);
    std::swap(memory_, other.memory_);
    return *this;
  }
  ~AggregateState() {
    if (memory_ != nullptr && kernel_->destroy != nullptr) kernel_->destroy(get());
  }
  std::byte* get() const { return reinterpret_cast<std::byte*>(memory_.get()); }

 private:
  const AggregateKernel* kernel_;
  std::unique_ptr<std::max_align_t[]> memory_;
};

/// A function over one argument type.
class Aggregate {
 public:
  Aggregate(const char* id, ArgPattern pattern, const TypePtr& type)
      : function_(*FindFunctionById(id)),
        kernel_(*OverloadOf(function_, {pattern}).aggregate),
        context_{TestPool(), OverloadOf(function_, {pattern}).result({&type, 1}).ValueOrDie()} {}

  const AggregateKernel& kernel() const { return kernel_; }
  KernelContext& context() { return context_; }

  AggregateRows Rows(const ArrayPtr& array, int64_t first = 0) {
    argument_ = {array, false};
    return {{&argument_, 1}, array->length(), {0, first}};
  }
  Status Add(const AggregateState& state, const ArrayPtr& array, int64_t first = 0) {
    return kernel_.add_all(context_, state.get(), Rows(array, first));
  }
  /// Adds through the grouped loop, all rows to one group.
  Status AddGrouped(const AggregateState& state, const ArrayPtr& array, int64_t first = 0) {
    const std::vector<std::byte*> groups(static_cast<size_t>(array->length()), state.get());
    return kernel_.add(context_, groups.data(), 0, Rows(array, first));
  }
  Result<ArrayPtr> Finish(const AggregateState& state) {
    ARROW_ASSIGN_OR_RAISE(auto builder, arrow::MakeBuilder(context_.result_type));
    std::byte* const group = state.get();
    ARROW_RETURN_NOT_OK(kernel_.finish(context_, &group, 0, 1, builder.get()));
    return builder->Finish();
  }
  Result<ArrayPtr> Of(const ArrayPtr& array) {
    const AggregateState state(kernel_);
    ARROW_RETURN_NOT_OK(Add(state, array));
    return Finish(state);
  }
  AggregateState SavedAndLoaded(const AggregateState& state) {
    std::string bytes;
    EXPECT_TRUE(kernel_.save(state.get(), &bytes).ok());
    AggregateState loaded(kernel_);
    const Status status = kernel_.load(loaded.get(), bytes);
    EXPECT_TRUE(status.ok()) << status.ToString();
    return loaded;
  }

 private:
  const FunctionDef& function_;
  const AggregateKernel& kernel_;
  KernelContext context_;
  Argument argument_;
};

/// Equal, floats to 1e-12.
::testing::AssertionResult SameValue(const ArrayPtr& left, const ArrayPtr& right) {
  if (left->type_id() == arrow::Type::DOUBLE && left->IsValid(0) && right->IsValid(0)) {
    const double a = static_cast<const arrow::DoubleArray&>(*left).Value(0);
    const double b = static_cast<const arrow::DoubleArray&>(*right).Value(0);
    if (std::fabs(a - b) <= 1e-12 * std::fabs(a) || (a != a && b != b)) {
      return ::testing::AssertionSuccess();
    }
  } else if (left->Equals(*right)) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << left->ToString() << " and " << right->ToString();
}

struct AggregateCase {
  const char* id;
  ArgPattern pattern;
  TypePtr type;
};

std::vector<AggregateCase> AggregateCases() {
  std::vector<AggregateCase> cases;
  const std::vector<std::pair<ArgPattern, TypePtr>> numbers = {
      {ArgPattern::kInt32, arrow::int32()},     {ArgPattern::kInt64, arrow::int64()},
      {ArgPattern::kUInt64, arrow::uint64()},   {ArgPattern::kFloat32, arrow::float32()},
      {ArgPattern::kFloat64, arrow::float64()}, {ArgPattern::kDecimal128, arrow::decimal128(12, 2)},
  };
  for (const auto& [pattern, type] : numbers) {
    cases.push_back({"sum_checked", pattern, type});
    cases.push_back({"mean", pattern, type});
  }
  const std::vector<TypePtr> types = {arrow::boolean(),
                                      arrow::int8(),
                                      arrow::int16(),
                                      arrow::int32(),
                                      arrow::int64(),
                                      arrow::uint8(),
                                      arrow::uint16(),
                                      arrow::uint32(),
                                      arrow::uint64(),
                                      arrow::float32(),
                                      arrow::float64(),
                                      arrow::decimal128(12, 2),
                                      arrow::decimal256(50, 2),
                                      arrow::utf8(),
                                      arrow::binary(),
                                      arrow::date32(),
                                      arrow::timestamp(arrow::TimeUnit::MICRO)};
  for (const TypePtr& type : types) {
    cases.push_back({"count", ArgPattern::kAny, type});
    cases.push_back({"first", ArgPattern::kAny, type});
    cases.push_back({"last", ArgPattern::kAny, type});
    cases.push_back({"min", ArgPattern::kCommonComparable, type});
    cases.push_back({"max", ArgPattern::kCommonComparable, type});
  }
  return cases;
}

ArrayPtr RandomRows(const AggregateCase& test, uint64_t seed) {
  return RandomArray(test.type, 200, seed, test.type->id() == arrow::Type::INT8 ? 100 : 250);
}

TEST(AggregateTest, DivisionAndMergeOrderDoNotMatter) {
  for (const AggregateCase& test : AggregateCases()) {
    SCOPED_TRACE(std::string(test.id) + " of " + test.type->ToString());
    Aggregate aggregate(test.id, test.pattern, test.type);
    Rng rng(7);
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      const ArrayPtr rows = Sliced(RandomRows(test, seed));
      ASSERT_OK_AND_ASSIGN(const ArrayPtr whole, aggregate.Of(rows));
      std::vector<AggregateState> parts;
      for (int64_t begin = 0; begin < rows->length();) {
        const auto length = static_cast<int64_t>(rng.Below(60));
        parts.emplace_back(aggregate.kernel());
        const ArrayPtr part = rows->Slice(begin, length);
        ASSERT_OK(rng.Below(2) == 0 ? aggregate.Add(parts.back(), part, begin)
                                    : aggregate.AddGrouped(parts.back(), part, begin));
        begin += length;
      }
      while (parts.size() > 1) {
        const size_t from = rng.Below(parts.size());
        const size_t into = (from + 1 + rng.Below(parts.size() - 1)) % parts.size();
        const AggregateState loaded = aggregate.SavedAndLoaded(parts[from]);
        ASSERT_OK(aggregate.kernel().merge(aggregate.context(), parts[into].get(), loaded.get()));
        std::swap(parts[from], parts.back());
        parts.pop_back();
      }
      ASSERT_OK_AND_ASSIGN(const ArrayPtr merged, aggregate.Finish(parts.front()));
      EXPECT_TRUE(SameValue(whole, merged));
    }
  }
}

TEST(AggregateTest, RemovingUndoesAdding) {
  for (const AggregateCase& test : AggregateCases()) {
    Aggregate aggregate(test.id, test.pattern, test.type);
    if (aggregate.kernel().remove == nullptr) continue;
    SCOPED_TRACE(std::string(test.id) + " of " + test.type->ToString());
    const ArrayPtr kept = RandomRows(test, 3);
    const ArrayPtr removed = Sliced(RandomRows(test, 4));
    const AggregateState state(aggregate.kernel());
    ASSERT_OK(aggregate.Add(state, kept));
    ASSERT_OK(aggregate.Add(state, removed));
    const std::vector<std::byte*> groups(static_cast<size_t>(removed->length()), state.get());
    ASSERT_OK(
        aggregate.kernel().remove(aggregate.context(), groups.data(), 0, aggregate.Rows(removed)));
    ASSERT_OK_AND_ASSIGN(const ArrayPtr result, aggregate.Finish(state));
    ASSERT_OK_AND_ASSIGN(const ArrayPtr expected, aggregate.Of(kept));
    EXPECT_TRUE(SameValue(expected, result));
  }
}

TEST(AggregateTest, GroupsAreKeptApart) {
  Aggregate sum("sum_checked", ArgPattern::kInt64, arrow::int64());
  const AggregateState even(sum.kernel());
  const AggregateState odd(sum.kernel());
  std::vector<std::byte*> groups;
  for (int i = 0; i < 6; ++i) groups.push_back(i % 2 == 0 ? even.get() : odd.get());
  const ArrayPtr rows = FromJson(arrow::int64(), "[0, 1, null, 3, 4, 5]");
  ASSERT_OK(sum.kernel().add(sum.context(), groups.data(), 0, sum.Rows(rows)));
  EXPECT_EQ(sum.Finish(even).ValueOrDie()->ToString(), "[\n  4\n]");
  EXPECT_EQ(sum.Finish(odd).ValueOrDie()->ToString(), "[\n  9\n]");
}

TEST(AggregateTest, ConstantArgumentsCountForEveryRow) {
  Aggregate sum("sum_checked", ArgPattern::kInt64, arrow::int64());
  Aggregate count("count", ArgPattern::kAny, arrow::int64());
  const Argument seven{FromJson(arrow::int64(), "[7]"), true};
  const Argument null{FromJson(arrow::int64(), "[null]"), true};
  const AggregateState total(sum.kernel());
  const AggregateState rows(count.kernel());
  ASSERT_OK(sum.kernel().add_all(sum.context(), total.get(), {{&seven, 1}, 5, {}}));
  ASSERT_OK(sum.kernel().add_all(sum.context(), total.get(), {{&null, 1}, 5, {}}));
  ASSERT_OK(count.kernel().add_all(count.context(), rows.get(), {{&seven, 1}, 5, {}}));
  ASSERT_OK(count.kernel().add_all(count.context(), rows.get(), {{&null, 1}, 5, {}}));
  EXPECT_TRUE(sum.Finish(total).ValueOrDie()->Equals(*FromJson(arrow::int64(), "[35]")));
  EXPECT_TRUE(count.Finish(rows).ValueOrDie()->Equals(*FromJson(arrow::int64(), "[5]")));
}

// ---- known values ----

void ExpectValue(const char* id, ArgPattern pattern, const TypePtr& type, const std::string& rows,
                 const TypePtr& result_type, const std::string& result) {
  SCOPED_TRACE(std::string(id) + " over " + rows);
  Aggregate aggregate(id, pattern, type);
  ASSERT_OK_AND_ASSIGN(const ArrayPtr value, aggregate.Of(FromJson(type, rows)));
  EXPECT_TRUE(value->Equals(*FromJson(result_type, "[" + result + "]"))) << value->ToString();
}

TEST(AggregateTest, SumsAreExact) {
  const TypePtr int64 = arrow::int64();
  ExpectValue("sum_checked", ArgPattern::kInt64, int64, "[]", int64, "null");
  ExpectValue("sum_checked", ArgPattern::kInt64, int64, "[null]", int64, "null");
  // The way goes over the top of int64, the result does not.
  ExpectValue("sum_checked", ArgPattern::kInt64, int64, "[9223372036854775807, 10, -17]", int64,
              "9223372036854775800");
  ExpectValue("sum_checked", ArgPattern::kInt32, arrow::int32(), "[2147483647, 2147483647]", int64,
              "4294967294");
  ExpectValue("sum_checked", ArgPattern::kUInt64, arrow::uint64(), "[18446744073709551615, 0]",
              arrow::uint64(), "18446744073709551615");
  ExpectValue("sum_checked", ArgPattern::kDecimal128, arrow::decimal128(5, 2),
              R"(["999.99", "0.01", null])", arrow::decimal128(38, 2), R"("1000.00")");
  // 1e16 + 1 is not a double; the double-double sum knows it anyway.
  ExpectValue("sum_checked", ArgPattern::kFloat64, arrow::float64(), "[1e16, 1, -1e16]",
              arrow::float64(), "1");
  // Enough values for the sums that run side by side, and what they cannot take.
  const auto doubles = arrow::float64();
  ExpectValue("sum_checked", ArgPattern::kFloat64, doubles,
              "[1e16, 1, -1e16, 2, 0.5, 0.25, 4, 8, 16, 1e16, 32, -1e16]", doubles, "63.75");
  ExpectValue("sum_checked", ArgPattern::kFloat64, doubles,
              "[1, 2, 3, 4, 5, Inf, 7, 8, 9, 10, 11, 12]", doubles, "Inf");
  ExpectValue("sum_checked", ArgPattern::kFloat64, doubles,
              "[1e308, 1e308, 3, 4, 5, 6, 7, -Inf, 9]", doubles, "-Inf");
}

TEST(AggregateTest, SumsThatDoNotFitAreErrors) {
  Aggregate integers("sum_checked", ArgPattern::kInt64, arrow::int64());
  EXPECT_ERROR(integers.Of(FromJson(arrow::int64(), "[9223372036854775807, 1]")), kOverflow,
               "9223372036854775808");
  Aggregate naturals("sum_checked", ArgPattern::kUInt64, arrow::uint64());
  EXPECT_ERROR(naturals.Of(FromJson(arrow::uint64(), "[18446744073709551615, 1]")), kOverflow,
               "18446744073709551616");
  const std::string nines(38, '9');
  const TypePtr widest = arrow::decimal128(38, 0);
  Aggregate decimals("sum_checked", ArgPattern::kDecimal128, widest);
  EXPECT_ERROR(decimals.Of(FromJson(widest, "[\"" + nines + "\", \"1\"]")), kOverflow, "1e+38");
  // Over the top of 128 bits and back.
  ExpectValue("sum_checked", ArgPattern::kDecimal128, widest,
              "[\"" + nines + "\", \"" + nines + "\", \"-" + nines + "\"]", widest,
              "\"" + nines + "\"");
}

TEST(AggregateTest, FloatSumsWithInfinitiesAndNan) {
  const TypePtr float64 = arrow::float64();
  ExpectValue("sum_checked", ArgPattern::kFloat64, float64, "[1, Inf]", float64, "Inf");
  ExpectValue("sum_checked", ArgPattern::kFloat64, float64, "[-Inf, 1]", float64, "-Inf");
  Aggregate sum("sum_checked", ArgPattern::kFloat64, float64);
  for (const char* rows : {"[Inf, -Inf]", "[NaN, 1]"}) {
    ASSERT_OK_AND_ASSIGN(const ArrayPtr value, sum.Of(FromJson(float64, rows)));
    EXPECT_TRUE(std::isnan(static_cast<const arrow::DoubleArray&>(*value).Value(0))) << rows;
  }
  const AggregateState state(sum.kernel());
  const ArrayPtr infinity = FromJson(float64, "[Inf]");
  ASSERT_OK(sum.Add(state, FromJson(float64, "[2, Inf]")));
  std::byte* const group = state.get();
  ASSERT_OK(sum.kernel().remove(sum.context(), &group, 0, sum.Rows(infinity)));
  EXPECT_TRUE(sum.Finish(state).ValueOrDie()->Equals(*FromJson(float64, "[2]")));
}

TEST(AggregateTest, FloatSumsDoNotDependOnOrder) {
  const TypePtr float64 = arrow::float64();
  Rng rng(11);
  std::vector<double> values;
  long double exact = 0;
  for (int i = 0; i < 20000; ++i) {
    values.push_back((rng.Unit() - 0.5) * std::pow(10.0, static_cast<double>(rng.Below(12))));
    exact += values.back();
  }
  Aggregate sum("sum_checked", ArgPattern::kFloat64, float64);
  for (int round = 0; round < 3; ++round) {
    arrow::DoubleBuilder builder;
    ASSERT_OK(builder.AppendValues(values));
    ASSERT_OK_AND_ASSIGN(const ArrayPtr value, sum.Of(builder.Finish().ValueOrDie()));
    const double total = static_cast<const arrow::DoubleArray&>(*value).Value(0);
    EXPECT_NEAR(total, static_cast<double>(exact), 1e-12 * std::fabs(total));
    std::sort(values.begin(), values.end(), [round](double a, double b) {
      return round == 0 ? a < b : std::fabs(a) > std::fabs(b);
    });
  }
}

TEST(AggregateTest, Means) {
  const TypePtr float64 = arrow::float64();
  ExpectValue("mean", ArgPattern::kInt64, arrow::int64(), "[1, null, 4]", float64, "2.5");
  ExpectValue("mean", ArgPattern::kInt64, arrow::int64(),
              "[9223372036854775807, 9223372036854775807]", float64, "9223372036854775807");
  ExpectValue("mean", ArgPattern::kDecimal128, arrow::decimal128(4, 2), R"(["1.25", "-0.25"])",
              float64, "0.5");
  ExpectValue("mean", ArgPattern::kFloat32, arrow::float32(), "[0.5, 1.5]", float64, "1.0");
  ExpectValue("mean", ArgPattern::kInt32, arrow::int32(), "[null]", float64, "null");
}

TEST(AggregateTest, MinAndMaxOrderNanAboveInfinity) {
  const TypePtr float64 = arrow::float64();
  const ArgPattern any = ArgPattern::kCommonComparable;
  ExpectValue("min", any, float64, "[NaN, Inf, 1]", float64, "1");
  ExpectValue("min", any, float64, "[NaN, Inf]", float64, "Inf");
  Aggregate max("max", any, float64);
  ASSERT_OK_AND_ASSIGN(const ArrayPtr value, max.Of(FromJson(float64, "[Inf, NaN, 1]")));
  EXPECT_TRUE(std::isnan(static_cast<const arrow::DoubleArray&>(*value).Value(0)));
  ExpectValue("max", any, arrow::utf8(), R"(["b", "ab", "é", null])", arrow::utf8(), "\"é\"");
  ExpectValue("min", any, arrow::utf8(), R"(["b", "ab", "é", null])", arrow::utf8(), "\"ab\"");
  ExpectValue("max", any, arrow::boolean(), "[false, true, null]", arrow::boolean(), "true");
  ExpectValue("min", any, arrow::uint64(), "[18446744073709551615, 3]", arrow::uint64(), "3");
  ExpectValue("min", any, arrow::decimal128(4, 1), R"(["-1.5", "2.0"])", arrow::decimal128(4, 1),
              "\"-1.5\"");
  ExpectValue("min", any, arrow::null(), "[null, null]", arrow::null(), "null");
}

TEST(AggregateTest, FirstAndLastGoByPosition) {
  const TypePtr text = arrow::utf8();
  Aggregate first("first", ArgPattern::kAny, text);
  Aggregate last("last", ArgPattern::kAny, text);
  const Argument argument{FromJson(text, R"(["b", null, "c", "a"])"), false};
  const std::vector<RowPosition> positions = {{1, 0}, {0, 9}, {1, 5}, {1, 2}};
  const AggregateRows rows{{&argument, 1}, 4, {}, positions.data()};
  const AggregateState at_first(first.kernel());
  const AggregateState at_last(last.kernel());
  ASSERT_OK(first.kernel().add_all(first.context(), at_first.get(), rows));
  ASSERT_OK(last.kernel().add_all(last.context(), at_last.get(), rows));
  EXPECT_TRUE(first.Finish(at_first).ValueOrDie()->Equals(*FromJson(text, "[null]")));
  EXPECT_TRUE(last.Finish(at_last).ValueOrDie()->Equals(*FromJson(text, R"(["c"])")));
  const TypePtr nested = arrow::list(arrow::int32());
  ExpectValue("last", ArgPattern::kAny, nested, "[[1], [2, null]]", nested, "[2, null]");
}

// ---- naive reference ----

TEST(AggregateTest, AgreesWithALoopOverScalars) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const ArrayPtr rows = Sliced(RandomArray(arrow::int64(), 300, seed, 1000000));
    int64_t sum = 0;
    int64_t count = 0;
    std::optional<int64_t> min;
    std::optional<int64_t> max;
    for (int64_t i = 0; i < rows->length(); ++i) {
      if (rows->IsNull(i)) continue;
      const int64_t value = static_cast<const arrow::Int64Array&>(*rows).Value(i);
      sum += value;
      ++count;
      min = std::min(min.value_or(value), value);
      max = std::max(max.value_or(value), value);
    }
    const auto value = [&](const char* id, ArgPattern pattern) {
      const ArrayPtr result = Aggregate(id, pattern, arrow::int64()).Of(rows).ValueOrDie();
      return static_cast<const arrow::Int64Array&>(*result).Value(0);
    };
    EXPECT_EQ(value("sum_checked", ArgPattern::kInt64), sum);
    EXPECT_EQ(value("count", ArgPattern::kAny), count);
    EXPECT_EQ(value("min", ArgPattern::kCommonComparable), min);
    EXPECT_EQ(value("max", ArgPattern::kCommonComparable), max);
  }
}

// ---- bytes from outside ----

TEST(AggregateTest, DamagedStatesAreErrorsOrStates) {
  for (const AggregateCase& test : AggregateCases()) {
    SCOPED_TRACE(std::string(test.id) + " of " + test.type->ToString());
    Aggregate aggregate(test.id, test.pattern, test.type);
    const AggregateState state(aggregate.kernel());
    ASSERT_OK(aggregate.Add(state, RandomRows(test, 5)));
    std::string bytes;
    ASSERT_OK(aggregate.kernel().save(state.get(), &bytes));
    for (size_t length = 0; length < bytes.size(); ++length) {
      const AggregateState loaded(aggregate.kernel());
      EXPECT_ERROR(aggregate.kernel().load(loaded.get(), bytes.substr(0, length)), kBadData,
                   "damaged");
    }
    EXPECT_ERROR(aggregate.kernel().load(AggregateState(aggregate.kernel()).get(), bytes + "x"),
                 kBadData, "left over");
    Rng rng(13);
    for (int i = 0; i < 200; ++i) {
      std::string flipped = bytes;
      flipped[rng.Below(flipped.size())] ^= static_cast<char>(1 << rng.Below(8));
      const AggregateState loaded(aggregate.kernel());
      if (!aggregate.kernel().load(loaded.get(), flipped).ok()) continue;
      ARROW_UNUSED(aggregate.kernel().merge(aggregate.context(), loaded.get(), state.get()));
      ARROW_UNUSED(aggregate.Add(loaded, RandomRows(test, 6)));
      const auto result = aggregate.Finish(loaded);
      EXPECT_TRUE(!result.ok() || (*result)->Validate().ok());
    }
  }
}

TEST(AggregateTest, MemoryOfTextIsCounted) {
  Aggregate max("max", ArgPattern::kCommonComparable, arrow::utf8());
  const AggregateState state(max.kernel());
  EXPECT_EQ(max.kernel().bytes(state.get()), 0);
  ASSERT_OK(max.Add(state, FromJson(arrow::utf8(), "[\"" + std::string(1000, 'x') + "\"]")));
  EXPECT_GE(max.kernel().bytes(state.get()), 1000);
}

}  // namespace
}  // namespace headrace
