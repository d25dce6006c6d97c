// count, min and max of whole tables are what their sources know: no row is read.
#include <algorithm>
#include <optional>
#include <string_view>

#include "arrow/record_batch.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/plan/builder.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/rule.h"
#include "headrace/table/column_facts.h"

namespace headrace {
namespace {

/// The exact number of rows that `plan` gives; none when it takes reading them. Sources that have
/// changed are left to the query, which refuses them.
std::optional<int64_t> KnownRowsOf(const PlanNode& plan) {
  if (const auto* scan = As<ScanNode>(plan)) {
    const bool is_whole = scan->request.bounds.empty() && !scan->request.limit.has_value();
    const Result<std::string> snapshot = scan->source->Snapshot();
    if (!is_whole || !snapshot.ok() || *snapshot != scan->snapshot) return std::nullopt;
    return scan->source->row_count();
  }
  if (As<ProjectNode>(plan) != nullptr) return KnownRowsOf(*plan.input());
  if (const auto* limit = As<LimitNode>(plan)) {
    const std::optional<int64_t> rows = KnownRowsOf(*plan.input());
    if (!rows.has_value()) return std::nullopt;
    return std::min(limit->count, std::max<int64_t>(*rows - limit->offset, 0));
  }
  if (As<UnionNode>(plan) == nullptr) return std::nullopt;
  int64_t sum = 0;
  for (const PlanPtr& input : plan.inputs()) {
    const std::optional<int64_t> rows = KnownRowsOf(*input);
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

/// What the source of a whole table knows of a column of `plan`.
std::optional<WholeColumn> WholeColumnOf(const PlanNode& plan, int column) {
  if (const auto* project = As<ProjectNode>(plan)) {
    const Expression& expression = *project->expressions[static_cast<size_t>(column)];
    if (expression.kind != Expression::Kind::kColumn) return std::nullopt;
    return WholeColumnOf(*plan.input(), expression.column);
  }
  const auto* scan = As<ScanNode>(plan);
  if (scan == nullptr || !KnownRowsOf(plan).has_value()) return std::nullopt;
  const auto* facts = dynamic_cast<const ColumnFacts*>(scan->source.get());
  if (facts == nullptr) return std::nullopt;
  return facts->WholeColumnOf(scan->request.projection[static_cast<size_t>(column)]);
}

/// The value of a call over all rows of `input`, of which there are `rows`; null when it takes
/// reading them.
ScalarPtr ValueOf(const FunctionCall& call, const PlanNode& input, int64_t rows) {
  if (CountsRows(call)) return std::make_shared<arrow::Int64Scalar>(rows);
  const std::string_view function = call.function->id;
  const bool is_min = function == "min";
  if ((!is_min && function != "max") || call.args.size() != 1 || call.distinct ||
      call.args[0]->kind != Expression::Kind::kColumn) {
    return nullptr;
  }
  const auto whole = WholeColumnOf(input, call.args[0]->column);
  if (!whole.has_value()) return nullptr;
  const ScalarPtr& value = is_min ? whole->min : whole->max;
  if (value == nullptr) return arrow::MakeNullScalar(call.type);
  return value->type->Equals(*call.type) ? value : nullptr;
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
  const bool is_whole = aggregate != nullptr && aggregate->keys.empty() &&
                        !aggregate->calls.empty() && aggregate->emit == EmitPolicy::kAtEnd;
  if (!is_whole || plan->input()->properties().change_mode != ChangeMode::kAppend) return plan;
  const std::optional<int64_t> rows = KnownRowsOf(*plan->input());
  if (!rows.has_value()) return plan;
  std::vector<ExpressionPtr> values;
  for (const FunctionCall& call : aggregate->calls) {
    ScalarPtr value = ValueOf(call, *plan->input(), *rows);
    if (value == nullptr) return plan;
    values.push_back(Expression::Literal(std::move(value)));
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr one, OneRow());
  return MakeProjectNode(std::move(one), std::move(values), plan->schema()->field_names());
}

}  // namespace

Result<PlanPtr> AnswerFromFacts(const PlanPtr& plan) { return RewriteBottomUp(plan, Answer); }

}  // namespace headrace
