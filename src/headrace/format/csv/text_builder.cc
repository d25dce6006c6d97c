// The builder of text columns: each text is copied once, from the window to the array.
#include <algorithm>
#include <cstring>
#include <utility>

#include "arrow/array/array_binary.h"
#include "arrow/array/data.h"
#include "arrow/buffer_builder.h"
#include "arrow/util/bit_util.h"
#include "arrow/util/utf8.h"
#include "headrace/format/csv/column_builder.h"
#include "headrace/format/csv/null_rows.h"

namespace headrace::csv {
namespace {

/// Texts up to this size are copied with two moves, and this many bytes may be spoilt behind them.
constexpr size_t kShortBytes = 32;

class TextBuilder final : public ColumnBuilder {
 public:
  TextBuilder(const FieldRules& rules, arrow::MemoryPool* pool)
      : rules_(rules), pool_(pool), offsets_(pool) {}

  Status Append(const RowBlock& block, int column, std::vector<int64_t>* misfits) override {
    ARROW_RETURN_NOT_OK(offsets_.Reserve(block.num_rows + 1));
    if (offsets_.length() == 0) offsets_.UnsafeAppend(0);
    const int64_t first_byte = size_;
    for (int64_t row = 0; row < block.num_rows; ++row) {
      std::string_view text = block.field(row, column);
      if (rules_.text.IsQuoted(text)) [[unlikely]] {
        if (!rules_.text.Unquote(text, &scratch_, &text)) {
          misfits->push_back(row);
          nulls_.Add(length_ + row);
          text = text.substr(0, 0);
        }
      } else if (rules_.nulls.Contains(text)) {
        nulls_.Add(length_ + row);
        text = text.substr(0, 0);
      }
      ARROW_RETURN_NOT_OK(Copy(text));
      offsets_.UnsafeAppend(static_cast<int32_t>(size_));
    }
    const TextTraits traits = TraitsOf(data_ + first_byte, static_cast<size_t>(size_ - first_byte));
    if (traits.has_nul || (!traits.is_ascii && !AreUtf8(block.num_rows))) [[unlikely]]
      CheckTexts(block.num_rows, misfits);
    length_ += block.num_rows;
    return Status::OK();
  }

  std::string expected() const override { return "UTF-8 text"; }

  Result<ArrayPtr> Finish() override {
    const int64_t length = std::exchange(length_, 0);
    if (offsets_.length() == 0) ARROW_RETURN_NOT_OK(offsets_.Append(0));
    ARROW_ASSIGN_OR_RAISE(auto offsets, offsets_.Finish(false));
    if (buffer_ == nullptr) ARROW_RETURN_NOT_OK(Grow(0));
    std::shared_ptr<arrow::ResizableBuffer> text = std::exchange(buffer_, nullptr);
    ARROW_RETURN_NOT_OK(text->Resize(size_, false));
    expected_bytes_ = size_ + size_ / 8;
    size_ = capacity_ = 0;
    data_ = nullptr;
    const int64_t null_count = nulls_.count();
    ARROW_ASSIGN_OR_RAISE(auto validity, nulls_.Finish(length, pool_));
    return std::make_shared<arrow::StringArray>(length, std::move(offsets), std::move(text),
                                                std::move(validity), null_count);
  }

 private:
  Status Copy(std::string_view text) {
    const auto bytes = static_cast<int64_t>(text.size());
    if (size_ + bytes + static_cast<int64_t>(kShortBytes) > capacity_) [[unlikely]]
      ARROW_RETURN_NOT_OK(Grow(bytes));
    char* const out = data_ + size_;
    if (text.size() <= kShortBytes) [[likely]] {
      std::memcpy(out, text.data(), kShortBytes / 2);
      std::memcpy(out + kShortBytes / 2, text.data() + kShortBytes / 2, kShortBytes / 2);
    } else {
      std::memcpy(out, text.data(), text.size());
    }
    size_ += bytes;
    return Status::OK();
  }

  Status Grow(int64_t more) {
    const int64_t wanted = std::max({2 * capacity_, size_ + more + 64, expected_bytes_ + 64});
    if (buffer_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(buffer_, arrow::AllocateResizableBuffer(wanted, pool_));
    } else {
      ARROW_RETURN_NOT_OK(buffer_->Resize(wanted, false));
    }
    data_ = reinterpret_cast<char*>(buffer_->mutable_data());
    capacity_ = wanted;
    return Status::OK();
  }

  std::string_view Text(int64_t index) const {
    const int32_t* const offsets = offsets_.data();
    return {data_ + offsets[index], static_cast<size_t>(offsets[index + 1] - offsets[index])};
  }

  /// Whether the last `rows` texts are UTF-8 one behind the other and none starts inside a
  /// character: then each of them is.
  bool AreUtf8(int64_t rows) const {
    const int64_t begin = offsets_.data()[length_];
    const auto* const bytes = reinterpret_cast<const uint8_t*>(data_);
    if (!arrow::util::ValidateUTF8(bytes + begin, size_ - begin)) return false;
    bool all = true;
    for (int64_t row = length_; row < length_ + rows; ++row) {
      const int64_t at = offsets_.data()[row];
      all &= at == size_ || (bytes[at] & 0xC0) != 0x80;
    }
    return all;
  }

  /// Of the last `rows` texts, those that hold a NUL byte or are not UTF-8 do not fit.
  void CheckTexts(int64_t rows, std::vector<int64_t>* misfits) {
    const size_t before = misfits->size();
    for (int64_t row = 0; row < rows; ++row) {
      const std::string_view text = Text(length_ + row);
      if (arrow::util::ValidateUTF8(text) && text.find('\0') == std::string_view::npos) continue;
      misfits->push_back(row);
      nulls_.Add(length_ + row);
    }
    std::inplace_merge(misfits->begin(), misfits->begin() + static_cast<int64_t>(before),
                       misfits->end());
  }

  const FieldRules& rules_;
  arrow::MemoryPool* const pool_;
  arrow::TypedBufferBuilder<int32_t> offsets_;
  NullRows nulls_;
  std::shared_ptr<arrow::ResizableBuffer> buffer_;
  char* data_ = nullptr;
  int64_t size_ = 0;
  int64_t capacity_ = 0;
  int64_t expected_bytes_ = 0;  // of the next array, by the last one
  int64_t length_ = 0;
  std::string scratch_;
};

}  // namespace

std::unique_ptr<ColumnBuilder> MakeTextBuilder(const FieldRules& rules, arrow::MemoryPool* pool) {
  arrow::util::InitializeUTF8();
  return std::make_unique<TextBuilder>(rules, pool);
}

}  // namespace headrace::csv
