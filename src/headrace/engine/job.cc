// The loop of a job: items of every query to its sink, and a quiesce of all whenever the interval
// is over. One thread takes and writes; the queries run on the lanes of the session.
#include "headrace/engine/job.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/fault.h"
#include "headrace/base/hash.h"
#include "headrace/engine/computed_source.h"
#include "headrace/engine/query_run.h"
#include "headrace/exec/executor.h"
#include "headrace/plan/builder.h"

namespace headrace {
namespace {

constexpr int64_t kPollMicros = 50'000;
constexpr int kItemsOfShare = 16;
constexpr const char* kTablePart = "table";

int64_t Now() { return SystemClock().MonotonicMicros(); }

}  // namespace

/// A query while the job runs.
struct Job::Running {
  JobQuery query;
  uint64_t plan_hash = 0;
  const QueryCheckpoint* restore = nullptr;
  std::unique_ptr<QueryRun> run;
  bool started = false;
  bool loaded = false;
  bool ended = false;
  int64_t rows_out = 0;

  bool active() const { return started && !ended; }

  JobQueryStatus status() const {
    using State = JobQueryStatus::State;
    JobQueryStatus status;
    status.name = query.name;
    status.state = ended      ? State::kEnded
                   : !started ? State::kWaiting
                   : loaded   ? State::kLoaded
                              : State::kRunning;
    const QueryMetrics metrics = run->metrics();
    status.rows_read = metrics.rows_scanned;
    status.rows_out = rows_out;
    status.late_rows = metrics.late_rows;
    status.rejected_rows = metrics.rejected_rows;
    return status;
  }
};

Job::Job(std::shared_ptr<Session> session, JobOptions options)
    : session_(std::move(session)), options_(std::move(options)) {}

Job::~Job() = default;

Result<std::unique_ptr<Job>> Job::Make(std::shared_ptr<Session> session,
                                       std::vector<JobQuery> queries, JobOptions options) {
  std::unique_ptr<Job> job(new Job(std::move(session), std::move(options)));
  for (JobQuery& query : queries) {
    job->queries_.push_back(std::make_unique<Running>());
    job->queries_.back()->query = std::move(query);
  }
  ARROW_RETURN_NOT_OK(job->Check());
  return job;
}

/// Names are unique, and queries can be put in an order in which none waits for a later one.
Status Job::Check() const {
  std::set<std::string> names;
  for (const auto& running : queries_) {
    if (names.insert(running->query.name).second) continue;
    return Error(ErrorKind::kInvalidArgument, "two queries of the job are called \"{}\"",
                 running->query.name);
  }
  std::set<std::string> ordered;
  for (bool more = true; more;) {
    more = false;
    for (const auto& running : queries_) {
      const auto& before = running->query.waits_for;
      const bool is_next = std::all_of(before.begin(), before.end(), [&](const std::string& name) {
        return ordered.count(name) > 0;
      });
      if (is_next) more |= ordered.insert(running->query.name).second;
    }
  }
  for (const auto& running : queries_) {
    if (ordered.count(running->query.name) > 0) continue;
    for (const std::string& name : running->query.waits_for) {
      if (names.count(name) > 0) continue;
      return Error(ErrorKind::kInvalidArgument, "\"{}\" waits for \"{}\", which no query loads",
                   running->query.name, name);
    }
  }
  for (const auto& running : queries_) {
    if (ordered.count(running->query.name) > 0) continue;
    return Error(ErrorKind::kInvalidArgument, "\"{}\" waits for itself through the tables it reads",
                 running->query.name);
  }
  return Status::OK();
}

Status Job::Run() {
  Status status = Start();
  if (status.ok()) status = Loop();
  if (status.ok() && all_ended() && !options_.checkpoint_directory.empty()) {
    status = RemoveCheckpoint(session_->vfs(), options_.checkpoint_directory);
  }
  for (const auto& running : queries_) {
    if (running->run != nullptr) running->run->Close();
    if (!status.ok()) (void)running->query.sink->Abort();  // the first failure is to be told
  }
  return status;
}

void Job::Stop() {
  stop_ = true;
  Notify();
}

JobStatus Job::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

/// Everything is opened before the first row is read, so that what cannot be written fails at once.
Status Job::Start() {
  ARROW_RETURN_NOT_OK(Restore());
  for (const auto& running : queries_) {
    JobQuery& query = running->query;
    ARROW_ASSIGN_OR_RAISE(const PlanPtr optimized, session_->ByRules(query.plan));
    running->plan_hash = HashBytes(Explain(*optimized));  // the same at every start of the job
    if (restored_ != nullptr) running->restore = restored_->Find(query.name);
    if (running->restore != nullptr && running->restore->plan_hash() != running->plan_hash) {
      return Error(ErrorKind::kStale, "{} holds the state of another query called \"{}\"",
                   options_.checkpoint_directory, query.name);
    }
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, WithTimeOfQuery(optimized, session_->clock().WallMicros()));
    ARROW_ASSIGN_OR_RAISE(running->run,
                          QueryRun::Make(session_, std::move(plan), running->restore));
    running->run->set_on_notify([this] { Notify(); });
    ARROW_RETURN_NOT_OK(query.sink->Open(running->run->schema(), session_->pool()));
    if (running->restore == nullptr) continue;
    ARROW_RETURN_NOT_OK(query.sink->Commit(epoch_));
    ARROW_RETURN_NOT_OK(RestoreTable(*running));
    running->ended = running->restore->ended();
    running->started = running->ended;
    running->loaded = running->ended;
  }
  return Status::OK();
}

Status Job::Restore() {
  const std::string& directory = options_.checkpoint_directory;
  if (directory.empty()) return Status::OK();
  ARROW_RETURN_NOT_OK(session_->vfs().MakeDirectories(directory));
  ARROW_ASSIGN_OR_RAISE(restored_, CheckpointReader::OpenLatest(session_->vfs(), directory));
  if (restored_ != nullptr) epoch_ = restored_->epoch();
  return Status::OK();
}

Status Job::RestoreTable(Running& running) {
  if (running.query.table == nullptr) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const auto rows, running.restore->OpenPart(kTablePart, session_->pool()));
  for (const StateSection& section : rows->sections()) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, rows->Read(section));
    ARROW_RETURN_NOT_OK(running.query.sink->Write(*batch));
  }
  return Status::OK();
}

bool Job::all_ended() const {
  return std::all_of(queries_.begin(), queries_.end(),
                     [](const auto& running) { return running->ended; });
}

Status Job::Loop() {
  next_checkpoint_micros_ = Now() + options_.checkpoint_interval_micros;
  while (true) {
    ARROW_RETURN_NOT_OK(StartReady());
    bool progressed = false;
    for (const auto& running : queries_) {
      if (!running->active()) continue;
      ARROW_ASSIGN_OR_RAISE(const bool took, TakeSome(*running));
      progressed |= took;
    }
    ARROW_RETURN_NOT_OK(Poll());
    if (all_ended()) return CommitEpoch();
    const bool is_due = !options_.checkpoint_directory.empty() && Now() >= next_checkpoint_micros_;
    if (stop_ || is_due) {
      ARROW_RETURN_NOT_OK(Quiesce());
      ARROW_RETURN_NOT_OK(CommitEpoch());
      if (stop_ || all_ended()) return Status::OK();
      for (const auto& running : queries_) {
        if (running->active()) running->run->Pause(false);
      }
      next_checkpoint_micros_ = Now() + options_.checkpoint_interval_micros;
    } else if (!progressed) {
      Wait();
    }
  }
}

bool Job::IsLoaded(const std::string& name) const {
  for (const auto& running : queries_) {
    if (running->query.name == name) return running->loaded;
  }
  return false;
}

Status Job::StartReady() {
  for (const auto& running : queries_) {
    const auto& before = running->query.waits_for;
    const bool waits = std::any_of(before.begin(), before.end(),
                                   [&](const std::string& name) { return !IsLoaded(name); });
    if (running->started || waits) continue;
    ARROW_RETURN_NOT_OK(running->run->Start());
    running->started = true;
  }
  return Status::OK();
}

Result<bool> Job::TakeSome(Running& running) {
  for (int taken = 0; taken < kItemsOfShare; ++taken) {
    ARROW_ASSIGN_OR_RAISE(Channel::Item item, running.run->TryNext());
    if (std::holds_alternative<Pending>(item)) {
      const bool was_loaded = running.loaded;
      running.loaded |= running.run->query().caught_up() && running.run->query().quiescent();
      return taken > 0 || running.loaded != was_loaded;
    }
    if (std::holds_alternative<EndOfSplit>(item)) {
      running.ended = true;
      running.loaded = true;
      return true;
    }
    if (auto* batch = std::get_if<Batch>(&item)) ARROW_RETURN_NOT_OK(Take(running, *batch));
  }
  return true;
}

Status Job::Take(Running& running, Batch batch) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, running.run->Restore(batch));
  ARROW_RETURN_NOT_OK(running.query.sink->Write(*rows));
  running.rows_out += rows->num_rows();
  return Status::OK();
}

/// Stops the sources of all queries and writes everything that is in flight.
Status Job::Quiesce() {
  for (const auto& running : queries_) {
    if (running->active()) running->run->Pause(true);
  }
  while (true) {
    bool progressed = false;
    bool is_quiet = true;
    for (const auto& running : queries_) {
      if (!running->active()) continue;
      ARROW_ASSIGN_OR_RAISE(const bool took, TakeSome(*running));
      progressed |= took;
      is_quiet &= !running->active() || running->run->query().quiescent();
    }
    if (is_quiet && !progressed) return Status::OK();
    ARROW_RETURN_NOT_OK(Poll());
    if (!progressed) Wait();
  }
}

Status Job::CommitEpoch() {
  ++epoch_;
  std::unique_ptr<CheckpointWriter> writer;
  if (!options_.checkpoint_directory.empty()) {
    ARROW_ASSIGN_OR_RAISE(
        writer, CheckpointWriter::Make(session_->vfs(), options_.checkpoint_directory, epoch_,
                                       session_->pool()));
    ARROW_RETURN_NOT_OK(Save(*writer));
  }
  for (const auto& running : queries_) ARROW_RETURN_NOT_OK(running->query.sink->Prepare(epoch_));
  HEADRACE_FAULT_POINT("job.prepared");
  if (writer != nullptr) ARROW_RETURN_NOT_OK(writer->Commit());
  HEADRACE_FAULT_POINT("job.published");
  for (const auto& running : queries_) ARROW_RETURN_NOT_OK(running->query.sink->Commit(epoch_));
  Publish();
  if (options_.on_commit) options_.on_commit(epoch_);
  return Status::OK();
}

/// A query that has not started is left out: it will start from the beginning.
Status Job::Save(CheckpointWriter& writer) {
  for (const auto& running : queries_) {
    if (!running->started) continue;
    writer.BeginQuery(running->query.name, running->plan_hash, running->ended);
    if (!running->ended) ARROW_RETURN_NOT_OK(running->run->query().Save(writer));
    ARROW_RETURN_NOT_OK(SaveTable(*running, writer));
  }
  return Status::OK();
}

Status Job::SaveTable(Running& running, CheckpointWriter& writer) {
  if (running.query.table == nullptr) return Status::OK();
  Source& table = *running.query.table;
  ARROW_ASSIGN_OR_RAISE(StateWriter * part, writer.BeginPart(kTablePart));
  ScanRequest request;
  for (int i = 0; i < table.schema()->num_fields(); ++i) request.projection.push_back(i);
  ReadContext context;
  context.pool = session_->pool();
  ARROW_ASSIGN_OR_RAISE(const std::vector<Split> splits, table.Splits(request));
  for (const Split& split : splits) {
    ARROW_ASSIGN_OR_RAISE(const auto reader, table.Open(split, request, context));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(ReadResult result, reader->Next());
      const auto* batch = std::get_if<Batch>(&result);
      if (batch == nullptr) break;
      ARROW_RETURN_NOT_OK(part->Write(0, *batch->ToRecordBatch(table.schema())));
    }
  }
  return writer.EndPart();
}

Status Job::Poll() {
  const int64_t now = Now();
  if (now - polled_micros_ < kPollMicros) return Status::OK();
  polled_micros_ = now;
  Publish();
  return options_.poll ? options_.poll(status()) : Status::OK();
}

void Job::Publish() {
  JobStatus status;
  status.epoch = epoch_;
  for (const auto& running : queries_) status.queries.push_back(running->status());
  std::lock_guard lock(mutex_);
  status_ = std::move(status);
}

/// Until there may be something to take, or a checkpoint or poll is due.
void Job::Wait() {
  for (const auto& running : queries_) {
    if (running->active() && running->run->Step()) return;
  }
  int64_t micros = kPollMicros;
  if (!options_.checkpoint_directory.empty()) {
    micros = std::clamp<int64_t>(next_checkpoint_micros_ - Now(), 0, micros);
  }
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::microseconds(micros), [this] { return notified_; });
  notified_ = false;
}

void Job::Notify() {
  std::lock_guard lock(mutex_);
  notified_ = true;
  changed_.notify_all();
}

}  // namespace headrace
