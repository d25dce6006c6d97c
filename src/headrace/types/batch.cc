// Batch: slicing, compaction, gathering and concatenation over any encoding.
#include "headrace/types/batch.h"

#include <algorithm>
#include <cstring>

#include "arrow/array.h"
#include "arrow/array/concatenate.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/exec.h"
#include "arrow/extension_type.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "arrow/util/bit_util.h"
#include "headrace/base/check.h"
#include "headrace/base/limits.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

using arrow::ArrayData;

int64_t BytesOf(const ArrayData& data, int64_t offset, int64_t length);

// Bytes between the first and the last of `length` + 1 offsets, and of the values they bound.
template <typename Offset>
std::pair<int64_t, int64_t> OffsetRange(const ArrayData& data, int64_t offset, int64_t length) {
  if (data.buffers[1] == nullptr || length == 0) return {0, 0};
  const auto* offsets = reinterpret_cast<const Offset*>(data.buffers[1]->data()) + offset;
  return {offsets[0], offsets[length]};
}

template <typename Offset>
int64_t BytesOfVariable(const ArrayData& data, int64_t offset, int64_t length) {
  const auto [first, last] = OffsetRange<Offset>(data, offset, length);
  int64_t values = last - first;
  if (!data.child_data.empty()) {
    const ArrayData& child = *data.child_data[0];
    values = BytesOf(child, child.offset + first, last - first);
  }
  return (length + 1) * static_cast<int64_t>(sizeof(Offset)) + values;
}

// The share of `length` rows in the buffers of `data` whose parts are not addressed by row.
int64_t BytesByShare(const ArrayData& data, int64_t length) {
  int64_t bytes = 0;
  for (const auto& buffer : data.buffers) bytes += buffer == nullptr ? 0 : buffer->size();
  for (const auto& child : data.child_data) bytes += BytesOf(*child, 0, child->length);
  const int64_t rows = std::max<int64_t>(data.length + data.offset, 1);
  return static_cast<int64_t>(static_cast<double>(bytes) * static_cast<double>(length) /
                              static_cast<double>(rows));
}

// Validity, fixed-width values and children of the same length.
int64_t BytesOfFixed(const ArrayData& data, int64_t offset, int64_t length) {
  using Kind = arrow::DataTypeLayout;
  int64_t bytes = 0;
  const arrow::DataTypeLayout layout = data.type->layout();
  for (size_t i = 0; i < layout.buffers.size(); ++i) {
    const auto& buffer = layout.buffers[i];
    if (data.buffers[i] == nullptr) continue;
    if (buffer.kind == Kind::FIXED_WIDTH) bytes += buffer.byte_width * length;
    if (buffer.kind == Kind::BITMAP) bytes += arrow::bit_util::BytesForBits(length);
  }
  for (const auto& child : data.child_data) {
    bytes += BytesOf(*child, child->offset + offset, length);
  }
  return bytes;
}

int64_t WidthOf(const arrow::DataType& type) {
  if (type.id() == arrow::Type::EXTENSION) {
    return WidthOf(*static_cast<const arrow::ExtensionType&>(type).storage_type());
  }
  return static_cast<const arrow::FixedSizeListType&>(type).list_size();
}

// `offset` counts from the start of the buffers, as ArrayData::offset does.
int64_t BytesOf(const ArrayData& data, int64_t offset, int64_t length) {
  const bool has_nulls = !data.buffers.empty() && data.buffers[0] != nullptr;
  const int64_t validity = has_nulls ? arrow::bit_util::BytesForBits(length) : 0;
  switch (data.type->storage_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
    case arrow::Type::LIST:
    case arrow::Type::MAP:
      return validity + BytesOfVariable<int32_t>(data, offset, length);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::LARGE_LIST:
      return validity + BytesOfVariable<int64_t>(data, offset, length);
    case arrow::Type::FIXED_SIZE_LIST: {
      const ArrayData& child = *data.child_data[0];
      const int64_t width = WidthOf(*data.type);
      return validity + BytesOf(child, child.offset + offset * width, length * width);
    }
    case arrow::Type::DICTIONARY:
      return BytesOfFixed(data, offset, length) +
             BytesOf(*data.dictionary, data.dictionary->offset, data.dictionary->length);
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::LIST_VIEW:
    case arrow::Type::LARGE_LIST_VIEW:
    case arrow::Type::RUN_END_ENCODED:
    case arrow::Type::DENSE_UNION:
      return BytesByShare(data, length);
    default:
      return BytesOfFixed(data, offset, length);
  }
}

std::shared_ptr<arrow::Array> IndicesOf(const std::vector<uint32_t>& selection) {
  auto buffer = arrow::Buffer::Wrap(selection.data(), selection.size());
  return std::make_shared<arrow::UInt32Array>(static_cast<int64_t>(selection.size()),
                                              std::move(buffer));
}

// Arrow's Take knows no view types: those are decoded first.
bool HasViews(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::LIST_VIEW:
    case arrow::Type::LARGE_LIST_VIEW:
    case arrow::Type::RUN_END_ENCODED:
      return true;
    case arrow::Type::DICTIONARY:
      return HasViews(*static_cast<const arrow::DictionaryType&>(type).value_type());
    default:
      return std::any_of(type.fields().begin(), type.fields().end(),
                         [](const auto& field) { return HasViews(*field->type()); });
  }
}

/// Bytes of a value of numbers, dates and times without nulls; 0: anything else.
int GatheredWidth(const arrow::Array& array) {
  const arrow::Type::type id = array.type_id();
  if (!arrow::is_primitive(id) || id == arrow::Type::BOOL || array.null_count() > 0) return 0;
  const int width = array.type()->byte_width();
  return width <= 8 ? width : 0;
}

template <typename T>
void Gather(const ArrayData& from, const uint32_t* rows, int64_t count, uint8_t* out) {
  const T* const values = from.GetValues<T>(1);
  T* const to = reinterpret_cast<T*>(out);
  for (int64_t i = 0; i < count; ++i) to[i] = values[rows[i]];
}

/// REQUIRES: `width` is GatheredWidth, `indices` are of 32 bits, none null.
Result<ArrayPtr> GatherColumn(const arrow::Array& column, int width, const arrow::Array& indices,
                              arrow::MemoryPool* pool) {
  const auto* const rows = indices.data()->GetValues<uint32_t>(1);
  const int64_t count = indices.length();
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values,
                        arrow::AllocateBuffer(count * width, pool));
  uint8_t* const out = values->mutable_data();
  if (width == 1) Gather<uint8_t>(*column.data(), rows, count, out);
  if (width == 2) Gather<uint16_t>(*column.data(), rows, count, out);
  if (width == 4) Gather<uint32_t>(*column.data(), rows, count, out);
  if (width == 8) Gather<uint64_t>(*column.data(), rows, count, out);
  return arrow::MakeArray(ArrayData::Make(column.type(), count, {nullptr, std::move(values)}, 0));
}

Result<ArrayPtr> TakeColumn(const ArrayPtr& column, const arrow::Array& indices,
                            arrow::MemoryPool* pool) {
  const int width = GatheredWidth(*column);
  if (width > 0 && indices.type_id() == arrow::Type::UINT32 && indices.null_count() == 0) {
    return GatherColumn(*column, width, indices, pool);
  }
  arrow::compute::ExecContext context(pool);
  context.set_use_threads(false);
  ArrayPtr values = column;
  if (HasViews(*values->type())) {
    ARROW_ASSIGN_OR_RAISE(values, Decode(values, pool));
  }
  return arrow::compute::Take(*values, indices, arrow::compute::TakeOptions::NoBoundsCheck(),
                              &context);
}

bool HasDictionary(const arrow::DataType& type) {
  return type.id() == arrow::Type::DICTIONARY ||
         std::any_of(type.fields().begin(), type.fields().end(),
                     [](const auto& field) { return HasDictionary(*field->type()); });
}

bool ShareDictionaries(const ArrayData& left, const ArrayData& right) {
  if (left.dictionary != right.dictionary) return false;
  for (size_t i = 0; i < left.child_data.size(); ++i) {
    if (!ShareDictionaries(*left.child_data[i], *right.child_data[i])) return false;
  }
  return true;
}

// Arrow can join the arrays as they are: one type, and one dictionary where there are any.
bool SameEncoding(const arrow::ArrayVector& arrays) {
  const arrow::Array& first = *arrays[0];
  const bool dictionary = HasDictionary(*first.type());
  return std::all_of(arrays.begin(), arrays.end(), [&](const ArrayPtr& array) {
    return array->type()->Equals(*first.type()) &&
           (!dictionary || ShareDictionaries(*first.data(), *array->data()));
  });
}

Result<ArrayPtr> ConcatenateColumn(arrow::ArrayVector arrays, arrow::MemoryPool* pool) {
  if (!SameEncoding(arrays) || HasViews(*arrays[0]->type())) {
    const TypePtr plain = PlainType(arrays[0]->type());
    for (ArrayPtr& array : arrays) {
      ARROW_ASSIGN_OR_RAISE(array, Encode(array, plain, pool));
    }
  }
  Result<ArrayPtr> joined = arrow::Concatenate(arrays, pool);
  if (!joined.ok() && joined.status().IsInvalid()) {
    return Error(ErrorKind::kMemoryLimit, "joining {} batches: {}", arrays.size(),
                 joined.status().message());
  }
  return joined;
}

Result<ArrayPtr> Insertions(int64_t num_rows, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateBuffer(num_rows, pool));
  std::memset(buffer->mutable_data(), 1, static_cast<size_t>(num_rows));
  return std::make_shared<arrow::Int8Array>(num_rows, std::move(buffer));
}

Result<ArrayPtr> ConcatenateChanges(const std::vector<Batch>& batches, arrow::MemoryPool* pool) {
  const auto has_change = [](const Batch& batch) { return batch.change() != nullptr; };
  if (std::none_of(batches.begin(), batches.end(), has_change)) return nullptr;
  arrow::ArrayVector changes;
  for (const Batch& batch : batches) {
    if (has_change(batch)) {
      changes.push_back(batch.change());
    } else {
      ARROW_ASSIGN_OR_RAISE(changes.emplace_back(), Insertions(batch.num_rows(), pool));
    }
  }
  return arrow::Concatenate(changes, pool);
}

}  // namespace

Batch Batch::FromRecordBatch(const arrow::RecordBatch& record_batch) {
  return Batch(record_batch.columns(), record_batch.num_rows());
}

int64_t Batch::num_rows() const {
  return selection_ == nullptr ? num_rows_ : static_cast<int64_t>(selection_->size());
}

RowPosition Batch::PositionOf(int64_t row) const {
  return {ordinal_.split, ordinal_.seq * kBatchRowsMax + row};
}

Batch Batch::WithColumns(std::vector<ArrayPtr> columns) const {
  Batch result = *this;
  result.columns_ = std::move(columns);
  return result;
}

Batch Batch::WithSelection(Selection selection) const {
  Batch result = *this;
  result.selection_ = std::move(selection);
  return result;
}

Batch Batch::Slice(int64_t offset, int64_t length) const {
  HEADRACE_DCHECK(selection_ == nullptr, "slice of a batch that is not compacted");
  Batch result = *this;
  for (ArrayPtr& column : result.columns_) column = column->Slice(offset, length);
  if (change_ != nullptr) result.change_ = change_->Slice(offset, length);
  result.num_rows_ = length;
  return result;
}

Result<Batch> Batch::Compact(arrow::MemoryPool* pool) const {
  if (selection_ == nullptr) return *this;
  Batch all = WithSelection(nullptr);
  const auto count = static_cast<int64_t>(selection_->size());
  if (count == 0) return all.Slice(0, 0);
  const int64_t first = selection_->front();
  const bool is_run = selection_->back() - first + 1 == count;
  // A slice holds all rows in memory.
  if (is_run && count * kSelectionDensityInverse >= num_rows_) return all.Slice(first, count);
  return all.Take(*IndicesOf(*selection_), pool);
}

Result<Batch> Batch::Take(const arrow::Array& indices, arrow::MemoryPool* pool) const {
  HEADRACE_DCHECK(selection_ == nullptr, "take from a batch that is not compacted");
  Batch result = *this;
  for (ArrayPtr& column : result.columns_) {
    ARROW_ASSIGN_OR_RAISE(column, TakeColumn(column, indices, pool));
  }
  if (change_ != nullptr) {
    ARROW_ASSIGN_OR_RAISE(result.change_, TakeColumn(change_, indices, pool));
  }
  result.num_rows_ = indices.length();
  return result;
}

int64_t Batch::num_bytes() const {
  int64_t bytes = change_ == nullptr ? 0 : num_rows_;
  for (const ArrayPtr& column : columns_) {
    bytes += BytesOf(*column->data(), column->offset(), column->length());
  }
  if (selection_ != nullptr) bytes += static_cast<int64_t>(selection_->size() * sizeof(uint32_t));
  return bytes;
}

std::shared_ptr<arrow::RecordBatch> Batch::ToRecordBatch(const SchemaPtr& schema) const {
  HEADRACE_DCHECK(selection_ == nullptr, "record batch of a batch that is not compacted");
  arrow::FieldVector fields = schema->fields();
  bool same = true;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i]->type()->Equals(*columns_[i]->type())) continue;
    fields[i] = fields[i]->WithType(columns_[i]->type());
    same = false;
  }
  SchemaPtr actual = same ? schema : arrow::schema(std::move(fields), schema->metadata());
  return arrow::RecordBatch::Make(std::move(actual), num_rows_, columns_);
}

Result<Batch> ConcatenateBatches(const std::vector<Batch>& batches, arrow::MemoryPool* pool) {
  HEADRACE_CHECK(!batches.empty(), "no batches to concatenate");
  if (batches.size() == 1) return batches[0];
  int64_t num_rows = 0;
  for (const Batch& batch : batches) {
    HEADRACE_DCHECK(batch.selection() == nullptr, "batches to concatenate are compacted");
    num_rows += batch.num_rows();
  }
  std::vector<ArrayPtr> columns;
  for (size_t i = 0; i < batches[0].columns().size(); ++i) {
    arrow::ArrayVector arrays;
    for (const Batch& batch : batches) arrays.push_back(batch.columns()[i]);
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), ConcatenateColumn(std::move(arrays), pool));
  }
  Batch result(std::move(columns), num_rows);
  result.set_ordinal(batches[0].ordinal());
  ARROW_ASSIGN_OR_RAISE(ArrayPtr change, ConcatenateChanges(batches, pool));
  result.set_change(std::move(change));
  return result;
}

}  // namespace headrace
