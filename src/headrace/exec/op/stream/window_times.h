// WindowTimes: the arithmetic of event-time windows, in ticks of the time column – which panes and
// windows a time belongs to, and from which watermark on a window is complete.
#pragma once

#include <cstdint>
#include <limits>

#include "headrace/base/floor_divide.h"
#include "headrace/plan/node.h"
#include "headrace/types/time_scale.h"
#include "headrace/types/watermark.h"

namespace headrace {

/// Immutable. Aligned windows (all but sessions) are made of panes: a pane is the largest span such
/// that every window is a whole number of them. Windows are ordered by their ends, of which no two
/// are equal.
class WindowTimes {
 public:
  struct Window {
    int64_t start = 0;
    int64_t end = 0;
    bool operator==(const Window&) const = default;
  };
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  /// kInvalidArgument when sizes are so long that times near them do not fit 64 bits.
  static Result<WindowTimes> Make(const StreamWindowSpec& spec, const arrow::DataType& type);

  bool is_session() const { return kind_ == WindowKind::kSession; }
  int64_t size() const { return size_; }  // a session: the gap
  int64_t pane() const { return pane_; }
  int64_t lateness() const { return lateness_; }

  /// Whether every window of `time` has bounds that fit, with all that is added to them here.
  bool HasWindow(int64_t time) const { return time >= -time_max_ && time <= time_max_; }
  int64_t PaneOf(int64_t time) const {
    return static_cast<int64_t>(static_cast<uint64_t>(by_pane_(time - offset_)) *
                                    static_cast<uint64_t>(pane_) +
                                static_cast<uint64_t>(offset_));
  }
  /// The window of the least end after `time`. Of a pane's start: the first window it is in.
  Window FirstEndingAfter(int64_t time) const;
  Window After(Window window) const { return FirstEndingAfter(window.end); }
  /// The end of the last window that the pane is in.
  int64_t LastEndOf(int64_t pane) const;

  /// The ticks of a watermark from which on a window is complete.
  int64_t DeadlineOf(int64_t end) const { return is_session() ? end + 1 : end; }
  /// The same for the last row that it takes: from then on it is gone.
  int64_t GoneAt(int64_t end) const { return DeadlineOf(end) + lateness_; }

  /// No row with a time before the result follows `watermark`.
  int64_t TicksOf(Watermark watermark) const { return scale_.TicksOf(watermark.micros); }
  /// What can be promised of window starts at `ticks` when no session is open.
  Watermark PromiseAt(int64_t ticks) const;
  Watermark WatermarkOf(int64_t ticks) const { return {scale_.MicrosOf(ticks)}; }

 private:
  WindowTimes(WindowKind kind, TimeScale scale, int64_t size, int64_t advance, int64_t offset,
              int64_t lateness);

  WindowKind kind_;
  TimeScale scale_;
  int64_t size_;
  int64_t advance_;  // between the ends of windows
  int64_t offset_;   // of the starts: not below 0, and less than they are apart
  int64_t lateness_;
  int64_t pane_;
  int64_t time_max_;
  FloorDivider by_pane_;
};

}  // namespace headrace
