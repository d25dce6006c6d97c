// MemorySink: a Sink that collects, and the simulated twin of real ones: it fails, dies and is
// fenced off at enumerated calls.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "headrace/table/sink.h"

namespace headrace {

/// What survives the sinks that write to it: the outside world. Thread safe.
class MemoryLog {
 public:
  using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

  /// Committed batches in the order of their epochs, as readers see them.
  Batches Committed() const;
  std::vector<int64_t> CommittedEpochs() const;
  int64_t committed_rows() const;
  /// Epochs that were prepared and neither committed nor aborted.
  std::vector<int64_t> PreparedEpochs() const;
  /// The schema of the last Open; null before it.
  SchemaPtr schema() const;

 private:
  friend class MemorySink;
  mutable std::mutex mutex_;
  SchemaPtr schema_;
  int64_t writer_ = 0;  // number of the writer that may write; older ones are fenced off
  std::map<int64_t, Batches> prepared_;
  std::map<int64_t, Batches> committed_;
};

/// The call of a sink that goes wrong, and how.
struct MemorySinkFault {
  enum class Call { kNone, kWrite, kPrepare, kCommit };
  enum class Effect {
    kError,       // nothing happens but an error
    kCrash,       // the process dies before the call takes effect: every later call fails too
    kCrashAfter,  // it dies after the call took effect
  };
  Call call = Call::kNone;
  int64_t at = 1;  // the at-th call of this kind, from 1
  Effect effect = Effect::kError;
};

/// Opening a sink fences off the sinks opened before it over the same log. Commit publishes what
/// any sink prepared under that epoch; a committed epoch stays as it is, whatever is prepared
/// again.
class MemorySink final : public Sink {
 public:
  explicit MemorySink(std::shared_ptr<MemoryLog> log, MemorySinkFault fault = {})
      : log_(std::move(log)), fault_(fault) {}
  ~MemorySink() override;

  std::string name() const override { return "memory sink"; }
  bool Accepts(ChangeMode) const override { return true; }
  Status Open(const SchemaPtr& schema, arrow::MemoryPool* pool) override;
  Status Write(const arrow::RecordBatch& batch) override;
  Status Prepare(int64_t epoch) override;
  Status Commit(int64_t epoch) override;
  Status Abort() override;

 private:
  enum class Turn { kGoOn, kFail, kFailAfter };
  /// Counts the call and says whether it is the one that goes wrong.
  Turn TakeTurn(MemorySinkFault::Call call);
  Status Died() const;
  Status CheckAlive() const;  // REQUIRES: log_->mutex_ is held

  const std::shared_ptr<MemoryLog> log_;
  const MemorySinkFault fault_;
  int64_t calls_ = 0;  // of the kind that goes wrong
  bool dead_ = false;
  int64_t writer_ = 0;
  SchemaPtr schema_;
  MemoryLog::Batches pending_;
  std::vector<int64_t> prepared_;  // by this sink
};

}  // namespace headrace
