// A group table whose groups are never erased: their ids are the numbers.
#include "headrace/exec/op/key_numbering.h"

#include <numeric>

#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/base/hash.h"

namespace headrace {

Result<KeyNumbering> KeyNumbering::Make(std::vector<std::vector<KeyColumn>> inputs) {
  HEADRACE_CHECK(!inputs.empty(), "a numbering has at least one input");
  if (inputs[0].empty()) return KeyNumbering({}, false);
  std::vector<KeyEncoder> encoders;
  for (std::vector<KeyColumn>& columns : inputs) {
    ARROW_ASSIGN_OR_RAISE(KeyEncoder encoder, KeyEncoder::Make(std::move(columns)));
    encoders.push_back(std::move(encoder));
    const std::vector<KeyColumn>& first = encoders.front().keys();
    const std::vector<KeyColumn>& keys = encoders.back().keys();
    HEADRACE_CHECK(keys.size() == first.size(), "inputs have different numbers of keys");
    for (size_t i = 0; i < keys.size(); ++i) {
      if (keys[i].type->Equals(*first[i].type)) continue;
      return Error(ErrorKind::kTypeMismatch, "keys {} and {} have different types: {} and {}",
                   first[i].name, keys[i].name, first[i].type->ToString(),
                   keys[i].type->ToString());
    }
  }
  const bool is_fixed = encoders.front().is_fixed();
  return KeyNumbering(std::move(encoders), is_fixed);
}

Result<int64_t> KeyNumbering::Find(size_t input, const Batch& batch, arrow::MemoryPool* pool) {
  missing_ = 0;
  learns_ = nullptr;
  if (!has_keys()) {
    numbers_.assign(static_cast<size_t>(batch.num_rows()), 0);
    return 0;
  }
  const std::vector<KeyColumn>& columns = encoders_[input].keys();
  if (columns.size() == 1) {
    if (known_[input].Find(batch.column(columns[0].column), &numbers_) == 0) return 0;
    learns_ = &known_[input];
  }
  ARROW_RETURN_NOT_OK(encoders_[input].Encode(batch, pool, &keys_));
  return FindEncoded();
}

Result<int64_t> KeyNumbering::FindColumns(std::vector<ArrayPtr> columns, int64_t num_rows,
                                          arrow::MemoryPool* pool) {
  learns_ = nullptr;
  ARROW_RETURN_NOT_OK(encoders_[0].EncodeColumns(std::move(columns), num_rows, pool, &keys_));
  return FindEncoded();
}

int64_t KeyNumbering::FindEncoded() {
  rows_.resize(static_cast<size_t>(keys_.num_rows));
  std::iota(rows_.begin(), rows_.end(), 0U);
  numbers_.resize(rows_.size());
  missing_ = table_.Find(keys_, rows_.data(), keys_.num_rows, numbers_.data());
  return missing_;
}

int64_t KeyNumbering::bytes() const {
  int64_t bytes = table_.bytes();
  for (const KnownNumbers& known : known_) bytes += known.bytes();
  return bytes;
}

int64_t KeyNumbering::BytesToAssign() const {
  if (missing_ == 0 && learns_ == nullptr) return bytes();
  int64_t known = 0;
  for (const KnownNumbers& numbers : known_) {
    known += &numbers == learns_ ? numbers.bytes() + KnownNumbers::BytesFor(size() + missing_)
                                 : numbers.bytes();
  }
  return table_.BytesToAdd(missing_, static_cast<int64_t>(keys_.bytes.size())) + known;
}

const std::vector<uint32_t>& KeyNumbering::Assign() {
  if (missing_ > 0) table_.FindOrInsert(keys_, rows_.data(), keys_.num_rows, numbers_.data());
  missing_ = 0;
  if (learns_ != nullptr) learns_->Learn(numbers_, table_.num_ids());
  learns_ = nullptr;
  return numbers_;
}

int KeyNumbering::KeyGroupOfNumber(uint32_t number) const {
  return KeyGroupOf(table_.HashOf(number));
}

Result<std::vector<ArrayPtr>> KeyNumbering::KeysOf(const std::vector<uint32_t>& numbers,
                                                   arrow::MemoryPool* pool) {
  table_.KeysOf(numbers.data(), static_cast<int64_t>(numbers.size()), &keys_);
  return encoders_[0].Decode(keys_, pool);
}

}  // namespace headrace
