// The loop of a job: items of every query to its sink, and a quiesce of all whenever the interval
// is over. One thread takes and writes, one commits the last epoch beside it; the queries run on
// the lanes of the session.
#include "headrace/engine/job.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "arrow/record_batch.h"
#include "headrace/base/fault.h"
#include "headrace/base/hash.h"
#include "headrace/engine/computed_source.h"
#include "headrace/engine/query_run.h"
#include "headrace/engine/rows_aside.h"
#include "headrace/engine/running_query.h"
#include "headrace/exec/executor.h"
#include "headrace/plan/builder.h"

namespace headrace {
namespace {

// How long a quiesce waits before it looks again: lanes do not tell that they have nothing left.
constexpr int64_t kQuiesceMicros = 1'000;
constexpr int kItemsOfShare = 16;
// Of the loop, at most, until a session without threads commits.
constexpr uint64_t kCommitRounds = 16;

int64_t Now() { return SystemClock().MonotonicMicros(); }

}  // namespace

Job::Job(std::shared_ptr<Session> session, JobOptions options, size_t num_queries)
    : session_(std::move(session)),
      options_(std::move(options)),
      written_letters_(num_queries),
      rng_(session_->settings().seed) {
  status_.name = options_.name;
}

Job::~Job() { session_->RemoveJob(this); }

Result<std::unique_ptr<Job>> Job::Make(std::shared_ptr<Session> session,
                                       std::vector<JobQuery> queries, JobOptions options) {
  std::unique_ptr<Job> job(new Job(std::move(session), std::move(options), queries.size()));
  for (JobQuery& query : queries) {
    job->queries_.push_back(std::make_unique<RunningQuery>(std::move(query)));
    const auto& results = job->queries_.back()->query.results;
    if (results != nullptr) results->set_on_room([made = job.get()] { made->Notify(); });
  }
  ARROW_RETURN_NOT_OK(job->Check());
  job->Publish();
  job->session_->AddJob(job.get());
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
  const Status status = RunToEnd();
  commit_ = {};  // what has begun ends before the sinks are aborted
  for (const auto& running : queries_) {
    if (running->run != nullptr) running->run->Close();
  }
  // The first failure is the one to be told.
  if (!status.ok()) (void)ForEachSink([](Sink& sink) { return (void)sink.Abort(), Status::OK(); });
  for (const auto& running : queries_) {
    if (running->query.results != nullptr) running->query.results->End(status);
  }
  lock_.reset();
  PublishEnd(status);
  return status;
}

Status Job::RunToEnd() {
  ARROW_RETURN_NOT_OK(Start());
  ARROW_RETURN_NOT_OK(Loop());
  if (!all_ended() || !keeps_checkpoints()) return Status::OK();
  return RemoveCheckpoint(session_->vfs(), options_.checkpoint_directory);
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
  started_micros_ = committed_micros_ = Now();
  for (const auto& running : queries_) {
    ARROW_ASSIGN_OR_RAISE(running->query.plan, session_->ByRules(running->query.plan));
    // The same at every start of the job.
    running->plan_hash = HashBytes(Explain(*running->query.plan));
  }
  ARROW_RETURN_NOT_OK(Restore());
  if (takes_dead_letters()) {
    ARROW_RETURN_NOT_OK(options_.dead_letters->Open(DeadLetterSchema(), session_->pool()));
    if (restored_ != nullptr) ARROW_RETURN_NOT_OK(options_.dead_letters->Commit(epoch_));
  }
  return StartQueries();
}

Status Job::StartQueries() {
  for (const auto& running : queries_) {
    JobQuery& query = running->query;
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan,
                          WithTimeOfQuery(query.plan, session_->clock().WallMicros()));
    ARROW_ASSIGN_OR_RAISE(running->run,
                          QueryRun::Make(session_, std::move(plan), running->restore));
    running->run->set_on_notify([this] { Notify(); });
    if (takes_dead_letters()) {
      auto box = running->dead_letters = std::make_shared<DeadLetters>();
      running->run->set_dead_letters(
          box, std::make_unique<RowsToDeadLetters>(box, query.name, session_->pool()));
    }
    ARROW_RETURN_NOT_OK(query.sink->Open(running->run->schema(), session_->pool()));
    if (running->restore == nullptr) continue;
    ARROW_RETURN_NOT_OK(query.sink->Commit(epoch_));
    if (query.table != nullptr) {
      ARROW_RETURN_NOT_OK(
          running->saved_table.Restore(*running->restore, *query.table, session_->pool()));
    }
    running->ended = running->restore->ended();
    running->started = running->ended;
    if (!running->ended) continue;
    running->SetLoaded(Now());
    if (query.results != nullptr) query.results->End(Status::OK());
  }
  return Status::OK();
}

Status Job::Restore() {
  const std::string& directory = options_.checkpoint_directory;
  if (directory.empty()) return Status::OK();
  ARROW_RETURN_NOT_OK(session_->vfs().MakeDirectories(directory));
  if (session_->vfs().is_local()) {
    ARROW_ASSIGN_OR_RAISE(lock_, DirectoryLock::Take(directory));
  }
  ARROW_ASSIGN_OR_RAISE(restored_, CheckpointReader::OpenLatest(session_->vfs(), directory));
  if (restored_ == nullptr) {
    if (options_.state.drop.empty()) return Status::OK();
    return Error(ErrorKind::kUnknownName, "{} holds no state, so none of \"{}\" either", directory,
                 *options_.state.drop.begin());
  }
  std::map<std::string, uint64_t> plans;
  for (const auto& running : queries_) plans[running->query.name] = running->plan_hash;
  ARROW_ASSIGN_OR_RAISE(kept_, DecideState(*restored_, directory, plans, options_.state));
  for (const std::string& name : kept_.kept) Find(name)->restore = restored_->Find(name);
  ARROW_RETURN_NOT_OK(RestoreWrittenLetters());
  epoch_ = committed_epoch_ = restored_->epoch();
  if (options_.on_restore) options_.on_restore(kept_);
  return Status::OK();
}

Status Job::RestoreWrittenLetters() {
  if (!takes_dead_letters()) return Status::OK();
  std::set<std::string> given_up;
  for (const std::string& name : restored_->QueryNames()) given_up.insert(name);
  for (size_t i = 0; i < queries_.size(); ++i) {
    if (queries_[i]->restore == nullptr) continue;
    given_up.erase(queries_[i]->query.name);
    ARROW_RETURN_NOT_OK(written_letters_.Restore(i, *queries_[i]->restore, session_->pool()));
  }
  for (const std::string& name : given_up) {
    ARROW_RETURN_NOT_OK(written_letters_.RestoreGivenUp(*restored_->Find(name), session_->pool()));
  }
  return Status::OK();
}

bool Job::all_ended() const {
  return std::all_of(queries_.begin(), queries_.end(),
                     [](const auto& running) { return running->ended; });
}

bool Job::all_restored_started() const {
  return std::all_of(queries_.begin(), queries_.end(), [](const auto& running) {
    return running->started || running->restore == nullptr;
  });
}

Status Job::Loop() {
  next_commit_micros_ = Now() + options_.checkpoint_interval_micros;
  while (true) {
    ARROW_RETURN_NOT_OK(StartReady());
    ARROW_ASSIGN_OR_RAISE(const bool progressed, TakeSomeOfAll());
    ARROW_RETURN_NOT_OK(WriteDeadLetters());
    ARROW_RETURN_NOT_OK(Poll());
    ARROW_RETURN_NOT_OK(EndEpoch(/*waits=*/false));
    if (all_ended()) {
      ARROW_RETURN_NOT_OK(BeginEpoch());
      return EndEpoch(/*waits=*/true);
    }
    const bool is_due = Now() >= next_commit_micros_ && !commit_.valid();
    if (stop_ || is_due) {
      ARROW_RETURN_NOT_OK(CommitInOrder());
      if (stopped_ || all_ended()) return EndEpoch(/*waits=*/true);
      next_commit_micros_ = Now() + options_.checkpoint_interval_micros;
    } else if (!progressed) {
      Wait(MicrosUntilDue());
    }
  }
}

/// One epoch, and all go on unless the job is to stop.
Status Job::CommitInOrder() {
  const bool drains = keeps_checkpoints() || stop_;
  if (!all_restored_started()) {
    // What they were saved with stands in the last checkpoint only: the job goes on there.
    stopped_ = stop_;
    return stopped_ ? ForEachSink([](Sink& sink) { return sink.Abort(); }) : Status::OK();
  }
  if (drains) ARROW_RETURN_NOT_OK(Quiesce());
  ARROW_RETURN_NOT_OK(BeginEpoch());
  stopped_ = drains && stop_;
  if (stopped_) return Status::OK();
  for (const auto& running : queries_) {
    if (!running->active()) continue;
    running->paused = !running->has_room();
    if (!running->paused) running->run->Pause(false);
  }
  return Status::OK();
}

RunningQuery* Job::Find(const std::string& name) const {
  for (const auto& running : queries_) {
    if (running->query.name == name) return running.get();
  }
  return nullptr;
}

Status Job::NotReadyInTime(const RunningQuery& table, const RunningQuery& reader) const {
  const JobQueryStatus status = table.status(Now());
  return Error(
      ErrorKind::kIo,
      "table {} is not ready, and {} waits for it: after {} s{} it has read {} rows; "
      "table.wait.timeout and on_not_ready say how long to wait and what then",
      table.query.name, reader.query.name, (Now() - table.wait.begun_micros()) / 1'000'000,
      table.wait.retries() == 0 ? "" : fmt::format(" and {} retries", table.wait.retries()),
      status.rows_read);
}

Result<bool> Job::MayStart(const RunningQuery& running) {
  bool may = true;
  for (const std::string& name : running.query.waits_for) {
    RunningQuery& table = *Find(name);
    if (table.loaded) continue;
    const TableWait::Answer answer = table.wait.At(Now());
    if (answer == TableWait::Answer::kFail) return NotReadyInTime(table, running);
    may &= answer == TableWait::Answer::kGoOn;
  }
  return may;
}

Status Job::StartReady() {
  for (const auto& running : queries_) {
    if (running->started) continue;
    ARROW_ASSIGN_OR_RAISE(const bool may_start, MayStart(*running));
    if (!may_start) continue;
    ARROW_RETURN_NOT_OK(running->run->Start());
    running->started = true;
    running->wait.Begin(Now());
  }
  return Status::OK();
}

Result<bool> Job::TakeSomeOfAll() {
  bool progressed = false;
  for (const auto& running : queries_) {
    ARROW_RETURN_NOT_OK(running->ExpireWhenDue(Now()));
    if (!running->active() || !running->has_room()) continue;
    if (std::exchange(running->paused, false)) running->run->Pause(false);
    ARROW_ASSIGN_OR_RAISE(const bool took, TakeSome(*running));
    progressed |= took;
  }
  return progressed;
}

Result<bool> Job::TakeSome(RunningQuery& running) {
  for (int taken = 0; taken < kItemsOfShare; ++taken) {
    HEADRACE_FAULT_POINT("job.step");
    ARROW_ASSIGN_OR_RAISE(Channel::Item item, running.run->TryNext());
    if (std::holds_alternative<Pending>(item)) {
      // What has an end is loaded then. Asked only until it is so: quiescent() stops all lanes.
      const Query& query = running.run->query();
      const bool is_endless =
          running.query.plan->properties().boundedness == Boundedness::kUnbounded;
      const bool loads = !running.loaded && is_endless && query.caught_up() && query.quiescent();
      if (loads) running.SetLoaded(Now());
      return taken > 0 || loads;
    }
    if (std::holds_alternative<EndOfSplit>(item)) {
      running.ended = true;
      running.SetLoaded(Now());
      if (running.query.results != nullptr) running.query.results->End(Status::OK());
      return true;
    }
    if (auto* batch = std::get_if<Batch>(&item)) ARROW_RETURN_NOT_OK(Take(running, *batch));
  }
  return true;
}

Status Job::Take(RunningQuery& running, Batch batch) {
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
    ARROW_RETURN_NOT_OK(WriteDeadLetters());  // readers may wait for room
    if (is_quiet && !progressed) return Status::OK();
    ARROW_RETURN_NOT_OK(Poll());
    if (!progressed) Wait(kQuiesceMicros);
  }
}

Status Job::BeginEpoch() {
  ARROW_RETURN_NOT_OK(EndEpoch(/*waits=*/true));
  ++epoch_;
  std::shared_ptr<CheckpointWriter> writer;
  if (keeps_checkpoints()) {
    ARROW_ASSIGN_OR_RAISE(
        writer, CheckpointWriter::Make(session_->vfs(), options_.checkpoint_directory, epoch_,
                                       session_->pool()));
    ARROW_RETURN_NOT_OK(Save(*writer));
  }
  ARROW_RETURN_NOT_OK(ForEachSink([&](Sink& sink) { return sink.Prepare(epoch_); }));
  HEADRACE_FAULT_POINT("job.prepared");
  // In a session without threads EndEpoch does it, some rounds of the loop later.
  const bool has_threads = !session_->settings().deterministic;
  rounds_until_commit_ = has_threads ? 0 : static_cast<int64_t>(rng_.Below(kCommitRounds));
  const auto when = has_threads ? std::launch::async : std::launch::deferred;
  commit_ = std::async(when, [this, writer, epoch = epoch_] {
    const Status status = CommitEpoch(writer.get(), epoch);
    Notify();
    return status;
  });
  return Status::OK();
}

/// Beside the thread of the job.
Status Job::CommitEpoch(CheckpointWriter* writer, int64_t epoch) {
  ARROW_RETURN_NOT_OK(ForEachSink([&](Sink& sink) { return sink.Sync(epoch); }));
  if (writer != nullptr) ARROW_RETURN_NOT_OK(writer->Commit());
  HEADRACE_FAULT_POINT("job.published");
  return ForEachSink([&](Sink& sink) { return sink.Commit(epoch); });
}

/// Takes note of the commit that is under way, when it has ended or after waiting for it.
Status Job::EndEpoch(bool waits) {
  using std::chrono::seconds;
  if (!commit_.valid()) return Status::OK();
  if (!waits && --rounds_until_commit_ > 0) return Status::OK();
  if (!waits && commit_.wait_for(seconds(0)) == std::future_status::timeout) return Status::OK();
  ARROW_RETURN_NOT_OK(commit_.get());
  committed_epoch_ = epoch_;
  committed_micros_ = Now();
  next_commit_micros_ = committed_micros_ + options_.checkpoint_interval_micros;
  Publish();
  if (options_.on_commit) options_.on_commit(epoch_);
  return Status::OK();
}

/// A query that has not started is left out: it will start from the beginning.
Status Job::Save(CheckpointWriter& writer) {
  for (size_t i = 0; i < queries_.size(); ++i) {
    RunningQuery& running = *queries_[i];
    if (!running.started) continue;
    writer.BeginQuery(running.query.name, running.plan_hash, running.ended);
    if (!running.ended) ARROW_RETURN_NOT_OK(running.run->query().Save(writer));
    if (takes_dead_letters()) ARROW_RETURN_NOT_OK(written_letters_.Save(i, writer));
    if (running.query.table == nullptr) continue;
    ARROW_RETURN_NOT_OK(running.saved_table.Save(*running.query.table, writer));
  }
  return Status::OK();
}

Status Job::WriteDeadLetters() {
  if (!takes_dead_letters()) return Status::OK();
  std::vector<DeadLetter> letters;
  for (size_t i = 0; i < queries_.size(); ++i) {
    for (DeadLetter& letter : queries_[i]->dead_letters->Take()) {
      if (written_letters_.Note(i, letter)) letters.push_back(std::move(letter));
    }
  }
  if (letters.empty()) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const auto rows, DeadLetterRows(letters, session_->pool()));
  ARROW_RETURN_NOT_OK(options_.dead_letters->Write(*rows));
  num_dead_letters_ += rows->num_rows();
  return Status::OK();
}

template <typename Call>
Status Job::ForEachSink(const Call& call) {
  for (const auto& running : queries_) ARROW_RETURN_NOT_OK(call(*running->query.sink));
  return takes_dead_letters() ? call(*options_.dead_letters) : Status::OK();
}

Status Job::Poll() {
  const int64_t now = Now();
  if (now - polled_micros_ < kPollMicros) return Status::OK();
  polled_micros_ = now;
  Publish();
  return options_.poll ? options_.poll(status()) : Status::OK();
}

void Job::Publish() {
  using State = JobStatus::State;
  const int64_t now = Now();
  JobStatus status;
  status.name = options_.name;
  status.properties = options_.properties;
  status.state = started_micros_ == 0 ? State::kStarting
                 : stop_              ? State::kStopping
                                      : State::kRunning;
  status.epoch = committed_epoch_;
  status.dead_letters = num_dead_letters_;
  if (started_micros_ > 0) {
    status.run_micros = now - started_micros_;
    status.commit_age_micros = now - committed_micros_;
  }
  std::vector<TableAlertTerms> tables;
  for (const auto& running : queries_) {
    status.queries.push_back(running->status(now));
    tables.push_back(running->query.alerts);
  }
  status.alerts = AlertsOf(status, options_.alerts, tables);
  std::lock_guard lock(mutex_);
  status_ = std::move(status);
}

void Job::PublishEnd(const Status& status) {
  Publish();
  std::lock_guard lock(mutex_);
  status_.state = !status.ok()  ? JobStatus::State::kFailed
                  : all_ended() ? JobStatus::State::kEnded
                                : JobStatus::State::kStopped;
  if (status.ok()) return;
  status_.error = status.message();
  for (JobQueryStatus& query : status_.queries) {
    if (query.state != JobQueryStatus::State::kEnded) query.state = JobQueryStatus::State::kFailed;
    if (query.table.has_value() && query.table->state != JobTableStatus::State::kReady) {
      query.table->state = JobTableStatus::State::kFailed;
    }
  }
}

/// Until a commit or poll is due; the end of a commit under way is told.
int64_t Job::MicrosUntilDue() const {
  if (commit_.valid()) return kPollMicros;
  return std::clamp<int64_t>(next_commit_micros_ - Now(), 0, kPollMicros);
}

/// Until there may be something to take, for so long at most.
void Job::Wait(int64_t micros) {
  for (const auto& running : queries_) {
    if (running->active() && running->run->Step()) return;
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
