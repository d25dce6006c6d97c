// KnownNumbers: numbers of keys met before, found without encoding and hashing them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "headrace/types/batch.h"

namespace headrace {

/// For one key column without nulls: by its code in a dictionary, by the small integer that it is,
/// or by a text of a few bytes. Of other columns nothing is known. One thread; what it holds is
/// bounded by the number of keys.
class KnownNumbers {
 public:
  static constexpr uint32_t kUnknown = 0xffffffffU;

  /// numbers[row] = that of the key, or kUnknown. Gives how many are unknown.
  int64_t Find(const ArrayPtr& column, std::vector<uint32_t>* numbers);
  /// The rows of the call before have these numbers, of `keys` that there are.
  void Learn(const std::vector<uint32_t>& numbers, int64_t keys);

  /// Memory held; at most, when there are `keys` keys.
  int64_t bytes() const;
  static int64_t BytesFor(int64_t keys);

 private:
  struct TextSlot {
    uint64_t text = 0;  // 0: none
    uint32_t number = kUnknown;
  };
  using Learner = void (KnownNumbers::*)(const std::vector<uint32_t>& numbers, int64_t keys);

  bool FindCodes(const arrow::ArrayData& column, std::vector<uint32_t>* numbers);
  bool FindIntegers(const arrow::ArrayData& column, std::vector<uint32_t>* numbers);
  bool FindTexts(const arrow::ArrayData& column, std::vector<uint32_t>* numbers);
  void LearnCodes(const std::vector<uint32_t>& numbers, int64_t keys);
  void LearnIntegers(const std::vector<uint32_t>& numbers, int64_t keys);
  void LearnTexts(const std::vector<uint32_t>& numbers, int64_t keys);
  size_t SlotOf(uint64_t text) const;

  // Of the call before: integers, texts or codes of the rows.
  std::vector<uint64_t> rows_;
  Learner learns_ = nullptr;

  std::shared_ptr<arrow::ArrayData> dictionary_;
  std::vector<uint32_t> number_of_code_;
  std::vector<uint32_t> number_of_integer_;
  std::vector<TextSlot> texts_;  // a power of two of them; empty: none was learned
  int64_t num_texts_ = 0;
};

}  // namespace headrace
