// SinkThreads: what sinks are besides that can encode on threads of their own.
#pragma once

#include <cstdint>

#include "headrace/base/limits.h"

namespace headrace {

/// Memory for one such thread: rows that are gathered, and what is made of them.
inline constexpr int64_t kSinkThreadBytes = 3 * kFloorBytes;

class SinkThreads {
 public:
  virtual ~SinkThreads() = default;
  /// Before Sink::Open: Write may keep so many threads busy, each with kSinkThreadBytes of memory
  /// that the caller has set apart until the sink is committed or aborted.
  virtual void UseThreads(int count) = 0;
};

}  // namespace headrace
