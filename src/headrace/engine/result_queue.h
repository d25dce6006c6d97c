// ResultQueue: rows of a query of a job on their way to whoever asked for them, in this process.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <variant>

#include "headrace/table/sink.h"

namespace headrace {

/// Bounded in bytes: while it is full the job does not read on for this query. Thread safe.
class ResultQueue {
 public:
  static constexpr int64_t kBytesMaxDefault = int64_t{16} << 20;
  explicit ResultQueue(int64_t bytes_max = kBytesMaxDefault) : bytes_max_(bytes_max) {}

  using BatchPtr = std::shared_ptr<arrow::RecordBatch>;
  /// A batch; nothing now; nothing any more.
  using Item = std::variant<BatchPtr, Pending, EndOfSplit>;
  /// Never waits. Once the rows are out it gives the failure of the job, if it has failed.
  Result<Item> Take();
  /// Until Take gives something else than Pending, for so long at most; false: it would not.
  bool Wait(int64_t micros);

  /// Also when it is full.
  void Push(BatchPtr batch);
  /// Nothing is pushed after. The first call counts.
  void End(Status status);
  bool HasRoom() const;
  /// Called when there is room again; set before the job runs.
  void set_on_room(std::function<void()> on_room) { on_room_ = std::move(on_room); }

 private:
  const int64_t bytes_max_;
  std::function<void()> on_room_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<BatchPtr> batches_;
  int64_t bytes_ = 0;
  bool ended_ = false;
  Status status_;
};

/// Rows go to the queue as they come, whatever becomes of their epoch: after a crash those of the
/// last epoch come again. Takes changes.
std::unique_ptr<Sink> MakeResultSink(std::shared_ptr<ResultQueue> queue);

}  // namespace headrace
