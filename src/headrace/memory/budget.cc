// Grants go node by node up the tree and are taken back where one level refuses.
#include "headrace/memory/budget.h"

#include <algorithm>

#include "headrace/base/check.h"
#include "headrace/base/fault.h"

namespace headrace {
namespace {

// An error names so many of those who hold memory.
constexpr size_t kHoldersNamed = 3;

}  // namespace

MemoryBudget::MemoryBudget(std::string name, int64_t limit_bytes, std::string setting,
                           std::shared_ptr<MemoryBudget> parent,
                           std::shared_ptr<MemoryLedger> ledger)
    : name_(std::move(name)),
      limit_bytes_(limit_bytes),
      setting_(std::move(setting)),
      parent_(std::move(parent)),
      ledger_(std::move(ledger)) {}

std::shared_ptr<MemoryBudget> MemoryBudget::MakeRoot(std::string name, int64_t limit_bytes,
                                                     std::string setting,
                                                     std::shared_ptr<MemoryLedger> ledger) {
  return std::shared_ptr<MemoryBudget>(new MemoryBudget(
      std::move(name), limit_bytes, std::move(setting), nullptr, std::move(ledger)));
}

std::shared_ptr<MemoryBudget> MemoryBudget::MakeChild(std::string name, int64_t limit_bytes,
                                                      std::string setting) {
  if (setting.empty()) setting = setting_;
  const std::shared_ptr<MemoryBudget> child(new MemoryBudget(
      std::move(name), limit_bytes, std::move(setting), shared_from_this(), nullptr));
  KeepChild(child);
  return child;
}

void MemoryBudget::KeepChild(const std::shared_ptr<MemoryBudget>& child) {
  std::lock_guard lock(mutex_);
  std::erase_if(children_, [](const auto& other) { return other.expired(); });
  children_.push_back(child);
}

std::shared_ptr<MemoryBudget> MemoryBudget::MakeChildLeaving(std::string name, int64_t bytes) {
  auto child = MakeChild(std::move(name), limit_bytes() - bytes);
  child->left_to_others_ = bytes;
  return child;
}

int64_t MemoryBudget::UnclaimedAfter(int64_t bytes, Backing backing) const {
  if (ledger_ == nullptr) return 0;
  const int64_t claimed_in_pool = used_bytes() - ledger_->own_bytes();
  return ledger_->UnclaimedPastFloors(claimed_in_pool + (backing == Backing::kPool ? bytes : 0));
}

bool MemoryBudget::TryAdd(int64_t bytes, Backing backing) {
  const int64_t limit = limit_bytes_ - UnclaimedAfter(bytes, backing);
  int64_t used = used_.load(std::memory_order_relaxed);
  do {
    if (bytes > limit - used) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  int64_t peak = peak_.load(std::memory_order_relaxed);
  while (used + bytes > peak &&
         !peak_.compare_exchange_weak(peak, used + bytes, std::memory_order_relaxed)) {
  }
  return true;
}

bool MemoryBudget::TryReserve(int64_t bytes, Backing backing) {
  HEADRACE_DCHECK(bytes >= 0, "negative reservation");
  if (!TryAdd(bytes, backing)) return false;
  if (parent_ == nullptr) {
    if (ledger_ != nullptr && backing == Backing::kOwn) ledger_->AddOwn(bytes);
    return true;
  }
  if (parent_->TryReserve(bytes, backing)) return true;
  used_.fetch_sub(bytes, std::memory_order_relaxed);
  return false;
}

Status MemoryBudget::Reserve(int64_t bytes) {
  return TryReserve(bytes) ? Status::OK() : OverLimit(bytes);
}

void MemoryBudget::Release(int64_t bytes) {
  for (MemoryBudget* node = this; node != nullptr; node = node->parent_.get()) {
    const int64_t before = node->used_.fetch_sub(bytes, std::memory_order_relaxed);
    HEADRACE_DCHECK(before >= bytes, "released more than was reserved");
    (void)before;
  }
}

void MemoryBudget::MoveToOwn(int64_t bytes) {
  MemoryBudget* root = this;
  while (root->parent_ != nullptr) root = root->parent_.get();
  if (root->ledger_ != nullptr) root->ledger_->AddOwn(bytes);
}

int64_t MemoryBudget::limit_bytes() const {
  int64_t limit = limit_bytes_;
  for (const MemoryBudget* node = parent_.get(); node != nullptr; node = node->parent_.get()) {
    limit = std::min(limit, node->limit_bytes_);
  }
  return limit;
}

int64_t MemoryBudget::left_to_others() const {
  const int64_t limit = limit_bytes();
  for (const MemoryBudget* node = this; node != nullptr; node = node->parent_.get()) {
    if (node->limit_bytes_ == limit) return node->left_to_others_;
  }
  return 0;
}

void MemoryBudget::CollectHolders(std::vector<std::pair<int64_t, std::string>>* holders) const {
  std::vector<std::shared_ptr<MemoryBudget>> children;
  {
    std::lock_guard lock(mutex_);
    for (const auto& child : children_) {
      if (auto alive = child.lock()) children.push_back(std::move(alive));
    }
  }
  for (const auto& child : children) child->CollectHolders(holders);
  if (children.empty() && used_bytes() > 0) holders->emplace_back(used_bytes(), name_);
}

std::string MemoryBudget::LargestHolders() const {
  std::vector<std::pair<int64_t, std::string>> holders;
  CollectHolders(&holders);
  std::stable_sort(holders.begin(), holders.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  holders.resize(std::min(holders.size(), kHoldersNamed));
  std::string text;
  for (const auto& [bytes, name] : holders) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, bytes);
  }
  return text.empty() ? text : " (" + text + ")";
}

Status MemoryBudget::OverLimit(int64_t bytes_wanted) const {
  const MemoryBudget* root = this;
  while (root->parent_ != nullptr) root = root->parent_.get();
  return Error(ErrorKind::kMemoryLimit,
               "{} wants {} bytes and could not spill enough to get them: {} of the limit of {} "
               "bytes are in use{}; raise {}",
               name_, bytes_wanted, root->used_bytes() + root->UnclaimedAfter(0, Backing::kPool),
               limit_bytes() + left_to_others(), root->LargestHolders(), setting_);
}

Reservation::Reservation(Reservation&& other) noexcept
    : budget_(std::move(other.budget_)),
      bytes_(std::exchange(other.bytes_, 0)),
      own_bytes_(std::exchange(other.own_bytes_, 0)),
      backing_(other.backing_) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  if (this != &other) {
    Clear();
    budget_ = std::move(other.budget_);
    bytes_ = std::exchange(other.bytes_, 0);
    own_bytes_ = std::exchange(other.own_bytes_, 0);
    backing_ = other.backing_;
  }
  return *this;
}

bool Reservation::TryResize(int64_t bytes) {
  if (bytes > bytes_) {
    HEADRACE_CHECK(budget_ != nullptr, "a reservation without a budget cannot grow");
    if (!fault::Pass("memory.reserve").ok()) return false;
    if (!budget_->TryReserve(bytes - bytes_, backing_)) return false;
    if (backing_ == Backing::kOwn) own_bytes_ += bytes - bytes_;
    bytes_ = bytes;
  } else if (bytes < bytes_) {
    if (own_bytes_ > bytes) SetOwn(bytes);
    budget_->Release(bytes_ - bytes);
    bytes_ = bytes;
  }
  return true;
}

Reservation Reservation::Split(int64_t bytes) {
  HEADRACE_CHECK(bytes <= bytes_, "a reservation is split into more than it has");
  Reservation part(budget_, backing_);
  part.bytes_ = bytes;
  bytes_ -= bytes;
  part.own_bytes_ = std::max<int64_t>(0, own_bytes_ - bytes_);
  own_bytes_ -= part.own_bytes_;
  return part;
}

void Reservation::SetOwn(int64_t bytes) {
  const int64_t own_bytes = std::min(bytes, bytes_);
  if (own_bytes != own_bytes_) budget_->MoveToOwn(own_bytes - own_bytes_);
  own_bytes_ = own_bytes;
}

Status Reservation::Resize(int64_t bytes) {
  return TryResize(bytes) ? Status::OK() : budget_->OverLimit(bytes - bytes_);
}

}  // namespace headrace
