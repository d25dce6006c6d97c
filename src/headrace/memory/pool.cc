// Counting wrapper over Arrow's pool.
#include "headrace/memory/pool.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <vector>

#include "headrace/base/error.h"
#include "headrace/base/fault.h"
#include "headrace/base/limits.h"
#include "headrace/memory/resident.h"

namespace headrace {
namespace {

// So much is freed between two looks at what the process has.
constexpr int64_t kLooksPerLimit = 64;
constexpr int64_t kLookStepMin = int64_t{4} << 20;
constexpr int64_t kLookStepMax = int64_t{64} << 20;
// It may have so much more than the limit.
constexpr int64_t kPastLimitInverse = 16;

// What the heap of blocks keeps of memory that is free.
constexpr int64_t kKeptPerLimit = 2;
constexpr int64_t kKeptBytesMin = int64_t{4} << 20;
constexpr int64_t kKeptBytesMax = int64_t{128} << 20;

thread_local const char* current_label = "a query";

// The sanitizer watches what the system pool hands out.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kUsesBlocks = false;
#else
constexpr bool kUsesBlocks = true;
#endif
constexpr int64_t kBlockAlignmentMax = 64;

bool IsBlock(int64_t size, int64_t alignment) {
  return kUsesBlocks && BlockHeap::Takes(size) && alignment <= kBlockAlignmentMax;
}

// What a buffer takes.
int64_t BytesOf(int64_t size, int64_t alignment) {
  return IsBlock(size, alignment) ? BlockHeap::BlockBytes(size) : size;
}

}  // namespace

struct BudgetPool::Counters {
  std::atomic<int64_t> peak{0};
  std::atomic<int64_t> total{0};
  std::atomic<int64_t> count{0};
  std::atomic<int64_t> freed{0};
};

BudgetPool::BudgetPool(int64_t limit_bytes, std::shared_ptr<MemoryLedger> ledger)
    : limit_bytes_(limit_bytes),
      hard_limit_bytes_(limit_bytes + limit_bytes / kPoolSlackInverse + kSpillReserveBytes +
                        kFloorBytes),
      look_step_bytes_(std::clamp(limit_bytes / kLooksPerLimit, kLookStepMin, kLookStepMax)),
      resident_at_start_(AnonymousResidentBytes()),
      heap_(std::clamp(limit_bytes / kKeptPerLimit, kKeptBytesMin, kKeptBytesMax)),
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

arrow::Status BudgetPool::AllocateBlock(int64_t size, uint8_t** out) {
  *out = heap_.Allocate(size);
  return *out == nullptr ? Status::OutOfMemory("the system has no ", size, " bytes") : Status::OK();
}

arrow::Status BudgetPool::Allocate(int64_t size, int64_t alignment, uint8_t** out) {
  const int64_t bytes = BytesOf(size, alignment);
  ARROW_RETURN_NOT_OK(Admit(bytes));
  Status status =
      IsBlock(size, alignment) ? AllocateBlock(size, out) : parent_->Allocate(size, alignment, out);
  if (!status.ok()) {
    ledger_->AddPool(-bytes);
    return status;
  }
  counters_->total.fetch_add(bytes);
  counters_->count.fetch_add(1);
  return status;
}

// To memory of another kind or class.
arrow::Status BudgetPool::Move(int64_t old_size, int64_t new_size, int64_t alignment,
                               uint8_t** ptr) {
  uint8_t* moved = nullptr;
  ARROW_RETURN_NOT_OK(IsBlock(new_size, alignment)
                          ? AllocateBlock(new_size, &moved)
                          : parent_->Allocate(new_size, alignment, &moved));
  if (const int64_t kept = std::min(old_size, new_size); kept > 0) {
    std::memcpy(moved, *ptr, static_cast<size_t>(kept));
  }
  GiveBack(*ptr, old_size, alignment);
  *ptr = moved;
  return Status::OK();
}

arrow::Status BudgetPool::Reallocate(int64_t old_size, int64_t new_size, int64_t alignment,
                                     uint8_t** ptr) {
  const int64_t more = BytesOf(new_size, alignment) - BytesOf(old_size, alignment);
  ARROW_RETURN_NOT_OK(Admit(more));
  const bool was_block = IsBlock(old_size, alignment);
  const bool is_block = IsBlock(new_size, alignment);
  if (was_block && is_block && more == 0) return Status::OK();
  Status status = was_block || is_block ? Move(old_size, new_size, alignment, ptr)
                                        : parent_->Reallocate(old_size, new_size, alignment, ptr);
  if (!status.ok()) {
    ledger_->AddPool(-more);
    return status;
  }
  if (more > 0) counters_->total.fetch_add(more);
  return status;
}

void BudgetPool::GiveBack(uint8_t* buffer, int64_t size, int64_t alignment) {
  if (IsBlock(size, alignment)) {
    heap_.Free(buffer, size);
  } else {
    parent_->Free(buffer, size, alignment);
  }
}

void BudgetPool::Free(uint8_t* buffer, int64_t size, int64_t alignment) {
  const int64_t bytes = BytesOf(size, alignment);
  GiveBack(buffer, size, alignment);
  ledger_->AddPool(-bytes);
  const int64_t before = counters_->freed.fetch_add(bytes, std::memory_order_relaxed);
  if (before / look_step_bytes_ != (before + bytes) / look_step_bytes_) ReleaseIdle();
}

// Freed pieces of the heap need not fit what comes next. Giving them back, and having them cleared
// again, takes longer than most work on them: it is done where the process would pass the limit.
void BudgetPool::ReleaseIdle() {
  const int64_t held = AnonymousResidentBytes() - resident_at_start_;
  const int64_t idle = held - ledger_->pool_bytes() - ledger_->own_bytes();
  const bool is_past_limit = held > limit_bytes_ + limit_bytes_ / kPastLimitInverse;
  if (is_past_limit && idle > look_step_bytes_) ReleaseUnused();
}

void BudgetPool::ReleaseUnused() {
  heap_.Release();
  parent_->ReleaseUnused();
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
