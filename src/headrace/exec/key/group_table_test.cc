// GroupTable against a map: finding, inserting, erasing, and the memory it said it would need.
#include "headrace/exec/key/group_table.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "headrace/exec/op/pipe_drive.h"

namespace headrace {
namespace {

using pipe_test::Pool;

std::vector<uint32_t> RowNumbers(int64_t count) {
  std::vector<uint32_t> rows(static_cast<size_t>(count));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

// Random keys of rows: an int64, or an int64 and a text.
struct KeySource {
  KeySource(bool is_fixed, uint64_t seed) : rng(seed), is_fixed(is_fixed) {}

  KeyEncoder encoder() const {
    std::vector<KeyColumn> columns = {{0, "a", arrow::int64()}};
    if (!is_fixed) columns.push_back({1, "b", arrow::utf8()});
    return KeyEncoder::Make(columns).ValueOrDie();
  }
  EncodedKeys Next(int64_t count, uint64_t distinct) {
    std::vector<ArrayPtr> columns;
    columns.push_back(pipe_test::Int64s(count, [&](int64_t) -> std::optional<int64_t> {
      const uint64_t value = rng.Below(distinct);
      if (value == 0) return std::nullopt;
      return static_cast<int64_t>(value * 0x9e3779b97f4a7c15ULL);
    }));
    if (!is_fixed) {
      columns.push_back(pipe_test::Texts(count, [&](int64_t) -> std::optional<std::string> {
        return std::string(rng.Below(30), 'k');
      }));
    }
    EncodedKeys keys;
    EXPECT_OK(encoder().EncodeColumns(columns, count, Pool(), &keys));
    return keys;
  }
  static std::string NameOf(const EncodedKeys& keys, uint32_t row) {
    if (!keys.is_fixed) return std::string(keys.Bytes(row));
    return std::to_string(keys.values[row]) + (keys.nulls[row] != 0 ? "n" : "");
  }

  Rng rng;
  bool is_fixed;
};

class GroupTableTest : public testing::TestWithParam<bool> {};

TEST_P(GroupTableTest, AgreesWithAMap) {
  KeySource source(GetParam(), 5);
  GroupTable table(GetParam());
  std::map<std::string, uint32_t> expected;
  for (int round = 0; round < 60; ++round) {
    const EncodedKeys keys = source.Next(1 + static_cast<int64_t>(source.rng.Below(300)), 2000);
    const std::vector<uint32_t> rows = RowNumbers(keys.num_rows);
    std::vector<uint32_t> groups(rows.size());
    std::vector<uint8_t> is_new(rows.size());
    const int64_t missing = table.Find(keys, rows.data(), keys.num_rows, groups.data());
    int64_t absent = 0;
    int64_t key_bytes = 0;
    for (uint32_t row : rows) {
      const bool is_known = expected.count(KeySource::NameOf(keys, row)) > 0;
      absent += is_known ? 0 : 1;
      key_bytes += is_known || keys.is_fixed ? 0 : static_cast<int64_t>(keys.Bytes(row).size());
    }
    ASSERT_EQ(missing, absent);
    const int64_t promised = table.BytesToAdd(missing, key_bytes);
    table.FindOrInsert(keys, rows.data(), keys.num_rows, groups.data(), is_new.data());
    EXPECT_LE(table.bytes(), promised);
    for (uint32_t row : rows) {
      const auto [it, inserted] = expected.emplace(KeySource::NameOf(keys, row), groups[row]);
      ASSERT_EQ(it->second, groups[row]);
      ASSERT_EQ(inserted, is_new[row] != 0);
    }
    ASSERT_EQ(table.num_groups(), static_cast<int64_t>(expected.size()));
  }
}

TEST_P(GroupTableTest, ErasedGroupsAreGoneAndTheirIdsUsedAgain) {
  KeySource source(GetParam(), 9);
  GroupTable table(GetParam());
  std::map<std::string, uint32_t> expected;
  for (int round = 0; round < 200; ++round) {
    const EncodedKeys keys = source.Next(100, 300);
    const std::vector<uint32_t> rows = RowNumbers(keys.num_rows);
    std::vector<uint32_t> groups(rows.size());
    table.FindOrInsert(keys, rows.data(), keys.num_rows, groups.data());
    for (uint32_t row : rows) {
      const auto [it, inserted] = expected.emplace(KeySource::NameOf(keys, row), groups[row]);
      ASSERT_EQ(it->second, groups[row]);
    }
    for (auto it = expected.begin(); it != expected.end();) {
      if (source.rng.Below(3) != 0) {
        ++it;
        continue;
      }
      table.Erase(it->second);
      EXPECT_FALSE(table.Exists(it->second));
      it = expected.erase(it);
    }
    ASSERT_EQ(table.num_groups(), static_cast<int64_t>(expected.size()));
    ASSERT_LE(table.num_ids(), 3000);
    table.Find(keys, rows.data(), keys.num_rows, groups.data());
    for (uint32_t row : rows) {
      const auto it = expected.find(KeySource::NameOf(keys, row));
      ASSERT_EQ(groups[row], it == expected.end() ? GroupTable::kNoGroup : it->second);
    }
  }
  EXPECT_LT(table.bytes(), 2'000'000);
}

TEST_P(GroupTableTest, GivesKeysBack) {
  KeySource source(GetParam(), 13);
  GroupTable table(GetParam());
  const EncodedKeys keys = source.Next(500, 200);
  const std::vector<uint32_t> rows = RowNumbers(keys.num_rows);
  std::vector<uint32_t> groups(rows.size());
  table.FindOrInsert(keys, rows.data(), keys.num_rows, groups.data());
  EncodedKeys back;
  table.KeysOf(groups.data(), keys.num_rows, &back);
  EXPECT_EQ(back.hashes, keys.hashes);
  EXPECT_EQ(back.values, keys.values);
  EXPECT_EQ(back.nulls, keys.nulls);
  EXPECT_EQ(back.bytes, keys.bytes);
}

/// A table whose payloads count rows, beside a map that counts them too.
class Counters {
 public:
  explicit Counters(bool is_fixed) : table(is_fixed, sizeof(int64_t), alignof(int64_t)) {}

  /// times[row] is how often a row counts; null: once.
  void Add(const EncodedKeys& keys, const int64_t* times = nullptr) {
    const std::vector<uint32_t> rows = RowNumbers(keys.num_rows);
    std::vector<uint32_t> groups(rows.size());
    std::vector<uint8_t> is_new(rows.size());
    table.FindOrInsert(keys, rows.data(), keys.num_rows, groups.data(), is_new.data());
    for (uint32_t row : rows) {
      int64_t& counted = CountOf(table.Payload(groups[row]));
      if (is_new[row] != 0) counted = 0;
      Count(keys, row, times == nullptr ? 1 : times[row], &counted);
    }
  }
  void Append(const EncodedKeys& keys) {
    const std::vector<uint32_t> rows = RowNumbers(keys.num_rows);
    std::vector<uint32_t> groups(rows.size());
    const int64_t bytes = keys.is_fixed ? 0 : static_cast<int64_t>(keys.bytes.size());
    const int64_t promised = table.BytesToAppend(keys.num_rows, bytes);
    table.Append(keys, rows.data(), keys.num_rows, groups.data());
    EXPECT_LE(table.bytes(), promised);
    for (uint32_t row : rows) {
      CountOf(table.Payload(groups[row])) = 0;
      Count(keys, row, 1, &CountOf(table.Payload(groups[row])));
    }
  }
  void LinkAll() {
    const int64_t promised = table.bytes();
    while (!table.is_linked()) {
      ASSERT_OK(table.Link(1000, [&](std::byte* into, std::byte* from) {
        CountOf(into) += CountOf(from);
        return Status::OK();
      }));
      EXPECT_LE(table.bytes(), promised);
    }
  }
  /// As those who own two tables do it: some groups are copied, the others adopted.
  void AdoptAll(Counters& other) {
    ASSERT_GT(other.table.num_ids(), GroupTable::kCopiedGroups);
    const int64_t promised = table.BytesToAdopt(other.table);
    table.Adopt(other.table);
    EXPECT_LE(table.bytes(), promised);
    LinkAll();
    EXPECT_LE(other.table.num_groups(), GroupTable::kCopiedGroups);
    std::vector<uint32_t> copied;
    std::vector<int64_t> times;
    for (uint32_t id = 0; id < other.table.num_ids(); ++id) {
      if (!other.table.Exists(id)) continue;
      copied.push_back(id);
      times.push_back(CountOf(other.table.Payload(id)));
    }
    EXPECT_EQ(static_cast<int64_t>(copied.size()), other.table.num_groups());
    EncodedKeys keys;
    other.table.KeysOf(copied.data(), other.table.num_groups(), &keys);
    Add(keys, times.data());
    for (const auto& [name, count] : other.expected) expected[name] += count;
    for (const auto& [name, count] : other.copied_counts(keys, times)) expected[name] -= count;
  }
  void Check() const {
    ASSERT_EQ(table.num_groups(), static_cast<int64_t>(expected.size()));
    for (uint32_t id = 0; id < table.num_ids(); ++id) {
      if (!table.Exists(id)) continue;
      EncodedKeys key;
      table.KeysOf(&id, 1, &key);
      const uint32_t row = 0;
      uint32_t found = 0;
      ASSERT_EQ(table.Find(key, &row, 1, &found), 0);
      ASSERT_EQ(found, id);
      ASSERT_EQ(CountOf(table.Payload(id)), expected.at(KeySource::NameOf(key, 0)));
    }
  }

  GroupTable table;
  std::map<std::string, int64_t> expected;

 private:
  static int64_t& CountOf(std::byte* payload) { return *reinterpret_cast<int64_t*>(payload); }
  void Count(const EncodedKeys& keys, uint32_t row, int64_t times, int64_t* counted) {
    *counted += times;
    expected[KeySource::NameOf(keys, row)] += times;
  }
  static std::map<std::string, int64_t> copied_counts(const EncodedKeys& keys,
                                                      const std::vector<int64_t>& times) {
    std::map<std::string, int64_t> counts;
    for (uint32_t row = 0; row < times.size(); ++row) {
      counts[KeySource::NameOf(keys, row)] += times[row];
    }
    return counts;
  }
};

TEST_P(GroupTableTest, AdoptsTheGroupsOfAnother) {
  for (const uint64_t distinct : {700, 4000, 30000}) {
    SCOPED_TRACE(distinct);
    KeySource source(GetParam(), distinct);
    Counters counters(GetParam());
    counters.Add(source.Next(100, distinct));
    for (int round = 0; round < 3; ++round) {
      Counters other(GetParam());
      other.Add(source.Next(20'000, distinct));
      counters.AdoptAll(other);
      counters.Add(source.Next(100, distinct));
    }
    counters.Check();
  }
}

TEST_P(GroupTableTest, AppendedGroupsAreMergedByLinking) {
  for (const uint64_t distinct : {1, 700, 30000}) {
    SCOPED_TRACE(distinct);
    KeySource source(GetParam(), distinct);
    Counters counters(GetParam());
    for (int round = 0; round < 3; ++round) {
      counters.Append(source.Next(3000, distinct));
      counters.Append(source.Next(17, distinct));
      if (round > 0) counters.LinkAll();
      counters.Append(source.Next(5000, distinct));
      Counters other(GetParam());
      other.Append(source.Next(5000, distinct));
      if (round == 1) other.LinkAll();
      other.Append(source.Next(5000, distinct));
      counters.AdoptAll(other);
      counters.Add(source.Next(100, distinct));
    }
    counters.Check();
  }
}

INSTANTIATE_TEST_SUITE_P(FixedAndBytes, GroupTableTest, testing::Bool());

}  // namespace
}  // namespace headrace
