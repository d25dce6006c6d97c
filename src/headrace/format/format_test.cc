// The registry of formats, and what file sources of every format have in common.
#include "headrace/format/format.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "headrace/format/test_files.h"

namespace headrace::format_test {
namespace {

TEST(FormatTest, FindsByNameAndPath) {
  EXPECT_EQ(AllFormats().size(), 4u);
  EXPECT_STREQ(FindFormat("csv").ValueOrDie()->name, "csv");
  EXPECT_STREQ(FindFormat("Parquet").ValueOrDie()->name, "parquet");
  EXPECT_STREQ(FormatOfPath("a.b/x.PQ").ValueOrDie()->name, "parquet");
  EXPECT_STREQ(FormatOfPath("x.csv.gz").ValueOrDie()->name, "csv");
  EXPECT_STREQ(FormatOfPath("x.tsv.zst").ValueOrDie()->name, "csv");
  EXPECT_STREQ(FormatOfPath("x.feather").ValueOrDie()->name, "arrow_ipc");
  const Status unknown = FindFormat("xml").status();
  EXPECT_EQ(KindOf(unknown), ErrorKind::kUnknownName);
  EXPECT_EQ(unknown.message(),
            "expected one of the formats csv, parquet, arrow_ipc, json_lines, got \"xml\"");
  for (const char* path : {"x.xml", "x", "csv", "dir.csv/x"}) {
    EXPECT_EQ(KindOf(FormatOfPath(path).status()), ErrorKind::kInvalidArgument) << path;
  }
}

TEST(FormatTest, TheOptionWinsOverTheExtension) {
  const auto vfs = MakeMemoryVfs();
  PutFile(*vfs, "/t.dat", "a\n1\n");
  EXPECT_EQ(KindOf(ReadFile(*vfs, "/t.dat").status()), ErrorKind::kInvalidArgument);
  EXPECT_EQ(Rows(*ReadFile(*vfs, "/t.dat", {{"format", "csv"}}).ValueOrDie()), "1");
  EXPECT_EQ(KindOf(ReadFile(*vfs, "/t.dat", {{"format", "xml"}}).status()),
            ErrorKind::kUnknownName);
  const SchemaPtr schema = arrow::schema({arrow::field("a", arrow::int64())});
  ASSERT_ARROW_OK(WriteFile(*vfs, "/o.dat", schema, {}, {{"format", "csv"}}));
  EXPECT_EQ(GetFile(*vfs, "/o.dat"), "a\n");
}

TEST(FormatTest, MissingFiles) {
  const auto vfs = MakeMemoryVfs();
  for (const char* path : {"/no.csv", "/no*.csv", "/no.parquet", "/no.arrow"}) {
    EXPECT_EQ(KindOf(ReadFile(*vfs, path).status()), ErrorKind::kNotFound) << path;
  }
  ASSERT_ARROW_OK(vfs->MakeDirectories("/d.csv"));
  EXPECT_EQ(KindOf(ReadFile(*vfs, "/d.csv").status()), ErrorKind::kNotFound);
}

class ChangedFileTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ChangedFileTest, IsStale) {
  const auto vfs = MakeMemoryVfs();
  const SchemaPtr schema = arrow::schema({arrow::field("a", arrow::int64())});
  const auto batch = arrow::RecordBatch::Make(schema, 2, {FromJson(arrow::int64(), "[1, 2]")});
  ASSERT_ARROW_OK(WriteFile(*vfs, GetParam(), schema, {batch}));
  const SourcePtr source = OpenFiles(*vfs, GetParam(), {}).ValueOrDie();
  const std::string before = source->Snapshot().ValueOrDie();
  EXPECT_EQ(source->Snapshot().ValueOrDie(), before);
  EXPECT_EQ(ReadTable(*source, Everything(*source)).ValueOrDie()->num_rows(), 2);
  ASSERT_ARROW_OK(WriteFile(*vfs, GetParam(), schema, {batch}));  // the same bytes, another file
  EXPECT_NE(source->Snapshot().ValueOrDie(), before);
  ScanRequest request = Everything(*source);
  for (int round = 0; round < 2; ++round) {
    const Status stale = ReadTable(*source, request).status();
    EXPECT_EQ(KindOf(stale), ErrorKind::kStale);
    EXPECT_EQ(stale.message(), std::string(GetParam()) + ": changed since the query was bound");
    request.projection = {};
  }
  ASSERT_ARROW_OK(vfs->Remove(GetParam()));
  EXPECT_EQ(KindOf(source->Snapshot().status()), ErrorKind::kNotFound);
  EXPECT_EQ(KindOf(ReadTable(*source, request).status()), ErrorKind::kNotFound);
}

INSTANTIATE_TEST_SUITE_P(Formats, ChangedFileTest,
                         ::testing::Values("/t.csv", "/t.parquet", "/t.arrow"));

TEST(FormatTest, SchemasMustAgree) {
  const auto vfs = MakeMemoryVfs();
  ASSERT_ARROW_OK(vfs->MakeDirectories("/d"));
  const auto write = [&](const char* path, const char* name, const TypePtr& type) {
    const SchemaPtr schema =
        arrow::schema({arrow::field("k", arrow::int64()), arrow::field(name, type)});
    EXPECT_TRUE(WriteFile(*vfs, path, schema, {}).ok());
  };
  write("/d/1.parquet", "v", arrow::utf8());
  write("/d/2.parquet", "v", arrow::dictionary(arrow::int32(), arrow::utf8()));
  ASSERT_ARROW_OK(OpenFiles(*vfs, "/d/*.parquet", {}));
  write("/d/3.parquet", "v", arrow::int64());
  Status status = OpenFiles(*vfs, "/d/*.parquet", {}).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kTypeMismatch);
  EXPECT_EQ(status.message(),
            "/d/3.parquet: column 2: expected \"v\" string as in /d/1.parquet, got \"v\" int64");
  ASSERT_ARROW_OK(
      WriteFile(*vfs, "/d/3.parquet", arrow::schema({arrow::field("k", arrow::int64())}), {}));
  status = OpenFiles(*vfs, "/d/*.parquet", {}).status();
  EXPECT_EQ(status.message(),
            "/d/3.parquet: expected 2 columns as in /d/1.parquet, got 1 (column \"v\" is in one of "
            "them only)");
}

TEST(FormatTest, ALimitReadsLittle) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / fmt::format("headrace-format-{}", ::getpid());
  std::filesystem::create_directories(folder);
  const std::string path = folder / "big.csv";
  {
    std::ofstream out(path);
    out << "a,b\n";
    for (int i = 0; i < 1'500'000; ++i) out << i << ",some text to make it longer\n";
  }
  const int64_t before = LocalBytesRead();
  const SourcePtr source = OpenFiles(LocalVfs(), path, {}).ValueOrDie();
  ScanRequest request = Everything(*source);
  request.limit = 10;
  EXPECT_EQ(ReadTable(*source, request).ValueOrDie()->num_rows(), 10);
  EXPECT_LT(LocalBytesRead() - before, int64_t{3} << 20);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace headrace::format_test
