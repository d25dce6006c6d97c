// Logical plan nodes: typed, immutable trees with what is known of order, bounds and changes.
// Columns of an expression or key index the schema of the node's input.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/expression/expression.h"
#include "headrace/plan/plan_node.h"
#include "headrace/table/source.h"

namespace headrace {

/// Event time of a stream: rows of a split are at most `delay_micros` out of order (0: they ascend,
/// equal times may repeat).
struct EventTime {
  int column = 0;  // a timestamp column of the source's schema
  int64_t delay_micros = 0;
  /// A boolean column of the source: only rows where it is true move the watermark, to their time.
  std::optional<int> punctuation = std::nullopt;
  /// A split that gives nothing for so long does not hold the watermark back; 0: it always does.
  int64_t idle_micros = 30'000'000;
  /// Rows further ahead of the clock than this do not move the watermark; 0: all do.
  int64_t skew_micros = 86'400'000'000;
};

class ScanNode final : public PlanNode {
 public:
  ScanNode(PlanProperties properties, SourcePtr source, ScanRequest request, std::string snapshot,
           std::optional<EventTime> event_time)
      : PlanNode(std::move(properties), {}),
        source(std::move(source)),
        request(std::move(request)),
        snapshot(std::move(snapshot)),
        event_time(event_time) {}
  const char* name() const override { return "scan"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::optional<double> EstimateRows() const override;
  std::vector<int> EventTimes() const override;

  const SourcePtr source;
  const ScanRequest request;  // projection is always set
  const std::string snapshot;
  const std::optional<EventTime> event_time;
};

class FilterNode final : public PlanNode {
 public:
  FilterNode(PlanProperties properties, PlanPtr input, ExpressionPtr predicate)
      : PlanNode(std::move(properties), {std::move(input)}), predicate(std::move(predicate)) {}
  const char* name() const override { return "filter"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::optional<double> EstimateRows() const override;
  std::vector<int> EventTimes() const override;

  const ExpressionPtr predicate;
};

class ProjectNode final : public PlanNode {
 public:
  ProjectNode(PlanProperties properties, PlanPtr input, std::vector<ExpressionPtr> expressions)
      : PlanNode(std::move(properties), {std::move(input)}), expressions(std::move(expressions)) {}
  const char* name() const override { return "project"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> EventTimes() const override;

  const std::vector<ExpressionPtr> expressions;  // names are those of the schema
};

class LimitNode final : public PlanNode {
 public:
  LimitNode(PlanProperties properties, PlanPtr input, int64_t count, int64_t offset)
      : PlanNode(std::move(properties), {std::move(input)}), count(count), offset(offset) {}
  const char* name() const override { return "limit"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::optional<double> EstimateRows() const override;

  const int64_t count;
  const int64_t offset;
};

/// Stable.
class SortNode final : public PlanNode {
 public:
  SortNode(PlanProperties properties, PlanPtr input, Ordering keys)
      : PlanNode(std::move(properties), {std::move(input)}), keys(std::move(keys)) {}
  const char* name() const override { return "sort"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> FilterPlaces(size_t input) const override;

  const Ordering keys;
};

/// A call of an aggregate or ordered function over columns of the input (arguments are projected
/// before, so they are columns or literals).
struct FunctionCall {
  const FunctionDef* function = nullptr;
  const Overload* overload = nullptr;
  std::vector<ExpressionPtr> args;  // columns (with casts projected away) and literals
  TypePtr type;
  std::string name;  // of the output column
  bool distinct = false;
};

enum class GroupOrder { kUnspecified, kFirstAppearance, kKey };
enum class EmitPolicy {
  kAtEnd,    // each group once: when the input ends, or its window is complete
  kChanges,  // after every batch: old row −1, new row +1 (output mode retract)
};

/// Output: the key columns, then one column per call. No keys: exactly one row.
class AggregateNode final : public PlanNode {
 public:
  AggregateNode(PlanProperties properties, PlanPtr input, std::vector<int> keys,
                std::vector<FunctionCall> calls, GroupOrder order, EmitPolicy emit)
      : PlanNode(std::move(properties), {std::move(input)}),
        keys(std::move(keys)),
        calls(std::move(calls)),
        order(order),
        emit(emit) {}
  const char* name() const override { return "aggregate"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> FilterPlaces(size_t input) const override;
  std::optional<double> EstimateRows() const override;
  std::string DescribeState() const override;
  bool IsEmptyOver(const std::vector<bool>& empty) const override;

  const std::vector<int> keys;
  const std::vector<FunctionCall> calls;
  const GroupOrder order;
  const EmitPolicy emit;
};

enum class WindowKind { kTumbling, kSliding, kCumulate, kSession };

/// What becomes of a row that comes when a window it belongs to was given already.
enum class LatePolicy {
  kDrop,    // windows are given only when no row is allowed any more; later rows are dropped
  kAside,   // the same, and later rows go to OperatorContext::aside
  kUpdate,  // windows are given at their end; a row within the lateness gives the window again: the
            // old row −1, the new one +1 (output mode retract)
  kRepeat,  // as kUpdate, but only the new row, in append mode
};

enum class NullTimePolicy { kDrop, kFail };

/// Windows over the event time of rows. They are aligned to 1970-01-01 + offset, before it too.
///   kTumbling  [k·size, k·size + size)
///   kSliding   [k·advance, k·advance + size); advance ≤ size, which need not be its multiple
///   kCumulate  [k·size, k·size + j·advance) for j = 1 … size / advance, a whole number
///   kSession   of the rows of a group, each no more than `size` after the one before: from the
///              first to the last + size
/// A window is complete when the watermark has reached its end (a session: passed it), and takes
/// rows until the watermark is `lateness` further. Rows that are in no window that takes them are
/// late; rows with no time (null, or so extreme that their window has no bounds) are in none.
/// Sizes are whole units of the time's type.
struct StreamWindowSpec {
  WindowKind kind = WindowKind::kTumbling;
  ExpressionPtr time;  // a timestamp; in a node a column
  int64_t size_micros = 0;
  int64_t advance_micros = 0;  // sliding: between starts; cumulate: between ends
  int64_t offset_micros = 0;   // of the starts from 1970-01-01; not of sessions
  int64_t lateness_micros = 0;
  LatePolicy late = LatePolicy::kDrop;
  NullTimePolicy null_time = NullTimePolicy::kDrop;
};

inline constexpr const char* kWindowStartColumn = "_window_start";
inline constexpr const char* kWindowEndColumn = "_window_end";

/// A row per group and window that has rows, windows in order of their ends where there is one
/// lane. Output: the key columns, kWindowStartColumn and kWindowEndColumn (of the time's type),
/// then one column per call. kChanges gives windows as they change, and nothing when they close.
class WindowAggregateNode final : public PlanNode {
 public:
  WindowAggregateNode(PlanProperties properties, PlanPtr input, StreamWindowSpec window,
                      std::vector<int> keys, std::vector<FunctionCall> calls, EmitPolicy emit)
      : PlanNode(std::move(properties), {std::move(input)}),
        window(std::move(window)),
        keys(std::move(keys)),
        calls(std::move(calls)),
        emit(emit) {}
  const char* name() const override { return "window_aggregate"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> EventTimes() const override;
  std::string DescribeState() const override;

  const StreamWindowSpec window;
  const std::vector<int> keys;
  const std::vector<FunctionCall> calls;
  const EmitPolicy emit;
};

enum class JoinKind {
  kInner,
  kLeft,
  kRight,
  kFull,
  kSemi,    // left rows with a match
  kAnti,    // left rows without one
  kMark,    // left rows, and whether they have one
  kSingle,  // as kLeft; a left row with several matches is an error (scalar subqueries)
};
enum class NullMatching { kNeverMatch, kMatch };
enum class JoinSide { kLeft, kRight };

/// Whether the columns of the right side are in the output.
inline bool HasRightColumns(JoinKind kind) {
  return kind != JoinKind::kSemi && kind != JoinKind::kAnti && kind != JoinKind::kMark;
}

/// What a join is told beside its kind.
struct JoinTerms {
  std::vector<int> left_keys;  // none: every pair of rows is a candidate
  std::vector<int> right_keys;
  std::vector<NullMatching> nulls;  // per key
  /// Over left columns, then right columns: candidates that are true under it match; null: all.
  ExpressionPtr residual;
  /// The side that is kept in memory; the other is streamed past it.
  JoinSide build = JoinSide::kRight;
  /// kMark: the mark is null where no candidate is true and one is null, or, by `null_aware` (one
  /// key, no residual), where a key is null: `left IN (right)`. Otherwise it is never null.
  bool null_aware = false;
  std::string mark_name;
};

/// Rows keep the order of the side that is streamed; matches of one row come in the order of the
/// built side; its rows without a match (right or full join) come last, in their order. Output:
/// left columns, then right columns; of a mark join left columns, then the mark (BOOLEAN).
class JoinNode final : public PlanNode {
 public:
  JoinNode(PlanProperties properties, PlanPtr left, PlanPtr right, JoinKind kind, JoinTerms terms)
      : PlanNode(std::move(properties), {std::move(left), std::move(right)}),
        kind(kind),
        terms(std::move(terms)) {}
  const char* name() const override { return "join"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> FilterPlaces(size_t input) const override;
  std::optional<double> EstimateRows() const override;
  std::vector<int> EventTimes() const override;
  std::string DescribeState() const override;
  bool IsEmptyOver(const std::vector<bool>& empty) const override;

  const JoinKind kind;
  const JoinTerms terms;
};

enum class AsofDirection { kBackward, kForward };

/// Every left row once, with the nearest right row by time (`time` columns of equal type) among
/// those with equal `by` columns; nulls when there is none. Both inputs come sorted by time,
/// ascending.
class AsofJoinNode final : public PlanNode {
 public:
  AsofJoinNode(PlanProperties properties, PlanPtr left, PlanPtr right, int left_time,
               int right_time, std::vector<int> left_by, std::vector<int> right_by,
               AsofDirection direction, bool strict, std::optional<int64_t> tolerance)
      : PlanNode(std::move(properties), {std::move(left), std::move(right)}),
        left_time(left_time),
        right_time(right_time),
        left_by(std::move(left_by)),
        right_by(std::move(right_by)),
        direction(direction),
        strict(strict),
        tolerance(tolerance) {}
  const char* name() const override { return "asof_join"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> FilterPlaces(size_t input) const override;
  bool IsEmptyOver(const std::vector<bool>& empty) const override;

  const int left_time;
  const int right_time;
  const std::vector<int> left_by;
  const std::vector<int> right_by;
  const AsofDirection direction;
  const bool strict;                       // equal times do not match
  const std::optional<int64_t> tolerance;  // in units of the time column
};

/// How the rows of a stream (the input) match those of a table.
struct LookupTerms {
  std::vector<int> stream_keys;  // of the input; at least one, nulls never match
  std::vector<int> table_keys;   // of the table's schema, beside them
  std::vector<int> columns;  // of the table's schema: those that are given, filtered or compared
  /// Over `columns`: the rows for which it is not true are not in the table; null: all are.
  ExpressionPtr filter;
  /// Over the input's columns, then `columns`: candidates that are true under it match; null: all.
  ExpressionPtr residual;
};

/// Every row of a stream with the rows of `table` that it finds there by key, as the table is at
/// that moment. Rows keep the order of the stream; matches of one row come in table order. Output:
/// the input's columns, then `columns` (inner, left, right, full join), or the input's columns
/// (semi, anti). The table's rows that no row of the stream matched (right, full) come when the
/// stream ends, as the table is then.
class LookupJoinNode final : public PlanNode {
 public:
  LookupJoinNode(PlanProperties properties, PlanPtr stream, SourcePtr table, JoinKind kind,
                 LookupTerms terms)
      : PlanNode(std::move(properties), {std::move(stream)}),
        table(std::move(table)),
        kind(kind),
        terms(std::move(terms)) {}
  const char* name() const override { return "lookup_join"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> EventTimes() const override;
  std::string DescribeState() const override;

  const SourcePtr table;  // has a Lookup
  const JoinKind kind;    // no mark or single join
  const LookupTerms terms;
};

/// How rows of two streams match. Times are timestamp columns.
struct IntervalTerms {
  std::vector<int> left_keys;  // at least one; nulls never match
  std::vector<int> right_keys;
  int left_time = 0;
  int right_time = 0;
  /// lower <= right time − left time <= upper, in microseconds; none: no bound, and state for ever.
  std::optional<int64_t> lower;
  std::optional<int64_t> upper;
  /// So far behind the watermark of its stream a row is still taken.
  int64_t grace_micros = 0;
  /// Over left columns, then right columns: candidates that are true under it match; null: all.
  ExpressionPtr residual;
};

/// Pairs of rows of two streams with equal keys and times near each other, as they come; rows of a
/// side that is kept (left, right, full join) without a partner once none can come any more, by the
/// watermarks. Output: left columns, then right columns.
class IntervalJoinNode final : public PlanNode {
 public:
  IntervalJoinNode(PlanProperties properties, PlanPtr left, PlanPtr right, JoinKind kind,
                   IntervalTerms terms)
      : PlanNode(std::move(properties), {std::move(left), std::move(right)}),
        kind(kind),
        terms(std::move(terms)) {}
  const char* name() const override { return "interval_join"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> FilterPlaces(size_t input) const override;
  std::vector<int> EventTimes() const override;
  std::string DescribeState() const override;

  const JoinKind kind;  // inner, left, right or full
  const IntervalTerms terms;
};

/// Ordered functions over partitions of the input in its row order. Output: input columns, then one
/// column per call; row order is kept.
class WindowNode final : public PlanNode {
 public:
  WindowNode(PlanProperties properties, PlanPtr input, std::vector<int> partition_by,
             std::vector<FunctionCall> calls)
      : PlanNode(std::move(properties), {std::move(input)}),
        partition_by(std::move(partition_by)),
        calls(std::move(calls)) {}
  const char* name() const override { return "window"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> FilterPlaces(size_t input) const override;
  std::vector<int> EventTimes() const override;
  std::string DescribeState() const override;

  const std::vector<int> partition_by;
  const std::vector<FunctionCall> calls;
};

/// A call over frames of sorted partitions.
struct FramedCall {
  FunctionCall call;
  WindowFrame frame;  // the values of its bounds are columns of the input
  bool ignore_nulls = false;
};

/// Aggregates and window functions over frames. REQUIRES: input sorted by `partition_by` (in any
/// direction), then `order`. Output: input columns, then one column per call; row order is kept.
class FramedWindowNode final : public PlanNode {
 public:
  FramedWindowNode(PlanProperties properties, PlanPtr input, std::vector<int> partition_by,
                   Ordering order, std::vector<FramedCall> calls)
      : PlanNode(std::move(properties), {std::move(input)}),
        partition_by(std::move(partition_by)),
        order(std::move(order)),
        calls(std::move(calls)) {}
  const char* name() const override { return "framed_window"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> FilterPlaces(size_t input) const override;

  const std::vector<int> partition_by;
  const Ordering order;
  const std::vector<FramedCall> calls;
};

/// All rows of the first input, then all of the second, and so on; of inputs without an end, rows
/// as they come. Types of columns are equal up to encoding; names are those of the first.
class UnionNode final : public PlanNode {
 public:
  UnionNode(PlanProperties properties, std::vector<PlanPtr> inputs)
      : PlanNode(std::move(properties), std::move(inputs)) {}
  const char* name() const override { return "union"; }
  std::string Describe() const override { return ""; }
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> FilterPlaces(size_t input) const override;
  std::optional<double> EstimateRows() const override;
  std::vector<int> EventTimes() const override;
};

/// A row per element of the lists in `lists`, which are taken in lockstep: shorter ones are filled
/// with nulls. Output: input columns, one column of elements per list, and the number of the
/// element from 1 (BIGINT) when `ordinality` names it. A row without elements gives no row, or by
/// `keep_empty` one with nulls.
class UnnestNode final : public PlanNode {
 public:
  UnnestNode(PlanProperties properties, PlanPtr input, std::vector<int> lists,
             std::vector<std::string> names, bool keep_empty, std::string ordinality)
      : PlanNode(std::move(properties), {std::move(input)}),
        lists(std::move(lists)),
        names(std::move(names)),
        keep_empty(keep_empty),
        ordinality(std::move(ordinality)) {}
  const char* name() const override { return "unnest"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> FilterPlaces(size_t input) const override;
  std::vector<int> EventTimes() const override;

  const std::vector<int> lists;
  const std::vector<std::string> names;  // of the element columns
  const bool keep_empty;
  const std::string ordinality;  // "": none
};

/// Each row as often as its last column, a BIGINT without nulls, says; without that column.
class RepeatNode final : public PlanNode {
 public:
  RepeatNode(PlanProperties properties, PlanPtr input)
      : PlanNode(std::move(properties), {std::move(input)}) {}
  const char* name() const override { return "repeat"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  std::vector<int> FilterPlaces(size_t input) const override;
};

/// Rows drawn by chance: the same rows for the same seed at any number of lanes. With `fraction`
/// every row is kept with that probability, without it all rows are kept and three columns appended
/// from which a sample of a fixed size is made: a random number and the row's place (split, row).
class SampleNode final : public PlanNode {
 public:
  SampleNode(PlanProperties properties, PlanPtr input, std::optional<double> fraction,
             uint64_t seed)
      : PlanNode(std::move(properties), {std::move(input)}), fraction(fraction), seed(seed) {}
  const char* name() const override { return "sample"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> EventTimes() const override;

  const std::optional<double> fraction;
  const uint64_t seed;
};

/// A user's callback: output is the input columns and one more. Never moved, folded or shared.
class CallbackNode final : public PlanNode {
 public:
  CallbackNode(PlanProperties properties, PlanPtr input, int64_t callback_id, std::vector<int> args,
               std::string output_name, TypePtr type)
      : PlanNode(std::move(properties), {std::move(input)}),
        callback_id(callback_id),
        args(std::move(args)),
        output_name(std::move(output_name)),
        type(std::move(type)) {}
  const char* name() const override { return "callback"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> EventTimes() const override;
  bool IsEmptyOver(const std::vector<bool>& empty) const override;

  const int64_t callback_id;
  const std::vector<int> args;
  const std::string output_name;
  const TypePtr type;
};

}  // namespace headrace
