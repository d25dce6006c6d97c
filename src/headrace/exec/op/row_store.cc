// Gathers column by column: one loop per physical layout, prefetching some references ahead.
#include "headrace/exec/op/row_store.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/array/concatenate.h"
#include "arrow/array/util.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/exec.h"
#include "arrow/extension_type.h"
#include "arrow/type.h"
#include "arrow/util/bit_util.h"
#include "headrace/base/check.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

using arrow::Type;
using BufferPtr = std::shared_ptr<arrow::Buffer>;
using RowRefs = std::span<const RowRef>;

const arrow::DataType& StorageOf(const arrow::DataType& type) {
  if (type.id() != Type::EXTENSION) return type;
  return *static_cast<const arrow::ExtensionType&>(type).storage_type();
}

bool AnyNone(RowRefs rows) {
  int32_t sign = 0;
  for (const RowRef& row : rows) sign |= row.chunk;
  return sign < 0;
}

Result<ArrayPtr> TakeRows(const arrow::Array& values, const arrow::Array& indices,
                          arrow::MemoryPool* pool) {
  arrow::compute::ExecContext context(pool);
  context.set_use_threads(false);
  return arrow::compute::Take(values, indices, arrow::compute::TakeOptions::NoBoundsCheck(),
                              &context);
}

// Positions in `rows` that name a row, ordered by chunk.
std::vector<size_t> PositionsByChunk(RowRefs rows) {
  std::vector<size_t> positions;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].none()) positions.push_back(i);
  }
  std::stable_sort(positions.begin(), positions.end(),
                   [&](size_t a, size_t b) { return rows[a].chunk < rows[b].chunk; });
  return positions;
}

}  // namespace

// std::memcpy, without a call for the short texts that columns mostly hold: two copies that
// overlap.
inline void CopyShort(uint8_t* out, const uint8_t* in, size_t length) {
  const auto ends = [&](auto width_of) {
    constexpr size_t kWidth = width_of();
    uint8_t last[kWidth];
    std::memcpy(last, in + length - kWidth, kWidth);
    std::memcpy(out, in, kWidth);
    std::memcpy(out + length - kWidth, last, kWidth);
  };
  if (length > 32) {
    std::memcpy(out, in, length);
  } else if (length >= 16) {
    ends([] { return size_t{16}; });
  } else if (length >= 8) {
    ends([] { return size_t{8}; });
  } else if (length >= 4) {
    ends([] { return size_t{4}; });
  } else {
    for (size_t i = 0; i < length; ++i) out[i] = in[i];
  }
}

// The loops of Gather; `rows` is not empty.
struct RowStore::Gatherer {
  const Column& column;
  RowRefs rows;
  arrow::MemoryPool* pool;

  template <typename Body>
  void ForEachPrefetched(Body body) const {
    const size_t count = rows.size();
    for (size_t i = 0; i < count; ++i) {
      if (i + kPrefetchAhead < count && !rows[i + kPrefetchAhead].none()) {
        const RowRef ahead = rows[i + kPrefetchAhead];
        const View& view = column.views[static_cast<size_t>(ahead.chunk)];
        if (view.offsets != nullptr) {
          __builtin_prefetch(view.offsets + ahead.row);
        } else if (view.values != nullptr) {
          __builtin_prefetch(view.values + int64_t{column.width} * ahead.row);
        }
      }
      body(i, rows[i]);
    }
  }

  const View& ViewOfRow(RowRef row) const { return column.views[static_cast<size_t>(row.chunk)]; }

  Result<BufferPtr> Validity() const {
    if (column.chunks_with_nulls == 0 && !AnyNone(rows)) return nullptr;
    ARROW_ASSIGN_OR_RAISE(auto bits,
                          arrow::AllocateEmptyBitmap(static_cast<int64_t>(rows.size()), pool));
    uint8_t* out = bits->mutable_data();
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].none()) continue;
      const View& view = ViewOfRow(rows[i]);
      if (view.validity == nullptr ||
          arrow::bit_util::GetBit(view.validity, view.bit_offset + rows[i].row)) {
        arrow::bit_util::SetBit(out, static_cast<int64_t>(i));
      }
    }
    return bits;
  }

  Result<BufferPtr> Bits() const {
    ARROW_ASSIGN_OR_RAISE(auto bits,
                          arrow::AllocateEmptyBitmap(static_cast<int64_t>(rows.size()), pool));
    uint8_t* out = bits->mutable_data();
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].none()) continue;
      const View& view = ViewOfRow(rows[i]);
      arrow::bit_util::SetBitTo(
          out, static_cast<int64_t>(i),
          arrow::bit_util::GetBit(view.values, view.bit_offset + rows[i].row));
    }
    return bits;
  }

  // `width` is a constant in all instances but the last one.
  void CopyFixed(uint8_t* out, auto width_of) const {
    const size_t width = width_of();
    const uint8_t* const* const values = column.values.data();
    const auto cell_of = [&](RowRef row) {
      return values[row.chunk] + static_cast<size_t>(row.row) * width;
    };
    const size_t count = rows.size();
    if (AnyNone(rows)) {
      for (size_t i = 0; i < count; ++i) {
        if (rows[i].none()) {
          std::memset(out + i * width, 0, width);
        } else {
          std::memcpy(out + i * width, cell_of(rows[i]), width);
        }
      }
      return;
    }
    size_t i = 0;
    for (; i + kPrefetchAhead < count; ++i) {
      __builtin_prefetch(cell_of(rows[i + kPrefetchAhead]));
      std::memcpy(out + i * width, cell_of(rows[i]), width);
    }
    for (; i < count; ++i) std::memcpy(out + i * width, cell_of(rows[i]), width);
  }

  Result<BufferPtr> Fixed() const {
    const auto width = static_cast<size_t>(column.width);
    ARROW_ASSIGN_OR_RAISE(auto buffer,
                          arrow::AllocateBuffer(static_cast<int64_t>(rows.size() * width), pool));
    uint8_t* out = buffer->mutable_data();
    switch (width) {
      case 0:
        break;
      case 1:
        CopyFixed(out, [] { return size_t{1}; });
        break;
      case 2:
        CopyFixed(out, [] { return size_t{2}; });
        break;
      case 4:
        CopyFixed(out, [] { return size_t{4}; });
        break;
      case 8:
        CopyFixed(out, [] { return size_t{8}; });
        break;
      case 16:
        CopyFixed(out, [] { return size_t{16}; });
        break;
      default:
        CopyFixed(out, [width] { return width; });
    }
    return BufferPtr(std::move(buffer));
  }

  Result<BufferPtr> TextOffsets() const {
    ARROW_ASSIGN_OR_RAISE(
        auto buffer,
        arrow::AllocateBuffer(static_cast<int64_t>((rows.size() + 1) * sizeof(int32_t)), pool));
    auto* out = reinterpret_cast<int32_t*>(buffer->mutable_data());
    int64_t total = 0;
    ForEachPrefetched([&](size_t i, RowRef row) {
      out[i] = static_cast<int32_t>(total);
      if (row.none()) return;
      const View& view = ViewOfRow(row);
      __builtin_prefetch(view.values + view.offsets[row.row]);
      total += view.offsets[row.row + 1] - view.offsets[row.row];
    });
    if (total > std::numeric_limits<int32_t>::max()) {
      return Error(ErrorKind::kMemoryLimit,
                   "one batch of {} holds at most 2 GiB of text; {} joined rows have {} bytes",
                   column.type->ToString(), rows.size(), total);
    }
    out[rows.size()] = static_cast<int32_t>(total);
    return BufferPtr(std::move(buffer));
  }

  Result<BufferPtr> Text(const arrow::Buffer& offsets) const {
    const auto* begin = reinterpret_cast<const int32_t*>(offsets.data());
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateBuffer(begin[rows.size()], pool));
    uint8_t* out = buffer->mutable_data();
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto length = static_cast<size_t>(begin[i + 1] - begin[i]);
      if (length == 0) continue;
      const View& view = ViewOfRow(rows[i]);
      CopyShort(out + begin[i], view.values + view.offsets[rows[i].row], length);
    }
    return BufferPtr(std::move(buffer));
  }

  // One Take per chunk that is used, then one that brings the pieces into the order of `rows`.
  Result<ArrayPtr> Nested() const {
    const std::vector<size_t> positions = PositionsByChunk(rows);
    if (positions.empty()) {
      return arrow::MakeArrayOfNull(column.type, static_cast<int64_t>(rows.size()), pool);
    }
    std::vector<int64_t> place(rows.size(), -1);  // in the joined pieces
    arrow::ArrayVector pieces;
    for (size_t begin = 0; begin < positions.size();) {
      const int32_t chunk = rows[positions[begin]].chunk;
      arrow::Int32Builder indices(pool);
      size_t end = begin;
      for (; end < positions.size() && rows[positions[end]].chunk == chunk; ++end) {
        place[positions[end]] = static_cast<int64_t>(end);
        ARROW_RETURN_NOT_OK(indices.Append(rows[positions[end]].row));
      }
      ARROW_ASSIGN_OR_RAISE(ArrayPtr taken, indices.Finish());
      const View& view = column.views[static_cast<size_t>(chunk)];
      ARROW_ASSIGN_OR_RAISE(pieces.emplace_back(), TakeRows(*view.array, *taken, pool));
      begin = end;
    }
    ARROW_ASSIGN_OR_RAISE(ArrayPtr joined, arrow::Concatenate(pieces, pool));
    if (positions.size() == rows.size() && std::is_sorted(positions.begin(), positions.end())) {
      return joined;
    }
    return InPlace(*joined, place);
  }

  Result<ArrayPtr> InPlace(const arrow::Array& joined, const std::vector<int64_t>& place) const {
    arrow::Int64Builder indices(pool);
    ARROW_RETURN_NOT_OK(indices.Reserve(static_cast<int64_t>(place.size())));
    for (int64_t index : place) {
      if (index < 0) {
        indices.UnsafeAppendNull();
      } else {
        indices.UnsafeAppend(index);
      }
    }
    ARROW_ASSIGN_OR_RAISE(ArrayPtr order, indices.Finish());
    return TakeRows(joined, *order, pool);
  }

  Result<ArrayPtr> Run() const {
    const auto length = static_cast<int64_t>(rows.size());
    if (column.layout == Layout::kNull) return arrow::MakeArrayOfNull(column.type, length, pool);
    if (column.layout == Layout::kNested) return Nested();
    ARROW_ASSIGN_OR_RAISE(BufferPtr validity, Validity());
    std::vector<BufferPtr> buffers{validity};
    if (column.layout == Layout::kText) {
      ARROW_ASSIGN_OR_RAISE(buffers.emplace_back(), TextOffsets());
      const BufferPtr offsets = buffers.back();
      ARROW_ASSIGN_OR_RAISE(buffers.emplace_back(), Text(*offsets));
    } else {
      ARROW_ASSIGN_OR_RAISE(buffers.emplace_back(),
                            column.layout == Layout::kBits ? Bits() : Fixed());
    }
    const int64_t null_count = validity == nullptr ? 0 : arrow::kUnknownNullCount;
    return arrow::MakeArray(
        arrow::ArrayData::Make(column.type, length, std::move(buffers), null_count));
  }
};

RowStore::RowStore(const arrow::Schema& schema) {
  for (const auto& field : schema.fields()) {
    columns_.push_back(ColumnOf(PlainType(field->type())));
    const Column& column = columns_.back();
    if (column.layout == Layout::kText || column.layout == Layout::kNested) {
      varying_.push_back(columns_.size() - 1);
    }
    fixed_bytes_ += column.layout == Layout::kText ? int64_t{sizeof(int32_t)} : column.width;
  }
}

RowStore::Column RowStore::ColumnOf(const TypePtr& type) {
  const arrow::DataType& storage = StorageOf(*type);
  switch (storage.id()) {
    case Type::NA:
      return {type, Layout::kNull};
    case Type::BOOL:
      return {type, Layout::kBits};
    case Type::STRING:
    case Type::BINARY:
      return {type, Layout::kText};
    default:
      break;
  }
  if (storage.id() == Type::DICTIONARY || !arrow::is_fixed_width(storage)) {
    return {type, Layout::kNested};
  }
  return {type, Layout::kFixed, storage.bit_width() / 8};
}

RowStore::View RowStore::ViewOf(const Column& column, const ArrayPtr& array) {
  View view;
  view.array = array;
  const arrow::ArrayData& data = *array->data();
  if (column.layout == Layout::kNested) {
    const Batch alone({array}, array->length());
    view.mean_bytes = alone.num_bytes() / std::max<int64_t>(array->length(), 1);
    return view;
  }
  if (array->null_count() > 0) view.validity = array->null_bitmap_data();
  view.bit_offset = data.offset;
  if (column.layout == Layout::kNull || data.buffers[1] == nullptr) return view;
  if (column.layout == Layout::kText) {
    view.offsets = data.GetValues<int32_t>(1);
    view.values = data.buffers[2] == nullptr ? nullptr : data.buffers[2]->data();
  } else {
    view.values = data.buffers[1]->data() + data.offset * column.width;  // width of bits is 0
  }
  return view;
}

void RowStore::SetView(Column& column, size_t chunk, View view) {
  column.values[chunk] = view.values;
  column.views[chunk] = std::move(view);
}

int32_t RowStore::Add(const Batch& batch) {
  HEADRACE_DCHECK(batch.selection() == nullptr, "a store keeps compacted batches");
  HEADRACE_DCHECK(batch.columns().size() == columns_.size(), "a batch of another schema");
  const bool again = !free_.empty();
  const size_t chunk =
      again ? static_cast<size_t>(free_.back()) : (columns_.empty() ? 0 : columns_[0].views.size());
  if (again) free_.pop_back();
  for (size_t i = 0; i < columns_.size(); ++i) {
    Column& column = columns_[i];
    HEADRACE_DCHECK(batch.columns()[i]->type_id() == column.type->id(), "a batch is not decoded");
    column.views.resize(std::max(column.views.size(), chunk + 1));
    column.values.resize(column.views.size());
    SetView(column, chunk, ViewOf(column, batch.columns()[i]));
    if (column.views[chunk].validity != nullptr) ++column.chunks_with_nulls;
  }
  return static_cast<int32_t>(chunk);
}

std::vector<ArrayPtr> RowStore::ColumnsOf(int32_t chunk) const {
  std::vector<ArrayPtr> columns;
  for (const Column& column : columns_) {
    columns.push_back(column.views[static_cast<size_t>(chunk)].array);
  }
  return columns;
}

void RowStore::Replace(int32_t chunk, const std::vector<ArrayPtr>& columns) {
  for (size_t i = 0; i < columns_.size(); ++i) {
    SetView(columns_[i], static_cast<size_t>(chunk), ViewOf(columns_[i], columns[i]));
  }
}

void RowStore::Remove(int32_t chunk) {
  for (Column& column : columns_) {
    if (column.views[static_cast<size_t>(chunk)].validity != nullptr) --column.chunks_with_nulls;
    SetView(column, static_cast<size_t>(chunk), View());
  }
  free_.push_back(chunk);
}

Result<ArrayPtr> RowStore::Gather(size_t column, std::span<const RowRef> rows,
                                  arrow::MemoryPool* pool) const {
  if (rows.empty()) return arrow::MakeEmptyArray(columns_[column].type, pool);
  return Gatherer{columns_[column], rows, pool}.Run();
}

Result<std::vector<ArrayPtr>> RowStore::Gather(std::span<const RowRef> rows,
                                               arrow::MemoryPool* pool) const {
  std::vector<ArrayPtr> arrays;
  arrays.reserve(columns_.size());
  for (size_t i = 0; i < columns_.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(), Gather(i, rows, pool));
  }
  return arrays;
}

int64_t RowStore::BytesOf(RowRef row) const {
  int64_t bytes = fixed_bytes_;
  if (row.none()) return bytes;
  for (size_t index : varying_) {
    const View& view = columns_[index].views[static_cast<size_t>(row.chunk)];
    bytes += view.offsets == nullptr ? view.mean_bytes
                                     : view.offsets[row.row + 1] - view.offsets[row.row];
  }
  return bytes;
}

int64_t RowStore::BytesMaxOf(int32_t chunk) const {
  int64_t bytes = fixed_bytes_;
  for (size_t index : varying_) {
    const View& view = columns_[index].views[static_cast<size_t>(chunk)];
    int32_t most = 0;
    for (int64_t row = 0; view.offsets != nullptr && row < view.array->length(); ++row) {
      most = std::max(most, view.offsets[row + 1] - view.offsets[row]);
    }
    bytes += view.offsets == nullptr ? view.mean_bytes : most;
  }
  return bytes;
}

int64_t RowStore::bytes_per_chunk() const {
  // A view, and what Arrow keeps per array: the array, its data, its buffers.
  constexpr int64_t kArrayBytes = 512;
  return static_cast<int64_t>(columns_.size()) * (static_cast<int64_t>(sizeof(View)) + kArrayBytes);
}

namespace {

template <typename Offset>
void AddTextBytes(const arrow::ArrayData& data, std::vector<int64_t>* bytes) {
  if (data.buffers[1] == nullptr) return;
  const auto* offsets = data.GetValues<Offset>(1);
  for (size_t i = 0; i < bytes->size(); ++i) {
    (*bytes)[i] += static_cast<int64_t>(sizeof(Offset)) + (offsets[i + 1] - offsets[i]);
  }
}

void AddMeanBytes(const ArrayPtr& column, std::vector<int64_t>* bytes) {
  const Batch alone({column}, column->length());
  const int64_t mean = alone.num_bytes() / std::max<int64_t>(column->length(), 1);
  for (int64_t& row : *bytes) row += mean;
}

}  // namespace

std::vector<int64_t> RowBytes(const Batch& batch) {
  std::vector<int64_t> bytes(static_cast<size_t>(batch.num_rows()), 0);
  for (const ArrayPtr& column : batch.columns()) {
    switch (column->type()->storage_id()) {
      case Type::STRING:
      case Type::BINARY:
        AddTextBytes<int32_t>(*column->data(), &bytes);
        break;
      case Type::LARGE_STRING:
      case Type::LARGE_BINARY:
        AddTextBytes<int64_t>(*column->data(), &bytes);
        break;
      default:
        AddMeanBytes(column, &bytes);
    }
  }
  return bytes;
}

}  // namespace headrace
