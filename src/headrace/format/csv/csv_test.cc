// CSV: the dialect, type sniffing, errors with their places, bounded reading, and the writer.
#include <gtest/gtest.h>

#include "headrace/format/test_files.h"

namespace headrace::format_test {
namespace {

class CsvTest : public ::testing::Test {
 protected:
  /// "columns / rows", or "kind: message".
  std::string Read(std::string_view bytes, OptionMap options = {}) {
    PutFile(*vfs_, "/t.csv", bytes);
    const Result<TablePtr> table = ReadFile(*vfs_, "/t.csv", std::move(options));
    if (!table.ok()) {
      return std::string(InfoOf(KindOf(table.status())).name) + ": " + table.status().message();
    }
    return Columns(*(*table)->schema()) + " / " + Rows(**table);
  }

  std::unique_ptr<Vfs> vfs_ = MakeMemoryVfs();
};

TEST_F(CsvTest, ReadsFieldsAndQuotes) {
  EXPECT_EQ(Read("a,b\n1,x\n2,y\n"), "a int64, b string / 1|x;2|y");
  EXPECT_EQ(Read("a,b\n1,x\n2,y"), "a int64, b string / 1|x;2|y");
  EXPECT_EQ(Read("a,b\n1,\"x,y\"\n2,\"say \"\"hi\"\"\"\n"),
            "a int64, b string / 1|x,y;2|say \"hi\"");
  EXPECT_EQ(Read("a,b\n1,\"two\nlines\"\n"), "a int64, b string / 1|two\nlines");
  EXPECT_EQ(Read("a,b\n\"1\",\"\"\n"), "a int64, b string / 1|");
  EXPECT_EQ(Read("a\nx\"y\n"), "a string / x\"y");
  EXPECT_EQ(Read("\"a b\",\"c\"\"d\"\n1,2\n"), "a b int64, c\"d int64 / 1|2");
  EXPECT_EQ(Read("a,b\n\"x\",\"y\""), "a string, b string / x|y");
  EXPECT_EQ(Read("a,b\n,\n"), "a string, b string / NULL|NULL");
  EXPECT_EQ(Read("a,b\nx,"), "a string, b string / x|NULL");
}

TEST_F(CsvTest, TakesAllLineEnds) {
  EXPECT_EQ(Read("a,b\r\n1,2\r\n3,4\r\n"), "a int64, b int64 / 1|2;3|4");
  EXPECT_EQ(Read("a,b\r1,2\r3,4\r"), "a int64, b int64 / 1|2;3|4");
  EXPECT_EQ(Read("a,b\n1,2\r\n3,4\r5,6"), "a int64, b int64 / 1|2;3|4;5|6");
  EXPECT_EQ(Read("a,b\r\n1,\"x\r\ny\"\r\n"), "a int64, b string / 1|x\r\ny");
  EXPECT_EQ(Read("a,b\n\n1,2\n\r\n3,4\n\n"), "a int64, b int64 / 1|2;3|4");
}

TEST_F(CsvTest, BlankLinesOfOneColumnAreNulls) {
  EXPECT_EQ(Read("a\n1\n\n3\n"), "a int64 / 1;NULL;3");
  EXPECT_EQ(Read("a\n1\n\n"), "a int64 / 1;NULL");
  EXPECT_EQ(Read("a\nx\n\"\"\n"), "a string / x;");
}

TEST_F(CsvTest, PassesByteOrderMarks) {
  EXPECT_EQ(Read("\xEF\xBB\xBF"
                 "a,b\n1,2\n"),
            "a int64, b int64 / 1|2");
  EXPECT_EQ(Read("\xEF\xBB\xBF\"a\",b\n1,2\n"), "a int64, b int64 / 1|2");
  EXPECT_EQ(Read(std::string_view("\xFF\xFE"
                                  "a\0",
                                  4)),
            "bad_data: /t.csv:1: expected UTF-8 text, got a UTF-16 byte order mark");
}

TEST_F(CsvTest, SniffsTypes) {
  EXPECT_EQ(Read("a\n1\n-9223372036854775808\n"), "a int64 / 1;-9223372036854775808");
  EXPECT_EQ(Read("a\n1\n2.5\n1e3\n"), "a double / 1.0;2.5;1000.0");
  EXPECT_EQ(Read("a\nnan\n-inf\n0.5\n"), "a double / nan;-inf;0.5");
  EXPECT_EQ(Read("a\n1\n9223372036854775808\n"), "a string / 1;9223372036854775808");
  EXPECT_EQ(Read("a\n1.5\n9223372036854775808\n"), "a double / 1.5;9.223372036854776e+18");
  EXPECT_EQ(Read("a\ntrue\nFalse\n"), "a bool / true;false");
  EXPECT_EQ(Read("a\ntrue\n1\n"), "a string / true;1");
  EXPECT_EQ(Read("a\n2013-01-31\n1969-12-31\n"), "a date32[day] / 2013-01-31;1969-12-31");
  EXPECT_EQ(Read("a\n2013-02-29\n"), "a string / 2013-02-29");
  EXPECT_EQ(Read("a\n2013-01-31 05:00:00\n2013-01-31T05:00:00.25\n2013-02-01\n"),
            "a timestamp[us] / 2013-01-31 05:00:00;2013-01-31 05:00:00.25;2013-02-01 00:00:00");
  EXPECT_EQ(Read("a\n2013-01-31T05:00:00Z\n2013-01-31T05:00:00-05:00\n"),
            "a timestamp[us, tz=UTC] / 2013-01-31 05:00:00Z;2013-01-31 10:00:00Z");
  EXPECT_EQ(Read("a\n2013-01-31T05:00:00Z\n2013-01-31T05:00:00\n"),
            "a string / 2013-01-31T05:00:00Z;2013-01-31T05:00:00");
  EXPECT_EQ(Read("a\n2013-01-31 05:00:00.0000001\n"), "a string / 2013-01-31 05:00:00.0000001");
  EXPECT_EQ(Read("a,b\n 1 ,\t2.5\n"), "a int64, b double / 1|2.5");
  EXPECT_EQ(Read("a,b\n+1,-\n"), "a string, b string / +1|-");
  EXPECT_EQ(Read("a,b\n1,\n2,\n"), "a int64, b string / 1|NULL;2|NULL");
  EXPECT_EQ(Read("a\n1e999\n"), "a string / 1e999");
}

TEST_F(CsvTest, Options) {
  EXPECT_EQ(Read("a;b\n1;2\n", {{"delimiter", ";"}}), "a int64, b int64 / 1|2");
  EXPECT_EQ(Read("a\tb\n1\t2\n", {{"delimiter", "tab"}}), "a int64, b int64 / 1|2");
  EXPECT_EQ(Read("1,x\n2,y\n", {{"header", "false"}}), "column1 int64, column2 string / 1|x;2|y");
  EXPECT_EQ(Read("a,b\n1,'x,y'\n", {{"quote", "'"}}), "a int64, b string / 1|x,y");
  EXPECT_EQ(Read("a,b\n1,\"x\n", {{"quote", ""}}), "a int64, b string / 1|\"x");
  EXPECT_EQ(Read("a,b\n1,\"x\\\"y\\\\z\"\n", {{"escape", "\\"}}), "a int64, b string / 1|x\"y\\z");
  EXPECT_EQ(Read("a,b\nNA,1\n2,\n", {{"null", "NA,"}}), "a int64, b int64 / NULL|1;2|NULL");
  EXPECT_EQ(Read("a,b\nNA,x\n2,\n", {{"null", "NA"}}), "a int64, b string / NULL|x;2|");
  EXPECT_EQ(Read("a,b\n\"NA\",x\n", {{"null", "NA"}}), "a string, b string / NA|x");
  EXPECT_EQ(Read("# c\na,b\n# \"d\n1,#2\n", {{"comment", "#"}}), "a int64, b string / 1|#2");
  EXPECT_EQ(Read("junk \"\nmore\na,b\n1,2\n", {{"skip_rows", "2"}}), "a int64, b int64 / 1|2");
  EXPECT_EQ(Read("a,b\n1,x\n", {{"sample_rows", "0"}}), "a string, b string / 1|x");
  EXPECT_EQ(Read("a,\n1,2\n"), "a int64, column2 int64 / 1|2");
}

TEST_F(CsvTest, SkippingEndsWithTheFile) {
  EXPECT_EQ(Read("a\n1\n", {{"skip_rows", "1099511627776"}}),
            "bad_data: /t.csv:3: expected a header, got the end of the file");
}

TEST_F(CsvTest, GivenColumns) {
  EXPECT_EQ(Read("p,q\n1,2\n", {{"columns", "a VARCHAR, \"b c\" DECIMAL(10, 2)"}}),
            "a string, b c decimal128(10, 2) / 1|2.00");
  EXPECT_EQ(Read("7,250\n", {{"columns", "a TINYINT, b SMALLINT"}, {"header", "false"}}),
            "a int8, b int16 / 7|250");
  EXPECT_EQ(Read("a\n128\n", {{"columns", "a TINYINT"}}),
            "bad_data: /t.csv:2:1 (a): expected int8, got \"128\"");
  EXPECT_EQ(Read("a\n1.005\n", {{"columns", "a DECIMAL(10,2)"}}),
            "bad_data: /t.csv:2:1 (a): expected decimal128(10, 2), got \"1.005\"");
  EXPECT_EQ(Read("a\n\\x00ff\n", {{"columns", "a BLOB"}}), "a binary / \\x00ff");
  EXPECT_EQ(Read("a\n23:59:59.5\n", {{"columns", "a TIME"}}), "a time64[us] / 23:59:59.5");
  EXPECT_EQ(Read("a,b\n1,2\n", {{"columns", "a BIGINT"}}),
            "bad_data: /t.csv:1: expected 1 fields, got 2");
  EXPECT_EQ(Read("", {{"columns", "a BIGINT"}}), "a int64 / ");
  EXPECT_EQ(Read("a\n1\n", {{"columns", "a BIGINT,"}}).substr(0, 6), "syntax");
  EXPECT_EQ(Read("a\n1\n", {{"columns", "a BIGINTT"}}).substr(0, 12), "unknown_name");
}

TEST_F(CsvTest, ErrorsNameThePlace) {
  EXPECT_EQ(Read("a,dep\n1,2\n3,abc\n", {{"sample_rows", "1"}}),
            "bad_data: /t.csv:3:2 (dep): expected int64, got \"abc\"");
  EXPECT_EQ(Read("a,b\n\"x\ny\",1\nz,abc\n", {{"sample_rows", "1"}}),
            "bad_data: /t.csv:4:2 (b): expected int64, got \"abc\"");
  EXPECT_EQ(Read("a,b\n1,2\n3\n"), "bad_data: /t.csv:3: expected 2 fields, got 1");
  EXPECT_EQ(Read("a,b\r\n1,2\r\n3,4,5\r\n"), "bad_data: /t.csv:3: expected 2 fields, got 3");
  EXPECT_EQ(Read("a,b\n1,\"x\n2,y\n"),
            "bad_data: /t.csv:2:2 (b): expected a closing quote before the end of the file, got "
            "\"\"x\"");
  EXPECT_EQ(Read("a,b\n1,\"x\"y\n"),
            "bad_data: /t.csv:2:2 (b): expected a delimiter or a line end after the closing quote, "
            "got \"y\"");
  EXPECT_EQ(Read(std::string_view("a,b\n1,x\0y\n", 10)),
            "bad_data: /t.csv:2:2 (b): expected text, got a NUL byte in \"x\\x00y\"");
  EXPECT_EQ(Read("a,b\n1,\xC3\xA9\n2,\xFFz\n"),
            "bad_data: /t.csv:3:2 (b): expected UTF-8 text, got \"\\xffz\"");
  // What is shown of long text is cut between characters.
  const std::string dots(38, '.');
  for (const std::string before : {"", ".", ".."}) {
    EXPECT_EQ(Read("a\n" + before + dots + "\u20ac.\n", {{"columns", "a INT"}}),
              "bad_data: /t.csv:2:1 (a): expected int32, got \"" + before + dots + "…\"");
  }
  EXPECT_EQ(Read("a,b\n1,\xC3\n2,\xA9\n").substr(0, 24), "bad_data: /t.csv:2:2 (b)");
  EXPECT_EQ(Read(""), "bad_data: /t.csv:1: expected a header, got the end of the file");
  EXPECT_EQ(Read("a,a\n1,2\n"),
            "bad_data: /t.csv:1:2: expected different column names (option columns can give them), "
            "got again \"a\"");
  EXPECT_EQ(Read("a\n1\n", {{"delimitr", ";"}}).substr(0, 16), "invalid_argument");
  EXPECT_EQ(Read("a\n1\n", {{"delimiter", "\""}}).substr(0, 16), "invalid_argument");
  EXPECT_EQ(Read("a\n1\n", {{"escape", ","}}).substr(0, 16), "invalid_argument");
  EXPECT_EQ(Read("a\n1\n", {{"delimiter", ";"}, {"null", "a;b"}}).substr(0, 16),
            "invalid_argument");
}

TEST_F(CsvTest, ProjectsAndLimits) {
  std::string text = "a,b,c\n";
  for (int i = 0; i < 5000; ++i) text += fmt::format("{},x{},{}\n", i, i, i * 0.5);
  PutFile(*vfs_, "/t.csv", text);
  const SourcePtr source = OpenFiles(*vfs_, "/t.csv", {}).ValueOrDie();
  ScanRequest request;
  request.projection = {2, 0, 2};
  request.batch_rows = 7;
  request.limit = 10;
  const TablePtr table = ReadTable(*source, request).ValueOrDie();
  EXPECT_EQ(table->num_rows(), 10);
  EXPECT_EQ(Rows(*table->Slice(9)), "4.5|9|4.5");
  request.projection = {};
  request.limit = std::nullopt;
  request.batch_rows = 4096;
  const auto batches = ReadBatches(*source, request, arrow::default_memory_pool()).ValueOrDie();
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].num_rows() + batches[1].num_rows(), 5000);
}

TEST_F(CsvTest, UnprojectedColumnsAreNotParsed) {
  PutFile(*vfs_, "/t.csv", "a,b\n1,2\n3,abc\n");
  const SourcePtr source = OpenFiles(*vfs_, "/t.csv", {{"sample_rows", "1"}}).ValueOrDie();
  ScanRequest request;
  request.projection = {0};
  EXPECT_EQ(Rows(*ReadTable(*source, request).ValueOrDie()), "1;3");
}

TEST_F(CsvTest, ExponentsOfDecimalsMayBeHuge) {
  for (const char* text : {"1e-4775808", "1e4775808", "0.1e-39", "1e39"}) {
    PutFile(*vfs_, "/t.csv", fmt::format("a\n{}\n", text));
    const SourcePtr source =
        OpenFiles(*vfs_, "/t.csv", {{"columns", "a DECIMAL(10, 2)"}}).ValueOrDie();
    const Status status = ReadTable(*source, Everything(*source)).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kBadData) << text << ": " << status.ToString();
  }
}

TEST_F(CsvTest, BatchesObeyBytes) {
  std::string text = "a,b\n";
  for (int i = 0; i < 300; ++i) text += fmt::format("{},{}\n", i, std::string(1000, 'x'));
  text += fmt::format("300,{}\n", std::string(3'000'000, 'y'));
  PutFile(*vfs_, "/t.csv", text);
  const SourcePtr source = OpenFiles(*vfs_, "/t.csv", {}).ValueOrDie();
  ScanRequest request = Everything(*source);
  request.batch_bytes = 64 << 10;
  int64_t rows = 0;
  for (const Batch& batch :
       ReadBatches(*source, request, arrow::default_memory_pool()).ValueOrDie()) {
    rows += batch.num_rows();
    if (batch.num_rows() > 1) {
      EXPECT_LE(batch.num_bytes(), request.batch_bytes);
    }
  }
  EXPECT_EQ(rows, 301);
}

// Rows and quoted fields across the borders of the reads, which are 1 MiB apart.
TEST_F(CsvTest, RowsAcrossReads) {
  std::string text = "id,note\r\n";
  for (int i = 0; i < 90'000; ++i) {
    text += fmt::format("{},\"line {}\r\nwith \"\"quotes\"\" and, commas\"\r\n", i, i);
  }
  PutFile(*vfs_, "/t.csv", text);
  const TablePtr table = ReadFile(*vfs_, "/t.csv").ValueOrDie();
  ASSERT_EQ(table->num_rows(), 90'000);
  for (const int64_t row : {0, 20'003, 89'999}) {
    EXPECT_EQ(Rows(*table->Slice(row, 1)),
              fmt::format("{}|line {}\r\nwith \"quotes\" and, commas", row, row));
  }
}

TEST_F(CsvTest, RowsAreLimited) {
  const std::string longest(size_t{70} << 20, 'x');
  EXPECT_EQ(Read("a,b\n1,2\n3,\"" + longest, {{"columns", "a BIGINT, b VARCHAR"}}),
            "bad_data: /t.csv:3: expected a row of at most 67108864 bytes, got a longer one (is a "
            "quote left open?)");
}

TEST_F(CsvTest, SeveralFilesAreOneSource) {
  ASSERT_ARROW_OK(vfs_->MakeDirectories("/d"));
  PutFile(*vfs_, "/d/2.csv", "a,b\n3.5,z\n");
  PutFile(*vfs_, "/d/1.csv", "a,b\n1,x\n2,y\n");
  const SourcePtr source = OpenFiles(*vfs_, "/d/*.csv", {}).ValueOrDie();
  EXPECT_EQ(source->name(), "csv /d/1.csv and 1 more");
  const TablePtr table = ReadTable(*source, Everything(*source)).ValueOrDie();
  EXPECT_EQ(Rows(*table), "1.0|x;2.0|y;3.5|z");
  PutFile(*vfs_, "/d/3.csv", "a,c\n1,x\n");
  const Status mismatch = OpenFiles(*vfs_, "/d/*.csv", {}).status();
  EXPECT_EQ(KindOf(mismatch), ErrorKind::kTypeMismatch);
  EXPECT_EQ(mismatch.message(),
            "/d/3.csv: column 2: expected \"b\" string as in /d/1.csv, got \"c\" string");
}

TEST_F(CsvTest, CompressedFiles) {
  const SchemaPtr schema = arrow::schema({arrow::field("a", arrow::int64())});
  const auto batch =
      arrow::RecordBatch::Make(schema, 3, {FromJson(arrow::int64(), "[1, null, 3]")});
  for (const char* path : {"/t.csv.gz", "/t.csv.zst"}) {
    ASSERT_ARROW_OK(WriteFile(*vfs_, path, schema, {batch}));
    EXPECT_EQ(Rows(*ReadFile(*vfs_, path).ValueOrDie()), "1;NULL;3");
    std::string bytes = GetFile(*vfs_, path);
    bytes.resize(bytes.size() / 2);
    PutFile(*vfs_, path, bytes);
    EXPECT_EQ(KindOf(ReadFile(*vfs_, path).status()), ErrorKind::kBadData);
  }
}

TEST_F(CsvTest, WritesAllTypesAsText) {
  const SchemaPtr schema =
      arrow::schema({arrow::field("i", arrow::int32()), arrow::field("f", arrow::float64()),
                     arrow::field("t", arrow::utf8()), arrow::field("d", arrow::decimal128(5, 2)),
                     arrow::field("b", arrow::binary()), arrow::field("n", arrow::null())});
  const auto batch =
      arrow::RecordBatch::Make(schema, 3,
                               {FromJson(schema->field(0)->type(), "[1, null, -3]"),
                                FromJson(schema->field(1)->type(), "[1, 0.1, null]"),
                                FromJson(schema->field(2)->type(), R"(["a,b", "", null])"),
                                FromJson(schema->field(3)->type(), R"(["1.50", null, "-0.01"])"),
                                FromJson(schema->field(4)->type(), R"(["ab", "", null])"),
                                FromJson(schema->field(5)->type(), "[null, null, null]")});
  ASSERT_ARROW_OK(WriteFile(*vfs_, "/w.csv", schema, {batch}));
  EXPECT_EQ(GetFile(*vfs_, "/w.csv"),
            "i,f,t,d,b,n\n"
            "1,1.0,\"a,b\",1.50,\\x6162,\n"
            ",0.1,\"\",,\\x,\n"
            "-3,,,-0.01,,\n");
  ASSERT_ARROW_OK(WriteFile(*vfs_, "/w.csv", schema, {batch},
                            {{"delimiter", ";"}, {"null", "NA"}, {"header", "false"}}));
  EXPECT_EQ(GetFile(*vfs_, "/w.csv"),
            "1;1.0;a,b;1.50;\\x6162;NA\n"
            "NA;0.1;;NA;\\x;NA\n"
            "-3;NA;NA;-0.01;NA;NA\n");
}

TEST_F(CsvTest, QuotedTextComesBack) {
  const SchemaPtr schema =
      arrow::schema({arrow::field("a\"b", arrow::utf8()), arrow::field("c", arrow::utf8())});
  const ArrayPtr texts = FromJson(arrow::utf8(), R"(["", "\"", "a\"\"b", "x\r\ny", "\n", ",",
                                                     "NA", " pad ", "\\", "é", null, "'"])");
  const auto batch = arrow::RecordBatch::Make(schema, texts->length(), {texts, texts});
  const std::vector<OptionMap> dialects = {
      {}, {{"escape", "\\"}}, {{"quote", "'"}, {"delimiter", ";"}}, {{"null", "NA"}}};
  for (OptionMap options : dialects) {
    ASSERT_ARROW_OK(WriteFile(*vfs_, "/w.csv", schema, {batch}, options));
    options["sample_rows"] = "0";
    const TablePtr table = ReadFile(*vfs_, "/w.csv", options).ValueOrDie();
    EXPECT_TRUE(table->Equals(*arrow::Table::FromRecordBatches({batch}).ValueOrDie()))
        << GetFile(*vfs_, "/w.csv");
  }
}

TEST_F(CsvTest, WhatCannotBeWritten) {
  const SchemaPtr nested = arrow::schema(
      {arrow::field("a", arrow::int64()), arrow::field("tags", arrow::list(arrow::utf8()))});
  const Status status = WriteFile(*vfs_, "/w.csv", nested, {});
  EXPECT_EQ(KindOf(status), ErrorKind::kUnsupported);
  EXPECT_EQ(status.message(),
            "csv cannot hold column \"tags\" of type list<item: string>; CAST(\"tags\" AS VARCHAR) "
            "makes a text of it, parquet, arrow and jsonl hold it");
  const SchemaPtr schema = arrow::schema({arrow::field("a", arrow::utf8())});
  const auto with_nul =
      arrow::RecordBatch::Make(schema, 1, {FromJson(arrow::utf8(), R"(["x\u0000"])")});
  EXPECT_EQ(WriteFile(*vfs_, "/w.csv", schema, {with_nul}).message(),
            "column \"a\": csv cannot hold NUL bytes, got \"x\\x00\"");
  const auto with_comma =
      arrow::RecordBatch::Make(schema, 1, {FromJson(arrow::utf8(), R"(["a,b"])")});
  EXPECT_EQ(KindOf(WriteFile(*vfs_, "/w.csv", schema, {with_comma}, {{"quote", ""}})),
            ErrorKind::kUnsupported);
  EXPECT_EQ(KindOf(vfs_->Stat("/w.csv").status()), ErrorKind::kNotFound);
}

}  // namespace
}  // namespace headrace::format_test
