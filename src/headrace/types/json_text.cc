// Values as JSON text.
#include "headrace/types/json_text.h"

#include <fmt/format.h>

#include <iterator>

#include "arrow/array.h"
#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "headrace/types/format_value.h"

namespace headrace {
namespace {

bool IsNumber(const arrow::DataType& type) {
  return arrow::is_integer(type.id()) || arrow::is_floating(type.id()) ||
         arrow::is_decimal(type.id());
}

void AppendList(const arrow::Array& values, int64_t begin, int64_t end, std::string* out) {
  *out += '[';
  for (int64_t i = begin; i < end; ++i) {
    if (i > begin) *out += ',';
    AppendJson(values, i, out);
  }
  *out += ']';
}

void AppendJsonObject(const arrow::StructArray& array, int64_t row, std::string* out) {
  *out += '{';
  for (int i = 0; i < array.num_fields(); ++i) {
    if (i > 0) *out += ',';
    AppendJsonString(array.struct_type()->field(i)->name(), out);
    *out += ':';
    AppendJson(*array.field(i), row, out);
  }
  *out += '}';
}

void AppendJsonMap(const arrow::MapArray& array, int64_t row, std::string* out) {
  *out += '{';
  for (int64_t i = array.value_offset(row); i < array.value_offset(row + 1); ++i) {
    if (i > array.value_offset(row)) *out += ',';
    AppendJsonString(FormatValue(*array.keys(), i), out);
    *out += ':';
    AppendJson(*array.items(), i, out);
  }
  *out += '}';
}

/// FormatValue spells numbers as JSON does, but for NaN and the infinities.
void AppendJsonNumber(const arrow::Array& array, int64_t row, std::string* out) {
  const size_t begin = out->size();
  AppendValue(array, row, out);
  const char last = out->back();
  if (last >= '0' && last <= '9') return;
  out->resize(begin);
  *out += "null";
}

void AppendEscape(char c, std::string* out) {
  switch (c) {
    case '"':
    case '\\':
      *out += '\\';
      *out += c;
      return;
    case '\n':
      *out += "\\n";
      return;
    case '\t':
      *out += "\\t";
      return;
    case '\r':
      *out += "\\r";
      return;
    default:
      fmt::format_to(std::back_inserter(*out), "\\u{:04x}", static_cast<unsigned char>(c));
  }
}

}  // namespace

void AppendJsonString(std::string_view text, std::string* out) {
  *out += '"';
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') [[likely]]
      continue;
    out->append(text, begin, i - begin);
    begin = i + 1;
    AppendEscape(text[i], out);
  }
  out->append(text, begin);
  *out += '"';
}

void AppendJson(const arrow::Array& array, int64_t row, std::string* out) {
  using arrow::Type;
  if (array.IsNull(row) || array.type_id() == Type::NA) {
    *out += "null";
    return;
  }
  switch (array.type_id()) {
    case Type::BOOL:
      *out += static_cast<const arrow::BooleanArray&>(array).Value(row) ? "true" : "false";
      return;
    case Type::STRUCT:
      return AppendJsonObject(static_cast<const arrow::StructArray&>(array), row, out);
    case Type::MAP:
      return AppendJsonMap(static_cast<const arrow::MapArray&>(array), row, out);
    case Type::LIST: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      return AppendList(*list.values(), list.value_offset(row), list.value_offset(row + 1), out);
    }
    case Type::FIXED_SIZE_LIST: {
      const auto& list = static_cast<const arrow::FixedSizeListArray&>(array);
      return AppendList(*list.values(), list.value_offset(row), list.value_offset(row + 1), out);
    }
    default:
      break;
  }
  if (IsNumber(*array.type())) return AppendJsonNumber(array, row, out);
  AppendJsonString(FormatValue(array, row), out);
}

}  // namespace headrace
