// A table from what stands for the cell – an index, or the distance from the least integer – to the
// code; nulls have an entry of their own. Texts are looked up by their ends in a small hash table.
#include "headrace/types/key/key_codes.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <string_view>

#include "arrow/array.h"
#include "arrow/array/array_dict.h"
#include "arrow/type.h"
#include "headrace/types/key/cells.h"

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

// Eight bytes at either end of a text, which are all of one of up to 16. A shorter text than eight
// is its bytes below zeros, twice.
struct TextEnds {
  uint64_t first;
  uint64_t last;
};

uint64_t WordAt(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

// Reads whole words before `end`, where the last text of the column ends.
inline TextEnds EndsOf(std::string_view text, const char* end) {
  if (text.size() >= sizeof(uint64_t)) {
    return {WordAt(text.data()), WordAt(text.data() + text.size() - sizeof(uint64_t))};
  }
  uint64_t word = 0;
  if (end - text.data() >= static_cast<ptrdiff_t>(sizeof(uint64_t))) [[likely]] {
    word = WordAt(text.data()) & ((uint64_t{1} << text.size() * 8) - 1);
  } else {
    for (size_t i = text.size(); i > 0; --i) word = word << 8 | static_cast<uint8_t>(text[i - 1]);
  }
  return {word, word};
}

// Of texts, by linear probing; at most half full.
struct TextSlot {
  TextEnds ends = {0, 0};
  uint32_t length = 0;
  uint32_t code = kNoCode;
};

inline size_t TextHash(const TextEnds& ends, size_t length) {
  constexpr uint64_t kFirstFactor = 0x9e3779b97f4a7c15ULL;
  constexpr uint64_t kLastFactor = 0xd6e8feb86659fd93ULL;
  const uint64_t mixed = (ends.first ^ length) * kFirstFactor + ends.last * kLastFactor;
  return (mixed ^ mixed >> 32) * kFirstFactor;
}

// Gives the new code, or kNoCode when there would be too many.
uint32_t AddCode(int64_t row, int64_t codes_max, KeyCodes* out) {
  if (static_cast<int64_t>(out->first_rows.size()) == codes_max) return kNoCode;
  out->first_rows.push_back(static_cast<uint32_t>(row));
  return static_cast<uint32_t>(out->first_rows.size() - 1);
}

template <bool kHasNulls>
bool CodeTexts(const BytesCells& cells, int64_t num_rows, int64_t codes_max, KeyCodes* out) {
  out->first_rows.clear();
  out->codes.resize(static_cast<size_t>(num_rows));
  const int bits = std::bit_width(static_cast<uint64_t>(codes_max) * 2);
  const int shift = 64 - bits;
  const size_t mask = (size_t{1} << bits) - 1;
  std::vector<TextSlot> all_slots(mask + 1);
  TextSlot* const slots = all_slots.data();
  uint32_t* const codes = out->codes.data();
  const char* const end = cells[num_rows - 1].data() + cells[num_rows - 1].size();
  uint32_t null_code = kNoCode;
  for (int64_t row = 0; row < num_rows; ++row) {
    if (kHasNulls && cells.IsNull(row)) {
      if (null_code == kNoCode) null_code = AddCode(row, codes_max, out);
      if (null_code == kNoCode) return false;
      codes[row] = null_code;
      continue;
    }
    const std::string_view text = cells[row];
    const TextEnds ends = EndsOf(text, end);
    const auto is_other = [&](const TextSlot& slot) {
      const uint64_t differing = (slot.ends.first ^ ends.first) | (slot.ends.last ^ ends.last) |
                                 (slot.length ^ text.size());
      if (differing != 0) return true;
      return text.size() > sizeof(TextEnds) && text != cells[out->first_rows[slot.code]];
    };
    size_t at = TextHash(ends, text.size()) >> shift;
    while (slots[at].code != kNoCode && is_other(slots[at])) at = (at + 1) & mask;
    if (slots[at].code == kNoCode) [[unlikely]] {
      const uint32_t code = AddCode(row, codes_max, out);
      if (code == kNoCode) return false;
      slots[at] = {ends, static_cast<uint32_t>(text.size()), code};
    }
    codes[row] = slots[at].code;
  }
  return true;
}

}  // namespace

bool CodeKeys(const arrow::Array& column, int64_t codes_max, KeyCodes* out) {
  if (column.length() == 0 || codes_max == 0) return false;
  if (column.type_id() == arrow::Type::DICTIONARY) {
    return CodeDictionary(static_cast<const arrow::DictionaryArray&>(column), codes_max, out);
  }
  if (!IsKeyType(*column.type())) return false;
  bool known = false;
  VisitCells(*column.data(), [&](const auto& cells) {
    using Cells = std::decay_t<decltype(cells)>;
    if constexpr (requires { typename Cells::Value; } && !kIsFloat<Cells>) {
      known = CodeIntegers(cells, column.null_count() > 0, column.length(), codes_max, out);
    } else if constexpr (std::is_same_v<Cells, BytesCells>) {
      known = column.null_count() > 0 ? CodeTexts<true>(cells, column.length(), codes_max, out)
                                      : CodeTexts<false>(cells, column.length(), codes_max, out);
    }
  });
  return known;
}

}  // namespace headrace
