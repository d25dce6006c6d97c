// The table is larger than caches when it is full, but lookups prefetch; what one table saves is
// dividing every batch by key group.
#include "headrace/exec/op/aggregate/front_groups.h"

#include <algorithm>
#include <numeric>

#include "headrace/base/hash.h"

namespace headrace {
namespace {

constexpr int64_t kGroupsMax = int64_t{1} << 18;
constexpr int64_t kFrontsPerBudget = 64;
// Newness is judged over so many rows, from so many groups on.
constexpr int64_t kJudgedRows = 16384;
constexpr int64_t kJudgedGroupsMin = 32768;

int64_t GroupsMax(const AggregateTerms& terms, const MemoryBudget& budget) {
  const int64_t group_bytes = static_cast<int64_t>(terms.row_size()) + kKeyBytes;
  return std::clamp<int64_t>(budget.limit_bytes() / kFrontsPerBudget / group_bytes, 0, kGroupsMax);
}

}  // namespace

FrontGroups::FrontGroups(AggregateTermsPtr terms, std::shared_ptr<MemoryBudget> budget)
    : terms_(terms),
      store_(std::move(terms), budget),
      index_(budget),
      groups_max_(GroupsMax(*terms_, *budget)),
      extra_(std::move(budget), Backing::kOwn) {}

int64_t FrontGroups::Assign(const EncodedKeys& keys, int64_t begin, int64_t end,
                            int64_t extra_bytes) {
  while (static_cast<int64_t>(numbers_.size()) < end) {
    numbers_.push_back(static_cast<uint32_t>(numbers_.size()));
  }
  const uint32_t* rows = numbers_.data() + begin;
  const auto count = static_cast<size_t>(end - begin);
  found_.resize(count);
  states_.resize(count);
  const int64_t missing = Find(keys, rows, end - begin);
  if (!extra_.TryResize(extra_bytes)) return extra_bytes;
  if (missing > 0) {
    int64_t key_bytes = 0;
    for (size_t i = 0; i < count && !keys.is_fixed; ++i) {
      const bool is_missing = found_[i] == GroupTable::kNoGroup;
      key_bytes += is_missing ? static_cast<int64_t>(keys.Bytes(rows[i]).size()) : 0;
    }
    if (const int64_t refused = store_.TryReserve(missing, key_bytes, 0)) {
      extra_.Clear();
      store_.Settle();
      return refused + extra_bytes;
    }
    InsertMissing(keys, rows, count);
  }
  if (keys.is_fixed) index_.Update(store_.table(), end - begin);
  return 0;
}

int64_t FrontGroups::Find(const EncodedKeys& keys, const uint32_t* rows, int64_t count) {
  const GroupTable& table = store_.table();
  return index_.is_ready() ? index_.Find(table, keys, rows, count, found_.data(), states_.data())
                           : table.Find(keys, rows, count, found_.data(), states_.data());
}

void FrontGroups::InsertMissing(const EncodedKeys& keys, const uint32_t* rows, size_t count) {
  const int64_t before = store_.num_groups();
  for (size_t i = 0; i < count; ++i) {
    if (found_[i] != GroupTable::kNoGroup) continue;
    store_.Insert(keys, rows + i, 1, &found_[i]);
    states_[i] = store_.Row(found_[i]);
  }
  recent_new_ += store_.num_groups() - before;
}

int64_t FrontGroups::CountAndSettle() {
  extra_.Clear();
  if (terms_->has_extra()) {
    for (std::byte* state : states_) store_.CountExtra(state);
  }
  const auto rows = static_cast<int64_t>(states_.size());
  num_rows_ += rows;
  recent_rows_ += rows;
  if (recent_rows_ >= kJudgedRows) {
    repeats_ = store_.num_groups() < kJudgedGroupsMin || recent_new_ * 20 < recent_rows_ * 19;
    recent_rows_ = 0;
    recent_new_ = 0;
  }
  return Settle();
}

int64_t FrontGroups::Settle() { return store_.Settle(); }

std::array<std::vector<uint32_t>, kKeyGroups> FrontGroups::LeftByKeyGroup() const {
  std::array<std::vector<uint32_t>, kKeyGroups> left;
  for (int64_t id = passed_; id < store_.num_groups(); ++id) {
    const auto group = static_cast<uint32_t>(id);
    left[static_cast<size_t>(KeyGroupOf(store_.table().HashOf(group)))].push_back(group);
  }
  return left;
}

std::span<const uint32_t> FrontGroups::Next(int64_t count) {
  found_.resize(static_cast<size_t>(std::min(count, store_.num_groups() - passed_)));
  std::iota(found_.begin(), found_.end(), static_cast<uint32_t>(passed_));
  return found_;
}

}  // namespace headrace
