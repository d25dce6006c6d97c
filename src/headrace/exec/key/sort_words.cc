// Highway's vqsort picks the instruction set of the machine.
#include "headrace/exec/key/sort_words.h"

#include "hwy/contrib/sort/vqsort.h"

namespace headrace {

void SortWords(std::span<SortWord> words) {
  static_assert(sizeof(SortWord) == sizeof(hwy::uint128_t));
  static_assert(offsetof(hwy::uint128_t, lo) == offsetof(SortWord, low));
  const hwy::Sorter sorter;
  sorter(reinterpret_cast<hwy::uint128_t*>(words.data()), words.size(), hwy::SortAscending());
}

void SortWords(std::span<uint64_t> words) {
  const hwy::Sorter sorter;
  sorter(words.data(), words.size(), hwy::SortAscending());
}

}  // namespace headrace
