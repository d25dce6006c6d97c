// Decoding of single rows: pages without any are not read, pieces without any are passed over, of
// the others only what is wanted leaves the piece.
#include <algorithm>
#include <bit>
#include <cstring>

#include "arrow/array.h"
#include "arrow/buffer.h"
#include "arrow/util/bit_util.h"
#include "headrace/format/parquet/flat_column.h"
#include "headrace/format/parquet/spread.h"

namespace headrace::parquet_format {

Result<ArrayPtr> FlatColumn::ReadPicked(std::span<const uint32_t> picks, int64_t* rows,
                                        int64_t bytes_max) {
  const auto count = static_cast<int64_t>(picks.size());
  ARROW_RETURN_NOT_OK(BeginRead(count));
  bool as_codes = false;
  int64_t passed = 0;
  while (passed < *rows && (as_codes || texts_.bytes() < bytes_max)) {
    if (page_rows_left_ == 0) ARROW_RETURN_NOT_OK(NextPage());
    int64_t part = std::min(*rows - passed, page_rows_left_);
    if (filled_ == count || picks[static_cast<size_t>(filled_)] >= passed + part) {
      if (part < page_rows_left_ && !IsTaken() && passed > 0) break;
      ARROW_RETURN_NOT_OK(SkipInPage(part));
      passed += part;
      continue;
    }
    if (!IsTaken()) {
      if (passed > 0) break;
      return Status::NotImplemented("an encoding that is not decoded here");
    }
    if (!is_loaded_) ARROW_RETURN_NOT_OK(LoadPage());
    const bool is_coded = IsReadAsCodes(count, false);
    if (filled_ > 0 && as_codes != is_coded) break;
    as_codes = is_coded;
    ARROW_RETURN_NOT_OK(ReadPicksOfPage(picks, passed, &part, bytes_max, as_codes));
    passed += part;
  }
  *rows = passed;
  return Finish(as_codes);
}

/// Of `*rows` rows of the page, of which the next is `first`; fewer when their texts are many
/// bytes.
Status FlatColumn::ReadPicksOfPage(std::span<const uint32_t> picks, int64_t first, int64_t* rows,
                                   int64_t bytes_max, bool as_codes) {
  pick_piece_.resize(kPieceRows);
  const int64_t end = first + *rows;
  auto next = picks.begin() + filled_;
  int64_t row = first;
  while (row < end && (as_codes || texts_.bytes() < bytes_max)) {
    const int64_t following = next == picks.end() ? end : std::min<int64_t>(*next, end);
    if (following >= std::min(row + kPieceRows, end)) {
      ARROW_RETURN_NOT_OK(SkipInPage(following - row));
      row = following;
      continue;
    }
    int64_t part = std::min(end - row, kPieceRows);
    if (!as_codes && chunk_.type.is_text()) {
      part = std::clamp<int64_t>(bytes_max / text_bytes(), 1, part);
    }
    int64_t picked = 0;
    for (; next != picks.end() && *next < row + part; ++next) {
      pick_piece_[static_cast<size_t>(picked++)] = static_cast<uint32_t>(*next - row);
    }
    ARROW_RETURN_NOT_OK(PickPiece(part, picked, as_codes));
    PassRows(part);
    row += part;
  }
  *rows = row - first;
  return Status::OK();
}

/// Those of the next `rows` rows that are in pick_piece_.
Status FlatColumn::PickPiece(int64_t rows, int64_t picked, bool as_codes) {
  int64_t valid = rows;
  ARROW_ASSIGN_OR_RAISE(const int64_t valid_picked, PickValid(rows, picked, &valid));
  null_count_ += picked - valid_picked;
  if (chunk_.type.is_text() && !as_codes) {
    ARROW_RETURN_NOT_OK(PickText(valid, valid_picked, picked));
    filled_ += picked;
    return Status::OK();
  }
  const int width = as_codes ? int{sizeof(uint32_t)} : chunk_.type.width;
  uint8_t* out = values_->mutable_data() + filled_ * width;
  if (as_codes) {
    ARROW_ASSIGN_OR_RAISE(const uint32_t* codes, PickCodes(valid, valid_picked));
    std::memcpy(out, codes, static_cast<size_t>(valid_picked * width));
  } else {
    ARROW_RETURN_NOT_OK(PickFixed(valid, valid_picked, out));
  }
  if (valid_picked < picked) {
    Spread(out, width, picked, valid_picked, validity_->data(), filled_);
  }
  filled_ += picked;
  return Status::OK();
}

/// Changes pick_piece_ from rows to places among the `*valid` values of the piece; those that are
/// null go. Gives how many are left.
Result<int64_t> FlatColumn::PickValid(int64_t rows, int64_t picked, int64_t* valid) {
  if (!chunk_.is_optional) return picked;
  uint64_t words[kPieceRows / 64] = {};
  auto* bits = reinterpret_cast<uint8_t*>(words);
  ARROW_ASSIGN_OR_RAISE(*valid, levels_.ReadBits(rows, bits, 0));
  if (*valid == rows) {
    arrow::bit_util::SetBitsTo(validity_->mutable_data(), filled_, picked, true);
    return picked;
  }
  uint32_t before[kPieceRows / 64];
  uint32_t sum = 0;
  for (size_t i = 0; i < std::size(words); ++i) {
    before[i] = sum;
    sum += static_cast<uint32_t>(std::popcount(words[i]));
  }
  int64_t left = 0;
  for (int64_t i = 0; i < picked; ++i) {
    const uint32_t row = pick_piece_[static_cast<size_t>(i)];
    const uint64_t word = words[row / 64], bit = uint64_t{1} << (row % 64);
    if ((word & bit) == 0) continue;
    arrow::bit_util::SetBit(validity_->mutable_data(), filled_ + i);
    pick_piece_[static_cast<size_t>(left++)] =
        before[row / 64] + static_cast<uint32_t>(std::popcount(word & (bit - 1)));
  }
  return left;
}

/// Codes that are in the dictionary.
Result<const uint32_t*> FlatColumn::PickCodes(int64_t valid, int64_t picked) {
  code_piece_.resize(kPieceRows);
  uint32_t* codes = code_piece_.data();
  ARROW_RETURN_NOT_OK(codes_.Read(valid, codes));
  for (int64_t i = 0; i < picked; ++i) codes[i] = codes[pick_piece_[static_cast<size_t>(i)]];
  return CheckCodes(picked);
}

Status FlatColumn::PickFixed(int64_t valid, int64_t picked, uint8_t* out) {
  const FlatType& type = chunk_.type;
  if (IsCoded()) {
    ARROW_ASSIGN_OR_RAISE(const uint32_t* codes, PickCodes(valid, picked));
    GatherValues(fixed_dictionary_->data(), type.width, codes, picked, out);
    return Status::OK();
  }
  const auto piece = static_cast<size_t>(kPieceRows * type.stored_width);
  stored_piece_.resize(2 * piece);
  ARROW_RETURN_NOT_OK(fixed_->Read(valid, stored_piece_.data()));
  uint8_t* gathered = type.convert == nullptr ? out : stored_piece_.data() + piece;
  GatherValues(stored_piece_.data(), type.stored_width, pick_piece_.data(), picked, gathered);
  if (type.convert != nullptr) type.convert(gathered, picked, type.stored_width, out);
  return Status::OK();
}

Status FlatColumn::PickText(int64_t valid, int64_t valid_picked, int64_t picked) {
  view_piece_.resize(kPieceRows);
  if (IsCoded()) {
    ARROW_ASSIGN_OR_RAISE(const uint32_t* codes, PickCodes(valid, valid_picked));
    ViewCodes(codes, valid_picked);
  } else {
    has_unchecked_text_ = true;
    ARROW_RETURN_NOT_OK(text_->Read(valid, view_piece_.data()));
    for (int64_t i = 0; i < valid_picked; ++i) {
      const auto at = static_cast<size_t>(i);
      view_piece_[at] = view_piece_[pick_piece_[at]];
    }
  }
  const uint8_t* bits = validity_ == nullptr ? nullptr : validity_->data();
  return texts_.Append(view_piece_.data(), valid_picked, bits, filled_, picked);
}

}  // namespace headrace::parquet_format
