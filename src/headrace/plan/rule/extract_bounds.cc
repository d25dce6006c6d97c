// Filters right above a scan tell it, as bounds, which data it may skip; the filter itself stays.
#include <optional>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/rule.h"
#include "headrace/plan/transform.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

std::optional<BoundOp> OpOf(Comparison comparison) {
  switch (comparison) {
    case Comparison::kEqual:
      return BoundOp::kEqual;
    case Comparison::kLess:
      return BoundOp::kLess;
    case Comparison::kLessEqual:
      return BoundOp::kLessEqual;
    case Comparison::kGreater:
      return BoundOp::kGreater;
    case Comparison::kGreaterEqual:
      return BoundOp::kGreaterEqual;
    case Comparison::kNotDistinct:
    case Comparison::kNone:
      return std::nullopt;
  }
  return std::nullopt;
}

/// `column op literal` in the column's plain type; columns index the scan's output.
std::optional<ColumnBound> Compared(const Expression& column, Comparison op,
                                    const Expression& literal) {
  if (column.kind != Expression::Kind::kColumn || literal.kind != Expression::Kind::kLiteral ||
      !OpOf(op).has_value() || !literal.literal->is_valid ||
      !literal.type->Equals(*PlainType(column.type))) {
    return std::nullopt;
  }
  return ColumnBound{column.column, *OpOf(op), literal.literal};
}

std::optional<ColumnBound> BoundOf(const Expression& term) {
  const Comparison op = ComparisonOf(term);
  if (op != Comparison::kNone) {
    const std::optional<ColumnBound> bound = Compared(*term.args[0], op, *term.args[1]);
    return bound.has_value() ? bound : Compared(*term.args[1], Mirror(op), *term.args[0]);
  }
  if (!IsCallOf(term, FunctionKind::kScalar) || term.args.size() != 1 ||
      term.args[0]->kind != Expression::Kind::kColumn) {
    return std::nullopt;
  }
  const std::string_view id = term.function->id;
  if (id == "is_null") return ColumnBound{term.args[0]->column, BoundOp::kIsNull, nullptr};
  if (id == "is_not_null") return ColumnBound{term.args[0]->column, BoundOp::kIsNotNull, nullptr};
  return std::nullopt;
}

Result<PlanPtr> BoundScan(const PlanPtr& plan) {
  const auto* filter = As<FilterNode>(*plan);
  const auto* scan = filter != nullptr ? As<ScanNode>(*filter->input()) : nullptr;
  if (scan == nullptr || scan->source->change_mode() != ChangeMode::kAppend) return plan;
  ScanRequest request = scan->request;
  request.bounds.clear();
  for (const ExpressionPtr& term : SplitConjunction(filter->predicate)) {
    std::optional<ColumnBound> bound = BoundOf(*term);
    if (!bound.has_value()) continue;
    bound->column = request.projection[static_cast<size_t>(bound->column)];
    request.bounds.push_back(*std::move(bound));
  }
  if (request.bounds.empty()) return plan;
  ARROW_ASSIGN_OR_RAISE(PlanPtr bound_scan, MakeScanNode(scan->source, std::move(request),
                                                         scan->snapshot, scan->event_time));
  return plan->WithInputs({std::move(bound_scan)});
}

}  // namespace

Result<PlanPtr> ExtractBounds(const PlanPtr& plan) { return RewriteBottomUp(plan, BoundScan); }

}  // namespace headrace
