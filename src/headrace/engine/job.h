// Job: streaming queries that keep running together – rows go to sinks and tables, state goes to
// checkpoints, and after a kill all of them go on from the last one.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "headrace/engine/session.h"
#include "headrace/exec/checkpoint/checkpoint.h"
#include "headrace/table/sink.h"

namespace headrace {

class QueryRun;

/// One query of a job and where its rows go.
struct JobQuery {
  std::string name;  // names its state in checkpoints: unique in the job, the same at every start
  PlanPtr plan;
  std::unique_ptr<Sink> sink;
  /// The table behind the sink, or null. Checkpoints hold its rows; a restart writes them back.
  SourcePtr table;
  /// Queries whose tables this one reads: it starts when they are loaded, that is ended, or, where
  /// their sources have no end, once everything those had at first was written.
  std::vector<std::string> waits_for;
};

/// How far a query of a job is.
struct JobQueryStatus {
  enum class State { kWaiting, kRunning, kLoaded, kEnded };
  std::string name;
  State state = State::kWaiting;
  int64_t rows_read = 0;
  int64_t rows_out = 0;
  int64_t late_rows = 0;
  int64_t rejected_rows = 0;
};

struct JobStatus {
  std::vector<JobQueryStatus> queries;
  int64_t epoch = 0;  // committed
};

struct JobOptions {
  /// Where checkpoints live; "": none are made, everything is committed at the end.
  std::string checkpoint_directory;
  int64_t checkpoint_interval_micros = 1'000'000;
  /// Called at least every 50 ms; a failure ends the job with it.
  std::function<Status(const JobStatus&)> poll;
  /// Called after each commit with its epoch.
  std::function<void(int64_t)> on_commit;
};

/// Per epoch: quiesce every query, save their states and tables, Prepare every sink, publish the
/// manifest (the commit point), Commit every sink. After a crash the sinks' Commit is called again
/// for the manifest's epoch. When all queries have ended the last epoch is committed and the
/// checkpoint removed: the next start is a new job.
class Job {
 public:
  /// kInvalidArgument for names that repeat, that nobody has, or that wait for each other.
  static Result<std::unique_ptr<Job>> Make(std::shared_ptr<Session> session,
                                           std::vector<JobQuery> queries, JobOptions options);
  ~Job();

  /// Blocks until every query has ended or Stop was called; once. kStale when the directory holds
  /// the state of a query of the same name with another plan. After a failure every sink is
  /// aborted.
  Status Run();
  /// Ends Run soon, after one more epoch: a later start goes on there. Any thread.
  void Stop();
  /// Any thread.
  JobStatus status() const;

 private:
  struct Running;
  Job(std::shared_ptr<Session> session, JobOptions options);
  Status Check() const;
  Status Start();
  Status Restore();
  Status RestoreTable(Running& running);
  Status Loop();
  /// Starts the queries that wait for nothing any more.
  Status StartReady();
  bool IsLoaded(const std::string& name) const;
  /// Takes what there is, up to a share; false: there was nothing.
  Result<bool> TakeSome(Running& running);
  Status Take(Running& running, Batch batch);
  Status Quiesce();
  Status CommitEpoch();
  Status Save(CheckpointWriter& writer);
  Status SaveTable(Running& running, CheckpointWriter& writer);
  bool all_ended() const;
  Status Poll();
  void Publish();
  void Wait();
  void Notify();

  const std::shared_ptr<Session> session_;
  const JobOptions options_;
  std::vector<std::unique_ptr<Running>> queries_;
  std::unique_ptr<CheckpointReader> restored_;
  int64_t epoch_ = 0;
  int64_t next_checkpoint_micros_ = 0;
  int64_t polled_micros_ = 0;
  std::atomic<bool> stop_{false};

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  bool notified_ = false;
  JobStatus status_;
};

}  // namespace headrace
