// Jobs that die: a generator stream is counted per key and window, the process is killed at chosen
// points or at random, and goes on in new processes with other numbers of lanes. What was published
// in the end must be what a plain loop over the generator's rows counts.
#include "headrace/engine/job.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "arrow/api.h"
#include "headrace/base/fault.h"
#include "headrace/base/rng.h"
#include "headrace/connect/generator/generator.h"
#include "headrace/engine/session.h"
#include "headrace/expression/bind.h"
#include "headrace/io/vfs.h"
#include "headrace/plan/builder.h"

extern char** environ;

namespace headrace {
namespace {

constexpr int64_t kRowsPerSplit = 150'000;
constexpr int64_t kSplits = 3;
constexpr int64_t kWindowMicros = 1'000'000;
constexpr int64_t kJitterMicros = 300'000;

SourcePtr Stream() {
  GeneratorSpec spec;
  spec.columns = {
      {.name = "key", .kind = GeneratorColumn::Kind::kKey, .keys = 20},
      {.name = "at",
       .kind = GeneratorColumn::Kind::kEventTime,
       .step_micros = 1000,
       .jitter_micros = kJitterMicros},
  };
  spec.seed = 42;
  spec.rows = kRowsPerSplit;
  spec.splits = kSplits;
  spec.unbounded = true;
  return MakeGenerator(spec).ValueOrDie();
}

/// SELECT key, time_bucket(1 s, at), count(*) … WHERE now() > the epoch GROUP BY 1, 2 over the
/// stream. It stays the same job, whenever it starts.
PlanPtr CountPerWindow() {
  PlanPtr scan = PlanScan(Stream(), EventTime{1, kJitterMicros}).ValueOrDie();
  const Scope scope(*scan->schema());
  const auto width =
      arrow::MakeScalar(arrow::duration(arrow::TimeUnit::MICRO), kWindowMicros).ValueOrDie();
  auto key = Bind(*Unbound::Column({"key"}), scope, Dialect::kSql).ValueOrDie();
  auto bucket =
      Bind(*Unbound::Call("time_bucket", {Unbound::Literal(width), Unbound::Column({"at"})}), scope,
           Dialect::kSql)
          .ValueOrDie();
  auto count = Bind(*Unbound::Call("count", {Unbound::Star()}), scope, Dialect::kSql).ValueOrDie();
  const auto epoch = arrow::MakeScalar(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), int64_t{0});
  auto later =
      Bind(*Unbound::Call(">", {Unbound::Call("now", {}), Unbound::Literal(epoch.ValueOrDie())}),
           scope, Dialect::kSql)
          .ValueOrDie();
  scan = PlanFilter(std::move(scan), std::move(later)).ValueOrDie();
  AggregateOptions options;
  options.window = WindowKey{1, kWindowMicros};
  return PlanAggregate(scan, {{key, "key"}, {bucket, "start"}}, {{count, "n"}}, nullptr, options)
      .ValueOrDie();
}

using Counts = std::map<std::pair<std::string, int64_t>, int64_t>;

Counts CountNaively() {
  Counts counts;
  SourcePtr source = Stream();
  ScanRequest request;
  request.projection = {0, 1};
  ReadContext context;
  context.pool = arrow::default_memory_pool();
  for (const Split& split : source->Splits(request).ValueOrDie()) {
    auto reader = source->Open(split, request, context).ValueOrDie();
    while (true) {
      ReadResult result = reader->Next().ValueOrDie();
      if (std::holds_alternative<EndOfSplit>(result)) break;
      if (std::holds_alternative<Pending>(result)) continue;
      const Batch& batch = std::get<Batch>(result);
      const auto& keys = static_cast<const arrow::StringArray&>(*batch.column(0));
      const auto& times = static_cast<const arrow::TimestampArray&>(*batch.column(1));
      for (int64_t row = 0; row < batch.num_rows(); ++row) {
        int64_t start = times.Value(row) / kWindowMicros * kWindowMicros;
        if (times.Value(row) < 0 && times.Value(row) % kWindowMicros != 0) start -= kWindowMicros;
        ++counts[{keys.GetString(row), start}];
      }
    }
  }
  return counts;
}

/// Publishes each epoch as a file of lines; a committed epoch is a file without ".part".
class EpochFileSink final : public Sink {
 public:
  explicit EpochFileSink(std::string directory) : directory_(std::move(directory)) {}
  std::string name() const override { return "epoch files"; }
  Status Open(const SchemaPtr&, arrow::MemoryPool*) override { return Status::OK(); }
  Status Write(const arrow::RecordBatch& batch) override {
    const auto& keys = static_cast<const arrow::StringArray&>(*batch.column(0));
    const auto& starts = static_cast<const arrow::TimestampArray&>(*batch.column(1));
    const auto& counts = static_cast<const arrow::Int64Array&>(*batch.column(2));
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      text_ += fmt::format("{} {} {}\n", keys.GetString(row), starts.Value(row), counts.Value(row));
    }
    return Status::OK();
  }
  Status Prepare(int64_t epoch) override {
    std::ofstream(Path(epoch) + ".part", std::ios::trunc) << text_;
    text_.clear();
    return Status::OK();
  }
  Status Commit(int64_t epoch) override {
    if (std::filesystem::exists(Path(epoch))) return Status::OK();
    return LocalVfs().Rename(Path(epoch) + ".part", Path(epoch));
  }
  Status Abort() override { return Status::OK(); }

 private:
  std::string Path(int64_t epoch) const { return fmt::format("{}/epoch-{:06}", directory_, epoch); }
  const std::string directory_;
  std::string text_;
};

/// What a child process runs: HEADRACE_JOB_TEST="<directory> <lanes>".
Status RunChild(const std::string& directory, int lanes) {
  fault::ArmFromEnvironment();
  Settings settings;
  settings.threads = lanes;
  settings.memory_limit = 256 << 20;
  settings.batch_rows = 100;
  ARROW_ASSIGN_OR_RAISE(auto session, Session::Make(settings));
  JobOptions options;
  options.checkpoint_directory = directory + "/state";
  options.checkpoint_interval_micros = 5'000;
  std::vector<JobQuery> queries(1);
  queries[0].name = "counts";
  queries[0].plan = CountPerWindow();
  queries[0].sink = std::make_unique<EpochFileSink>(directory + "/out");
  ARROW_ASSIGN_OR_RAISE(auto job, Job::Make(session, std::move(queries), std::move(options)));
  return job->Run();
}

TEST(JobChild, Run) {
  const char* spec = std::getenv("HEADRACE_JOB_TEST");
  if (spec == nullptr) GTEST_SKIP() << "runs only as a child of the tests below";
  const std::string text(spec);
  const size_t space = text.rfind(' ');
  const Status status = RunChild(text.substr(0, space), std::atoi(text.c_str() + space + 1));
  ASSERT_TRUE(status.ok()) << status;
}

pid_t Spawn(const std::string& directory, int lanes, const std::string& fault) {
  const std::string spec = fmt::format("HEADRACE_JOB_TEST={} {}", directory, lanes);
  const std::string armed = "HEADRACE_FAULT=" + fault;
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
  environment.push_back(const_cast<char*>(spec.c_str()));
  if (!fault.empty()) environment.push_back(const_cast<char*>(armed.c_str()));
  environment.push_back(nullptr);
  std::string program = "/proc/self/exe";
  std::string filter = "--gtest_filter=JobChild.Run";
  std::string brief = "--gtest_brief=1";
  char* arguments[] = {program.data(), filter.data(), brief.data(), nullptr};
  pid_t pid = 0;
  EXPECT_EQ(posix_spawn(&pid, program.c_str(), nullptr, nullptr, arguments, environment.data()), 0);
  return pid;
}

/// True when the child ended well, false when it was killed.
bool Wait(pid_t pid) {
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  if (WIFSIGNALED(status)) {
    EXPECT_EQ(WTERMSIG(status), SIGKILL);
    return false;
  }
  EXPECT_EQ(WEXITSTATUS(status), 0);
  return true;
}

class KilledJobTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/headrace-job-XXXXXX";
    directory_ = mkdtemp(pattern);
    std::filesystem::create_directories(directory_ + "/out");
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  /// Runs the job once more unless it has ended; true when it was killed.
  bool RunKilled(int lanes, const std::string& fault) {
    if (!ended_) ended_ = Wait(Spawn(directory_, lanes, fault));
    return !ended_;
  }
  void RunToEnd(int lanes) { EXPECT_FALSE(RunKilled(lanes, "")); }

  /// Every published line, each key and window at most once.
  Counts Published() {
    Counts counts;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ + "/out")) {
      if (entry.path().extension() == ".part") continue;
      std::ifstream file(entry.path());
      std::string key;
      int64_t start = 0;
      int64_t n = 0;
      while (file >> key >> start >> n) {
        EXPECT_TRUE(counts.emplace(std::pair{key, start}, n).second)
            << key << " " << start << " was published twice";
      }
    }
    return counts;
  }

  std::string directory_;
  bool ended_ = false;  // the next start would be a new job
};

TEST_F(KilledJobTest, WithoutAnyKillCountsEqualThePlainLoop) {
  RunToEnd(2);
  EXPECT_EQ(Published(), CountNaively());
}

TEST_F(KilledJobTest, KilledAtEveryKindOfPointAndRestoredWithOtherLanes) {
  int lanes = 1;
  int kills = 0;
  for (const char* point : {"job.prepared", "job.published", "checkpoint.commit",
                            "checkpoint.committed", "state_file.write", "atomic_file.rename"}) {
    for (int passage : {1, 3}) {
      kills += RunKilled(lanes, fmt::format("{}:{}:kill", point, passage)) ? 1 : 0;
      lanes = lanes % 4 + 1;
    }
  }
  EXPECT_GE(kills, 8) << "the job ended before most kills: make the stream longer";
  RunToEnd(3);
  EXPECT_EQ(Published(), CountNaively());
}

TEST_F(KilledJobTest, KilledAtRandomTimes) {
  const uint64_t seed = 20261121;
  Rng rng(seed);
  int kills = 0;
  for (int round = 0; round < 12; ++round) {
    const pid_t pid = Spawn(directory_, static_cast<int>(1 + rng.Below(4)), "");
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + rng.Below(150)));
    kill(pid, SIGKILL);
    ended_ = Wait(pid);
    if (ended_) break;
    ++kills;
  }
  EXPECT_GE(kills, 1);
  RunToEnd(2);
  EXPECT_EQ(Published(), CountNaively()) << "seed " << seed;
}

}  // namespace
}  // namespace headrace
