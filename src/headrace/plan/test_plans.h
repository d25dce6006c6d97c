// For tests of plans: tables without rows, and short spellings of expressions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/test_status.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/expression/bind.h"
#include "headrace/plan/builder.h"

namespace headrace::plan_test {

inline SourcePtr Table(const std::string& name, arrow::FieldVector fields,
                       MemoryTableOptions options = {}) {
  options.name = name;
  return MemoryTable::Make(arrow::schema(std::move(fields)), {}, std::move(options)).ValueOrDie();
}

/// Columns a (int64), b (int64), s (string), x (double).
inline SourcePtr Numbers(MemoryTableOptions options = {}) {
  return Table("t",
               {arrow::field("a", arrow::int64()), arrow::field("b", arrow::int64()),
                arrow::field("s", arrow::utf8()), arrow::field("x", arrow::float64())},
               std::move(options));
}

inline PlanPtr Scan(SourcePtr source = Numbers()) {
  return PlanScan(std::move(source)).ValueOrDie();
}

inline UnboundPtr Col(const std::string& name) { return Unbound::Column({name}); }
inline UnboundPtr Int(int64_t value) {
  return Unbound::Literal(std::make_shared<arrow::Int64Scalar>(value));
}
inline UnboundPtr Text(const std::string& value) {
  return Unbound::Literal(std::make_shared<arrow::StringScalar>(value));
}
inline UnboundPtr Call(const std::string& name, std::vector<UnboundPtr> args) {
  return Unbound::Call(name, std::move(args));
}
inline UnboundPtr CountAll() { return Call("count", {Unbound::Star()}); }
/// name(args) OVER (PARTITION BY … ORDER BY …).
inline UnboundPtr Over(const std::string& name, std::vector<UnboundPtr> args,
                       std::vector<UnboundPtr> partition_by, std::vector<UnboundPtr> order_by) {
  auto window = std::make_shared<UnboundWindow>();
  window->partition_by = std::move(partition_by);
  for (UnboundPtr& key : order_by) {
    window->order_by.push_back({std::move(key), false, NullPlacement::kLast});
  }
  auto call = std::make_shared<Unbound>(*Call(name, std::move(args)));
  call->window = std::move(window);
  return call;
}

inline ExpressionPtr Over(const PlanPtr& plan, const UnboundPtr& expression) {
  return Bind(*expression, Scope(*plan->schema()), Dialect::kSql).ValueOrDie();
}

inline NamedExpression Named(const PlanPtr& plan, const UnboundPtr& expression,
                             std::string name = "") {
  if (name.empty()) name = DefaultName(*expression);
  return {Over(plan, expression), std::move(name)};
}

inline PlanPtr Filter(const PlanPtr& plan, const UnboundPtr& predicate) {
  return PlanFilter(plan, Over(plan, predicate)).ValueOrDie();
}
inline Result<PlanPtr> TryProject(const PlanPtr& plan, const std::vector<UnboundPtr>& outputs) {
  std::vector<NamedExpression> named;
  for (const UnboundPtr& output : outputs) named.push_back(Named(plan, output));
  return PlanProject(plan, std::move(named));
}
inline PlanPtr Project(const PlanPtr& plan, const std::vector<UnboundPtr>& outputs) {
  return TryProject(plan, outputs).ValueOrDie();
}
inline Result<PlanPtr> TrySort(const PlanPtr& plan, const UnboundPtr& key) {
  return PlanSort(plan, {{Over(plan, key), false, NullPlacement::kLast}});
}
inline PlanPtr Sort(const PlanPtr& plan, const UnboundPtr& key) {
  return TrySort(plan, key).ValueOrDie();
}
inline Result<PlanPtr> TryAggregate(const PlanPtr& plan, const std::vector<UnboundPtr>& groups,
                                    const std::vector<UnboundPtr>& outputs,
                                    const UnboundPtr& having = nullptr,
                                    AggregateOptions options = {}) {
  std::vector<NamedExpression> named_groups;
  std::vector<NamedExpression> named_outputs;
  for (const UnboundPtr& group : groups) named_groups.push_back(Named(plan, group));
  for (const UnboundPtr& output : outputs) named_outputs.push_back(Named(plan, output));
  return PlanAggregate(plan, std::move(named_groups), std::move(named_outputs),
                       having == nullptr ? nullptr : Over(plan, having), options);
}
inline PlanPtr Aggregate(const PlanPtr& plan, const std::vector<UnboundPtr>& groups,
                         const std::vector<UnboundPtr>& outputs,
                         const UnboundPtr& having = nullptr) {
  return TryAggregate(plan, groups, outputs, having).ValueOrDie();
}

/// `condition` over the columns of both plans, those of the right one by "r.name".
inline ExpressionPtr Across(const PlanPtr& left, const PlanPtr& right,
                            const UnboundPtr& condition) {
  Scope scope(*left->schema(), "l");
  for (const auto& field : right->schema()->fields()) scope.Add("r", field->name(), field->type());
  return Bind(*condition, scope, Dialect::kSql).ValueOrDie();
}
inline UnboundPtr Left(const std::string& name) { return Unbound::Column({"l", name}); }
inline UnboundPtr Right(const std::string& name) { return Unbound::Column({"r", name}); }

}  // namespace headrace::plan_test
