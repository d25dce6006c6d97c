// Inputs of pipelines: where the first operator of a driver gets its items – splits of a source,
// parts of a sealed state, or a channel.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "headrace/exec/channel.h"
#include "headrace/exec/scan_watermark.h"
#include "headrace/memory/budget.h"
#include "headrace/plan/node.h"

namespace headrace {

struct OperatorMetrics;

/// A split ended: everything that came of it was given.
struct SplitEnded {
  int64_t split = 0;
};
struct EndOfInput {};
/// Next would take so much more memory than was granted. It goes on when it is called again, with
/// or without the grant.
struct MemoryWanted {
  int64_t bytes = 0;
};
using InputItem =
    std::variant<Batch, Watermark, Idleness, SplitEnded, Pending, MemoryWanted, EndOfInput>;

/// One lane's view of an input. One thread at a time.
class PipelineInput {
 public:
  virtual ~PipelineInput() = default;
  virtual Result<InputItem> Next() = 0;
  /// Nothing more is wanted. Gives the split that was being read, which will see no SplitEnded.
  virtual std::optional<int64_t> Close() { return std::nullopt; }
  /// (split, "<batches read>[@<latest event time>]:<reader position>") of the splits this lane
  /// reads, for a checkpoint; only unbounded scans have any.
  virtual Result<std::vector<std::pair<int64_t, std::string>>> Positions() const {
    return std::vector<std::pair<int64_t, std::string>>{};
  }
};

/// What the bounded scans of a query have read so far. Thread safe; figures of one moment need not
/// fit each other exactly.
struct ReadProgress {
  std::atomic<int64_t> rows{0};
  std::atomic<int64_t> bytes{0};  // of the columns read, in memory
  std::atomic<int64_t> splits_done{0};
  std::atomic<int64_t> splits{0};  // all that there are
};

/// Hands out splits in row order to the lanes of one pipeline, at most kSplitsAheadPerLane × lanes
/// ahead of the oldest unfinished one. Thread safe.
class SplitDispatcher {
 public:
  SplitDispatcher(std::vector<Split> splits, int lanes);
  /// Called in row order, under the lock, when a split is handed out.
  void set_on_begin(std::function<void(int64_t)> on_begin) { on_begin_ = std::move(on_begin); }

  enum class State { kTaken, kWait, kNone };
  /// kWait: `waker` is woken when an older split was finished.
  State Take(Split* split, const Waker& waker);
  void Finished(int64_t index);
  void Close();

 private:
  std::mutex mutex_;
  std::deque<Split> waiting_;
  std::set<int64_t> running_;
  std::vector<Waker> wakers_;
  const int64_t ahead_max_;
  int64_t taken_since_oldest_ = 0;
  std::function<void(int64_t)> on_begin_;
};

/// What a lane of a scan claims of its budget for what its readers hold, see SplitReader::bytes:
/// what exceeds its share of the fixed floors, up to its share of the limit.
struct ScanMemory {
  std::shared_ptr<MemoryBudget> budget;
  int lanes = 1;
};

/// Reads splits of a bounded source and counts in `progress`, which outlives it. Claims of `memory`
/// are kept from split to split; one that is refused is asked for by MemoryWanted once a split.
std::unique_ptr<PipelineInput> MakeScanInput(const ScanNode& scan, const ScanRequest& request,
                                             std::shared_ptr<SplitDispatcher> dispatcher,
                                             ReadProgress* progress, const ReadContext& context,
                                             const ScanMemory& memory);

/// Reads `splits`, a lane's share of an unbounded source, in turn, and gives the watermarks that
/// `watermark` makes of all of them (null: none); they are in it. While `*paused` it gives Pending.
Result<std::unique_ptr<PipelineInput>> MakeStreamInput(
    const ScanNode& scan, const ScanRequest& request, const std::vector<Split>& splits,
    const std::vector<std::pair<int64_t, std::string>>& positions,
    std::shared_ptr<const std::atomic<bool>> paused, std::shared_ptr<ScanWatermark> watermark,
    int lane, const ReadContext& context);

/// Which scans of a query have caught up: have ended, or once had nothing to give.
struct CatchUp {
  std::atomic<int64_t> behind{0};                   // scans, on all lanes, that have not
  std::shared_ptr<const std::atomic<bool>> paused;  // who waits because of a pause has not either
};

/// `input`, counting the rows it gives and its time in `metrics`, and itself out of `catch_up`.
/// Both outlive it.
std::unique_ptr<PipelineInput> MakeMeasuredInput(std::unique_ptr<PipelineInput> input,
                                                 OperatorMetrics* metrics, CatchUp* catch_up);

/// One batch without columns per part of a sealed state: ordinal.split is the part.
std::unique_ptr<PipelineInput> MakePartsInput(std::shared_ptr<SplitDispatcher> dispatcher,
                                              Waker waker);

std::unique_ptr<PipelineInput> MakeChannelInput(std::shared_ptr<Channel> channel, int reader,
                                                Waker waker);

}  // namespace headrace
