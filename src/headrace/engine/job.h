// Job: streaming queries that keep running together – rows go to sinks and tables, state goes to
// checkpoints, and after a kill all of them go on from the last one.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "headrace/base/rng.h"
#include "headrace/connect/memory/keyed_table.h"
#include "headrace/connect/memory/stand_in_table.h"
#include "headrace/engine/job_alerts.h"
#include "headrace/engine/job_status.h"
#include "headrace/engine/kept_state.h"
#include "headrace/engine/result_queue.h"
#include "headrace/engine/session.h"
#include "headrace/engine/table_readiness.h"
#include "headrace/engine/written_letters.h"
#include "headrace/io/directory_lock.h"
#include "headrace/table/dead_letters.h"
#include "headrace/table/sink.h"

namespace headrace {

struct RunningQuery;

/// One query of a job and where its rows go.
struct JobQuery {
  std::string name;  // names its state in checkpoints: unique in the job, the same at every start
  PlanPtr plan;
  std::unique_ptr<Sink> sink;
  /// The table behind the sink, or null. Checkpoints hold its rows; a restart writes them back.
  /// Rows older than its retention are deleted while the job runs.
  std::shared_ptr<KeyedTable> table;
  /// How long others wait for the table, and what then.
  ReadinessTerms readiness;
  /// What the others read, where that is to be read before the table is loaded; or null.
  std::shared_ptr<StandInTable> stand_in;
  TableAlertTerms alerts;
  /// The queue behind the sink, or null. While it is full the query reads nothing.
  std::shared_ptr<ResultQueue> results;
  /// Queries whose tables this one reads: it starts when they are loaded, that is ended, or, where
  /// their sources have no end, once everything those had at first was written; or when their terms
  /// say that it starts without.
  std::vector<std::string> waits_for;
};

struct JobOptions {
  std::string name;
  JobProperties properties;  // what is said of it
  /// Where checkpoints live; "": none are made. A local one is locked while it runs.
  std::string checkpoint_directory;
  /// Between commits of sinks, each with a checkpoint if there is a directory.
  int64_t checkpoint_interval_micros = 1'000'000;
  /// What of the state of an earlier run may be given up.
  StateTerms state;
  AlertTerms alerts;
  /// Takes rows that cannot be decoded (table/dead_letters.h); null: no source may put any aside.
  std::unique_ptr<Sink> dead_letters;
  /// Called at least every 50 ms; a failure ends the job with it.
  std::function<Status(const JobStatus&)> poll;
  /// Called after each commit with its epoch.
  std::function<void(int64_t)> on_commit;
  /// Called when the job goes on from a checkpoint, before anything runs.
  std::function<void(const KeptState&)> on_restore;
};

/// Per epoch: quiesce every query, save their states, cut their tables, Prepare every sink. Then
/// all go on, and another thread writes the tables, syncs files and sinks, publishes the manifest
/// (the commit point) and calls every sink's Commit; the next epoch waits for that. After a crash
/// the sinks' Commit is called again for the manifest's epoch. When all queries have ended the last
/// epoch is committed and the checkpoint removed: the next start is a new job. No checkpoint is
/// made before every query that the one before had a state of has started again.
class Job {
 public:
  /// kInvalidArgument for names that repeat, that nobody has, or that wait for each other.
  static Result<std::unique_ptr<Job>> Make(std::shared_ptr<Session> session,
                                           std::vector<JobQuery> queries, JobOptions options);
  ~Job();

  /// Blocks until every query has ended or Stop was called; once. kStale when the directory holds
  /// the state of queries that have changed or are gone, see StateTerms; kIo when another job has
  /// it, or a table was not ready in time. After a failure every sink is aborted.
  Status Run();
  /// Ends Run soon, after one more epoch and its commit: a later start goes on there. Any thread.
  void Stop();
  /// Any thread. At most 50 ms old while the job runs.
  JobStatus status() const;

 private:
  Job(std::shared_ptr<Session> session, JobOptions options, size_t num_queries);
  Status Check() const;
  Status RunToEnd();
  Status Start();
  Status StartQueries();
  Status Restore();
  Status RestoreWrittenLetters();
  Status Loop();
  /// Starts the queries that wait for nothing any more.
  Status StartReady();
  Result<bool> MayStart(const RunningQuery& running);
  Status NotReadyInTime(const RunningQuery& table, const RunningQuery& reader) const;
  RunningQuery* Find(const std::string& name) const;
  /// Takes what there is of all queries, up to a share; false: there was nothing.
  Result<bool> TakeSomeOfAll();
  Result<bool> TakeSome(RunningQuery& running);
  Status Take(RunningQuery& running, Batch batch);
  Status CommitInOrder();
  Status Quiesce();
  Status BeginEpoch();
  Status CommitEpoch(CheckpointWriter* writer, int64_t epoch);
  Status EndEpoch(bool waits);
  Status Save(CheckpointWriter& writer);
  bool keeps_checkpoints() const { return !options_.checkpoint_directory.empty(); }
  bool all_ended() const;
  bool all_restored_started() const;
  Status Poll();
  Status WriteDeadLetters();
  bool takes_dead_letters() const { return options_.dead_letters != nullptr; }
  /// Those of the queries, then that of the dead letters.
  template <typename Call>
  Status ForEachSink(const Call& call);
  void Publish();
  void PublishEnd(const Status& status);
  int64_t MicrosUntilDue() const;
  void Wait(int64_t micros);
  void Notify();

  const std::shared_ptr<Session> session_;
  const JobOptions options_;
  std::unique_ptr<DirectoryLock> lock_;
  int64_t num_dead_letters_ = 0;
  std::vector<std::unique_ptr<RunningQuery>> queries_;
  WrittenLetters written_letters_;
  std::unique_ptr<CheckpointReader> restored_;
  KeptState kept_;
  int64_t epoch_ = 0;            // begun last
  int64_t committed_epoch_ = 0;  // ended last
  int64_t started_micros_ = 0;
  int64_t committed_micros_ = 0;
  int64_t next_commit_micros_ = 0;
  int64_t polled_micros_ = 0;
  bool stopped_ = false;
  Rng rng_;  // of a session without threads
  int64_t rounds_until_commit_ = 0;
  std::atomic<bool> stop_{false};

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  bool notified_ = false;
  JobStatus status_;

  std::future<Status> commit_;  // of epoch_, if it is under way; dies first, which waits for it
};

}  // namespace headrace
