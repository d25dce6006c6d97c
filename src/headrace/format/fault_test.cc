// Fault-point sweeps over every writer: whichever step fails, the error surfaces, nothing stands
// under the final name and nothing is left behind.
#include <gtest/gtest.h>

#include "headrace/base/fault.h"
#include "headrace/format/test_files.h"

namespace headrace::format_test {
namespace {

class FaultTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ASSERT_ARROW_OK(memory_->MakeDirectories("/out"));
    schema_ = arrow::schema({arrow::field("i", arrow::int64()), arrow::field("t", arrow::utf8())});
    std::string integers = "[0", texts = "[\"\"";
    for (int i = 1; i < 2000; ++i) {
      integers += fmt::format(", {}", i * 7919 % 10007);
      texts += fmt::format(", \"text {}\"", i * 31 % 1009);
    }
    batch_ = arrow::RecordBatch::Make(
        schema_, 2000,
        {FromJson(arrow::int64(), integers + "]"), FromJson(arrow::utf8(), texts + "]")});
  }
  void TearDown() override { fault::Disarm(); }

  std::string path() const { return std::string("/out/") + GetParam(); }
  Status Write() { return WriteFile(*faulty_, path(), schema_, {batch_, batch_, batch_}); }
  std::vector<FileInfo> Files() { return memory_->List("/out").ValueOrDie(); }

  std::unique_ptr<Vfs> memory_ = MakeMemoryVfs();
  std::unique_ptr<Vfs> faulty_ = MakeFaultyVfs(*memory_);
  SchemaPtr schema_;
  RecordBatchPtr batch_;
};

TEST_P(FaultTest, WritersFailCleanly) {
  fault::Count("");
  ASSERT_ARROW_OK(Write());
  const int64_t passages = fault::Disarm();
  ASSERT_GT(passages, 5);
  ASSERT_ARROW_OK(memory_->Remove(path()));
  for (int64_t k = 1; k <= passages; ++k) {
    SCOPED_TRACE(k);
    fault::Arm("", k);
    const Status status = Write();
    fault::Disarm();
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(KindOf(status), ErrorKind::kIo) << status.ToString();
    const std::vector<FileInfo> left = Files();
    // The sync of the folder comes after the rename: the file is whole, but may not be durable.
    if (status.message().find("sync_directory") != std::string::npos) {
      ASSERT_EQ(left.size(), 1u);
      EXPECT_EQ(ReadFile(*memory_, path()).ValueOrDie()->num_rows(), 6000);
      ASSERT_ARROW_OK(memory_->Remove(path()));
      continue;
    }
    EXPECT_TRUE(left.empty()) << left.front().path;
  }
}

TEST_P(FaultTest, AnOldFileStaysWhole) {
  ASSERT_ARROW_OK(WriteFile(*memory_, path(), schema_, {batch_}));
  fault::Count("");
  ASSERT_ARROW_OK(WriteFile(*faulty_, path(), schema_, {batch_}));
  const int64_t passages = fault::Disarm();
  for (int64_t k = 1; k <= passages; ++k) {
    fault::Arm("", k);
    const Status status = Write();
    fault::Disarm();
    ASSERT_EQ(Files().size(), 1u);
    const int64_t rows = ReadFile(*memory_, path()).ValueOrDie()->num_rows();
    EXPECT_TRUE(rows == 2000 || rows == 6000) << rows;
    if (rows == 6000) break;
  }
}

TEST_P(FaultTest, AbandonedSinksLeaveNothing) {
  {
    auto sink = CreateFile(*memory_, path(), {}).ValueOrDie();
    ASSERT_ARROW_OK(sink->Open(schema_, arrow::default_memory_pool()));
    ASSERT_ARROW_OK(sink->Write(*batch_));
    EXPECT_EQ(KindOf(memory_->Stat(path()).status()), ErrorKind::kNotFound);
  }
  EXPECT_TRUE(Files().empty());
  auto sink = CreateFile(*memory_, path(), {}).ValueOrDie();
  ASSERT_ARROW_OK(sink->Open(schema_, arrow::default_memory_pool()));
  ASSERT_ARROW_OK(sink->Write(*batch_));
  ASSERT_ARROW_OK(sink->Prepare(0));
  ASSERT_ARROW_OK(sink->Abort());
  EXPECT_TRUE(Files().empty());
}

TEST_P(FaultTest, CommitIsIdempotent) {
  auto sink = CreateFile(*memory_, path(), {}).ValueOrDie();
  ASSERT_ARROW_OK(sink->Open(schema_, arrow::default_memory_pool()));
  ASSERT_ARROW_OK(sink->Prepare(0));
  ASSERT_ARROW_OK(sink->Commit(0));
  ASSERT_ARROW_OK(sink->Commit(0));
  EXPECT_EQ(KindOf(sink->Write(*batch_)), ErrorKind::kUnsupported);
  // An empty file of JSON lines does not tell its columns.
  const OptionMap options = path().find("jsonl") == std::string::npos
                                ? OptionMap{}
                                : OptionMap{{"columns", "i BIGINT, t VARCHAR"}};
  EXPECT_EQ(ReadFile(*memory_, path(), options).ValueOrDie()->num_rows(), 0);
}

TEST_P(FaultTest, ReadersReportFaults) {
  ASSERT_ARROW_OK(WriteFile(*memory_, path(), schema_, {batch_, batch_}));
  fault::Count("vfs.");
  ASSERT_ARROW_OK(ReadFile(*faulty_, path()));
  const int64_t passages = fault::Disarm();
  for (int64_t k = 1; k <= passages; ++k) {
    fault::Arm("vfs.", k);
    const Result<TablePtr> table = ReadFile(*faulty_, path());
    fault::Disarm();
    // Only closing may fail unnoticed.
    if (table.ok()) {
      EXPECT_EQ((*table)->num_rows(), 4000);
    } else {
      EXPECT_EQ(KindOf(table.status()), ErrorKind::kIo) << table.status().ToString();
    }
  }
}

TEST(PartitionedFaultTest, AllFilesOrNone) {
  const auto memory = MakeMemoryVfs();
  ASSERT_ARROW_OK(memory->MakeDirectories("/out"));
  const auto faulty = MakeFaultyVfs(*memory);
  const SchemaPtr schema =
      arrow::schema({arrow::field("k", arrow::int64()), arrow::field("t", arrow::utf8())});
  const auto batch =
      arrow::RecordBatch::Make(schema, 5,
                               {FromJson(arrow::int64(), "[1, 2, null, 1, 2]"),
                                FromJson(arrow::utf8(), R"(["a", "b", "c", "d", "e"])")});
  const OptionMap options = {{"partition_by", "k"}, {"format", "csv"}};
  const auto write = [&] { return WriteFile(*faulty, "/out/t", schema, {batch, batch}, options); };
  fault::Count("");
  ASSERT_ARROW_OK(write());
  const int64_t passages = fault::Disarm();
  EXPECT_EQ(Rows(*ReadFile(*memory, "/out/t").ValueOrDie()),
            "a|1;d|1;a|1;d|1;b|2;e|2;b|2;e|2;c|NULL;c|NULL");
  ASSERT_ARROW_OK(memory->RemoveTree("/out/t"));
  for (int64_t k = 1; k <= passages; ++k) {
    SCOPED_TRACE(k);
    fault::Arm("", k);
    const Status status = write();
    fault::Disarm();
    EXPECT_FALSE(status.ok());
    const std::vector<FileInfo> left = memory->List("/out").ValueOrDie();
    if (left.empty()) continue;
    // Only the sync of the folder comes after the rename.
    EXPECT_EQ(left.front().path, "/out/t") << status.ToString();
    EXPECT_EQ(k, passages);
    ASSERT_ARROW_OK(memory->RemoveTree("/out/t"));
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, FaultTest,
                         ::testing::Values("t.csv", "t.csv.gz", "t.jsonl", "t.jsonl.zst",
                                           "t.parquet", "t.arrow"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = c == '.' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace headrace::format_test
