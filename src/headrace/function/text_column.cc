// Building text columns.
#include "headrace/function/text_column.h"

#include "arrow/array/util.h"

namespace headrace {

Result<TextColumn> TextColumn::Make(int64_t rows, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto offsets, Output<int32_t>::Make(rows + 1, pool));
  return TextColumn(std::move(offsets), rows, pool);
}

Status TextColumn::TooLong() const {
  return Error(ErrorKind::kMemoryLimit, "the text of one batch is longer than 2 GiB at row {}",
               rows_);
}

Status TextColumn::EndRowAsNull() {
  if (validity_ == nullptr) {
    ARROW_ASSIGN_OR_RAISE(validity_, arrow::AllocateBitmap(length_, pool_));
    arrow::bit_util::SetBitsTo(validity_->mutable_data(), 0, length_, true);
  }
  arrow::bit_util::ClearBit(validity_->mutable_data(), rows_);
  return EndRow();
}

Result<ArrayPtr> TextColumn::Finish(const TypePtr& type) {
  ARROW_ASSIGN_OR_RAISE(auto bytes, bytes_.Finish());
  return arrow::MakeArray(arrow::ArrayData::Make(
      type, length_, {std::move(validity_), offsets_.FinishBuffer(), std::move(bytes)}));
}

}  // namespace headrace
