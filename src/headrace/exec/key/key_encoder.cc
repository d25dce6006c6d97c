// Equality encoding. A byte string has, per column, a flag byte (0 null, 1 value) and after a 1 the
// cell: its fixed bytes, or a 32-bit length and the bytes. It is persisted through its hash.
#include "headrace/exec/key/key_encoder.h"

#include <algorithm>

#include "arrow/array.h"
#include "arrow/buffer.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/base/hash.h"
#include "headrace/exec/key/cells.h"
#include "headrace/exec/key/key_hash.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

constexpr int kFixedBytesMax = 8;
constexpr int64_t kLengthBytes = 4;

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
    if (length > 0) std::memcpy(out + kLengthBytes, cell.data(), length);
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

void EncodeBytes(const std::vector<ArrayPtr>& columns, EncodedKeys* out) {
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
  for (size_t row = 0; row < rows; ++row) {
    out->hashes[row] = HashBytes(out->Bytes(static_cast<int64_t>(row)));
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
  out->values.resize(out->hashes.size());
  uint64_t* values = out->values.data();
  VisitCells(column, [&](const auto& cells) {
    using Cells = std::decay_t<decltype(cells)>;
    if constexpr (!std::is_same_v<Cells, WideCells> && !std::is_same_v<Cells, BytesCells>) {
      for (int64_t row = 0; row < out->num_rows; ++row) {
        const bool is_null = cells.IsNull(row);
        out->nulls[static_cast<size_t>(row)] = is_null;
        values[row] = is_null ? 0 : Widen(cells[row]);
      }
    }
  });
  for (size_t row = 0; row < out->hashes.size(); ++row) {
    out->hashes[row] = out->nulls[row] != 0 ? kNullHash : HashInteger(values[row]);
  }
}

// -- Decoding --

using BufferPtr = std::shared_ptr<arrow::Buffer>;

// Collects one column: validity, and fixed cells or offsets and bytes.
class ColumnOutput {
 public:
  ColumnOutput(TypePtr type, int64_t num_rows) : type_(std::move(type)), num_rows_(num_rows) {}

  Status Allocate(int64_t value_bytes, arrow::MemoryPool* pool) {
    width_ = KeyWidthOf(*type_);
    is_boolean_ = type_->id() == arrow::Type::BOOL;
    const int64_t bitmap = arrow::bit_util::BytesForBits(num_rows_);
    ARROW_ASSIGN_OR_RAISE(validity_, AllocateZeroed(bitmap, pool));
    const int64_t fixed = is_boolean_ ? bitmap : num_rows_ * width_;
    const int64_t bytes = width_ > 0 ? fixed : value_bytes;
    ARROW_ASSIGN_OR_RAISE(values_, AllocateZeroed(bytes, pool));
    if (width_ == 0) {
      ARROW_ASSIGN_OR_RAISE(offsets_, AllocateZeroed((num_rows_ + 1) * 4, pool));
    }
    return Status::OK();
  }

  void AppendNull() {
    ++nulls_;
    EndRow();
  }
  void Append(const uint8_t* cell, size_t length) {
    arrow::bit_util::SetBit(validity_->mutable_data(), row_);
    if (is_boolean_) {
      arrow::bit_util::SetBitTo(values_->mutable_data(), row_, *cell != 0);
    } else {
      const int64_t at = width_ > 0 ? row_ * width_ : used_;
      if (length > 0) std::memcpy(values_->mutable_data() + at, cell, length);
      used_ += static_cast<int64_t>(length);
    }
    EndRow();
  }
  ArrayPtr Finish() {
    if (type_->id() == arrow::Type::NA) return std::make_shared<arrow::NullArray>(num_rows_);
    std::vector<BufferPtr> buffers = {nulls_ == 0 ? nullptr : validity_, values_};
    if (width_ == 0) buffers.insert(buffers.begin() + 1, offsets_);
    return arrow::MakeArray(arrow::ArrayData::Make(type_, num_rows_, std::move(buffers), nulls_));
  }
  int width() const { return width_; }

 private:
  static Result<BufferPtr> AllocateZeroed(int64_t bytes, arrow::MemoryPool* pool) {
    ARROW_ASSIGN_OR_RAISE(BufferPtr buffer, arrow::AllocateBuffer(bytes, pool));
    if (bytes > 0) std::memset(buffer->mutable_data(), 0, static_cast<size_t>(bytes));
    return buffer;
  }
  void EndRow() {
    ++row_;
    if (width_ > 0 || offsets_ == nullptr) return;
    const auto end = static_cast<int32_t>(used_);
    std::memcpy(offsets_->mutable_data() + row_ * 4, &end, sizeof(end));
  }

  TypePtr type_;
  int64_t num_rows_;
  int width_ = 0;
  bool is_boolean_ = false;
  BufferPtr validity_, values_, offsets_;
  int64_t row_ = 0;
  int64_t used_ = 0;
  int64_t nulls_ = 0;
};

ArrayPtr DecodeFixed(const EncodedKeys& keys, ColumnOutput& out) {
  for (size_t row = 0; row < static_cast<size_t>(keys.num_rows); ++row) {
    if (keys.nulls[row] != 0) {
      out.AppendNull();
    } else {
      out.Append(reinterpret_cast<const uint8_t*>(&keys.values[row]),
                 static_cast<size_t>(out.width()));
    }
  }
  return out.Finish();
}

// Takes one cell per row off the fronts of `rows`.
ArrayPtr DecodeColumn(std::vector<const uint8_t*>& rows, ColumnOutput& out) {
  for (const uint8_t*& cell : rows) {
    if (*cell++ == 0) {
      out.AppendNull();
      continue;
    }
    uint32_t length = static_cast<uint32_t>(out.width());
    if (length == 0) {
      std::memcpy(&length, cell, sizeof(length));
      cell += kLengthBytes;
    }
    out.Append(cell, length);
    cell += length;
  }
  return out.Finish();
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
  std::vector<ArrayPtr> columns;
  columns.reserve(keys_.size());
  for (const KeyColumn& key : keys_) columns.push_back(batch.column(key.column));
  return EncodeColumns(std::move(columns), batch.num_rows(), pool, out);
}

Status KeyEncoder::EncodeColumns(std::vector<ArrayPtr> columns, int64_t num_rows,
                                 arrow::MemoryPool* pool, EncodedKeys* out) const {
  for (size_t i = 0; i < columns.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(columns[i], headrace::Decode(columns[i], pool));
    HEADRACE_CHECK(columns[i]->type_id() == keys_[i].type->id(), "a key column of another type");
  }
  out->is_fixed = is_fixed_;
  out->num_rows = num_rows;
  out->hashes.resize(static_cast<size_t>(num_rows));
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
  const auto num_bytes = static_cast<int64_t>(keys.bytes.size());
  if (num_bytes > INT32_MAX) {
    return Error(ErrorKind::kMemoryLimit, "keys of {} groups have {} bytes, at most {}",
                 keys.num_rows, num_bytes, INT32_MAX);
  }
  std::vector<const uint8_t*> rows;
  for (int64_t row = 0; !is_fixed_ && row < keys.num_rows; ++row) {
    rows.push_back(keys.bytes.data() + keys.offsets[static_cast<size_t>(row)]);
  }
  std::vector<ArrayPtr> columns;
  for (const KeyColumn& key : keys_) {
    ColumnOutput out(key.type, keys.num_rows);
    ARROW_RETURN_NOT_OK(out.Allocate(num_bytes, pool));
    columns.push_back(is_fixed_ ? DecodeFixed(keys, out) : DecodeColumn(rows, out));
  }
  return columns;
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
