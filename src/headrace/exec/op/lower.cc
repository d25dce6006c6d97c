// The table itself. A window aggregate over a stream, or over changes, runs on keyed lanes; over
// bounded rows it is a breaker.
#include "headrace/exec/op/lower.h"

#include "arrow/type.h"

#include "headrace/exec/op/asof_join.h"
#include "headrace/exec/op/callback.h"
#include "headrace/exec/op/filter.h"
#include "headrace/exec/op/hash_aggregate.h"
#include "headrace/exec/op/hash_join.h"
#include "headrace/exec/op/limit.h"
#include "headrace/exec/op/project.h"
#include "headrace/exec/op/sort.h"
#include "headrace/exec/op/stream_aggregate.h"
#include "headrace/exec/op/window.h"
#include "headrace/exec/physical.h"

namespace headrace {
namespace {

template <typename Node>
const Node& Cast(const PlanNode& node) {
  return static_cast<const Node&>(node);
}

Status LowerScan(const PlanNode& node, Lowering& lowering) {
  return lowering.StartScan(Cast<ScanNode>(node));
}

Status LowerFilter(const PlanNode& node, Lowering& lowering) {
  ARROW_RETURN_NOT_OK(lowering.Lower(*node.input()));
  lowering.Append(std::make_shared<FilterSpec>(Cast<FilterNode>(node).predicate));
  return Status::OK();
}

Status LowerProject(const PlanNode& node, Lowering& lowering) {
  ARROW_RETURN_NOT_OK(lowering.Lower(*node.input()));
  lowering.Append(std::make_shared<ProjectSpec>(Cast<ProjectNode>(node).expressions));
  return Status::OK();
}

Status LowerLimit(const PlanNode& node, Lowering& lowering) {
  const auto& limit = Cast<LimitNode>(node);
  ARROW_RETURN_NOT_OK(lowering.Lower(*node.input()));
  lowering.Serialize();
  lowering.Append(std::make_shared<LimitSpec>(limit.count, limit.offset));
  return Status::OK();
}

void BreakForSort(const SchemaPtr& schema, const Ordering& keys, Lowering& lowering) {
  int breaker = 0;
  auto state = lowering.EndInBreaker(std::make_shared<SortBuildSpec>(schema, keys), &breaker);
  lowering.StartParts(state, breaker, std::make_shared<SortOutputSpec>(schema, keys), 1);
}

Status LowerSort(const PlanNode& node, Lowering& lowering) {
  const auto& sort = Cast<SortNode>(node);
  ARROW_RETURN_NOT_OK(lowering.Lower(*node.input()));
  BreakForSort(node.input()->schema(), sort.keys, lowering);
  return Status::OK();
}

Status LowerStreamAggregate(const AggregateNode& aggregate, Lowering& lowering) {
  lowering.ExchangeByHash(aggregate.keys);
  lowering.Append(std::make_shared<StreamAggregateSpec>(aggregate.input()->schema(),
                                                        aggregate.keys, aggregate.calls,
                                                        aggregate.emit, aggregate.window,
                                                        aggregate.input()->properties().change_mode));
  return Status::OK();
}

/// The aggregate gave two columns more, the place of each group's first row: sorts by them and drops
/// them.
Status RestoreFirstAppearance(const AggregateNode& aggregate, Lowering& lowering) {
  const int columns = aggregate.schema()->num_fields();
  arrow::FieldVector fields = aggregate.schema()->fields();
  fields.push_back(arrow::field("first_split", arrow::int64()));
  fields.push_back(arrow::field("first_row", arrow::int64()));
  BreakForSort(arrow::schema(fields), {SortKey{columns}, SortKey{columns + 1}}, lowering);
  std::vector<ExpressionPtr> kept;
  for (int column = 0; column < columns; ++column) {
    const auto& field = aggregate.schema()->field(column);
    kept.push_back(Expression::Column(column, field->name(), field->type()));
  }
  lowering.Append(std::make_shared<ProjectSpec>(std::move(kept)));
  return Status::OK();
}

Status LowerAggregate(const PlanNode& node, Lowering& lowering) {
  const auto& aggregate = Cast<AggregateNode>(node);
  ARROW_RETURN_NOT_OK(lowering.Lower(*node.input()));
  const PlanProperties& input = node.input()->properties();
  if (input.boundedness == Boundedness::kUnbounded || input.change_mode != ChangeMode::kAppend ||
      aggregate.emit == EmitPolicy::kChanges) {
    return LowerStreamAggregate(aggregate, lowering);
  }
  int breaker = 0;
  auto state = lowering.EndInBreaker(
      std::make_shared<HashAggregateBuildSpec>(input.schema, aggregate.keys, aggregate.calls),
      &breaker);
  lowering.StartParts(state, breaker,
                      std::make_shared<HashAggregateOutputSpec>(
                          input.schema, aggregate.keys, aggregate.calls, aggregate.order),
                      lowering.lanes());
  if (aggregate.order == GroupOrder::kFirstAppearance) {
    return RestoreFirstAppearance(aggregate, lowering);
  }
  return Status::OK();
}

Status LowerJoin(const PlanNode& node, Lowering& lowering) {
  const auto& join = Cast<JoinNode>(node);
  const PlanPtr& left = join.inputs()[0];
  const PlanPtr& right = join.inputs()[1];
  ARROW_RETURN_NOT_OK(lowering.Lower(*right));
  int build = 0;
  auto state = lowering.EndInBreaker(
      std::make_shared<HashJoinBuildSpec>(right->schema(), join.right_keys, join.nulls), &build);
  ARROW_RETURN_NOT_OK(lowering.Lower(*left));
  lowering.WaitFor(build);
  lowering.Append(std::make_shared<HashJoinProbeSpec>(left->schema(), join.left_keys, join.kind,
                                                      join.nulls, join.residual),
                  state);
  return Status::OK();
}

Status LowerAsofJoin(const PlanNode& node, Lowering& lowering) {
  const auto& join = Cast<AsofJoinNode>(node);
  std::vector<int> channels;
  for (const PlanPtr& input : join.inputs()) {
    ARROW_RETURN_NOT_OK(lowering.Lower(*input));
    channels.push_back(lowering.EndInChannel());
  }
  AsofTerms terms{join.left_time, join.right_time, join.left_by,  join.right_by,
                  join.direction, join.strict,     join.tolerance};
  lowering.StartPorts(channels, std::make_shared<AsofJoinSpec>(join.inputs()[0]->schema(),
                                                               join.inputs()[1]->schema(),
                                                               std::move(terms)));
  return Status::OK();
}

Status LowerWindow(const PlanNode& node, Lowering& lowering) {
  const auto& window = Cast<WindowNode>(node);
  ARROW_RETURN_NOT_OK(lowering.Lower(*node.input()));
  lowering.Serialize();
  lowering.Append(std::make_shared<WindowOperatorSpec>(node.input()->schema(),
                                                       window.partition_by, window.calls));
  return Status::OK();
}

Status LowerCallback(const PlanNode& node, Lowering& lowering) {
  const auto& callback = Cast<CallbackNode>(node);
  ARROW_RETURN_NOT_OK(lowering.Lower(*node.input()));
  lowering.Serialize();
  lowering.Append(std::make_shared<CallbackSpec>(callback.callback_id, callback.args,
                                                 callback.type, callback.output_name));
  return Status::OK();
}

constexpr LoweringRow kLowerings[] = {
#define HEADRACE_LOWERING(node, function) {node, function},
#include "headrace/exec/op/list.inc"
#undef HEADRACE_LOWERING
};

}  // namespace

std::span<const LoweringRow> AllLowerings() { return kLowerings; }

}  // namespace headrace
