// Channel: the only thing that stands between pipelines – bounded queues from the lanes of one
// pipeline to the lanes of the next, or to a cursor. A full queue parks its writer.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <variant>
#include <vector>

#include "headrace/exec/operator.h"

namespace headrace {

enum class ChannelOrder {
  kSplits,   // one reader gets all batches of a split, then those of the next split
  kArrival,  // readers get batches as they come
};

struct ChannelSpec {
  ChannelOrder order = ChannelOrder::kArrival;
  int writers = 1;
  int readers = 1;
  int64_t bytes_max = kQueueBytesMax;
};

/// Thread safe. Batches are compacted. Holds at most bytes_max per queue (one batch more at most);
/// what it holds is charged to the budget as far as that grants it.
///
/// Order by splits: BeginSplit is called in row order before any batch of the split is written. The
/// writer of the oldest unfinished split is refused only while batches of that split wait, so the
/// reader can always go on: no deadlock at any number of lanes.
class Channel {
 public:
  using Item =
      std::variant<Batch, Watermark, Idleness, Pending, EndOfSplit>;  // EndOfSplit: all has ended

  Channel(ChannelSpec spec, std::shared_ptr<MemoryBudget> budget);

  // Writers.
  void BeginSplit(int64_t split);
  void EndSplit(int64_t split);
  /// kNeedInput: taken. kBlocked: full, `waker` is woken when there is room. kFinished: the reader
  /// is gone.
  Flow Write(int reader, Batch& batch, const Waker& waker);
  /// The readers see the least watermark over all writers that have not finished and are not idle.
  void Advance(int writer, Watermark watermark);
  /// The readers are idle when all that have not finished are, and see the greatest watermark then.
  void SetIdle(int writer, bool is_idle);
  void Finish(int writer);

  // Readers.
  Item Read(int reader, const Waker& waker);
  void Close(int reader);
  /// No item waits for any reader.
  bool empty() const;

 private:
  struct SplitBuffer {
    std::deque<Batch> batches;
    int64_t bytes = 0;
    bool ended = false;
  };
  struct Writer {
    Watermark watermark;  // kEnd: it has finished
    bool is_idle = false;
  };
  using QueueItem = std::variant<Batch, Watermark, Idleness>;
  struct Queue {
    std::deque<QueueItem> items;
    int64_t bytes = 0;
    bool closed = false;
    bool waiting = false;
    Waker waker;
    std::vector<Waker> blocked_writers;
  };

  bool HasRoom(const Queue& queue, const Batch& batch, int64_t bytes);
  void Charge(int64_t delta);
  void Append(Queue& queue, Batch batch, int64_t bytes);
  std::optional<Batch> TakeInSplitOrder(Queue& queue);
  static void WakeReader(Queue& queue);
  void SpreadNews();
  void Spread(QueueItem news);

  const ChannelSpec spec_;
  mutable std::mutex mutex_;
  Reservation reservation_;
  std::vector<Queue> queues_;
  std::vector<Writer> writers_;
  Watermark spread_;
  bool spread_idle_ = false;
  int writers_open_;
  std::deque<int64_t> split_order_;
  std::map<int64_t, SplitBuffer> splits_;
};

}  // namespace headrace
