// Copying of texts, and the check that they are UTF-8.
#include "headrace/format/parquet/text_assembly.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "arrow/array.h"
#include "arrow/array/data.h"
#include "arrow/type.h"
#include "arrow/util/bit_util.h"
#include "simdjson.h"

namespace headrace::parquet_format {
namespace {

constexpr size_t kCopyBytes = 16;
constexpr int64_t kBytesMax = std::numeric_limits<int32_t>::max();

/// Copies in steps: up to kCopyBytes − 1 bytes more than `view` has are read and written.
uint8_t* CopyText(std::string_view view, uint8_t* to) {
  std::memcpy(to, view.data(), kCopyBytes);
  if (view.size() > kCopyBytes)
    std::memcpy(to + kCopyBytes, view.data() + kCopyBytes, view.size() - kCopyBytes);
  return to + view.size();
}

bool IsContinuation(uint8_t byte) { return (byte & 0xc0) == 0x80; }

bool IsAscii(const uint8_t* data, int64_t bytes) {
  uint64_t seen = 0;
  int64_t at = 0;
  for (; at + 8 <= bytes; at += 8) {
    uint64_t eight;
    std::memcpy(&eight, data + at, sizeof eight);
    seen |= eight;
  }
  for (; at < bytes; ++at) seen |= data[at];
  return (seen & 0x8080808080808080) == 0;
}

}  // namespace

/// Texts that are UTF-8 together are so one by one when none starts inside a character.
Status CheckUtf8(const int32_t* offsets, int64_t count, const uint8_t* data) {
  const int64_t bytes = offsets[count] - offsets[0];
  const uint8_t* first = data + offsets[0];
  if (IsAscii(first, bytes)) return Status::OK();
  bool is_valid =
      simdjson::validate_utf8(reinterpret_cast<const char*>(first), static_cast<size_t>(bytes));
  for (int64_t i = 0; i < count && is_valid; ++i) {
    is_valid = offsets[i] == offsets[count] || !IsContinuation(data[offsets[i]]);
  }
  return is_valid ? Status::OK() : Status::Invalid("text that is not UTF-8");
}

Status TextAssembly::Begin(int64_t rows) {
  ARROW_ASSIGN_OR_RAISE(offsets_,
                        arrow::AllocateBuffer((rows + 1) * int64_t{sizeof(int32_t)}, pool_));
  reinterpret_cast<int32_t*>(offsets_->mutable_data())[0] = 0;
  rows_ = 0;
  data_.Rewind(0);
  return Status::OK();
}

Status TextAssembly::Append(const std::string_view* views, int64_t count, const uint8_t* bits,
                            int64_t offset, int64_t rows) {
  int64_t bytes = 0;
  for (int64_t i = 0; i < count; ++i) bytes += static_cast<int64_t>(views[i].size());
  if (data_.length() + bytes > kBytesMax) {
    return Status::Invalid("more than ", kBytesMax, " bytes of text in ", rows, " rows");
  }
  const int64_t room = std::max(bytes, bytes_before_ - data_.length()) + int64_t{kCopyBytes};
  ARROW_RETURN_NOT_OK(data_.Reserve(room));
  const uint8_t* begin = data_.data();
  uint8_t* to = data_.mutable_data() + data_.length();
  auto* ends = reinterpret_cast<int32_t*>(offsets_->mutable_data()) + rows_ + 1;
  if (bits == nullptr || count == rows) {
    for (int64_t row = 0; row < rows; ++row) {
      to = CopyText(views[row], to);
      ends[row] = static_cast<int32_t>(to - begin);
    }
  } else {
    for (int64_t row = 0; row < rows; ++row) {
      if (arrow::bit_util::GetBit(bits, offset + row)) to = CopyText(*views++, to);
      ends[row] = static_cast<int32_t>(to - begin);
    }
  }
  data_.UnsafeAdvance(bytes);
  rows_ += rows;
  return Status::OK();
}

Result<ArrayPtr> TextAssembly::Finish(const TypePtr& type, std::shared_ptr<arrow::Buffer> validity,
                                      int64_t null_count) {
  bytes_before_ = data_.length();
  std::shared_ptr<arrow::Buffer> data;
  ARROW_RETURN_NOT_OK(data_.Finish(&data, false));
  auto array = arrow::ArrayData::Make(
      type, rows_, {std::move(validity), std::move(offsets_), std::move(data)}, null_count);
  return arrow::MakeArray(std::move(array));
}

}  // namespace headrace::parquet_format
