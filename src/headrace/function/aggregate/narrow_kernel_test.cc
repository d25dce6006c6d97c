// Narrow kernels give what the kernels they stand for give, however rows are divided.
#include "headrace/function/aggregate/narrow_kernel.h"

#include <cmath>
#include <limits>
#include <memory>

#include "arrow/array/array_primitive.h"
#include "arrow/array/concatenate.h"
#include "headrace/base/rng.h"
#include "headrace/function/registry.h"
#include "headrace/function/test_arrays.h"

namespace headrace {
namespace {

const AggregateKernel& KernelOf(const char* id, ArgPattern pattern) {
  return *OverloadOf(*FindFunctionById(id), {pattern}).aggregate;
}

class NarrowKernelTest : public testing::Test {
 protected:
  // Two states, some rows in each by both loops, saved, loaded and merged.
  ArrayPtr ResultOf(const AggregateKernel& kernel, const TypePtr& result, const ArrayPtr& rows) {
    KernelContext context{TestPool(), result};
    alignas(16) std::byte memory[2][64];
    const int64_t half = rows->length() / 2;
    for (int64_t side = 0; side < 2; ++side) {
      kernel.init(memory[side]);
      const ArrayPtr part = side == 0 ? rows->Slice(0, half) : rows->Slice(half);
      const int64_t grouped = part->length() / 3;
      const Argument first{part->Slice(0, grouped), false};
      const Argument rest{part->Slice(grouped), false};
      const std::vector<std::byte*> groups(static_cast<size_t>(grouped), memory[side]);
      EXPECT_TRUE(kernel.add(context, groups.data(), 0, {{&first, 1}, grouped, {}}).ok());
      EXPECT_TRUE(
          kernel.add_all(context, memory[side], {{&rest, 1}, part->length() - grouped, {}}).ok());
    }
    std::string saved;
    EXPECT_TRUE(kernel.save(memory[1], &saved).ok());
    if (kernel.destroy != nullptr) kernel.destroy(memory[1]);
    kernel.init(memory[1]);
    EXPECT_TRUE(kernel.load(memory[1], saved).ok());
    EXPECT_FALSE(kernel.load(memory[1], saved + "x").ok());
    EXPECT_TRUE(kernel.merge(context, memory[0], memory[1]).ok());
    auto builder = arrow::MakeBuilder(result).ValueOrDie();
    std::byte* const group = memory[0];
    EXPECT_TRUE(kernel.finish(context, &group, 0, 1, builder.get()).ok());
    for (auto& state : memory) {
      if (kernel.destroy != nullptr) kernel.destroy(state);
    }
    return builder->Finish().ValueOrDie();
  }

  void Compare(const char* id, ArgPattern pattern, const TypePtr& result, const ArrayPtr& rows) {
    const AggregateKernel& kernel = KernelOf(id, pattern);
    const AggregateKernel& narrow = NarrowKernel(kernel, *rows->type());
    ASSERT_NE(&kernel, &narrow) << id << " " << rows->type()->ToString();
    EXPECT_LT(narrow.size, kernel.size);
    EXPECT_EQ(narrow.bytes, nullptr);
    EXPECT_EQ(narrow.destroy, nullptr);
    const ArrayPtr want = ResultOf(kernel, result, rows);
    const ArrayPtr got = ResultOf(narrow, result, rows);
    EXPECT_TRUE(want->ApproxEquals(*got, arrow::EqualOptions::Defaults().nans_equal(true)))
        << id << " of " << rows->ToString() << ": " << want->ToString() << got->ToString();
  }
};

TEST_F(NarrowKernelTest, FloatSumsOfEverySpecialValue) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double pool[] = {1.5, -2.25, 1e300, 0, kInfinity, -kInfinity, std::nan("")};
  Rng rng(5);
  for (int round = 0; round < 500; ++round) {
    const uint64_t kinds = 4 + rng.Below(4);
    const uint64_t length = rng.Below(40);
    arrow::DoubleBuilder builder;
    for (uint64_t i = 0; i < length; ++i) {
      if (rng.Below(6) == 0) {
        ASSERT_OK(builder.AppendNull());
      } else {
        ASSERT_OK(builder.Append(pool[rng.Below(kinds)]));
      }
    }
    const ArrayPtr rows = builder.Finish().ValueOrDie();
    Compare("sum_checked", ArgPattern::kFloat64, arrow::float64(), rows);
    Compare("mean", ArgPattern::kFloat64, arrow::float64(), rows);
  }
}

TEST_F(NarrowKernelTest, FloatSumsOfZeros) {
  for (const char* rows : {"[-0.0]", "[-0.0, -0.0, -0.0]", "[0.0, -0.0]", "[null, -0.0]",
                           "[1e-320, -1e-320]", "[null, null]", "[]"}) {
    Compare("sum_checked", ArgPattern::kFloat64, arrow::float64(),
            FromJson(arrow::float64(), rows));
    Compare("mean", ArgPattern::kFloat64, arrow::float64(), FromJson(arrow::float64(), rows));
  }
}

TEST_F(NarrowKernelTest, IntegerSums) {
  for (const char* rows :
       {"[]", "[null, null, null, null]", "[0]", "[-1, 1]", "[null, -5, 7, null]",
        "[-1, -1, -1, -1, -1, -1, -1]", "[1, 2, 3, 4, 5, 6, 7, 8, 9]"}) {
    Compare("sum_checked", ArgPattern::kInt32, arrow::int64(), FromJson(arrow::int32(), rows));
    Compare("sum_checked", ArgPattern::kInt64, arrow::int64(), FromJson(arrow::int64(), rows));
  }
  // The way to the result does not overflow.
  constexpr const char* kLarge =
      "[9223372036854775807, 9223372036854775807, -9223372036854775808, -9223372036854775808, 2]";
  Compare("sum_checked", ArgPattern::kInt64, arrow::int64(), FromJson(arrow::int64(), kLarge));
  Compare("sum_checked", ArgPattern::kUInt64, arrow::uint64(),
          FromJson(arrow::uint64(), "[18446744073709551615, null, 0, 0]"));
}

TEST_F(NarrowKernelTest, FloatSumsThatOverflow) {
  for (const char* rows : {"[1e308, 1e308, 1, -1e308]", "[1e308, -Inf, 1e308, 1]",
                           "[-Inf, 1e308, 1e308, 1e308]", "[1, 2, 1e308, 1e308, 1e308, Inf]"}) {
    Compare("sum_checked", ArgPattern::kFloat64, arrow::float64(),
            FromJson(arrow::float64(), rows));
  }
}

TEST_F(NarrowKernelTest, Extremes) {
  const std::pair<TypePtr, const char*> inputs[] = {
      {arrow::int8(), "[3, null, -4, 100, 7, 0]"},
      {arrow::uint64(), "[3, null, 18446744073709551615, 0]"},
      {arrow::int64(), "[null, null]"},
      {arrow::int64(), "[]"},
      {arrow::float64(), "[1.5, NaN, -Inf, null, Inf, -0.0, 0.0]"},
      {arrow::float32(), "[NaN, NaN]"},
      {arrow::boolean(), "[true, null, false, true]"},
      {arrow::date32(), "[5, 1, 9]"},
      {arrow::timestamp(arrow::TimeUnit::MICRO), "[5, null, 1, 9]"},
      {arrow::decimal128(5, 2), R"(["1.25", null, "-3.50"])"},
  };
  for (const auto& [type, json] : inputs) {
    for (const char* id : {"min", "max"}) {
      Compare(id, ArgPattern::kCommonComparable, type, FromJson(type, json));
    }
  }
}

TEST_F(NarrowKernelTest, OthersStay) {
  const AggregateKernel& kernel = KernelOf("min", ArgPattern::kCommonComparable);
  EXPECT_EQ(&NarrowKernel(kernel, *arrow::utf8()), &kernel);
  const AggregateKernel& mean = KernelOf("mean", ArgPattern::kInt64);
  EXPECT_EQ(&NarrowKernel(mean, *arrow::int64()), &mean);
}

}  // namespace
}  // namespace headrace
