// For tests: how many random cases each tree runs.
#pragma once

#include <algorithm>
#include <cstdint>

namespace headrace {

/// `count` in the release tree; a fifth of them, ten at least, under the sanitizers, where a case
/// takes ten to twenty times as long.
constexpr uint64_t RandomCases(uint64_t count) {
#ifdef HEADRACE_SANITIZED
  return std::min(count, std::max<uint64_t>(count / 5, 10));
#else
  return count;
#endif
}

}  // namespace headrace
