// Casts of lists, structs and maps: their parts are cast, their shape is kept. Structs go by
// position.
#include "arrow/array/array_nested.h"
#include "arrow/array/util.h"
#include "arrow/type.h"
#include "headrace/expression/cast_row.h"
#include "headrace/expression/evaluate.h"
#include "headrace/function/choice.h"

namespace headrace {
namespace {

using arrow::Type;

/// The active rows that are not null.
std::vector<uint32_t> LiveRows(const CastCall& call) {
  const Validity valid(call.from);
  std::vector<uint32_t> live;
  for (const uint32_t row : ActiveRows({call.from.length(), call.rows.active})) {
    if (valid[row]) live.push_back(row);
  }
  return live;
}

/// The same array over other children. Validity, offsets and the array's own offset stay.
ArrayPtr WithChildren(const CastCall& call, std::vector<ArrayPtr> children) {
  auto data = call.from.data()->Copy();
  data->type = call.to;
  for (size_t i = 0; i < children.size(); ++i) data->child_data[i] = children[i]->data();
  return arrow::MakeArray(std::move(data));
}

/// list → list and map → map: `values` is the whole child, offsets point into it.
template <typename ListArray>
Result<ArrayPtr> CastItems(const CastCall& call) {
  const auto& list = static_cast<const ListArray&>(call.from);
  std::vector<uint32_t> live;
  for (const uint32_t row : LiveRows(call)) {
    for (int64_t i = list.value_offset(row); i < list.value_offset(row) + list.value_length(row);
         ++i) {
      live.push_back(static_cast<uint32_t>(i));
    }
  }
  const ArrayPtr items = list.values();
  const Rows rows{items->length(), &live};
  ARROW_ASSIGN_OR_RAISE(
      auto cast, CastArray(items, call.to->field(0)->type(), call.try_cast, rows, call.pool));
  return WithChildren(call, {std::move(cast)});
}

Result<ArrayPtr> CastFields(const CastCall& call) {
  if (call.from.type()->num_fields() != call.to->num_fields()) {
    return NoSuchCast(*call.from.type(), *call.to);
  }
  const auto& from = static_cast<const arrow::StructArray&>(call.from);
  // Whole children, so that the array's own offset still fits.
  std::vector<uint32_t> live;
  for (const uint32_t row : LiveRows(call)) {
    live.push_back(row + static_cast<uint32_t>(from.offset()));
  }
  std::vector<ArrayPtr> children;
  for (int i = 0; i < from.num_fields(); ++i) {
    const ArrayPtr child = arrow::MakeArray(from.data()->child_data[static_cast<size_t>(i)]);
    const Rows rows{child->length(), &live};
    ARROW_ASSIGN_OR_RAISE(
        auto cast, CastArray(child, call.to->field(i)->type(), call.try_cast, rows, call.pool));
    children.push_back(std::move(cast));
  }
  return WithChildren(call, std::move(children));
}

}  // namespace

Result<ArrayPtr> CastNested(const CastCall& call) {
  if (call.from.type_id() == call.to->id()) {
    switch (call.to->id()) {
      case Type::LIST:
        return CastItems<arrow::ListArray>(call);
      case Type::MAP:
        return CastItems<arrow::MapArray>(call);
      case Type::STRUCT:
        return CastFields(call);
      default:
        break;
    }
  }
  return NoSuchCast(*call.from.type(), *call.to);
}

}  // namespace headrace
