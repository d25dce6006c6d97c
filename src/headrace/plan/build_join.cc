// The builder's joins.
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/expression/bind.h"
#include "headrace/function/registry.h"
#include "headrace/plan/builder.h"
#include "headrace/plan/join_keys.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/plan/make_node.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

Status CheckCondition(const ExpressionPtr& condition) {
  ARROW_RETURN_NOT_OK(RefuseAggregates(condition, "a join condition (ON)"));
  if (ContainsCall(*condition, FunctionKind::kOrdered) || ContainsCallback(*condition)) {
    return WithSpan(
        Error(ErrorKind::kUnsupported, "a join condition takes row-wise functions only: {}",
              ToString(*condition)),
        condition->span);
  }
  if (condition->type->id() == arrow::Type::BOOL) return Status::OK();
  return WithSpan(Error(ErrorKind::kTypeMismatch, "a join condition is a BOOLEAN, and {} is a {}",
                        ToString(*condition), SqlNameOf(*condition->type)),
                  condition->span);
}

Status NoEquality(const Expression& condition) {
  return WithSpan(Error(ErrorKind::kUnsupported,
                        "a join needs an equality between a column of each side, joined by AND: {}",
                        ToString(condition)),
                  condition.span);
}

/// Sorts `input` by `column` unless its known order starts with it.
Result<PlanPtr> SortedByTime(PlanPtr input, int column) {
  const Ordering keys = {{column, false, NullPlacement::kLast}};
  if (Satisfies(input->properties().ordering, keys)) return input;
  return MakeSortNode(std::move(input), keys);
}

/// Columns `left` and `right` as a pair of one type.
Result<SidePair> PairOf(const PlanNode& left, int left_column, const PlanNode& right,
                        int right_column, Comparison op) {
  SidePair pair{op, ColumnOf(*left.schema(), left_column), ColumnOf(*right.schema(), right_column)};
  ARROW_ASSIGN_OR_RAISE(const TypePtr type, CommonType(pair.left->type, pair.right->type));
  ARROW_ASSIGN_OR_RAISE(pair.left, CoerceTo(pair.left, type));
  ARROW_ASSIGN_OR_RAISE(pair.right, CoerceTo(pair.right, type));
  return pair;
}

Comparison ComparisonOf(const AsofOptions& options) {
  if (options.direction == AsofDirection::kBackward) {
    return options.strict ? Comparison::kGreater : Comparison::kGreaterEqual;
  }
  return options.strict ? Comparison::kLess : Comparison::kLessEqual;
}

/// Drops the rows in which `column` is null.
Result<PlanPtr> WithoutNulls(PlanPtr input, int column) {
  static const FunctionDef* const is_not_null = FindFunction(Dialect::kSql, "is_not_null");
  HEADRACE_CHECK(is_not_null != nullptr, "is_not_null is a function");
  ExpressionPtr there = Expression::Call(is_not_null, is_not_null->overloads.data(),
                                         {ColumnOf(*input->schema(), column)}, arrow::boolean());
  return MakeFilterNode(std::move(input), std::move(there));
}

/// `pairs[0]` compares the times, the others are equalities. The operator matches null keys with
/// each other; where they match nothing, the right side loses its rows with them.
Result<PlanPtr> JoinByTime(PlanPtr left, PlanPtr right, JoinKind kind,
                           const std::vector<SidePair>& pairs, std::optional<int64_t> tolerance,
                           NullMatching nulls) {
  const PlanPtr left_below = left;
  const PlanPtr right_below = right;
  ARROW_ASSIGN_OR_RAISE(KeyedInputs keyed, AppendKeys(std::move(left), std::move(right), pairs));
  const int left_time = keyed.left_keys.front();
  const int right_time = keyed.right_keys.front();
  for (size_t i = 1; i < pairs.size() && nulls == NullMatching::kNeverMatch; ++i) {
    ARROW_ASSIGN_OR_RAISE(keyed.right, WithoutNulls(std::move(keyed.right), keyed.right_keys[i]));
  }
  ARROW_ASSIGN_OR_RAISE(keyed.left, SortedByTime(std::move(keyed.left), left_time));
  ARROW_ASSIGN_OR_RAISE(keyed.right, SortedByTime(std::move(keyed.right), right_time));
  const Comparison op = pairs.front().op;
  const bool backward = op == Comparison::kGreater || op == Comparison::kGreaterEqual;
  const bool strict = op == Comparison::kGreater || op == Comparison::kLess;
  ARROW_ASSIGN_OR_RAISE(
      PlanPtr join, MakeAsofJoinNode(keyed.left, keyed.right, left_time, right_time,
                                     {keyed.left_keys.begin() + 1, keyed.left_keys.end()},
                                     {keyed.right_keys.begin() + 1, keyed.right_keys.end()},
                                     backward ? AsofDirection::kBackward : AsofDirection::kForward,
                                     strict, tolerance));
  if (kind == JoinKind::kInner) {
    const int time = keyed.left->schema()->num_fields() + right_time;
    // The matched time is never null.
    ARROW_ASSIGN_OR_RAISE(join, WithoutNulls(std::move(join), time));
  }
  return DropKeys(std::move(join), *left_below, *right_below, keyed);
}

}  // namespace

Result<PlanPtr> PlanJoin(PlanPtr left, PlanPtr right, JoinKind kind, ExpressionPtr condition,
                         NullMatching nulls) {
  ARROW_RETURN_NOT_OK(CheckCondition(condition));
  std::vector<SidePair> pairs;
  std::vector<ExpressionPtr> rest;
  for (const ExpressionPtr& term : SplitConjunction(condition)) {
    std::optional<SidePair> pair = SplitTerm(term, left->schema()->num_fields());
    if (pair.has_value() && pair->op == Comparison::kEqual) {
      pairs.push_back(*std::move(pair));
    } else {
      rest.push_back(term);
    }
  }
  if (pairs.empty()) return NoEquality(*condition);
  ARROW_ASSIGN_OR_RAISE(const KeyedInputs keyed, AppendKeys(left, right, pairs));
  ExpressionPtr residual;
  if (!rest.empty()) {
    residual = MoveColumns(MakeConjunction(rest), PlacesAfterKeys(*left, *right, keyed));
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr join, MakeJoinNode(keyed.left, keyed.right, kind, keyed.left_keys,
                                                   keyed.right_keys, nulls, std::move(residual)));
  return DropKeys(std::move(join), *left, *right, keyed);
}

Result<PlanPtr> PlanAsofJoin(PlanPtr left, PlanPtr right, int left_time, int right_time,
                             AsofOptions options) {
  std::vector<SidePair> pairs;
  ARROW_ASSIGN_OR_RAISE(SidePair time,
                        PairOf(*left, left_time, *right, right_time, ComparisonOf(options)));
  pairs.push_back(std::move(time));
  for (size_t i = 0; i < options.left_by.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(SidePair by, PairOf(*left, options.left_by[i], *right,
                                              options.right_by[i], Comparison::kEqual));
    pairs.push_back(std::move(by));
  }
  return JoinByTime(std::move(left), std::move(right), JoinKind::kLeft, pairs, options.tolerance,
                    options.nulls);
}

Result<PlanPtr> PlanAsofJoin(PlanPtr left, PlanPtr right, JoinKind kind, ExpressionPtr condition) {
  ARROW_RETURN_NOT_OK(CheckCondition(condition));
  std::vector<SidePair> pairs = {SidePair{}};
  for (const ExpressionPtr& term : SplitConjunction(condition)) {
    std::optional<SidePair> pair = SplitTerm(term, left->schema()->num_fields());
    const bool is_time = pair.has_value() && pair->op != Comparison::kEqual;
    if (!pair.has_value() || (is_time && pairs.front().op != Comparison::kNone)) {
      return WithSpan(Error(ErrorKind::kUnsupported,
                            "an as-of join takes one inequality and equalities between the sides, "
                            "joined by AND: {}",
                            ToString(*term)),
                      term->span);
    }
    if (is_time) {
      pairs.front() = *std::move(pair);
    } else {
      pairs.push_back(*std::move(pair));
    }
  }
  if (pairs.front().op == Comparison::kNone) {
    return WithSpan(Error(ErrorKind::kUnsupported,
                          "an as-of join needs an inequality between the times, such as a.time >= "
                          "b.time: {}",
                          ToString(*condition)),
                    condition->span);
  }
  return JoinByTime(std::move(left), std::move(right), kind, pairs, std::nullopt,
                    NullMatching::kNeverMatch);
}

}  // namespace headrace
