// Raw access of kernels to fixed-width columns, their outputs, and the rows that may raise.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "arrow/array/array_base.h"
#include "arrow/array/data.h"
#include "arrow/buffer.h"
#include "arrow/util/bit_util.h"
#include "headrace/function/function.h"

namespace headrace {

/// A 128-bit integer: the value of a decimal128, and of exact sums.
using Int128 = __int128;
using UInt128 = unsigned __int128;

/// Values of a fixed-width column (not boolean); a constant stands for every row.
/// Values may lie at any address: they are read with memcpy.
template <typename T>
class View {
 public:
  explicit View(const Argument& argument) : View(*argument.array, argument.is_constant) {}
  explicit View(const arrow::Array& array, bool is_constant = false) : is_constant_(is_constant) {
    const arrow::ArrayData& data = *array.data();
    if (data.buffers[1] == nullptr) return;
    values_ = data.buffers[1]->data() + data.offset * static_cast<int64_t>(sizeof(T));
  }

  bool is_constant() const { return is_constant_; }
  /// Value at a position of the array itself.
  T Raw(int64_t position) const {
    T value;
    std::memcpy(&value, values_ + position * static_cast<int64_t>(sizeof(T)), sizeof(T));
    return value;
  }
  /// Value of a row.
  T operator[](int64_t row) const { return Raw(is_constant_ ? 0 : row); }

 private:
  const uint8_t* values_ = nullptr;
  bool is_constant_;
};

/// Of the `length` bits at bit `offset` of `bits`, those from 64 * index on, the first lowest. What
/// stands past the end is of no meaning.
inline uint64_t WordAt(const uint8_t* bits, int64_t offset, int64_t length, int64_t index) {
  const int64_t begin = offset + index * 64;
  const int64_t end = offset + std::min(length, index * 64 + 64);
  const int64_t first = begin / 8;
  const int64_t bytes = (end + 7) / 8 - first;  // 1 to 9
  uint64_t word = 0;
  if (bytes >= 8) [[likely]] {
    std::memcpy(&word, bits + first, 8);
  } else {
    std::memcpy(&word, bits + first, static_cast<size_t>(bytes));
  }
  const int64_t shift = begin % 8;
  if (shift == 0) return word;
  const uint64_t high = bytes > 8 ? bits[first + 8] : 0;
  return (word >> shift) | (high << (64 - shift));
}

/// Validity of an argument's rows.
class Validity {
 public:
  explicit Validity(const Argument& argument) : Validity(*argument.array, argument.is_constant) {}
  explicit Validity(const arrow::Array& array, bool is_constant = false)
      : bits_(array.null_bitmap_data()),
        offset_(array.offset()),
        all_null_(array.type_id() == arrow::Type::NA),
        all_valid_(!all_null_ && array.null_count() == 0),
        is_constant_(is_constant) {}

  bool all_valid() const { return all_valid_; }
  bool operator[](int64_t row) const {
    if (all_valid_) return true;
    return !all_null_ && arrow::bit_util::GetBit(bits_, offset_ + (is_constant_ ? 0 : row));
  }
  /// Bits of the rows from 64 * index on, of `rows` in all.
  uint64_t Word(int64_t index, int64_t rows) const {
    if (all_valid_) return ~uint64_t{0};
    if (all_null_) return 0;
    if (is_constant_) return (*this)[0] ? ~uint64_t{0} : 0;
    return WordAt(bits_, offset_, rows, index);
  }

 private:
  const uint8_t* bits_;
  int64_t offset_;
  bool all_null_;
  bool all_valid_;
  bool is_constant_;
};

/// Bits of a boolean column.
class BooleanView {
 public:
  explicit BooleanView(const Argument& argument)
      : bits_(argument.array->data()->buffers[1] ? argument.array->data()->buffers[1]->data()
                                                 : nullptr),
        offset_(argument.array->offset()),
        is_constant_(argument.is_constant) {}
  bool is_constant() const { return is_constant_; }
  bool Raw(int64_t position) const { return arrow::bit_util::GetBit(bits_, offset_ + position); }
  bool operator[](int64_t row) const { return Raw(is_constant_ ? 0 : row); }
  /// Bits of the rows from 64 * index on, of `rows` in all; an array of the null type has none set.
  uint64_t Word(int64_t index, int64_t rows) const {
    if (bits_ == nullptr) return 0;
    if (is_constant_) return Raw(0) ? ~uint64_t{0} : 0;
    return WordAt(bits_, offset_, rows, index);
  }

 private:
  const uint8_t* bits_;
  int64_t offset_;
  bool is_constant_;
};

/// Text or bytes of a utf8, binary or fixed_size_binary column.
class BytesView {
 public:
  explicit BytesView(const Argument& argument) : BytesView(*argument.array, argument.is_constant) {}
  explicit BytesView(const arrow::Array& array, bool is_constant = false);

  bool is_constant() const { return is_constant_; }
  std::string_view operator[](int64_t row) const { return Raw(is_constant_ ? 0 : row); }
  std::string_view Raw(int64_t position) const {
    if (offsets_ == nullptr) {
      return {data_ + position * width_, static_cast<size_t>(width_)};
    }
    const int32_t begin = offsets_[position];
    return {data_ + begin, static_cast<size_t>(offsets_[position + 1] - begin)};
  }

 private:
  const int32_t* offsets_ = nullptr;
  const char* data_ = nullptr;
  int32_t width_ = 0;
  bool is_constant_;
};

/// Calls `visit(row)` for every active row until it gives an error.
template <typename Visit>
Status ForEachActive(const Rows& rows, Visit&& visit) {
  if (rows.active == nullptr) {
    for (int64_t row = 0; row < rows.length; ++row) ARROW_RETURN_NOT_OK(visit(row));
    return Status::OK();
  }
  for (const uint32_t row : *rows.active) ARROW_RETURN_NOT_OK(visit(static_cast<int64_t>(row)));
  return Status::OK();
}

/// Number of active rows.
int64_t CountActive(const Rows& rows);

/// An array of `length` rows without nulls over `values`.
ArrayPtr WrapValues(const TypePtr& type, int64_t length, std::shared_ptr<arrow::Buffer> values);
/// An array of `length` nulls.
Result<ArrayPtr> MakeNulls(const TypePtr& type, int64_t length, arrow::MemoryPool* pool);

/// The output of a fixed-width kernel: `length` values of T.
template <typename T>
class Output {
 public:
  static Result<Output> Make(int64_t length, arrow::MemoryPool* pool) {
    ARROW_ASSIGN_OR_RAISE(auto buffer,
                          arrow::AllocateBuffer(length * static_cast<int64_t>(sizeof(T)), pool));
    return Output(std::move(buffer), length);
  }
  T* data() { return reinterpret_cast<T*>(buffer_->mutable_data()); }
  ArrayPtr Finish(const TypePtr& type) { return WrapValues(type, length_, std::move(buffer_)); }
  std::shared_ptr<arrow::Buffer> FinishBuffer() { return std::move(buffer_); }
  /// When the values are bytes of bits.
  ArrayPtr FinishBits(const TypePtr& type, int64_t rows) {
    return WrapValues(type, rows, std::move(buffer_));
  }

 private:
  Output(std::unique_ptr<arrow::Buffer> buffer, int64_t length)
      : buffer_(std::move(buffer)), length_(length) {}
  std::unique_ptr<arrow::Buffer> buffer_;
  int64_t length_;
};

/// Packs `length` bytes of 0 or 1 to bits, the first into bit 0 of `bits`.
void PackBits(const uint8_t* bytes, int64_t length, uint8_t* bits);

}  // namespace headrace
