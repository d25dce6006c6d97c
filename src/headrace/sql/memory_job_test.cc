// A job between streams in memory, which fail at every call, in every way: it is started again
// until it ends, and what it wrote in the end is what a plain loop over the rows makes of them.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "arrow/array.h"
#include "arrow/json/from_string.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/test_status.h"
#include "headrace/connect/memory/memory_stream.h"
#include "headrace/engine/session.h"
#include "headrace/io/memory_vfs.h"
#include "headrace/sql/run_application.h"
#include "headrace/types/format_value.h"

namespace headrace::sql {
namespace {

using Call = MemoryFault::Call;

constexpr int64_t kBatches = 6;
constexpr int64_t kRowsOfBatch = 5;
constexpr int64_t kRuns = 60;  // of one kind of fault, at most

const SchemaPtr& Schema() {
  static const SchemaPtr schema =
      arrow::schema({arrow::field("k", arrow::utf8()), arrow::field("n", arrow::int64()),
                     arrow::field("ts", arrow::timestamp(arrow::TimeUnit::MICRO))});
  return schema;
}

/// A row a second.
std::shared_ptr<arrow::RecordBatch> RowsOf(int64_t batch) {
  std::string json;
  for (int64_t i = batch * kRowsOfBatch; i < (batch + 1) * kRowsOfBatch; ++i) {
    json += fmt::format("{}[\"k{}\", {}, {}]", json.empty() ? "" : ", ", i % 3, i, i * 1'000'000);
  }
  const ArrayPtr rows =
      arrow::json::ArrayFromJSONString(arrow::struct_(Schema()->fields()), "[" + json + "]")
          .ValueOrDie();
  return arrow::RecordBatch::Make(Schema(), rows->length(),
                                  static_cast<const arrow::StructArray&>(*rows).fields());
}

/// Every row as text, and how often it is there.
std::multiset<std::string> TextOf(const MemoryStream& stream) {
  std::multiset<std::string> text;
  for (const auto& batch : stream.Rows()) {
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      std::string line;
      for (int i = 0; i < 2; ++i) line += FormatValue(*batch->column(i), row) + " ";
      text.insert(line);
    }
  }
  return text;
}

class MemoryJobTest : public testing::Test {
 protected:
  void SetUp() override { Begin(); }

  void Begin() {
    Settings settings;
    settings.threads = 2;
    vfs_ = MemoryVfs::Make();
    session_ = Session::Make(settings, vfs_.get()).ValueOrDie();
    fed_ = 0;
    Feed();
  }

  MemoryStream& Stream(const std::string& name) { return *session_->memory_streams().Find(name); }

  void Feed() {
    MemoryStream& in = Stream("in");
    if (fed_ == kBatches) return;
    EXPECT_OK(in.Append(*RowsOf(fed_)));
    if (++fed_ == kBatches) in.End();
  }

  /// One start of the job; `faults` of each stream by its name.
  Status RunOnce(std::map<std::string, std::string> faults) {
    const std::string text = fmt::format(
        "CREATE STREAM s (k STRING, n BIGINT, ts TIMESTAMP, WATERMARK FOR ts) "
        "WITH (connector = 'memory', name = 'in', faults = '{}');"
        "CREATE SINK even WITH (connector = 'memory', name = 'even', faults = '{}') AS "
        "SELECT k, n FROM s WHERE n % 2 = 0;"
        "CREATE SINK sums WITH (connector = 'memory', name = 'sums', faults = '{}') AS "
        "SELECT k, sum(n) AS total, _window_start FROM s GROUP BY k "
        "WINDOW TUMBLING (ts, INTERVAL '4' SECOND) EMIT FINAL;",
        faults["in"], faults["even"], faults["sums"]);
    ApplicationOptions options;
    options.replaceable = {"s"};
    options.job.checkpoint_directory = "/state";
    options.job.checkpoint_interval_micros = 500;
    options.job.on_commit = [this](int64_t) { Feed(); };
    ARROW_ASSIGN_OR_RAISE(ApplicationJob made,
                          MakeApplicationJob(session_, text, "", std::move(options)));
    return made.job->Run();
  }

  /// How often the job was started until it ended.
  int64_t RunToEnd(const std::string& stream, const std::string& faults) {
    for (int64_t starts = 1; starts < 10; ++starts) {
      const Status status = RunOnce({{stream, faults}});
      if (status.ok()) return starts;
      EXPECT_EQ(KindOf(status), ErrorKind::kIo) << status;
    }
    ADD_FAILURE() << "the job fails for ever";
    return 0;
  }

  void CheckOutput() {
    std::multiset<std::string> even;
    std::map<std::pair<std::string, int64_t>, int64_t> totals;
    for (int64_t n = 0; n < kBatches * kRowsOfBatch; ++n) {
      const std::string key = fmt::format("k{}", n % 3);
      if (n % 2 == 0) even.insert(fmt::format("{} {} ", key, n));
      totals[{key, n / 4}] += n;
    }
    std::multiset<std::string> sums;
    for (const auto& [group, total] : totals) {
      sums.insert(fmt::format("{} {} ", group.first, total));
    }
    EXPECT_EQ(TextOf(Stream("even")), even);
    EXPECT_EQ(TextOf(Stream("sums")), sums);
  }

  /// Lets the first, second … call of the stream go wrong until there is none left to.
  void RunThrough(const std::string& stream, const std::string& effect, const char* call_name,
                  Call call, bool is_survived) {
    for (int64_t k = 1; k < kRuns; ++k) {
      const std::string fault = fmt::format("{} {} {}", effect, call_name, k);
      SCOPED_TRACE(stream + ": " + fault);
      Begin();
      const int64_t starts = RunToEnd(stream, fault);
      CheckOutput();
      const bool was_met = Stream(stream).calls(call) >= k;
      EXPECT_EQ(starts, was_met && !is_survived ? 2 : 1);
      if (HasFailure()) return;
      if (was_met) continue;
      EXPECT_GE(k, kBatches) << "the job made too few of these calls";
      return;
    }
  }

  std::unique_ptr<MemoryVfs> vfs_;
  std::shared_ptr<Session> session_;
  int64_t fed_ = 0;  // batches
};

TEST_F(MemoryJobTest, WithoutFaults) {
  EXPECT_EQ(RunToEnd("in", ""), 1);
  CheckOutput();
}

TEST_F(MemoryJobTest, EveryReadGoesWrong) {
  RunThrough("in", "fail", "read", Call::kRead, false);
  RunThrough("in", "lose", "read", Call::kRead, true);
  RunThrough("in", "repeat", "read", Call::kRead, true);
}

TEST_F(MemoryJobTest, EveryWriteGoesWrong) {
  for (const char* effect : {"fail", "lose", "die", "fence"}) {
    RunThrough("even", effect, "write", Call::kWrite, false);
  }
}

TEST_F(MemoryJobTest, EveryPrepareGoesWrong) {
  for (const char* stream : {"even", "sums"}) {
    for (const char* effect : {"fail", "lose", "die", "fence"}) {
      RunThrough(stream, effect, "prepare", Call::kPrepare, false);
    }
  }
}

TEST_F(MemoryJobTest, EveryCommitGoesWrong) {
  for (const char* stream : {"even", "sums"}) {
    for (const char* effect : {"fail", "lose", "die", "fence"}) {
      RunThrough(stream, effect, "commit", Call::kCommit, false);
    }
  }
}

TEST_F(MemoryJobTest, ManyFaultsInOneRun) {
  const std::string faults =
      "fail write 1, die prepare 2, lose prepare 3, lose commit 1, die commit 3, fence commit 5";
  const int64_t runs = RunToEnd("even", faults);
  EXPECT_GT(runs, 3);
  EXPECT_LE(runs, 7) << "a commit may go wrong beside what ends the same run";
  CheckOutput();
}

}  // namespace
}  // namespace headrace::sql
