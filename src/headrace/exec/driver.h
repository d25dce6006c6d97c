// Driver: runs one pipeline on one lane as a step function. It pulls an item from an input,
// passes it through the operators one call at a time, and gives what comes out to the pipeline's
// output.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "headrace/exec/input.h"
#include "headrace/exec/operator.h"

namespace headrace {

/// The end of a pipeline that feeds a channel; one lane's. One thread at a time.
class PipelineOutput {
 public:
  virtual ~PipelineOutput() = default;
  /// As Operator::Push: called again with the same batch after kBlocked or kMoreOutput.
  virtual Result<Flow> Push(Batch& batch) = 0;
  virtual void EndSplit(int64_t split) = 0;
  virtual void Advance(Watermark watermark) = 0;
  virtual void SetIdle(bool is_idle) = 0;
  virtual void Finish() = 0;
};

/// To reader 0 of `channel`.
std::unique_ptr<PipelineOutput> MakeChannelOutput(std::shared_ptr<Channel> channel, int writer,
                                                  arrow::MemoryPool* pool, Waker waker);
/// Rows go to the reader that owns the key group of their `keys`; changes and ordinals are kept.
std::unique_ptr<PipelineOutput> MakeHashOutput(std::shared_ptr<Channel> channel, int writer,
                                               std::vector<int> keys, int readers,
                                               arrow::MemoryPool* pool, Waker waker);

/// Not thread safe; a task of the executor owns it.
class Driver {
 public:
  enum class Step { kProgress, kBlocked, kNeedMemory, kDone };
  /// Makes an operator anew, opened, for the rows of the next split.
  using Renewal = std::function<Result<std::unique_ptr<Operator>>()>;

  struct Parts {
    std::vector<std::unique_ptr<PipelineInput>> inputs;  // one per port of the first operator
    std::vector<std::unique_ptr<Operator>> operators;    // opened
    std::vector<OperatorMetrics*> metrics;               // one per operator
    std::vector<std::shared_ptr<MemoryBudget>> budgets;  // one per operator
    std::unique_ptr<PipelineOutput> output;              // null: the last operator is a breaker
    std::function<Status()> on_done;                     // runs within the last step
    int64_t split_base = 0;                              // added to the numbers of splits
    bool one_split = false;                              // all rows are of split `split_base`
    bool reads_parts = false;                            // batches that come in name a part
    /// One per operator, or none at all; null: the operator goes on from split to split.
    std::vector<Renewal> renewals;
  };
  explicit Driver(Parts parts);

  /// One call of one operator, or one item pulled. After kDone it is not called again.
  Result<Step> RunStep();
  /// Bytes the last kNeedMemory asked for, and the error to give when nobody can free them. Inputs
  /// that ask go on without.
  int64_t bytes_wanted() const { return bytes_wanted_; }
  Status OverLimit() const;

  /// No item is in work at any stage.
  bool idle() const;

  /// Asks the operators of this lane to spill; gives the bytes freed.
  Result<int64_t> Reclaim(int64_t bytes);

  const std::vector<std::unique_ptr<Operator>>& operators() const { return parts_.operators; }
  const std::vector<std::unique_ptr<PipelineInput>>& inputs() const { return parts_.inputs; }

 private:
  enum class Slot : uint8_t { kNothing, kBatch, kWatermark, kFinish };
  /// What waits before a stage; stage operators.size() is the output.
  struct Stage {
    Slot pending = Slot::kNothing;
    Batch batch;
    Ordinal ordinal;
    Watermark watermark;
    int port = 0;
    bool upstream_done = false;  // gets its Finish when everything before it has drained
    bool done = false;
    bool fed = false;                     // since its operator was made
    std::map<int64_t, int64_t> next_seq;  // per split, of what this stage gives out
  };

  /// One input of the first operator.
  struct Port {
    bool done = false;
    bool idle = false;
    Watermark watermark;  // given to the operator
  };

  size_t num_stages() const { return parts_.operators.size() + 1; }
  Result<Step> RunAnyStage();
  Result<Step> Pull();
  Result<Step> PullFrom(int port);
  Result<Step> FindMemory(int64_t bytes, size_t stage);
  bool many_ports() const { return ports_.size() > 1; }
  void SetIdle(int port, bool is_idle);
  void TellIdleness();
  bool AdvanceIdlePort();
  void AdvancePort(int port, Watermark watermark);
  Result<Step> RunStage(size_t index);
  Result<Flow> CallOperator(size_t index, Out& out);
  Result<Step> RunOutput(Stage& stage);
  Status Forward(size_t index, Out& out);
  void StampOrdinal(Stage& stage, Batch& batch);
  Status CompleteCall(size_t index);
  Result<Step> EndOperators();
  void CloseUpTo(size_t index);
  void EndSplit(int64_t split);
  Ordinal OrdinalOf(const Batch& batch);
  Ordinal FinishOrdinal() const;
  void FinishOutput();

  Parts parts_;
  std::vector<Stage> stages_;
  std::vector<Port> ports_;
  bool is_idle_ = false;  // as its output was told
  int64_t bytes_wanted_ = 0;
  size_t memory_stage_ = 0;
  int64_t next_batch_ = 0;           // of the one split
  std::vector<int64_t> cut_splits_;  // closed before their end; they end with the output
  // The split that has ended, while operators give what they hold of it; the first one not asked.
  std::optional<int64_t> ended_split_;
  size_t next_ended_ = 0;
};

}  // namespace headrace
