// Gathering of fixed-width values by row or by code; the rest is left to Arrow.
#include "headrace/format/parquet/pick_rows.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "arrow/array.h"
#include "arrow/array/array_dict.h"
#include "arrow/array/data.h"
#include "arrow/buffer.h"
#include "arrow/type.h"
#include "arrow/util/bit_util.h"
#include "arrow/util/bitmap_ops.h"
#include "headrace/format/parquet/spread.h"

namespace headrace::parquet_format {
namespace {

/// Bytes of a value; 0: not of whole bytes that stand one behind the other.
int PickedWidthOf(const arrow::DataType& type) {
  if (!arrow::is_primitive(type.id()) && !arrow::is_decimal(type.id()) &&
      type.id() != arrow::Type::FIXED_SIZE_BINARY) {
    return 0;
  }
  if (type.id() == arrow::Type::BOOL) return 0;
  return static_cast<const arrow::FixedWidthType&>(type).bit_width() / 8;
}

/// Null when `array` is no numbers with a dictionary.
const arrow::DictionaryArray* CodedNumbers(const arrow::Array& array) {
  if (array.type_id() != arrow::Type::DICTIONARY) return nullptr;
  const auto& coded = static_cast<const arrow::DictionaryArray&>(array);
  const bool is_ours = coded.indices()->type_id() == arrow::Type::INT32 &&
                       PickedWidthOf(*coded.dictionary()->type()) > 0 &&
                       coded.dictionary()->length() > 0 && coded.dictionary()->null_count() == 0;
  return is_ours ? &coded : nullptr;
}

/// `width` bytes for each of `codes` from `values`, as an array of `type`.
Result<ArrayPtr> Gathered(const TypePtr& type, const uint8_t* values, const uint32_t* codes,
                          int64_t count, std::shared_ptr<arrow::Buffer> validity,
                          arrow::MemoryPool* pool) {
  const int width = PickedWidthOf(*type);
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> out,
                        arrow::AllocateBuffer(count * width, pool));
  GatherValues(values, width, codes, count, out->mutable_data());
  const int64_t nulls = validity == nullptr ? 0 : arrow::kUnknownNullCount;
  return arrow::MakeArray(
      arrow::ArrayData::Make(type, count, {std::move(validity), std::move(out)}, nulls));
}

Result<std::shared_ptr<arrow::Buffer>> PickValidity(const arrow::Array& array,
                                                    std::span<const uint32_t> picks,
                                                    arrow::MemoryPool* pool) {
  if (array.null_count() == 0) return nullptr;
  const auto count = static_cast<int64_t>(picks.size());
  ARROW_ASSIGN_OR_RAISE(auto bits, arrow::AllocateEmptyBitmap(count, pool));
  for (int64_t i = 0; i < count; ++i) {
    if (array.IsValid(picks[static_cast<size_t>(i)])) {
      arrow::bit_util::SetBit(bits->mutable_data(), i);
    }
  }
  return bits;
}

/// The first value of the array.
const uint8_t* ValuesOf(const arrow::Array& array) {
  return array.data()->GetValues<uint8_t>(1, array.offset() * PickedWidthOf(*array.type()));
}

/// The values of rows `row_of(0)`, …. Rows that are null may have any code.
template <typename RowOf>
Result<ArrayPtr> GatherCodes(const arrow::DictionaryArray& array, size_t count,
                             std::shared_ptr<arrow::Buffer> validity, arrow::MemoryPool* pool,
                             RowOf row_of) {
  const auto* codes = array.indices()->data()->GetValues<uint32_t>(1);
  const arrow::Array& values = *array.dictionary();
  const auto last = static_cast<uint32_t>(values.length() - 1);
  std::vector<uint32_t> picked(count);
  for (size_t i = 0; i < count; ++i) picked[i] = std::min(codes[row_of(i)], last);
  return Gathered(values.type(), ValuesOf(values), picked.data(), static_cast<int64_t>(count),
                  std::move(validity), pool);
}

Result<ArrayPtr> PickByArrow(const ArrayPtr& array, std::span<const uint32_t> picks,
                             arrow::MemoryPool* pool) {
  auto selection = std::make_shared<const std::vector<uint32_t>>(picks.begin(), picks.end());
  ARROW_ASSIGN_OR_RAISE(
      const Batch kept,
      Batch({array}, array->length()).WithSelection(std::move(selection)).Compact(pool));
  return kept.column(0);
}

}  // namespace

Result<ArrayPtr> PickRows(const ArrayPtr& array, std::span<const uint32_t> picks,
                          arrow::MemoryPool* pool) {
  const arrow::DictionaryArray* coded = CodedNumbers(*array);
  if (coded == nullptr && PickedWidthOf(*array->type()) == 0)
    return PickByArrow(array, picks, pool);
  ARROW_ASSIGN_OR_RAISE(auto validity, PickValidity(*array, picks, pool));
  const auto count = static_cast<int64_t>(picks.size());
  if (coded == nullptr) {
    return Gathered(array->type(), ValuesOf(*array), picks.data(), count, std::move(validity),
                    pool);
  }
  return GatherCodes(*coded, picks.size(), std::move(validity), pool,
                     [&](size_t i) { return picks[i]; });
}

Result<ArrayPtr> DecodeNumbers(const ArrayPtr& array, arrow::MemoryPool* pool) {
  const arrow::DictionaryArray* coded = CodedNumbers(*array);
  if (coded == nullptr) return array;
  std::shared_ptr<arrow::Buffer> validity;
  if (array->null_count() > 0) {
    ARROW_ASSIGN_OR_RAISE(validity, arrow::internal::CopyBitmap(pool, array->null_bitmap_data(),
                                                                array->offset(), array->length()));
  }
  return GatherCodes(*coded, static_cast<size_t>(array->length()), std::move(validity), pool,
                     [](size_t i) { return i; });
}

}  // namespace headrace::parquet_format
