// File sinks of jobs: what readers see after every epoch, after every failure and every death.
#include "headrace/connect/file/epoch_file_sink.h"

#include <gtest/gtest.h>

#include "arrow/io/compressed.h"
#include "arrow/util/compression.h"
#include "headrace/base/fault.h"
#include "headrace/connect/test_read.h"
#include "headrace/format/format.h"
#include "headrace/io/memory_vfs.h"

namespace headrace {
namespace {

using connect_test::ReadAll;
using connect_test::Rows;

const SchemaPtr kSchema =
    arrow::schema({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8())});

std::shared_ptr<arrow::RecordBatch> Row(int64_t a) {
  return Rows(kSchema, fmt::format(R"([{{"a":{},"b":"x\ny"}}])", a));
}

class EpochFileSinkTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(vfs_->MakeDirectories("/d"));
    ASSERT_OK(vfs_->SyncDirectory("/"));
  }

  Result<std::unique_ptr<Sink>> Make(Vfs& vfs, const OptionMap& options,
                                     std::vector<std::string> key = {}) {
    return CreateConnectorSink("file", {vfs, clock_, "/d", nullptr, std::move(key)}, options);
  }
  std::unique_ptr<Sink> Open(const OptionMap& options) {
    auto sink = Make(*vfs_, options).ValueOrDie();
    EXPECT_OK(sink->Open(kSchema, arrow::default_memory_pool()));
    return sink;
  }
  static Status WriteEpoch(Sink& sink, int64_t epoch, const std::vector<int64_t>& rows) {
    for (const int64_t row : rows) ARROW_RETURN_NOT_OK(sink.Write(*Row(row)));
    ARROW_RETURN_NOT_OK(sink.Prepare(epoch));
    return sink.Commit(epoch);
  }
  std::string Get(const std::string& name) {
    const auto file = vfs_->OpenForRead("/d/" + name);
    if (!file.ok()) return "missing";
    return (*file)->Read((*file)->GetSize().ValueOrDie()).ValueOrDie()->ToString();
  }
  /// Names in the folder, those of hidden files too.
  std::string Names() {
    std::string names;
    for (const FileInfo& info : vfs_->List("/d").ValueOrDie()) names += info.path.substr(3) + " ";
    return names;
  }
  void Put(const std::string& name, const std::string& bytes) {
    ASSERT_OK_AND_ASSIGN(auto file, vfs_->OpenForWrite("/d/" + name));
    ASSERT_OK(file->Write(bytes.data(), static_cast<int64_t>(bytes.size())));
    ASSERT_OK(file->Sync());
    ASSERT_OK(vfs_->SyncDirectory("/d"));
  }

  std::unique_ptr<MemoryVfs> vfs_ = MemoryVfs::Make();
  SimulatedClock clock_;
};

std::string Line(int64_t a) { return fmt::format("{{\"a\":{},\"b\":\"x\\ny\"}}\n", a); }

TEST_F(EpochFileSinkTest, EpochsAreAppendedWhenTheyAreCommitted) {
  Put("x.jsonl", "old\n");
  auto sink = Open({{"path", "x.jsonl"}});
  ASSERT_OK(sink->Write(*Row(1)));
  ASSERT_OK(sink->Write(*Row(2)));
  ASSERT_OK(sink->Prepare(1));
  EXPECT_EQ(Get("x.jsonl"), "old\n") << "nothing is visible before the commit";
  ASSERT_OK(sink->Commit(1));
  EXPECT_EQ(Get("x.jsonl"), Line(1) + Line(2));
  ASSERT_OK(sink->Commit(1));
  EXPECT_EQ(Get("x.jsonl"), Line(1) + Line(2)) << "a commit is idempotent";
  const uint64_t inode = vfs_->Stat("/d/x.jsonl")->inode;
  ASSERT_OK(WriteEpoch(*sink, 2, {}));
  ASSERT_OK(WriteEpoch(*sink, 3, {3}));
  EXPECT_EQ(Get("x.jsonl"), Line(1) + Line(2) + Line(3));
  EXPECT_EQ(vfs_->Stat("/d/x.jsonl")->inode, inode) << "so that tail -f follows";
  EXPECT_EQ(Names(), ".x.jsonl.journal x.jsonl ");
}

TEST_F(EpochFileSinkTest, AnEmptyStreamMakesAnEmptyFile) {
  ASSERT_OK(WriteEpoch(*Open({{"path", "x.jsonl"}}), 1, {}));
  EXPECT_EQ(Get("x.jsonl"), "");
}

TEST_F(EpochFileSinkTest, AppendKeepsWhatIsThere) {
  Put("x.jsonl", "old\n");
  auto sink = Open({{"path", "x.jsonl"}, {"append_if_exists", "true"}});
  ASSERT_OK(WriteEpoch(*sink, 1, {1}));
  EXPECT_EQ(Get("x.jsonl"), "old\n" + Line(1));
}

TEST_F(EpochFileSinkTest, CsvHasOneHeader) {
  auto sink = Open({{"path", "x.csv"}, {"delimiter", ";"}});
  ASSERT_OK(WriteEpoch(*sink, 1, {1}));
  ASSERT_OK(WriteEpoch(*sink, 2, {2}));
  EXPECT_EQ(Get("x.csv"), "a;b\n1;\"x\ny\"\n2;\"x\ny\"\n");
  auto plain = Open({{"path", "y.csv"}, {"format", "csv_no_header"}});
  ASSERT_OK(WriteEpoch(*plain, 1, {1}));
  EXPECT_EQ(Get("y.csv"), "1,\"x\ny\"\n");
}

TEST_F(EpochFileSinkTest, PackedEpochsAreReadAsOneFile) {
  for (const char* name : {"x.jsonl.gz", "x.jsonl.zst", "x.csv.gz"}) {
    auto sink = Open({{"path", name}});
    ASSERT_OK(WriteEpoch(*sink, 1, {1, 2}));
    ASSERT_OK(WriteEpoch(*sink, 2, {3}));
    ASSERT_OK_AND_ASSIGN(const SourcePtr source, OpenFiles(*vfs_, std::string("/d/") + name, {}));
    EXPECT_EQ(ReadAll(*source), "1|x\ny;2|x\ny;3|x\ny;") << name;
  }
}

TEST_F(EpochFileSinkTest, WholeFormatsMakeAFileOfEachEpoch) {
  for (const std::string format : {"parquet", "arrow"}) {
    auto sink = Open({{"path", "x." + format}});
    ASSERT_OK(WriteEpoch(*sink, 1, {1, 2}));
    ASSERT_OK(WriteEpoch(*sink, 2, {}));
    ASSERT_OK(WriteEpoch(*sink, 3, {3}));
    EXPECT_EQ(Get("x-000002." + format), "missing");
    ASSERT_OK_AND_ASSIGN(SourcePtr source, OpenFiles(*vfs_, "/d/x-*." + format, {}));
    EXPECT_EQ(ReadAll(*source), "1|x\ny;2|x\ny;3|x\ny;");
    auto again = Open({{"path", "x." + format}, {"append_if_exists", "true"}});
    ASSERT_OK(WriteEpoch(*again, 1, {4}));
    EXPECT_NE(Get("x-000004." + format), "missing");
    auto anew = Open({{"path", "x." + format}});
    ASSERT_OK(WriteEpoch(*anew, 1, {5}));
    ASSERT_OK_AND_ASSIGN(source, OpenFiles(*vfs_, "/d/x-*." + format, {}));
    EXPECT_EQ(ReadAll(*source), "5|x\ny;");
  }
}

TEST_F(EpochFileSinkTest, FilesArePutAwayWhenTheyAreFull) {
  auto sink = Open({{"path", "x.csv"}, {"max_records_per_file", "2"}});
  for (int64_t epoch = 1; epoch <= 4; ++epoch) ASSERT_OK(WriteEpoch(*sink, epoch, {epoch}));
  ASSERT_OK(WriteEpoch(*sink, 5, {5, 6, 7}));
  ASSERT_OK(WriteEpoch(*sink, 6, {8}));
  EXPECT_EQ(Get("x-000001.csv"), "a,b\n1,\"x\ny\"\n2,\"x\ny\"\n");
  EXPECT_EQ(Get("x-000002.csv"), "a,b\n3,\"x\ny\"\n4,\"x\ny\"\n");
  EXPECT_EQ(Get("x-000003.csv"), "a,b\n5,\"x\ny\"\n6,\"x\ny\"\n7,\"x\ny\"\n");
  EXPECT_EQ(Get("x.csv"), "a,b\n8,\"x\ny\"\n");
  auto big = Open({{"path", "y.jsonl"}, {"max_file_size_bytes", "30"}});
  for (int64_t epoch = 1; epoch <= 3; ++epoch) ASSERT_OK(WriteEpoch(*big, epoch, {epoch}));
  EXPECT_EQ(Get("y-000001.jsonl"), Line(1) + Line(2));
  EXPECT_EQ(Get("y.jsonl"), Line(3));
  auto old = Open({{"path", "z.jsonl"}, {"rotation_interval_ms", "1000"}});
  ASSERT_OK(WriteEpoch(*old, 1, {1}));
  clock_.AdvanceMicros(1'000'000);
  ASSERT_OK(WriteEpoch(*old, 2, {2}));
  EXPECT_EQ(Get("z-000001.jsonl"), Line(1) + Line(2));
  EXPECT_EQ(Get("z.jsonl"), "");
}

TEST_F(EpochFileSinkTest, AFileThatSomebodyCutIsAnError) {
  auto sink = Open({{"path", "x.jsonl"}});
  ASSERT_OK(WriteEpoch(*sink, 1, {1}));
  Put("x.jsonl", "");
  EXPECT_ERROR(WriteEpoch(*sink, 2, {2}), kStale, "expected the 19 bytes that were committed");
}

TEST_F(EpochFileSinkTest, OptionsAreChecked) {
  const auto error = [&](OptionMap options) {
    options.emplace("path", "x.jsonl");
    return Make(*vfs_, options).status().message();
  };
  EXPECT_EQ(error({{"append_if_exist", "true"}}),
            "file sink: unknown option append_if_exist; did you mean append_if_exists?");
  EXPECT_NE(error({{"path", "x.csv"}, {"delimeter", ";"}}).find("did you mean delimiter?"),
            std::string::npos);
  EXPECT_NE(error({{"path", "x.parquet"}, {"max_records_per_file", "5"}})
                .find("rotation is for text formats"),
            std::string::npos);
  EXPECT_EQ(Make(*vfs_, {}).status().message(), "file sink: expected the option path, got none");
  ASSERT_OK_AND_ASSIGN(auto sink, Make(*vfs_, {{"path", "no/x.jsonl"}}));
  EXPECT_ERROR(sink->Open(kSchema, arrow::default_memory_pool()), kNotFound,
               "cannot write /d/no/x.jsonl: its folder must exist");
}

TEST_F(EpochFileSinkTest, ChangesBecomeUpsertsAndTombstones) {
  EXPECT_FALSE(Make(*vfs_, {{"path", "x.jsonl"}}).ValueOrDie()->Accepts(ChangeMode::kRetract));
  EXPECT_FALSE(Make(*vfs_, {{"path", "x.csv"}}, {"a"}).ValueOrDie()->Accepts(ChangeMode::kUpsert));
  ASSERT_OK_AND_ASSIGN(auto sink, Make(*vfs_, {{"path", "x.jsonl"}}, {"a"}));
  EXPECT_TRUE(sink->Accepts(ChangeMode::kRetract));
  const SchemaPtr schema =
      kSchema->AddField(2, arrow::field(kChangeColumn, arrow::int8())).ValueOrDie();
  ASSERT_OK(sink->Open(schema, arrow::default_memory_pool()));
  ASSERT_OK(sink->Write(*Rows(schema, R"([{"a":1,"b":"x","_change":1}, {"a":2,"b":"y","_change":1},
      {"a":1,"b":"x","_change":-1}, {"a":1,"b":"z","_change":1}, {"a":2,"b":"y","_change":-1}])")));
  ASSERT_OK(sink->Prepare(1));
  ASSERT_OK(sink->Commit(1));
  EXPECT_EQ(Get("x.jsonl"),
            "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n{\"a\":1,\"b\":\"z\"}\n"
            "{\"a\":2,\"_deleted\":true}\n");
  ASSERT_OK_AND_ASSIGN(auto wrong, Make(*vfs_, {{"path", "x.jsonl"}}, {"c"}));
  EXPECT_ERROR(wrong->Open(schema, arrow::default_memory_pool()), kUnknownName, "'c'");
}

// A job as engine/job.h runs it: the manifest is published between Prepare and Commit.
struct JobRun {
  static constexpr int64_t kEpochs = 5;
  int64_t manifest = 0;

  static std::vector<int64_t> RowsOf(int64_t epoch) {
    if (epoch == 3) return {};
    return {epoch * 10, epoch * 10 + 1};
  }
  Status Run(Vfs& vfs, Clock& clock, const OptionMap& options) {
    ARROW_ASSIGN_OR_RAISE(auto sink, CreateConnectorSink("file", {vfs, clock, "/d"}, options));
    const Status status = Go(*sink);
    if (!status.ok()) (void)sink->Abort();
    return status;
  }
  Status Go(Sink& sink) {
    ARROW_RETURN_NOT_OK(sink.Open(kSchema, arrow::default_memory_pool()));
    if (manifest > 0) ARROW_RETURN_NOT_OK(sink.Commit(manifest));
    ARROW_RETURN_NOT_OK(WriteEpoch(sink, manifest + 1));
    while (manifest < kEpochs) {
      const int64_t epoch = manifest + 1;
      ARROW_RETURN_NOT_OK(sink.Prepare(epoch));
      ARROW_RETURN_NOT_OK(WriteEpoch(sink, epoch + 1));
      ARROW_RETURN_NOT_OK(sink.Sync(epoch));
      manifest = epoch;
      ARROW_RETURN_NOT_OK(sink.Commit(epoch));
    }
    return Status::OK();
  }
  static Status WriteEpoch(Sink& sink, int64_t epoch) {
    if (epoch > kEpochs) return Status::OK();
    for (const int64_t row : RowsOf(epoch)) ARROW_RETURN_NOT_OK(sink.Write(*Row(row)));
    return Status::OK();
  }
};

struct FaultCase {
  const char* file;
  const char* pattern;  // of what is read
  OptionMap options;
};

std::vector<FaultCase> FaultCases() {
  return {{"x.jsonl", "/d/x*.jsonl", {}},
          {"x.csv", "/d/x*.csv", {}},
          {"x.jsonl.gz", "/d/x*.jsonl.gz", {}},
          {"x.parquet", "/d/x-*.parquet", {}},
          {"x.arrow", "/d/x-*.arrow", {}},
          {"x.csv", "/d/x*.csv", {{"max_records_per_file", "2"}}}};
}

class EpochFaultTest : public EpochFileSinkTest {
 protected:
  /// Everything that readers see. Rotated files are older than the one that is written.
  std::string Visible(const FaultCase& one) {
    auto paths = Glob(*vfs_, one.pattern);
    if (!paths.ok()) return "";
    std::sort(paths->begin(), paths->end(), [](const std::string& a, const std::string& b) {
      return (a.find('-') == a.npos) == (b.find('-') == b.npos) ? a < b : b.find('-') == b.npos;
    });
    std::string text;
    for (const std::string& path : *paths) {
      if (vfs_->Stat(path)->size == 0) continue;
      text += ReadAll(*OpenFiles(*vfs_, path, {{"columns", "a BIGINT, b VARCHAR"}})
                           .ValueOr(OpenFiles(*vfs_, path, {}).ValueOr(nullptr)));
    }
    return text;
  }
  static std::string Expected(int64_t epochs) {
    std::string text;
    for (int64_t epoch = 1; epoch <= epochs; ++epoch) {
      for (const int64_t row : JobRun::RowsOf(epoch)) text += fmt::format("{}|x\ny;", row);
    }
    return text;
  }
};

TEST_F(EpochFaultTest, WhateverFailsEveryRowIsThereOnceInTheEnd) {
  for (const FaultCase& one : FaultCases()) {
    OptionMap options = one.options;
    options["path"] = one.file;
    int64_t calls = 1;
    for (int64_t k = 0; k <= calls; ++k) {
      for (const bool power_fails : {false, true}) {
        vfs_ = MemoryVfs::Make();
        SetUp();
        Put(one.file, std::string(one.file).ends_with(".gz") ? "" : "a,b\n");
        auto faulty = MakeFaultyVfs(*vfs_);
        JobRun job;
        if (k == 0) {
          fault::Count("vfs.");
        } else {
          fault::Arm("vfs.", k);
        }
        const Status status = job.Run(*faulty, clock_, options);
        const int64_t passed = fault::Disarm();
        if (k == 0) {
          ASSERT_OK(status);
          calls = passed;
          EXPECT_GT(calls, 40);
        } else if (!status.ok()) {
          EXPECT_EQ(KindOf(status), ErrorKind::kIo) << status.ToString();
        }
        if (power_fails) vfs_->Crash();
        ASSERT_OK(job.Run(*vfs_, clock_, options)) << one.file << " call " << k;
        ASSERT_EQ(Visible(one), Expected(JobRun::kEpochs))
            << one.file << " call " << k << " power fails " << power_fails << " " << Names();
        EXPECT_EQ(Names().find(".part"), std::string::npos) << Names();
      }
    }
  }
}

TEST_F(EpochFaultTest, WhatFailedIsNotSeenByHalves) {
  const FaultCase one{"x.jsonl", "/d/x.jsonl", {}};
  int64_t calls = 1;
  for (int64_t k = 0; k <= calls; ++k) {
    vfs_ = MemoryVfs::Make();
    SetUp();
    auto faulty = MakeFaultyVfs(*vfs_);
    JobRun job;
    k == 0 ? fault::Count("vfs.") : fault::Arm("vfs.", k);
    const Status status = job.Run(*faulty, clock_, {{"path", "x.jsonl"}});
    const int64_t passed = fault::Disarm();
    if (k == 0) calls = passed;
    const std::string visible = Visible(one);
    bool is_whole = visible.empty();
    for (int64_t epochs = 0; epochs <= JobRun::kEpochs; ++epochs) {
      is_whole |= visible == Expected(epochs);
    }
    EXPECT_TRUE(is_whole) << "call " << k << ": " << visible;
  }
}

}  // namespace
}  // namespace headrace
