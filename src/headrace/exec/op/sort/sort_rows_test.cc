// Sorting of rows by keys of any length against std::sort.
#include "headrace/exec/op/sort/sort_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "headrace/base/rng.h"

namespace headrace {
namespace {

using KeyText = std::pair<std::string, RowRef>;

void AppendKey(const std::string& key, SortKeys* keys) {
  if (keys->offsets.empty()) keys->offsets.push_back(0);
  keys->bytes.insert(keys->bytes.end(), key.begin(), key.end());
  keys->offsets.push_back(static_cast<int64_t>(keys->bytes.size()));
  ++keys->num_rows;
}

// Few letters, zeros among them, and few different texts; then an end and a position.
std::string KeyAtRandom(size_t length_max, uint64_t position, Rng& rng) {
  std::string key = rng.Below(3) == 0 ? std::string(rng.Below(length_max), 'x') : "";
  for (uint64_t i = rng.Below(length_max); i > 0; --i) key += static_cast<char>(rng.Below(3));
  key += '\xff';
  key += std::string(8, '\0');
  for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(position >> shift);
  return key;
}

TEST(SortRowsTest, AgreesWithStdSort) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const size_t length_max = 1 + seed % 7 * seed;
    std::vector<SortKeys> chunks(1 + rng.Below(9));
    std::vector<KeyText> expected;
    std::vector<KeySlice> slices;
    uint64_t position = 0;
    for (size_t chunk = 0; chunk < chunks.size(); ++chunk) {
      const auto rows = static_cast<int64_t>(1 + rng.Below(seed % 2 == 0 ? 20 : 700));
      const auto begin = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(rows)));
      const int32_t number = static_cast<int32_t>(2 * chunk + 1);
      for (int64_t row = 0; row < rows; ++row) {
        const std::string key = KeyAtRandom(length_max, ++position * 7919 % 100'003, rng);
        AppendKey(key, &chunks[chunk]);
        if (row >= begin) expected.push_back({key, {number, static_cast<int32_t>(row)}});
      }
      slices.push_back({&chunks[chunk], number, begin, rows});
    }
    std::sort(expected.begin(), expected.end(),
              [](const KeyText& a, const KeyText& b) { return a.first < b.first; });
    std::vector<RowRef> refs = {{7, 7}};
    SortRows(slices, &refs);
    ASSERT_EQ(refs.size(), expected.size() + 1);
    EXPECT_EQ(refs[0], (RowRef{7, 7}));
    for (size_t i = 0; i < expected.size(); ++i) ASSERT_EQ(refs[i + 1], expected[i].second);
  }
}

TEST(SortRowsTest, SortsNothing) {
  std::vector<RowRef> refs;
  SortRows({}, &refs);
  EXPECT_TRUE(refs.empty());
}

}  // namespace
}  // namespace headrace
