// Query: a physical plan while it runs – its channels, tasks and states, from start to the last
// lane.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "headrace/exec/callback.h"
#include "headrace/exec/executor.h"
#include "headrace/exec/input.h"
#include "headrace/exec/physical.h"
#include "headrace/memory/spill_space.h"

namespace headrace {

/// What a query runs in. All must outlive it.
struct QueryContext {
  Executor* executor = nullptr;
  std::shared_ptr<MemoryBudget> budget;  // the query's node
  arrow::MemoryPool* pool = nullptr;
  SpillSpace* spill = nullptr;
  Vfs* vfs = nullptr;
  Clock* clock = nullptr;
  CallbackEvaluator* callbacks = nullptr;
  std::shared_ptr<DeadLetters> dead_letters;  // of the readers; may be null
  RowsAside* aside = nullptr;                 // may be null
  int64_t batch_rows = kBatchRowsDefault;
  int64_t batch_bytes = kBatchBytesMax;
  int64_t sort_bytes = MemoryBudget::kUnlimited;  // of one sort
  /// Called after anything the consumer may wait for: rows, the end, a failure. Any thread.
  std::function<void()> notify;
};

/// Saved state of one operator and of one scan, see exec/checkpoint/checkpoint.h.
class QueryCheckpoint;
class CheckpointWriter;

/// Thread safe. Destroying it stops the query, waits for its lanes and frees every operator.
class Query final : public TaskOwner {
 public:
  static Result<std::unique_ptr<Query>> Make(PhysicalPlan plan, QueryContext context);
  ~Query() override;

  /// Starts the pipelines that wait for nothing. `restore` (may be null): operators load their
  /// state and unbounded scans go on from their positions.
  Status Start(const QueryCheckpoint* restore = nullptr);

  /// The next item of the result; Pending when there is none yet: notify is called when there may
  /// be. An error once the query has failed.
  Result<Channel::Item> Read();
  /// Nothing more is wanted; tasks end soon. Idempotent.
  void Stop(Status reason = Status::OK());
  /// Blocks until no task is left. With a deterministic executor it drives them.
  void Join();
  bool ended() const { return tasks_left_.load() == 0; }
  Status status() const;

  /// Unbounded scans stop reading (true) or go on (false).
  void Pause(bool paused);
  /// Every task is parked without an item in work, or ended, and no channel holds anything.
  bool quiescent() const;
  /// Writes every state and position. REQUIRES: paused and quiescent.
  Status Save(CheckpointWriter& writer);

  /// Every scan has ended, or had nothing more to give at least once.
  bool caught_up() const { return catch_up_.behind.load() == 0; }
  /// That left the scans so far.
  int64_t rows_scanned() const;

  /// One line per operator with its figures, for EXPLAIN ANALYZE.
  std::string Profile() const;
  int64_t spilled_bytes() const { return Sum(&OperatorMetrics::spilled_bytes); }
  /// Rows that no window took any more, and those dropped because they have no time.
  int64_t late_rows() const { return Sum(&OperatorMetrics::late_rows); }
  int64_t null_time_rows() const { return Sum(&OperatorMetrics::null_time_rows); }
  /// Rows that conditions left out, and joins by the key of a table that found no row; exact once
  /// nothing is in flight.
  int64_t filtered_rows() const;
  const ReadProgress& progress() const { return progress_; }
  /// Rows that readers left out or mended so far, see ReadContext.
  int64_t rejected_rows() const { return rejected_rows_->load(); }

  void TaskEnded(int task, Status status) override;
  Result<int64_t> ReclaimAll(int64_t bytes) override;
  bool is_bounded() const override { return is_bounded_; }

 private:
  struct Pipeline;
  struct Breaker;
  Query(PhysicalPlan plan, QueryContext context);
  Result<int64_t> ReclaimHere(int64_t bytes);
  Status MakeStates();
  std::shared_ptr<MemoryBudget> BudgetOf(const OperatorSpec& spec, MemoryBudget& parent) const;
  /// Starts the pipelines that wait for nothing any more; each is started once.
  Status StartReady();
  Status StartPipeline(size_t index);
  Result<std::unique_ptr<Driver>> MakeDriver(Pipeline& pipeline, int lane, const Waker& waker);
  std::vector<Driver::Renewal> RenewalsOf(const Pipeline& pipeline, int lane, const Waker& waker);
  Result<std::unique_ptr<PipelineInput>> MakeInput(Pipeline& pipeline, size_t port, int lane,
                                                   const Waker& waker);
  std::unique_ptr<PipelineOutput> MakeOutput(const Pipeline& pipeline, int lane,
                                             const Waker& waker);
  OperatorContext ContextOf(const Pipeline& pipeline, size_t op, int lane, const Waker& waker);
  int64_t Sum(std::atomic<int64_t> OperatorMetrics::* counter) const;
  Status CombineLane(Pipeline& pipeline, int lane);
  void MakeDispatchers(Pipeline& pipeline);
  std::shared_ptr<ScanWatermark> WatermarkOf(const PhysicalInput& input) const;

  PhysicalPlan plan_;
  QueryContext context_;
  ReadProgress progress_;
  const std::shared_ptr<std::atomic<int64_t>> rejected_rows_ =
      std::make_shared<std::atomic<int64_t>>(0);
  Waker consumer_;  // of the reader of the result
  StopToken stop_;
  std::vector<std::unique_ptr<Pipeline>> pipelines_;
  std::map<const GlobalState*, std::unique_ptr<Breaker>> breakers_;
  std::vector<std::shared_ptr<Channel>> channels_;
  std::vector<std::shared_ptr<Task>> tasks_;
  std::shared_ptr<std::atomic<bool>> paused_;
  CatchUp catch_up_;
  const QueryCheckpoint* restore_ = nullptr;

  mutable std::mutex mutex_;  // of status, pipelines' progress and tasks_
  std::condition_variable ended_;
  Status status_;
  std::atomic<int> tasks_left_{0};
  bool started_ = false;
  bool is_bounded_ = true;
};

}  // namespace headrace
