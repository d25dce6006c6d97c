// Which inputs can be declared sorted, and what their nodes say of themselves.
#include "headrace/plan/check_order.h"

#include <numeric>

#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/plan/builder.h"
#include "headrace/plan/rule/prune_columns.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace {

std::string CheckOrderNode::Describe() const { return ToString(keys, schema()->field_names()); }

Result<PlanPtr> CheckOrderNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeCheckOrderNode(inputs.at(0), keys);
}

Result<PrunedPlan> CheckOrderNode::Prune(const ColumnMask& needed) const {
  ColumnMask below = needed;
  Need(keys, &below);
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned, input()->Prune(below));
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeCheckOrderNode(std::move(pruned.plan), Moved(keys, pruned.places)));
  return pruned;
}

std::vector<int> CheckOrderNode::FilterPlaces(size_t /*input*/) const {
  std::vector<int> places(static_cast<size_t>(schema()->num_fields()));
  std::iota(places.begin(), places.end(), 0);
  return places;
}

Result<PlanPtr> MakeCheckOrderNode(PlanPtr input, Ordering keys) {
  HEADRACE_CHECK(!keys.empty(), "an order has a key");
  if (IsEndless(*input) || input->properties().change_mode != ChangeMode::kAppend) {
    return Error(ErrorKind::kUnsupported,
                 "rows can be declared sorted where they end and are only added; the order of a "
                 "stream is that of its event time");
  }
  for (const SortKey& key : keys) {
    const arrow::Field& field = *input->schema()->field(key.column);
    if (HasTypeFlag(*PlainType(field.type()), kTypeComparable)) continue;
    return Error(ErrorKind::kTypeMismatch,
                 "column {} cannot be a sort key: its type has no order: {}", field.name(),
                 SqlNameOf(*field.type()));
  }
  PlanProperties properties = input->properties();
  properties.ordering = keys;
  return std::make_shared<CheckOrderNode>(std::move(properties), std::move(input), std::move(keys));
}

Result<PlanPtr> PlanAssumeSorted(PlanPtr input, Ordering keys) {
  if (Satisfies(input->properties().ordering, keys)) return input;
  return MakeCheckOrderNode(std::move(input), std::move(keys));
}

}  // namespace headrace
