// MemoryLedger: what a session holds in memory, of which its budget and its Arrow pool each see a
// part.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "headrace/base/limits.h"

namespace headrace {

/// Where claimed bytes are: in the session's Arrow pool, which counts them too, or elsewhere (hash
/// tables, states of aggregates).
enum class Backing : uint8_t { kPool, kOwn };

/// Shared by the root of a budget tree and the pool of the same session. Thread safe.
class MemoryLedger {
 public:
  /// What the pool holds then.
  int64_t AddPool(int64_t bytes) {
    return pool_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  }
  void AddOwn(int64_t bytes) { own_.fetch_add(bytes, std::memory_order_relaxed); }
  int64_t pool_bytes() const { return pool_.load(std::memory_order_relaxed); }
  int64_t own_bytes() const { return own_.load(std::memory_order_relaxed); }

  /// Bytes of the pool that nobody claimed – batches on their way, what decoders hold – past the
  /// fixed floors (see base/limits.h), once its claims are so many.
  int64_t UnclaimedPastFloors(int64_t claimed_in_pool) const {
    return std::max<int64_t>(0, pool_bytes() - claimed_in_pool - kFloorBytes - kSpillReserveBytes);
  }

 private:
  std::atomic<int64_t> pool_{0};
  std::atomic<int64_t> own_{0};
};

}  // namespace headrace
