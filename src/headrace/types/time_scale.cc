// One of the two factors is always 1.
#include "headrace/types/time_scale.h"

#include "arrow/type.h"
#include "headrace/base/floor_divide.h"
#include "headrace/types/watermark.h"

namespace headrace {
namespace {

int64_t Scale(int64_t value, int64_t by) {
  int64_t scaled;
  if (!__builtin_mul_overflow(value, by, &scaled)) return scaled;
  return value < 0 ? Watermark::kNone : Watermark::kEnd;
}

bool IsLimit(int64_t time) { return time == Watermark::kNone || time == Watermark::kEnd; }

}  // namespace

TimeScale::TimeScale(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      micros_per_tick_ = 1'000'000;
      break;
    case arrow::TimeUnit::MILLI:
      micros_per_tick_ = 1000;
      break;
    case arrow::TimeUnit::MICRO:
      break;
    case arrow::TimeUnit::NANO:
      ticks_per_micro_ = 1000;
      break;
  }
}

int64_t TimeScale::MicrosOf(int64_t ticks) const {
  if (IsLimit(ticks)) return ticks;
  return Scale(FloorDivide(ticks, ticks_per_micro_), micros_per_tick_);
}

int64_t TimeScale::TicksOf(int64_t micros) const {
  if (IsLimit(micros)) return micros;
  return Scale(-FloorDivide(-micros, micros_per_tick_), ticks_per_micro_);
}

}  // namespace headrace
