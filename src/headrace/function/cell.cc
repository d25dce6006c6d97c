// Cells: values of any type as bytes.
#include "headrace/function/cell.h"

#include <cstring>

#include "arrow/array/array_binary.h"
#include "arrow/array/array_primitive.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_decimal.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/array/concatenate.h"
#include "arrow/io/memory.h"
#include "arrow/ipc/reader.h"
#include "arrow/ipc/writer.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "arrow/util/decimal.h"
#include "arrow/util/utf8.h"
#include "headrace/function/decimal_value.h"
#include "headrace/function/view.h"

namespace headrace {
namespace {

using arrow::Type;

Status Damaged(const arrow::DataType& type, size_t size) {
  return Error(ErrorKind::kBadData, "a saved value is no {}: {} bytes", type.ToString(), size);
}

bool IsRaw(Type::type id) {
  return (arrow::is_primitive(id) && id != Type::BOOL) || id == Type::DECIMAL128 ||
         id == Type::DECIMAL256 || id == Type::FIXED_SIZE_BINARY;
}

int ByteWidth(const arrow::DataType& type) {
  return static_cast<const arrow::FixedWidthType&>(type).bit_width() / 8;
}

Status EncodeNested(const arrow::Array& array, int64_t row, std::string* out) {
  // Concatenating copies the one row out of buffers that may be large.
  ARROW_ASSIGN_OR_RAISE(auto cell, arrow::Concatenate({array.Slice(row, 1)}));
  const auto schema = arrow::schema({arrow::field("cell", array.type())});
  const auto batch = arrow::RecordBatch::Make(schema, 1, {cell});
  ARROW_ASSIGN_OR_RAISE(auto stream, arrow::io::BufferOutputStream::Create());
  ARROW_ASSIGN_OR_RAISE(auto writer, arrow::ipc::MakeStreamWriter(stream.get(), schema));
  ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(*batch));
  ARROW_RETURN_NOT_OK(writer->Close());
  ARROW_ASSIGN_OR_RAISE(auto buffer, stream->Finish());
  out->append(reinterpret_cast<const char*>(buffer->data()), static_cast<size_t>(buffer->size()));
  return Status::OK();
}

Result<ArrayPtr> DecodeNested(std::string_view bytes, const arrow::DataType& type) {
  arrow::io::BufferReader stream(arrow::Buffer::FromString(std::string(bytes)));
  std::shared_ptr<arrow::RecordBatch> batch;
  const auto opened = arrow::ipc::RecordBatchStreamReader::Open(&stream);
  if (!opened.ok() || !(*opened)->ReadNext(&batch).ok() || batch == nullptr ||
      batch->num_columns() != 1 || batch->num_rows() != 1 || !batch->ValidateFull().ok() ||
      !batch->column(0)->type()->Equals(type)) {
    return Damaged(type, bytes.size());
  }
  return batch->column(0);
}

/// Whether the bytes of a raw type are one of its values; most types take any.
bool IsValue(std::string_view bytes, const arrow::DataType& type,
             const arrow::ArrayBuilder& builder) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  switch (type.id()) {
    case Type::DECIMAL128:
      return arrow::Decimal128(data).FitsInPrecision(PrecisionOf(type));
    case Type::DECIMAL256:
      return arrow::Decimal256(data).FitsInPrecision(PrecisionOf(type));
    case Type::DATE64:
    case Type::TIME32:
    case Type::TIME64: {
      auto buffer = std::make_shared<arrow::Buffer>(data, static_cast<int64_t>(bytes.size()));
      return WrapValues(builder.type(), 1, std::move(buffer))->ValidateFull().ok();
    }
    default:
      return true;
  }
}

template <typename ArrowType>
Status AppendNumber(std::string_view bytes, arrow::ArrayBuilder* out) {
  typename ArrowType::c_type value;
  std::memcpy(&value, bytes.data(), sizeof(value));
  return static_cast<arrow::NumericBuilder<ArrowType>*>(out)->Append(value);
}

template <typename Builder>
Status AppendBytes(std::string_view bytes, arrow::ArrayBuilder* out) {
  return static_cast<Builder*>(out)->Append(reinterpret_cast<const uint8_t*>(bytes.data()));
}

/// REQUIRES: IsRaw(type.id()) and bytes of the type's width.
Status AppendRaw(std::string_view bytes, const arrow::DataType& type, arrow::ArrayBuilder* out) {
  switch (type.id()) {
    case Type::INT8:
      return AppendNumber<arrow::Int8Type>(bytes, out);
    case Type::INT16:
      return AppendNumber<arrow::Int16Type>(bytes, out);
    case Type::INT32:
      return AppendNumber<arrow::Int32Type>(bytes, out);
    case Type::INT64:
      return AppendNumber<arrow::Int64Type>(bytes, out);
    case Type::UINT8:
      return AppendNumber<arrow::UInt8Type>(bytes, out);
    case Type::UINT16:
      return AppendNumber<arrow::UInt16Type>(bytes, out);
    case Type::UINT32:
      return AppendNumber<arrow::UInt32Type>(bytes, out);
    case Type::UINT64:
      return AppendNumber<arrow::UInt64Type>(bytes, out);
    case Type::FLOAT:
      return AppendNumber<arrow::FloatType>(bytes, out);
    case Type::DOUBLE:
      return AppendNumber<arrow::DoubleType>(bytes, out);
    case Type::DATE32:
      return AppendNumber<arrow::Date32Type>(bytes, out);
    case Type::DATE64:
      return AppendNumber<arrow::Date64Type>(bytes, out);
    case Type::TIME32:
      return AppendNumber<arrow::Time32Type>(bytes, out);
    case Type::TIME64:
      return AppendNumber<arrow::Time64Type>(bytes, out);
    case Type::TIMESTAMP:
      return AppendNumber<arrow::TimestampType>(bytes, out);
    case Type::DURATION:
      return AppendNumber<arrow::DurationType>(bytes, out);
    case Type::DECIMAL128:
      return AppendBytes<arrow::Decimal128Builder>(bytes, out);
    case Type::DECIMAL256:
      return AppendBytes<arrow::Decimal256Builder>(bytes, out);
    case Type::FIXED_SIZE_BINARY:
      return AppendBytes<arrow::FixedSizeBinaryBuilder>(bytes, out);
    default: {  // rare widths: float16, intervals, small decimals
      const auto shared = arrow::Buffer::FromString(std::string(bytes));
      const auto data = arrow::ArrayData::Make(out->type(), 1, {nullptr, shared}, 0);
      return out->AppendArraySlice(arrow::ArraySpan(*data), 0, 1);
    }
  }
}

}  // namespace

Status EncodeCell(const arrow::Array& array, int64_t row, std::string* out) {
  const Type::type id = array.type_id();
  if (IsRaw(id)) {
    const int width = ByteWidth(*array.type());
    const uint8_t* values = array.data()->buffers[1]->data() + (array.offset() + row) * width;
    out->append(reinterpret_cast<const char*>(values), static_cast<size_t>(width));
    return Status::OK();
  }
  if (id == Type::BOOL) {
    out->push_back(static_cast<const arrow::BooleanArray&>(array).Value(row) ? '\1' : '\0');
    return Status::OK();
  }
  if (id == Type::STRING || id == Type::BINARY) {
    out->append(BytesView(array)[row]);
    return Status::OK();
  }
  return EncodeNested(array, row, out);
}

Status AppendCell(std::string_view bytes, const arrow::DataType& type, arrow::ArrayBuilder* out) {
  const Type::type id = type.id();
  if (IsRaw(id)) {
    const bool is_value =
        bytes.size() == static_cast<size_t>(ByteWidth(type)) && IsValue(bytes, type, *out);
    if (!is_value) return Damaged(type, bytes.size());
    return AppendRaw(bytes, type, out);
  }
  if (id == Type::BOOL) {
    if (bytes.size() != 1 || static_cast<uint8_t>(bytes[0]) > 1) {
      return Damaged(type, bytes.size());
    }
    return static_cast<arrow::BooleanBuilder*>(out)->Append(bytes[0] != 0);
  }
  if (id == Type::STRING || id == Type::BINARY) {
    arrow::util::InitializeUTF8();
    const bool is_text = id == Type::BINARY || arrow::util::ValidateUTF8(bytes);
    if (!is_text) return Damaged(type, bytes.size());
    return static_cast<arrow::BinaryBuilder*>(out)->Append(bytes);
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr cell, DecodeNested(bytes, type));
  return out->AppendArraySlice(arrow::ArraySpan(*cell->data()), 0, 1);
}

int64_t HeapBytes(const std::string& text) {
  static const size_t kInline = std::string().capacity();
  if (text.capacity() <= kInline) return 0;
  // A block of the heap has a header, and a multiple of 16 bytes.
  constexpr size_t kHeader = 8, kUnit = 16;
  return static_cast<int64_t>((text.capacity() + 1 + kHeader + kUnit - 1) / kUnit * kUnit);
}

}  // namespace headrace
