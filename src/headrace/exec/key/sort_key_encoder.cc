// Memcomparable encoding. Per column: a flag byte that puts nulls first or last, then the cell
// big-endian with its sign flipped, or text with 0 as 0 FF and 0 0 at its end; inverted when
// descending. Positions follow as two such int64.
#include "headrace/exec/key/sort_key_encoder.h"

#include <algorithm>

#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/types/encoding.h"
#include "headrace/types/key/cells.h"

namespace headrace {
namespace {

constexpr int64_t kPositionBytes = 16;

uint8_t Swap(uint8_t value) { return value; }
uint16_t Swap(uint16_t value) { return __builtin_bswap16(value); }
uint32_t Swap(uint32_t value) { return __builtin_bswap32(value); }
uint64_t Swap(uint64_t value) { return __builtin_bswap64(value); }

// The unsigned integer whose big-endian bytes have the order of the value.
template <typename Cells, typename T>
auto Ordered(T value) {
  using Bits = std::make_unsigned_t<T>;
  constexpr auto kSign = static_cast<Bits>(Bits{1} << (sizeof(Bits) * 8 - 1));
  const auto bits = static_cast<Bits>(value);
  if constexpr (kIsFloat<Cells>) {
    return static_cast<Bits>((bits & kSign) != 0 ? ~bits : bits | kSign);
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<Bits>(bits ^ kSign);
  } else {
    return bits;
  }
}

uint8_t* WriteText(std::string_view text, uint8_t flip, uint8_t* out) {
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    *out++ = byte ^ flip;
    if (byte == 0) *out++ = 0xff ^ flip;
  }
  *out++ = flip;
  *out++ = flip;
  return out;
}

uint8_t* WriteWide(const WideCells& cells, int64_t row, uint8_t flip, uint8_t* out) {
  const uint8_t* cell = cells[row];
  const int width = cells.width;
  for (int i = 0; i < width; ++i) {
    out[i] = static_cast<uint8_t>(cell[cells.is_number ? width - 1 - i : i] ^ flip);
  }
  if (cells.is_number) out[0] ^= 0x80;
  return out + width;
}

// Writes the cell and gives where the next one starts. `flip` is 0xff when descending.
template <typename Cells>
uint8_t* WriteCell(const Cells& cells, int64_t row, uint8_t flip, uint8_t* out) {
  if constexpr (std::is_same_v<Cells, BytesCells>) {
    return WriteText(cells[row], flip, out);
  } else if constexpr (std::is_same_v<Cells, WideCells>) {
    return WriteWide(cells, row, flip, out);
  } else if constexpr (std::is_same_v<Cells, BooleanCells> || std::is_same_v<Cells, NullCells>) {
    *out = static_cast<uint8_t>(cells[row]) ^ flip;
    return out + 1;
  } else {
    auto bits = Swap(Ordered<Cells>(cells[row]));
    if (flip != 0) bits = static_cast<decltype(bits)>(~bits);
    std::memcpy(out, &bits, sizeof(bits));
    return out + sizeof(bits);
  }
}

template <typename Cells>
int64_t CellBytes(const Cells& cells, int64_t row) {
  if constexpr (std::is_same_v<Cells, BytesCells>) {
    const std::string_view text = cells[row];
    return static_cast<int64_t>(text.size()) + 2 + std::count(text.begin(), text.end(), '\0');
  } else if constexpr (std::is_same_v<Cells, WideCells>) {
    return cells.width;
  } else {
    return sizeof(cells[row]);
  }
}

void AddSizes(const arrow::ArrayData& column, int64_t num_rows, int64_t* offsets) {
  VisitCells(column, [&](const auto& cells) {
    for (int64_t row = 0; row < num_rows; ++row) {
      offsets[row + 1] += 1 + (cells.IsNull(row) ? 0 : CellBytes(cells, row));
    }
  });
}

// Writes the column's part of every row at ends[row], and moves ends[row] past it.
void WriteColumn(const arrow::ArrayData& column, const SortKey& key, int64_t num_rows,
                 uint8_t* bytes, int64_t* ends) {
  const uint8_t flip = key.descending ? 0xff : 0;
  const uint8_t null_flag = key.nulls == NullPlacement::kFirst ? 0 : 1;
  VisitCells(column, [&](const auto& cells) {
    for (int64_t row = 0; row < num_rows; ++row) {
      uint8_t* out = bytes + ends[row];
      const bool is_null = cells.IsNull(row);
      *out++ = static_cast<uint8_t>(is_null ? null_flag : 1 - null_flag);
      if (!is_null) out = WriteCell(cells, row, flip, out);
      ends[row] = out - bytes;
    }
  });
}

void WriteOrdered(int64_t value, uint8_t* out) {
  const uint64_t bits = Swap(static_cast<uint64_t>(value) ^ (uint64_t{1} << 63));
  std::memcpy(out, &bits, sizeof(bits));
}

int64_t ReadOrdered(const char* bytes) {
  uint64_t bits;
  std::memcpy(&bits, bytes, sizeof(bits));
  return static_cast<int64_t>(Swap(bits) ^ (uint64_t{1} << 63));
}

void WritePositions(const std::vector<RowPosition>& positions, uint8_t* bytes, int64_t* ends) {
  for (size_t row = 0; row < positions.size(); ++row) {
    WriteOrdered(positions[row].split, bytes + ends[row]);
    WriteOrdered(positions[row].row, bytes + ends[row] + 8);
    ends[row] += kPositionBytes;
  }
}

// -- Rows up to a bound --

// Rows tested together: a block without hits is not looked at twice.
constexpr int64_t kTestRows = 64;

// The text of a cell that WriteText has written.
std::string ReadText(std::string_view bytes, uint8_t flip) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<uint8_t>(static_cast<uint8_t>(bytes[i]) ^ flip);
    if (byte == 0 && static_cast<uint8_t>(static_cast<uint8_t>(bytes[++i]) ^ flip) == 0) break;
    text.push_back(static_cast<char>(byte));
  }
  return text;
}

// The bytes that WriteText has written.
size_t BytesOfText(std::string_view bytes, uint8_t flip) {
  const auto zero = static_cast<char>(flip);
  for (size_t i = 0; i + 1 < bytes.size(); ++i) {
    if (bytes[i] == zero && bytes[++i] == zero) return i + 1;
  }
  return bytes.size();
}

// Of a cell of this type that is not null, at the start of `bytes`.
size_t BytesOfCell(const arrow::DataType& type, uint8_t flip, std::string_view bytes) {
  if (arrow::is_base_binary_like(type.id())) return BytesOfText(bytes, flip);
  if (type.id() == arrow::Type::BOOL || type.id() == arrow::Type::NA) return 1;
  return static_cast<size_t>(type.byte_width());
}

template <typename Cells>
inline constexpr bool kIsMachineNumber =
    !std::is_same_v<Cells, BytesCells> && !std::is_same_v<Cells, WideCells> &&
    !std::is_same_v<Cells, BooleanCells> && !std::is_same_v<Cells, NullCells>;

// Calls `visit` with a predicate that says whether the value of a row is not above the one encoded
// at `cell`.
template <typename Cells, typename Visit>
void VisitValueTest(const Cells& cells, bool descending, std::string_view cell, Visit&& visit) {
  if constexpr (kIsMachineNumber<Cells>) {
    auto limit = Ordered<Cells>(cells[0]);
    std::memcpy(&limit, cell.data(), sizeof(limit));
    limit = Swap(limit);
    if (descending) {
      limit = static_cast<decltype(limit)>(~limit);
      visit([&cells, limit](int64_t row) { return Ordered<Cells>(cells[row]) >= limit; });
    } else {
      visit([&cells, limit](int64_t row) { return Ordered<Cells>(cells[row]) <= limit; });
    }
  } else if constexpr (std::is_same_v<Cells, BytesCells>) {
    const std::string limit = ReadText(cell, descending ? 0xff : 0);
    visit([&cells, &limit, descending](int64_t row) {
      return descending ? cells[row] >= limit : cells[row] <= limit;
    });
  } else {
    visit([](int64_t) { return true; });
  }
}

template <typename Test>
void AppendAll(int64_t num_rows, Test&& test, std::vector<uint32_t>* rows) {
  for (int64_t begin = 0; begin < num_rows; begin += kTestRows) {
    const int64_t end = std::min(begin + kTestRows, num_rows);
    int64_t hits = 0;
    for (int64_t row = begin; row < end; ++row) hits += test(row) ? 1 : 0;
    for (int64_t row = begin; row < end && hits > 0; ++row) {
      if (test(row)) rows->push_back(static_cast<uint32_t>(row));
    }
  }
}

template <typename Test>
void AppendRows(const Batch& batch, Test&& test, std::vector<uint32_t>* rows) {
  if (batch.selection() == nullptr) return AppendAll(batch.num_rows(), test, rows);
  const std::vector<uint32_t>& selected = *batch.selection();
  for (size_t i = 0; i < selected.size(); ++i) {
    if (test(selected[i])) rows->push_back(static_cast<uint32_t>(i));
  }
}

// -- Whether rows are in order --

// Rows compared before anyone asks for the outcome.
constexpr int64_t kOrderRows = 1024;

int CompareWide(const WideCells& cells, int64_t a, int64_t b) {
  const auto width = static_cast<size_t>(cells.width);
  if (!cells.is_number) return std::memcmp(cells[a], cells[b], width);
  std::vector<uint8_t> bytes(2 * width);
  WriteWide(cells, a, 0, bytes.data());
  WriteWide(cells, b, 0, bytes.data() + width);
  return std::memcmp(bytes.data(), bytes.data() + width, width);
}

// < 0, 0, > 0: the order of two cells that are not null.
template <typename Cells>
int CompareCells(const Cells& cells, int64_t a, int64_t b, bool descending) {
  if constexpr (kIsMachineNumber<Cells>) {
    const auto left = Ordered<Cells>(cells[a]);
    const auto right = Ordered<Cells>(cells[b]);
    return descending ? (left < right) - (left > right) : (left > right) - (left < right);
  } else if constexpr (std::is_same_v<Cells, BytesCells>) {
    const int order = cells[a].compare(cells[b]);
    return descending ? -order : order;
  } else if constexpr (std::is_same_v<Cells, WideCells>) {
    const int order = CompareWide(cells, a, b);
    return descending ? -order : order;
  } else {
    const int order = static_cast<int>(cells[a]) - static_cast<int>(cells[b]);
    return descending ? -order : order;
  }
}

template <typename Cells>
bool NumbersInOrder(const Cells& cells, int64_t num_rows, bool descending) {
  for (int64_t begin = 1; begin < num_rows; begin += kOrderRows) {
    const int64_t end = std::min(begin + kOrderRows, num_rows);
    bool falls = false;
    bool rises = false;
    for (int64_t row = begin; row < end; ++row) {
      const auto before = Ordered<Cells>(cells[row - 1]);
      const auto here = Ordered<Cells>(cells[row]);
      falls |= here < before;
      rises |= here > before;
    }
    if (descending ? rises : falls) return false;
  }
  return true;
}

// Looks at rows that are equal to the one before in the columns before, and forgets those that
// are not in this one; false: one is out of order.
template <typename Cells>
bool TiesInOrder(const Cells& cells, const SortKey& key, std::vector<int64_t>* ties) {
  size_t kept = 0;
  for (const int64_t row : *ties) {
    const bool null_before = cells.IsNull(row - 1);
    const bool is_null = cells.IsNull(row);
    int order = 0;
    if (null_before != is_null) {
      order = null_before == (key.nulls == NullPlacement::kFirst) ? -1 : 1;
    } else if (!is_null) {
      order = CompareCells(cells, row - 1, row, key.descending);
    }
    if (order > 0) return false;
    if (order == 0) (*ties)[kept++] = row;
  }
  ties->resize(kept);
  return true;
}

}  // namespace

int64_t SortKeys::num_bytes() const {
  return static_cast<int64_t>(offsets.capacity() * sizeof(int64_t) + bytes.capacity());
}

Result<SortKeyEncoder> SortKeyEncoder::Make(const arrow::Schema& schema, Ordering keys) {
  std::vector<TypePtr> types;
  for (const SortKey& key : keys) {
    const arrow::Field& field = *schema.field(key.column);
    types.push_back(PlainType(field.type()));
    if (!IsSortKeyType(*types.back())) {
      return Error(ErrorKind::kUnsupported,
                   "cannot sort by column {}: values of its type have no order, got {}",
                   field.name(), field.type()->ToString());
    }
  }
  return SortKeyEncoder(std::move(keys), std::move(types));
}

Status SortKeyEncoder::Encode(const Batch& batch, const std::vector<RowPosition>* positions,
                              arrow::MemoryPool* pool, SortKeys* out) const {
  const auto rows = static_cast<size_t>(batch.num_rows());
  out->num_rows = batch.num_rows();
  out->offsets.assign(rows + 1, 0);
  std::vector<ArrayPtr> columns;
  for (const SortKey& key : keys_) {
    ARROW_ASSIGN_OR_RAISE(ArrayPtr column, Decode(batch.column(key.column), pool));
    AddSizes(*column->data(), out->num_rows, out->offsets.data());
    columns.push_back(std::move(column));
  }
  const int64_t extra = positions == nullptr ? 0 : kPositionBytes;
  for (size_t row = 0; row < rows; ++row) {
    out->offsets[row + 1] += out->offsets[row] + extra;
  }
  out->bytes.resize(static_cast<size_t>(out->offsets[rows]));
  // Writing moves the start of row r to its end, which is the start of row r + 1.
  int64_t* ends = out->offsets.data();
  for (size_t i = 0; i < columns.size(); ++i) {
    WriteColumn(*columns[i]->data(), keys_[i], out->num_rows, out->bytes.data(), ends);
  }
  if (positions != nullptr) WritePositions(*positions, out->bytes.data(), ends);
  for (size_t row = rows; row > 0; --row) ends[row] = ends[row - 1];
  ends[0] = 0;
  return Status::OK();
}

Status SortKeyEncoder::RowsUpTo(std::string_view bound, const Batch& batch, arrow::MemoryPool* pool,
                                std::vector<uint32_t>* rows) const {
  rows->clear();
  if (keys_.empty() || batch.num_rows() == 0) {
    AppendRows(batch, [](int64_t) { return true; }, rows);
    return Status::OK();
  }
  const SortKey& key = keys_[0];
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr column, Decode(batch.column(key.column), pool));
  const auto flag = static_cast<uint8_t>(bound[0]);
  const uint8_t null_flag = key.nulls == NullPlacement::kFirst ? 0 : 1;
  VisitCells(*column->data(), [&](const auto& cells) {
    if (flag == null_flag) {  // nulls are as good as the bound, values before or after all of them
      const bool values = null_flag == 1;
      return AppendRows(batch, [&](int64_t row) { return values || cells.IsNull(row); }, rows);
    }
    VisitValueTest(cells, key.descending, bound.substr(1), [&](const auto& test) {
      if (column->null_count() == 0) return AppendRows(batch, test, rows);
      const auto with_nulls = [&](int64_t row) {
        return cells.IsNull(row) ? null_flag == 0 : test(row);
      };
      AppendRows(batch, with_nulls, rows);
    });
  });
  return Status::OK();
}

Result<bool> SortKeyEncoder::AreInOrder(const Batch& batch, arrow::MemoryPool* pool) const {
  std::vector<int64_t> ties;
  for (size_t i = 0; i < keys_.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr column, Decode(batch.column(keys_[i].column), pool));
    bool in_order = true;
    VisitCells(*column->data(), [&](const auto& cells) {
      using Cells = std::remove_cvref_t<decltype(cells)>;
      if constexpr (kIsMachineNumber<Cells>) {
        if (i == 0 && column->null_count() == 0) {
          in_order = NumbersInOrder(cells, batch.num_rows(), keys_[i].descending);
          if (!in_order || keys_.size() == 1) return;
        }
      }
      if (i == 0) {
        for (int64_t row = 1; row < batch.num_rows(); ++row) ties.push_back(row);
      }
      in_order = TiesInOrder(cells, keys_[i], &ties);
    });
    if (!in_order) return false;
  }
  return true;
}

size_t SortKeyEncoder::BytesOfKeys(std::string_view key, size_t columns) const {
  size_t at = 0;
  for (size_t i = 0; i < columns && at < key.size(); ++i) {
    const char null_flag = keys_[i].nulls == NullPlacement::kFirst ? 0 : 1;
    if (key[at++] == null_flag) continue;
    at += BytesOfCell(*types_[i], keys_[i].descending ? 0xff : 0, key.substr(at));
  }
  return std::min(at, key.size());
}

RowPosition SortKeyEncoder::PositionOf(std::string_view key) {
  const char* end = key.data() + key.size();
  return {ReadOrdered(end - 16), ReadOrdered(end - 8)};
}

}  // namespace headrace
