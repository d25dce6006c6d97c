// Ordered functions: known values, and independence of how the rows are cut into runs and of states
// saved and loaded between them.
#include <memory>

#include "headrace/function/registry.h"
#include "headrace/function/test_arrays.h"

namespace headrace {
namespace {

class Ordered {
 public:
  Ordered(const char* id, const std::vector<ArgPattern>& patterns, std::vector<Argument> args)
      : overload_(OverloadOf(*FindFunctionById(id), patterns)),
        kernel_(*overload_.ordered),
        args_(std::move(args)) {
    std::vector<TypePtr> types;
    for (const Argument& arg : args_) types.push_back(arg.array->type());
    context_ = {TestPool(), overload_.result(types).ValueOrDie()};
    Reset();
  }
  ~Ordered() { Destroy(); }

  const OrderedKernel& kernel() const { return kernel_; }
  const TypePtr& result_type() const { return context_.result_type; }
  std::byte* state() { return reinterpret_cast<std::byte*>(memory_.get()); }
  int64_t length() const { return args_[0].array->length(); }

  Status Run(int64_t begin, int64_t end, arrow::ArrayBuilder* out) {
    return kernel_.run(context_, state(), args_, begin, end, out);
  }
  Result<ArrayPtr> RunAll() {
    ARROW_ASSIGN_OR_RAISE(auto builder, arrow::MakeBuilder(result_type()));
    ARROW_RETURN_NOT_OK(Run(0, length(), builder.get()));
    return builder->Finish();
  }
  void Reset() {
    Destroy();
    memory_.reset(new std::max_align_t[kernel_.size / sizeof(std::max_align_t) + 1]);
    kernel_.init(state());
  }
  /// Goes on with a state loaded from the saved one.
  void SaveAndLoad() {
    std::string bytes;
    ASSERT_OK(kernel_.save(state(), &bytes));
    Reset();
    ASSERT_OK(kernel_.load(state(), bytes));
  }

 private:
  void Destroy() {
    if (memory_ != nullptr && kernel_.destroy != nullptr) kernel_.destroy(state());
  }

  const Overload& overload_;
  const OrderedKernel& kernel_;
  std::vector<Argument> args_;
  KernelContext context_;
  std::unique_ptr<std::max_align_t[]> memory_;
};

Argument Column(const ArrayPtr& array) { return {array, false}; }
Argument Constant(const TypePtr& type, const std::string& value) {
  return {FromJson(type, "[" + value + "]"), true};
}

struct OrderedCase {
  const char* id;
  std::vector<ArgPattern> patterns;
  std::vector<Argument> args;
};

std::vector<OrderedCase> OrderedCases() {
  std::vector<OrderedCase> cases;
  const std::vector<TypePtr> types = {arrow::boolean(),        arrow::int8(), arrow::int64(),
                                      arrow::float64(),        arrow::utf8(), arrow::date32(),
                                      arrow::decimal128(12, 2)};
  for (const TypePtr& type : types) {
    const ArrayPtr rows = Sliced(RandomArray(type, 100, 21, 100));
    cases.push_back({"lag", {ArgPattern::kAny}, {Column(rows)}});
    for (const char* distance : {"0", "1", "3", "70", "500"}) {
      cases.push_back({"lag",
                       {ArgPattern::kAny, ArgPattern::kConstantInt64},
                       {Column(rows), Constant(arrow::int64(), distance)}});
    }
  }
  const TypePtr list = arrow::list(arrow::int32());
  cases.push_back(
      {"lag", {ArgPattern::kAny}, {Column(FromJson(list, "[[1], null, [], [2, null], [3, 4]]"))}});
  cases.push_back({"lag", {ArgPattern::kAny}, {Column(FromJson(arrow::null(), "[null, null]"))}});
  const std::vector<std::pair<ArgPattern, TypePtr>> numbers = {
      {ArgPattern::kInt32, arrow::int32()},     {ArgPattern::kInt64, arrow::int64()},
      {ArgPattern::kUInt64, arrow::uint64()},   {ArgPattern::kFloat32, arrow::float32()},
      {ArgPattern::kFloat64, arrow::float64()}, {ArgPattern::kDecimal128, arrow::decimal128(9, 3)}};
  for (const auto& [pattern, type] : numbers) {
    cases.push_back(
        {"cumulative_sum_checked", {pattern}, {Column(Sliced(RandomArray(type, 100, 22, 1000)))}});
  }
  cases.push_back({"ema",
                   {ArgPattern::kFloat64, ArgPattern::kFloat64},
                   {Column(Sliced(RandomArray(arrow::float64(), 100, 23, 1000))),
                    Constant(arrow::float64(), "0.25")}});
  return cases;
}

TEST(OrderedTest, CutsAndSavedStatesDoNotMatter) {
  for (const OrderedCase& test : OrderedCases()) {
    SCOPED_TRACE(std::string(test.id) + " of " + test.args[0].array->type()->ToString());
    Ordered function(test.id, test.patterns, test.args);
    ASSERT_OK_AND_ASSIGN(const ArrayPtr whole, function.RunAll());
    EXPECT_EQ(whole->length(), function.length());
    Rng rng(31);
    for (int round = 0; round < 6; ++round) {
      function.Reset();
      auto builder = arrow::MakeBuilder(function.result_type()).ValueOrDie();
      for (int64_t begin = 0; begin < function.length();) {
        const int64_t longest = round == 0 ? 1 : 40;
        const int64_t length = 1 + static_cast<int64_t>(rng.Below(static_cast<uint64_t>(longest)));
        const int64_t end = std::min(begin + length, function.length());
        ASSERT_OK(function.Run(begin, end, builder.get()));
        if (rng.Below(3) == 0) function.SaveAndLoad();
        begin = end;
      }
      const ArrayPtr pieced = builder->Finish().ValueOrDie();
      EXPECT_TRUE(pieced->Equals(*whole)) << pieced->ToString() << whole->ToString();
    }
  }
}

TEST(OrderedTest, LagAgreesWithALookBack) {
  const ArrayPtr rows = Sliced(RandomArray(arrow::utf8(), 80, 41));
  for (const int64_t distance : {0, 1, 2, 79, 80, 200}) {
    Ordered lag("lag", {ArgPattern::kAny, ArgPattern::kConstantInt64},
                {Column(rows), Constant(arrow::int64(), std::to_string(distance))});
    ASSERT_OK_AND_ASSIGN(const ArrayPtr result, lag.RunAll());
    for (int64_t i = 0; i < rows->length(); ++i) {
      if (i < distance) {
        EXPECT_TRUE(result->IsNull(i));
      } else {
        EXPECT_TRUE(result->RangeEquals(*rows, i, i + 1, i - distance));
      }
    }
  }
}

void ExpectRows(const char* id, const std::vector<ArgPattern>& patterns,
                const std::vector<Argument>& args, const TypePtr& type, const std::string& rows) {
  Ordered function(id, patterns, args);
  ASSERT_OK_AND_ASSIGN(const ArrayPtr result, function.RunAll());
  EXPECT_TRUE(result->Equals(*FromJson(type, rows))) << result->ToString();
}

TEST(OrderedTest, CumulativeSumsKeepOverNulls) {
  ExpectRows("cumulative_sum_checked", {ArgPattern::kInt32},
             {Column(FromJson(arrow::int32(), "[null, 2147483647, null, 1]"))}, arrow::int64(),
             "[null, 2147483647, 2147483647, 2147483648]");
  ExpectRows("cumulative_sum_checked", {ArgPattern::kFloat64},
             {Column(FromJson(arrow::float64(), "[1e16, 1, -1e16]"))}, arrow::float64(),
             "[1e16, 1e16, 1]");
  ExpectRows("cumulative_sum_checked", {ArgPattern::kDecimal128},
             {Column(FromJson(arrow::decimal128(3, 1), R"(["99.9", "0.1"])"))},
             arrow::decimal128(38, 1), R"(["99.9", "100.0"])");
}

TEST(OrderedTest, CumulativeSumsThatDoNotFitAreErrors) {
  Ordered sum("cumulative_sum_checked", {ArgPattern::kInt64},
              {Column(FromJson(arrow::int64(), "[9223372036854775807, 1, -1]"))});
  EXPECT_ERROR(sum.RunAll(), kOverflow, "9223372036854775808");
}

TEST(OrderedTest, ExponentialAverages) {
  const TypePtr float64 = arrow::float64();
  const std::vector<ArgPattern> patterns = {ArgPattern::kFloat64, ArgPattern::kFloat64};
  ExpectRows("ema", patterns,
             {Column(FromJson(float64, "[null, 4, null, 8, 0]")), Constant(float64, "0.5")},
             float64, "[null, 4, null, 6, 3]");
  ExpectRows("ema", patterns,
             {Column(FromJson(float64, "[4, 8, 8]")), Column(FromJson(float64, "[0.5, null, 1]"))},
             float64, "[4, null, 8]");
  for (const char* alpha : {"1.5", "-0.1", "NaN"}) {
    Ordered ema("ema", patterns, {Column(FromJson(float64, "[1]")), Constant(float64, alpha)});
    EXPECT_ERROR(ema.RunAll(), kInvalidArgument, "alpha from 0 to 1");
  }
}

TEST(OrderedTest, DamagedStatesAreErrorsOrStates) {
  for (const OrderedCase& test : OrderedCases()) {
    SCOPED_TRACE(test.id);
    Ordered function(test.id, test.patterns, test.args);
    ASSERT_OK(function.RunAll().status());
    std::string bytes;
    ASSERT_OK(function.kernel().save(function.state(), &bytes));
    for (size_t length = 0; length < bytes.size(); length += 1 + bytes.size() / 50) {
      function.Reset();
      EXPECT_ERROR(function.kernel().load(function.state(), bytes.substr(0, length)), kBadData,
                   "damaged");
    }
    Rng rng(17);
    for (int i = 0; i < 100; ++i) {
      std::string flipped = bytes;
      flipped[rng.Below(flipped.size())] ^= static_cast<char>(1 << rng.Below(8));
      function.Reset();
      if (!function.kernel().load(function.state(), flipped).ok()) continue;
      const auto result = function.RunAll();
      EXPECT_TRUE(!result.ok() || (*result)->ValidateFull().ok());
    }
  }
}

TEST(OrderedTest, MemoryOfRememberedRowsIsCounted) {
  Ordered lag("lag", {ArgPattern::kAny},
              {Column(FromJson(arrow::utf8(), "[\"" + std::string(1000, 'x') + "\"]"))});
  EXPECT_EQ(lag.kernel().bytes(lag.state()), 0);
  ASSERT_OK(lag.RunAll().status());
  EXPECT_GE(lag.kernel().bytes(lag.state()), 1000);
}

}  // namespace
}  // namespace headrace
