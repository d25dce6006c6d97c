// The machine's clock.
#include "headrace/base/clock.h"

#include <chrono>

namespace headrace {
namespace {

template <typename ChronoClock>
int64_t NowMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             ChronoClock::now().time_since_epoch())
      .count();
}

class MachineClock final : public Clock {
 public:
  int64_t WallMicros() const override { return NowMicros<std::chrono::system_clock>(); }
  int64_t MonotonicMicros() const override { return NowMicros<std::chrono::steady_clock>(); }
};

}  // namespace

Clock& SystemClock() {
  static MachineClock clock;
  return clock;
}

}  // namespace headrace
