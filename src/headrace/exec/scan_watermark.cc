// Splits are few, so everything is computed anew from them.
#include "headrace/exec/scan_watermark.h"

#include <algorithm>
#include <limits>

#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/types/time_scale.h"

namespace headrace {
namespace {

// While all splits are idle the watermark follows the clock in such steps.
constexpr int64_t kIdleStepMicros = 1'000'000;

int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b < 0 ? Watermark::kNone : Watermark::kEnd;
}

/// The greatest time up to `limit` among rows that count; kNone when there is none.
int64_t LatestOf(const arrow::Array& times, const arrow::Array* marks, int64_t limit_micros) {
  const auto& stamps = static_cast<const arrow::TimestampArray&>(times);
  const TimeScale scale(static_cast<const arrow::TimestampType&>(*times.type()).unit());
  const int64_t limit = scale.TicksOf(limit_micros);
  const int64_t* ticks = stamps.raw_values();
  int64_t latest = Watermark::kNone;
  if (marks == nullptr && stamps.null_count() == 0) {
    for (int64_t row = 0; row < stamps.length(); ++row) {
      if (ticks[row] <= limit) latest = std::max(latest, ticks[row]);
    }
    return scale.MicrosOf(latest);
  }
  for (int64_t row = 0; row < stamps.length(); ++row) {
    if (stamps.IsNull(row) || ticks[row] > limit) continue;
    const auto* flags = static_cast<const arrow::BooleanArray*>(marks);
    if (flags != nullptr && (flags->IsNull(row) || !flags->Value(row))) continue;
    latest = std::max(latest, ticks[row]);
  }
  return scale.MicrosOf(latest);
}

}  // namespace

void ScanWatermark::Add(int64_t split) {
  std::lock_guard lock(mutex_);
  splits_[split];
}

void ScanWatermark::Saw(int64_t split, int lane, const arrow::Array& times,
                        const arrow::Array* marks) {
  const int64_t wall = clock_.WallMicros();
  const int64_t limit = event_time_.skew_micros > 0 ? SaturatingAdd(wall, event_time_.skew_micros)
                                                    : std::numeric_limits<int64_t>::max();
  const int64_t latest = LatestOf(times, marks, limit);
  std::lock_guard lock(mutex_);
  SplitTime& of_split = splits_[split];
  of_split.latest = std::max(of_split.latest, latest);
  of_split.waits_since.reset();
  of_split.is_idle = false;
  TellWhetherLive(wall);
  WakeOthers(lane);
}

void ScanWatermark::Resume(int64_t split, int64_t latest) {
  std::lock_guard lock(mutex_);
  splits_[split].latest = latest;
  TellWhetherLive(clock_.WallMicros());
}

int64_t ScanWatermark::Latest(int64_t split) const {
  std::lock_guard lock(mutex_);
  const auto found = splits_.find(split);
  return found == splits_.end() ? Watermark::kNone : found->second.latest;
}

void ScanWatermark::TellWhetherLive(int64_t wall_micros) {
  read_at_ = clock_.MonotonicMicros();
  const int64_t behind = SaturatingAdd(event_time_.delay_micros, event_time_.idle_micros);
  is_live_ = SaturatingAdd(LatestOfAll(), behind) >= wall_micros;
}

void ScanWatermark::Waits(int64_t split) {
  const int64_t now = clock_.MonotonicMicros();
  std::lock_guard lock(mutex_);
  SplitTime& of_split = splits_[split];
  if (!of_split.waits_since.has_value()) of_split.waits_since = now;
  const int64_t silence = now - *of_split.waits_since;
  of_split.is_idle = event_time_.idle_micros > 0 && silence >= event_time_.idle_micros;
}

void ScanWatermark::Ended(int64_t split, int lane) {
  std::lock_guard lock(mutex_);
  splits_[split].has_ended = true;
  WakeOthers(lane);
}

bool ScanWatermark::AllIdle() const {
  return std::all_of(splits_.begin(), splits_.end(), [](const auto& split) {
    return split.second.is_idle || split.second.has_ended;
  });
}

/// While all splits are idle.
bool ScanWatermark::MovesWithClock() const { return is_live_ && LatestOfAll() != Watermark::kNone; }

bool ScanWatermark::IsIdle() const {
  std::lock_guard lock(mutex_);
  const bool any_open = std::any_of(splits_.begin(), splits_.end(),
                                    [](const auto& split) { return !split.second.has_ended; });
  return any_open && AllIdle() && !MovesWithClock();
}

int64_t ScanWatermark::LatestOfAll() const {
  int64_t latest = Watermark::kNone;
  for (const auto& [index, split] : splits_) latest = std::max(latest, split.latest);
  return latest;
}

Watermark ScanWatermark::Now(bool is_paused) const {
  const int64_t now = clock_.MonotonicMicros();
  std::lock_guard lock(mutex_);
  int64_t time = Watermark::kEnd;
  for (const auto& [index, split] : splits_) {
    if (!split.is_idle && !split.has_ended) time = std::min(time, split.latest);
  }
  if (AllIdle()) {
    time = LatestOfAll();
    const int64_t silence = now - read_at_ - event_time_.idle_micros;
    if (MovesWithClock() && !is_paused && silence > 0) time = SaturatingAdd(time, silence);
  }
  return {time == Watermark::kNone ? time : SaturatingAdd(time, -event_time_.delay_micros)};
}

std::optional<int64_t> ScanWatermark::NextChange() const {
  if (event_time_.idle_micros <= 0) return std::nullopt;
  if (AllIdle()) {
    if (!MovesWithClock()) return std::nullopt;
    return clock_.MonotonicMicros() + kIdleStepMicros;
  }
  std::optional<int64_t> next;
  for (const auto& [index, split] : splits_) {
    if (split.is_idle || split.has_ended || !split.waits_since.has_value()) continue;
    const int64_t at = *split.waits_since + event_time_.idle_micros;
    next = std::min(next.value_or(at), at);
  }
  return next;
}

void ScanWatermark::WakeLater(int lane, const Waker& waker) {
  std::optional<int64_t> at;
  {
    std::lock_guard lock(mutex_);
    waiting_[lane] = waker;
    at = NextChange();
    if (!at.has_value()) return;
    // One timer a lane is under way; a later one is set when it has woken the lane.
    int64_t& timer = timers_[lane];
    const bool is_under_way = timer > clock_.MonotonicMicros() && timer <= *at;
    if (is_under_way) return;
    timer = *at;
  }
  clock_.CallAt(*at, [waker] { waker.Wake(); });
}

void ScanWatermark::WakeOthers(int lane) {
  for (auto& [other, waker] : waiting_) {
    if (other == lane) continue;
    waker.Wake();
    waker = Waker();
  }
}

}  // namespace headrace
