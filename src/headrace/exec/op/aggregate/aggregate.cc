// Lowering of aggregates: over bounded rows that only come it is a breaker, or one pass where the
// rows of groups come together; over a stream, or over changes, it runs on lanes that own their
// keys.
#include <algorithm>

#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/exec/op/aggregate/hash_aggregate.h"
#include "headrace/exec/op/aggregate/last_row.h"
#include "headrace/exec/op/aggregate/partition_run_aggregate.h"
#include "headrace/exec/op/aggregate/quantile_picks.h"
#include "headrace/exec/op/aggregate/sorted_aggregate.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/op/project.h"
#include "headrace/exec/op/sort/sort.h"
#include "headrace/exec/op/stream/stream_aggregate.h"
#include "headrace/exec/physical.h"
#include "headrace/plan/partition_runs.h"
#include "headrace/plan/sorted_groups.h"

namespace headrace {
namespace {

Status LowerStreamAggregate(const AggregateNode& aggregate, Lowering& lowering) {
  lowering.ExchangeByHash(aggregate.keys);
  lowering.Append(std::make_shared<StreamAggregateSpec>(
      aggregate.input()->schema(), aggregate.keys, aggregate.calls, aggregate.emit,
      aggregate.input()->properties().change_mode));
  return Status::OK();
}

/// The aggregate gave two columns more, the place of each group's first row: sorts by them and
/// drops them.
Status RestoreFirstAppearance(const AggregateNode& aggregate, Lowering& lowering) {
  const int columns = aggregate.schema()->num_fields();
  arrow::FieldVector fields = aggregate.schema()->fields();
  fields.push_back(arrow::field("first_split", arrow::int64()));
  fields.push_back(arrow::field("first_row", arrow::int64()));
  LowerToSort(arrow::schema(fields), {SortKey{columns}, SortKey{columns + 1}}, lowering);
  std::vector<ExpressionPtr> kept;
  for (int column = 0; column < columns; ++column) {
    const auto& field = aggregate.schema()->field(column);
    kept.push_back(Expression::Column(column, field->name(), field->type()));
  }
  lowering.Append(std::make_shared<ProjectSpec>(std::move(kept)));
  return Status::OK();
}

bool ReadsOrder(const AggregateNode& aggregate) {
  return ComesByGroup(aggregate) || FindPartitionRuns(aggregate).has_value() ||
         aggregate.order == GroupOrder::kFirstAppearance ||
         aggregate.emit == EmitPolicy::kChanges ||
         std::any_of(aggregate.calls.begin(), aggregate.calls.end(), [](const auto& call) {
           return call.function->Has(function_flag::kOrderSensitive);
         });
}

/// Where columns stand among the keys; none unless all of them do.
std::vector<int> PlacesAmongKeys(const std::vector<int>& columns, const std::vector<int>& keys) {
  std::vector<int> places;
  for (const int column : columns) {
    const auto found = std::find(keys.begin(), keys.end(), column);
    if (found == keys.end()) return {};
    places.push_back(static_cast<int>(found - keys.begin()));
  }
  return places;
}

/// Of each key: whether it is read of the groups.
std::vector<bool> KeysRead(const AggregateNode& aggregate, const RowsRead& read) {
  std::vector<bool> is_read(aggregate.keys.size(), !read.columns.has_value());
  if (is_read.empty() || is_read.front()) return is_read;
  for (const int column : *read.columns) {
    if (static_cast<size_t>(column) < is_read.size()) is_read[static_cast<size_t>(column)] = true;
  }
  return is_read;
}

}  // namespace

Status LowerAggregate(const PlanNode& node, Lowering& lowering) {
  const auto& aggregate = static_cast<const AggregateNode&>(node);
  std::vector<int> read = aggregate.keys;
  for (const FunctionCall& call : aggregate.calls) {
    for (const ExpressionPtr& arg : call.args) {
      for (int column : ColumnsOf(*arg)) read.push_back(column);
    }
  }
  std::vector<bool> keys_read = KeysRead(aggregate, lowering.rows_read());
  RowsRead rows_read{std::move(read), ReadsOrder(aggregate)};
  if (ComesByGroup(aggregate)) rows_read.whole = aggregate.keys;
  const bool asks_for_last = AsksForLastRow(aggregate);
  PlanPtr below = node.input();
  if (asks_for_last) {
    ARROW_ASSIGN_OR_RAISE(below, InputReadBackwards(below));
  }
  ARROW_RETURN_NOT_OK(lowering.Lower(*below, std::move(rows_read)));
  if (asks_for_last) {
    HEADRACE_CHECK(lowering.ReadBackwards(), "rows come from one scan");
    lowering.Append(std::make_shared<LastRowSpec>());
  }
  const PlanProperties& input = node.input()->properties();
  if (input.boundedness == Boundedness::kUnbounded || input.change_mode != ChangeMode::kAppend ||
      aggregate.emit == EmitPolicy::kChanges) {
    return LowerStreamAggregate(aggregate, lowering);
  }
  const bool sorts = QuantilesExceed(aggregate, lowering.memory_bytes());
  AggregateInput rows{input.schema, aggregate.calls};
  if (sorts) ARROW_RETURN_NOT_OK(LowerToQuantilePicks(aggregate.keys, &rows, lowering));
  if (sorts ? !aggregate.keys.empty() : ComesByGroup(aggregate)) {
    const std::vector<int> whole = PlacesAmongKeys(lowering.whole(), aggregate.keys);
    lowering.AppendByPartition(aggregate.keys, std::make_shared<SortedAggregateSpec>(
                                                   rows.schema, aggregate.keys, rows.calls));
    lowering.SetWhole(whole);
    return Status::OK();
  }
  if (const auto runs = FindPartitionRuns(aggregate); runs.has_value() && !sorts) {
    // In a pipeline of its own, beside windows that run on one lane too.
    lowering.StartPorts({lowering.EndInChannel()}, nullptr);
    lowering.Append(std::make_shared<PartitionRunAggregateSpec>(
        rows.schema, aggregate.keys, std::move(keys_read), *runs, rows.calls));
    return Status::OK();
  }
  int breaker = 0;
  auto state = lowering.EndInBreaker(
      std::make_shared<HashAggregateBuildSpec>(rows.schema, aggregate.keys, rows.calls,
                                               aggregate.order, lowering.options().groupby_rows),
      &breaker);
  lowering.StartParts(state, breaker,
                      std::make_shared<HashAggregateOutputSpec>(rows.schema, aggregate.keys,
                                                                rows.calls, aggregate.order),
                      lowering.lanes());
  if (aggregate.order == GroupOrder::kFirstAppearance) {
    return RestoreFirstAppearance(aggregate, lowering);
  }
  return Status::OK();
}

}  // namespace headrace
