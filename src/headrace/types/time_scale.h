// TimeScale: ticks of a timestamp column to the microseconds of watermarks, and back.
#pragma once

#include <cstdint>

#include "arrow/type_fwd.h"

namespace headrace {

/// Both directions saturate: what has no counterpart becomes Watermark::kNone or kEnd, which are
/// kept as they are.
class TimeScale {
 public:
  explicit TimeScale(arrow::TimeUnit::type unit);

  /// The microsecond that the tick lies in, or begins with.
  int64_t MicrosOf(int64_t ticks) const;
  /// The first tick that does not lie before the microsecond.
  int64_t TicksOf(int64_t micros) const;
  /// 1 for units of a microsecond or less.
  int64_t micros_per_tick() const { return micros_per_tick_; }

 private:
  int64_t micros_per_tick_ = 1;
  int64_t ticks_per_micro_ = 1;
};

}  // namespace headrace
