// File streams over files in memory: decoding, bad rows, positions, and files that grow, are cut,
// renamed and removed.
#include "headrace/connect/file/file_stream.h"

#include <gtest/gtest.h>

#include <map>

#include "arrow/io/compressed.h"
#include "arrow/util/compression.h"
#include "headrace/base/rng.h"
#include "headrace/connect/test_read.h"
#include "headrace/format/format.h"
#include "headrace/io/memory_vfs.h"
#include "headrace/table/dead_letters.h"

namespace headrace {
namespace {

using connect_test::AppendRows;
using connect_test::Everything;

class FileStreamTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(vfs_->MakeDirectories("/d")); }

  void Put(const std::string& name, std::string_view bytes) {
    ASSERT_OK_AND_ASSIGN(auto file, vfs_->OpenForWrite("/d/" + name));
    ASSERT_OK(file->Write(bytes.data(), static_cast<int64_t>(bytes.size())));
  }
  void Append(const std::string& name, std::string_view bytes) {
    ASSERT_OK_AND_ASSIGN(const FileInfo info, vfs_->Stat("/d/" + name));
    ASSERT_OK_AND_ASSIGN(auto file, vfs_->OpenForAppend("/d/" + name, info.size));
    ASSERT_OK(file->Write(bytes.data(), static_cast<int64_t>(bytes.size())));
  }
  void Rename(const std::string& from, const std::string& to) {
    ASSERT_OK(vfs_->Rename("/d/" + from, "/d/" + to));
  }

  Result<SourcePtr> Make(const OptionMap& options, SchemaPtr schema = nullptr) {
    if (schema == nullptr) schema = schema_;
    return OpenFileStream({*vfs_, clock_, "/d", schema}, options);
  }

  std::unique_ptr<SplitReader> OpenReader(Source& source, const std::string& position = "") {
    return TryOpen(source, position).ValueOrDie();
  }
  Result<std::unique_ptr<SplitReader>> TryOpen(Source& source, const std::string& position = "") {
    ScanRequest request = Everything(source);
    request.batch_rows = batch_rows_;
    ReadContext context = connect_test::Context(position);
    context.waker = Waker([this] { ++wakes_; });
    context.rejected_rows = rejected_;
    context.dead_letters = letters_;
    const auto split = source.Splits(request).ValueOrDie().front();
    return source.Open(split, request, context);
  }

  /// Rows until the reader waits or ends, which is told by "$".
  Result<std::string> Read(SplitReader& reader) {
    std::string text;
    while (true) {
      const int wakes = wakes_;
      ARROW_ASSIGN_OR_RAISE(ReadResult read, reader.Next());
      if (std::holds_alternative<EndOfSplit>(read)) return text + "$";
      if (std::holds_alternative<Pending>(read)) {
        if (wakes_ > wakes) continue;
        return text;
      }
      AppendRows(std::get<Batch>(read), &text);
    }
  }
  /// The same behind the time of some looks at the files.
  std::string ReadLater(SplitReader& reader, int64_t micros = 2'000'000) {
    std::string text;
    for (int64_t end = clock_.MonotonicMicros() + micros; clock_.MonotonicMicros() < end;) {
      clock_.AdvanceMicros(5'000);
      text += Read(reader).ValueOrDie();
    }
    return text;
  }
  std::string ReadAll(const OptionMap& options, SchemaPtr schema = nullptr) {
    Result<SourcePtr> source = Make(options, std::move(schema));
    if (!source.ok()) return source.status().message();
    const auto reader = TryOpen(**source);
    if (!reader.ok()) return reader.status().message();
    Result<std::string> text = Read(**reader);
    return text.ok() ? *text : text.status().message();
  }

  const std::unique_ptr<MemoryVfs> vfs_ = MemoryVfs::Make();
  SimulatedClock clock_;
  SchemaPtr schema_ =
      arrow::schema({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8())});
  int64_t batch_rows_ = 100;
  std::shared_ptr<std::atomic<int64_t>> rejected_ = std::make_shared<std::atomic<int64_t>>(0);
  std::shared_ptr<DeadLetters> letters_;
  int wakes_ = 0;
};

// ---- Decoding ----

TEST_F(FileStreamTest, JsonFieldsByName) {
  Put("x.jsonl", R"({"b":"x","a":1,"c":[1,{"d":2}]}
{"a":2}

null
{"b":null,"a":-3})");
  EXPECT_EQ(ReadAll({{"path", "x.jsonl"}}), "1|x;2|NULL;NULL|NULL;-3|NULL;$");
  EXPECT_EQ(ReadAll({{"path", "x.jsonl"}, {"format", "json"}, {"max_records", "2"}}),
            "1|x;2|NULL;$");
}

TEST_F(FileStreamTest, FilesInTheOrderOfTheirNames) {
  Put("p2.jsonl", "{\"a\":2}\n");
  Put("p1.jsonl", "{\"a\":1}");
  Put("p3.txt", "{\"a\":3}\n");
  EXPECT_EQ(ReadAll({{"path", "p*.jsonl"}}), "1|NULL;2|NULL;$");
  EXPECT_EQ(ReadAll({{"path", "*.csv"}}), "no file matches /d/*.csv");
}

TEST_F(FileStreamTest, CsvColumnsByHeaderAndByPlace) {
  Put("x.csv",
      "\xEF\xBB\xBF"
      "b,z,a\r\n\"x\ny\",9,1\r\n,,2");
  EXPECT_EQ(ReadAll({{"path", "x.csv"}}), "1|x\ny;2|NULL;$");
  Put("y.csv", "# one\n1;x\n2;'y;z'\n");
  EXPECT_EQ(ReadAll({{"path", "y.csv"},
                     {"format", "csv_no_header"},
                     {"delimiter", ";"},
                     {"quote", "'"},
                     {"skip_lines", "1"}}),
            "1|x;2|y;z;$");
  Put("z.csv", "b\nx\n");
  EXPECT_EQ(ReadAll({{"path", "z.csv"}}), "NULL|x;$");
}

TEST_F(FileStreamTest, NotNullIsChecked) {
  const SchemaPtr schema = arrow::schema(
      {arrow::field("a", arrow::int64(), false), arrow::field("b", arrow::utf8(), false)});
  Put("x.jsonl", "{\"a\":1,\"b\":\"x\"}\n{\"b\":\"y\"}\n");
  EXPECT_EQ(ReadAll({{"path", "x.jsonl"}}, schema),
            "/d/x.jsonl:2:10: expected a value (the column is NOT NULL), got none (a)");
  Put("x.jsonl", "{\"a\":1,\"b\":\"x\"}\n{\"b\":null,\"a\":2}\n{\"a\":\"z\"}");
  EXPECT_EQ(ReadAll({{"path", "x.jsonl"}}, schema),
            "/d/x.jsonl:2:6: expected a value (the column is NOT NULL), got null (b)");
  EXPECT_EQ(ReadAll({{"path", "x.jsonl"}, {"on_error", "skip"}}, schema), "1|x;$");
  EXPECT_EQ(*rejected_, 2);
  Put("x.csv", "a,b\n1,x\n2,\n\"\",y\n,z\n");
  EXPECT_EQ(ReadAll({{"path", "x.csv"}}, schema),
            "/d/x.csv:3:2 (b): expected a value (the column is NOT NULL), got \"\"");
  Put("x.csv", "a\n1\n");
  EXPECT_EQ(ReadAll({{"path", "x.csv"}}, schema),
            "/d/x.csv:1: expected a column \"b\", which is NOT NULL, got a");
}

TEST_F(FileStreamTest, MoneyIsExact) {
  const SchemaPtr schema = arrow::schema({arrow::field("m", arrow::decimal128(18, 2))});
  Put("x.jsonl", "{\"m\":\"-0.05\"}\n{\"m\":1234567890123456.78}\n{\"m\":3}\n{\"m\":1e2}\n");
  EXPECT_EQ(ReadAll({{"path", "x.jsonl"}}, schema), "-0.05;1234567890123456.78;3.00;100.00;$");
  Put("x.jsonl", "{\"m\":0.005}\n");
  EXPECT_EQ(ReadAll({{"path", "x.jsonl"}}, schema),
            "/d/x.jsonl:1:6: expected decimal128(18, 2), got 0.005 (m)");
}

TEST_F(FileStreamTest, TimesInTheFormAskedFor) {
  const SchemaPtr schema =
      arrow::schema({arrow::field("t", arrow::timestamp(arrow::TimeUnit::MICRO))});
  const std::string time = "2024-03-01 12:00:00.25;";
  const auto read = [&](const std::string& value, const std::string& form) {
    Put("x.jsonl", "{\"t\":" + value + "}\n");
    OptionMap options{{"path", "x.jsonl"}};
    if (!form.empty()) options["event.time.format"] = form;
    return ReadAll(options, schema);
  };
  EXPECT_EQ(read("\"2024-03-01T12:00:00.25\"", ""), time + "$");
  EXPECT_EQ(read("\"2024-03-01T13:00:00.25+01:00\"", "iso8601"), time + "$");
  EXPECT_EQ(read("1709294400250", "epoch_millis"), time + "$");
  EXPECT_EQ(read("\"1709294400250\"", "epoch_millis"), time + "$");
  EXPECT_EQ(read("1709294400.25", "epoch_seconds"), time + "$");
  EXPECT_EQ(read("1709294400250000", "epoch_micros"), time + "$");
  EXPECT_EQ(read("1709294400250000000", "epoch_nanos"), time + "$");
  EXPECT_EQ(read("1709294400250000", "auto"), time + "$");
  EXPECT_EQ(read("1709294400.25", "auto"), time + "$");
  EXPECT_EQ(read("\"2024-03-01 12:00:00.25\"", "auto"), time + "$");
  EXPECT_EQ(read("\"01/03/2024 12:00:00.25\"", "%d/%m/%Y %H:%M:%S.%f"), time + "$");
  EXPECT_NE(read("1709294400250", "").find("'epoch_millis'), got 1709294400250 (t)"),
            std::string::npos);
  EXPECT_NE(
      read("1709294400250000001", "epoch_nanos").find("expected timestamp[us] as epoch_nanos"),
      std::string::npos);
  EXPECT_NE(read("1", "julian").find("option event.time.format expects iso8601"),
            std::string::npos);
  Put("x.csv", "t\n1709294400250\n");
  EXPECT_EQ(ReadAll({{"path", "x.csv"}, {"event.time.format", "epoch_millis"}}, schema),
            time + "$");
  EXPECT_EQ(ReadAll({{"path", "x.csv"}, {"event.time.field", "u"}}, schema),
            "option event.time.field expects one of the columns t, got 'u'");
}

TEST_F(FileStreamTest, WholeFilesByNameAndType) {
  for (const char* format : {"parquet", "arrow"}) {
    const std::string path = std::string("/d/x.") + format;
    const SchemaPtr stored =
        arrow::schema({arrow::field("b", arrow::utf8()), arrow::field("u", arrow::float64()),
                       arrow::field("a", arrow::int32())});
    ASSERT_OK_AND_ASSIGN(auto sink, CreateFile(*vfs_, path, {}));
    ASSERT_OK(sink->Open(stored, arrow::default_memory_pool()));
    ASSERT_OK(sink->Write(
        *connect_test::Rows(stored, R"([{"b":"x","a":1},{"b":"y","a":2},{"b":null,"a":3}])")));
    ASSERT_OK(sink->Prepare(0));
    ASSERT_OK(sink->Commit(0));
    const OptionMap options{{"path", path}};
    EXPECT_EQ(ReadAll(options), "1|x;2|y;3|NULL;$");
    batch_rows_ = 1;
    ASSERT_OK_AND_ASSIGN(const SourcePtr source, Make(options));
    auto reader = OpenReader(*source);
    EXPECT_EQ(connect_test::Drain(*reader, Everything(*source), 2), "1|x;2|y;");
    auto second = OpenReader(*source, reader->Position().ValueOrDie());
    EXPECT_EQ(Read(*second).ValueOrDie(), "3|NULL;$");
    EXPECT_EQ(ReadAll(options, arrow::schema({arrow::field("b", arrow::int64())})),
              path +
                  ": column \"b\": expected int64, got string (Failed to parse string: 'x' as "
                  "a scalar of type int64)");
    batch_rows_ = 100;
  }
}

// ---- Options ----

TEST_F(FileStreamTest, OptionsAreChecked) {
  Put("x.jsonl", "");
  const auto error = [&](OptionMap options) {
    options.emplace("path", "x.jsonl");
    return Make(options).status().message();
  };
  EXPECT_NE(error({{"wacth", "true"}}).find("unknown option wacth; did you mean watch?"),
            std::string::npos);
  EXPECT_NE(error({{"delimiter", ";"}}).find("unknown option delimiter"), std::string::npos);
  EXPECT_EQ(error({{"watch", "true"}, {"follow", "true"}}),
            "file stream: options follow and watch are the same; expected one of them");
  EXPECT_EQ(error({{"on_error", "ignore"}}),
            "file stream: option on_error expects fail, skip or dlq, got 'ignore'");
  EXPECT_NE(error({{"format", "xml"}}).find("expected one of the formats"), std::string::npos);
  EXPECT_EQ(Make({}).status().message(), "file stream: expected the option path, got none");
  EXPECT_ERROR(OpenFileStream({*vfs_, clock_, "/d"}, {{"path", "x.jsonl"}}), kInvalidArgument,
               "expected declared columns");
  EXPECT_ERROR(OpenConnector("fille", {*vfs_, clock_, "/d"}, {}), kUnknownName,
               "did you mean file?");
}

// ---- Bad rows ----

TEST_F(FileStreamTest, BadRowsFailAreSkippedOrPutAside) {
  Put("x.jsonl", "{\"a\":1}\n{\"a\":\"one\"}\n{\"a\":2\n{\"a\":3}\n[4]\n");
  EXPECT_EQ(ReadAll({{"path", "x.jsonl"}}), "/d/x.jsonl:2:6: expected int64, got \"one\" (a)");
  EXPECT_EQ(ReadAll({{"path", "x.jsonl"}, {"on_error", "skip"}}), "1|NULL;3|NULL;$");
  EXPECT_EQ(*rejected_, 3);
  EXPECT_EQ(ReadAll({{"path", "x.jsonl"}, {"on_error", "skip"}, {"max_errors", "3"}}),
            "1|NULL;3|NULL;$");
  EXPECT_NE(ReadAll({{"path", "x.jsonl"}, {"on_error", "skip"}, {"max_errors", "2"}})
                .find("more than max_errors = 2 rows cannot be decoded: /d/x.jsonl:5:1: "),
            std::string::npos);
  ASSERT_OK_AND_ASSIGN(const SourcePtr source, Make({{"path", "x.jsonl"}, {"on_error", "dlq"}}));
  EXPECT_ERROR(source->Open({}, Everything(*source), connect_test::Context()), kInvalidArgument,
               "needs a job that keeps dead letters");
  letters_ = std::make_shared<DeadLetters>();
  auto reader = OpenReader(*source);
  EXPECT_EQ(Read(*reader).ValueOrDie(), "1|NULL;3|NULL;$");
  const std::vector<DeadLetter> letters = letters_->Take();
  ASSERT_EQ(letters.size(), 3u);
  EXPECT_EQ(letters[0].source, "file stream /d/x.jsonl");
  EXPECT_EQ(letters[0].position, "/d/x.jsonl:2 (byte 8)");
  EXPECT_EQ(letters[0].error, "/d/x.jsonl:2:6: expected int64, got \"one\" (a)");
  EXPECT_EQ(letters[0].payload, "{\"a\":\"one\"}");
  EXPECT_EQ(letters[1].payload, "{\"a\":2");
  EXPECT_EQ(letters[2].payload, "[4]");
  ASSERT_OK_AND_ASSIGN(const auto rows, DeadLetterRows(letters, arrow::default_memory_pool()));
  EXPECT_EQ(rows->num_rows(), 3);
  ASSERT_OK(rows->ValidateFull());
}

TEST_F(FileStreamTest, BadCsvRowsArePutAside) {
  Put("x.csv", "a,b\n1,x\n2\none,y\n3,\"z\nz\"\n4,\"u\"v\n5,w,6\n7,t\n");
  letters_ = std::make_shared<DeadLetters>();
  EXPECT_EQ(ReadAll({{"path", "x.csv"}, {"on_error", "dlq"}}), "1|x;3|z\nz;7|t;$");
  std::string text;
  for (const DeadLetter& letter : letters_->Take()) {
    text += letter.position + " " + letter.error + " " + letter.payload + "\n";
  }
  EXPECT_EQ(text,
            "/d/x.csv:3 (byte 8) /d/x.csv:3: expected 2 fields, got 1 2\n"
            "/d/x.csv:4 (byte 10) /d/x.csv:4:1 (a): expected int64, got \"one\" one,y\n"
            "/d/x.csv:7 (byte 24) /d/x.csv:7:2 (b): expected a delimiter or a line end after the "
            "closing quote, got \"v\" 4,\"u\"v\n"
            "/d/x.csv:8 (byte 31) /d/x.csv:8: expected 2 fields, got 3 5,w,6\n");
}

TEST_F(FileStreamTest, AFullBoxHoldsTheReaderBack) {
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += "bad\n";
  Put("x.jsonl", bytes);
  letters_ = std::make_shared<DeadLetters>(1);
  ASSERT_OK_AND_ASSIGN(const SourcePtr source, Make({{"path", "x.jsonl"}, {"on_error", "dlq"}}));
  auto reader = OpenReader(*source);
  size_t taken = 0;
  for (int rounds = 1; taken < 1000; ++rounds) {
    ASSERT_LE(rounds, 20);
    EXPECT_EQ(Read(*reader).ValueOrDie(), "");
    const int wakes = wakes_;
    const size_t some = letters_->Take().size();
    EXPECT_LE(some, 100u);
    EXPECT_GT(wakes_, wakes);
    taken += some;
  }
  EXPECT_EQ(Read(*reader).ValueOrDie(), "$");
}

// ---- Positions ----

std::string Pack(const std::string& text, arrow::Compression::type type) {
  auto codec = arrow::util::Codec::Create(type).ValueOrDie();
  std::string packed(
      static_cast<size_t>(codec->MaxCompressedLen(static_cast<int64_t>(text.size()),
                                                  reinterpret_cast<const uint8_t*>(text.data()))),
      '\0');
  const int64_t size =
      codec
          ->Compress(static_cast<int64_t>(text.size()),
                     reinterpret_cast<const uint8_t*>(text.data()),
                     static_cast<int64_t>(packed.size()), reinterpret_cast<uint8_t*>(packed.data()))
          .ValueOrDie();
  packed.resize(static_cast<size_t>(size));
  return packed;
}

TEST_F(FileStreamTest, AReaderGoesOnFromAnyPosition) {
  const std::string json = "{\"a\":1,\"b\":\"x\"}\n\n{\"a\":2}\nbad\n{\"a\":3,\"b\":\"\\n\"}";
  const std::string csv = "b,a\nx,1\n,2\nno\n\"q\n\"\"r\",3\n";
  Put("1.jsonl", json);
  Put("2.jsonl.gz", Pack(json, arrow::Compression::GZIP));
  Put("3.jsonl.zst", Pack(json, arrow::Compression::ZSTD));
  Put("1.csv", csv);
  Put("2.csv.gz", Pack(csv, arrow::Compression::GZIP));
  for (const char* pattern : {"*.jsonl*", "*.csv*"}) {
    const OptionMap options{{"path", pattern},
                            {"format", std::string(pattern).substr(2, 3) == "csv" ? "csv" : "json"},
                            {"on_error", "skip"}};
    batch_rows_ = 100;
    const std::string all = ReadAll(options);
    for (batch_rows_ = 1; batch_rows_ < 4; ++batch_rows_) {
      ASSERT_OK_AND_ASSIGN(const SourcePtr source, Make(options));
      auto reader = OpenReader(*source);
      std::string text;
      while (!text.ends_with('$')) {
        const int64_t batches = text.size() % 3 == 0 ? 1 : 2;
        reader = OpenReader(*source, reader->Position().ValueOrDie());
        for (int64_t i = 0; i < batches && !text.ends_with('$'); ++i) {
          ReadResult read = reader->Next().ValueOrDie();
          if (std::holds_alternative<EndOfSplit>(read)) text += '$';
          if (auto* batch = std::get_if<Batch>(&read)) AppendRows(*batch, &text);
        }
      }
      EXPECT_EQ(text, all) << pattern << " in batches of " << batch_rows_;
    }
  }
  EXPECT_ERROR(
      Make({{"path", "*.jsonl"}})
          .ValueOrDie()
          ->Open({}, Everything(**Make({{"path", "*.jsonl"}})), connect_test::Context("row 7")),
      kInvalidArgument, "expected the position of a file stream, got 'row 7'");
}

TEST_F(FileStreamTest, CountsGoOnWithThePosition) {
  Put("x.jsonl", "{\"a\":1}\nbad\n{\"a\":2}\nbad\n{\"a\":3}\n");
  batch_rows_ = 2;
  const OptionMap options{
      {"path", "x.jsonl"}, {"on_error", "skip"}, {"max_records", "2"}, {"max_errors", "1"}};
  ASSERT_OK_AND_ASSIGN(SourcePtr source, Make(options));
  auto reader = OpenReader(*source);
  EXPECT_EQ(connect_test::Drain(*reader, Everything(*source), 1), "1|NULL;");
  auto second = OpenReader(*source, reader->Position().ValueOrDie());
  EXPECT_ERROR(Read(*second), kBadData, "max_errors = 1");
}

TEST_F(FileStreamTest, AFileThatWasReplacedIsStale) {
  Put("x.jsonl", "{\"a\":1}\n{\"a\":2}\n");
  batch_rows_ = 1;
  ASSERT_OK_AND_ASSIGN(const SourcePtr source, Make({{"path", "x.jsonl"}}));
  auto reader = OpenReader(*source);
  EXPECT_EQ(connect_test::Drain(*reader, Everything(*source), 1), "1|NULL;");
  const std::string position = reader->Position().ValueOrDie();
  Put("y.jsonl", "{\"a\":9}\n{\"a\":9}\n");
  Rename("y.jsonl", "x.jsonl");
  EXPECT_ERROR(Read(*OpenReader(*source, position)), kStale, "/d/x.jsonl");
}

// ---- Following ----

TEST_F(FileStreamTest, AFileThatGrowsIsReadOn) {
  Put("x.jsonl", "{\"a\":1}\n{\"a\":");
  ASSERT_OK_AND_ASSIGN(const SourcePtr source, Make({{"path", "x.jsonl"}, {"watch", "true"}}));
  EXPECT_EQ(source->boundedness(), Boundedness::kUnbounded);
  auto reader = OpenReader(*source);
  EXPECT_EQ(Read(*reader).ValueOrDie(), "1|NULL;");
  EXPECT_EQ(ReadLater(*reader), "") << "a line waits for its end";
  Append("x.jsonl", "2}");
  EXPECT_EQ(ReadLater(*reader), "");
  Append("x.jsonl", "\n");
  const int wakes = wakes_;
  EXPECT_EQ(ReadLater(*reader), "2|NULL;");
  EXPECT_GT(wakes_, wakes) << "the clock wakes the reader";
}

TEST_F(FileStreamTest, ABatchLingersForMoreButNotForLong) {
  Put("x.jsonl", "");
  ASSERT_OK_AND_ASSIGN(const SourcePtr source, Make({{"path", "x.jsonl"}, {"watch", "true"}}));
  auto reader = OpenReader(*source);
  EXPECT_EQ(Read(*reader).ValueOrDie(), "");
  Append("x.jsonl", "{\"a\":1}\n");
  clock_.AdvanceMicros(1'000);
  EXPECT_EQ(Read(*reader).ValueOrDie(), "");
  Append("x.jsonl", "{\"a\":2}\n");
  clock_.AdvanceMicros(3'999);
  EXPECT_EQ(Read(*reader).ValueOrDie(), "");
  const int wakes = wakes_;
  clock_.AdvanceMicros(1);
  EXPECT_GT(wakes_, wakes);
  EXPECT_EQ(Read(*reader).ValueOrDie(), "1|NULL;2|NULL;");
  clock_.AdvanceMicros(5'000);
  Append("x.jsonl", "{\"a\":4}\n");
  EXPECT_EQ(Read(*reader).ValueOrDie(), "4|NULL;") << "it may have waited since the last look";
  Append("x.jsonl", std::string(70'000, ' ') + "\n{\"a\":3}\n");
  EXPECT_EQ(Read(*reader).ValueOrDie(), "3|NULL;") << "much does not linger";
}

TEST_F(FileStreamTest, PausesAreShortBehindRowsAndLongInSilence) {
  Put("x.jsonl", "{\"a\":1}\n");
  ASSERT_OK_AND_ASSIGN(const SourcePtr source, Make({{"path", "x.jsonl"}, {"watch", "true"}}));
  auto reader = OpenReader(*source);
  const auto looks = [&](int64_t micros) {  // how often the reader asks to be woken
    int count = 0;
    for (const int64_t end = clock_.MonotonicMicros() + micros; clock_.MonotonicMicros() < end;) {
      const int wakes = wakes_;
      clock_.AdvanceMicros(500);
      EXPECT_EQ(Read(*reader).ValueOrDie(), "");
      count += wakes_ > wakes ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(Read(*reader).ValueOrDie(), "1|NULL;");
  EXPECT_EQ(looks(15'000), 4) << "behind 1, 2, 4 and 8 ms";
  EXPECT_LE(looks(1'000'000), 101);
  Append("x.jsonl", "{\"a\":2}\n");
  clock_.AdvanceMicros(10'000);
  EXPECT_EQ(Read(*reader).ValueOrDie(), "2|NULL;");
  EXPECT_EQ(looks(15'000), 4);
}

TEST_F(FileStreamTest, CsvThatGrowsIsReadOn) {
  ASSERT_OK_AND_ASSIGN(const SourcePtr source, Make({{"path", "x.csv"}, {"watch", "true"}}));
  auto reader = OpenReader(*source);
  EXPECT_EQ(ReadLater(*reader), "") << "a file that is not there yet is waited for";
  Put("x.csv", "a,");
  EXPECT_EQ(ReadLater(*reader), "");
  std::string all;
  for (const char c : std::string("b\r\n1,\"x\r\n\"\"y\"\r\n2,z\r\n")) {
    Append("x.csv", std::string(1, c));
    all += ReadLater(*reader, 50'000);
  }
  EXPECT_EQ(all, "1|x\r\n\"y;2|z;");
}

TEST_F(FileStreamTest, ARotatedFileIsReadToItsEndFirst) {
  Put("x.jsonl", "{\"a\":1}\n");
  ASSERT_OK_AND_ASSIGN(const SourcePtr source, Make({{"path", "x.jsonl"}, {"watch", "true"}}));
  auto reader = OpenReader(*source);
  EXPECT_EQ(Read(*reader).ValueOrDie(), "1|NULL;");
  Append("x.jsonl", "{\"a\":2}\n{\"a\":3}");
  Rename("x.jsonl", "x.jsonl.1");
  Put("x.jsonl", "{\"a\":5}\n");
  EXPECT_EQ(ReadLater(*reader), "2|NULL;5|NULL;");
  Append("x.jsonl.1", "\n{\"a\":4}");
  EXPECT_EQ(ReadLater(*reader), "3|NULL;") << "the writer may still write to it";
  EXPECT_EQ(ReadLater(*reader, 10'000'000), "4|NULL;") << "in the end its last line is a row";
  Append("x.jsonl", "{\"a\":6}\n");
  EXPECT_EQ(ReadLater(*reader), "6|NULL;");
  EXPECT_EQ(static_cast<FileStream&>(*source).counts().rotations, 1);
  EXPECT_EQ(static_cast<FileStream&>(*source).counts().files, 2);
}

TEST_F(FileStreamTest, AFileThatStillMatchesUnderItsNewNameIsNotReadTwice) {
  Put("x.log", "{\"a\":1}\n");
  ASSERT_OK_AND_ASSIGN(const SourcePtr source,
                       Make({{"path", "x.log*"}, {"format", "json"}, {"watch", "true"}}));
  auto reader = OpenReader(*source);
  EXPECT_EQ(Read(*reader).ValueOrDie(), "1|NULL;");
  Append("x.log", "{\"a\":2}\n");
  Rename("x.log", "x.log.1");
  Put("x.log", "{\"a\":3}\n");
  EXPECT_EQ(ReadLater(*reader), "2|NULL;3|NULL;");
  Rename("x.log.1", "x.log.2");
  Rename("x.log", "x.log.1");
  Put("x.log", "{\"a\":4}\n");
  EXPECT_EQ(ReadLater(*reader, 20'000'000), "4|NULL;");
}

TEST_F(FileStreamTest, AFileThatIsCutBeginsAnew) {
  Put("x.jsonl", "{\"a\":1}\n{\"a\":2}\n");
  ASSERT_OK_AND_ASSIGN(const SourcePtr source, Make({{"path", "x.jsonl"}, {"watch", "true"}}));
  auto reader = OpenReader(*source);
  EXPECT_EQ(Read(*reader).ValueOrDie(), "1|NULL;2|NULL;");
  Put("x.jsonl", "{\"a\":3}\n");
  EXPECT_EQ(ReadLater(*reader), "3|NULL;");
  Put("x.jsonl", "{\"a\":4}\n{\"a\":5}\n{\"a\":6}\n");
  EXPECT_EQ(ReadLater(*reader), "4|NULL;5|NULL;6|NULL;") << "longer than before, other bytes";
  EXPECT_EQ(static_cast<FileStream&>(*source).counts().truncations, 2);
}

TEST_F(FileStreamTest, NewFilesAppearAndOldOnesGo) {
  ASSERT_OK_AND_ASSIGN(const SourcePtr source, Make({{"path", "*.jsonl"}, {"watch", "true"}}));
  auto reader = OpenReader(*source);
  EXPECT_EQ(ReadLater(*reader), "");
  Put("b.jsonl", "{\"a\":1}\n");
  EXPECT_EQ(ReadLater(*reader), "1|NULL;");
  Put("a.jsonl", "{\"a\":2}\n");
  EXPECT_EQ(ReadLater(*reader), "2|NULL;");
  ASSERT_OK(vfs_->Remove("/d/b.jsonl"));
  EXPECT_EQ(ReadLater(*reader, 20'000'000), "");
  Append("a.jsonl", "{\"a\":3}\n");
  EXPECT_EQ(ReadLater(*reader), "3|NULL;");
  EXPECT_EQ(reader->Position().ValueOrDie().find("b.jsonl"), std::string::npos)
      << "what is gone is forgotten";
}

/// Rows, which are numbered, in the order of their numbers.
std::string Sorted(const std::string& rows) {
  std::map<int64_t, std::string> sorted;
  std::string twice;
  for (size_t begin = 0; begin < rows.size();) {
    const size_t end = rows.find(';', begin) + 1;
    const std::string row = rows.substr(begin, end - begin);
    if (!sorted.emplace(std::stoll(row), row).second) twice += "twice " + row;
    begin = end;
  }
  std::string text;
  for (const auto& [number, row] : sorted) text += row;
  return text + twice;
}

// Random writes, rotations and restarts; every row comes once. Where the pattern matches the
// renamed files too, they may be rotated more often than the reader looks; else rows come in the
// order in which they were written.
TEST_F(FileStreamTest, NothingIsLostAndNothingComesTwice) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Rng rng(seed);
    const std::string folder = "run" + std::to_string(seed);
    ASSERT_OK(vfs_->MakeDirectories("/d/" + folder));
    const bool csv = rng.Below(2) == 0;
    const std::string name = folder + (csv ? "/x.csv" : "/x.jsonl");
    const std::string start = csv ? "a,b\n" : "";
    const auto line = [&](int64_t n) {
      return csv ? fmt::format("{},\"t\n{}\"\n", n, n)
                 : fmt::format("{{\"b\":\"t\",\"a\":{}}}\n", n);
    };
    batch_rows_ = static_cast<int64_t>(rng.Below(5)) + 1;
    const bool matches_renamed = rng.Below(2) == 0;
    ASSERT_OK_AND_ASSIGN(const SourcePtr source,
                         Make({{"path", name + (matches_renamed ? "*" : "")},
                               {"format", csv ? "csv" : "json"},
                               {"watch", "true"}}));
    Put(name, start);
    auto reader = OpenReader(*source);
    std::string unwritten, text;
    int64_t written = 0, rotations = 0;
    bool was_looked_at = false;
    const auto write = [&](size_t bytes) {
      Append(name, unwritten.substr(0, bytes));
      unwritten.erase(0, bytes);
    };
    for (int step = 0; step < 120; ++step) {
      switch (rng.Below(6)) {
        case 0:
          unwritten += line(written++);
          break;
        case 1:
        case 2:
          write(rng.Below(20));
          break;
        case 3:
          write(unwritten.size());
          if (rng.Below(4) != 0 || !(matches_renamed || was_looked_at)) break;
          was_looked_at = false;
          Rename(name, name + "." + std::to_string(++rotations));
          Put(name, start);
          break;
        case 4: {
          clock_.AdvanceMicros(static_cast<int64_t>(rng.Below(30'000)));
          text += Read(*reader).ValueOrDie();
          was_looked_at = true;
          break;
        }
        default:
          if (rng.Below(3) == 0) reader = OpenReader(*source, reader->Position().ValueOrDie());
      }
    }
    write(unwritten.size());
    text += ReadLater(*reader, 10'000'000);
    std::string expected;
    for (int64_t n = 0; n < written; ++n) {
      expected += csv ? fmt::format("{}|t\n{};", n, n) : fmt::format("{}|t;", n);
    }
    ASSERT_EQ(matches_renamed ? Sorted(text) : text, expected)
        << "seed " << seed << ", rotations " << rotations;
  }
}

}  // namespace
}  // namespace headrace
