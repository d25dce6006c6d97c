// Outputs of pipelines: the writing ends of channels.
#include <numeric>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "headrace/base/hash.h"
#include "headrace/exec/driver.h"
#include "headrace/types/key/key_hash.h"

namespace headrace {
namespace {

class ChannelOutput final : public PipelineOutput {
 public:
  ChannelOutput(std::shared_ptr<Channel> channel, int writer, arrow::MemoryPool* pool, Waker waker)
      : channel_(std::move(channel)), writer_(writer), pool_(pool), waker_(std::move(waker)) {}

  Result<Flow> Push(Batch& batch) override {
    if (batch.selection() != nullptr) {
      ARROW_ASSIGN_OR_RAISE(batch, batch.Compact(pool_));
    }
    return channel_->Write(0, batch, waker_);
  }
  void EndSplit(int64_t split) override { channel_->EndSplit(split); }
  void Advance(Watermark watermark) override { channel_->Advance(writer_, watermark); }
  void SetIdle(bool is_idle) override { channel_->SetIdle(writer_, is_idle); }
  void Finish() override { channel_->Finish(writer_); }

 private:
  const std::shared_ptr<Channel> channel_;
  const int writer_;
  arrow::MemoryPool* const pool_;
  const Waker waker_;
};

class HashOutput final : public PipelineOutput {
 public:
  HashOutput(std::shared_ptr<Channel> channel, int writer, std::vector<int> keys, int readers,
             arrow::MemoryPool* pool, Waker waker)
      : channel_(std::move(channel)),
        writer_(writer),
        keys_(std::move(keys)),
        pool_(pool),
        waker_(std::move(waker)),
        parts_(static_cast<size_t>(readers)) {}

  Result<Flow> Push(Batch& batch) override {
    if (!divided_) ARROW_RETURN_NOT_OK(Divide(batch));
    for (size_t reader = 0; reader < parts_.size(); ++reader) {
      if (parts_[reader].num_rows() == 0) continue;
      const Flow flow = channel_->Write(static_cast<int>(reader), parts_[reader], waker_);
      if (flow.kind == Flow::Kind::kBlocked) return flow;
      if (flow.kind == Flow::Kind::kFinished) {
        divided_ = false;
        return flow;
      }
      parts_[reader] = Batch();
    }
    divided_ = false;
    return Flow::NeedInput();
  }
  void EndSplit(int64_t split) override { channel_->EndSplit(split); }
  void Advance(Watermark watermark) override { channel_->Advance(writer_, watermark); }
  void SetIdle(bool is_idle) override { channel_->SetIdle(writer_, is_idle); }
  void Finish() override { channel_->Finish(writer_); }

 private:
  Status Divide(const Batch& pushed) {
    ARROW_ASSIGN_OR_RAISE(Batch batch, pushed.Compact(pool_));
    std::vector<ArrayPtr> keys;
    for (int key : keys_) keys.push_back(batch.column(key));
    std::vector<uint64_t> hashes;
    ARROW_RETURN_NOT_OK(HashKeys(keys, batch.num_rows(), pool_, &hashes));
    const int readers = static_cast<int>(parts_.size());
    std::vector<std::vector<int64_t>> rows(parts_.size());
    for (size_t row = 0; row < hashes.size(); ++row) {
      const int reader = LaneOfKeyGroup(KeyGroupOf(hashes[row]), readers);
      rows[static_cast<size_t>(reader)].push_back(static_cast<int64_t>(row));
    }
    for (size_t reader = 0; reader < parts_.size(); ++reader) {
      arrow::Int64Builder builder(pool_);
      ARROW_RETURN_NOT_OK(builder.AppendValues(rows[reader]));
      ARROW_ASSIGN_OR_RAISE(ArrayPtr indices, builder.Finish());
      ARROW_ASSIGN_OR_RAISE(parts_[reader], batch.Take(*indices, pool_));
    }
    divided_ = true;
    return Status::OK();
  }

  const std::shared_ptr<Channel> channel_;
  const int writer_;
  const std::vector<int> keys_;
  arrow::MemoryPool* const pool_;
  const Waker waker_;
  std::vector<Batch> parts_;
  bool divided_ = false;
};

}  // namespace

std::unique_ptr<PipelineOutput> MakeChannelOutput(std::shared_ptr<Channel> channel, int writer,
                                                  arrow::MemoryPool* pool, Waker waker) {
  return std::make_unique<ChannelOutput>(std::move(channel), writer, pool, std::move(waker));
}

std::unique_ptr<PipelineOutput> MakeHashOutput(std::shared_ptr<Channel> channel, int writer,
                                               std::vector<int> keys, int readers,
                                               arrow::MemoryPool* pool, Waker waker) {
  return std::make_unique<HashOutput>(std::move(channel), writer, std::move(keys), readers, pool,
                                      std::move(waker));
}

}  // namespace headrace
