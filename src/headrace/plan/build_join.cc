// The builder's joins.
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/expression/bind.h"
#include "headrace/function/registry.h"
#include "headrace/plan/builder.h"
#include "headrace/plan/interval_bounds.h"
#include "headrace/plan/join_keys.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/merge_join.h"
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

bool IsTrue(const Expression& expression) {
  if (expression.kind != Expression::Kind::kLiteral || !expression.literal->is_valid) return false;
  return static_cast<const arrow::BooleanScalar&>(*expression.literal).value;
}

/// A condition taken apart.
struct JoinParts {
  std::vector<SidePair> pairs;      // equalities between the sides
  std::vector<ExpressionPtr> rest;  // over left, then right columns

  Status Add(const ExpressionPtr& condition, int left_width) {
    ExpressionPtr checked = FoldConstants(condition);
    if (checked->type->id() == arrow::Type::NA) {
      ARROW_ASSIGN_OR_RAISE(checked, CoerceTo(checked, arrow::boolean()));
    }
    ARROW_RETURN_NOT_OK(CheckCondition(checked));
    for (const ExpressionPtr& term : SplitConjunction(checked)) {
      std::optional<SidePair> pair = SplitTerm(term, left_width);
      const bool is_key = pair.has_value() &&
                          (pair->op == Comparison::kEqual || pair->op == Comparison::kNotDistinct);
      if (is_key) {
        pairs.push_back(*std::move(pair));
      } else if (!IsTrue(*term)) {
        rest.push_back(term);
      }
    }
    return Status::OK();
  }
};

/// Merged where that is asked for, and where rows of both sides that match nothing, or those of the
/// built side alone, can be given in the order of the keys.
Result<PlanPtr> MergedOrNot(PlanPtr plan, JoinStrategy strategy) {
  const auto& join = static_cast<const JoinNode&>(*plan);
  const bool is_asked = strategy == JoinStrategy::kMerge;
  if (is_asked) ARROW_RETURN_NOT_OK(RequireMergeOrder(join));
  const bool gains = KeepsBuilt(join.kind, join.terms.build) && MergeOrderOf(join).has_value();
  return is_asked || gains ? MakeMergeJoinNode(plan) : plan;
}

/// Joins by `parts`; `terms` holds what is not known from them.
Result<PlanPtr> JoinByParts(const PlanPtr& left, const PlanPtr& right, JoinKind kind,
                            const JoinParts& parts, NullMatching nulls, JoinStrategy strategy,
                            JoinTerms terms) {
  ARROW_ASSIGN_OR_RAISE(const KeyedInputs keyed, AppendKeys(left, right, parts.pairs));
  terms.left_keys = keyed.left_keys;
  terms.right_keys = keyed.right_keys;
  for (const SidePair& pair : parts.pairs) {
    terms.nulls.push_back(pair.op == Comparison::kNotDistinct ? NullMatching::kMatch : nulls);
  }
  if (!parts.rest.empty()) {
    terms.residual =
        MoveColumns(MakeConjunction(parts.rest), PlacesAfterKeys(*left, *right, keyed));
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr join,
                        MakeJoinNode(keyed.left, keyed.right, kind, std::move(terms)));
  ARROW_ASSIGN_OR_RAISE(join, MergedOrNot(std::move(join), strategy));
  return DropKeys(std::move(join), *left, *right, keyed);
}

/// `term`, and false where it is null.
ExpressionPtr FalseWhenNull(const ExpressionPtr& term) {
  static const FunctionDef* const coalesce = FindFunctionById("coalesce");
  HEADRACE_CHECK(coalesce != nullptr, "coalesce is a function");
  ExpressionPtr never = Expression::Literal(std::make_shared<arrow::BooleanScalar>(false));
  return Expression::Call(coalesce, coalesce->overloads.data(), {term, std::move(never)},
                          arrow::boolean());
}

Status CheckInterval(const PlanNode& left, const PlanNode& right, const IntervalBounds& bounds,
                     const JoinOptions& options) {
  for (const PlanNode* side : {&left, &right}) {
    if (!side->EventTimes().empty()) continue;
    return Error(ErrorKind::kUnsupported,
                 "a join of two streams needs the event time of both, and the {} one has none: "
                 "declare it with WATERMARK FOR",
                 side == &left ? "left" : "right");
  }
  const bool is_bounded = bounds.lower.has_value() && bounds.upper.has_value();
  if (is_bounded || options.allow_unbounded_state) return Status::OK();
  return Error(
      ErrorKind::kUnsupported,
      "a join of two streams keeps rows until no partner can come any more, and nothing "
      "bounds the time between partners: add a bound to the join, such as WITHIN INTERVAL "
      "'10' MINUTE or AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '10' MINUTE, join the windows "
      "of TUMBLE(a, …) and TUMBLE(b, …) on their window_start, or ALLOW UNBOUNDED STATE");
}

Result<PlanPtr> PlanIntervalJoin(const PlanPtr& left, const PlanPtr& right, JoinKind kind,
                                 JoinParts parts, const JoinOptions& options) {
  if (kind > JoinKind::kFull) {
    return Error(ErrorKind::kUnsupported,
                 "two streams are joined by an inner, left, right or full join; a subquery over a "
                 "stream must end");
  }
  if (options.grace_micros < 0) {
    return Error(ErrorKind::kInvalidArgument, "a GRACE PERIOD is not negative");
  }
  IntervalBounds bounds = TakeBounds(*left, *right, parts.pairs, &parts.rest);
  ARROW_RETURN_NOT_OK(CheckInterval(*left, *right, bounds, options));
  if (bounds.left_time < 0) {
    bounds.left_time = left->EventTimes().front();
    bounds.right_time = right->EventTimes().front();
  }
  std::vector<SidePair> keys;
  for (const SidePair& pair : parts.pairs) {
    if (pair.op == Comparison::kEqual) keys.push_back(pair);
  }
  if (keys.empty() || keys.size() < parts.pairs.size()) {
    return Error(ErrorKind::kUnsupported,
                 "a join of two streams needs an equality between them, such as a.id = b.id; IS "
                 "NOT DISTINCT FROM is none");
  }
  ARROW_ASSIGN_OR_RAISE(const KeyedInputs keyed, AppendKeys(left, right, keys));
  IntervalTerms terms{keyed.left_keys, keyed.right_keys, bounds.left_time,     bounds.right_time,
                      bounds.lower,    bounds.upper,     options.grace_micros, nullptr};
  if (!parts.rest.empty()) {
    terms.residual =
        MoveColumns(MakeConjunction(parts.rest), PlacesAfterKeys(*left, *right, keyed));
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr join,
                        MakeIntervalJoinNode(keyed.left, keyed.right, kind, std::move(terms)));
  return DropKeys(std::move(join), *left, *right, keyed);
}

/// The side that is kept in memory, or looked up in: the one that ends.
JoinSide DefaultBuild(const PlanNode& left, const PlanNode& right, JoinKind kind) {
  const bool left_ends = !IsEndless(left);
  const bool right_ends = !IsEndless(right);
  if (left_ends == right_ends) return kind == JoinKind::kRight ? JoinSide::kLeft : JoinSide::kRight;
  return left_ends && kind <= JoinKind::kFull ? JoinSide::kLeft : JoinSide::kRight;
}

}  // namespace

Result<PlanPtr> PlanJoin(PlanPtr left, PlanPtr right, JoinKind kind, ExpressionPtr condition,
                         JoinOptions options) {
  HEADRACE_CHECK(kind != JoinKind::kMark, "PlanMarkJoin makes mark joins");
  JoinParts parts;
  if (condition != nullptr) {
    ARROW_RETURN_NOT_OK(parts.Add(condition, left->schema()->num_fields()));
  }
  if (IsEndless(*left) && IsEndless(*right)) {
    return PlanIntervalJoin(left, right, kind, std::move(parts), options);
  }
  if (options.grace_micros > 0) {
    return Error(ErrorKind::kUnsupported, "a GRACE PERIOD is for joins of two streams");
  }
  JoinTerms terms;
  terms.build = options.build.value_or(DefaultBuild(*left, *right, kind));
  return JoinByParts(left, right, kind, parts, options.nulls, options.strategy, std::move(terms));
}

Result<PlanPtr> PlanMarkJoin(PlanPtr left, PlanPtr right, ExpressionPtr condition, ExpressionPtr in,
                             std::string mark_name) {
  const int left_width = left->schema()->num_fields();
  JoinParts parts;
  if (condition != nullptr) ARROW_RETURN_NOT_OK(parts.Add(condition, left_width));
  for (ExpressionPtr& term : parts.rest) term = FalseWhenNull(term);
  JoinTerms terms;
  terms.mark_name = std::move(mark_name);
  if (in != nullptr) {
    ARROW_RETURN_NOT_OK(CheckCondition(in));
    const std::optional<SidePair> pair = SplitTerm(in, left_width);
    const bool is_key = pair.has_value() && pair->op == Comparison::kEqual;
    terms.null_aware = is_key && parts.pairs.empty() && parts.rest.empty();
    if (terms.null_aware) {
      parts.pairs.push_back(*pair);
    } else {
      parts.rest.push_back(in);
    }
  }
  return JoinByParts(left, right, JoinKind::kMark, parts, NullMatching::kNeverMatch,
                     JoinStrategy::kAny, std::move(terms));
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
  HEADRACE_CHECK(kind == JoinKind::kInner || kind == JoinKind::kLeft,
                 "an as-of join is inner or left");
  ARROW_RETURN_NOT_OK(CheckCondition(condition));
  std::vector<SidePair> pairs = {SidePair{}};
  for (const ExpressionPtr& term : SplitConjunction(condition)) {
    std::optional<SidePair> pair = SplitTerm(term, left->schema()->num_fields());
    const bool is_pair = pair.has_value() && pair->op != Comparison::kNotDistinct;
    const bool is_time = is_pair && pair->op != Comparison::kEqual;
    if (!is_pair || (is_time && pairs.front().op != Comparison::kNone)) {
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
