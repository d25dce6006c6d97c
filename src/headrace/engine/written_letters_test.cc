// WrittenLetters: random scans that read one stream each at its own pace, die and go on.
#include "headrace/engine/written_letters.h"

#include <gtest/gtest.h>

#include <map>

#include "arrow/memory_pool.h"
#include "headrace/base/rng.h"
#include "headrace/base/test_status.h"
#include "headrace/io/memory_vfs.h"

namespace headrace {
namespace {

DeadLetter Letter(uint64_t record, int scan = 0) {
  DeadLetter letter;
  letter.record = record;
  letter.scan = scan;
  return letter;
}

TEST(WrittenLettersTest, ARecordIsWrittenOnceWhoeverReadsIt) {
  WrittenLetters written(2);
  EXPECT_TRUE(written.Note(0, Letter(7)));
  EXPECT_FALSE(written.Note(1, Letter(7)));
  EXPECT_FALSE(written.Note(1, Letter(7, 1)));
  EXPECT_TRUE(written.Note(1, Letter(8)));
  EXPECT_FALSE(written.Note(0, Letter(8)));
  EXPECT_TRUE(written.Note(0, Letter(0))) << "without a place";
  EXPECT_TRUE(written.Note(1, Letter(0)));
}

// A file that is cut and written anew may have the same record at the same place.
TEST(WrittenLettersTest, ARecordThatComesAgainIsWrittenAgain) {
  WrittenLetters written(2);
  EXPECT_TRUE(written.Note(0, Letter(7)));
  EXPECT_TRUE(written.Note(0, Letter(7)));
  EXPECT_FALSE(written.Note(1, Letter(7)));
  EXPECT_FALSE(written.Note(1, Letter(7)));
  EXPECT_TRUE(written.Note(1, Letter(7)));
  EXPECT_FALSE(written.Note(0, Letter(7)));
}

TEST(WrittenLettersTest, TheOldestAreForgotten) {
  WrittenLetters written(2, 3);
  for (uint64_t record = 1; record <= 4; ++record) EXPECT_TRUE(written.Note(0, Letter(record)));
  for (uint64_t record = 2; record <= 4; ++record) EXPECT_FALSE(written.Note(1, Letter(record)));
  EXPECT_TRUE(written.Note(1, Letter(1)));
}

/// Scans of one stream, whose checkpoints hold what they have read, as those of a job do.
class Scans {
 public:
  Scans(uint64_t seed, size_t queries, int64_t records) : rng_(seed), records_(records) {
    EXPECT_OK(vfs_->MakeDirectories("/state"));
    read_.resize(queries);
    for (auto& scans : read_) scans.resize(1 + static_cast<size_t>(rng_.Below(2)));
    saved_ = read_;
    Start();
  }

  bool is_done() const {
    for (const auto& scans : read_) {
      for (const int64_t read : scans) {
        if (read < records_) return false;
      }
    }
    return true;
  }

  void Step() {
    const int64_t draw = rng_.Below(40);
    if (draw == 0) return Start();
    if (draw < 4) return Save();
    const auto query = static_cast<size_t>(rng_.Below(static_cast<int64_t>(read_.size())));
    const int64_t scans = static_cast<int64_t>(read_[query].size());
    const auto scan = static_cast<size_t>(rng_.Below(scans));
    int64_t& read = read_[query][scan];
    if (read == records_) return;
    const auto record = static_cast<uint64_t>(1 + read++);
    if (written_->Note(query, Letter(record, static_cast<int>(scan)))) pending_.push_back(record);
  }

  void Save() {
    auto writer = CheckpointWriter::Make(*vfs_, "/state", ++epoch_, pool_).ValueOrDie();
    for (size_t query = 0; query < read_.size(); ++query) {
      writer->BeginQuery(std::to_string(query), 1, false);
      EXPECT_OK(written_->Save(query, *writer));
    }
    EXPECT_OK(writer->Commit());
    saved_ = read_;
    for (const uint64_t record : std::exchange(pending_, {})) ++file_[record];
  }

  const std::map<uint64_t, int>& file() const { return file_; }

 private:
  /// As after a crash.
  void Start() {
    read_ = saved_;
    pending_.clear();
    written_ = std::make_unique<WrittenLetters>(read_.size());
    const auto saved = CheckpointReader::OpenLatest(*vfs_, "/state").ValueOrDie();
    for (size_t query = 0; saved != nullptr && query < read_.size(); ++query) {
      EXPECT_OK(written_->Restore(query, *saved->Find(std::to_string(query)), pool_));
    }
  }

  Rng rng_;
  const int64_t records_;
  const std::unique_ptr<MemoryVfs> vfs_ = MemoryVfs::Make();
  arrow::MemoryPool* const pool_ = arrow::default_memory_pool();
  int64_t epoch_ = 0;
  std::vector<std::vector<int64_t>> read_;  // by query and scan
  std::vector<std::vector<int64_t>> saved_;
  std::unique_ptr<WrittenLetters> written_;
  std::vector<uint64_t> pending_;  // not committed
  std::map<uint64_t, int> file_;
};

TEST(WrittenLettersTest, OnceOverRandomCrashes) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    constexpr int64_t kRecords = 60;
    Scans scans(seed, 1 + seed % 4, kRecords);
    for (int64_t steps = 0; !scans.is_done(); ++steps) {
      ASSERT_LT(steps, 1'000'000);
      scans.Step();
    }
    scans.Save();
    EXPECT_EQ(scans.file().size(), static_cast<size_t>(kRecords));
    for (const auto& [record, times] : scans.file()) EXPECT_EQ(times, 1) << record;
  }
}

TEST(WrittenLettersTest, WhatAQueryThatIsGivenUpHasWrittenStaysWritten) {
  const auto vfs = MemoryVfs::Make();
  ASSERT_OK(vfs->MakeDirectories("/state"));
  arrow::MemoryPool* pool = arrow::default_memory_pool();
  WrittenLetters before(1);
  EXPECT_TRUE(before.Note(0, Letter(7)));
  ASSERT_OK_AND_ASSIGN(auto writer, CheckpointWriter::Make(*vfs, "/state", 1, pool));
  writer->BeginQuery("old", 1, false);
  ASSERT_OK(before.Save(0, *writer));
  ASSERT_OK(writer->Commit());
  ASSERT_OK_AND_ASSIGN(const auto saved, CheckpointReader::OpenLatest(*vfs, "/state"));
  WrittenLetters after(1);
  ASSERT_OK(after.RestoreGivenUp(*saved->Find("old"), pool));
  ASSERT_OK_AND_ASSIGN(writer, CheckpointWriter::Make(*vfs, "/state", 2, pool));
  writer->BeginQuery("new", 1, false);
  ASSERT_OK(after.Save(0, *writer));
  ASSERT_OK(writer->Commit());
  ASSERT_OK_AND_ASSIGN(const auto again, CheckpointReader::OpenLatest(*vfs, "/state"));
  WrittenLetters later(1);
  ASSERT_OK(later.Restore(0, *again->Find("new"), pool));
  for (WrittenLetters* written : {&after, &later}) {
    EXPECT_FALSE(written->Note(0, Letter(7)));
    EXPECT_TRUE(written->Note(0, Letter(8)));
  }
}

}  // namespace
}  // namespace headrace
