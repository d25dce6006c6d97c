// ScanWatermark: the watermark of one endless scan, made of the event times and the silence of all
// its splits.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "headrace/base/clock.h"
#include "headrace/plan/node.h"
#include "headrace/types/watermark.h"

namespace headrace {

/// Shared by the lanes of the scan; thread safe. The watermark is the least, over the splits that
/// are read, of the greatest event time seen, minus the allowed delay. Splits that have ended, or
/// gave nothing for EventTime::idle_micros, are left out.
///
/// While all splits are idle it goes on from the greatest time of all. It then moves with the clock
/// if the stream is live, that is, if its latest time was no further behind the wall clock than
/// the delay and the idle time together. A silence of a stream that is replayed says nothing about
/// its time, nor does that of one that never had a row: such a stream is idle.
class ScanWatermark {
 public:
  /// `clock` outlives it.
  ScanWatermark(const EventTime& event_time, Clock& clock)
      : event_time_(event_time), clock_(clock) {}

  /// The split is to be read by `lane`.
  void Add(int64_t split);
  /// The split gave rows whose event times are the column `times`; `marks` (may be null) tells
  /// which of them count.
  void Saw(int64_t split, int lane, const arrow::Array& times, const arrow::Array* marks);
  /// The split goes on where a run before this one left it, having seen `latest`.
  void Resume(int64_t split, int64_t latest);
  /// The greatest event time that the split gave; kNone: none.
  int64_t Latest(int64_t split) const;
  /// The split gave Pending.
  void Waits(int64_t split);
  void Ended(int64_t split, int lane);

  /// kNone: nothing can be promised. `is_paused`: the clock stands still.
  Watermark Now(bool is_paused) const;
  bool IsIdle() const;
  /// Has `waker` woken once when the watermark may have moved: when another lane has read
  /// something, or time has passed.
  void WakeLater(int lane, const Waker& waker);

 private:
  struct SplitTime {
    int64_t latest = Watermark::kNone;
    std::optional<int64_t> waits_since;  // of the monotonic clock
    bool is_idle = false;
    bool has_ended = false;
  };

  void TellWhetherLive(int64_t wall_micros);
  bool AllIdle() const;
  bool MovesWithClock() const;
  int64_t LatestOfAll() const;
  std::optional<int64_t> NextChange() const;
  void WakeOthers(int lane);

  const EventTime event_time_;
  Clock& clock_;
  mutable std::mutex mutex_;
  std::map<int64_t, SplitTime> splits_;
  int64_t read_at_ = 0;   // of the monotonic clock: the last rows
  bool is_live_ = false;  // as they came
  std::map<int, Waker> waiting_;
  std::map<int, int64_t> timers_;  // by lane: when its next wake is due
};

}  // namespace headrace
