// Temporal joins are made from a condition as other joins are: its equalities become keys.
#include "headrace/plan/temporal_join.h"

#include <fmt/format.h>

#include <algorithm>

#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/expression/bind.h"
#include "headrace/plan/join_keys.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/plan/make_node.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

Status CheckTime(const PlanNode& plan, int column) {
  const arrow::Field& field = *plan.schema()->field(column);
  if (PlainType(field.type())->id() == arrow::Type::TIMESTAMP) return Status::OK();
  return Error(ErrorKind::kTypeMismatch, "the time of a temporal join is a TIMESTAMP, and {} is {}",
               field.name(), SqlNameOf(*field.type()));
}

Status CheckSide(const PlanNode& plan, const std::vector<int>& keys) {
  if (plan.properties().change_mode != ChangeMode::kAppend) {
    return Error(ErrorKind::kUnsupported,
                 "temporal_join takes rows that are only added, and its input changes rows that "
                 "were given before");
  }
  for (const int key : keys) {
    const arrow::Field& field = *plan.schema()->field(key);
    if (HasTypeFlag(*PlainType(field.type()), kTypeComparable)) continue;
    return Error(ErrorKind::kTypeMismatch,
                 "column {} cannot be a join key: its type has no order: {}", field.name(),
                 SqlNameOf(*field.type()));
  }
  return Status::OK();
}

}  // namespace

std::string TemporalJoinNode::Describe() const {
  const arrow::Schema& left = *inputs()[0]->schema();
  const arrow::Schema& right = *inputs()[1]->schema();
  std::string text = kind == JoinKind::kLeft ? "left" : "inner";
  for (size_t i = 0; i < terms.left_keys.size(); ++i) {
    text += fmt::format("{}{} = {}", i == 0 ? " on " : ", ", left.field(terms.left_keys[i])->name(),
                        right.field(terms.right_keys[i])->name());
  }
  text += fmt::format(", versions of {} as of {}", right.field(terms.right_time)->name(),
                      left.field(terms.left_time)->name());
  if (terms.residual != nullptr) text += " and " + ToString(*terms.residual);
  return text;
}

std::string TemporalJoinNode::DescribeState() const {
  return "versions until newer ones are valid, rows until the watermark of the versions, " +
         StateKeysOf(*inputs()[0], terms.left_keys);
}

Result<PlanPtr> TemporalJoinNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeTemporalJoinNode(inputs.at(0), inputs.at(1), kind, terms);
}

Result<PlanPtr> MakeTemporalJoinNode(PlanPtr left, PlanPtr right, JoinKind kind,
                                     TemporalTerms terms) {
  HEADRACE_CHECK(kind == JoinKind::kInner || kind == JoinKind::kLeft,
                 "a temporal join is inner or left");
  HEADRACE_CHECK(!terms.left_keys.empty() && terms.left_keys.size() == terms.right_keys.size(),
                 "a temporal join has keys, in pairs");
  ARROW_RETURN_NOT_OK(CheckSide(*left, terms.left_keys));
  ARROW_RETURN_NOT_OK(CheckSide(*right, terms.right_keys));
  ARROW_RETURN_NOT_OK(CheckTime(*left, terms.left_time));
  ARROW_RETURN_NOT_OK(CheckTime(*right, terms.right_time));
  arrow::FieldVector fields = left->schema()->fields();
  for (const auto& field : right->schema()->fields()) {
    fields.push_back(kind == JoinKind::kLeft ? field->WithNullable(true) : field);
  }
  PlanProperties properties;
  properties.schema = arrow::schema(std::move(fields));
  properties.boundedness =
      std::max(left->properties().boundedness, right->properties().boundedness);
  return std::make_shared<TemporalJoinNode>(std::move(properties), std::move(left),
                                            std::move(right), kind, std::move(terms));
}

Result<PlanPtr> PlanTemporalJoin(PlanPtr left, PlanPtr right, JoinKind kind,
                                 ExpressionPtr condition, int left_time) {
  const std::vector<int> right_times = right->EventTimes();
  if (right_times.empty()) {
    return Error(
        ErrorKind::kInvalidArgument,
        "versions of a table are told apart by its event time, and it has none: declare it "
        "with WATERMARK FOR");
  }
  if (kind != JoinKind::kInner && kind != JoinKind::kLeft) {
    return Error(ErrorKind::kUnsupported,
                 "a join FOR SYSTEM_TIME AS OF is an inner or a left join");
  }
  ARROW_RETURN_NOT_OK(RefuseAggregates(condition, "a join condition (ON)"));
  std::vector<SidePair> pairs;
  std::vector<ExpressionPtr> rest;
  for (const ExpressionPtr& term : SplitConjunction(FoldConstants(condition))) {
    std::optional<SidePair> pair = SplitTerm(term, left->schema()->num_fields());
    if (pair.has_value() && pair->op == Comparison::kEqual) {
      pairs.push_back(*std::move(pair));
    } else {
      rest.push_back(term);
    }
  }
  if (pairs.empty()) {
    return Error(
        ErrorKind::kUnsupported,
        "a join FOR SYSTEM_TIME AS OF needs an equality with the key of the table, such as "
        "s.id = t.id");
  }
  ARROW_ASSIGN_OR_RAISE(const KeyedInputs keyed, AppendKeys(left, right, pairs));
  TemporalTerms terms{keyed.left_keys, keyed.right_keys, left_time, right_times.front(), nullptr};
  if (!rest.empty()) {
    terms.residual = MoveColumns(MakeConjunction(rest), PlacesAfterKeys(*left, *right, keyed));
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr join,
                        MakeTemporalJoinNode(keyed.left, keyed.right, kind, std::move(terms)));
  return DropKeys(std::move(join), *left, *right, keyed);
}

}  // namespace headrace
