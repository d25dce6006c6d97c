// Counting wrapper over Arrow's pool.
#include "headrace/memory/pool.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "headrace/base/error.h"
#include "headrace/base/fault.h"
#include "headrace/base/limits.h"
#include "headrace/memory/resident.h"

namespace headrace {
namespace {

// Where memory is short so much is freed between two looks at what the process has. What is given
// back must be cleared page by page when it is wanted again, so it is kept up to the limit and a
// part of it.
constexpr int64_t kLooksPerLimit = 64;
constexpr int64_t kLookStepMin = int64_t{4} << 20;
constexpr int64_t kLookStepMax = int64_t{64} << 20;
constexpr int64_t kKeptPastLimitInverse = 32;

thread_local const char* current_label = "a query";

}  // namespace

struct BudgetPool::Counters {
  std::atomic<int64_t> peak{0};
  std::atomic<int64_t> total{0};
  std::atomic<int64_t> count{0};
};

BudgetPool::BudgetPool(int64_t limit_bytes, std::shared_ptr<MemoryLedger> ledger)
    : limit_bytes_(limit_bytes),
      hard_limit_bytes_(limit_bytes + limit_bytes / kPoolSlackInverse + kSpillReserveBytes +
                        kFloorBytes),
      look_step_bytes_(std::clamp(limit_bytes / kLooksPerLimit, kLookStepMin, kLookStepMax)),
      resident_bytes_max_(AnonymousResidentBytes() + limit_bytes +
                          limit_bytes / kKeptPastLimitInverse + kSpillReserveBytes + kFloorBytes),
      ledger_(std::move(ledger)),
      counters_(std::make_unique<Counters>()) {}

BudgetPool::~BudgetPool() = default;

std::shared_ptr<BudgetPool> BudgetPool::Make(int64_t limit_bytes,
                                             std::shared_ptr<MemoryLedger> ledger) {
  return std::shared_ptr<BudgetPool>(new BudgetPool(limit_bytes, std::move(ledger)));
}

arrow::Status BudgetPool::Admit(int64_t more_bytes) {
  if (more_bytes > 0 && !fault::Pass("memory.allocate").ok()) {
    return Error(ErrorKind::kMemoryLimit, "{} wants {} bytes of memory: the machine has none",
                 current_label, more_bytes);
  }
  const int64_t used = ledger_->AddPool(more_bytes);
  const int64_t own = ledger_->own_bytes();
  if (used + own > hard_limit_bytes_ && more_bytes > 0) {
    ledger_->AddPool(-more_bytes);
    return Error(ErrorKind::kMemoryLimit,
                 "{} wants {} bytes of memory: {} bytes are in use and the limit is {} bytes "
                 "(plus fixed floors); raise memory_limit",
                 current_label, more_bytes, used + own - more_bytes, limit_bytes_);
  }
  int64_t peak = counters_->peak.load();
  while (used > peak && !counters_->peak.compare_exchange_weak(peak, used)) {
  }
  return Status::OK();
}

arrow::Status BudgetPool::Allocate(int64_t size, int64_t alignment, uint8_t** out) {
  ARROW_RETURN_NOT_OK(Admit(size));
  Status status = parent_->Allocate(size, alignment, out);
  if (!status.ok()) {
    ledger_->AddPool(-size);
    return status;
  }
  counters_->total.fetch_add(size);
  counters_->count.fetch_add(1);
  return status;
}

arrow::Status BudgetPool::Reallocate(int64_t old_size, int64_t new_size, int64_t alignment,
                                     uint8_t** ptr) {
  ARROW_RETURN_NOT_OK(Admit(new_size - old_size));
  Status status = parent_->Reallocate(old_size, new_size, alignment, ptr);
  if (!status.ok()) {
    ledger_->AddPool(old_size - new_size);
    return status;
  }
  if (new_size > old_size) counters_->total.fetch_add(new_size - old_size);
  return status;
}

void BudgetPool::Free(uint8_t* buffer, int64_t size, int64_t alignment) {
  parent_->Free(buffer, size, alignment);
  ledger_->AddPool(-size);
  // Freed pieces of the heap need not fit what comes next. A walk over it: some milliseconds.
  if (ledger_->CountFreed(size, look_step_bytes_) &&
      AnonymousResidentBytes() > resident_bytes_max_) {
    parent_->ReleaseUnused();
  }
}

int64_t BudgetPool::bytes_allocated() const { return ledger_->pool_bytes(); }
int64_t BudgetPool::max_memory() const { return counters_->peak.load(); }
int64_t BudgetPool::total_bytes_allocated() const { return counters_->total.load(); }
int64_t BudgetPool::num_allocations() const { return counters_->count.load(); }
std::string BudgetPool::backend_name() const { return parent_->backend_name(); }

void BudgetPool::KeepUntilEmpty(std::shared_ptr<BudgetPool> pool) {
  static std::mutex mutex;
  static auto* parked = new std::vector<std::shared_ptr<BudgetPool>>();
  std::lock_guard lock(mutex);
  std::erase_if(*parked, [](const auto& old) { return old->bytes_allocated() == 0; });
  if (pool->bytes_allocated() > 0) parked->push_back(std::move(pool));
}

PoolLabel::PoolLabel(const char* label) : previous_(current_label) { current_label = label; }
PoolLabel::~PoolLabel() { current_label = previous_; }

}  // namespace headrace
