// What a scan claims of its budget for what its readers hold.
#include <gtest/gtest.h>

#include <deque>
#include <utility>

#include "headrace/base/test_status.h"
#include "headrace/exec/input.h"

namespace headrace {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

/// Gives a batch of one row after each of `held`, the bytes it has then.
class HoldingReader final : public SplitReader {
 public:
  explicit HoldingReader(std::deque<int64_t> held) : held_(std::move(held)) {}
  Result<ReadResult> Next() override {
    if (held_.size() == 1) return ReadResult(EndOfSplit{});
    held_.pop_front();
    return ReadResult(Batch({}, 1));
  }
  int64_t bytes() const override { return held_.front(); }

 private:
  std::deque<int64_t> held_;
};

class HoldingSource final : public Source {
 public:
  explicit HoldingSource(std::vector<std::deque<int64_t>> held) : held_(std::move(held)) {}
  std::string name() const override { return "numbers"; }
  const SchemaPtr& schema() const override { return schema_; }
  Result<std::vector<Split>> Splits(const ScanRequest&) override {
    std::vector<Split> splits;
    for (size_t i = 0; i < held_.size(); ++i) {
      splits.push_back({static_cast<int64_t>(i), 0, 0, "numbers"});
    }
    return splits;
  }
  Result<std::unique_ptr<SplitReader>> Open(const Split& split, const ScanRequest&,
                                            const ReadContext&) override {
    return std::make_unique<HoldingReader>(held_[static_cast<size_t>(split.index)]);
  }
  Result<std::string> Snapshot() override { return "once"; }

 private:
  const std::vector<std::deque<int64_t>> held_;
  const SchemaPtr schema_ = arrow::schema({});
};

class ScanInputTest : public testing::Test {
 protected:
  void Make(std::vector<std::deque<int64_t>> held, int64_t limit, int lanes = 1) {
    auto source = std::make_shared<HoldingSource>(std::move(held));
    budget_ = MemoryBudget::MakeRoot("session", limit);
    auto splits = source->Splits({}).ValueOrDie();
    scan_ = std::make_unique<ScanNode>(PlanProperties{}, source, ScanRequest{}, "", std::nullopt);
    input_ = MakeScanInput(*scan_, {}, std::make_shared<SplitDispatcher>(splits, lanes), &progress_,
                           {}, {budget_, lanes});
  }
  /// "row", "end of split", "end", or the bytes wanted.
  std::string Next() {
    const InputItem item = input_->Next().ValueOrDie();
    if (std::holds_alternative<Batch>(item)) return "row";
    if (std::holds_alternative<SplitEnded>(item)) return "end of split";
    if (const auto* wanted = std::get_if<MemoryWanted>(&item)) return std::to_string(wanted->bytes);
    return "end";
  }

  std::shared_ptr<MemoryBudget> budget_;
  std::unique_ptr<ScanNode> scan_;
  ReadProgress progress_;
  std::unique_ptr<PipelineInput> input_;
};

TEST_F(ScanInputTest, ClaimsWhatExceedsItsFloorAndKeepsItBetweenSplits) {
  Make({{20 * kMiB, 30 * kMiB, 10 * kMiB}, {8 * kMiB, 8 * kMiB}, {0, 0}}, 100 * kMiB);
  EXPECT_EQ(Next(), "row");
  EXPECT_EQ(budget_->used_bytes(), 12 * kMiB) << "eight are in the floor";
  EXPECT_EQ(Next(), "row");
  EXPECT_EQ(budget_->used_bytes(), 22 * kMiB);
  EXPECT_EQ(Next(), "end of split");
  EXPECT_EQ(Next(), "row");
  EXPECT_EQ(budget_->used_bytes(), 22 * kMiB);
  EXPECT_EQ(Next(), "end of split");
  EXPECT_EQ(budget_->used_bytes(), 0) << "the second split took nothing";
  EXPECT_EQ(Next(), "row");
  EXPECT_EQ(Next(), "end of split");
  EXPECT_EQ(Next(), "end");
}

TEST_F(ScanInputTest, ClaimsNoMoreThanItsShareOfTheLimit) {
  Make({{500 * kMiB, 500 * kMiB}}, 100 * kMiB, 2);
  EXPECT_EQ(Next(), "row");
  EXPECT_EQ(budget_->used_bytes(), 25 * kMiB);
}

TEST_F(ScanInputTest, AsksOnceASplitAndGoesOnWithout) {
  Make({{20 * kMiB, 20 * kMiB, 20 * kMiB}, {20 * kMiB, 20 * kMiB}}, 100 * kMiB);
  Reservation other(budget_);
  ASSERT_TRUE(other.TryResize(95 * kMiB));
  EXPECT_EQ(Next(), std::to_string(12 * kMiB));
  EXPECT_EQ(Next(), "row");
  EXPECT_EQ(Next(), "row");
  EXPECT_EQ(Next(), "end of split");
  EXPECT_EQ(Next(), std::to_string(12 * kMiB));
  other.Clear();
  EXPECT_EQ(Next(), "row");
  EXPECT_EQ(budget_->used_bytes(), 12 * kMiB);
  input_->Close();
  EXPECT_EQ(budget_->used_bytes(), 0);
}

}  // namespace
}  // namespace headrace
