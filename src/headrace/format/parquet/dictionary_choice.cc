// Counting of different values in a sample.
#include "headrace/format/parquet/dictionary_choice.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/base/hash.h"

namespace headrace::parquet_format {
namespace {

constexpr int64_t kChoiceSampleRows = 2048;

/// Bytes of a value; 0: text; −1: a type that always has a dictionary where it can.
int SampledWidthOf(const arrow::DataType& type) {
  if (arrow::is_base_binary_like(type.id())) return 0;
  if (type.id() == arrow::Type::BOOL || !arrow::is_fixed_width(type.id())) return -1;
  return static_cast<const arrow::FixedWidthType&>(type).bit_width() / 8;
}

/// REQUIRES: the row is valid.
uint64_t HashOf(const arrow::Array& array, int width, int64_t row) {
  if (width == 0) return HashBytes(static_cast<const arrow::BinaryArray&>(array).GetView(row));
  const auto* values = array.data()->GetValues<char>(1, array.offset() * width);
  return HashBytes({values + row * width, static_cast<size_t>(width)});
}

}  // namespace

bool IsWorthDictionary(const std::vector<ArrayPtr>& pieces) {
  int64_t rows = 0;
  for (const ArrayPtr& piece : pieces) rows += piece->length();
  const int64_t step = std::max<int64_t>(1, rows / kChoiceSampleRows);
  std::vector<uint64_t> hashes;
  int64_t next = 0;  // row of the sample, in the piece
  for (const ArrayPtr& piece : pieces) {
    const int width = SampledWidthOf(*piece->type());
    if (width < 0 || piece->type_id() == arrow::Type::LARGE_STRING ||
        piece->type_id() == arrow::Type::LARGE_BINARY) {
      return true;
    }
    for (; next < piece->length(); next += step) {
      if (piece->IsValid(next)) hashes.push_back(HashOf(*piece, width, next));
    }
    next -= piece->length();
  }
  const size_t sampled = hashes.size();
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  return hashes.size() * 2 <= sampled + 1;
}

}  // namespace headrace::parquet_format
