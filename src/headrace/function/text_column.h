// TextColumn: a text or binary result, built row by row in order; and the loop that builds it.
#pragma once

#include <limits>
#include <string_view>

#include "arrow/buffer_builder.h"
#include "headrace/function/view.h"

namespace headrace {

/// Rows are ended in order. A row that ends without any bytes is empty text.
class TextColumn {
 public:
  static Result<TextColumn> Make(int64_t rows, arrow::MemoryPool* pool);

  Status Append(std::string_view bytes) {
    if (bytes.empty()) return Status::OK();  // from nowhere, perhaps
    return bytes_.Append(bytes.data(), static_cast<int64_t>(bytes.size()));
  }
  Status Append(char byte) { return bytes_.Append(&byte, 1); }
  /// The bytes of the row so far may be changed until the next call.
  uint8_t* Extend(int64_t count) {
    uint8_t* const begin = bytes_.mutable_data() + bytes_.length();
    bytes_.UnsafeAdvance(count);
    return begin;
  }
  Status Reserve(int64_t bytes) { return bytes_.Reserve(bytes); }
  /// Where the next bytes go, of as many as are reserved: Extend counts them in.
  char* end() { return reinterpret_cast<char*>(bytes_.mutable_data() + bytes_.length()); }
  /// kMemoryLimit when the column outgrows 2 GiB.
  Status EndRow() {
    if (bytes_.length() > std::numeric_limits<int32_t>::max()) [[unlikely]]
      return TooLong();
    offsets_.data()[++rows_] = static_cast<int32_t>(bytes_.length());
    return Status::OK();
  }
  Status EndRowAsNull();
  /// Ends rows as empty until `row` is the next one.
  Status SkipTo(int64_t row) {
    while (rows_ < row) ARROW_RETURN_NOT_OK(EndRow());
    return Status::OK();
  }
  int64_t rows() const { return rows_; }
  Result<ArrayPtr> Finish(const TypePtr& type);

 private:
  TextColumn(Output<int32_t> offsets, int64_t length, arrow::MemoryPool* pool)
      : offsets_(std::move(offsets)), bytes_(pool), length_(length), pool_(pool) {
    offsets_.data()[0] = 0;
  }

  Status TooLong() const;

  Output<int32_t> offsets_;
  arrow::BufferBuilder bytes_;
  std::shared_ptr<arrow::Buffer> validity_;
  int64_t length_;
  int64_t rows_ = 0;
  arrow::MemoryPool* pool_;
};

/// `write(row, column)` appends the text of every active row; the others are empty.
template <typename Write>
Result<ArrayPtr> BuildText(KernelContext& ctx, const Rows& rows, Write&& write) {
  ARROW_ASSIGN_OR_RAISE(auto column, TextColumn::Make(rows.length, ctx.pool));
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) {
    ARROW_RETURN_NOT_OK(column.SkipTo(row));
    ARROW_RETURN_NOT_OK(write(row, column));
    return column.rows() == row ? column.EndRow() : Status::OK();  // unless it ended as null
  }));
  ARROW_RETURN_NOT_OK(column.SkipTo(rows.length));
  return column.Finish(ctx.result_type);
}

}  // namespace headrace
