// Checkpoints: parts that are written, empty, kept or lost, and what is removed when.
#include "headrace/exec/checkpoint/checkpoint.h"

#include <gtest/gtest.h>

#include "arrow/array/builder_primitive.h"
#include "arrow/memory_pool.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/hash.h"
#include "headrace/io/memory_vfs.h"

namespace headrace {
namespace {

class CheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(vfs_->MakeDirectories("/state").ok()); }

  std::unique_ptr<CheckpointWriter> Begin(int64_t epoch) {
    auto writer = CheckpointWriter::Make(*vfs_, "/state", epoch, pool_).ValueOrDie();
    writer->BeginQuery("q", 7, false);
    return writer;
  }
  static Status WriteRow(StateWriter& state, int64_t value) {
    arrow::Int64Builder builder;
    EXPECT_TRUE(builder.Append(value).ok());
    const auto schema = arrow::schema({arrow::field("n", arrow::int64())});
    return state.Write(3, *arrow::RecordBatch::Make(schema, 1, {builder.Finish().ValueOrDie()}));
  }
  /// A part of one row.
  void Write(CheckpointWriter& writer, const std::string& part, int64_t value) {
    EXPECT_TRUE(WriteRow(*writer.BeginPart(part).ValueOrDie(), value).ok());
    writer.EndPart();
  }
  /// One more file of a row; gives its place.
  std::string Add(CheckpointWriter& writer, const std::string& part, int64_t value) {
    return writer.AddFile(part, [value](StateWriter& state) { return WriteRow(state, value); });
  }
  static int64_t ValueOf(const StateReader& state) {
    const auto batch = state.Read(state.sections().front()).ValueOrDie();
    return static_cast<const arrow::Int64Array&>(*batch->column(0)).Value(0);
  }
  /// −1: the part is empty.
  int64_t Read(const std::string& part) {
    const auto reader = CheckpointReader::OpenLatest(*vfs_, "/state").ValueOrDie();
    const auto state = reader->Find("q")->OpenPart(part, pool_).ValueOrDie();
    return state->sections().empty() ? -1 : ValueOf(*state);
  }
  /// Of all its files.
  std::vector<int64_t> ReadAll(const std::string& part) {
    const auto reader = CheckpointReader::OpenLatest(*vfs_, "/state").ValueOrDie();
    std::vector<int64_t> values;
    const auto files = reader->Find("q")->OpenFiles(part, pool_).ValueOrDie();
    for (const auto& state : files) values.push_back(ValueOf(*state));
    return values;
  }
  std::string Files() {
    std::string text;
    for (const FileInfo& entry : vfs_->List("/state").ValueOrDie()) {
      text += entry.path.substr(entry.path.rfind('/') + 1) + " ";
    }
    return text;
  }

  const std::unique_ptr<MemoryVfs> vfs_ = MemoryVfs::Make();
  arrow::MemoryPool* const pool_ = arrow::default_memory_pool();
};

TEST_F(CheckpointTest, APartThatIsKeptStaysWhereItWasWritten) {
  auto first = Begin(1);
  const std::string place = Add(*first, "table", 10);
  Write(*first, "operator-0", 11);
  ASSERT_TRUE(first->Commit().ok());
  for (int64_t epoch = 2; epoch <= 4; ++epoch) {
    auto writer = Begin(epoch);
    writer->KeepPart("table", {place});
    Write(*writer, "operator-0", 10 + epoch);
    ASSERT_TRUE(writer->Commit().ok());
    vfs_->Crash();
    EXPECT_EQ(Read("table"), 10);
    EXPECT_EQ(Read("operator-0"), 10 + epoch);
  }
  EXPECT_EQ(Files(), "MANIFEST epoch-1 epoch-4 ");
  EXPECT_EQ(vfs_->List("/state/epoch-1").ValueOrDie().size(), 1u) << "the table alone is kept";
  auto last = Begin(5);
  Write(*last, "table", 20);
  ASSERT_TRUE(last->Commit().ok());
  EXPECT_EQ(Read("table"), 20);
  EXPECT_EQ(Files(), "MANIFEST epoch-5 ");
}

TEST_F(CheckpointTest, AnEmptyPartHasNoFileAndAnUnknownOneIsAnError) {
  auto writer = Begin(1);
  ASSERT_TRUE(writer->BeginPart("operator-0").ok());
  writer->EndPart();
  writer->AddPositions(0, {{0, "here"}});
  ASSERT_TRUE(writer->Commit().ok());
  EXPECT_EQ(Files(), "MANIFEST ");
  EXPECT_EQ(Read("operator-0"), -1);
  const auto reader = CheckpointReader::OpenLatest(*vfs_, "/state").ValueOrDie();
  const QueryCheckpoint& query = *reader->Find("q");
  EXPECT_EQ(query.Positions(0), (SplitPositions{{0, "here"}}));
  EXPECT_EQ(KindOf(query.OpenPart("operator-1", pool_).status()), ErrorKind::kNotFound);
  auto next = Begin(2);
  next->KeepPart("operator-0", {});
  ASSERT_TRUE(next->Commit().ok());
  EXPECT_EQ(Read("operator-0"), -1);
}

TEST_F(CheckpointTest, FilesStandBehindThoseThatAreKept) {
  PartPlaces places;
  for (int64_t epoch = 1; epoch <= 3; ++epoch) {
    auto writer = Begin(epoch);
    writer->KeepPart("table", places);
    places.push_back(Add(*writer, "table", 10 * epoch));
    ASSERT_TRUE(writer->Commit().ok());
    vfs_->Crash();
  }
  EXPECT_EQ(ReadAll("table"), (std::vector<int64_t>{10, 20, 30}));
  EXPECT_EQ(Files(), "MANIFEST epoch-1 epoch-2 epoch-3 ");
  const auto reader = CheckpointReader::OpenLatest(*vfs_, "/state").ValueOrDie();
  const QueryCheckpoint& query = *reader->Find("q");
  EXPECT_EQ(query.Places("table").ValueOrDie(), places);
  EXPECT_EQ(query.OpenPart("table", pool_).status().message(),
            "the checkpoint in /state: expected one file of part table, got 3");
  ASSERT_TRUE(vfs_->Remove("/state/" + places[1]).ok());
  const Status gone = query.OpenFiles("table", pool_).status();
  EXPECT_EQ(KindOf(gone), ErrorKind::kNotFound);
  EXPECT_NE(gone.message().find("a file of part table of the checkpoint: "), std::string::npos);
  EXPECT_NE(gone.message().find(places[1]), std::string::npos) << gone;
  auto anew = Begin(4);
  Add(*anew, "table", 40);
  ASSERT_TRUE(anew->Commit().ok());
  EXPECT_EQ(Files(), "MANIFEST epoch-4 ");
}

TEST_F(CheckpointTest, AnEpochThatWasNotCommittedLeavesWhatItKept) {
  auto first = Begin(1);
  const std::string place = Add(*first, "table", 10);
  ASSERT_TRUE(first->Commit().ok());
  auto second = Begin(2);
  second->KeepPart("table", {place});
  Write(*second, "operator-0", 12);
  EXPECT_EQ(Files(), "MANIFEST epoch-1 epoch-2 ");
  EXPECT_EQ(Read("table"), 10);
  EXPECT_EQ(Files(), "MANIFEST epoch-1 ") << "opening removes what was not committed";
}

TEST_F(CheckpointTest, PartsAreListedWithTheirBytes) {
  auto writer = Begin(1);
  Write(*writer, "table", 10);
  ASSERT_TRUE(writer->BeginPart("operator-0").ok());
  writer->EndPart();
  ASSERT_TRUE(writer->Commit().ok());
  const auto reader = CheckpointReader::OpenLatest(*vfs_, "/state").ValueOrDie();
  const auto parts = reader->Find("q")->Parts().ValueOrDie();
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].name, "operator-0");
  EXPECT_TRUE(parts[0].file_bytes.empty());
  EXPECT_EQ(parts[1].name, "table");
  EXPECT_EQ(parts[1].file_bytes,
            std::vector{vfs_->Stat("/state/epoch-1/query-0-table.state").ValueOrDie().size});
}

TEST_F(CheckpointTest, PlacesOfDamagedManifestsLeadNowhere) {
  for (const char* place : {"/etc/passwd", "../epoch-1/x.state", "epoch-1/../../x.state",
                            "epoch-/x.state", "epoch-1x/y.state", "epoch-1/x", ""}) {
    auto writer = Begin(1);
    Write(*writer, "table", 10);
    ASSERT_TRUE(writer->Commit().ok());
    auto file = vfs_->OpenForRead("/state/MANIFEST").ValueOrDie();
    std::string text = file->ReadAt(0, file->GetSize().ValueOrDie()).ValueOrDie()->ToString();
    const std::string good = "epoch-1/query-0-table.state";
    text.replace(text.find(good), good.size(), place);
    text.resize(text.rfind("end "));
    text += fmt::format("end {:016x}\n", HashBytes(text));
    auto out = vfs_->OpenForWrite("/state/MANIFEST").ValueOrDie();
    ASSERT_TRUE(out->Write(text.data(), static_cast<int64_t>(text.size())).ok());
    ASSERT_TRUE(out->Close().ok());
    const auto opened = CheckpointReader::OpenLatest(*vfs_, "/state");
    EXPECT_EQ(KindOf(opened.status()), ErrorKind::kBadData) << place;
  }
}

}  // namespace
}  // namespace headrace
