// Channels under random schedules: order by splits, bounds in bytes, watermarks, closing.
#include "headrace/exec/channel.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "headrace/base/rng.h"

namespace headrace {
namespace {

std::shared_ptr<MemoryBudget> Unlimited() {
  return MemoryBudget::MakeRoot("test", MemoryBudget::kUnlimited);
}

Batch MakeBatch(int64_t split, int64_t seq, int64_t rows) {
  arrow::Int64Builder builder;
  for (int64_t row = 0; row < rows; ++row) {
    EXPECT_TRUE(builder.Append(split * 1000 + seq).ok());
  }
  Batch batch({builder.Finish().ValueOrDie()}, rows);
  batch.set_ordinal({split, seq});
  return batch;
}

int64_t ValueOf(const Channel::Item& item) {
  const Batch& batch = std::get<Batch>(item);
  return static_cast<const arrow::Int64Array&>(*batch.column(0)).Value(0);
}

/// Writers take splits in order and write their batches whenever a random schedule lets them.
struct SplitWriter {
  int64_t split = -1;
  int64_t seq = 0;
  bool finished = false;
};

class OrderedChannelTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(OrderedChannelTest, GivesSplitsInOrderWhateverTheSchedule) {
  constexpr int kWriters = 3;
  constexpr int64_t kSplits = 20;
  Rng rng(GetParam());
  ChannelSpec spec{ChannelOrder::kSplits, kWriters, 1, /*bytes_max=*/600};
  Channel channel(spec, Unlimited());
  std::vector<SplitWriter> writers(kWriters);
  int64_t next_split = 0;
  std::vector<int64_t> read;
  std::vector<int64_t> expected;
  for (int64_t split = 0; split < kSplits; ++split) {
    for (int64_t seq = 0; seq < split % 5; ++seq) expected.push_back(split * 1000 + seq);
  }
  int idle = 0;
  bool ended = false;
  while (!ended) {
    ASSERT_LT(++idle, 10'000) << "no progress: deadlock";
    const size_t who = static_cast<size_t>(rng.Below(kWriters + 1));
    if (who == kWriters) {
      Channel::Item item = channel.Read(0, Waker());
      if (std::holds_alternative<Batch>(item)) {
        read.push_back(ValueOf(item));
        idle = 0;
      }
      ended = std::holds_alternative<EndOfSplit>(item);
      continue;
    }
    SplitWriter& writer = writers[who];
    if (writer.finished) continue;
    if (writer.split < 0) {
      if (next_split == kSplits) {
        writer.finished = true;
        channel.Finish(static_cast<int>(who));
      } else {
        writer = {next_split++, 0, false};
        channel.BeginSplit(writer.split);
      }
      idle = 0;
      continue;
    }
    if (writer.seq == writer.split % 5) {
      channel.EndSplit(writer.split);
      writer.split = -1;
      continue;
    }
    Batch batch = MakeBatch(writer.split, writer.seq, 20);
    if (channel.Write(0, batch, Waker()) == Flow::NeedInput()) {
      ++writer.seq;
      idle = 0;
    }
  }
  EXPECT_EQ(read, expected);
}

INSTANTIATE_TEST_SUITE_P(Seeds, OrderedChannelTest, ::testing::Range<uint64_t>(0, 50));

TEST(ChannelTest, AFullQueueParksItsWriterAndWakesItWhenRead) {
  ChannelSpec spec{ChannelOrder::kArrival, 1, 1, /*bytes_max=*/200};
  Channel channel(spec, Unlimited());
  int woken = 0;
  Waker waker([&woken] { ++woken; });
  Batch first = MakeBatch(0, 0, 20);
  EXPECT_EQ(channel.Write(0, first, waker), Flow::NeedInput());
  Batch second = MakeBatch(0, 1, 20);
  EXPECT_EQ(channel.Write(0, second, waker), Flow::Blocked());
  EXPECT_EQ(second.num_rows(), 20) << "a refused batch stays with its writer";
  EXPECT_EQ(ValueOf(channel.Read(0, Waker())), 0);
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(channel.Write(0, second, waker), Flow::NeedInput());
}

TEST(ChannelTest, WatermarkIsTheLeastOfAllOpenWriters) {
  Channel channel(ChannelSpec{ChannelOrder::kArrival, 2, 1}, Unlimited());
  channel.Advance(0, Watermark{50});
  EXPECT_TRUE(std::holds_alternative<Pending>(channel.Read(0, Waker())));
  channel.Advance(1, Watermark{20});
  EXPECT_EQ(std::get<Watermark>(channel.Read(0, Waker())).micros, 20);
  channel.Finish(1);
  EXPECT_EQ(std::get<Watermark>(channel.Read(0, Waker())).micros, 50);
  channel.Finish(0);
  EXPECT_TRUE(std::holds_alternative<EndOfSplit>(channel.Read(0, Waker())));
}

TEST(ChannelTest, IdleWritersHoldNoWatermarkBack) {
  Channel channel(ChannelSpec{ChannelOrder::kArrival, 3, 1}, Unlimited());
  const auto read = [&] { return channel.Read(0, Waker()); };
  const auto idleness = [&] { return std::get<Idleness>(read()).is_idle; };
  channel.Advance(0, Watermark{50});
  channel.Advance(1, Watermark{20});
  channel.SetIdle(2, true);
  EXPECT_EQ(std::get<Watermark>(read()).micros, 20);
  channel.SetIdle(1, true);
  EXPECT_EQ(std::get<Watermark>(read()).micros, 50);
  channel.SetIdle(0, true);
  EXPECT_TRUE(idleness());
  channel.Advance(2, Watermark{60});
  EXPECT_EQ(std::get<Watermark>(read()).micros, 60) << "the greatest of idle writers";
  channel.SetIdle(1, false);
  EXPECT_FALSE(idleness());
  EXPECT_TRUE(std::holds_alternative<Pending>(read())) << "20 is behind what was promised";
  channel.Finish(1);
  EXPECT_TRUE(idleness()) << "of those that write";
  channel.Finish(0);
  channel.Finish(2);
  EXPECT_FALSE(idleness());
  EXPECT_TRUE(std::holds_alternative<EndOfSplit>(read()));
}

TEST(ChannelTest, AClosedReaderFinishesItsWriters) {
  Channel channel(ChannelSpec{ChannelOrder::kArrival, 1, 2}, Unlimited());
  channel.Close(1);
  Batch batch = MakeBatch(0, 0, 1);
  EXPECT_EQ(channel.Write(1, batch, Waker()), Flow::Finished());
  EXPECT_EQ(channel.Write(0, batch, Waker()), Flow::NeedInput());
}

TEST(ChannelTest, WhatItHoldsIsChargedAndGivenBack) {
  auto budget = MemoryBudget::MakeRoot("test", 1 << 20);
  Channel channel(ChannelSpec{ChannelOrder::kArrival, 1, 1}, budget);
  for (int64_t seq = 0; seq < 5; ++seq) {
    Batch batch = MakeBatch(0, seq, 100);
    ASSERT_EQ(channel.Write(0, batch, Waker()), Flow::NeedInput());
  }
  EXPECT_GE(budget->used_bytes(), 4 * 800);
  for (int seq = 0; seq < 5; ++seq) ASSERT_EQ(ValueOf(channel.Read(0, Waker())), seq);
  EXPECT_EQ(budget->used_bytes(), 0);
}

}  // namespace
}  // namespace headrace
