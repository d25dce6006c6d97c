// One loop per width of the values and of the differences; both are chosen once per column.
#include "headrace/exec/spill/narrow_columns.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "arrow/array.h"
#include "arrow/array/util.h"
#include "arrow/buffer.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "arrow/util/bitmap_ops.h"

namespace headrace {
namespace {

using BufferPtr = std::shared_ptr<arrow::Buffer>;

// What is said of a narrow column takes as many bytes as a few rows spare.
constexpr int64_t kNarrowRowsMin = 32;

bool HoldsIntegers(const arrow::DataType& type) {
  const arrow::Type::type id = type.id();
  return arrow::is_integer(id) || arrow::is_temporal(id) || id == arrow::Type::DURATION ||
         id == arrow::Type::INTERVAL_MONTHS;
}

bool HoldsTexts(const arrow::DataType& type) { return arrow::is_base_binary_like(type.id()); }

bool HasLargeOffsets(const arrow::DataType& type) { return arrow::is_large_binary_like(type.id()); }

// Calls body with a value of the signed integer type of so many bytes.
template <typename Body>
auto WithInteger(int width, Body body) {
  if (width == 8) return body(int64_t{});
  return width == 4 ? body(int32_t{}) : body(int16_t{});
}

template <typename Body>
auto WithDifference(uint32_t width, Body body) {
  if (width == 4) return body(uint32_t{});
  return width == 2 ? body(uint16_t{}) : body(uint8_t{});
}

// 0: the values are too far apart.
uint32_t WidthOf(uint64_t range, int own_width) {
  const uint32_t width = range <= UINT8_MAX ? 1 : range <= UINT16_MAX ? 2 : 4;
  return range <= UINT32_MAX && static_cast<int>(width) < own_width ? width : 0;
}

TypePtr DifferenceType(uint32_t width) {
  return WithDifference(width, [](auto difference) -> TypePtr {
    return arrow::CTypeTraits<decltype(difference)>::type_singleton();
  });
}

// The bits that say which rows are not null, from bit 0 on; null where all are.
Result<BufferPtr> ValidityOf(const arrow::ArrayData& data, arrow::MemoryPool* pool) {
  if (data.GetNullCount() == 0) return nullptr;
  return arrow::internal::CopyBitmap(pool, data.buffers[0]->data(), data.offset, data.length);
}

// -- Integers

// What of NarrowColumn describes the values; nothing where they do not get narrower.
template <typename T>
std::optional<NarrowColumn> JudgeIntegers(const T* values, int64_t count) {
  T least = values[0];
  T greatest = values[0];
  for (int64_t i = 1; i < count; ++i) {
    least = std::min(least, values[i]);
    greatest = std::max(greatest, values[i]);
  }
  const auto range = static_cast<uint64_t>(greatest) - static_cast<uint64_t>(least);
  const uint32_t width = WidthOf(range, sizeof(T));
  if (width == 0) return std::nullopt;
  return NarrowColumn{0, width, least};
}

template <typename T>
Result<BufferPtr> Differences(const T* values, int64_t count, const NarrowColumn& narrow,
                              arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(BufferPtr buffer, arrow::AllocateBuffer(count * narrow.width, pool));
  const auto base = static_cast<uint64_t>(narrow.base);
  WithDifference(narrow.width, [&]<typename Difference>(Difference) {
    auto* out = reinterpret_cast<Difference*>(buffer->mutable_data());
    for (int64_t i = 0; i < count; ++i) {
      out[i] = static_cast<Difference>(static_cast<uint64_t>(values[i]) - base);
    }
  });
  return buffer;
}

// Null where the values stay as they are.
Result<ArrayPtr> NarrowIntegers(const arrow::ArrayData& data, NarrowColumn* narrow,
                                arrow::MemoryPool* pool) {
  const int width = data.type->byte_width();
  if (width < 2) return nullptr;
  return WithInteger(width, [&]<typename T>(T) -> Result<ArrayPtr> {
    const T* values = data.GetValues<T>(1);
    const auto judged = JudgeIntegers(values, data.length);
    if (!judged.has_value()) return nullptr;
    *narrow = *judged;
    ARROW_ASSIGN_OR_RAISE(auto differences, Differences(values, data.length, *narrow, pool));
    ARROW_ASSIGN_OR_RAISE(auto validity, ValidityOf(data, pool));
    return arrow::MakeArray(arrow::ArrayData::Make(DifferenceType(narrow->width), data.length,
                                                   {validity, differences}));
  });
}

Result<ArrayPtr> WidenIntegers(const arrow::ArrayData& data, const TypePtr& type,
                               const NarrowColumn& narrow, arrow::MemoryPool* pool) {
  const int width = type->byte_width();
  ARROW_ASSIGN_OR_RAISE(BufferPtr buffer, arrow::AllocateBuffer(data.length * width, pool));
  const auto base = static_cast<uint64_t>(narrow.base);
  WithInteger(width, [&]<typename T>(T) {
    auto* out = reinterpret_cast<T*>(buffer->mutable_data());
    WithDifference(narrow.width, [&]<typename Difference>(Difference) {
      const auto* differences = data.GetValues<Difference>(1);
      for (int64_t i = 0; i < data.length; ++i) out[i] = static_cast<T>(base + differences[i]);
    });
  });
  return arrow::MakeArray(
      arrow::ArrayData::Make(type, data.length, {data.buffers[0], buffer}, data.null_count));
}

// -- Texts

template <typename Offset>
std::optional<int64_t> CommonLength(const Offset* offsets, int64_t count) {
  const int64_t length = int64_t{offsets[1]} - offsets[0];
  bool is_common = true;
  for (int64_t i = 1; i < count; ++i) is_common &= offsets[i + 1] - offsets[i] == length;
  if (!is_common || length > std::numeric_limits<int32_t>::max()) return std::nullopt;
  return length;
}

template <typename Offset>
Result<ArrayPtr> DropOffsets(const arrow::ArrayData& data, NarrowColumn* narrow) {
  const auto* offsets = data.GetValues<Offset>(1);
  const auto length = CommonLength(offsets, data.length);
  if (!length.has_value() || *length == 0 || data.GetNullCount() > 0) return nullptr;
  narrow->base = *length;
  const auto bytes = arrow::SliceBuffer(data.buffers[2], offsets[0], *length * data.length);
  const auto type = arrow::fixed_size_binary(static_cast<int32_t>(*length));
  return arrow::MakeArray(arrow::ArrayData::Make(type, data.length, {nullptr, bytes}, 0));
}

template <typename Offset>
Result<ArrayPtr> AddOffsets(const arrow::ArrayData& data, const TypePtr& type,
                            const NarrowColumn& narrow, arrow::MemoryPool* pool) {
  if (narrow.base * data.length > std::numeric_limits<Offset>::max()) {
    return Status::Invalid("more bytes of text than its offsets can tell");
  }
  const auto bytes = static_cast<int64_t>(sizeof(Offset)) * (data.length + 1);
  ARROW_ASSIGN_OR_RAISE(BufferPtr buffer, arrow::AllocateBuffer(bytes, pool));
  auto* offsets = reinterpret_cast<Offset*>(buffer->mutable_data());
  for (int64_t i = 0; i <= data.length; ++i) offsets[i] = static_cast<Offset>(i * narrow.base);
  return arrow::MakeArray(arrow::ArrayData::Make(
      type, data.length, {data.buffers[0], buffer, data.buffers[1]}, data.null_count));
}

// -- Columns

// Null where the column stays as it is.
Result<ArrayPtr> NarrowOne(const arrow::ArrayData& data, NarrowColumn* narrow,
                           arrow::MemoryPool* pool) {
  if (HoldsIntegers(*data.type)) return NarrowIntegers(data, narrow, pool);
  if (!HoldsTexts(*data.type)) return nullptr;
  return HasLargeOffsets(*data.type) ? DropOffsets<int64_t>(data, narrow)
                                     : DropOffsets<int32_t>(data, narrow);
}

Result<ArrayPtr> WidenOne(const arrow::ArrayData& data, const TypePtr& type,
                          const NarrowColumn& narrow, arrow::MemoryPool* pool) {
  if (narrow.width > 0) return WidenIntegers(data, type, narrow, pool);
  return HasLargeOffsets(*type) ? AddOffsets<int64_t>(data, type, narrow, pool)
                                : AddOffsets<int32_t>(data, type, narrow, pool);
}

Result<TypePtr> NarrowType(const arrow::DataType& type, const NarrowColumn& narrow) {
  const bool is_width = narrow.width == 1 || narrow.width == 2 || narrow.width == 4;
  if (is_width && HoldsIntegers(type) && static_cast<int>(narrow.width) < type.byte_width()) {
    return DifferenceType(narrow.width);
  }
  const bool is_length = narrow.base > 0 && narrow.base <= std::numeric_limits<int32_t>::max();
  if (narrow.width == 0 && HoldsTexts(type) && is_length) {
    return arrow::fixed_size_binary(static_cast<int32_t>(narrow.base));
  }
  return Status::Invalid(fmt::format("a column of type {} cannot be kept in a width of {}",
                                     type.ToString(), narrow.width));
}

}  // namespace

Result<std::shared_ptr<arrow::RecordBatch>> NarrowColumns(const arrow::RecordBatch& batch,
                                                          arrow::MemoryPool* pool,
                                                          std::vector<NarrowColumn>* narrow) {
  narrow->clear();
  if (batch.num_rows() < kNarrowRowsMin) return nullptr;
  std::vector<ArrayPtr> columns = batch.columns();
  for (size_t i = 0; i < columns.size(); ++i) {
    NarrowColumn how;
    ARROW_ASSIGN_OR_RAISE(ArrayPtr column, NarrowOne(*columns[i]->data(), &how, pool));
    if (column == nullptr) continue;
    columns[i] = std::move(column);
    how.column = static_cast<uint32_t>(i);
    narrow->push_back(how);
  }
  if (narrow->empty()) return nullptr;
  ARROW_ASSIGN_OR_RAISE(SchemaPtr schema, NarrowSchema(batch.schema(), *narrow));
  return arrow::RecordBatch::Make(std::move(schema), batch.num_rows(), std::move(columns));
}

Result<SchemaPtr> NarrowSchema(const SchemaPtr& schema, std::span<const NarrowColumn> narrow) {
  if (narrow.empty()) return schema;
  arrow::FieldVector fields = schema->fields();
  int64_t last = -1;
  for (const NarrowColumn& how : narrow) {
    if (how.column >= fields.size() || int64_t{how.column} <= last) {
      return Status::Invalid(fmt::format("there is no narrow column {} here", how.column));
    }
    last = how.column;
    ARROW_ASSIGN_OR_RAISE(TypePtr type, NarrowType(*fields[how.column]->type(), how));
    fields[how.column] = fields[how.column]->WithType(type);
  }
  return arrow::schema(std::move(fields));
}

Result<std::shared_ptr<arrow::RecordBatch>> WidenColumns(
    const std::shared_ptr<arrow::RecordBatch>& batch, const SchemaPtr& schema,
    std::span<const NarrowColumn> narrow, arrow::MemoryPool* pool) {
  if (narrow.empty()) return batch;
  std::vector<ArrayPtr> columns = batch->columns();
  for (const NarrowColumn& how : narrow) {
    const TypePtr& type = schema->field(static_cast<int>(how.column))->type();
    ARROW_ASSIGN_OR_RAISE(columns[how.column],
                          WidenOne(*columns[how.column]->data(), type, how, pool));
  }
  return arrow::RecordBatch::Make(schema, batch->num_rows(), std::move(columns));
}

}  // namespace headrace
