// Taking a join condition apart.
#include "headrace/plan/join_keys.h"

#include <numeric>

#include "arrow/type.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/transform.h"

namespace headrace {
namespace {

enum class Side { kNone, kLeft, kRight, kBoth };

Side SideOf(const Expression& expression, int left_width) {
  bool left = false;
  bool right = false;
  for (int column : ColumnsOf(expression)) (column < left_width ? left : right) = true;
  if (left && right) return Side::kBoth;
  return left ? Side::kLeft : right ? Side::kRight : Side::kNone;
}

}  // namespace

std::optional<SidePair> SplitTerm(const ExpressionPtr& term, int left_width) {
  const Comparison op = ComparisonOf(*term);
  if (op == Comparison::kNone) return std::nullopt;
  const Side first = SideOf(*term->args[0], left_width);
  const Side second = SideOf(*term->args[1], left_width);
  if (first == Side::kLeft && second == Side::kRight) {
    return SidePair{op, term->args[0], OverRight(term->args[1], left_width)};
  }
  if (first == Side::kRight && second == Side::kLeft) {
    return SidePair{Mirror(op), term->args[1], OverRight(term->args[0], left_width)};
  }
  return std::nullopt;
}

Result<KeyedInputs> AppendKeys(PlanPtr left, PlanPtr right, const std::vector<SidePair>& pairs) {
  std::vector<ExpressionPtr> left_keys;
  std::vector<ExpressionPtr> right_keys;
  for (const SidePair& pair : pairs) {
    left_keys.push_back(pair.left);
    right_keys.push_back(pair.right);
  }
  KeyedInputs keyed;
  ARROW_ASSIGN_OR_RAISE(keyed.left, AppendColumns(std::move(left), left_keys, &keyed.left_keys));
  ARROW_ASSIGN_OR_RAISE(keyed.right,
                        AppendColumns(std::move(right), right_keys, &keyed.right_keys));
  return keyed;
}

std::vector<int> PlacesAfterKeys(const PlanNode& left, const PlanNode& right,
                                 const KeyedInputs& keyed) {
  std::vector<int> places(static_cast<size_t>(left.schema()->num_fields()));
  std::iota(places.begin(), places.end(), 0);
  for (int i = 0; i < right.schema()->num_fields(); ++i) {
    places.push_back(keyed.left->schema()->num_fields() + i);
  }
  return places;
}

Result<PlanPtr> DropKeys(PlanPtr join, const PlanNode& left, const PlanNode& right,
                         const KeyedInputs& keyed) {
  const int left_width = keyed.left->schema()->num_fields();
  const int width = join->schema()->num_fields();
  std::vector<int> places;
  for (int i = 0; i < left.schema()->num_fields(); ++i) places.push_back(i);
  if (width == left_width + keyed.right->schema()->num_fields()) {
    for (int i = 0; i < right.schema()->num_fields(); ++i) places.push_back(left_width + i);
  } else {
    for (int i = left_width; i < width; ++i) places.push_back(i);  // the mark
  }
  if (static_cast<int>(places.size()) == width) return join;
  std::vector<ExpressionPtr> outputs;
  std::vector<std::string> names;
  for (int place : places) {
    outputs.push_back(ColumnOf(*join->schema(), place));
    names.push_back(outputs.back()->name);
  }
  return MakeProjectNode(std::move(join), std::move(outputs), names);
}

}  // namespace headrace
