// x IN (many constants), which is a chain of comparisons, becomes a semi join with the constants:
// one look-up per row instead of a comparison per constant.
#include <algorithm>

#include "arrow/array/concatenate.h"
#include "arrow/array/util.h"
#include "arrow/compute/api_vector.h"
#include "arrow/datum.h"
#include "arrow/record_batch.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/plan/builder.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/rule.h"
#include "headrace/plan/transform.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

/// Below this, comparing is as fast.
constexpr size_t kConstantsMin = 12;

struct InList {
  ExpressionPtr operand;
  std::vector<ScalarPtr> constants;  // not null, of the operand's plain type
};

/// `term` as an IN list; null when it is none. Constants that are null never match.
std::optional<InList> InListOf(const ExpressionPtr& term) {
  const std::vector<ExpressionPtr> alternatives = SplitDisjunction(term);
  if (alternatives.size() < kConstantsMin) return std::nullopt;
  InList list;
  for (const ExpressionPtr& alternative : alternatives) {
    if (ComparisonOf(*alternative) != Comparison::kEqual) return std::nullopt;
    const bool literal_last = alternative->args[1]->kind == Expression::Kind::kLiteral;
    const ExpressionPtr& operand = alternative->args[literal_last ? 0 : 1];
    const Expression& literal = *alternative->args[literal_last ? 1 : 0];
    if (literal.kind != Expression::Kind::kLiteral || ColumnsOf(*operand).empty()) {
      return std::nullopt;
    }
    if (list.operand == nullptr) list.operand = operand;
    const TypePtr type = PlainType(list.operand->type);
    // NaN is equal to itself in a join.
    if (!Equals(*list.operand, *operand) || !type->Equals(*literal.type) ||
        arrow::is_floating(type->id())) {
      return std::nullopt;
    }
    if (literal.literal->is_valid) list.constants.push_back(literal.literal);
  }
  if (list.constants.empty()) return std::nullopt;
  return list;
}

Result<PlanPtr> TableOf(const InList& list) {
  arrow::ArrayVector pieces;
  for (const ScalarPtr& constant : list.constants) {
    ARROW_ASSIGN_OR_RAISE(pieces.emplace_back(), arrow::MakeArrayFromScalar(*constant, 1));
  }
  ARROW_ASSIGN_OR_RAISE(ArrayPtr values, arrow::Concatenate(pieces));
  ARROW_ASSIGN_OR_RAISE(values, arrow::compute::Unique(values));
  const SchemaPtr schema = arrow::schema({arrow::field("constant", values->type(), false)});
  const auto batch = arrow::RecordBatch::Make(schema, values->length(), {values});
  MemoryTableOptions options;
  options.name = "constants";
  ARROW_ASSIGN_OR_RAISE(SourcePtr table, MemoryTable::Make(schema, {batch}, std::move(options)));
  return PlanScan(std::move(table));
}

Result<PlanPtr> JoinConstants(PlanPtr plan, const InList& list) {
  const PlanPtr below = plan;
  JoinTerms terms;
  ARROW_ASSIGN_OR_RAISE(plan, AppendColumns(std::move(plan), {list.operand}, &terms.left_keys));
  ARROW_ASSIGN_OR_RAISE(PlanPtr constants, TableOf(list));
  terms.right_keys = {0};
  terms.nulls = {NullMatching::kNeverMatch};
  ARROW_ASSIGN_OR_RAISE(
      plan, MakeJoinNode(std::move(plan), std::move(constants), JoinKind::kSemi, std::move(terms)));
  if (plan->schema()->num_fields() == below->schema()->num_fields()) return plan;
  return MakeProjectNode(std::move(plan), AllColumnsOf(*below->schema()),
                         below->schema()->field_names());
}

Result<PlanPtr> HashFilter(const PlanPtr& plan) {
  const auto* filter = As<FilterNode>(*plan);
  if (filter == nullptr || plan->properties().change_mode != ChangeMode::kAppend) return plan;
  std::vector<ExpressionPtr> rest;
  std::vector<InList> lists;
  for (const ExpressionPtr& term : SplitConjunction(filter->predicate)) {
    std::optional<InList> list = InListOf(term);
    if (list.has_value()) {
      lists.push_back(*std::move(list));
    } else {
      rest.push_back(term);
    }
  }
  if (lists.empty()) return plan;
  PlanPtr result = filter->input();
  if (!rest.empty()) {
    ARROW_ASSIGN_OR_RAISE(result, MakeFilterNode(std::move(result), MakeConjunction(rest)));
  }
  for (const InList& list : lists) {
    ARROW_ASSIGN_OR_RAISE(result, JoinConstants(std::move(result), list));
  }
  return result;
}

}  // namespace

Result<PlanPtr> HashInLists(const PlanPtr& plan) { return RewriteBottomUp(plan, HashFilter); }

}  // namespace headrace
