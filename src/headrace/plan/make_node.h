// Node factories: each computes the properties of its node (order, boundedness, change mode) and
// refuses inputs that the node cannot take. Expressions given here are free of calls to lift.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "headrace/plan/node.h"

namespace headrace {

/// REQUIRES: request.projection holds indexes of the source's schema, and the event time's column.
Result<PlanPtr> MakeScanNode(SourcePtr source, ScanRequest request, std::string snapshot,
                             std::optional<EventTime> event_time);
Result<PlanPtr> MakeFilterNode(PlanPtr input, ExpressionPtr predicate);
/// `names` goes beside `expressions`.
Result<PlanPtr> MakeProjectNode(PlanPtr input, std::vector<ExpressionPtr> expressions,
                                const std::vector<std::string>& names);
Result<PlanPtr> MakeLimitNode(PlanPtr input, int64_t count, int64_t offset);
Result<PlanPtr> MakeSortNode(PlanPtr input, Ordering keys);
Result<PlanPtr> MakeAggregateNode(PlanPtr input, std::vector<int> keys,
                                  std::vector<FunctionCall> calls, GroupOrder order,
                                  EmitPolicy emit);
/// REQUIRES: the window's time is a column of the input.
Result<PlanPtr> MakeWindowAggregateNode(PlanPtr input, StreamWindowSpec window,
                                        std::vector<int> keys, std::vector<FunctionCall> calls,
                                        EmitPolicy emit);
Result<PlanPtr> MakeJoinNode(PlanPtr left, PlanPtr right, JoinKind kind, JoinTerms terms);
/// Rows of the built side without a match are given: by hash after all others.
bool KeepsBuilt(JoinKind kind, JoinSide build);
/// REQUIRES: `table` has a Lookup.
Result<PlanPtr> MakeLookupJoinNode(PlanPtr stream, SourcePtr table, JoinKind kind,
                                   LookupTerms terms);
Result<PlanPtr> MakeIntervalJoinNode(PlanPtr left, PlanPtr right, JoinKind kind,
                                     IntervalTerms terms);
Result<PlanPtr> MakeAsofJoinNode(PlanPtr left, PlanPtr right, int left_time, int right_time,
                                 std::vector<int> left_by, std::vector<int> right_by,
                                 AsofDirection direction, bool strict,
                                 std::optional<int64_t> tolerance);
Result<PlanPtr> MakeWindowNode(PlanPtr input, std::vector<int> partition_by,
                               std::vector<FunctionCall> calls);
Result<PlanPtr> MakeFramedWindowNode(PlanPtr input, std::vector<int> partition_by, Ordering order,
                                     std::vector<FramedCall> calls);
Result<PlanPtr> MakeUnionNode(std::vector<PlanPtr> inputs);
Result<PlanPtr> MakeUnnestNode(PlanPtr input, std::vector<int> lists,
                               std::vector<std::string> names, bool keep_empty,
                               std::string ordinality);
Result<PlanPtr> MakeRepeatNode(PlanPtr input);
Result<PlanPtr> MakeSampleNode(PlanPtr input, std::optional<double> fraction, uint64_t seed);
Result<PlanPtr> MakeCallbackNode(PlanPtr input, int64_t callback_id, std::vector<int> args,
                                 std::string output_name, TypePtr type);

/// kUnsupported where groups without a window would wait for ever.
Status RequireEnd(const PlanNode& input);

/// References to columns of `schema`.
ExpressionPtr ColumnOf(const arrow::Schema& schema, int index);
std::vector<ExpressionPtr> AllColumnsOf(const arrow::Schema& schema);

}  // namespace headrace
