// The Arrow pool of a session: counts every Arrow byte and fails hard past the limit plus slack.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "arrow/memory_pool.h"
#include "headrace/memory/block_heap.h"
#include "headrace/memory/ledger.h"

namespace headrace {

/// Counts what it hands out: blocks of a BlockHeap, and smaller and larger ones of Arrow's system
/// pool. Where that and what was reserved outside of
/// it (see MemoryLedger) pass `limit + limit / 10 + floors` (see base/limits.h) an allocation fails
/// with kMemoryLimit that names the operator whose step runs on this thread (PoolLabel), the bytes,
/// the limit and the setting. Thread safe.
/// Arrays given to a user may outlive the session: KeepUntilEmpty parks the pool until they are
/// gone.
class BudgetPool final : public arrow::MemoryPool {
 public:
  static std::shared_ptr<BudgetPool> Make(
      int64_t limit_bytes, std::shared_ptr<MemoryLedger> ledger = std::make_shared<MemoryLedger>());
  ~BudgetPool() override;

  using arrow::MemoryPool::Allocate;
  using arrow::MemoryPool::Free;
  using arrow::MemoryPool::Reallocate;
  arrow::Status Allocate(int64_t size, int64_t alignment, uint8_t** out) override;
  arrow::Status Reallocate(int64_t old_size, int64_t new_size, int64_t alignment,
                           uint8_t** ptr) override;
  void Free(uint8_t* buffer, int64_t size, int64_t alignment) override;
  int64_t bytes_allocated() const override;
  int64_t max_memory() const override;
  int64_t total_bytes_allocated() const override;
  int64_t num_allocations() const override;
  std::string backend_name() const override;
  void ReleaseUnused() override;

  /// Gives the pool to the process: freed memory still finds it after its session is gone.
  static void KeepUntilEmpty(std::shared_ptr<BudgetPool> pool);

 private:
  struct Counters;
  BudgetPool(int64_t limit_bytes, std::shared_ptr<MemoryLedger> ledger);
  arrow::Status Admit(int64_t more_bytes);
  arrow::Status AllocateBlock(int64_t size, uint8_t** out);
  arrow::Status Move(int64_t old_size, int64_t new_size, int64_t alignment, uint8_t** ptr);
  void GiveBack(uint8_t* buffer, int64_t size, int64_t alignment);
  void ReleaseIdle();

  const int64_t limit_bytes_;
  const int64_t hard_limit_bytes_;
  const int64_t look_step_bytes_;
  const int64_t resident_at_start_;  // of the process
  // The others give freed memory back at once, and have it cleared page by page again: a third of
  // the time of queries with large results.
  arrow::MemoryPool* const parent_ = arrow::system_memory_pool();
  BlockHeap heap_;
  const std::shared_ptr<MemoryLedger> ledger_;
  std::unique_ptr<Counters> counters_;
};

/// While it lives, over-limit errors of this thread name `label` (which must outlive it).
class PoolLabel {
 public:
  explicit PoolLabel(const char* label);
  ~PoolLabel();
  PoolLabel(const PoolLabel&) = delete;
  PoolLabel& operator=(const PoolLabel&) = delete;

 private:
  const char* previous_;
};

}  // namespace headrace
