// The keys of the order on the left are found among the pairs; the right has to have the others.
#include "headrace/plan/merge_join.h"

#include <algorithm>
#include <utility>

#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/plan/make_node.h"

namespace headrace {
namespace {

bool ComesWhole(const PlanNode& input) {
  return !IsEndless(input) && input.properties().change_mode == ChangeMode::kAppend;
}

bool HasPair(const JoinTerms& terms, int left, int right) {
  for (size_t i = 0; i < terms.left_keys.size(); ++i) {
    if (terms.left_keys[i] == left && terms.right_keys[i] == right) return true;
  }
  return false;
}

/// The sides come in this order as far as the keys of a join go.
std::string OrderFor(const PlanNode& input, const JoinTerms& terms) {
  Ordering order = input.properties().ordering;
  order.resize(std::min(order.size(), terms.left_keys.size()));
  return ToString(order, input.schema()->field_names());
}

Status RequireSorted(const char* side, const PlanNode& input, const std::vector<int>& keys) {
  if (SatisfiesByGroup(input.properties().ordering, keys, {})) return Status::OK();
  std::string names;
  for (const int key : keys) {
    names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", input.schema()->field(key)->name());
  }
  return Error(
      ErrorKind::kInvalidArgument,
      "a merge join needs rows that come in the order of its keys, and the {} side is not "
      "known to be sorted by {}: put .sort({}) in front, or .assume_sorted({}) where it is",
      side, names, names, names);
}

/// Of a join that gives rows of the built side without a match among the others: the keys of the
/// side whose rows are all there; a full join has none.
Ordering OrderOfKeys(const JoinNode& join, const MergeOrder& order) {
  if (join.kind == JoinKind::kLeft) return order.left;
  if (join.kind == JoinKind::kFull) return {};
  Ordering keys = order.right;
  for (SortKey& key : keys) key.column += join.input()->schema()->num_fields();
  return keys;
}

}  // namespace

std::optional<MergeOrder> MergeOrderOf(const JoinNode& join) {
  const PlanNode& left = *join.inputs()[0];
  const PlanNode& right = *join.inputs()[1];
  const size_t count = join.terms.left_keys.size();
  const bool is_kind = join.kind != JoinKind::kMark && join.kind != JoinKind::kSingle;
  if (!is_kind || count == 0 || !ComesWhole(left) || !ComesWhole(right)) return std::nullopt;
  MergeOrder order{left.properties().ordering, right.properties().ordering};
  if (order.left.size() < count || order.right.size() < count) return std::nullopt;
  order.left.resize(count);
  order.right.resize(count);
  for (size_t i = 0; i < count; ++i) {
    const SortKey& of_left = order.left[i];
    const SortKey& of_right = order.right[i];
    const bool is_alike =
        of_left.descending == of_right.descending && of_left.nulls == of_right.nulls;
    if (!is_alike || !HasPair(join.terms, of_left.column, of_right.column)) return std::nullopt;
  }
  return order;
}

Status RequireMergeOrder(const JoinNode& join) {
  if (MergeOrderOf(join).has_value()) return Status::OK();
  if (join.terms.left_keys.empty() || !ComesWhole(*join.inputs()[0]) ||
      !ComesWhole(*join.inputs()[1])) {
    return Error(ErrorKind::kInvalidArgument,
                 "a merge join needs an equality between two sides that end, such as l.k = r.k");
  }
  ARROW_RETURN_NOT_OK(RequireSorted("left", *join.inputs()[0], join.terms.left_keys));
  ARROW_RETURN_NOT_OK(RequireSorted("right", *join.inputs()[1], join.terms.right_keys));
  return Error(ErrorKind::kInvalidArgument,
               "the sides of a merge join come in different orders: the left one by {}, the right "
               "one by {}",
               OrderFor(*join.inputs()[0], join.terms), OrderFor(*join.inputs()[1], join.terms));
}

std::string MergeJoinNode::Describe() const { return join->Describe(); }

Result<PlanPtr> MergeJoinNode::WithInputs(std::vector<PlanPtr> inputs) const {
  ARROW_ASSIGN_OR_RAISE(PlanPtr rebuilt, join->WithInputs(std::move(inputs)));
  // Of an input that became empty no order is known, and none is needed.
  if (!MergeOrderOf(static_cast<const JoinNode&>(*rebuilt)).has_value()) return rebuilt;
  return MakeMergeJoinNode(rebuilt);
}

Result<PrunedPlan> MergeJoinNode::Prune(const ColumnMask& needed) const {
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned, join->Prune(needed));
  ARROW_ASSIGN_OR_RAISE(pruned.plan, MakeMergeJoinNode(pruned.plan));
  return pruned;
}

std::vector<int> MergeJoinNode::FilterPlaces(size_t input) const {
  return join->FilterPlaces(input);
}

std::optional<double> MergeJoinNode::EstimateRows() const { return join->EstimateRows(); }

bool MergeJoinNode::IsEmptyOver(const std::vector<bool>& empty) const {
  return join->IsEmptyOver(empty);
}

Result<PlanPtr> MakeMergeJoinNode(const PlanPtr& join) {
  std::shared_ptr<const JoinNode> node = std::dynamic_pointer_cast<const JoinNode>(join);
  HEADRACE_CHECK(node != nullptr, "a join is merged");
  std::optional<MergeOrder> order = MergeOrderOf(*node);
  HEADRACE_CHECK(order.has_value(), "the inputs of a merge join are sorted by its keys");
  PlanProperties properties = node->properties();
  if (KeepsBuilt(node->kind, node->terms.build)) properties.ordering = OrderOfKeys(*node, *order);
  return std::make_shared<MergeJoinNode>(std::move(properties), std::move(node), *std::move(order));
}

}  // namespace headrace
