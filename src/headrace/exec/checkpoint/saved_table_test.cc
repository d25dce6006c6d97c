// Tables in checkpoints: what is saved when, random runs that fail or lose power at any call of the
// file system and go on, and files that are damaged or gone.
#include "headrace/exec/checkpoint/saved_table.h"

#include <gtest/gtest.h>

#include <map>

#include "arrow/array.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/memory_pool.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/clock.h"
#include "headrace/base/fault.h"
#include "headrace/base/rng.h"
#include "headrace/io/memory_vfs.h"

namespace headrace {
namespace {

using Model = std::vector<std::pair<int64_t, std::string>>;  // in table order

SchemaPtr Columns() {
  return arrow::schema({arrow::field("text", arrow::utf8()), arrow::field("id", arrow::int64())});
}

std::shared_ptr<KeyedTable> EmptyTable() {
  return KeyedTable::Make("t", Columns(), {1}).ValueOrDie();
}

ArrayPtr IdsOf(const Model& rows) {
  arrow::Int64Builder ids;
  for (const auto& [id, text] : rows) EXPECT_TRUE(ids.Append(id).ok());
  return ids.Finish().ValueOrDie();
}

void Upsert(KeyedTable& table, const Model& rows) {
  arrow::StringBuilder texts;
  for (const auto& [id, text] : rows) EXPECT_TRUE(texts.Append(text).ok());
  const auto batch = arrow::RecordBatch::Make(Columns(), std::ssize(rows),
                                              {texts.Finish().ValueOrDie(), IdsOf(rows)});
  ASSERT_TRUE(table.Upsert(*batch).ok());
}

void Delete(KeyedTable& table, const Model& keys) {
  const auto schema = arrow::schema({arrow::field("id", arrow::int64())});
  const auto batch = arrow::RecordBatch::Make(schema, std::ssize(keys), {IdsOf(keys)});
  ASSERT_TRUE(table.Delete(*batch).ok());
}

Model RowsOf(KeyedTable& table) {
  Model rows;
  const ScanRequest request{.projection = {0, 1}};
  const auto reader = table.Open({}, request, ReadContext{}).ValueOrDie();
  while (true) {
    const ReadResult read = reader->Next().ValueOrDie();
    const auto* batch = std::get_if<Batch>(&read);
    if (batch == nullptr) return rows;
    const auto& texts = static_cast<const arrow::StringArray&>(*batch->column(0));
    const auto& ids = static_cast<const arrow::Int64Array&>(*batch->column(1));
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      rows.emplace_back(ids.Value(i), texts.GetString(i));
    }
  }
}

Model Numbered(int64_t first, int64_t count, const std::string& text) {
  Model rows;
  for (int64_t i = 0; i < count; ++i) rows.emplace_back(first + i, text);
  return rows;
}

/// A table, the same rows in a naive one, and its checkpoints.
class TableRun {
 public:
  explicit TableRun(Vfs& vfs) : vfs_(vfs) {}

  /// Goes on from the last checkpoint, if there is one.
  Status Start() {
    ARROW_RETURN_NOT_OK(vfs_.MakeDirectories("/state"));
    ARROW_ASSIGN_OR_RAISE(const auto saved, CheckpointReader::OpenLatest(vfs_, "/state"));
    if (saved == nullptr) return Status::OK();
    epoch_ = saved->epoch();
    return table_state_.Restore(*saved->Find("q"), *table_, pool_);
  }
  /// `meanwhile` is called between the cut and the writing.
  Status Save(const std::function<void()>& meanwhile = [] {}) {
    ARROW_ASSIGN_OR_RAISE(const auto writer,
                          CheckpointWriter::Make(vfs_, "/state", epoch_ + 1, pool_));
    writer->BeginQuery("q", 7, false);
    ARROW_RETURN_NOT_OK(table_state_.Save(*table_, *writer));
    meanwhile();
    ARROW_RETURN_NOT_OK(writer->Commit());
    ++epoch_;
    return Status::OK();
  }
  /// The figures of the files of the last checkpoint.
  std::vector<TableFile> Files() const {
    const auto saved = CheckpointReader::Look(vfs_, "/state").ValueOrDie();
    std::vector<TableFile> files;
    const auto readers = saved->Find("q")->OpenFiles(kTablePart, pool_).ValueOrDie();
    for (const auto& reader : readers) files.push_back(ReadTableFile(*reader).ValueOrDie());
    return files;
  }
  PartPlaces Places() const {
    const auto saved = CheckpointReader::Look(vfs_, "/state").ValueOrDie();
    return saved->Find("q")->Places(kTablePart).ValueOrDie();
  }
  KeyedTable& table() { return *table_; }
  int64_t epoch() const { return epoch_; }

 private:
  Vfs& vfs_;
  arrow::MemoryPool* const pool_ = arrow::default_memory_pool();
  const std::shared_ptr<KeyedTable> table_ = EmptyTable();
  SavedTable table_state_;
  int64_t epoch_ = 0;
};

class SavedTableTest : public ::testing::Test {
 protected:
  const std::unique_ptr<MemoryVfs> vfs_ = MemoryVfs::Make();
};

TEST_F(SavedTableTest, WhatChangedIsSavedAndInTheEndAllAnew) {
  TableRun run(*vfs_);
  ASSERT_TRUE(run.Start().ok());
  Upsert(run.table(), Numbered(0, 1'000, "a"));
  ASSERT_TRUE(run.Save().ok());
  Upsert(run.table(), Numbered(0, 300, "b"));
  ASSERT_TRUE(run.Save().ok());
  ASSERT_TRUE(run.Save().ok());
  Delete(run.table(), Numbered(100, 100, ""));
  Upsert(run.table(), Numbered(150, 100, "c"));
  ASSERT_TRUE(run.Save([&] { Upsert(run.table(), Numbered(0, 1'000, "later")); }).ok());
  const auto files = run.Files();
  ASSERT_EQ(files.size(), 3u) << "epoch 3 had nothing to save";
  EXPECT_EQ(files[0].rows, 1'000);
  EXPECT_EQ(files[0].since, -1);
  EXPECT_EQ(files[1].rows, 300);
  EXPECT_EQ(files[1].since, 1'000);
  EXPECT_EQ(files[2].rows, 100);
  EXPECT_EQ(files[2].deleted, 100);
  EXPECT_EQ(files[2].since, files[1].changes);
  EXPECT_EQ(files[2].num_rows, 950);
  TableRun again(*vfs_);
  ASSERT_TRUE(again.Start().ok());
  EXPECT_EQ(again.table().num_rows(), 950);
  EXPECT_EQ(again.table().num_changes(), files[2].changes);
  Model expected = Numbered(300, 700, "a");
  for (const auto& row : Numbered(0, 100, "b")) expected.push_back(row);
  for (const auto& row : Numbered(250, 50, "b")) expected.push_back(row);
  for (const auto& row : Numbered(150, 100, "c")) expected.push_back(row);
  EXPECT_EQ(RowsOf(again.table()), expected);
  ASSERT_TRUE(again.Save().ok());
  EXPECT_EQ(again.Files().size(), 3u) << "a restored table is saved already";
  Upsert(again.table(), Numbered(0, 1, "d"));
  ASSERT_TRUE(again.Save().ok());
  const auto anew = again.Files();
  ASSERT_EQ(anew.size(), 1u) << "501 rows and keys came behind the first 1,000";
  EXPECT_EQ(anew[0].rows, 950);
  EXPECT_EQ(vfs_->List("/state").ValueOrDie().size(), 2u) << "the manifest and one folder";
}

TEST_F(SavedTableTest, FilesAreNotMoreThanTheMost) {
  TableRun run(*vfs_);
  ASSERT_TRUE(run.Start().ok());
  Upsert(run.table(), Numbered(0, 10'000, "a"));
  size_t most = 0;
  for (int64_t epoch = 0; epoch < 3 * static_cast<int64_t>(SavedTable::kFilesMax); ++epoch) {
    Upsert(run.table(), Numbered(epoch, 1, "b"));
    ASSERT_TRUE(run.Save().ok());
    most = std::max(most, run.Places().size());
  }
  EXPECT_EQ(most, SavedTable::kFilesMax);
  TableRun again(*vfs_);
  ASSERT_TRUE(again.Start().ok());
  EXPECT_EQ(RowsOf(again.table()), RowsOf(run.table()));
}

TEST_F(SavedTableTest, RowsThatExpiredStayAway) {
  SimulatedClock clock;
  KeyedTableOptions options;
  options.retention_micros = 1'000'000;
  options.clock = &clock;
  const auto make = [&] { return KeyedTable::Make("t", Columns(), {1}, options).ValueOrDie(); };
  const auto save = [&](SavedTable& state, KeyedTable& table, int64_t epoch) {
    const auto writer =
        CheckpointWriter::Make(*vfs_, "/state", epoch, arrow::default_memory_pool()).ValueOrDie();
    writer->BeginQuery("q", 7, false);
    ASSERT_TRUE(state.Save(table, *writer).ok());
    ASSERT_TRUE(writer->Commit().ok());
  };
  const auto restore = [&](SavedTable& state, KeyedTable& table) {
    const auto saved = CheckpointReader::OpenLatest(*vfs_, "/state").ValueOrDie();
    return state.Restore(*saved->Find("q"), table, arrow::default_memory_pool());
  };
  ASSERT_TRUE(vfs_->MakeDirectories("/state").ok());
  const auto table = make();
  SavedTable state;
  Upsert(*table, Numbered(0, 2, "old"));
  clock.AdvanceMicros(600'000);
  Upsert(*table, Numbered(2, 8, "new"));
  save(state, *table, 1);
  clock.AdvanceMicros(600'000);
  save(state, *table, 2);
  const auto again = make();
  SavedTable of_again;
  ASSERT_TRUE(restore(of_again, *again).ok());
  EXPECT_EQ(RowsOf(*again), Numbered(2, 8, "new"));
  clock.AdvanceMicros(1'200'000);
  save(of_again, *again, 3);
  const auto last = make();
  SavedTable of_last;
  ASSERT_TRUE(restore(of_last, *last).ok());
  EXPECT_EQ(last->num_rows(), 0) << "they are deleted by a checkpoint too";
}

TEST_F(SavedTableTest, FilesThatAreDamagedOrGoneAreTold) {
  TableRun run(*vfs_);
  ASSERT_TRUE(run.Start().ok());
  for (const int64_t rows : {1'000, 10, 20, 30}) {
    Upsert(run.table(), Numbered(0, rows, "a"));
    ASSERT_TRUE(run.Save().ok());
  }
  const PartPlaces places = run.Places();
  ASSERT_EQ(places.size(), 4u);
  const auto read = [&](const std::string& place) {
    auto file = vfs_->OpenForRead("/state/" + place).ValueOrDie();
    return file->ReadAt(0, file->GetSize().ValueOrDie()).ValueOrDie()->ToString();
  };
  const auto write = [&](const std::string& place, const std::string& text) {
    auto file = vfs_->OpenForWrite("/state/" + place).ValueOrDie();
    ASSERT_TRUE(file->Write(text.data(), static_cast<int64_t>(text.size())).ok());
    ASSERT_TRUE(file->Close().ok());
  };
  const auto start = [&] { return TableRun(*vfs_).Start(); };
  for (const std::string& place : places) {
    const std::string good = read(place);
    for (size_t at = 0; at < good.size(); at += 1 + good.size() / 50) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 0x10);
      write(place, bad);
      const Status status = start();
      EXPECT_EQ(KindOf(status), ErrorKind::kBadData) << place << " byte " << at;
      EXPECT_NE(status.message().find(place), std::string::npos) << status;
    }
    write(place, good.substr(0, good.size() / 2));
    EXPECT_EQ(KindOf(start()), ErrorKind::kBadData);
    ASSERT_TRUE(vfs_->Remove("/state/" + place).ok());
    EXPECT_EQ(KindOf(start()), ErrorKind::kNotFound);
    write(place, good);
    ASSERT_TRUE(start().ok());
  }
  const std::string first = read(places[1]);
  write(places[1], read(places[2]));
  const Status other = start();
  EXPECT_EQ(KindOf(other), ErrorKind::kBadData);
  EXPECT_EQ(other.message(), "table t, " + places[1] +
                                 ": expected what came after change 1000 of the table, got what "
                                 "came after 1020");
}

/// Random writes with a checkpoint behind each few, in a Vfs whose k-th call fails.
class CrashingRuns {
 public:
  explicit CrashingRuns(uint64_t seed) : rng_(seed) {}

  /// The k-th call fails and, perhaps, the power; gives the calls there were.
  int64_t RunOnce(int64_t k, bool power_fails) {
    const auto faulty = MakeFaultyVfs(*vfs_);
    TableRun run(*faulty);
    k == 0 ? fault::Count("vfs.") : fault::Arm("vfs.", k);
    const Status status = Work(run);
    const int64_t calls = fault::Disarm();
    EXPECT_TRUE(k > 0 || status.ok()) << status;
    if (power_fails) vfs_->Crash();
    return calls;
  }
  void CheckRestored() {
    TableRun run(*vfs_);
    const Status status = run.Start();
    ASSERT_TRUE(status.ok()) << status;
    // A call that fails behind the rename has published its epoch all the same.
    ASSERT_TRUE(run.epoch() == committed_ || run.epoch() == committed_ + 1);
    ASSERT_EQ(RowsOf(run.table()), states_[run.epoch()]) << "epoch " << run.epoch();
    committed_ = run.epoch();
  }

 private:
  Status Work(TableRun& run) {
    ARROW_RETURN_NOT_OK(run.Start());
    model_ = states_[run.epoch()];
    for (int64_t epochs = 1 + static_cast<int64_t>(rng_.Below(8)); epochs > 0; --epochs) {
      const auto writes = rng_.Below(4);
      for (uint64_t i = 0; i < writes; ++i) Write(run.table());
      states_[run.epoch() + 1] = model_;
      ARROW_RETURN_NOT_OK(run.Save([&] { Write(run.table()); }));
      committed_ = run.epoch();
    }
    return Status::OK();
  }

  void Write(KeyedTable& table) {
    const int64_t first = static_cast<int64_t>(rng_.Below(6'000));
    const int64_t count =
        static_cast<int64_t>(rng_.Below(4) == 0 ? rng_.Below(3'000) : rng_.Below(100));
    const bool deletes = rng_.Below(3) == 0;
    const Model rows = Numbered(first, count, fmt::format("write {}", ++writes_));
    std::erase_if(model_,
                  [&](const auto& row) { return row.first >= first && row.first < first + count; });
    if (deletes) return Delete(table, rows);
    Upsert(table, rows);
    model_.insert(model_.end(), rows.begin(), rows.end());
  }

  const std::unique_ptr<MemoryVfs> vfs_ = MemoryVfs::Make();
  Rng rng_;
  Model model_;
  std::map<int64_t, Model> states_;  // by epoch
  int64_t committed_ = 0;
  int64_t writes_ = 0;
};

TEST_F(SavedTableTest, RestoredAtAnyPointItIsTheTableOfItsEpoch) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    CrashingRuns runs(seed);
    Rng rng(seed + 1'000);
    for (int round = 0; round < 12; ++round) {
      const int64_t k = static_cast<int64_t>(rng.Below(200));
      runs.RunOnce(k, rng.Below(2) == 0);
      runs.CheckRestored();
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(SavedTableTest, EveryCallMayFail) {
  const int64_t calls = CrashingRuns(7).RunOnce(0, false);
  EXPECT_GT(calls, 40);
  for (int64_t k = 1; k <= calls; ++k) {
    for (const bool power_fails : {false, true}) {
      SCOPED_TRACE(fmt::format("call {} of {}, power fails {}", k, calls, power_fails));
      CrashingRuns runs(7);
      runs.RunOnce(k, power_fails);
      runs.CheckRestored();
      runs.RunOnce(0, power_fails);
      runs.CheckRestored();
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace headrace
