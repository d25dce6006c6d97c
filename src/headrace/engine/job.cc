// The loop of a job: items to the sink, and a quiesce whenever the interval is over.
#include "headrace/engine/job.h"

#include "arrow/record_batch.h"
#include "headrace/base/fault.h"
#include "headrace/base/hash.h"
#include "headrace/engine/computed_source.h"
#include "headrace/engine/query_run.h"
#include "headrace/exec/checkpoint/checkpoint.h"
#include "headrace/plan/builder.h"

namespace headrace {

class Job {
 public:
  Job(Session& session, PlanPtr plan, uint64_t plan_hash, Sink& sink, const JobOptions& options)
      : session_(session),
        plan_(std::move(plan)),
        plan_hash_(plan_hash),
        sink_(sink),
        options_(options) {}

  Result<int64_t> Run() {
    ARROW_RETURN_NOT_OK(OpenCheckpoint());
    ARROW_ASSIGN_OR_RAISE(run_, QueryRun::Make(session_.shared_from_this(), plan_, restore_.get()));
    ARROW_RETURN_NOT_OK(sink_.Open(run_->schema(), session_.pool()));
    if (restore_ != nullptr) ARROW_RETURN_NOT_OK(sink_.Commit(epoch_));
    run_->set_poll(options_.poll);
    run_->set_deadline(NextCheckpoint());
    while (true) {
      ARROW_ASSIGN_OR_RAISE(Taken taken, TakeItem());
      if (taken == Taken::kEnd) break;
      if (taken == Taken::kItem) continue;
      ARROW_RETURN_NOT_OK(Quiesce());
      if (ended_) break;
      ARROW_RETURN_NOT_OK(CommitEpoch());
      run_->Pause(false);
      run_->set_deadline(NextCheckpoint());
    }
    ARROW_RETURN_NOT_OK(CommitEpoch());
    return rows_;
  }

 private:
  bool checkpoints() const { return !options_.checkpoint_directory.empty(); }

  Status OpenCheckpoint() {
    if (!checkpoints()) return Status::OK();
    ARROW_RETURN_NOT_OK(session_.vfs().MakeDirectories(options_.checkpoint_directory));
    ARROW_ASSIGN_OR_RAISE(restore_, CheckpointReader::OpenLatest(
                                        session_.vfs(), options_.checkpoint_directory, plan_hash_));
    if (restore_ != nullptr) epoch_ = restore_->epoch();
    return Status::OK();
  }

  int64_t NextCheckpoint() const {
    if (!checkpoints()) return 0;
    return SystemClock().MonotonicMicros() + options_.checkpoint_interval_micros;
  }

  /// kPending: the deadline has passed, or the paused query is quiescent.
  enum class Taken { kItem, kPending, kEnd };
  Result<Taken> TakeItem() {
    ARROW_ASSIGN_OR_RAISE(Channel::Item item, run_->Next());
    if (std::holds_alternative<Pending>(item)) return Taken::kPending;
    if (std::holds_alternative<EndOfSplit>(item)) {
      ended_ = true;
      return Taken::kEnd;
    }
    if (auto* batch = std::get_if<Batch>(&item)) {
      ARROW_ASSIGN_OR_RAISE(auto restored, run_->Restore(*batch));
      ARROW_RETURN_NOT_OK(sink_.Write(*restored));
      rows_ += restored->num_rows();
    }
    return Taken::kItem;
  }

  /// Stops the sources and writes everything that is in flight.
  Status Quiesce() {
    run_->set_deadline(0);
    run_->Pause(true);
    while (true) {
      ARROW_ASSIGN_OR_RAISE(Taken taken, TakeItem());
      if (taken != Taken::kItem) return Status::OK();
    }
  }

  Status CommitEpoch() {
    ++epoch_;
    std::unique_ptr<CheckpointWriter> writer;
    if (checkpoints()) {
      ARROW_ASSIGN_OR_RAISE(
          writer, CheckpointWriter::Make(session_.vfs(), options_.checkpoint_directory, epoch_,
                                         plan_hash_, session_.pool()));
      ARROW_RETURN_NOT_OK(run_->query().Save(*writer));
    }
    ARROW_RETURN_NOT_OK(sink_.Prepare(epoch_));
    HEADRACE_FAULT_POINT("job.prepared");
    if (writer != nullptr) ARROW_RETURN_NOT_OK(writer->Commit());
    HEADRACE_FAULT_POINT("job.published");
    ARROW_RETURN_NOT_OK(sink_.Commit(epoch_));
    if (options_.on_commit) options_.on_commit(epoch_);
    return Status::OK();
  }

  Session& session_;
  const PlanPtr plan_;
  const uint64_t plan_hash_;
  Sink& sink_;
  const JobOptions& options_;
  std::unique_ptr<CheckpointReader> restore_;
  std::unique_ptr<QueryRun> run_;
  int64_t epoch_ = 0;
  int64_t rows_ = 0;
  bool ended_ = false;
};

Result<int64_t> RunJob(Session& session, PlanPtr plan, Sink& sink, const JobOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const PlanPtr optimized, session.ByRules(std::move(plan)));
  const uint64_t plan_hash = HashBytes(Explain(*optimized));  // the same at every start of the job
  ARROW_ASSIGN_OR_RAISE(PlanPtr started, WithTimeOfQuery(optimized, session.clock().WallMicros()));
  Job job(session, std::move(started), plan_hash, sink, options);
  Result<int64_t> rows = job.Run();
  if (!rows.ok()) (void)sink.Abort();  // the first failure is the one to report
  return rows;
}

}  // namespace headrace
