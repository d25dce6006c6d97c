// The progress line.
#include "progress.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#include "interrupt.h"

namespace headrace::app {
namespace {

constexpr std::chrono::milliseconds kQuietTime{1000};
constexpr std::chrono::milliseconds kInterval{100};
constexpr int kBarWidth = 20;

/// "[=====>              ]  27 %  1234567 rows, 45.1 MB read, 3.2 s"
std::string ProgressText(const QueryMetrics& metrics, double seconds) {
  std::string bar;
  if (metrics.splits > 1) {
    const double part =
        static_cast<double>(metrics.splits_read) / static_cast<double>(metrics.splits);
    std::string filled(static_cast<size_t>(part * kBarWidth), '=');
    if (part < 1) filled += '>';
    bar = fmt::format("[{:<{}}] {:3.0f} %  ", filled, kBarWidth, part * 100);
  }
  return fmt::format("{}{} rows, {:.1f} MB read, {:.1f} s", bar, metrics.rows_read,
                     static_cast<double>(metrics.bytes_read) / 1e6, seconds);
}

}  // namespace

Progress::Progress()
    : enabled_(isatty(STDERR_FILENO) == 1), start_(Clock::now()), last_(start_ + kQuietTime) {}

void Progress::Tick(const QueryMetrics& metrics) {
  if (!enabled_) return;
  const Clock::time_point now = Clock::now();
  if (now - last_ < kInterval) return;
  last_ = now;
  shown_ = true;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  fmt::print(stderr, "\r\x1b[K{}", ProgressText(metrics, seconds));
  std::fflush(stderr);
}

void Progress::Clear() {
  if (!shown_) return;
  shown_ = false;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
}

Poll Progress::poll() {
  return [this](const QueryMetrics& metrics) {
    Tick(metrics);
    return CheckInterrupted();
  };
}

}  // namespace headrace::app
