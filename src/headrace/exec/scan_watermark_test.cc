// Watermarks of scans on a simulated clock: delay, punctuation, silence, skew, replays, and who is
// woken when.
#include "headrace/exec/scan_watermark.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <vector>

#include "arrow/array/builder_primitive.h"
#include "arrow/type.h"
#include "headrace/base/test_status.h"
#include "headrace/exec/input.h"
#include "headrace/plan/make_node.h"

namespace headrace {
namespace {

constexpr int64_t kSecondMicros = 1'000'000;
constexpr int64_t kDay = 86'400 * kSecondMicros;
constexpr int64_t kStart = 20'000 * kDay;  // of the clock

ArrayPtr Times(const std::vector<int64_t>& micros,
               arrow::TimeUnit::type unit = arrow::TimeUnit::MICRO) {
  arrow::TimestampBuilder builder(arrow::timestamp(unit), arrow::default_memory_pool());
  for (const int64_t time : micros) {
    EXPECT_OK(time == Watermark::kNone ? builder.AppendNull() : builder.Append(time));
  }
  return builder.Finish().ValueOrDie();
}

class ScanWatermarkTest : public testing::Test {
 protected:
  void Make(EventTime event_time, int64_t splits) {
    mark_ = std::make_unique<ScanWatermark>(event_time, clock_);
    for (int64_t split = 0; split < splits; ++split) mark_->Add(split);
  }
  void Saw(int64_t split, std::vector<int64_t> micros) {
    mark_->Saw(split, 0, *Times(micros), nullptr);
  }
  int64_t Now() const { return mark_->Now(/*is_paused=*/false).micros; }
  void WaitAll(int64_t splits) {
    for (int64_t split = 0; split < splits; ++split) mark_->Waits(split);
  }

  SimulatedClock clock_{kStart};
  std::unique_ptr<ScanWatermark> mark_;
};

TEST_F(ScanWatermarkTest, IsTheLeastOfAllSplitsMinusTheDelay) {
  Make({.column = 0, .delay_micros = 5}, 2);
  EXPECT_EQ(Now(), Watermark::kNone);
  Saw(0, {100, 200, 150, Watermark::kNone});
  EXPECT_EQ(Now(), Watermark::kNone) << "a split has given nothing yet";
  Saw(1, {120});
  EXPECT_EQ(Now(), 115);
  Saw(1, {110});
  EXPECT_EQ(Now(), 115) << "it does not go back";
  Saw(1, {300});
  EXPECT_EQ(Now(), 195);
  mark_->Ended(0, 0);
  EXPECT_EQ(Now(), 295);
}

TEST_F(ScanWatermarkTest, TimesOfEveryUnitAreMicroseconds) {
  const std::pair<arrow::TimeUnit::type, int64_t> cases[] = {{arrow::TimeUnit::SECOND, -2'000'000},
                                                             {arrow::TimeUnit::MILLI, -2000},
                                                             {arrow::TimeUnit::MICRO, -2},
                                                             {arrow::TimeUnit::NANO, -1}};
  for (const auto& [unit, expected] : cases) {
    Make({}, 1);
    mark_->Saw(0, 0, *Times({-2}, unit), nullptr);
    EXPECT_EQ(Now(), expected);
  }
}

TEST_F(ScanWatermarkTest, PunctuationSaysWhichRowsMoveIt) {
  Make({.column = 0, .punctuation = 1}, 1);
  arrow::BooleanBuilder marks;
  ASSERT_OK(marks.AppendValues(std::vector<bool>{false, true, false}));
  ASSERT_OK(marks.AppendNull());
  const ArrayPtr array = marks.Finish().ValueOrDie();
  mark_->Saw(0, 0, *Times({500, 100, 300, 400}), array.get());
  EXPECT_EQ(Now(), 100);
}

TEST_F(ScanWatermarkTest, ASilentSplitIsLeftOutAndComesBack) {
  Make({.column = 0, .delay_micros = 0, .idle_micros = 30 * kSecondMicros}, 2);
  Saw(0, {kStart - 100 * kSecondMicros});
  Saw(1, {kStart});
  EXPECT_EQ(Now(), kStart - 100 * kSecondMicros);
  mark_->Waits(0);
  clock_.AdvanceMicros(30 * kSecondMicros - 1);
  mark_->Waits(0);
  EXPECT_EQ(Now(), kStart - 100 * kSecondMicros);
  clock_.AdvanceMicros(1);
  EXPECT_EQ(Now(), kStart - 100 * kSecondMicros) << "it may have rows: nobody has asked";
  mark_->Waits(0);
  EXPECT_EQ(Now(), kStart);
  Saw(0, {kStart - 50 * kSecondMicros});
  EXPECT_EQ(Now(), kStart - 50 * kSecondMicros);
}

TEST_F(ScanWatermarkTest, NoIdleTimeHoldsItBackForEver) {
  Make({.column = 0, .delay_micros = 0, .idle_micros = 0}, 2);
  Saw(0, {kStart});
  WaitAll(2);
  clock_.AdvanceMicros(1000 * kDay);
  WaitAll(2);
  EXPECT_EQ(Now(), Watermark::kNone);
}

TEST_F(ScanWatermarkTest, ASilentLiveStreamMovesWithTheClock) {
  Make({.column = 0, .delay_micros = 5 * kSecondMicros, .idle_micros = 30 * kSecondMicros}, 2);
  Saw(0, {kStart - 7 * kSecondMicros});
  Saw(1, {kStart - 1 * kSecondMicros});
  WaitAll(2);
  clock_.AdvanceMicros(30 * kSecondMicros);
  WaitAll(2);
  EXPECT_EQ(Now(), kStart - 6 * kSecondMicros) << "the greatest of all";
  clock_.AdvanceMicros(20 * kSecondMicros);
  EXPECT_EQ(Now(), kStart + 14 * kSecondMicros);
  EXPECT_EQ(mark_->Now(/*is_paused=*/true).micros, kStart - 6 * kSecondMicros);
  EXPECT_LT(Now(), clock_.WallMicros() - 30 * kSecondMicros) << "rows of now are never late";
}

TEST_F(ScanWatermarkTest, AResumedStreamKnowsItsTime) {
  Make({.column = 0, .delay_micros = 5 * kSecondMicros, .idle_micros = 30 * kSecondMicros}, 2);
  mark_->Resume(0, kStart - 2 * kSecondMicros);
  EXPECT_EQ(Now(), Watermark::kNone) << "split 1 has given nothing, in no run";
  mark_->Resume(1, kStart - 7 * kSecondMicros);
  EXPECT_EQ(Now(), kStart - 12 * kSecondMicros);
  EXPECT_EQ(mark_->Latest(0), kStart - 2 * kSecondMicros);
  WaitAll(2);
  clock_.AdvanceMicros(40 * kSecondMicros);
  WaitAll(2);
  EXPECT_EQ(Now(), kStart + 3 * kSecondMicros) << "live, and silent for 10 s longer than it may be";
}

/// A wall clock that is set, beside a monotonic one that is not.
class SetClock final : public Clock {
 public:
  explicit SetClock(int64_t start_micros) : clock_(start_micros) {}
  int64_t WallMicros() const override { return clock_.WallMicros() + set_by_; }
  int64_t MonotonicMicros() const override { return clock_.MonotonicMicros(); }
  void CallAt(int64_t micros, std::function<void()> call) override {
    clock_.CallAt(micros, std::move(call));
  }
  void Advance(int64_t micros) { clock_.AdvanceMicros(micros); }
  void SetBy(int64_t micros) { set_by_ += micros; }

 private:
  SimulatedClock clock_;
  int64_t set_by_ = 0;
};

TEST(ScanWatermarkClockTest, JumpsOfTheWallClockDoNotMoveIt) {
  SetClock clock(kStart);
  ScanWatermark mark(
      {.column = 0, .delay_micros = 5 * kSecondMicros, .idle_micros = 30 * kSecondMicros}, clock);
  mark.Add(0);
  mark.Saw(0, 0, *Times({kStart}), nullptr);
  mark.Waits(0);
  clock.SetBy(1000 * kDay);
  mark.Waits(0);
  EXPECT_EQ(mark.Now(false).micros, kStart - 5 * kSecondMicros);
  clock.Advance(31 * kSecondMicros);
  mark.Waits(0);
  EXPECT_EQ(mark.Now(false).micros, kStart - 4 * kSecondMicros)
      << "silence is not of the wall clock";
  clock.SetBy(-2000 * kDay);
  mark.Saw(0, 0, *Times({kStart + 60 * kSecondMicros}), nullptr);
  EXPECT_EQ(mark.Now(false).micros, kStart - 5 * kSecondMicros)
      << "far ahead of a clock that is behind";
}

TEST_F(ScanWatermarkTest, ASilentReplayStandsStill) {
  Make({.column = 0, .delay_micros = 5, .idle_micros = 30 * kSecondMicros}, 1);
  Saw(0, {kStart - 100 * kDay});
  WaitAll(1);
  clock_.AdvanceMicros(10 * kDay);
  WaitAll(1);
  EXPECT_EQ(Now(), kStart - 100 * kDay - 5);
}

TEST_F(ScanWatermarkTest, RowsFarAheadOfTheClockDoNotMoveIt) {
  Make({.column = 0}, 1);
  Saw(0, {kStart + 2 * kDay, kStart - 5, kStart + kDay + 1});
  EXPECT_EQ(Now(), kStart - 5);
  Saw(0, {kStart + kDay});
  EXPECT_EQ(Now(), kStart + kDay);
  Make({.column = 0, .skew_micros = 0}, 1);
  Saw(0, {kStart + 2 * kDay});
  EXPECT_EQ(Now(), kStart + 2 * kDay);
}

TEST_F(ScanWatermarkTest, AScanIsIdleWhoseSilenceSaysNothingOfItsTime) {
  Make({.column = 0, .delay_micros = 0, .idle_micros = 30 * kSecondMicros}, 2);
  WaitAll(2);
  clock_.AdvanceMicros(30 * kSecondMicros);
  mark_->Waits(0);
  EXPECT_FALSE(mark_->IsIdle()) << "split 1 was not asked again";
  mark_->Waits(1);
  EXPECT_TRUE(mark_->IsIdle()) << "it never had a row";
  Saw(0, {kStart - kDay});
  EXPECT_FALSE(mark_->IsIdle());
  WaitAll(2);
  clock_.AdvanceMicros(30 * kSecondMicros);
  WaitAll(2);
  EXPECT_TRUE(mark_->IsIdle()) << "a replay";
  Saw(0, {kStart + 60 * kSecondMicros});
  WaitAll(2);
  clock_.AdvanceMicros(30 * kSecondMicros);
  WaitAll(2);
  EXPECT_FALSE(mark_->IsIdle()) << "its watermark moves with the clock";
  mark_->Ended(0, 0);
  mark_->Ended(1, 0);
  EXPECT_FALSE(mark_->IsIdle());
}

TEST_F(ScanWatermarkTest, OtherLanesAreWokenByRowsAndAllByTime) {
  Make({.column = 0, .delay_micros = 0, .idle_micros = 30 * kSecondMicros}, 2);
  int woken = 0;
  const Waker waker([&] { ++woken; });
  Saw(0, {kStart});
  mark_->Waits(0);
  mark_->WakeLater(0, waker);
  mark_->WakeLater(0, waker);
  mark_->Saw(0, 0, *Times({kStart + 1}), nullptr);
  EXPECT_EQ(woken, 0) << "its own rows";
  mark_->Saw(1, 1, *Times({kStart + 1}), nullptr);
  EXPECT_EQ(woken, 1);
  mark_->Saw(1, 1, *Times({kStart + 2}), nullptr);
  EXPECT_EQ(woken, 1) << "once";
  EXPECT_EQ(clock_.NextCallMicros(), kStart + 30 * kSecondMicros);
  clock_.AdvanceMicros(30 * kSecondMicros);
  EXPECT_EQ(woken, 2) << "one timer for two calls";
}

/// Gives batches of one column of times as they are put in.
class TimesFeed final : public SplitReader {
 public:
  Result<ReadResult> Next() override {
    if (items.empty()) return ReadResult(Pending{});
    ReadResult item = std::move(items.front());
    items.pop_front();
    return item;
  }
  Result<std::string> Position() const override { return std::string(); }
  std::deque<ReadResult> items;
};

class FeedSource final : public Source {
 public:
  explicit FeedSource(size_t splits) : feeds(splits) {
    for (TimesFeed*& feed : feeds) feed = nullptr;
  }
  std::string name() const override { return "feed"; }
  const SchemaPtr& schema() const override { return schema_; }
  Boundedness boundedness() const override { return Boundedness::kUnbounded; }
  Result<std::vector<Split>> Splits(const ScanRequest&) override {
    std::vector<Split> splits;
    for (size_t i = 0; i < feeds.size(); ++i) splits.push_back({static_cast<int64_t>(i), 0, 0, ""});
    return splits;
  }
  Result<std::unique_ptr<SplitReader>> Open(const Split& split, const ScanRequest&,
                                            const ReadContext&) override {
    auto feed = std::make_unique<TimesFeed>();
    feeds[static_cast<size_t>(split.index)] = feed.get();
    return feed;
  }
  Result<std::string> Snapshot() override { return std::string(); }
  std::vector<TimesFeed*> feeds;

 private:
  SchemaPtr schema_ = arrow::schema({arrow::field("at", arrow::timestamp(arrow::TimeUnit::MICRO))});
};

Batch RowsAt(std::vector<int64_t> micros) {
  const auto count = static_cast<int64_t>(micros.size());
  return Batch({Times(micros)}, count);
}

// Two lanes, one of whose splits falls silent: the timer wakes it, and it says that it is idle.
TEST(StreamInputTest, ATimerWakesALaneWhoseSplitIsSilent) {
  SimulatedClock clock(kStart);
  auto source = std::make_shared<FeedSource>(2);
  ScanRequest request;
  request.projection = {0};
  const EventTime event_time{.column = 0, .delay_micros = 0, .idle_micros = 30 * kSecondMicros};
  const PlanPtr plan = MakeScanNode(source, request, "", event_time).ValueOrDie();
  auto watermark = std::make_shared<ScanWatermark>(event_time, clock);
  const std::vector<Split> splits = source->Splits(request).ValueOrDie();
  auto paused = std::make_shared<std::atomic<bool>>(false);
  std::vector<std::unique_ptr<PipelineInput>> lanes;
  std::vector<int> woken(2, 0);
  for (int lane = 0; lane < 2; ++lane) {
    watermark->Add(lane);
    ReadContext context;
    context.waker = Waker([&woken, lane] { ++woken[static_cast<size_t>(lane)]; });
    lanes.push_back(MakeStreamInput(static_cast<const ScanNode&>(*plan), request,
                                    {splits[static_cast<size_t>(lane)]}, {}, paused, watermark,
                                    lane, context)
                        .ValueOrDie());
  }
  const auto next = [&](size_t lane) { return lanes[lane]->Next().ValueOrDie(); };
  const auto is_watermark = [](const InputItem& item, int64_t micros) {
    const auto* watermark = std::get_if<Watermark>(&item);
    return watermark != nullptr && watermark->micros == micros;
  };
  source->feeds[0]->items.emplace_back(RowsAt({kStart - 60 * kSecondMicros}));
  source->feeds[1]->items.emplace_back(RowsAt({kStart}));
  EXPECT_TRUE(std::holds_alternative<Batch>(next(0)));
  EXPECT_TRUE(std::holds_alternative<Pending>(next(0)));
  EXPECT_TRUE(std::holds_alternative<Batch>(next(1)));
  EXPECT_EQ(woken[0], 1);
  EXPECT_TRUE(is_watermark(next(0), kStart - 60 * kSecondMicros));
  EXPECT_TRUE(std::holds_alternative<Pending>(next(0)));
  EXPECT_TRUE(is_watermark(next(1), kStart - 60 * kSecondMicros));
  clock.AdvanceMicros(15 * kSecondMicros);
  source->feeds[1]->items.emplace_back(RowsAt({kStart + 15 * kSecondMicros}));
  EXPECT_TRUE(std::holds_alternative<Batch>(next(1)));
  EXPECT_TRUE(std::holds_alternative<Pending>(next(1)));
  EXPECT_TRUE(std::holds_alternative<Pending>(next(0)));
  const int before = woken[0];
  clock.AdvanceMicros(15 * kSecondMicros);
  EXPECT_GT(woken[0], before);
  EXPECT_TRUE(is_watermark(next(0), kStart + 15 * kSecondMicros));
  paused->store(true);
  clock.AdvanceMicros(300 * kSecondMicros);
  EXPECT_TRUE(is_watermark(next(1), kStart + 15 * kSecondMicros));
  EXPECT_TRUE(std::holds_alternative<Pending>(next(1))) << "nothing moves in a pause";
  EXPECT_TRUE(std::holds_alternative<Pending>(next(0)));
  paused->store(false);
  EXPECT_TRUE(std::holds_alternative<Pending>(next(0))) << "lane 1 was not asked";
  EXPECT_TRUE(is_watermark(next(1), kStart + 300 * kSecondMicros));
}

TEST(StreamInputTest, SaysThatItIsIdleUntilItHasRows) {
  SimulatedClock clock(kStart);
  auto source = std::make_shared<FeedSource>(1);
  ScanRequest request;
  request.projection = {0};
  const EventTime event_time{.column = 0, .delay_micros = 0, .idle_micros = 30 * kSecondMicros};
  const PlanPtr plan = MakeScanNode(source, request, "", event_time).ValueOrDie();
  auto watermark = std::make_shared<ScanWatermark>(event_time, clock);
  watermark->Add(0);
  const auto input =
      MakeStreamInput(static_cast<const ScanNode&>(*plan), request,
                      source->Splits(request).ValueOrDie(), {},
                      std::make_shared<std::atomic<bool>>(false), watermark, 0, ReadContext())
          .ValueOrDie();
  const auto next = [&] { return input->Next().ValueOrDie(); };
  EXPECT_TRUE(std::holds_alternative<Pending>(next()));
  clock.AdvanceMicros(30 * kSecondMicros);
  EXPECT_TRUE(std::get<Idleness>(next()).is_idle);
  EXPECT_TRUE(std::holds_alternative<Pending>(next()));
  source->feeds[0]->items.emplace_back(RowsAt({kStart - kDay}));
  EXPECT_TRUE(std::holds_alternative<Batch>(next())) << "this alone ends it";
  EXPECT_EQ(std::get<Watermark>(next()).micros, kStart - kDay);
  EXPECT_TRUE(std::holds_alternative<Pending>(next()));
  clock.AdvanceMicros(30 * kSecondMicros);
  EXPECT_TRUE(std::get<Idleness>(next()).is_idle);
}

}  // namespace
}  // namespace headrace
