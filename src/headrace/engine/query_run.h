// QueryRun: a query as its consumer sees it – starts it at the first read, waits, serves callbacks,
// polls, and takes everything down.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "headrace/engine/callback_queue.h"
#include "headrace/engine/session.h"
#include "headrace/exec/query.h"

namespace headrace {

/// One consumer thread at a time; Cancel from any.
class QueryRun {
 public:
  /// Lowers `plan` (optimized). `restore` may be null; else it must outlive the run.
  static Result<std::unique_ptr<QueryRun>> Make(std::shared_ptr<Session> session, PlanPtr plan,
                                                const CheckpointReader* restore = nullptr);
  ~QueryRun();

  /// The plan's schema; where rows may be taken back, with the column `_change` behind it.
  const SchemaPtr& schema() const { return schema_; }
  arrow::MemoryPool* pool() const;
  void set_poll(Poll poll) { poll_ = std::move(poll); }

  /// The next item; waits for one. Pending only when the query is quiescent while paused, or when
  /// the deadline (of the monotonic clock; 0: none) has passed.
  Result<Channel::Item> Next();
  /// The next batch as the schema promises it; null after the last. Errors are sticky.
  Result<std::shared_ptr<arrow::RecordBatch>> NextBatch();
  /// `batch` as schema() promises it.
  Result<std::shared_ptr<arrow::RecordBatch>> Restore(const Batch& batch) const;

  void Cancel();
  void Close();

  Query& query() { return *query_; }
  void set_deadline(int64_t monotonic_micros) { deadline_micros_ = monotonic_micros; }
  /// Pauses reading at unbounded sources, or goes on.
  void Pause(bool paused);
  std::string Profile() const;
  QueryMetrics metrics() const;

 private:
  QueryRun(std::shared_ptr<Session> session, PlanPtr plan);
  Status Start();
  Settings Count();
  Status Wait();
  /// Calls the poll when it was not called for kPollMicros.
  Status PollIfDue();
  void Notify();
  Result<Channel::Item> Fail(Status status);

  const std::shared_ptr<Session> session_;
  const PlanPtr plan_;
  SchemaPtr schema_;
  const CheckpointReader* restore_ = nullptr;
  std::shared_ptr<MemoryBudget> budget_;
  std::unique_ptr<SpillSpace> spill_;
  std::unique_ptr<CallbackQueue> callbacks_;
  std::unique_ptr<Query> query_;
  Poll poll_;
  bool started_ = false;
  bool is_counted_ = false;
  bool paused_ = false;
  Status failure_;
  int64_t rows_out_ = 0;
  int64_t start_micros_ = 0;
  int64_t polled_micros_ = 0;
  int64_t deadline_micros_ = 0;
  int64_t elapsed_micros_ = -1;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool notified_ = false;
  bool cancelled_ = false;
};

}  // namespace headrace
