// Rows as text: the common types directly, all others through AppendJson.
#include "headrace/format/json_lines/row_text.h"

#include <set>
#include <utility>

#include <fmt/format.h>

#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/types/encoding.h"
#include "headrace/types/json_text.h"

namespace headrace::json_lines {
namespace {

using arrow::Type;

class AnyText final : public CellText {
 public:
  explicit AnyText(const arrow::Array& array) : array_(array) {}
  void Append(int64_t row, std::string* out) const override { AppendJson(array_, row, out); }

 private:
  const arrow::Array& array_;
};

class StringText final : public CellText {
 public:
  explicit StringText(const arrow::Array& array)
      : array_(static_cast<const arrow::StringArray&>(array)) {}
  void Append(int64_t row, std::string* out) const override {
    if (array_.IsNull(row)) {
      *out += "null";
    } else {
      AppendJsonString(array_.GetView(row), out);
    }
  }

 private:
  const arrow::StringArray& array_;
};

template <typename ArrayType>
class IntegerText final : public CellText {
 public:
  explicit IntegerText(const arrow::Array& array) : array_(static_cast<const ArrayType&>(array)) {}
  void Append(int64_t row, std::string* out) const override {
    if (array_.IsNull(row)) {
      *out += "null";
    } else {
      const fmt::format_int digits(array_.Value(row));
      out->append(digits.data(), digits.size());
    }
  }

 private:
  const ArrayType& array_;
};

std::unique_ptr<CellText> MakeCellText(const arrow::Array& array) {
  switch (array.type_id()) {
    case Type::STRING:
      return std::make_unique<StringText>(array);
    case Type::INT32:
      return std::make_unique<IntegerText<arrow::Int32Array>>(array);
    case Type::INT64:
      return std::make_unique<IntegerText<arrow::Int64Array>>(array);
    default:
      return std::make_unique<AnyText>(array);
  }
}

bool IsWritableAsJson(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::DICTIONARY:
      return IsWritableAsJson(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case Type::EXTENSION:
    case Type::RUN_END_ENCODED:
    case Type::SPARSE_UNION:
    case Type::DENSE_UNION:
      return false;
    default:
      for (const auto& field : type.fields()) {
        if (!IsWritableAsJson(*field->type())) return false;
      }
      return true;
  }
}

}  // namespace

Status CheckColumns(const arrow::Schema& schema) {
  std::set<std::string> names;
  for (const auto& field : schema.fields()) {
    if (!IsWritableAsJson(*field->type())) {
      return Error(ErrorKind::kUnsupported,
                   "json_lines cannot hold column \"{0}\" of type {1}; CAST(\"{0}\" AS VARCHAR) "
                   "makes a text of it",
                   field->name(), field->type()->ToString());
    }
    if (!names.insert(field->name()).second) {
      return Error(ErrorKind::kUnsupported,
                   "json_lines cannot hold two columns of one name: \"{}\"", field->name());
    }
  }
  return Status::OK();
}

RowText::RowText(const arrow::Schema& schema) {
  for (const auto& field : schema.fields()) {
    keys_.emplace_back(keys_.empty() ? "{" : ",");
    AppendJsonString(field->name(), &keys_.back());
    keys_.back() += ':';
  }
}

Status RowText::SetBatch(const arrow::RecordBatch& batch, arrow::MemoryPool* pool) {
  cells_.clear();
  ARROW_ASSIGN_OR_RAISE(batch_, DecodeBatch(Batch::FromRecordBatch(batch), pool));
  for (const ArrayPtr& column : batch_.columns()) cells_.push_back(MakeCellText(*column));
  return Status::OK();
}

void RowText::Append(int64_t row, std::string* out) const {
  if (keys_.empty()) *out += '{';
  for (size_t i = 0; i < cells_.size(); ++i) {
    *out += keys_[i];
    cells_[i]->Append(row, out);
  }
  *out += '}';
}

}  // namespace headrace::json_lines
