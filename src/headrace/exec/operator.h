// Operator: the contract of everything that rows pass through. A spec is immutable; an operator
// object is the state of one lane; a global state is what lanes share. Bounded input is "Finish
// without Advance", so one operator serves batch and stream.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/error.h"
#include "headrace/base/stop.h"
#include "headrace/memory/budget.h"
#include "headrace/memory/spill_space.h"
#include "headrace/table/source.h"
#include "headrace/types/batch.h"
#include "headrace/types/watermark.h"

namespace headrace {

class Vfs;
class StateWriter;
class StateReader;
class CallbackEvaluator;

/// What a step of an operator asks for.
///   kNeedInput   the call is done; the next item may come
///   kMoreOutput  call again with the same arguments: more output follows
///   kBlocked     call again with the same arguments after context.waker was woken
///   kNeedMemory  call again with the same arguments once `bytes` could be reserved: the scheduler
///                reclaims; a state is not touched before its reservation is granted
///   kFinished    nothing more is wanted on any port (limit, semi join); travels upstream and
///                closes the sources. The output given with it still counts.
struct Flow {
  enum class Kind : uint8_t { kNeedInput, kMoreOutput, kBlocked, kNeedMemory, kFinished };
  Kind kind = Kind::kNeedInput;
  int64_t bytes = 0;

  static Flow NeedInput() { return {Kind::kNeedInput}; }
  static Flow MoreOutput() { return {Kind::kMoreOutput}; }
  static Flow Blocked() { return {Kind::kBlocked}; }
  static Flow NeedMemory(int64_t bytes) { return {Kind::kNeedMemory, bytes}; }
  static Flow Finished() { return {Kind::kFinished}; }
  bool operator==(const Flow&) const = default;
};

/// Takes at most one item a call: a batch, or a watermark.
class Out {
 public:
  void Emit(Batch batch);
  /// Only from Advance; an operator that holds rows back forwards what it can still promise.
  void EmitWatermark(Watermark watermark);

  bool empty() const { return !batch_.has_value() && !watermark_.has_value(); }
  std::optional<Batch> TakeBatch() { return std::exchange(batch_, std::nullopt); }
  std::optional<Watermark> TakeWatermark() { return std::exchange(watermark_, std::nullopt); }

 private:
  std::optional<Batch> batch_;
  std::optional<Watermark> watermark_;
};

/// Counters of one operator over all its lanes; shown by EXPLAIN ANALYZE. Thread safe.
struct OperatorMetrics {
  std::atomic<int64_t> rows_in{0};
  std::atomic<int64_t> rows_out{0};
  std::atomic<int64_t> batches_in{0};
  std::atomic<int64_t> busy_micros{0};
  std::atomic<int64_t> spilled_bytes{0};
  std::atomic<int64_t> spilled_runs{0};
  std::atomic<int64_t> partitions{0};      // of rows by their hashes, taken up one by one
  std::atomic<int64_t> passes{0};          // over some rows on disk, besides the last one
  std::atomic<int64_t> late_rows{0};       // that no window took any more
  std::atomic<int64_t> null_time_rows{0};  // dropped: they have no time
};

/// Counts for EXPLAIN ANALYZE; `metrics` may be null.
inline void Count(OperatorMetrics* metrics, std::atomic<int64_t> OperatorMetrics::* counter,
                  int64_t more = 1) {
  if (metrics != nullptr) (metrics->*counter).fetch_add(more, std::memory_order_relaxed);
}

/// Takes rows that an operator puts aside, for a dead-letter file. Thread safe.
class RowsAside {
 public:
  virtual ~RowsAside() = default;
  /// `why` is a short noun: "late".
  virtual Status Put(const SchemaPtr& schema, const Batch& rows, const char* why) = 0;
};

/// What an operator may use. Lives as long as the operator.
struct OperatorContext {
  int lane = 0;
  int lanes = 1;
  int64_t batch_rows = kBatchRowsDefault;
  int64_t batch_bytes = kBatchBytesMax;
  std::shared_ptr<MemoryBudget> budget;  // this operator's node, shared by its lanes
  arrow::MemoryPool* pool = nullptr;
  SpillSpace* spill = nullptr;
  Vfs* vfs = nullptr;
  const Clock* clock = nullptr;
  StopToken stop;
  Waker waker;  // of the driver that runs this lane
  OperatorMetrics* metrics = nullptr;
  CallbackEvaluator* callbacks = nullptr;
  RowsAside* aside = nullptr;  // null: there is no place for them
};

/// What the lanes of one operator share; made by its spec. Combine and Seal are called by the
/// scheduler, never two at once.
class GlobalState {
 public:
  virtual ~GlobalState() = default;
  /// All lanes were combined. Later pipelines read the state from here on.
  virtual Status Seal(const OperatorContext& context);
  /// For a pipeline that reads this state: how many parts it is read in (see PartsInput). Parts are
  /// in output order.
  virtual int64_t num_parts() const { return 1; }
  /// Frees up to `bytes` of what no lane owns (parts not yet read), by spilling. Thread safe.
  virtual Result<int64_t> Reclaim(int64_t bytes);
};

/// One lane's state. One thread at a time. No call blocks, sleeps or runs longer than about 50 ms:
/// longer work is cut into steps by kMoreOutput (with or without output).
class Operator {
 public:
  virtual ~Operator() = default;

  virtual Status Open(const OperatorContext& context) { return Keep(context); }
  /// `batch` is not empty and may carry a selection. The operator may move from it, and must not
  /// read it in a repeated call unless it left it intact.
  virtual Result<Flow> Push(int port, Batch& batch, Out& out) = 0;
  /// The default forwards the watermark: right for operators that hold no rows back.
  virtual Result<Flow> Advance(int port, Watermark watermark, Out& out);
  /// The input of `port` has ended. Called once per port (and again after kMoreOutput …).
  virtual Result<Flow> Finish(int port, Out& out);
  /// The port to be fed next; asked before every input of an operator with several ports.
  /// RatherPort(port): that one, or while it has nothing, or has ended, any that has something.
  virtual int Wants() const { return 0; }
  static constexpr int RatherPort(int port) { return -1 - port; }
  /// After Finish of a lane that ends a pipeline: hands the local state over.
  virtual Status Combine(GlobalState& global);
  /// Frees at least `bytes` if it can, by spilling; gives the bytes freed (0: nothing to free).
  /// Called between steps, on the lane that owns this state.
  virtual Result<int64_t> Reclaim(int64_t bytes);
  /// Writes the state, by key group where it is keyed. Called when the job is quiescent.
  virtual Status Save(StateWriter& writer);
  /// Reads what the lanes of an earlier run wrote: the key groups that this lane owns. After Open.
  virtual Status Load(StateReader& reader);

 protected:
  /// Keeps the context; overriders of Open call it first.
  Status Keep(const OperatorContext& context);
  const OperatorContext& context() const { return *context_; }

 private:
  std::optional<OperatorContext> context_;
};

/// Immutable parameters of an operator; shared by lanes and thread safe.
class OperatorSpec {
 public:
  virtual ~OperatorSpec() = default;
  /// "hash_aggregate": the noun of its file.
  virtual std::string name() const = 0;
  /// "keys=[tier], calls=[count()]": parameters for EXPLAIN; "" when there are none.
  virtual std::string Describe() const { return ""; }
  virtual int num_ports() const { return 1; }
  /// Each row that comes in comes out once or is left out.
  virtual bool only_leaves_out() const { return false; }
  /// Null when lanes share nothing.
  virtual std::shared_ptr<GlobalState> MakeGlobal() const { return nullptr; }
  virtual std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const = 0;
};

using OperatorSpecPtr = std::shared_ptr<const OperatorSpec>;

/// Key groups owned by a lane: [first, last). Every group has exactly one owner.
std::pair<int, int> KeyGroupsOfLane(int lane, int lanes);
int LaneOfKeyGroup(int key_group, int lanes);

}  // namespace headrace
