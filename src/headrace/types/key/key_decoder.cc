// Every cell begins with a flag byte, which is taken off with the cell.
#include "headrace/types/key/key_decoder.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "arrow/array.h"
#include "arrow/util/bit_util.h"
#include "headrace/base/check.h"
#include "headrace/types/key/cells.h"
#include "headrace/types/key/copy_text.h"

namespace headrace {
namespace {

using BufferPtr = std::shared_ptr<arrow::Buffer>;

constexpr int64_t kOffsetBytes = sizeof(int32_t);

Result<BufferPtr> Allocate(int64_t bytes, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(BufferPtr buffer, arrow::AllocateBuffer(bytes, pool));
  return buffer;
}

// Calls `copy` with the number of bytes as a constant where that is worth it.
template <typename Copy>
void VisitWidth(size_t width, Copy&& copy) {
  switch (width) {
    case 1:
      return copy([] { return size_t{1}; });
    case 2:
      return copy([] { return size_t{2}; });
    case 4:
      return copy([] { return size_t{4}; });
    case 8:
      return copy([] { return size_t{8}; });
    case 16:
      return copy([] { return size_t{16}; });
    default:
      return copy([width] { return width; });
  }
}

Result<BufferPtr> BitsOf(const uint8_t* bytes, int64_t num_rows, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(BufferPtr bits, arrow::AllocateEmptyBitmap(num_rows, pool));
  for (int64_t row = 0; row < num_rows; ++row) {
    if (bytes[row] != 0) arrow::bit_util::SetBit(bits->mutable_data(), row);
  }
  return bits;
}

// A column of cells of KeyWidthOf(type) bytes each: `values`.
Result<ArrayPtr> MakeFixed(const TypePtr& type, int64_t num_rows, BufferPtr validity,
                           BufferPtr values, arrow::MemoryPool* pool) {
  if (type->id() == arrow::Type::BOOL) {
    ARROW_ASSIGN_OR_RAISE(values, BitsOf(values->data(), num_rows, pool));
  }
  return arrow::MakeArray(
      arrow::ArrayData::Make(type, num_rows, {std::move(validity), std::move(values)}));
}

// All are valid.
Result<BufferPtr> MakeValidity(int64_t num_rows, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(BufferPtr bits, arrow::AllocateEmptyBitmap(num_rows, pool));
  arrow::bit_util::SetBitsTo(bits->mutable_data(), 0, num_rows, true);
  return bits;
}

}  // namespace

Result<ArrayPtr> DecodeFixedKeys(const EncodedKeys& keys, const TypePtr& type,
                                 arrow::MemoryPool* pool) {
  const auto rows = static_cast<size_t>(keys.num_rows);
  BufferPtr validity;
  if (rows > 0 && std::memchr(keys.nulls.data(), 1, rows) != nullptr) {
    ARROW_ASSIGN_OR_RAISE(validity, MakeValidity(keys.num_rows, pool));
    for (size_t row = 0; row < rows; ++row) {
      if (keys.nulls[row] == 0) continue;
      arrow::bit_util::ClearBit(validity->mutable_data(), static_cast<int64_t>(row));
    }
  }
  const int width = KeyWidthOf(*type);
  ARROW_ASSIGN_OR_RAISE(BufferPtr values, Allocate(keys.num_rows * width, pool));
  uint8_t* out = values->mutable_data();
  VisitWidth(static_cast<size_t>(width), [&](auto width_of) {
    const size_t bytes = width_of();
    for (size_t row = 0; row < rows; ++row) {
      std::memcpy(out + row * bytes, &keys.values[row], bytes);
    }
  });
  return MakeFixed(type, keys.num_rows, std::move(validity), std::move(values), pool);
}

KeyDecoder::KeyDecoder(const std::vector<KeyColumn>& keys, int64_t num_rows, int64_t num_bytes,
                       arrow::MemoryPool* pool)
    : num_rows_(num_rows), num_bytes_(num_bytes), pool_(pool) {
  for (const KeyColumn& key : keys) columns_.push_back({.type = key.type});
}

Status KeyDecoder::Begin(Column& column) {
  const int width = KeyWidthOf(*column.type);
  if (width > 0) return Allocate(num_rows_ * width, pool_).Value(&column.values);
  ARROW_ASSIGN_OR_RAISE(column.values, Allocate((num_rows_ + 1) * kOffsetBytes, pool_));
  std::memset(column.values->mutable_data(), 0, kOffsetBytes);
  ARROW_ASSIGN_OR_RAISE(column.texts, arrow::AllocateResizableBuffer(0, pool_));
  return Status::OK();
}

Status KeyDecoder::Append(std::span<const uint8_t*> keys) {
  HEADRACE_DCHECK(keys.size() <= kRows, "too many keys at a time");
  for (Column& column : columns_) {
    if (column.type->id() == arrow::Type::NA) {
      for (const uint8_t*& key : keys) ++key;
      continue;
    }
    if (column.values == nullptr) ARROW_RETURN_NOT_OK(Begin(column));
    ARROW_RETURN_NOT_OK(TakeNulls(keys, column));
    if (column.texts != nullptr) {
      ARROW_RETURN_NOT_OK(TakeTexts(keys, column));
    } else {
      TakeFixed(keys, static_cast<size_t>(KeyWidthOf(*column.type)), column);
    }
  }
  next_row_ += static_cast<int64_t>(keys.size());
  return Status::OK();
}

Status KeyDecoder::TakeNulls(std::span<const uint8_t*> keys, Column& column) {
  uint8_t all_valid = 1;
  for (const uint8_t* key : keys) all_valid &= *key;
  if (all_valid != 0) return Status::OK();
  if (column.validity == nullptr) {
    ARROW_ASSIGN_OR_RAISE(column.validity, MakeValidity(num_rows_, pool_));
  }
  for (size_t row = 0; row < keys.size(); ++row) {
    if (*keys[row] != 0) continue;
    arrow::bit_util::ClearBit(column.validity->mutable_data(),
                              next_row_ + static_cast<int64_t>(row));
  }
  return Status::OK();
}

void KeyDecoder::TakeFixed(std::span<const uint8_t*> keys, size_t width, Column& column) const {
  uint8_t* out = column.values->mutable_data() + static_cast<size_t>(next_row_) * width;
  VisitWidth(width, [&](auto width_of) {
    const size_t bytes = width_of();
    for (const uint8_t*& cell : keys) {
      if (*cell++ == 0) {
        std::memset(out, 0, bytes);
      } else {
        std::memcpy(out, cell, bytes);
        cell += bytes;
      }
      out += bytes;
    }
  });
}

Status KeyDecoder::TakeTexts(std::span<const uint8_t*> keys, Column& column) {
  auto* ends = reinterpret_cast<int32_t*>(column.values->mutable_data()) + next_row_ + 1;
  int32_t end = ends[-1];
  for (size_t row = 0; row < keys.size(); ++row) {
    int32_t length = 0;
    if (*keys[row] != 0) std::memcpy(&length, keys[row] + 1, sizeof(length));
    ends[row] = end += length;
  }
  const auto rows = static_cast<int64_t>(keys.size());
  if (end > column.texts->size()) ARROW_RETURN_NOT_OK(ReserveTexts(end, rows, column));
  uint8_t* const out = column.texts->mutable_data();
  for (size_t row = 0; row < keys.size(); ++row) {
    const bool is_null = *keys[row]++ == 0;
    if (is_null) continue;
    keys[row] += kLengthBytes;
    const int32_t begin = ends[static_cast<int64_t>(row) - 1];
    const auto length = static_cast<size_t>(ends[row] - begin);
    CopyText(out + begin, reinterpret_cast<const char*>(keys[row]), length);
    keys[row] += length;
  }
  return Status::OK();
}

// Room for `text_bytes` bytes up to the next `rows` rows, and for as much per row in those after.
Status KeyDecoder::ReserveTexts(int64_t text_bytes, int64_t rows, Column& column) const {
  const int64_t row_bytes = text_bytes / (next_row_ + rows) + 1;
  const int64_t all = text_bytes + (num_rows_ - next_row_ - rows) * row_bytes;
  return column.texts->Resize(std::min(all, num_bytes_), /*shrink_to_fit=*/false);
}

Result<std::vector<ArrayPtr>> KeyDecoder::Finish() {
  HEADRACE_CHECK(next_row_ == num_rows_, "keys are missing");
  std::vector<ArrayPtr> columns;
  for (Column& column : columns_) {
    if (column.type->id() == arrow::Type::NA) {
      columns.push_back(std::make_shared<arrow::NullArray>(num_rows_));
      continue;
    }
    if (column.values == nullptr) ARROW_RETURN_NOT_OK(Begin(column));
    if (column.texts == nullptr) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                            MakeFixed(column.type, num_rows_, std::move(column.validity),
                                      std::move(column.values), pool_));
      continue;
    }
    const int32_t end = reinterpret_cast<const int32_t*>(column.values->data())[num_rows_];
    ARROW_RETURN_NOT_OK(column.texts->Resize(end, /*shrink_to_fit=*/false));
    columns.push_back(arrow::MakeArray(arrow::ArrayData::Make(
        column.type, num_rows_,
        {std::move(column.validity), std::move(column.values), std::move(column.texts)})));
  }
  return columns;
}

}  // namespace headrace
