// A table from what stands for the cell – an index, or the distance from the least integer – to the
// code; nulls have an entry of their own.
#include "headrace/exec/key/key_codes.h"

#include <algorithm>
#include <limits>

#include "arrow/array.h"
#include "arrow/array/array_dict.h"
#include "arrow/type.h"
#include "headrace/exec/key/cells.h"

namespace headrace {
namespace {

constexpr uint32_t kNoCode = 0xffffffffU;
// Entries of the table per code that there may be.
constexpr int64_t kEntriesPerCode = 8;

// `entry_of(row)` is in [0, entries).
template <typename EntryOf>
bool CodeEntries(int64_t num_rows, int64_t entries, int64_t codes_max, const EntryOf& entry_of,
                 KeyCodes* out) {
  std::vector<uint32_t> code_of(static_cast<size_t>(entries), kNoCode);
  out->first_rows.clear();
  out->codes.resize(static_cast<size_t>(num_rows));
  uint32_t* codes = out->codes.data();
  for (int64_t row = 0; row < num_rows; ++row) {
    uint32_t& code = code_of[static_cast<size_t>(entry_of(row))];
    if (code == kNoCode) [[unlikely]] {
      if (static_cast<int64_t>(out->first_rows.size()) == codes_max) return false;
      code = static_cast<uint32_t>(out->first_rows.size());
      out->first_rows.push_back(static_cast<uint32_t>(row));
    }
    codes[row] = code;
  }
  return true;
}

template <typename Cells>
bool CodeCells(const Cells& cells, bool has_nulls, int64_t num_rows, int64_t entries,
               int64_t codes_max, typename Cells::Value least, KeyCodes* out) {
  using Unsigned = std::make_unsigned_t<typename Cells::Value>;
  const auto distance = [&](int64_t row) {
    return static_cast<int64_t>(
        static_cast<Unsigned>(static_cast<Unsigned>(cells[row]) - static_cast<Unsigned>(least)));
  };
  if (!has_nulls) return CodeEntries(num_rows, entries, codes_max, distance, out);
  const auto entry_of = [&](int64_t row) {
    return cells.IsNull(row) ? entries - 1 : distance(row);
  };
  return CodeEntries(num_rows, entries, codes_max, entry_of, out);
}

template <typename Cells>
bool CodeIntegers(const Cells& cells, bool has_nulls, int64_t num_rows, int64_t codes_max,
                  KeyCodes* out) {
  using Value = typename Cells::Value;
  Value least = std::numeric_limits<Value>::max();
  Value greatest = std::numeric_limits<Value>::min();
  for (int64_t row = 0; row < num_rows; ++row) {
    if (has_nulls && cells.IsNull(row)) continue;
    const Value value = cells[row];
    least = std::min(least, value);
    greatest = std::max(greatest, value);
  }
  if (least > greatest) least = greatest = 0;  // nothing but nulls
  const uint64_t range = static_cast<uint64_t>(greatest) - static_cast<uint64_t>(least);
  if (range >= static_cast<uint64_t>(codes_max * kEntriesPerCode)) return false;
  return CodeCells(cells, has_nulls, num_rows, static_cast<int64_t>(range) + 2, codes_max, least,
                   out);
}

bool CodeDictionary(const arrow::DictionaryArray& column, int64_t codes_max, KeyCodes* out) {
  const int64_t size = column.dictionary()->length();
  if (size > codes_max * kEntriesPerCode) return false;
  const arrow::ArrayData& indices = *column.indices()->data();
  bool known = false;
  VisitCells(indices, [&](const auto& cells) {
    using Cells = std::decay_t<decltype(cells)>;
    if constexpr (requires { typename Cells::Value; } && !kIsFloat<Cells>) {
      known = CodeCells(cells, indices.GetNullCount() > 0, column.length(), size + 1, codes_max, 0,
                        out);
    }
  });
  return known;
}

}  // namespace

bool CodeKeys(const arrow::Array& column, int64_t codes_max, KeyCodes* out) {
  if (column.length() == 0) return false;
  if (column.type_id() == arrow::Type::DICTIONARY) {
    return CodeDictionary(static_cast<const arrow::DictionaryArray&>(column), codes_max, out);
  }
  if (!IsKeyType(*column.type())) return false;
  bool known = false;
  VisitCells(*column.data(), [&](const auto& cells) {
    using Cells = std::decay_t<decltype(cells)>;
    if constexpr (requires { typename Cells::Value; } && !kIsFloat<Cells>) {
      known = CodeIntegers(cells, column.null_count() > 0, column.length(), codes_max, out);
    }
  });
  return known;
}

}  // namespace headrace
