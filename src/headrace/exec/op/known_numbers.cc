// Three tables: by code of the last dictionary, by integer from 0 on, and of texts of up to seven
// bytes, packed to words, with linear probing.
#include "headrace/exec/op/known_numbers.h"

#include <algorithm>
#include <cstring>

#include "arrow/array/array_base.h"
#include "arrow/array/data.h"
#include "arrow/type.h"

namespace headrace {
namespace {

using arrow::Type;

constexpr int64_t kCodesMax = 65'536;
constexpr int64_t kIntegersMin = 4096;  // there is always room for so many
constexpr int64_t kIntegersPerKey = 4;
constexpr int kTextBytesMax = 7;
constexpr int64_t kTextSlots = 8192;

template <typename T>
void Widen(const arrow::ArrayData& column, std::vector<uint64_t>* rows) {
  const T* values = column.GetValues<T>(1);
  for (size_t row = 0; row < rows->size(); ++row) {
    (*rows)[row] = static_cast<uint64_t>(static_cast<int64_t>(values[row]));
  }
}

/// Integers of the rows; false for columns of other types.
bool ReadIntegers(const arrow::ArrayData& column, Type::type type, std::vector<uint64_t>* rows) {
  switch (type) {
    case Type::INT8:
      return Widen<int8_t>(column, rows), true;
    case Type::INT16:
      return Widen<int16_t>(column, rows), true;
    case Type::INT32:
    case Type::DATE32:
      return Widen<int32_t>(column, rows), true;
    case Type::UINT32:
      return Widen<uint32_t>(column, rows), true;
    case Type::INT64:
    case Type::UINT64:
    case Type::TIMESTAMP:
      return Widen<int64_t>(column, rows), true;
    default:
      return false;
  }
}

/// Bytes and length in one word, which is not 0.
uint64_t PackText(const uint8_t* bytes, int32_t length) {
  uint64_t text = 0;
  std::memcpy(&text, bytes, static_cast<size_t>(length));
  return text | static_cast<uint64_t>(length + 1) << 56;
}

/// False where one is longer than a word.
bool PackTexts(const arrow::ArrayData& column, std::vector<uint64_t>* rows) {
  const auto* offsets = column.GetValues<int32_t>(1);
  const uint8_t* bytes = column.buffers[2] == nullptr ? nullptr : column.buffers[2]->data();
  for (size_t row = 0; row < rows->size(); ++row) {
    const int32_t length = offsets[row + 1] - offsets[row];
    if (length > kTextBytesMax) return false;
    (*rows)[row] = length == 0 ? uint64_t{1} << 56 : PackText(bytes + offsets[row], length);
  }
  return true;
}

/// numbers[row] = numbers_of[rows[row]], kUnknown past its end.
void LookUp(const std::vector<uint64_t>& rows, const std::vector<uint32_t>& numbers_of,
            std::vector<uint32_t>* numbers) {
  const uint64_t size = numbers_of.size();
  for (size_t row = 0; row < rows.size(); ++row) {
    (*numbers)[row] = rows[row] < size ? numbers_of[rows[row]] : KnownNumbers::kUnknown;
  }
}

}  // namespace

int64_t KnownNumbers::Find(const ArrayPtr& column, std::vector<uint32_t>* numbers) {
  const arrow::ArrayData& data = *column->data();
  learns_ = nullptr;
  numbers->resize(static_cast<size_t>(data.length));
  rows_.resize(numbers->size());
  const bool is_known =
      data.GetNullCount() == 0 &&
      (FindCodes(data, numbers) || FindIntegers(data, numbers) || FindTexts(data, numbers));
  if (!is_known) return data.length;
  return std::count(numbers->begin(), numbers->end(), kUnknown);
}

void KnownNumbers::Learn(const std::vector<uint32_t>& numbers, int64_t keys) {
  if (learns_ != nullptr) (this->*learns_)(numbers, keys);
  learns_ = nullptr;
}

bool KnownNumbers::FindCodes(const arrow::ArrayData& column, std::vector<uint32_t>* numbers) {
  if (column.type->id() != Type::DICTIONARY) return false;
  const arrow::ArrayData& dictionary = *column.dictionary;
  if (dictionary.length > kCodesMax || dictionary.GetNullCount() > 0) return false;
  const auto& type = static_cast<const arrow::DictionaryType&>(*column.type);
  if (!ReadIntegers(column, type.index_type()->id(), &rows_)) return false;
  if (dictionary_ != column.dictionary) {
    dictionary_ = column.dictionary;
    number_of_code_.assign(static_cast<size_t>(dictionary.length), kUnknown);
  }
  LookUp(rows_, number_of_code_, numbers);
  learns_ = &KnownNumbers::LearnCodes;
  return true;
}

void KnownNumbers::LearnCodes(const std::vector<uint32_t>& numbers, int64_t /*keys*/) {
  for (size_t row = 0; row < rows_.size(); ++row) number_of_code_[rows_[row]] = numbers[row];
}

bool KnownNumbers::FindIntegers(const arrow::ArrayData& column, std::vector<uint32_t>* numbers) {
  if (!ReadIntegers(column, column.type->id(), &rows_)) return false;
  LookUp(rows_, number_of_integer_, numbers);
  learns_ = &KnownNumbers::LearnIntegers;
  return true;
}

void KnownNumbers::LearnIntegers(const std::vector<uint32_t>& numbers, int64_t keys) {
  const auto end = static_cast<uint64_t>(std::max(kIntegersMin, kIntegersPerKey * keys));
  uint64_t size = number_of_integer_.size();
  for (const uint64_t value : rows_) {
    if (value < end) size = std::max(size, value + 1);
  }
  if (size > number_of_integer_.size()) {
    number_of_integer_.reserve(size);
    number_of_integer_.resize(size, kUnknown);
  }
  for (size_t row = 0; row < rows_.size(); ++row) {
    if (rows_[row] < size) number_of_integer_[rows_[row]] = numbers[row];
  }
}

size_t KnownNumbers::SlotOf(uint64_t text) const {
  size_t slot = text * 0x9e3779b97f4a7c15U >> 32 & (kTextSlots - 1);
  while (texts_[slot].text != 0 && texts_[slot].text != text) slot = (slot + 1) & (kTextSlots - 1);
  return slot;
}

bool KnownNumbers::FindTexts(const arrow::ArrayData& column, std::vector<uint32_t>* numbers) {
  const Type::type type = column.type->id();
  if (type != Type::STRING && type != Type::BINARY) return false;
  if (!PackTexts(column, &rows_)) return false;
  learns_ = &KnownNumbers::LearnTexts;
  if (texts_.empty()) {
    std::fill(numbers->begin(), numbers->end(), kUnknown);
    return true;
  }
  for (size_t row = 0; row < rows_.size(); ++row) {
    (*numbers)[row] = texts_[SlotOf(rows_[row])].number;
  }
  return true;
}

void KnownNumbers::LearnTexts(const std::vector<uint32_t>& numbers, int64_t /*keys*/) {
  if (texts_.empty()) texts_.resize(kTextSlots);
  for (size_t row = 0; row < rows_.size() && 2 * num_texts_ < kTextSlots; ++row) {
    TextSlot& slot = texts_[SlotOf(rows_[row])];
    if (slot.text != 0) continue;
    slot = {rows_[row], numbers[row]};
    ++num_texts_;
  }
}

int64_t KnownNumbers::bytes() const {
  const size_t numbers = number_of_code_.capacity() + number_of_integer_.capacity();
  return static_cast<int64_t>(numbers * sizeof(uint32_t) + texts_.size() * sizeof(TextSlot));
}

int64_t KnownNumbers::BytesFor(int64_t keys) {
  const int64_t integers = std::max(kIntegersMin, kIntegersPerKey * keys);
  return std::max(integers * static_cast<int64_t>(sizeof(uint32_t)),
                  kTextSlots * static_cast<int64_t>(sizeof(TextSlot)));
}

}  // namespace headrace
