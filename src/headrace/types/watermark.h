// Watermark: a promise of a stream that no row with an earlier event time follows.
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

}  // namespace headrace
