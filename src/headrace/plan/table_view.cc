// Composition of the expressions of a chain of filters and projections.
#include "headrace/plan/table_view.h"

#include <algorithm>

#include "arrow/type.h"
#include "headrace/plan/make_node.h"

namespace headrace {
namespace {

ExpressionPtr Composed(const ExpressionPtr& expression, const std::vector<ExpressionPtr>& columns) {
  return ReplaceColumns(expression, [&](const Expression& column) {
    return columns[static_cast<size_t>(column.column)];
  });
}

std::optional<TableView> ViewOfScan(const ScanNode& scan) {
  const bool is_table = scan.source->lookup() != nullptr &&
                        scan.source->boundedness() == Boundedness::kBounded &&
                        scan.source->change_mode() == ChangeMode::kAppend;
  if (!is_table || scan.request.limit.has_value()) return std::nullopt;
  TableView view{scan.source, {}, {}};
  for (int column : scan.request.projection) {
    view.columns.push_back(ColumnOf(*scan.source->schema(), column));
  }
  return view;
}

}  // namespace

std::optional<TableView> TableViewOf(const PlanNode& plan) {
  if (const auto* scan = As<ScanNode>(plan)) return ViewOfScan(*scan);
  const auto* filter = As<FilterNode>(plan);
  const auto* project = As<ProjectNode>(plan);
  if (filter == nullptr && project == nullptr) return std::nullopt;
  std::optional<TableView> view = TableViewOf(*plan.input());
  if (!view.has_value()) return std::nullopt;
  if (filter != nullptr) {
    if (IsVolatile(*filter->predicate)) return std::nullopt;
    view->filters.push_back(Composed(filter->predicate, view->columns));
    return view;
  }
  std::vector<ExpressionPtr> columns;
  for (const ExpressionPtr& expression : project->expressions) {
    if (IsVolatile(*expression)) return std::nullopt;
    columns.push_back(Composed(expression, view->columns));
  }
  view->columns = std::move(columns);
  return view;
}

}  // namespace headrace
