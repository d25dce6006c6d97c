// Columns that advance are those that rows are ordered by, counts of all rows so far, and what
// rises with such a column.
#include "headrace/plan/advancing_columns.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "arrow/type.h"
#include "headrace/plan/rolling_window.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

using Within = std::optional<std::vector<int>>;

bool IsOneOf(std::string_view id, std::initializer_list<std::string_view> ids) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

/// Times of a zone are left out: its clock goes back once a year.
bool IsSteady(const arrow::DataType& type) {
  const arrow::Type::type id = type.id();
  if (id == arrow::Type::TIMESTAMP) {
    return static_cast<const arrow::TimestampType&>(type).timezone().empty();
  }
  return id == arrow::Type::DATE32 || id == arrow::Type::INT64;
}

/// The one column that an expression rises with (never falls as it rises); −1: none is known.
int RisesWith(const Expression& expression) {
  if (expression.kind == Expression::Kind::kColumn) return expression.column;
  if (!IsSteady(*PlainType(expression.type))) return -1;
  if (expression.kind == Expression::Kind::kCast) {
    const Expression& from = *expression.args[0];
    return !expression.try_cast && IsSteady(*PlainType(from.type)) ? RisesWith(from) : -1;
  }
  const bool truncates = expression.kind == Expression::Kind::kCall &&
                         IsOneOf(expression.function->id, {"date_trunc", "time_bucket"});
  if (!truncates || expression.args[0]->kind != Expression::Kind::kLiteral) return -1;
  const Expression& time = *expression.args[1];
  return IsSteady(*PlainType(time.type)) ? RisesWith(time) : -1;
}

/// Of a column below a projection: where the columns stand that it advances within.
Within Projected(const ProjectNode& project, int column) {
  const int below = RisesWith(*project.expressions[static_cast<size_t>(column)]);
  if (below < 0) return std::nullopt;
  Within within = AdvancesWithin(*project.input(), below);
  if (!within.has_value()) return within;
  for (int& key : *within) {
    const auto found = std::find_if(
        project.expressions.begin(), project.expressions.end(), [&](const ExpressionPtr& part) {
          return part->kind == Expression::Kind::kColumn && part->column == key;
        });
    if (found == project.expressions.end()) return std::nullopt;
    key = static_cast<int>(found - project.expressions.begin());
  }
  return within;
}

/// Of a column that a window over all rows so far made.
Within Rolled(const RollingWindowNode& window, size_t call) {
  const RollingCall& rolling = window.calls[call];
  const bool is_over_all = rolling.rows == 0 && rolling.key < 0;
  if (!is_over_all || !IsOneOf(rolling.call.function->id, {"count", "count_if"})) {
    return std::nullopt;
  }
  return window.partition_by;
}

}  // namespace

Within AdvancesWithin(const PlanNode& plan, int column) {
  const Ordering& order = plan.properties().ordering;
  if (!order.empty() && order.front().column == column) return std::vector<int>();
  if (const auto* project = As<ProjectNode>(plan)) return Projected(*project, column);
  const bool passes_rows = As<FilterNode>(plan) != nullptr || As<WindowNode>(plan) != nullptr ||
                           As<RollingWindowNode>(plan) != nullptr;
  if (!passes_rows) return std::nullopt;
  const int width = plan.input()->schema()->num_fields();
  if (column < width) return AdvancesWithin(*plan.input(), column);
  const auto* rolling = As<RollingWindowNode>(plan);
  return rolling == nullptr ? std::nullopt : Rolled(*rolling, static_cast<size_t>(column - width));
}

}  // namespace headrace
