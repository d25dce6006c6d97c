// Files written in the background: the same bytes, and errors that come out once.
#include "headrace/exec/spill/spill_stream.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "arrow/buffer.h"
#include "headrace/base/fault.h"
#include "headrace/base/rng.h"
#include "headrace/base/test_status.h"
#include "headrace/memory/spill_space.h"

namespace headrace {
namespace {

std::string ContentOf(Vfs& vfs, const std::string& path) {
  auto file = vfs.OpenForRead(path).ValueOrDie();
  return file->ReadAt(0, file->GetSize().ValueOrDie()).ValueOrDie()->ToString();
}

class SpillStreamTest : public testing::Test {
 protected:
  std::unique_ptr<SpillStream> Open(Vfs& vfs, const std::string& path) {
    return std::make_unique<SpillStream>(vfs.OpenForWrite(path).ValueOrDie(), io_);
  }

  std::unique_ptr<Vfs> vfs_ = MakeMemoryVfs();
  std::shared_ptr<SpillIo> io_ = std::make_shared<SpillIo>();
};

// Several threads write files side by side; together they are more than may wait.
TEST_F(SpillStreamTest, WritesBuffersInTheirOrder) {
  std::vector<std::string> expected(4);
  std::vector<std::thread> writers;
  for (size_t i = 0; i < expected.size(); ++i) {
    writers.emplace_back([this, i, &expected] {
      Rng rng(i + 1);
      auto stream = Open(*vfs_, "/file" + std::to_string(i));
      for (int part = 0; part < 60; ++part) {
        const std::string bytes(rng.Below(200'000), static_cast<char>('a' + part % 26));
        expected[i] += bytes;
        ASSERT_OK(stream->Write(arrow::Buffer::FromString(bytes)));
      }
      ASSERT_OK(stream->Write("end", 3));
      expected[i] += "end";
      EXPECT_EQ(stream->Tell().ValueOrDie(), static_cast<int64_t>(expected[i].size()));
      ASSERT_OK(stream->Close());
      EXPECT_TRUE(stream->closed());
    });
  }
  for (std::thread& writer : writers) writer.join();
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(ContentOf(*vfs_, "/file" + std::to_string(i)), expected[i]);
  }
}

// The error is that of a later write or of Close, and stays.
TEST_F(SpillStreamTest, AFailedWriteIsTheErrorOfALaterCall) {
  const auto faulty = MakeFaultyVfs(*vfs_);
  for (int64_t k = 1; k <= 5; ++k) {
    auto failing = Open(*faulty, "/failing");
    auto other = Open(*vfs_, "/other");
    fault::Arm("vfs.write", k);
    Status status;
    for (int part = 0; part < 5 && status.ok(); ++part) {
      status = failing->Write(arrow::Buffer::FromString("abc"));
    }
    EXPECT_ERROR(failing->Close(), kIo, "fault point");
    fault::Disarm();
    ASSERT_OK(other->Write("fine", 4));
    ASSERT_OK(other->Close());
    EXPECT_EQ(ContentOf(*vfs_, "/other"), "fine");
  }
}

TEST_F(SpillStreamTest, AnAbandonedStreamLeavesNothingWaiting) {
  const auto buffer = arrow::Buffer::FromString(std::string(100'000, 'x'));
  {
    auto stream = Open(*vfs_, "/abandoned");
    for (int part = 0; part < 100; ++part) ASSERT_OK(stream->Write(buffer));
  }
  EXPECT_EQ(buffer.use_count(), 1);
}

TEST(SpillIoTest, IsOnePerSpaceWhileItIsHeld) {
  auto first = SpillSpace::Make("", 1000).ValueOrDie();
  auto second = SpillSpace::Make("", 1000).ValueOrDie();
  auto io = SpillIo::Of(*first);
  EXPECT_EQ(SpillIo::Of(*first), io);
  EXPECT_NE(SpillIo::Of(*second), io);
}

TEST(SpillIoTest, DoesWhatItWasGivenBeforeItEnds) {
  std::atomic<int> done = 0;
  {
    SpillIo io;
    for (int i = 0; i < 1000; ++i) io.Submit([&done] { ++done; });
  }
  EXPECT_EQ(done, 1000);
}

}  // namespace
}  // namespace headrace
