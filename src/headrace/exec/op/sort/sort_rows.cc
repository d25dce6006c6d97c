// What all keys start with is left out; the next bytes and the row's number make one 16-byte number
// a row. Rows whose numbers have the same bytes are put in order by their whole keys.
#include "headrace/exec/op/sort/sort_rows.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "headrace/exec/key/sort_words.h"

namespace headrace {
namespace {

size_t CommonPrefix(const std::vector<KeyedRow>& rows) {
  const std::string_view first = rows[0].key;
  size_t common = first.size();
  for (const KeyedRow& row : rows) {
    common = std::min(common, row.key.size());
    if (std::memcmp(first.data(), row.key.data(), common) == 0) continue;
    common = static_cast<size_t>(std::mismatch(first.begin(),
                                               first.begin() + static_cast<std::ptrdiff_t>(common),
                                               row.key.begin())
                                     .first -
                                 first.begin());
  }
  return common;
}

// Eight bytes of the key as a number, zeros behind its end.
uint64_t WordAt(std::string_view key, size_t at) {
  uint64_t word = 0;
  if (at + sizeof(word) <= key.size()) {
    std::memcpy(&word, key.data() + at, sizeof(word));
  } else if (at < key.size()) {
    std::memcpy(&word, key.data() + at, key.size() - at);
  }
  return __builtin_bswap64(word);
}

}  // namespace

void SortRows(std::vector<KeyedRow>* rows) {
  if (rows->size() < 2) return;
  const size_t prefix = CommonPrefix(*rows);
  const uint64_t index_mask = std::bit_ceil(rows->size()) - 1;
  std::vector<SortWord> words;
  words.reserve(rows->size());
  for (size_t i = 0; i < rows->size(); ++i) {
    const std::string_view key = (*rows)[i].key;
    words.push_back({(WordAt(key, prefix + 8) & ~index_mask) | i, WordAt(key, prefix)});
  }
  SortWords(words);
  std::vector<KeyedRow> sorted;
  sorted.reserve(rows->size());
  for (const SortWord& word : words) sorted.push_back((*rows)[word.low & index_mask]);
  const auto less = [](const KeyedRow& a, const KeyedRow& b) { return a.key < b.key; };
  for (size_t begin = 0, end = 0; begin < words.size(); begin = end) {
    const auto same = [&](size_t i) {
      return words[i].high == words[begin].high &&
             ((words[i].low ^ words[begin].low) & ~index_mask) == 0;
    };
    while (end < words.size() && same(end)) ++end;
    const auto first = sorted.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = sorted.begin() + static_cast<std::ptrdiff_t>(end);
    if (end - begin > 1 && !std::is_sorted(first, last, less)) std::sort(first, last, less);
  }
  *rows = std::move(sorted);
}

}  // namespace headrace
