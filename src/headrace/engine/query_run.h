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

/// Whoever waits for a query polls at least this often.
inline constexpr int64_t kPollMicros = 50'000;

/// One consumer thread at a time; Cancel from any.
class QueryRun {
 public:
  /// Lowers `plan` (optimized). `restore` may be null; else it must outlive the run.
  static Result<std::unique_ptr<QueryRun>> Make(std::shared_ptr<Session> session, PlanPtr plan,
                                                const QueryCheckpoint* restore = nullptr);
  ~QueryRun();

  /// The plan's schema; where rows may be taken back, with the column `_change` behind it.
  const SchemaPtr& schema() const { return schema_; }
  arrow::MemoryPool* pool() const;
  void set_poll(Poll poll) { poll_ = std::move(poll); }

  /// Starts the query when it has not started. What fails is what every later call gives.
  Status Start();
  /// The next item, never Pending; waits for one.
  Result<Channel::Item> Next();
  /// The next item, Pending when there is none now: `on_notify` is called when there may be one.
  /// Serves no callbacks, polls nobody: see Step.
  Result<Channel::Item> TryNext();
  /// Called from any thread; set before the start.
  void set_on_notify(std::function<void()> on_notify) { on_notify_ = std::move(on_notify); }
  /// Where readers put rows that cannot be decoded, and operators those they put aside; set before
  /// the start.
  void set_dead_letters(std::shared_ptr<DeadLetters> box, std::unique_ptr<RowsAside> aside) {
    dead_letters_ = std::move(box);
    aside_ = std::move(aside);
  }
  /// One callback, or one step of a deterministic executor; false: there was none.
  bool Step();
  /// The next batch as the schema promises it; null after the last. Errors are sticky.
  Result<std::shared_ptr<arrow::RecordBatch>> NextBatch();
  /// `batch` as schema() promises it.
  Result<std::shared_ptr<arrow::RecordBatch>> Restore(const Batch& batch) const;

  void Cancel();
  void Close();

  /// REQUIRES: started.
  Query& query() { return *query_; }
  bool started() const { return query_ != nullptr; }
  /// Pauses reading at unbounded sources, or goes on.
  void Pause(bool paused);
  std::string Profile() const;
  QueryMetrics metrics() const;

 private:
  QueryRun(std::shared_ptr<Session> session, PlanPtr plan);
  Status StartQuery();
  Status Finish();
  Settings Count();
  Status Wait();
  /// Calls the poll when it was not called for kPollMicros.
  Status PollIfDue();
  void Notify();
  Result<Channel::Item> Fail(Status status);

  const std::shared_ptr<Session> session_;
  const PlanPtr plan_;
  SchemaPtr schema_;
  const QueryCheckpoint* restore_ = nullptr;
  std::shared_ptr<MemoryBudget> budget_;
  std::unique_ptr<SpillSpace> spill_;
  std::unique_ptr<CallbackQueue> callbacks_;
  std::unique_ptr<Query> query_;
  Poll poll_;
  std::function<void()> on_notify_;
  std::shared_ptr<DeadLetters> dead_letters_;
  std::unique_ptr<RowsAside> aside_;
  bool started_ = false;
  bool is_counted_ = false;
  Status failure_;
  int64_t rows_out_ = 0;
  int64_t start_micros_ = 0;
  int64_t polled_micros_ = 0;
  int64_t elapsed_micros_ = -1;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool notified_ = false;
  bool cancelled_ = false;
};

}  // namespace headrace
