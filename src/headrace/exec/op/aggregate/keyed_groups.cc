// A slice is divided by key group with a counting sort; every store then sees its rows at once.
#include "headrace/exec/op/aggregate/keyed_groups.h"

#include <algorithm>

#include "headrace/base/hash.h"

namespace headrace {
namespace {

// A store links from so many groups on, and again when it has twice as many.
constexpr int64_t kUnlinkedMin = 1024;
// Where one in fewer rows repeats a key, rows are looked up.
constexpr int64_t kRowsPerRepeatMin = 16;

int64_t KeyBytes(const EncodedKeys& keys, uint32_t row) {
  return keys.is_fixed ? 0 : static_cast<int64_t>(keys.Bytes(row).size());
}

}  // namespace

KeyedGroups::KeyedGroups(AggregateTermsPtr terms, std::shared_ptr<MemoryBudget> budget)
    : terms_(std::move(terms)), budget_(std::move(budget)), extra_(budget_, Backing::kOwn) {}

void KeyedGroups::Partition(const EncodedKeys& keys, int64_t begin, int64_t end) {
  std::array<uint32_t, kKeyGroups + 1> starts{};
  const uint64_t* hashes = keys.hashes.data();
  for (int64_t row = begin; row < end; ++row) {
    ++starts[static_cast<size_t>(KeyGroupOf(hashes[row])) + 1];
  }
  parts_.clear();
  for (size_t group = 0; group < kKeyGroups; ++group) {
    const uint32_t count = starts[group + 1];
    starts[group + 1] += starts[group];
    if (count > 0) {
      parts_.push_back({static_cast<int>(group), starts[group], starts[group + 1], 0});
    }
  }
  rows_.resize(static_cast<size_t>(end - begin));
  for (int64_t row = begin; row < end; ++row) {
    rows_[starts[static_cast<size_t>(KeyGroupOf(hashes[row]))]++] = static_cast<uint32_t>(row);
  }
}

// Gives the bytes that the part wants more than it had.
int64_t KeyedGroups::FindAndReserve(const EncodedKeys& keys, Part& part, bool* is_refused) {
  const auto key_group = static_cast<size_t>(part.key_group);
  auto& store = stores_[key_group];
  if (store == nullptr) {
    store = std::make_unique<GroupStore>(terms_, budget_);
    appends_[key_group] = expects_new_keys_;
  }
  const auto rows = static_cast<int64_t>(part.end - part.begin);
  if (appends_[key_group]) {
    std::fill_n(&found_[part.begin], rows, GroupTable::kNoGroup);
    part.missing = rows;
  } else {
    part.missing = store->table().Find(keys, &rows_[part.begin], rows, &found_[part.begin]);
  }
  if (part.missing == 0) return 0;
  int64_t key_bytes = 0;
  for (size_t i = part.begin; i < part.end; ++i) {
    if (found_[i] == GroupTable::kNoGroup) key_bytes += KeyBytes(keys, rows_[i]);
  }
  const int64_t before = store->reserved_bytes();
  const int64_t refused = appends_[key_group] ? store->TryReserveAppended(rows, key_bytes)
                                              : store->TryReserve(part.missing, key_bytes, 0);
  *is_refused = *is_refused || refused > 0;
  return store->reserved_bytes() - before + refused;
}

void KeyedGroups::InsertMissing(const EncodedKeys& keys, const Part& part) {
  GroupStore& store = *stores_[static_cast<size_t>(part.key_group)];
  if (appends_[static_cast<size_t>(part.key_group)]) {
    return store.Append(keys, &rows_[part.begin], part.missing, &found_[part.begin]);
  }
  missing_.clear();
  for (size_t i = part.begin; i < part.end; ++i) {
    if (found_[i] == GroupTable::kNoGroup) missing_.push_back(rows_[i]);
  }
  made_.resize(missing_.size());
  store.Insert(keys, missing_.data(), part.missing, made_.data());
  for (size_t i = part.begin, next = 0; i < part.end; ++i) {
    if (found_[i] == GroupTable::kNoGroup) found_[i] = made_[next++];
  }
}

Status KeyedGroups::Link(std::span<KernelContext> contexts) {
  for (const Part& part : parts_) {
    const auto key_group = static_cast<size_t>(part.key_group);
    if (!appends_[key_group] || stores_[key_group] == nullptr) continue;
    GroupStore& store = *stores_[key_group];
    const int64_t unlinked = store.table().num_unlinked();
    if (unlinked < std::max(kUnlinkedMin, store.table().num_ids() / 2)) continue;
    const int64_t before = store.num_groups();
    ARROW_RETURN_NOT_OK(store.LinkSome(unlinked, contexts));
    appends_[key_group] = (before - store.num_groups()) * kRowsPerRepeatMin < unlinked;
  }
  return Status::OK();
}

int64_t KeyedGroups::Assign(const EncodedKeys& keys, int64_t begin, int64_t end,
                            int64_t extra_bytes) {
  Partition(keys, begin, end);
  found_.resize(rows_.size());
  int64_t wanted = extra_bytes;
  bool is_refused = !extra_.TryResize(extra_bytes);
  for (Part& part : parts_) wanted += FindAndReserve(keys, part, &is_refused);
  if (is_refused) {
    // All is given back, so all has to be had the next time.
    extra_.Clear();
    Settle();
    return wanted;
  }
  states_.resize(rows_.size());
  groups_.resize(rows_.size());
  for (const Part& part : parts_) {
    if (part.missing > 0) InsertMissing(keys, part);
    const GroupStore& store = *stores_[static_cast<size_t>(part.key_group)];
    for (size_t i = part.begin; i < part.end; ++i) {
      const size_t row = rows_[i] - static_cast<size_t>(begin);
      states_[row] = store.Row(found_[i]);
      groups_[row] = {part.key_group, found_[i]};
    }
  }
  return 0;
}

int64_t KeyedGroups::CountAndSettle() {
  extra_.Clear();
  for (const Part& part : parts_) {
    GroupStore& store = *stores_[static_cast<size_t>(part.key_group)];
    for (size_t i = part.begin; terms_->has_extra() && i < part.end; ++i) {
      store.CountExtra(store.Row(found_[i]));
    }
  }
  return Settle();
}

// Stores of the slice may have gone meanwhile.
int64_t KeyedGroups::Settle() {
  int64_t refused = 0;
  for (const Part& part : parts_) {
    GroupStore* store = stores_[static_cast<size_t>(part.key_group)].get();
    if (store != nullptr) refused += store->Settle();
  }
  return refused;
}

Result<std::vector<ArrayPtr>> KeyedGroups::Results(std::span<const GroupRef> groups,
                                                   arrow::MemoryPool* pool,
                                                   std::span<KernelContext> contexts) const {
  EncodedKeys keys = GroupTable::StartKeys(terms_->encoder().is_fixed());
  std::vector<std::byte*> states;
  states.reserve(groups.size());
  for (const GroupRef& ref : groups) {
    store(ref.key_group)->table().AppendKeyOf(ref.group, &keys);
    states.push_back(Row(ref));
  }
  ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns, terms_->encoder().Decode(keys, pool));
  ARROW_ASSIGN_OR_RAISE(auto results, FinishStates(*terms_, states, contexts));
  columns.insert(columns.end(), results.begin(), results.end());
  return columns;
}

void KeyedGroups::Erase(std::span<const GroupRef> groups) {
  for (const GroupRef& ref : groups) {
    auto& owner = stores_[static_cast<size_t>(ref.key_group)];
    owner->Erase(ref.group);
    if (owner->num_groups() == 0) owner.reset();
  }
  for (const auto& owner : stores_) {
    if (owner != nullptr) owner->Settle();
  }
}

std::unique_ptr<GroupStore> KeyedGroups::TakeStore(int key_group) {
  return std::move(stores_[static_cast<size_t>(key_group)]);
}

int64_t KeyedGroups::num_groups() const {
  int64_t groups = 0;
  for (const auto& store : stores_) groups += store == nullptr ? 0 : store->num_groups();
  return groups;
}

int64_t KeyedGroups::reserved_bytes() const {
  int64_t bytes = 0;
  for (const auto& store : stores_) bytes += store == nullptr ? 0 : store->reserved_bytes();
  return bytes;
}

int KeyedGroups::LargestKeyGroup() const {
  int largest = -1;
  int64_t bytes_max = 0;
  for (int group = 0; group < kKeyGroups; ++group) {
    const GroupStore* candidate = store(group);
    if (candidate == nullptr || candidate->reserved_bytes() <= bytes_max) continue;
    largest = group;
    bytes_max = candidate->reserved_bytes();
  }
  return largest;
}

}  // namespace headrace
