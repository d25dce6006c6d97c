// The queue and the sink that fills it.
#include "headrace/engine/result_queue.h"

#include <chrono>

#include "arrow/record_batch.h"
#include "arrow/util/byte_size.h"

namespace headrace {
namespace {

class ResultSink final : public Sink {
 public:
  explicit ResultSink(std::shared_ptr<ResultQueue> queue) : queue_(std::move(queue)) {}
  std::string name() const override { return "results"; }
  bool Accepts(ChangeMode) const override { return true; }
  Status Open(const SchemaPtr&, arrow::MemoryPool*) override { return Status::OK(); }
  Status Write(const arrow::RecordBatch& batch) override {
    queue_->Push(arrow::RecordBatch::Make(batch.schema(), batch.num_rows(), batch.columns()));
    return Status::OK();
  }
  Status Prepare(int64_t) override { return Status::OK(); }
  Status Commit(int64_t) override { return Status::OK(); }
  Status Abort() override { return Status::OK(); }

 private:
  const std::shared_ptr<ResultQueue> queue_;
};

int64_t BytesOf(const arrow::RecordBatch& batch) { return arrow::util::TotalBufferSize(batch); }

}  // namespace

Result<ResultQueue::Item> ResultQueue::Take() {
  BatchPtr batch;
  bool has_room_again = false;
  {
    std::lock_guard lock(mutex_);
    if (batches_.empty()) {
      if (!ended_) return Pending{};
      ARROW_RETURN_NOT_OK(status_);
      return EndOfSplit{};
    }
    const bool was_full = bytes_ >= bytes_max_;
    batch = std::move(batches_.front());
    batches_.pop_front();
    bytes_ -= BytesOf(*batch);
    has_room_again = was_full && bytes_ < bytes_max_;
  }
  if (has_room_again && on_room_) on_room_();
  return batch;
}

bool ResultQueue::Wait(int64_t micros) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::microseconds(micros),
                           [this] { return ended_ || !batches_.empty(); });
}

void ResultQueue::Push(BatchPtr batch) {
  std::lock_guard lock(mutex_);
  bytes_ += BytesOf(*batch);
  batches_.push_back(std::move(batch));
  changed_.notify_all();
}

void ResultQueue::End(Status status) {
  std::lock_guard lock(mutex_);
  if (ended_) return;
  ended_ = true;
  status_ = std::move(status);
  changed_.notify_all();
}

bool ResultQueue::HasRoom() const {
  std::lock_guard lock(mutex_);
  return bytes_ < bytes_max_;
}

std::unique_ptr<Sink> MakeResultSink(std::shared_ptr<ResultQueue> queue) {
  return std::make_unique<ResultSink>(std::move(queue));
}

}  // namespace headrace
