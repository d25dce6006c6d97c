// The budget tree: session → query → operator. Operators reserve bytes here before they touch
// state; a refused reservation is answered by reclaim (spilling), or by an error that names the
// culprit.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "headrace/base/error.h"
#include "headrace/memory/ledger.h"

namespace headrace {

/// One node of the tree. A reservation counts at its node and at every ancestor; it is granted only
/// when it fits all of them. Thread safe; a grant costs one atomic add per level.
class MemoryBudget : public std::enable_shared_from_this<MemoryBudget> {
 public:
  static constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

  /// `setting` is the name of what a user raises when the limit is hit ("memory_limit").
  /// With a ledger, what the pool holds and nobody reserved counts against the limit as well, past
  /// the fixed floors.
  static std::shared_ptr<MemoryBudget> MakeRoot(std::string name, int64_t limit_bytes,
                                                std::string setting = "memory_limit",
                                                std::shared_ptr<MemoryLedger> ledger = nullptr);
  /// `setting`: what raises the limit of the child; by default that of its parent.
  std::shared_ptr<MemoryBudget> MakeChild(std::string name, int64_t limit_bytes = kUnlimited,
                                          std::string setting = "");
  /// A child that leaves `bytes` of the limit to others; errors speak of the whole limit.
  std::shared_ptr<MemoryBudget> MakeChildLeaving(std::string name, int64_t bytes);

  bool TryReserve(int64_t bytes, Backing backing = Backing::kPool);
  /// TryReserve, or kMemoryLimit naming this node, the bytes wanted, the limit and the setting.
  Status Reserve(int64_t bytes);
  /// Of the pool: what is elsewhere is moved back before.
  void Release(int64_t bytes);

  /// So many bytes that were reserved of the pool are elsewhere, or, negative, are in the pool.
  void MoveToOwn(int64_t bytes);

  /// The error that Reserve(bytes) gives. It names those who hold most of the memory in use.
  Status OverLimit(int64_t bytes_wanted) const;

  const std::string& name() const { return name_; }
  /// The smallest limit on the way to the root.
  int64_t limit_bytes() const;
  int64_t used_bytes() const { return used_.load(std::memory_order_relaxed); }
  int64_t peak_bytes() const { return peak_.load(std::memory_order_relaxed); }

 private:
  MemoryBudget(std::string name, int64_t limit_bytes, std::string setting,
               std::shared_ptr<MemoryBudget> parent, std::shared_ptr<MemoryLedger> ledger);
  bool TryAdd(int64_t bytes, Backing backing);
  void KeepChild(const std::shared_ptr<MemoryBudget>& child);
  /// Adds the nodes below it that have no nodes below them and hold something.
  void CollectHolders(std::vector<std::pair<int64_t, std::string>>* holders) const;
  /// Who holds most of what is in use below this node, for people: "sort 200, scan 100".
  std::string LargestHolders() const;
  /// Of the smallest limit on the way to the root, what is left to others.
  int64_t left_to_others() const;
  /// What the pool holds unclaimed once `bytes` more are reserved.
  int64_t UnclaimedAfter(int64_t bytes, Backing backing) const;

  const std::string name_;
  const int64_t limit_bytes_;
  int64_t left_to_others_ = 0;
  const std::string setting_;
  const std::shared_ptr<MemoryBudget> parent_;
  const std::shared_ptr<MemoryLedger> ledger_;  // of a root; may be null
  std::atomic<int64_t> used_{0};
  std::atomic<int64_t> peak_{0};
  mutable std::mutex mutex_;
  std::vector<std::weak_ptr<MemoryBudget>> children_;  // guarded by mutex_
};

/// A claim on a budget node that is given back when it dies. Movable; owned by one lane.
class Reservation {
 public:
  Reservation() = default;
  explicit Reservation(std::shared_ptr<MemoryBudget> budget, Backing backing = Backing::kPool)
      : budget_(std::move(budget)), backing_(backing) {}
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&& other) noexcept;
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation() { Clear(); }

  /// Makes the claim `bytes` large. Shrinking always works; a refused growth changes nothing.
  bool TryResize(int64_t bytes);
  Status Resize(int64_t bytes);
  bool TryGrow(int64_t more_bytes) { return TryResize(bytes_ + more_bytes); }
  void Clear() { TryResize(0); }
  /// Hands `bytes` of the claim over to a new one. REQUIRES: bytes <= this->bytes().
  Reservation Split(int64_t bytes);
  /// Says how many bytes of a claim on the pool are elsewhere after all: keys beside columns. At
  /// most all of them; what grows later is in the pool.
  void SetOwn(int64_t bytes);

  int64_t bytes() const { return bytes_; }

 private:
  std::shared_ptr<MemoryBudget> budget_;
  int64_t bytes_ = 0;
  int64_t own_bytes_ = 0;  // of bytes_
  Backing backing_ = Backing::kPool;
};

}  // namespace headrace
