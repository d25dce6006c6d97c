// The builder: makes plan nodes, computes their properties and checks what they need. Expressions
// given here may hold aggregate, ordered and callback calls anywhere; the builder lifts them out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "headrace/plan/node.h"

namespace headrace {

struct NamedExpression {
  ExpressionPtr expression;
  std::string name;
};

/// Scans all columns of `source` and remembers its snapshot.
Result<PlanPtr> PlanScan(SourcePtr source, std::optional<EventTime> event_time = std::nullopt);
/// `predicate` is boolean. It may hold ordered calls, not aggregates.
Result<PlanPtr> PlanFilter(PlanPtr input, ExpressionPtr predicate);
/// Ordered calls, aggregates with OVER and callbacks become nodes below. Names may repeat. Rows
/// keep their order, except that an ordered call whose own order (OVER (ORDER BY …)) is not known
/// leaves them in it, and one with frames that look ahead by its PARTITION BY, then its ORDER BY.
Result<PlanPtr> PlanProject(PlanPtr input, std::vector<NamedExpression> outputs);
Result<PlanPtr> PlanLimit(PlanPtr input, int64_t count, int64_t offset = 0);

struct SortExpression {
  ExpressionPtr expression;
  bool descending = false;
  NullPlacement nulls = NullPlacement::kLast;
};
/// Sorts by expressions; the output has the columns of the input. Input that is sorted that way
/// already is returned as it is.
Result<PlanPtr> PlanSort(PlanPtr input, std::vector<SortExpression> keys);

/// Declares that rows come in the order of `keys`, columns of the input, which each row is checked
/// for as it passes. Input whose order is known is returned as it is.
Result<PlanPtr> PlanAssumeSorted(PlanPtr input, Ordering keys);

struct AggregateOptions {
  GroupOrder order = GroupOrder::kUnspecified;
  EmitPolicy emit = EmitPolicy::kAtEnd;
  bool waits_for_end = false;  // kAtEnd over an endless input too: the groups come if it ends
};
/// Output: `groups` by name, then `outputs`, which are expressions over the input that hold
/// aggregate calls and whose other parts are among the groups (else kInvalidArgument names the
/// column). `having` (may be null) is over the same.
Result<PlanPtr> PlanAggregate(PlanPtr input, std::vector<NamedExpression> groups,
                              std::vector<NamedExpression> outputs, ExpressionPtr having = nullptr,
                              AggregateOptions options = {});

/// The same per group and window: the output has `_window_start` and `_window_end` between the
/// groups and the `outputs`. The window's time is an expression over the input; its own columns may
/// not stand in `outputs` or `having`: filter and project above. Bounded and endless inputs.
Result<PlanPtr> PlanWindowAggregate(PlanPtr input, StreamWindowSpec window,
                                    std::vector<NamedExpression> groups,
                                    std::vector<NamedExpression> outputs,
                                    ExpressionPtr having = nullptr,
                                    EmitPolicy emit = EmitPolicy::kAtEnd);

enum class JoinStrategy {
  kAny,    // merged where both sides are sorted and large, else by hash
  kMerge,  // merged; an error where a side is not known to be sorted by the keys
};

struct JoinOptions {
  /// Of equalities; IS NOT DISTINCT FROM matches nulls in any case.
  NullMatching nulls = NullMatching::kNeverMatch;
  /// The side to keep in memory, where the kind leaves the choice (inner, left, right, full); the
  /// order of rows is that of the other. Not given: the one that ends, where the other does not;
  /// else the left one of a right join, and the right one of others.
  std::optional<JoinSide> build;
  JoinStrategy strategy = JoinStrategy::kAny;
  /// Of two endless streams: so far behind the watermark of its stream a row is still joined (GRACE
  /// PERIOD).
  int64_t grace_micros = 0;
  /// Of two endless streams: a side of the interval may be open: its rows are kept for ever.
  bool allow_unbounded_state = false;
};
/// `condition` is over the columns of left, then right; null: every pair of rows (CROSS JOIN).
/// Equalities between the sides (=, IS NOT DISTINCT FROM) become keys, the rest is the residual;
/// without a key all pairs are compared. See JoinNode for output and order. Any kind but kMark.
/// Of an endless stream and a table with a Lookup it becomes a LookupJoinNode (rule LookUpTables);
/// of two endless streams it is an IntervalJoinNode, and comparisons of their event times are its
/// bounds: kUnsupported tells how to write one where there is none.
Result<PlanPtr> PlanJoin(PlanPtr left, PlanPtr right, JoinKind kind, ExpressionPtr condition,
                         JoinOptions options = {});
/// Left columns and a BOOLEAN `mark_name`, for subqueries. Only pairs for which `condition` (null:
/// all) is true count. With `in` (usually `operand = column`) the mark is what `operand IN
/// (subquery)` gives: true when `in` is true for one of them, else null when it is null for one,
/// else false. Without `in` it is EXISTS: never null. Expressions are over left, then right.
Result<PlanPtr> PlanMarkJoin(PlanPtr left, PlanPtr right, ExpressionPtr condition, ExpressionPtr in,
                             std::string mark_name);

/// UNION ALL; columns are matched by place, or by name, ignoring case (those that an input lacks
/// are null). Types become the common ones; names are those of the first input that has the column.
Result<PlanPtr> PlanUnion(std::vector<PlanPtr> inputs, bool by_name = false);
/// The same, in the order of `keys`, columns of the first input; inputs that are not known to come
/// in it are sorted. Of equal rows those of the first input come first.
Result<PlanPtr> PlanMergeUnion(std::vector<PlanPtr> inputs, Ordering keys, bool by_name = false);
/// All columns as groups; of an endless input each at once, when it comes first.
Result<PlanPtr> PlanDistinct(PlanPtr input);
enum class SetOperation { kUnion, kIntersect, kExcept };
/// UNION, INTERSECT, EXCEPT of SQL; nulls are equal. `all` counts repeats: INTERSECT ALL gives a
/// row min(m, n) times, EXCEPT ALL max(m − n, 0) times, in no order; without `all` the last two
/// keep the order of the left.
Result<PlanPtr> PlanSetOperation(PlanPtr left, PlanPtr right, SetOperation operation, bool all,
                                 bool by_name = false);

struct UnnestOptions {
  bool keep_empty = false;  // a row without elements gives one row of nulls (LEFT JOIN UNNEST)
  std::string ordinality;   // name of the number of the element, from 1; "": none
};
/// Input columns, then the elements of each list under its name (see UnnestNode). The lists are
/// expressions over the input.
Result<PlanPtr> PlanUnnest(PlanPtr input, std::vector<NamedExpression> lists,
                           UnnestOptions options = {});

/// Every row with probability `fraction` (0 to 1); row order is kept.
Result<PlanPtr> PlanSample(PlanPtr input, double fraction, uint64_t seed);
/// `rows` rows drawn at random (all when there are fewer), in row order.
Result<PlanPtr> PlanSampleRows(PlanPtr input, int64_t rows, uint64_t seed);

/// A row per value of the columns `keys`, with the column `depth`: see FunnelNode. `within` is in
/// units of the column `time`; rows are sorted by it within the keys unless they come so.
Result<PlanPtr> PlanFunnel(PlanPtr input, std::vector<int> keys, int time,
                           std::vector<ExpressionPtr> steps, int64_t within);

struct AsofOptions {
  std::vector<int> left_by;
  std::vector<int> right_by;
  AsofDirection direction = AsofDirection::kBackward;
  bool strict = false;
  std::optional<int64_t> tolerance;
  /// Of the `by` columns. A null time matches nothing.
  NullMatching nulls = NullMatching::kNeverMatch;
};
/// Inputs whose known order does not start with the time column are sorted by it first.
Result<PlanPtr> PlanAsofJoin(PlanPtr left, PlanPtr right, int left_time, int right_time,
                             AsofOptions options);
/// The same by a condition over the columns of left, then right: one inequality between the sides
/// (the times) and any number of equalities, joined by AND. kInner drops rows without a match.
Result<PlanPtr> PlanAsofJoin(PlanPtr left, PlanPtr right, JoinKind kind, ExpressionPtr condition);

/// Rewrites with every rule, in the order of plan/rule/list.inc.
Result<PlanPtr> Optimize(PlanPtr plan);
/// The tree as text, one node a line, inputs indented.
std::string Explain(const PlanNode& plan);

}  // namespace headrace
