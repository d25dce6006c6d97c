// The array has room on both sides of the keys that it was made for. A key beyond it ends it; a
// new one is made after enough more rows.
#include "headrace/exec/key/range_index.h"

#include <algorithm>
#include <limits>

namespace headrace {
namespace {

// Tables of fewer groups are in a cache near by.
constexpr int64_t kGroupsMin = 4096;
// Rows from one try to the next: what a try costs is little beside them.
constexpr int64_t kRowsPerGroupMin = 2;
// So much of the array is in use at least.
constexpr uint64_t kEntriesPerGroupMax = 16;
constexpr uint64_t kEntriesMax = uint64_t{1} << 22;

}  // namespace

int64_t RangeIndex::Find(const GroupTable& table, const EncodedKeys& keys, const uint32_t* rows,
                         int64_t count, uint32_t* groups_out, std::byte** payloads_out) const {
  const uint64_t* values = keys.values.data();
  const uint8_t* nulls = keys.nulls.data();
  const uint32_t* groups = groups_.data();
  const uint64_t size = groups_.size();
  const uint64_t base = base_;
  int64_t missing = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t row = rows[i];
    const uint64_t at = values[row] - base;
    uint32_t group = at < size ? groups[at] - 1 : GroupTable::kNoGroup;
    if (nulls[row] != 0) group = null_group_;
    groups_out[i] = group;
    if (group == GroupTable::kNoGroup) {
      ++missing;
    } else if (payloads_out != nullptr) {
      payloads_out[i] = table.Payload(group);
      __builtin_prefetch(payloads_out[i], 1);
    }
  }
  return missing;
}

void RangeIndex::Update(const GroupTable& table, int64_t rows) {
  if (is_ready() && !AddNewGroups(table)) Clear();
  if (is_ready()) return;
  num_rows_ += rows;
  const int64_t groups = table.num_groups();
  if (groups < kGroupsMin || num_rows_ < groups * kRowsPerGroupMin) return;
  num_rows_ = 0;
  Build(table);
}

void RangeIndex::Clear() {
  groups_ = {};
  reservation_.Clear();
}

// False: a key is out of range.
bool RangeIndex::AddNewGroups(const GroupTable& table) {
  for (; num_groups_ < table.num_groups(); ++num_groups_) {
    const auto group = static_cast<uint32_t>(num_groups_);
    const auto [value, is_null] = table.FixedKeyOf(group);
    if (is_null) {
      null_group_ = group;
      continue;
    }
    if (value - base_ >= groups_.size()) return false;
    groups_[value - base_] = group + 1;
  }
  return true;
}

void RangeIndex::Build(const GroupTable& table) {
  int64_t least = std::numeric_limits<int64_t>::max();
  int64_t greatest = std::numeric_limits<int64_t>::min();
  for (uint32_t group = 0; group < table.num_groups(); ++group) {
    const auto [value, is_null] = table.FixedKeyOf(group);
    if (is_null) continue;
    least = std::min(least, static_cast<int64_t>(value));
    greatest = std::max(greatest, static_cast<int64_t>(value));
  }
  const uint64_t range = static_cast<uint64_t>(greatest) - static_cast<uint64_t>(least);
  const uint64_t room = range / 8 + 1;
  const uint64_t entries_max =
      std::min(static_cast<uint64_t>(table.num_groups()) * kEntriesPerGroupMax, kEntriesMax);
  if (range >= entries_max || range + 1 + 2 * room > entries_max) return;
  const uint64_t entries = range + 1 + 2 * room;
  if (!reservation_.TryResize(static_cast<int64_t>(entries * sizeof(uint32_t)))) return;
  groups_.assign(entries, 0);
  base_ = static_cast<uint64_t>(least) - room;
  null_group_ = GroupTable::kNoGroup;
  num_groups_ = 0;
  AddNewGroups(table);
}

}  // namespace headrace
