// a.b.*.c: fields of structs, values of maps, elements of lists, and text that is JSON.
#include <algorithm>
#include <span>

#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "headrace/base/ascii_case.h"
#include "headrace/sql/binder.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace::sql {
namespace {

/// What stands behind the column, one after the other.
class PathWalk {
 public:
  explicit PathWalk(TextSpan span) : span_(span) {}

  /// `type` of `value`; null: not known.
  UnboundPtr Follow(UnboundPtr value, TypePtr type, std::span<const std::string> path) {
    for (size_t i = 0; i < path.size(); ++i) {
      if (type != nullptr && arrow::is_string(type->id())) {
        return Unbound::Call("json_extract_string", {value, JsonPath(path.subspan(i))}, span_);
      }
      if (path[i] == "*") return Each(std::move(value), type, path.subspan(i + 1));
      value = Unbound::Call("struct_extract", {value, TextLiteral(path[i], span_)}, span_);
      type = FieldType(type, path[i]);
    }
    return value;
  }

 private:
  UnboundPtr JsonPath(std::span<const std::string> path) const {
    std::string text = "$";
    for (const std::string& name : path) text += name == "*" ? "[*]" : "." + name;
    return TextLiteral(text, span_);
  }

  static TypePtr FieldType(const TypePtr& type, const std::string& name) {
    if (type == nullptr || type->id() != arrow::Type::STRUCT) return nullptr;
    for (const auto& field : type->fields()) {
      if (EqualsIgnoringCase(field->name(), name)) return PlainType(field->type());
    }
    return nullptr;
  }

  /// A list of what `path` gives of every element, value or field.
  UnboundPtr Each(UnboundPtr value, TypePtr type, std::span<const std::string> path) {
    if (type != nullptr && type->id() == arrow::Type::MAP) {
      type = arrow::list(static_cast<const arrow::MapType&>(*type).item_type());
      value = Unbound::Call("map_values", {value}, span_);
    }
    if (type != nullptr && type->id() == arrow::Type::STRUCT) return EachField(value, *type, path);
    if (path.empty()) return value;
    TypePtr element;
    if (type != nullptr && arrow::is_list_like(type->id())) {
      element = PlainType(static_cast<const arrow::BaseListType&>(*type).value_type());
    }
    const std::string name = fmt::format(" element {}", ++depth_);
    const UnboundPtr body = Follow(Unbound::Column({name}, span_), element, path);
    // No lambda of the text has such a number.
    const int64_t id = -(span_.begin * 1024 + depth_) - 1;
    return Unbound::Call("list_transform", {value, MakeLambda({name}, body, id, span_)}, span_);
  }

  UnboundPtr EachField(const UnboundPtr& value, const arrow::DataType& type,
                       std::span<const std::string> path) {
    std::vector<UnboundPtr> values;
    for (const auto& field : type.fields()) {
      UnboundPtr of_field =
          Unbound::Call("struct_extract", {value, TextLiteral(field->name(), span_)}, span_);
      values.push_back(Follow(std::move(of_field), PlainType(field->type()), path));
    }
    return Unbound::Call("list_value", std::move(values), span_);
  }

  const TextSpan span_;
  int64_t depth_ = 0;
};

}  // namespace

UnboundPtr FieldOf(const Unbound& column, const Scope& scope) {
  const auto& path = column.path;
  for (size_t length = std::min<size_t>(2, path.size() - 1); length >= 1; --length) {
    const std::vector<std::string> prefix(path.begin(),
                                          path.begin() + static_cast<int64_t>(length));
    if (!scope.Knows(prefix, Dialect::kSql)) continue;
    const Result<int> entry = scope.Resolve(prefix, Dialect::kSql);
    const TypePtr type =
        entry.ok() ? PlainType(scope.entries()[static_cast<size_t>(*entry)].type) : nullptr;
    return PathWalk(column.span)
        .Follow(Unbound::Column(prefix, column.span), type,
                std::span<const std::string>(path).subspan(length));
  }
  return nullptr;
}

}  // namespace headrace::sql
