// What the node of a merge says of itself.
#include "headrace/plan/merge_union.h"

#include <numeric>

#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/prune_columns.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace {

std::string MergeUnionNode::Describe() const { return ToString(keys, schema()->field_names()); }

Result<PlanPtr> MergeUnionNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeMergeUnionNode(std::move(inputs), keys);
}

Result<PrunedPlan> MergeUnionNode::Prune(const ColumnMask& needed) const {
  ColumnMask below = needed;
  Need(keys, &below);
  std::vector<PlanPtr> rebuilt;
  PrunedPlan pruned;
  for (const PlanPtr& input : inputs()) {
    ARROW_ASSIGN_OR_RAISE(PrunedPlan of_input, PruneExactly(input, below));
    rebuilt.push_back(std::move(of_input.plan));
    pruned.places = std::move(of_input.places);
  }
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeMergeUnionNode(std::move(rebuilt), Moved(keys, pruned.places)));
  return pruned;
}

std::vector<int> MergeUnionNode::FilterPlaces(size_t /*input*/) const {
  std::vector<int> places(static_cast<size_t>(schema()->num_fields()));
  std::iota(places.begin(), places.end(), 0);
  return places;
}

std::optional<double> MergeUnionNode::EstimateRows() const {
  double sum = 0;
  for (const PlanPtr& input : inputs()) {
    const std::optional<double> rows = input->EstimateRows();
    if (!rows.has_value()) return std::nullopt;
    sum += *rows;
  }
  return sum;
}

Result<PlanPtr> MakeMergeUnionNode(std::vector<PlanPtr> inputs, Ordering keys) {
  ARROW_ASSIGN_OR_RAISE(const PlanPtr whole, MakeUnionNode(inputs));
  if (IsEndless(*whole)) {
    return Error(ErrorKind::kUnsupported, "sorted inputs are merged where all of them end");
  }
  for (const SortKey& key : keys) {
    const arrow::Field& field = *whole->schema()->field(key.column);
    if (HasTypeFlag(*PlainType(field.type()), kTypeComparable)) continue;
    return Error(ErrorKind::kTypeMismatch,
                 "column {} cannot be a sort key: its type has no order: {}", field.name(),
                 SqlNameOf(*field.type()));
  }
  PlanProperties properties = whole->properties();
  properties.ordering = keys;
  return std::make_shared<MergeUnionNode>(std::move(properties), std::move(inputs),
                                          std::move(keys));
}

}  // namespace headrace
