// The progress line.
#include "progress.h"

#include <unistd.h>

#include <cstdio>

#include "interrupt.h"

namespace headrace::app {
namespace {

constexpr std::chrono::milliseconds kQuietTime{1000};
constexpr std::chrono::milliseconds kInterval{100};

}  // namespace

Progress::Progress()
    : enabled_(isatty(STDERR_FILENO) == 1), start_(Clock::now()), last_(start_ + kQuietTime) {}

void Progress::Tick(int64_t rows) {
  if (!enabled_) return;
  const Clock::time_point now = Clock::now();
  if (now - last_ < kInterval) return;
  last_ = now;
  shown_ = true;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const std::string count = rows < 0 ? "" : fmt::format("{} rows, ", rows);
  fmt::print(stderr, "\r\x1b[K{}{:.1f} s", count, seconds);
  std::fflush(stderr);
}

void Progress::Clear() {
  if (!shown_) return;
  shown_ = false;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
}

std::function<Status()> Progress::Poll() {
  return [this] {
    Tick();
    return CheckInterrupted();
  };
}

}  // namespace headrace::app
