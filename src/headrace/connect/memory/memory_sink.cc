// MemorySink: epochs move from pending to prepared to committed.
#include "headrace/connect/memory/memory_sink.h"

#include <utility>

#include "arrow/record_batch.h"
#include "arrow/type.h"

namespace headrace {

MemoryLog::Batches MemoryLog::Committed() const {
  std::lock_guard lock(mutex_);
  Batches all;
  for (const auto& [epoch, batches] : committed_) {
    all.insert(all.end(), batches.begin(), batches.end());
  }
  return all;
}

std::vector<int64_t> MemoryLog::CommittedEpochs() const {
  std::lock_guard lock(mutex_);
  std::vector<int64_t> epochs;
  for (const auto& [epoch, batches] : committed_) epochs.push_back(epoch);
  return epochs;
}

int64_t MemoryLog::committed_rows() const {
  int64_t rows = 0;
  for (const auto& batch : Committed()) rows += batch->num_rows();
  return rows;
}

std::vector<int64_t> MemoryLog::PreparedEpochs() const {
  std::lock_guard lock(mutex_);
  std::vector<int64_t> epochs;
  for (const auto& [epoch, batches] : prepared_) epochs.push_back(epoch);
  return epochs;
}

SchemaPtr MemoryLog::schema() const {
  std::lock_guard lock(mutex_);
  return schema_;
}

MemorySink::~MemorySink() { (void)Abort(); }

Status MemorySink::Died() const {
  return Error(ErrorKind::kIo, "memory sink: its process has died");
}

Status MemorySink::CheckAlive() const {
  if (dead_) return Died();
  if (writer_ == 0) return Error(ErrorKind::kInternal, "memory sink: not open");
  if (writer_ == log_->writer_) return Status::OK();
  return Error(ErrorKind::kIo, "memory sink: fenced off by writer {}, this is writer {}",
               log_->writer_, writer_);
}

MemorySink::Turn MemorySink::TakeTurn(MemorySinkFault::Call call) {
  if (call != fault_.call || ++calls_ != fault_.at) return Turn::kGoOn;
  dead_ = fault_.effect != MemorySinkFault::Effect::kError;
  return fault_.effect == MemorySinkFault::Effect::kCrashAfter ? Turn::kFailAfter : Turn::kFail;
}

Status MemorySink::Open(const SchemaPtr& schema, arrow::MemoryPool*) {
  std::lock_guard lock(log_->mutex_);
  if (dead_) return Died();
  writer_ = ++log_->writer_;
  schema_ = schema;
  log_->schema_ = schema;
  return Status::OK();
}

Status MemorySink::Write(const arrow::RecordBatch& batch) {
  std::lock_guard lock(log_->mutex_);
  ARROW_RETURN_NOT_OK(CheckAlive());
  if (!batch.schema()->Equals(*schema_)) {
    return Error(ErrorKind::kTypeMismatch, "memory sink: expected a batch of schema {}, got {}",
                 schema_->ToString(), batch.schema()->ToString());
  }
  const Turn turn = TakeTurn(MemorySinkFault::Call::kWrite);
  if (turn != Turn::kGoOn) return Error(ErrorKind::kIo, "memory sink: write {} failed", calls_);
  pending_.push_back(batch.Slice(0));
  return Status::OK();
}

Status MemorySink::Prepare(int64_t epoch) {
  std::lock_guard lock(log_->mutex_);
  ARROW_RETURN_NOT_OK(CheckAlive());
  const Turn turn = TakeTurn(MemorySinkFault::Call::kPrepare);
  if (turn != Turn::kFail) {
    log_->prepared_[epoch] = std::exchange(pending_, {});
    prepared_.push_back(epoch);
  }
  if (turn == Turn::kGoOn) return Status::OK();
  return Error(ErrorKind::kIo, "memory sink: prepare of epoch {} failed", epoch);
}

Status MemorySink::Commit(int64_t epoch) {
  std::lock_guard lock(log_->mutex_);
  ARROW_RETURN_NOT_OK(CheckAlive());
  const bool is_committed = log_->committed_.contains(epoch);
  if (!is_committed && !log_->prepared_.contains(epoch)) {
    return Error(ErrorKind::kInternal, "memory sink: epoch {} was not prepared", epoch);
  }
  const Turn turn = TakeTurn(MemorySinkFault::Call::kCommit);
  if (turn != Turn::kFail) {
    auto prepared = log_->prepared_.extract(epoch);
    if (!is_committed) log_->committed_.insert(std::move(prepared));
    std::erase(prepared_, epoch);
  }
  if (turn == Turn::kGoOn) return Status::OK();
  return Error(ErrorKind::kIo, "memory sink: commit of epoch {} failed", epoch);
}

Status MemorySink::Abort() {
  std::lock_guard lock(log_->mutex_);
  pending_.clear();
  if (dead_ || writer_ != log_->writer_) return Status::OK();
  for (const int64_t epoch : std::exchange(prepared_, {})) log_->prepared_.erase(epoch);
  return Status::OK();
}

}  // namespace headrace
