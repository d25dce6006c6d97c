// A line on the terminal that says that work goes on, and takes itself away.
#pragma once

#include <chrono>

#include "headrace/engine/cursor.h"

namespace headrace::app {

/// Shows nothing unless standard error is a terminal. One thread.
class Progress {
 public:
  Progress();
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Call often: after the first second shows how far the query is.
  void Tick(const QueryMetrics& metrics);
  /// Takes the line away; before anything else is written to the terminal.
  void Clear();
  /// Clears and shows nothing more.
  void Stop() {
    Clear();
    enabled_ = false;
  }

  /// What a cursor polls: stops at Ctrl-C, else ticks. The progress must outlive it.
  Poll poll();

 private:
  using Clock = std::chrono::steady_clock;
  bool enabled_;
  const Clock::time_point start_;
  Clock::time_point last_;
  bool shown_ = false;
};

}  // namespace headrace::app
