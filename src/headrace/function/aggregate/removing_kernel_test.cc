// Kernels that take rows back give what the usual ones give over the rows that are left, however
// rows are divided, saved and loaded.
#include "headrace/function/aggregate/removing_kernel.h"

#include <memory>

#include "arrow/array/concatenate.h"
#include "headrace/base/rng.h"
#include "headrace/function/registry.h"
#include "headrace/function/test_arrays.h"

namespace headrace {
namespace {

class RemovingState {
 public:
  explicit RemovingState(const AggregateKernel& kernel)
      : kernel_(kernel), memory_(new std::max_align_t[kernel.size / sizeof(std::max_align_t) + 1]) {
    kernel_.init(get());
  }
  RemovingState(const RemovingState&) = delete;
  RemovingState& operator=(const RemovingState&) = delete;
  ~RemovingState() {
    if (kernel_.destroy != nullptr) kernel_.destroy(get());
  }
  std::byte* get() { return reinterpret_cast<std::byte*>(memory_.get()); }

 private:
  const AggregateKernel& kernel_;
  std::unique_ptr<std::max_align_t[]> memory_;
};

/// A function over one argument, or an argument and the fraction 0.25.
struct Call {
  const char* id;
  std::vector<ArgPattern> patterns;
  TypePtr type;
};

class RemovingKernelTest : public testing::Test {
 protected:
  std::vector<Argument> ArgumentsOf(const Call& call, const ArrayPtr& rows) {
    std::vector<Argument> args = {{rows, false}};
    if (call.patterns.size() > 1) args.push_back({FromJson(arrow::float64(), "[0.25]"), true});
    return args;
  }
  void Change(const Call& call, decltype(AggregateKernel::add) change, KernelContext& context,
              RemovingState& state, const ArrayPtr& rows, int64_t first) {
    const std::vector<Argument> args = ArgumentsOf(call, rows);
    const std::vector<std::byte*> groups(static_cast<size_t>(rows->length()), state.get());
    EXPECT_TRUE(change(context, groups.data(), 0, {args, rows->length(), {0, first}}).ok());
  }
  ArrayPtr Finish(const AggregateKernel& kernel, KernelContext& context, RemovingState& state) {
    auto builder = arrow::MakeBuilder(context.result_type).ValueOrDie();
    std::byte* const group = state.get();
    EXPECT_TRUE(kernel.finish(context, &group, 0, 1, builder.get()).ok());
    return builder->Finish().ValueOrDie();
  }

  /// `gone`, which stands before `kept`, and `kept` are added to two states, `gone` is taken back,
  /// one of them saved and loaded.
  void Compare(const Call& call, const ArrayPtr& kept, const ArrayPtr& gone) {
    SCOPED_TRACE(std::string(call.id) + " of " + call.type->ToString());
    const Overload& overload = OverloadOf(*FindFunctionById(call.id), call.patterns);
    std::vector<TypePtr> types = {call.type};
    if (call.patterns.size() > 1) types.push_back(arrow::float64());
    KernelContext context{TestPool(), overload.result(types).ValueOrDie()};
    const AggregateKernel& usual = *overload.aggregate;
    const AggregateKernel* removing = RemovingKernel(usual, *call.type);
    ASSERT_NE(removing, nullptr);
    ASSERT_NE(removing->remove, nullptr);
    EXPECT_EQ(usual.remove, nullptr);
    RemovingState expected(usual);
    Change(call, usual.add, context, expected, kept, 0);
    RemovingState left(*removing);
    RemovingState right(*removing);
    const int64_t half = kept->length() / 2;
    Change(call, removing->add, context, left, gone, -1'000);
    Change(call, removing->add, context, left, kept->Slice(0, half), 0);
    Change(call, removing->remove, context, left, gone, half);
    Change(call, removing->add, context, right, kept->Slice(half), half);
    std::string saved;
    ASSERT_OK(removing->save(right.get(), &saved));
    RemovingState loaded(*removing);
    ASSERT_OK(removing->load(loaded.get(), saved));
    RemovingState other(*removing);
    EXPECT_FALSE(removing->load(other.get(), saved + "x").ok());
    EXPECT_FALSE(removing->load(other.get(), saved.substr(0, saved.size() - 1)).ok());
    ASSERT_OK(removing->merge(context, left.get(), loaded.get()));
    const ArrayPtr want = Finish(usual, context, expected);
    const ArrayPtr got = Finish(*removing, context, left);
    EXPECT_TRUE(want->Equals(*got, arrow::EqualOptions::Defaults().nans_equal(true)))
        << want->ToString() << " and " << got->ToString();
  }

  ArrayPtr Random(const TypePtr& type, const std::vector<std::string>& pool) {
    std::string json = "[";
    const uint64_t length = rng_.Below(12);
    for (uint64_t i = 0; i < length; ++i)
      json += (i == 0 ? "" : ", ") + pool[rng_.Below(pool.size())];
    return FromJson(type, json + "]");
  }

  Rng rng_{7};
};

TEST_F(RemovingKernelTest, RowsThatAreLeftCount) {
  using enum ArgPattern;
  const auto times = arrow::timestamp(arrow::TimeUnit::MICRO);
  const auto money = arrow::decimal128(12, 2);
  const std::vector<std::string> integers = {"null", "3", "-7", "0", "3", "900"};
  const std::vector<std::string> floats = {"null", "1.5", "NaN", "-Inf", "0", "2.25"};
  const std::vector<std::string> decimals = {"null", R"("1.25")", R"("-3.50")", R"("99.99")"};
  const std::vector<std::string> texts = {"null", R"("")", R"("b")",
                                          R"("a text that is longer than others")"};
  const std::vector<std::pair<Call, const std::vector<std::string>*>> calls = {
      {{"min", {kCommonComparable}, arrow::int64()}, &integers},
      {{"max", {kCommonComparable}, arrow::int64()}, &integers},
      {{"min", {kCommonComparable}, arrow::float64()}, &floats},
      {{"max", {kCommonComparable}, arrow::float64()}, &floats},
      {{"min", {kCommonComparable}, money}, &decimals},
      {{"max", {kCommonComparable}, arrow::utf8()}, &texts},
      {{"min", {kCommonComparable}, arrow::utf8()}, &texts},
      {{"max", {kCommonComparable}, times}, &integers},
      {{"delta", {kInt64}, arrow::int64()}, &integers},
      {{"delta", {kDecimal128}, money}, &decimals},
      {{"delta", {kTimestamp}, times}, &integers},
      {{"median", {kTimestamp}, times}, &integers},
      {{"median", {kInt64}, arrow::int64()}, &integers},
      {{"median", {kFloat64}, arrow::float64()}, &floats},
      {{"median", {kDecimal128}, money}, &decimals},
      {{"first", {kAny}, arrow::int64()}, &integers},
      {{"last", {kAny}, arrow::utf8()}, &texts},
      {{"list", {kAny}, arrow::int64()}, &integers},
      {{"list", {kAny}, arrow::utf8()}, &texts},
      {{"string_agg", {kText}, arrow::utf8()}, &texts},
      {{"quantile_cont", {kTimestamp, kFloat64}, times}, &integers},
      {{"quantile_disc", {kCommonComparable, kFloat64}, arrow::utf8()}, &texts},
      {{"quantile_disc", {kCommonComparable, kFloat64}, arrow::float64()}, &floats},
  };
  for (const auto& [call, pool] : calls) {
    for (int round = 0; round < 60; ++round) {
      Compare(call, Random(call.type, *pool), Random(call.type, *pool));
    }
  }
}

TEST_F(RemovingKernelTest, ThoseThatRemoveStay) {
  const AggregateKernel& count =
      *OverloadOf(*FindFunctionById("count_distinct"), {ArgPattern::kAny}).aggregate;
  EXPECT_EQ(RemovingKernel(count, *arrow::int64()), &count);
  const AggregateKernel& product =
      *OverloadOf(*FindFunctionById("product"), {ArgPattern::kFloat64}).aggregate;
  EXPECT_EQ(RemovingKernel(product, *arrow::float64()), nullptr);
}

}  // namespace
}  // namespace headrace
