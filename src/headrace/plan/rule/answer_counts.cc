// count(*) of whole tables is what their sources know: no row is read.
#include <algorithm>
#include <optional>

#include "arrow/record_batch.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/plan/builder.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/rule.h"

namespace headrace {
namespace {

/// The exact number of rows that `plan` gives; none when it takes reading them. Sources that have
/// changed are left to the query, which refuses them.
std::optional<int64_t> RowsOf(const PlanNode& plan) {
  if (const auto* scan = As<ScanNode>(plan)) {
    const bool is_whole = scan->request.bounds.empty() && !scan->request.limit.has_value();
    const Result<std::string> snapshot = scan->source->Snapshot();
    if (!is_whole || !snapshot.ok() || *snapshot != scan->snapshot) return std::nullopt;
    return scan->source->row_count();
  }
  if (As<ProjectNode>(plan) != nullptr) return RowsOf(*plan.input());
  if (const auto* limit = As<LimitNode>(plan)) {
    const std::optional<int64_t> rows = RowsOf(*plan.input());
    if (!rows.has_value()) return std::nullopt;
    return std::min(limit->count, std::max<int64_t>(*rows - limit->offset, 0));
  }
  if (As<UnionNode>(plan) == nullptr) return std::nullopt;
  int64_t sum = 0;
  for (const PlanPtr& input : plan.inputs()) {
    const std::optional<int64_t> rows = RowsOf(*input);
    if (!rows.has_value()) return std::nullopt;
    sum += *rows;
  }
  return sum;
}

/// Projections may hold expressions that fail for some row; those rows are never looked at by
/// count(*) in any case.
bool CountsRows(const FunctionCall& call) {
  return call.function->Has(function_flag::kStar) && call.args.empty() && !call.distinct;
}

Result<PlanPtr> OneRow() {
  const SchemaPtr schema = arrow::schema({});
  MemoryTableOptions options;
  options.name = "one row";
  ARROW_ASSIGN_OR_RAISE(
      SourcePtr table,
      MemoryTable::Make(schema, {arrow::RecordBatch::Make(schema, 1, arrow::ArrayVector{})},
                        std::move(options)));
  return PlanScan(std::move(table));
}

Result<PlanPtr> Answer(const PlanPtr& plan) {
  const auto* aggregate = As<AggregateNode>(*plan);
  const bool counts = aggregate != nullptr && aggregate->keys.empty() &&
                      !aggregate->calls.empty() && aggregate->emit == EmitPolicy::kAtEnd &&
                      std::all_of(aggregate->calls.begin(), aggregate->calls.end(), CountsRows);
  if (!counts || plan->input()->properties().change_mode != ChangeMode::kAppend) return plan;
  const std::optional<int64_t> rows = RowsOf(*plan->input());
  if (!rows.has_value()) return plan;
  ARROW_ASSIGN_OR_RAISE(PlanPtr one, OneRow());
  const ExpressionPtr count = Expression::Literal(std::make_shared<arrow::Int64Scalar>(*rows));
  return MakeProjectNode(std::move(one), std::vector<ExpressionPtr>(aggregate->calls.size(), count),
                         plan->schema()->field_names());
}

}  // namespace

Result<PlanPtr> AnswerCounts(const PlanPtr& plan) { return RewriteBottomUp(plan, Answer); }

}  // namespace headrace
