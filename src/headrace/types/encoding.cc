// Conversion between encodings of one logical type: one recursion over (array, wanted type). Every
// step reads only the rows of its slice and writes arrays of offset 0.
#include "headrace/types/encoding.h"

#include <limits>

#include "arrow/array.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/util.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/cast.h"
#include "arrow/compute/exec.h"
#include "arrow/extension_type.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "arrow/util/bit_util.h"
#include "arrow/util/bitmap_ops.h"

namespace headrace {
namespace {

using arrow::ArrayData;
using arrow::Type;
using BufferPtr = std::shared_ptr<arrow::Buffer>;
using DataPtr = std::shared_ptr<ArrayData>;

constexpr int64_t kOffset32Max = std::numeric_limits<int32_t>::max();

// ---- Plain types ----

arrow::FieldVector PlainFields(const arrow::DataType& type, bool* changed) {
  arrow::FieldVector fields = type.fields();
  for (auto& field : fields) {
    TypePtr plain = PlainType(field->type());
    if (plain == field->type()) continue;
    field = field->WithType(std::move(plain));
    *changed = true;
  }
  return fields;
}

TypePtr PlainNested(const TypePtr& type) {
  bool changed = false;
  arrow::FieldVector fields = PlainFields(*type, &changed);
  switch (type->id()) {
    case Type::LARGE_LIST:
    case Type::LIST_VIEW:
    case Type::LARGE_LIST_VIEW:
      return arrow::list(fields[0]);
    case Type::LIST:
      return changed ? arrow::list(fields[0]) : type;
    case Type::FIXED_SIZE_LIST: {
      const auto& list = static_cast<const arrow::FixedSizeListType&>(*type);
      return changed ? arrow::fixed_size_list(fields[0], list.list_size()) : type;
    }
    case Type::STRUCT:
      return changed ? arrow::struct_(std::move(fields)) : type;
    default: {
      const auto& map = static_cast<const arrow::MapType&>(*type);
      return changed ? std::make_shared<arrow::MapType>(fields[0], map.keys_sorted()) : type;
    }
  }
}

// Equality of plain types that ignores what no value depends on: names of list items and map
// entries, nullability, metadata, sortedness of maps.
bool SamePlain(const arrow::DataType& left, const arrow::DataType& right) {
  if (left.id() != right.id()) return false;
  switch (left.id()) {
    case Type::FIXED_SIZE_LIST:
      if (static_cast<const arrow::FixedSizeListType&>(left).list_size() !=
          static_cast<const arrow::FixedSizeListType&>(right).list_size()) {
        return false;
      }
      break;
    case Type::LIST:
    case Type::STRUCT:
    case Type::MAP:
      break;
    default:
      return left.Equals(right);
  }
  if (left.num_fields() != right.num_fields()) return false;
  for (int i = 0; i < left.num_fields(); ++i) {
    const arrow::Field& a = *left.field(i);
    const arrow::Field& b = *right.field(i);
    if (left.id() == Type::STRUCT && a.name() != b.name()) return false;
    // The entries of a map are a struct whose field names carry no meaning.
    if (left.id() == Type::MAP) {
      return SamePlain(*a.type()->field(0)->type(), *b.type()->field(0)->type()) &&
             SamePlain(*a.type()->field(1)->type(), *b.type()->field(1)->type());
    }
    if (!SamePlain(*a.type(), *b.type())) return false;
  }
  return true;
}

// ---- Conversion ----

Result<DataPtr> Convert(const DataPtr& in, const TypePtr& to, arrow::MemoryPool* pool);

Status TooLarge(const TypePtr& to, int64_t size) {
  return Error(ErrorKind::kMemoryLimit,
               "one batch of {} holds at most {} bytes or items; use smaller batches or a large "
               "type; got {}",
               to->ToString(), kOffset32Max, size);
}

// The validity bitmap of the slice, starting at bit 0; null when there is none.
Result<BufferPtr> ValidityOf(const ArrayData& in, arrow::MemoryPool* pool) {
  const BufferPtr& bits = in.buffers[0];
  if (bits == nullptr || in.null_count == 0) return nullptr;
  if (in.offset == 0) return bits;
  if (in.offset % 8 == 0) {
    return arrow::SliceBuffer(bits, in.offset / 8, arrow::bit_util::BytesForBits(in.length));
  }
  return arrow::internal::CopyBitmap(pool, bits->data(), in.offset, in.length);
}

DataPtr WithType(const DataPtr& in, const TypePtr& to) {
  if (in->type == to) return in;
  DataPtr out = in->Copy();
  out->type = to;
  return out;
}

DataPtr MakeData(const TypePtr& to, int64_t length, std::vector<BufferPtr> buffers) {
  const int64_t null_count = buffers[0] == nullptr ? 0 : arrow::kUnknownNullCount;
  return ArrayData::Make(to, length, std::move(buffers), null_count);
}

bool IsLarge(const arrow::DataType& type) {
  return type.id() == Type::LARGE_STRING || type.id() == Type::LARGE_BINARY ||
         type.id() == Type::LARGE_LIST || type.id() == Type::LARGE_LIST_VIEW;
}

// Offsets of a slice counted from its first one, and the range they cover in the values.
struct OffsetSlice {
  BufferPtr offsets;  // length + 1 of the wanted width
  int64_t first = 0;
  int64_t last = 0;
};

template <typename In, typename Out>
Result<OffsetSlice> RebaseOffsets(const ArrayData& in, const TypePtr& to, arrow::MemoryPool* pool) {
  OffsetSlice slice;
  const In* offsets = in.length == 0 ? nullptr : in.GetValues<In>(1);
  if (offsets != nullptr) {
    slice.first = offsets[0];
    slice.last = offsets[in.length];
  }
  if (slice.last - slice.first > std::numeric_limits<Out>::max()) {
    return TooLarge(to, slice.last - slice.first);
  }
  const int64_t bytes = (in.length + 1) * static_cast<int64_t>(sizeof(Out));
  ARROW_ASSIGN_OR_RAISE(slice.offsets, arrow::AllocateBuffer(bytes, pool));
  auto* out = slice.offsets->mutable_data_as<Out>();
  out[0] = 0;
  for (int64_t i = 1; i <= in.length; ++i) out[i] = static_cast<Out>(offsets[i] - slice.first);
  return slice;
}

Result<OffsetSlice> SliceOffsets(const ArrayData& in, const TypePtr& to, bool large,
                                 arrow::MemoryPool* pool) {
  if (IsLarge(*in.type)) {
    return large ? RebaseOffsets<int64_t, int64_t>(in, to, pool)
                 : RebaseOffsets<int64_t, int32_t>(in, to, pool);
  }
  return large ? RebaseOffsets<int32_t, int64_t>(in, to, pool)
               : RebaseOffsets<int32_t, int32_t>(in, to, pool);
}

// -- Text and binary --

bool IsView(const arrow::DataType& type) {
  return type.id() == Type::STRING_VIEW || type.id() == Type::BINARY_VIEW;
}

template <typename Builder, typename InArray>
Result<DataPtr> CopyViews(const InArray& in, const TypePtr& to, arrow::MemoryPool* pool) {
  Builder builder(pool);
  ARROW_RETURN_NOT_OK(builder.Reserve(in.length()));
  for (int64_t i = 0; i < in.length(); ++i) {
    if (in.IsNull(i)) {
      builder.UnsafeAppendNull();
    } else {
      ARROW_RETURN_NOT_OK(builder.Append(in.GetView(i)));
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto array, builder.Finish());
  return WithType(array->data(), to);
}

// Views are copied value by value; only the valid ones are looked at.
Result<DataPtr> TextFromView(const DataPtr& in, const TypePtr& to, arrow::MemoryPool* pool) {
  const arrow::BinaryViewArray views(WithType(in, arrow::binary_view()));
  if (IsLarge(*to)) return CopyViews<arrow::LargeBinaryBuilder>(views, to, pool);
  int64_t bytes = 0;
  for (int64_t i = 0; i < views.length(); ++i) {
    if (views.IsValid(i)) bytes += static_cast<int64_t>(views.GetView(i).size());
  }
  if (bytes > arrow::kBinaryMemoryLimit) return TooLarge(to, bytes);
  return CopyViews<arrow::BinaryBuilder>(views, to, pool);
}

Result<DataPtr> ConvertText(const DataPtr& in, const TypePtr& to, arrow::MemoryPool* pool) {
  if (IsView(*in->type)) return TextFromView(in, to, pool);
  if (IsView(*to)) {
    if (IsLarge(*in->type)) {
      const arrow::LargeBinaryArray values(WithType(in, arrow::large_binary()));
      return CopyViews<arrow::BinaryViewBuilder>(values, to, pool);
    }
    const arrow::BinaryArray values(WithType(in, arrow::binary()));
    return CopyViews<arrow::BinaryViewBuilder>(values, to, pool);
  }
  ARROW_ASSIGN_OR_RAISE(OffsetSlice slice, SliceOffsets(*in, to, IsLarge(*to), pool));
  ARROW_ASSIGN_OR_RAISE(BufferPtr validity, ValidityOf(*in, pool));
  const BufferPtr bytes =
      in->buffers[2] == nullptr
          ? std::make_shared<arrow::Buffer>(nullptr, 0)
          : arrow::SliceBuffer(in->buffers[2], slice.first, slice.last - slice.first);
  return MakeData(to, in->length, {validity, slice.offsets, bytes});
}

// -- Nested --

// Lists and maps: any offset width to any other.
Result<DataPtr> ConvertList(const DataPtr& in, const TypePtr& to, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(OffsetSlice slice, SliceOffsets(*in, to, IsLarge(*to), pool));
  ARROW_ASSIGN_OR_RAISE(BufferPtr validity, ValidityOf(*in, pool));
  const DataPtr items = in->child_data[0]->Slice(slice.first, slice.last - slice.first);
  DataPtr out = MakeData(to, in->length, {validity, slice.offsets});
  ARROW_ASSIGN_OR_RAISE(DataPtr child, Convert(items, to->field(0)->type(), pool));
  out->child_data.push_back(std::move(child));
  return out;
}

template <typename Offset>
Result<BufferPtr> SizesOf(const ArrayData& list, arrow::MemoryPool* pool) {
  const int64_t bytes = list.length * static_cast<int64_t>(sizeof(Offset));
  ARROW_ASSIGN_OR_RAISE(BufferPtr buffer, arrow::AllocateBuffer(bytes, pool));
  const Offset* offsets = list.GetValues<Offset>(1);
  auto* sizes = buffer->mutable_data_as<Offset>();
  for (int64_t i = 0; i < list.length; ++i) sizes[i] = offsets[i + 1] - offsets[i];
  return buffer;
}

Result<DataPtr> ListViewFrom(const DataPtr& in, const TypePtr& to, arrow::MemoryPool* pool) {
  const bool large = IsLarge(*to);
  const TypePtr list = large ? arrow::large_list(to->field(0)) : arrow::list(to->field(0));
  ARROW_ASSIGN_OR_RAISE(DataPtr out, ConvertList(in, list, pool));
  ARROW_ASSIGN_OR_RAISE(BufferPtr sizes,
                        large ? SizesOf<int64_t>(*out, pool) : SizesOf<int32_t>(*out, pool));
  out->buffers.push_back(std::move(sizes));
  out->type = to;
  return out;
}

Result<DataPtr> ConvertFixedSizeList(const DataPtr& in, const TypePtr& to,
                                     arrow::MemoryPool* pool) {
  const int64_t size = static_cast<const arrow::FixedSizeListType&>(*to).list_size();
  ARROW_ASSIGN_OR_RAISE(BufferPtr validity, ValidityOf(*in, pool));
  DataPtr out = MakeData(to, in->length, {validity});
  const DataPtr items = in->child_data[0]->Slice(in->offset * size, in->length * size);
  ARROW_ASSIGN_OR_RAISE(DataPtr child, Convert(items, to->field(0)->type(), pool));
  out->child_data.push_back(std::move(child));
  return out;
}

Result<DataPtr> ConvertStruct(const DataPtr& in, const TypePtr& to, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(BufferPtr validity, ValidityOf(*in, pool));
  DataPtr out = MakeData(to, in->length, {validity});
  for (int i = 0; i < to->num_fields(); ++i) {
    const DataPtr values = in->child_data[static_cast<size_t>(i)]->Slice(in->offset, in->length);
    ARROW_ASSIGN_OR_RAISE(DataPtr child, Convert(values, to->field(i)->type(), pool));
    out->child_data.push_back(std::move(child));
  }
  return out;
}

// -- Gathering: list views, dictionaries, runs --

Result<DataPtr> Gather(const DataPtr& values, const DataPtr& indices, const TypePtr& to,
                       arrow::MemoryPool* pool) {
  arrow::compute::ExecContext context(pool);
  context.set_use_threads(false);
  auto taken = arrow::compute::Take(*arrow::MakeArray(values), *arrow::MakeArray(indices),
                                    arrow::compute::TakeOptions::NoBoundsCheck(), &context);
  if (!taken.ok() && KindOf(taken.status()) == ErrorKind::kBadData) {
    return Error(ErrorKind::kMemoryLimit, "decoding {} rows to {}: {}", indices->length,
                 to->ToString(), taken.status().message());
  }
  ARROW_RETURN_NOT_OK(taken.status());
  return (*taken)->data();
}

// Views may overlap and lie in any order: their items are gathered one by one.
template <typename Offset>
Result<DataPtr> ListFromView(const ArrayData& in, const TypePtr& to, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(BufferPtr validity, ValidityOf(in, pool));
  const Offset* starts = in.GetValues<Offset>(1);
  const Offset* sizes = in.GetValues<Offset>(2);
  const auto size_of = [&](int64_t i) {
    const bool valid = validity == nullptr || arrow::bit_util::GetBit(validity->data(), i);
    return valid ? static_cast<int64_t>(sizes[i]) : 0;
  };
  const int64_t offset_bytes = (in.length + 1) * static_cast<int64_t>(sizeof(int64_t));
  ARROW_ASSIGN_OR_RAISE(BufferPtr offsets, arrow::AllocateBuffer(offset_bytes, pool));
  auto* ends = offsets->mutable_data_as<int64_t>();
  ends[0] = 0;
  for (int64_t i = 0; i < in.length; ++i) ends[i + 1] = ends[i] + size_of(i);
  const int64_t total = ends[in.length];
  ARROW_ASSIGN_OR_RAISE(BufferPtr rows,
                        arrow::AllocateBuffer(total * static_cast<int64_t>(sizeof(int64_t)), pool));
  auto* row = rows->mutable_data_as<int64_t>();
  for (int64_t i = 0; i < in.length; ++i) {
    for (int64_t j = 0; j < ends[i + 1] - ends[i]; ++j) *row++ = starts[i] + j;
  }
  const DataPtr indices = ArrayData::Make(arrow::int64(), total, {nullptr, std::move(rows)}, 0);
  const TypePtr plain = PlainType(in.child_data[0]->type);
  ARROW_ASSIGN_OR_RAISE(DataPtr values, Convert(in.child_data[0], plain, pool));
  ARROW_ASSIGN_OR_RAISE(DataPtr items, Gather(values, indices, plain, pool));
  DataPtr list = MakeData(arrow::large_list(plain), in.length, {validity, std::move(offsets)});
  list->child_data.push_back(std::move(items));
  return Convert(list, to, pool);
}

const arrow::DictionaryType& DictionaryOf(const arrow::DataType& type) {
  return static_cast<const arrow::DictionaryType&>(type);
}

Result<DataPtr> FromDictionary(const DataPtr& in, const TypePtr& to, arrow::MemoryPool* pool) {
  DataPtr indices = in->Copy();
  indices->type = DictionaryOf(*in->type).index_type();
  indices->dictionary = nullptr;
  const TypePtr plain = PlainType(in->type);
  ARROW_ASSIGN_OR_RAISE(DataPtr values, Convert(in->dictionary, plain, pool));
  ARROW_ASSIGN_OR_RAISE(DataPtr out, Gather(values, indices, plain, pool));
  return Convert(out, to, pool);
}

Result<DataPtr> CastIndices(const DataPtr& indices, const TypePtr& to, arrow::MemoryPool* pool) {
  if (indices->type->Equals(*to)) return indices;
  arrow::compute::ExecContext context(pool);
  auto cast = arrow::compute::Cast(*arrow::MakeArray(indices), to,
                                   arrow::compute::CastOptions::Safe(to), &context);
  if (!cast.ok() && KindOf(cast.status()) == ErrorKind::kBadData) {
    return Error(ErrorKind::kOverflow, "a dictionary with more values than indices of type {}",
                 to->ToString());
  }
  ARROW_RETURN_NOT_OK(cast.status());
  return (*cast)->data();
}

// One dictionary entry per row, for value types that cannot be hashed.
Result<arrow::Datum> NumberRows(const DataPtr& in, arrow::MemoryPool* pool) {
  const int64_t bytes = in->length * static_cast<int64_t>(sizeof(int32_t));
  ARROW_ASSIGN_OR_RAISE(BufferPtr buffer, arrow::AllocateBuffer(bytes, pool));
  auto* indices = buffer->mutable_data_as<int32_t>();
  for (int64_t i = 0; i < in->length; ++i) indices[i] = static_cast<int32_t>(i);
  DataPtr out = ArrayData::Make(arrow::dictionary(arrow::int32(), in->type), in->length,
                                {nullptr, std::move(buffer)}, 0);
  out->dictionary = in;
  return arrow::Datum(std::move(out));
}

Result<DataPtr> ToDictionary(const DataPtr& in, const TypePtr& to, arrow::MemoryPool* pool) {
  const auto& type = DictionaryOf(*to);
  arrow::compute::ExecContext context(pool);
  auto encoded = arrow::compute::DictionaryEncode(
      in, arrow::compute::DictionaryEncodeOptions::Defaults(), &context);
  if (!encoded.ok() && encoded.status().IsNotImplemented()) encoded = NumberRows(in, pool);
  ARROW_RETURN_NOT_OK(encoded.status());
  DataPtr indices = encoded->array()->Copy();
  ARROW_ASSIGN_OR_RAISE(DataPtr values, Convert(indices->dictionary, type.value_type(), pool));
  indices->type = DictionaryOf(*indices->type).index_type();
  indices->dictionary = nullptr;
  ARROW_ASSIGN_OR_RAISE(DataPtr out, CastIndices(indices, type.index_type(), pool));
  out = out->Copy();
  out->type = to;
  out->dictionary = std::move(values);
  return out;
}

// Keeps the codes: only the width of the indices and the encoding of the values may change.
Result<DataPtr> Redictionary(const DataPtr& in, const TypePtr& to, arrow::MemoryPool* pool) {
  DataPtr indices = in->Copy();
  indices->type = DictionaryOf(*in->type).index_type();
  indices->dictionary = nullptr;
  ARROW_ASSIGN_OR_RAISE(DataPtr out, CastIndices(indices, DictionaryOf(*to).index_type(), pool));
  ARROW_ASSIGN_OR_RAISE(DataPtr values,
                        Convert(in->dictionary, DictionaryOf(*to).value_type(), pool));
  out = out->Copy();
  out->type = to;
  out->dictionary = std::move(values);
  return out;
}

// Whether every code of a dictionary of `in` fits the index type of `to`.
bool CodesFit(const ArrayData& in, const arrow::DataType& to) {
  const auto& index = static_cast<const arrow::FixedWidthType&>(*DictionaryOf(to).index_type());
  const int bits = index.bit_width() - (arrow::is_signed_integer(index.id()) ? 1 : 0);
  return bits >= 63 || in.dictionary->length <= (int64_t{1} << bits);
}

template <typename RunEnd>
void FillRuns(const arrow::Array& run_ends, int64_t length, int64_t* out) {
  const RunEnd* ends = run_ends.data()->GetValues<RunEnd>(1);
  int64_t row = 0;
  for (int64_t run = 0; run < run_ends.length() && row < length; ++run) {
    for (; row < length && row < static_cast<int64_t>(ends[run]); ++row) out[row] = run;
  }
}

Result<DataPtr> FromRuns(const DataPtr& in, const TypePtr& to, arrow::MemoryPool* pool) {
  const arrow::RunEndEncodedArray runs(in);
  ARROW_ASSIGN_OR_RAISE(ArrayPtr ends, runs.LogicalRunEnds(pool));
  const int64_t bytes = in->length * static_cast<int64_t>(sizeof(int64_t));
  ARROW_ASSIGN_OR_RAISE(BufferPtr buffer, arrow::AllocateBuffer(bytes, pool));
  auto* rows = buffer->mutable_data_as<int64_t>();
  switch (ends->type_id()) {
    case Type::INT16:
      FillRuns<int16_t>(*ends, in->length, rows);
      break;
    case Type::INT32:
      FillRuns<int32_t>(*ends, in->length, rows);
      break;
    default:
      FillRuns<int64_t>(*ends, in->length, rows);
  }
  const TypePtr plain = PlainType(in->type);
  ARROW_ASSIGN_OR_RAISE(DataPtr values, Convert(runs.LogicalValues()->data(), plain, pool));
  const DataPtr indices =
      ArrayData::Make(arrow::int64(), in->length, {nullptr, std::move(buffer)}, 0);
  ARROW_ASSIGN_OR_RAISE(DataPtr out, Gather(values, indices, plain, pool));
  return Convert(out, to, pool);
}

Status CannotConvert(const arrow::DataType& from, const arrow::DataType& to) {
  return Error(ErrorKind::kTypeMismatch, "expected a column of type {}, got {}", to.ToString(),
               from.ToString());
}

Result<DataPtr> ConvertPlain(const DataPtr& in, const TypePtr& to, arrow::MemoryPool* pool) {
  switch (to->id()) {
    case Type::DICTIONARY:
      return ToDictionary(in, to, pool);
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::STRING_VIEW:
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::BINARY_VIEW:
      return ConvertText(in, to, pool);
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::MAP:
      return ConvertList(in, to, pool);
    case Type::LIST_VIEW:
    case Type::LARGE_LIST_VIEW:
      return ListViewFrom(in, to, pool);
    case Type::FIXED_SIZE_LIST:
      return ConvertFixedSizeList(in, to, pool);
    case Type::STRUCT:
      return ConvertStruct(in, to, pool);
    case Type::RUN_END_ENCODED:
      return Error(ErrorKind::kUnsupported, "columns cannot be restored to type {}",
                   to->ToString());
    default:
      return in->type->id() == to->id() ? Result<DataPtr>(WithType(in, to))
                                        : CannotConvert(*in->type, *to);
  }
}

// REQUIRES: the types differ in encoding only.
Result<DataPtr> Convert(const DataPtr& in, const TypePtr& to, arrow::MemoryPool* pool) {
  if (in->type->Equals(*to, /*check_metadata=*/true)) return WithType(in, to);
  switch (in->type->id()) {
    case Type::DICTIONARY:
      return to->id() == Type::DICTIONARY && CodesFit(*in, *to) ? Redictionary(in, to, pool)
                                                                : FromDictionary(in, to, pool);
    case Type::RUN_END_ENCODED:
      return FromRuns(in, to, pool);
    case Type::LIST_VIEW:
      return ListFromView<int32_t>(*in, to, pool);
    case Type::LARGE_LIST_VIEW:
      return ListFromView<int64_t>(*in, to, pool);
    default:
      return ConvertPlain(in, to, pool);
  }
}

}  // namespace

TypePtr PlainType(const TypePtr& type) {
  switch (type->id()) {
    case Type::DICTIONARY:
      return PlainType(DictionaryOf(*type).value_type());
    case Type::RUN_END_ENCODED:
      return PlainType(static_cast<const arrow::RunEndEncodedType&>(*type).value_type());
    case Type::LARGE_STRING:
    case Type::STRING_VIEW:
      return arrow::utf8();
    case Type::LARGE_BINARY:
    case Type::BINARY_VIEW:
      return arrow::binary();
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::LIST_VIEW:
    case Type::LARGE_LIST_VIEW:
    case Type::FIXED_SIZE_LIST:
    case Type::STRUCT:
    case Type::MAP:
      return PlainNested(type);
    default:
      return type;
  }
}

bool SameLogicalType(const arrow::DataType& left, const arrow::DataType& right) {
  if (left.Equals(right)) return true;
  return SamePlain(*PlainType(left.GetSharedPtr()), *PlainType(right.GetSharedPtr()));
}

Result<ArrayPtr> Decode(const ArrayPtr& array, arrow::MemoryPool* pool) {
  const TypePtr plain = PlainType(array->type());
  if (plain == array->type()) return array;
  ARROW_ASSIGN_OR_RAISE(DataPtr data, Convert(array->data(), plain, pool));
  return arrow::MakeArray(data);
}

Result<ArrayPtr> Encode(const ArrayPtr& array, const TypePtr& type, arrow::MemoryPool* pool) {
  if (array->type() == type) return array;
  if (!SameLogicalType(*array->type(), *type)) return CannotConvert(*array->type(), *type);
  ARROW_ASSIGN_OR_RAISE(DataPtr data, Convert(array->data(), type, pool));
  return arrow::MakeArray(data);
}

Result<Batch> DecodeBatch(const Batch& batch, arrow::MemoryPool* pool) {
  std::vector<ArrayPtr> columns = batch.columns();
  for (ArrayPtr& column : columns) {
    ARROW_ASSIGN_OR_RAISE(column, Decode(column, pool));
  }
  return batch.WithColumns(std::move(columns));
}

Result<std::shared_ptr<arrow::RecordBatch>> RestoreSchema(const Batch& batch,
                                                          const SchemaPtr& schema,
                                                          arrow::MemoryPool* pool) {
  std::vector<ArrayPtr> columns = batch.columns();
  if (static_cast<int>(columns.size()) != schema->num_fields()) {
    return Error(ErrorKind::kInternal, "expected a batch of {} columns, got {}",
                 schema->num_fields(), columns.size());
  }
  for (size_t i = 0; i < columns.size(); ++i) {
    const arrow::Field& field = *schema->field(static_cast<int>(i));
    Result<ArrayPtr> restored = Encode(columns[i], field.type(), pool);
    if (!restored.ok()) {
      return WithContext(restored.status(), fmt::format("column {}: ", field.name()));
    }
    columns[i] = *std::move(restored);
  }
  return arrow::RecordBatch::Make(schema, batch.num_rows(), std::move(columns));
}

}  // namespace headrace
