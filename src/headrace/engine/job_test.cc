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
#include <mutex>
#include <thread>

#include "arrow/api.h"
#include "headrace/base/fault.h"
#include "headrace/base/rng.h"
#include "headrace/connect/generator/generator.h"
#include "headrace/connect/memory/keyed_table.h"
#include "headrace/engine/session.h"
#include "headrace/exec/checkpoint/checkpoint.h"
#include "headrace/expression/bind.h"
#include "headrace/io/vfs.h"
#include "headrace/plan/builder.h"

extern char** environ;

namespace headrace {
namespace {

constexpr int64_t kRowsPerSplit = 300'000;
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

/// SELECT key, _window_start, _window_end, count(*) … WHERE now() > the epoch GROUP BY key over
/// tumbling windows of a second of the stream. It stays the same job, whenever it starts.
PlanPtr CountPerWindow() {
  PlanPtr scan = PlanScan(Stream(), EventTime{1, kJitterMicros}).ValueOrDie();
  const Scope scope(*scan->schema());
  auto key = Bind(*Unbound::Column({"key"}), scope, Dialect::kSql).ValueOrDie();
  auto count = Bind(*Unbound::Call("count", {Unbound::Star()}), scope, Dialect::kSql).ValueOrDie();
  const auto epoch = arrow::MakeScalar(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), int64_t{0});
  auto later =
      Bind(*Unbound::Call(">", {Unbound::Call("now", {}), Unbound::Literal(epoch.ValueOrDie())}),
           scope, Dialect::kSql)
          .ValueOrDie();
  scan = PlanFilter(std::move(scan), std::move(later)).ValueOrDie();
  StreamWindowSpec window;
  window.time = Bind(*Unbound::Column({"at"}), scope, Dialect::kSql).ValueOrDie();
  window.size_micros = kWindowMicros;
  return PlanWindowAggregate(scan, window, {{key, "key"}}, {{count, "n"}}).ValueOrDie();
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
    const auto& counts = static_cast<const arrow::Int64Array&>(*batch.column(3));
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
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const bool is_shard = std::string_view(*entry).starts_with("GTEST_");  // of this process
    if (!is_shard) environment.push_back(*entry);
  }
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
    if (!ended_) ended_ = Ended(Spawn(directory_, lanes, fault));
    return !ended_;
  }
  /// Waits for the process. It may be killed when its job has ended already: then rows are
  /// published and there is no checkpoint of them any more.
  bool Ended(pid_t pid) {
    if (Wait(pid)) return true;
    namespace fs = std::filesystem;
    const bool has_checkpoint = fs::exists(directory_ + "/state/MANIFEST");
    return !has_checkpoint && !Published().empty();
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

PlanPtr LatestTimes(int64_t rows, uint64_t seed = 0) {
  GeneratorSpec spec;
  spec.seed = seed;
  spec.columns = {
      {.name = "key", .kind = GeneratorColumn::Kind::kKey, .keys = 20},
      {.name = "at", .kind = GeneratorColumn::Kind::kEventTime, .step_micros = 1000},
  };
  spec.rows = rows;
  spec.unbounded = true;
  return PlanScan(MakeGenerator(spec).ValueOrDie()).ValueOrDie();
}

std::shared_ptr<KeyedTable> EmptyTable() {
  return KeyedTable::Make("latest", LatestTimes(1)->schema(), {0}).ValueOrDie();
}

/// Calls `write` with every batch.
class WritingSink final : public Sink {
 public:
  explicit WritingSink(std::function<Status(const arrow::RecordBatch&)> write)
      : write_(std::move(write)) {}
  std::string name() const override { return "test"; }
  Status Open(const SchemaPtr&, arrow::MemoryPool*) override { return Status::OK(); }
  Status Write(const arrow::RecordBatch& batch) override { return write_(batch); }
  Status Prepare(int64_t) override { return Status::OK(); }
  Status Commit(int64_t) override { return Status::OK(); }
  Status Abort() override { return Status::OK(); }

 private:
  const std::function<Status(const arrow::RecordBatch&)> write_;
};

/// Notes the calls: w for rows of an epoch, p, s, c, a with its number; and calls `sync`.
class NotingSink final : public Sink {
 public:
  using SyncCall = std::function<Status(int64_t)>;
  explicit NotingSink(SyncCall sync) : sync_(std::move(sync)) {}
  std::string name() const override { return "notes"; }
  Status Open(const SchemaPtr&, arrow::MemoryPool*) override { return Status::OK(); }
  Status Write(const arrow::RecordBatch&) override { return Note("w", epoch_); }
  Status Prepare(int64_t epoch) override {
    epoch_ = epoch + 1;
    return Note("p", epoch);
  }
  Status Sync(int64_t epoch) override {
    ARROW_RETURN_NOT_OK(sync_(epoch));
    return Note("s", epoch);
  }
  Status Commit(int64_t epoch) override { return Note("c", epoch); }
  Status Abort() override { return Note("a", 0); }

  /// "w1 p1 w2 s1 c1 …"; the same call once in a row.
  static std::string Text() {
    std::lock_guard lock(mutex);
    return notes;
  }
  static bool Has(const std::string& note) { return Text().find(note + " ") != std::string::npos; }

  static inline std::mutex mutex;
  static inline std::string notes;  // outlive the sink

 private:
  static Status Note(const char* call, int64_t epoch) {
    std::lock_guard lock(mutex);
    const std::string note = fmt::format("{}{} ", call, epoch);
    if (!notes.ends_with(note)) notes += note;
    return Status::OK();
  }
  const SyncCall sync_;
  int64_t epoch_ = 1;  // of what is written; of the thread of the job
};

JobQuery QueryCalled(std::string name, std::vector<std::string> waits_for = {}) {
  JobQuery query;
  query.name = std::move(name);
  query.plan = LatestTimes(1'000);
  query.sink = std::make_unique<WritingSink>([](const auto&) { return Status::OK(); });
  query.waits_for = std::move(waits_for);
  return query;
}

JobQuery QueryInto(const std::shared_ptr<KeyedTable>& table, int64_t rows) {
  JobQuery query = QueryCalled("latest");
  query.plan = LatestTimes(rows);
  query.table = table;
  query.sink = std::make_unique<WritingSink>(
      [table](const arrow::RecordBatch& batch) { return table->Upsert(batch); });
  return query;
}

std::map<std::string, int64_t> RowsOf(KeyedTable& table) {
  std::map<std::string, int64_t> rows;
  const ScanRequest request{.projection = {0, 1}};
  for (const Split& split : table.Splits(request).ValueOrDie()) {
    const auto reader = table.Open(split, request, ReadContext{}).ValueOrDie();
    while (true) {
      ReadResult result = reader->Next().ValueOrDie();
      const auto* batch = std::get_if<Batch>(&result);
      if (batch == nullptr) break;
      const auto& keys = static_cast<const arrow::StringArray&>(*batch->column(0));
      const auto& times = static_cast<const arrow::TimestampArray&>(*batch->column(1));
      for (int64_t row = 0; row < batch->num_rows(); ++row) {
        rows[keys.GetString(row)] = times.Value(row);
      }
    }
  }
  return rows;
}

class JobTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Settings settings;
    settings.threads = 2;
    settings.memory_limit = 256 << 20;
    settings.batch_rows = 100;
    session_ = Session::Make(settings).ValueOrDie();
    char pattern[] = "/tmp/headrace-job-XXXXXX";
    directory_ = mkdtemp(pattern);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  template <typename... Queries>
  Result<std::unique_ptr<Job>> Make(JobOptions options, Queries... queries) {
    std::vector<JobQuery> list;
    (list.push_back(std::move(queries)), ...);
    return Job::Make(session_, std::move(list), std::move(options));
  }

  /// Runs `query` until a checkpoint is made at which `is_enough`.
  Status RunUntil(JobQuery query, const std::function<bool()>& is_enough) {
    Job* running = nullptr;
    JobOptions options;
    options.checkpoint_directory = directory_;
    options.checkpoint_interval_micros = 1'000;
    options.on_commit = [&](int64_t) {
      if (is_enough()) running->Stop();
    };
    ARROW_ASSIGN_OR_RAISE(const auto job, Make(std::move(options), std::move(query)));
    running = job.get();
    return job->Run();
  }

  std::shared_ptr<Session> session_;
  std::string directory_;
};

TEST_F(JobTest, QueriesHaveNamesAndAnOrder) {
  const auto message = [&](auto... queries) {
    return Make({}, std::move(queries)...).status().message();
  };
  EXPECT_EQ(message(QueryCalled("a"), QueryCalled("a")), "two queries of the job are called \"a\"");
  EXPECT_EQ(message(QueryCalled("a", {"b"})), "\"a\" waits for \"b\", which no query loads");
  EXPECT_EQ(message(QueryCalled("a", {"b"}), QueryCalled("b", {"a"})),
            "\"a\" waits for itself through the tables it reads");
}

TEST_F(JobTest, AQueryStartsWhenItsTableIsLoaded) {
  const auto table = EmptyTable();
  JobQuery late = QueryCalled("late", {"latest"});
  int64_t seen = -1;
  late.sink = std::make_unique<WritingSink>([&](const auto&) {
    if (seen < 0) seen = std::get<1>(*RowsOf(*table).rbegin());
    return Status::OK();
  });
  const auto job = Make({}, std::move(late), QueryInto(table, 50'000)).ValueOrDie();
  ASSERT_TRUE(job->Run().ok());
  EXPECT_EQ(seen, std::get<1>(*RowsOf(*table).rbegin()));
  EXPECT_EQ(job->status().queries[1].rows_out, 50'000);
}

TEST_F(JobTest, ATableIsRestoredFromTheCheckpoint) {
  constexpr int64_t kRows = 1'000'000;
  const auto whole = EmptyTable();
  ASSERT_TRUE(Make({}, QueryInto(whole, kRows)).ValueOrDie()->Run().ok());
  const auto first = EmptyTable();
  ASSERT_TRUE(RunUntil(QueryInto(first, kRows), [&] { return first->num_rows() > 0; }).ok());
  ASSERT_TRUE(std::filesystem::exists(directory_ + "/MANIFEST"));
  const auto second = EmptyTable();
  int64_t rows = 0;
  JobQuery rest = QueryInto(second, kRows);
  rest.sink = std::make_unique<WritingSink>([&](const arrow::RecordBatch& batch) {
    rows += batch.num_rows();
    return second->Upsert(batch);
  });
  ASSERT_TRUE(RunUntil(std::move(rest), [] { return false; }).ok());
  EXPECT_EQ(RowsOf(*second), RowsOf(*whole));
  EXPECT_LT(rows, kRows);
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/MANIFEST")) << "the job has ended";
}

TEST_F(JobTest, ATableThatDoesNotChangeIsSavedOnceAndRestored) {
  constexpr int64_t kRows = 1'000'000'000;  // more than it reads until it is stopped
  const auto table = EmptyTable();
  Job* running = nullptr;
  int commits_behind_load = 0;
  int64_t rest = 0;  // read by the second run
  bool is_second = false;
  const auto options = [&] {
    JobOptions made;
    made.checkpoint_directory = directory_;
    made.checkpoint_interval_micros = 1'000;
    made.on_commit = [&](int64_t) {
      if (running->status().queries[0].state != JobQueryStatus::State::kEnded) return;
      if (++commits_behind_load >= 3 && (!is_second || rest > 0)) running->Stop();
    };
    return made;
  };
  JobQuery stream = QueryCalled("stream", {"latest"});
  stream.plan = LatestTimes(kRows);
  const auto job = Make(options(), QueryInto(table, 5'000), std::move(stream)).ValueOrDie();
  running = job.get();
  ASSERT_TRUE(job->Run().ok());
  ASSERT_EQ(commits_behind_load, 4) << "with that of the stop";
  int folders = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    folders += entry.is_directory() ? 1 : 0;
  }
  EXPECT_EQ(folders, 1) << "the epoch that saved the table";
  const std::string last = fmt::format("{}/epoch-{}", directory_, job->status().epoch);
  EXPECT_FALSE(std::filesystem::exists(last)) << "nothing was written in the last one";
  const auto restored = EmptyTable();
  JobQuery again = QueryCalled("stream", {"latest"});
  again.plan = LatestTimes(kRows);
  again.sink = std::make_unique<WritingSink>([&](const arrow::RecordBatch& batch) {
    rest += batch.num_rows();
    return Status::OK();
  });
  is_second = true;
  const auto second = Make(options(), QueryInto(restored, 5'000), std::move(again)).ValueOrDie();
  running = second.get();
  ASSERT_TRUE(second->Run().ok());
  EXPECT_EQ(RowsOf(*restored), RowsOf(*table));
  EXPECT_GT(rest, 0);
  EXPECT_LT(rest, kRows);
}

TEST_F(JobTest, StateIsKeptWhileATableIsBuiltAnew) {
  constexpr int64_t kRows = 1'000'000;  // more than queues hold
  int64_t rows = 0;                     // that the reader wrote, in all runs
  const auto run = [&](PlanPtr table_plan, const std::function<bool(const JobStatus&)>& is_enough) {
    JobQuery table = QueryInto(EmptyTable(), 1);
    table.plan = std::move(table_plan);
    JobQuery reader = QueryCalled("reader", {"latest"});
    reader.plan = LatestTimes(kRows);
    reader.sink = std::make_unique<WritingSink>([&](const arrow::RecordBatch& batch) {
      rows += batch.num_rows();
      return Status::OK();
    });
    Job* running = nullptr;
    JobOptions options;
    options.checkpoint_directory = directory_;
    options.checkpoint_interval_micros = 1'000;
    options.state.allow_rebuild = true;
    options.poll = [&](const JobStatus& status) {
      if (is_enough(status)) running->Stop();
      return Status::OK();
    };
    options.on_commit = [&](int64_t) {
      if (is_enough(running->status())) running->Stop();
    };
    const auto job = Make(std::move(options), std::move(reader), std::move(table)).ValueOrDie();
    running = job.get();
    const Status status = job->Run();
    EXPECT_TRUE(status.ok()) << status;
    return job->status();
  };
  const auto saved = [&] { return CheckpointReader::Look(LocalVfs(), directory_).ValueOrDie(); };

  run(LatestTimes(1'000), [&](const JobStatus&) { return rows > 0; });
  ASSERT_NE(saved(), nullptr) << "the job ended before it was stopped: make it longer";
  ASSERT_LT(rows, kRows);
  const int64_t epoch = saved()->epoch();
  const int64_t rows_before = rows;
  const JobStatus stopped = run(LatestTimes(100'000'000, 9), [](const JobStatus& status) {
    return status.queries[1].rows_read > 0;
  });
  EXPECT_EQ(stopped.state, JobStatus::State::kStopped);
  EXPECT_EQ(stopped.queries[0].state, JobQueryStatus::State::kWaiting);
  EXPECT_EQ(rows, rows_before);
  EXPECT_EQ(saved()->epoch(), epoch) << "a checkpoint without the state of the reader";
  const JobStatus ended = run(LatestTimes(300'000, 9), [](const JobStatus&) { return false; });
  EXPECT_EQ(ended.state, JobStatus::State::kEnded);
  EXPECT_EQ(rows, kRows);
}

/// Runs a job of many rows into a NotingSink; `note` stops it at the next commit once it was made.
class BesideJobTest : public JobTest {
 protected:
  void SetUp() override {
    JobTest::SetUp();
    NotingSink::notes.clear();
  }
  Status RunUntilNote(const std::string& note, NotingSink::SyncCall sync) {
    JobQuery query = QueryCalled("q");
    query.plan = LatestTimes(100'000'000);
    query.sink = std::make_unique<NotingSink>(std::move(sync));
    return RunUntil(std::move(query), [=] { return NotingSink::Has(note); });
  }
};

TEST_F(BesideJobTest, RowsGoOnWhileTheDiskIsWaitedFor) {
  // Without an end if the job waited for the disk.
  const Status status = RunUntilNote("c1", [](int64_t epoch) -> Status {
    for (int waited = 0; epoch == 1 && !NotingSink::Has("w2"); ++waited) {
      if (waited == 60'000) return Error(ErrorKind::kInternal, "no row came for a minute");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return Status::OK();
  });
  ASSERT_TRUE(status.ok()) << status;
  const std::string notes = NotingSink::Text();
  EXPECT_TRUE(notes.starts_with("w1 p1 w2 s1 ") || notes.starts_with("p1 w2 s1 ")) << notes;
  const auto saved = CheckpointReader::Look(LocalVfs(), directory_).ValueOrDie();
  EXPECT_TRUE(notes.ends_with(fmt::format("s{0} c{0} ", saved->epoch()))) << notes;
  for (int64_t epoch = 1; epoch < saved->epoch(); ++epoch) {
    const size_t committed = notes.find(fmt::format("c{} ", epoch));
    ASSERT_NE(committed, std::string::npos);
    EXPECT_LT(committed, notes.find(fmt::format("p{} ", epoch + 1))) << "one epoch after the other";
  }
}

TEST_F(BesideJobTest, AStepwiseSessionWritesBeforeItCommits) {
  Settings settings;
  settings.deterministic = true;
  settings.seed = 5;
  settings.batch_rows = 100;
  session_ = Session::Make(settings).ValueOrDie();
  const auto thread = std::this_thread::get_id();
  const Status status = RunUntilNote("c30", [&](int64_t) {
    EXPECT_EQ(std::this_thread::get_id(), thread);
    return Status::OK();
  });
  ASSERT_TRUE(status.ok()) << status;
  bool any_beside = false;
  for (int64_t epoch = 1; NotingSink::Has(fmt::format("c{}", epoch)); ++epoch) {
    any_beside |= NotingSink::Has(fmt::format("p{0} w{1} s{0} c{0}", epoch, epoch + 1));
  }
  EXPECT_TRUE(any_beside) << NotingSink::Text();
}

TEST_F(BesideJobTest, ADiskThatFailsEndsTheJobAndTheEpochBeforeStands) {
  const Status status = RunUntilNote("c9", [](int64_t epoch) -> Status {
    if (epoch < 3) return Status::OK();
    return Error(ErrorKind::kIo, "no space left on device");
  });
  EXPECT_EQ(KindOf(status), ErrorKind::kIo);
  EXPECT_EQ(status.message(), "no space left on device");
  EXPECT_TRUE(NotingSink::Text().ends_with("a0 ")) << NotingSink::Text();
  EXPECT_FALSE(NotingSink::Has("c3"));
  EXPECT_EQ(CheckpointReader::Look(LocalVfs(), directory_).ValueOrDie()->epoch(), 2);
  NotingSink::notes.clear();
  ASSERT_TRUE(RunUntilNote("c3", [](int64_t) { return Status::OK(); }).ok());
  EXPECT_TRUE(NotingSink::Text().starts_with("c2 ")) << "the sinks are told where it goes on";
}

TEST_F(JobTest, AnotherQueryOfTheNameIsRefused) {
  JobQuery query = QueryCalled("q");
  query.plan = LatestTimes(1'000'000);
  ASSERT_TRUE(RunUntil(std::move(query), [] { return true; }).ok());
  ASSERT_TRUE(std::filesystem::exists(directory_ + "/MANIFEST"));
  JobQuery other = QueryCalled("q");
  other.plan = PlanLimit(other.plan, 5, 0).ValueOrDie();
  const Status refused = RunUntil(std::move(other), [] { return true; });
  EXPECT_EQ(KindOf(refused), ErrorKind::kStale) << refused;
}

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
    std::this_thread::sleep_for(std::chrono::milliseconds(10 + rng.Below(70)));
    kill(pid, SIGKILL);
    ended_ = Ended(pid);
    if (ended_) break;
    ++kills;
  }
  EXPECT_GE(kills, 1);
  RunToEnd(2);
  EXPECT_EQ(Published(), CountNaively()) << "seed " << seed;
}

}  // namespace
}  // namespace headrace
