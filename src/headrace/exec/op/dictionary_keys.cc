// Dictionaries with indices of any width.
#include "headrace/exec/op/dictionary_keys.h"

#include "arrow/array.h"
#include "arrow/array/array_dict.h"
#include "arrow/array/concatenate.h"
#include "arrow/array/util.h"
#include "arrow/type.h"

namespace headrace {
namespace {

constexpr int64_t kRowsPerValueMin = 4;

/// Indices are never negative.
template <typename T>
void CopyIndices(const arrow::Array& indices, uint32_t* codes) {
  const T* from = indices.data()->GetValues<T>(1);
  for (int64_t row = 0; row < indices.length(); ++row)
    codes[row] = static_cast<uint32_t>(from[row]);
}

}  // namespace

Result<ArrayPtr> SmallDictionary(const arrow::Array& column, arrow::MemoryPool* pool) {
  if (column.type_id() != arrow::Type::DICTIONARY) return nullptr;
  const ArrayPtr& values = static_cast<const arrow::DictionaryArray&>(column).dictionary();
  if (values->length() * kRowsPerValueMin > column.length()) return nullptr;
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr null, arrow::MakeArrayOfNull(values->type(), 1, pool));
  return arrow::Concatenate({values, null}, pool);
}

void CodesOf(const arrow::Array& column, std::vector<uint32_t>* codes) {
  const auto& coded = static_cast<const arrow::DictionaryArray&>(column);
  const arrow::Array& indices = *coded.indices();
  codes->resize(static_cast<size_t>(indices.length()));
  switch (static_cast<const arrow::FixedWidthType&>(*indices.type()).bit_width()) {
    case 8:
      CopyIndices<uint8_t>(indices, codes->data());
      break;
    case 16:
      CopyIndices<uint16_t>(indices, codes->data());
      break;
    case 32:
      CopyIndices<uint32_t>(indices, codes->data());
      break;
    default:
      CopyIndices<uint64_t>(indices, codes->data());
  }
  if (column.null_count() == 0) return;
  const auto null = static_cast<uint32_t>(coded.dictionary()->length());
  for (int64_t row = 0; row < column.length(); ++row) {
    if (column.IsNull(row)) (*codes)[static_cast<size_t>(row)] = null;
  }
}

}  // namespace headrace
