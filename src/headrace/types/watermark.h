// Watermark: a promise of a stream that no row with an earlier event time follows. Idleness: that
// nobody is to wait for one.
#pragma once

#include <cstdint>
#include <limits>

namespace headrace {

/// Event time in microseconds since the Unix epoch.
struct Watermark {
  int64_t micros = kNone;
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::min();
  static constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();
  auto operator<=>(const Watermark&) const = default;
};

/// An idle stream has been silent for its idle time: what it is joined or united with goes on
/// without it, until it has rows again. Said when it changes; a batch ends it unsaid.
struct Idleness {
  bool is_idle = false;
};

}  // namespace headrace
