// Ends of aligned windows are evenly spaced; starts follow from them.
#include "headrace/exec/op/stream/window_times.h"

#include <numeric>

#include "arrow/type.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

// Times have so much room on both sides: no sum of a few spans leaves 64 bits.
constexpr int64_t kSpanMax = int64_t{1} << 58;

int64_t AdvanceOf(WindowKind kind, int64_t size, int64_t advance) {
  return kind == WindowKind::kSliding || kind == WindowKind::kCumulate ? advance : size;
}

}  // namespace

WindowTimes::WindowTimes(WindowKind kind, TimeScale scale, int64_t size, int64_t advance,
                         int64_t offset, int64_t lateness)
    : kind_(kind),
      scale_(scale),
      size_(size),
      advance_(advance),
      offset_(offset),
      lateness_(lateness),
      pane_(std::gcd(size, advance)),
      time_max_(kNever - 4 * (size + lateness + 1)),
      by_pane_(pane_) {}

Result<WindowTimes> WindowTimes::Make(const StreamWindowSpec& spec, const arrow::DataType& type) {
  const TimeScale scale(static_cast<const arrow::TimestampType&>(type).unit());
  const int64_t size = scale.TicksOf(spec.size_micros);
  const int64_t lateness = scale.TicksOf(spec.lateness_micros);
  if (size > kSpanMax || lateness > kSpanMax) {
    return Error(ErrorKind::kInvalidArgument,
                 "a window of {} us with an allowed lateness of {} us is too long for times of "
                 "type {}",
                 spec.size_micros, spec.lateness_micros, type.ToString());
  }
  const int64_t advance = AdvanceOf(spec.kind, size, scale.TicksOf(spec.advance_micros));
  const int64_t shift = spec.kind == WindowKind::kSession ? 0 : scale.TicksOf(spec.offset_micros);
  const int64_t period = spec.kind == WindowKind::kSliding ? advance : size;
  const int64_t offset = shift - FloorDivide(shift, period) * period;
  return WindowTimes(spec.kind, scale, size, advance, offset, lateness);
}

WindowTimes::Window WindowTimes::FirstEndingAfter(int64_t time) const {
  const int64_t shifted = time - offset_;
  if (kind_ == WindowKind::kCumulate) {
    const int64_t end = (FloorDivide(shifted, advance_) + 1) * advance_;
    return {FloorDivide(end - 1, size_) * size_ + offset_, end + offset_};
  }
  const int64_t start = (FloorDivide(shifted - size_, advance_) + 1) * advance_;
  return {start + offset_, start + size_ + offset_};
}

int64_t WindowTimes::LastEndOf(int64_t pane) const {
  const int64_t by = kind_ == WindowKind::kCumulate ? size_ : advance_;
  return FloorDivide(pane - offset_, by) * by + size_ + offset_;
}

Watermark WindowTimes::PromiseAt(int64_t ticks) const {
  if (ticks == Watermark::kNone || ticks == Watermark::kEnd) return {ticks};
  // A window that is still to come out, or to be corrected, is not gone: GoneAt(end) > ticks.
  const int64_t behind = size_ + lateness_ + (is_session() ? 1 : 0);
  int64_t start;
  if (__builtin_sub_overflow(ticks, behind - 1, &start)) return {Watermark::kNone};
  return WatermarkOf(start);
}

}  // namespace headrace
