// What all keys start with is left out; the next bits and the row's number make one 8-byte number a
// row. Rows whose numbers have the same bits of keys are put in order by what comes behind those.
#include "headrace/exec/op/sort/sort_rows.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "headrace/exec/key/sort_words.h"

namespace headrace {
namespace {

// Fewer rows are compared key by key; so are those that are alike in so many numbers.
constexpr size_t kNumberedRowsMin = 16;
constexpr int kNumbersMax = 64;

uint64_t LoadWord(const char* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

// Of the first `most` bytes, which both have, those before the first that differs.
size_t EqualBytes(std::string_view a, std::string_view b, size_t most) {
  const size_t size = std::min(a.size(), b.size());
  size_t at = 0;
  for (; at < most && at + sizeof(uint64_t) <= size; at += sizeof(uint64_t)) {
    const uint64_t difference = LoadWord(a.data() + at) ^ LoadWord(b.data() + at);
    if (difference == 0) continue;
    return std::min(most, at + static_cast<size_t>(std::countr_zero(difference)) / 8);
  }
  while (at < most && a[at] == b[at]) ++at;
  return std::min(at, most);
}

// Eight bytes of the key as a number, zeros behind its end.
uint64_t WordAt(std::string_view key, size_t at) {
  uint64_t word = 0;
  if (at + sizeof(word) <= key.size()) {
    word = LoadWord(key.data() + at);
  } else if (at < key.size()) {
    std::memcpy(&word, key.data() + at, key.size() - at);
  }
  return __builtin_bswap64(word);
}

// The low bits of a number say which row it is: slice and row in it.
class RowSorter {
 public:
  explicit RowSorter(std::span<const KeySlice> slices) : slices_(slices) {
    int64_t rows_max = 1;
    for (const KeySlice& slice : slices) {
      rows_max = std::max(rows_max, slice.end - slice.begin);
      num_rows_ += static_cast<size_t>(slice.end - slice.begin);
    }
    row_bits_ = std::bit_width(static_cast<uint64_t>(rows_max - 1));
    mask_ = (uint64_t{1} << (row_bits_ + std::bit_width(slices.size()))) - 1;
  }

  void AppendTo(std::vector<RowRef>* refs) {
    words_.reserve(num_rows_);
    for (size_t slice = 0; slice < slices_.size(); ++slice) {
      const auto rows = static_cast<uint64_t>(slices_[slice].end - slices_[slice].begin);
      for (uint64_t row = 0; row < rows; ++row) words_.push_back(slice << row_bits_ | row);
    }
    Sort(words_, 0);
    const size_t begin = refs->size();
    refs->resize(begin + num_rows_);
    for (size_t i = 0; i < num_rows_; ++i) {
      (*refs)[begin + i] = {SliceOf(words_[i]).chunk, static_cast<int32_t>(RowOf(words_[i]))};
    }
  }

 private:
  const KeySlice& SliceOf(uint64_t word) const { return slices_[(word & mask_) >> row_bits_]; }
  int64_t RowOf(uint64_t word) const {
    const uint64_t row = word & ((uint64_t{1} << row_bits_) - 1);
    return SliceOf(word).begin + static_cast<int64_t>(row);
  }
  std::string_view KeyOf(uint64_t word) const { return (*SliceOf(word).keys)[RowOf(word)]; }

  size_t CommonPrefix(std::span<const uint64_t> words) const {
    const std::string_view first = KeyOf(words[0]);
    size_t common = first.size();
    for (const uint64_t word : words) {
      const std::string_view key = KeyOf(word);
      common = EqualBytes(first, key, std::min(common, key.size()));
    }
    return common;
  }

  // `numbers`: so many were equal for all of them.
  void Sort(std::span<uint64_t> words, int numbers) {
    const auto less = [&](uint64_t a, uint64_t b) { return KeyOf(a) < KeyOf(b); };
    if (words.size() < kNumberedRowsMin || numbers == kNumbersMax) {
      std::sort(words.begin(), words.end(), less);
      return;
    }
    AddKeys(words);
    SortWords(words);
    for (size_t begin = 0, end = 0; begin < words.size(); begin = end) {
      while (end < words.size() && ((words[begin] ^ words[end]) & ~mask_) == 0) ++end;
      const auto alike = words.subspan(begin, end - begin);
      if (alike.size() > 1 && !std::is_sorted(alike.begin(), alike.end(), less)) {
        Sort(alike, numbers + 1);
      }
    }
  }

  // The first bits in which keys differ, above the number of the row.
  void AddKeys(std::span<uint64_t> words) const {
    const size_t prefix = CommonPrefix(words);
    const uint64_t first = WordAt(KeyOf(words[0]), prefix);
    uint64_t differences = 1;
    for (const uint64_t word : words) differences |= first ^ WordAt(KeyOf(word), prefix);
    const int bits = std::countl_zero(differences);
    for (uint64_t& word : words) {
      word = (WordAt(KeyOf(word), prefix) << bits & ~mask_) | (word & mask_);
    }
  }

  const std::span<const KeySlice> slices_;
  size_t num_rows_ = 0;
  int row_bits_ = 0;
  uint64_t mask_ = 0;
  std::vector<uint64_t> words_;
};

}  // namespace

void SortRows(std::span<const KeySlice> slices, std::vector<RowRef>* refs) {
  RowSorter(slices).AppendTo(refs);
}

}  // namespace headrace
