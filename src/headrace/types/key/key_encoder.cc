// Equality encoding. A byte string has, per column, a flag byte (0 null, 1 value) and after a 1 the
// cell: its fixed bytes, or a 32-bit length and the bytes. It is persisted through its hash.
#include "headrace/types/key/key_encoder.h"

#include <algorithm>

#include "arrow/array.h"
#include "arrow/buffer.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/base/hash.h"
#include "headrace/base/hash_each.h"
#include "headrace/types/encoding.h"
#include "headrace/types/key/cells.h"
#include "headrace/types/key/copy_text.h"
#include "headrace/types/key/key_decoder.h"
#include "headrace/types/key/key_hash.h"

namespace headrace {
namespace {

constexpr int kFixedBytesMax = 8;

template <typename Cells>
int64_t CellBytes(const Cells& cells, int64_t row) {
  if constexpr (std::is_same_v<Cells, WideCells>) {
    return cells.width;
  } else if constexpr (std::is_same_v<Cells, BytesCells>) {
    return kLengthBytes + static_cast<int64_t>(cells[row].size());
  } else {
    return sizeof(cells[row]);
  }
}

template <typename Cells>
void WriteCell(const Cells& cells, int64_t row, uint8_t* out) {
  if constexpr (std::is_same_v<Cells, WideCells>) {
    std::memcpy(out, cells[row], static_cast<size_t>(cells.width));
  } else if constexpr (std::is_same_v<Cells, BytesCells>) {
    const std::string_view cell = cells[row];
    const auto length = static_cast<uint32_t>(cell.size());
    std::memcpy(out, &length, sizeof(length));
    CopyText(out + kLengthBytes, cell.data(), length);
  } else {
    const auto value = cells[row];
    std::memcpy(out, &value, sizeof(value));
  }
}

// Adds to offsets[row + 1] what the column takes in row.
void AddSizes(const arrow::ArrayData& column, int64_t num_rows, int64_t* offsets) {
  VisitCells(column, [&](const auto& cells) {
    for (int64_t row = 0; row < num_rows; ++row) {
      offsets[row + 1] += 1 + (cells.IsNull(row) ? 0 : CellBytes(cells, row));
    }
  });
}

// Writes the column's part of every row at ends[row], and moves ends[row] past it.
void WriteColumn(const arrow::ArrayData& column, int64_t num_rows, uint8_t* bytes, int64_t* ends,
                 uint8_t* nulls) {
  VisitCells(column, [&](const auto& cells) {
    for (int64_t row = 0; row < num_rows; ++row) {
      uint8_t* out = bytes + ends[row];
      const bool is_null = cells.IsNull(row);
      *out = is_null ? 0 : 1;
      nulls[row] |= static_cast<uint8_t>(is_null);
      if (!is_null) WriteCell(cells, row, out + 1);
      ends[row] += 1 + (is_null ? 0 : CellBytes(cells, row));
    }
  });
}

// Sizes, places and bytes in one pass.
void EncodeOneText(const arrow::ArrayData& column, EncodedKeys* out) {
  const BytesCells cells(column);
  const auto rows = static_cast<size_t>(out->num_rows);
  int64_t text_bytes = 0;
  if (rows > 0)
    text_bytes =
        cells[out->num_rows - 1].data() + cells[out->num_rows - 1].size() - cells[0].data();
  out->offsets.resize(rows + 1);
  out->bytes.resize(rows * (1 + kLengthBytes) + static_cast<size_t>(text_bytes));
  int64_t* offsets = out->offsets.data();
  uint8_t* const bytes = out->bytes.data();
  uint8_t* next = bytes;
  for (size_t row = 0; row < rows; ++row) {
    offsets[row] = next - bytes;
    const bool is_null = cells.IsNull(static_cast<int64_t>(row));
    *next = is_null ? 0 : 1;
    out->nulls[row] = static_cast<uint8_t>(is_null);
    if (!is_null) {
      WriteCell(cells, static_cast<int64_t>(row), next + 1);
      next += CellBytes(cells, static_cast<int64_t>(row));
    }
    ++next;
  }
  offsets[rows] = next - bytes;
  out->bytes.resize(static_cast<size_t>(next - bytes));
}

void EncodeCells(const std::vector<ArrayPtr>& columns, EncodedKeys* out) {
  const auto rows = static_cast<size_t>(out->num_rows);
  out->offsets.assign(rows + 1, 0);
  for (const ArrayPtr& column : columns) {
    AddSizes(*column->data(), out->num_rows, out->offsets.data());
  }
  for (size_t row = 0; row < rows; ++row) out->offsets[row + 1] += out->offsets[row];
  out->bytes.resize(static_cast<size_t>(out->offsets[rows]));
  // Writing moves the start of row r to its end, which is the start of row r + 1.
  int64_t* ends = out->offsets.data();
  for (const ArrayPtr& column : columns) {
    WriteColumn(*column->data(), out->num_rows, out->bytes.data(), ends, out->nulls.data());
  }
  for (size_t row = rows; row > 0; --row) ends[row] = ends[row - 1];
  ends[0] = 0;
}

void EncodeBytes(const std::vector<ArrayPtr>& columns, EncodedKeys* out) {
  const bool is_text = columns.size() == 1 && KeyWidthOf(*columns[0]->type()) == 0 &&
                       columns[0]->type_id() != arrow::Type::NA;
  if (is_text) {
    EncodeOneText(*columns[0]->data(), out);
  } else {
    EncodeCells(columns, out);
  }
}

template <typename T>
uint64_t Widen(T value) {
  if constexpr (std::is_signed_v<T>) {
    return static_cast<uint64_t>(static_cast<int64_t>(value));
  } else {
    return static_cast<uint64_t>(value);
  }
}

void EncodeFixed(const arrow::ArrayData& column, EncodedKeys* out) {
  out->values.resize(static_cast<size_t>(out->num_rows));
  uint64_t* values = out->values.data();
  VisitCells(column, [&](const auto& cells) {
    using Cells = std::decay_t<decltype(cells)>;
    if constexpr (!std::is_same_v<Cells, WideCells> && !std::is_same_v<Cells, BytesCells>) {
      if (column.GetNullCount() == 0) {
        for (int64_t row = 0; row < out->num_rows; ++row) values[row] = Widen(cells[row]);
        return;
      }
      for (int64_t row = 0; row < out->num_rows; ++row) {
        const bool is_null = cells.IsNull(row);
        out->nulls[static_cast<size_t>(row)] = is_null;
        values[row] = is_null ? 0 : Widen(cells[row]);
      }
    }
  });
}

void HashRows(EncodedKeys* out) {
  const auto rows = static_cast<size_t>(out->num_rows);
  out->hashes.resize(rows);
  if (!out->is_fixed) {
    HashEach(out->bytes.data(), out->offsets.data(), out->num_rows, out->hashes.data());
    return;
  }
  const uint64_t* values = out->values.data();
  if (rows == 0 || std::memchr(out->nulls.data(), 1, rows) == nullptr) {
    for (size_t row = 0; row < rows; ++row) out->hashes[row] = HashInteger(values[row]);
    return;
  }
  for (size_t row = 0; row < rows; ++row) {
    out->hashes[row] = out->nulls[row] != 0 ? kNullHash : HashInteger(values[row]);
  }
}

}  // namespace

std::vector<KeyColumn> KeyColumnsOf(const arrow::Schema& schema, const std::vector<int>& keys) {
  std::vector<KeyColumn> columns;
  for (int key : keys) {
    columns.push_back({key, schema.field(key)->name(), schema.field(key)->type()});
  }
  return columns;
}

int64_t EncodedKeys::num_bytes() const {
  const size_t words = hashes.capacity() + values.capacity() + offsets.capacity();
  return static_cast<int64_t>(words * sizeof(uint64_t) + nulls.capacity() + bytes.capacity());
}

Result<KeyEncoder> KeyEncoder::Make(std::vector<KeyColumn> keys) {
  for (KeyColumn& key : keys) {
    const TypePtr plain = PlainType(key.type);
    if (!IsKeyType(*plain)) {
      return Error(ErrorKind::kUnsupported,
                   "column {} cannot be a key: values of its type are not compared, got {}",
                   key.name, key.type->ToString());
    }
    key.type = plain;
  }
  return KeyEncoder(std::move(keys));
}

KeyEncoder::KeyEncoder(std::vector<KeyColumn> keys) : keys_(std::move(keys)) {
  if (keys_.size() != 1) return;
  const arrow::DataType& type = *keys_[0].type;
  const int width = KeyWidthOf(type);
  const bool is_bytes =
      type.id() == arrow::Type::FIXED_SIZE_BINARY || type.id() == arrow::Type::INTERVAL_DAY_TIME;
  is_fixed_ = width > 0 && width <= kFixedBytesMax && !is_bytes;
}

Status KeyEncoder::Encode(const Batch& batch, arrow::MemoryPool* pool, EncodedKeys* out) const {
  return EncodeColumns(ColumnsIn(batch), batch.num_rows(), pool, out);
}

std::vector<ArrayPtr> KeyEncoder::ColumnsIn(const Batch& batch) const {
  std::vector<ArrayPtr> columns;
  columns.reserve(keys_.size());
  for (const KeyColumn& key : keys_) columns.push_back(batch.column(key.column));
  return columns;
}

Status KeyEncoder::EncodeWithoutHashes(const Batch& batch, arrow::MemoryPool* pool,
                                       EncodedKeys* out) const {
  out->hashes.clear();
  return EncodeValues(ColumnsIn(batch), batch.num_rows(), pool, out);
}

const uint64_t* KeyEncoder::ValuesInPlace(const Batch& batch) const {
  if (!is_fixed_) return nullptr;
  const arrow::ArrayData& column = *batch.column(keys_[0].column)->data();
  if (column.type->id() != keys_[0].type->id() || column.GetNullCount() > 0) return nullptr;
  const uint8_t* values = nullptr;
  VisitCells(column, [&](const auto& cells) {
    using Cells = std::decay_t<decltype(cells)>;
    if constexpr (std::is_same_v<Cells, IntegerCells<int64_t>> ||
                  std::is_same_v<Cells, IntegerCells<uint64_t>>) {
      values = cells.values;
    }
  });
  const bool is_aligned = reinterpret_cast<uintptr_t>(values) % alignof(uint64_t) == 0;
  return is_aligned ? reinterpret_cast<const uint64_t*>(values) : nullptr;
}

Status KeyEncoder::EncodeColumns(std::vector<ArrayPtr> columns, int64_t num_rows,
                                 arrow::MemoryPool* pool, EncodedKeys* out) const {
  ARROW_RETURN_NOT_OK(EncodeValues(std::move(columns), num_rows, pool, out));
  HashRows(out);
  return Status::OK();
}

Status KeyEncoder::EncodeValues(std::vector<ArrayPtr> columns, int64_t num_rows,
                                arrow::MemoryPool* pool, EncodedKeys* out) const {
  for (size_t i = 0; i < columns.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(columns[i], headrace::Decode(columns[i], pool));
    HEADRACE_CHECK(columns[i]->type_id() == keys_[i].type->id(), "a key column of another type");
  }
  out->is_fixed = is_fixed_;
  out->num_rows = num_rows;
  out->nulls.assign(static_cast<size_t>(num_rows), 0);
  if (is_fixed_) {
    EncodeFixed(*columns[0]->data(), out);
  } else {
    EncodeBytes(columns, out);
  }
  return Status::OK();
}

Result<std::vector<ArrayPtr>> KeyEncoder::Decode(const EncodedKeys& keys,
                                                 arrow::MemoryPool* pool) const {
  if (is_fixed_) {
    std::vector<ArrayPtr> columns(1);
    ARROW_ASSIGN_OR_RAISE(columns[0], DecodeFixedKeys(keys, keys_[0].type, pool));
    return columns;
  }
  std::vector<const uint8_t*> cells;
  cells.reserve(static_cast<size_t>(keys.num_rows));
  for (int64_t row = 0; row < keys.num_rows; ++row) {
    cells.push_back(keys.bytes.data() + keys.offsets[static_cast<size_t>(row)]);
  }
  return DecodeBytes(std::move(cells), static_cast<int64_t>(keys.bytes.size()), pool);
}

Result<std::vector<ArrayPtr>> KeyEncoder::DecodeBytes(std::vector<const uint8_t*> keys,
                                                      int64_t num_bytes,
                                                      arrow::MemoryPool* pool) const {
  if (num_bytes > INT32_MAX) {
    return Error(ErrorKind::kMemoryLimit, "keys of {} groups have {} bytes, at most {}",
                 keys.size(), num_bytes, INT32_MAX);
  }
  KeyDecoder decoder(keys_, static_cast<int64_t>(keys.size()), num_bytes, pool);
  for (std::span<const uint8_t*> rest(keys); !rest.empty();) {
    const size_t count = std::min(KeyDecoder::kRows, rest.size());
    ARROW_RETURN_NOT_OK(decoder.Append(rest.first(count)));
    rest = rest.subspan(count);
  }
  return decoder.Finish();
}

Status HashKeys(const std::vector<ArrayPtr>& keys, int64_t num_rows, arrow::MemoryPool* pool,
                std::vector<uint64_t>* hashes) {
  std::vector<KeyColumn> columns;
  for (size_t i = 0; i < keys.size(); ++i) {
    columns.push_back({static_cast<int>(i), fmt::format("{}", i + 1), keys[i]->type()});
  }
  ARROW_ASSIGN_OR_RAISE(KeyEncoder encoder, KeyEncoder::Make(std::move(columns)));
  EncodedKeys encoded;
  ARROW_RETURN_NOT_OK(encoder.EncodeColumns(keys, num_rows, pool, &encoded));
  *hashes = std::move(encoded.hashes);
  return Status::OK();
}

}  // namespace headrace
