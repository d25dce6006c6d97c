// SELECT: clauses in the order in which they are bound, and the plan made of them.
#include "headrace/sql/select_binder.h"

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/transform.h"
#include "headrace/sql/lexer.h"

namespace headrace::sql {
namespace {

void AppendTerms(const UnboundPtr& expression, std::vector<UnboundPtr>* terms) {
  if (expression->kind != Unbound::Kind::kCall || expression->name != "and") {
    terms->push_back(expression);
    return;
  }
  for (const UnboundPtr& arg : expression->args) AppendTerms(arg, terms);
}

bool IsAggregateCall(const Expression& expression) {
  return IsCallOf(expression, FunctionKind::kAggregate) && expression.window == nullptr;
}

}  // namespace

Result<PlanPtr> SelectBinder::Bind() {
  ARROW_RETURN_NOT_OK(BindFromAndWhere());
  ARROW_RETURN_NOT_OK(BindClauses());
  return PlanAll();
}

Result<PlanPtr> SelectBinder::PlanAll() {
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, PlanOutputs());
  ARROW_ASSIGN_OR_RAISE(plan, Distinct(std::move(plan)));
  ARROW_ASSIGN_OR_RAISE(plan, Sorted(std::move(plan)));
  ARROW_ASSIGN_OR_RAISE(plan, OnlyItems(std::move(plan)));
  return WithLimit(std::move(plan), query_);
}

Status SelectBinder::BindFromAndWhere() {
  ARROW_ASSIGN_OR_RAISE(relation_, binder_.BindFrom(select_));
  scope_ = relation_.scope;
  ARROW_RETURN_NOT_OK(ExpandItems());
  if (select_.where == nullptr) return Status::OK();
  std::vector<UnboundPtr> terms;
  AppendTerms(select_.where, &terms);
  for (const UnboundPtr& term : terms) ARROW_RETURN_NOT_OK(AddCondition(term));
  return Status::OK();
}

Status SelectBinder::BindClauses() {
  ARROW_RETURN_NOT_OK(BindItems());
  ARROW_RETURN_NOT_OK(BindGroups());
  if (select_.having != nullptr) {
    ARROW_ASSIGN_OR_RAISE(having_, BindPrepared(select_.having));
  }
  if (select_.qualify != nullptr) {
    ARROW_ASSIGN_OR_RAISE(qualify_, BindPrepared(select_.qualify));
  }
  return BindSortKeys();
}

/// The item that an integer literal stands for; null when `expression` is none.
Result<std::optional<size_t>> SelectBinder::Position(const Unbound& expression,
                                                     const char* clause) const {
  if (expression.kind != Unbound::Kind::kLiteral ||
      expression.literal->type->id() != arrow::Type::INT64) {
    return std::nullopt;
  }
  const int64_t position = static_cast<const arrow::Int64Scalar&>(*expression.literal).value;
  if (position >= 1 && position <= static_cast<int64_t>(num_items_)) {
    return static_cast<size_t>(position - 1);
  }
  return WithSpan(Error(ErrorKind::kInvalidArgument, "{} takes a position between 1 and {}, got {}",
                        clause, num_items_, position),
                  expression.span);
}

Status SelectBinder::BindGroups() {
  if (select_.group_by_all) {
    for (size_t i = 0; i < num_items_; ++i) {
      const Expression& item = *outputs_[i].expression;
      if (!ContainsCall(item, FunctionKind::kAggregate)) groups_.push_back(outputs_[i]);
    }
    return Status::OK();
  }
  for (const UnboundPtr& group : select_.group_by) {
    ARROW_ASSIGN_OR_RAISE(const std::optional<size_t> position, Position(*group, "GROUP BY"));
    if (position.has_value()) {
      groups_.push_back(outputs_[*position]);
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, BindPrepared(group));
    groups_.push_back({std::move(bound), DefaultName(*group)});
  }
  return Status::OK();
}

Status SelectBinder::BindSortKeys() {
  for (const UnboundSortKey& key : query_.order_by) {
    const NullPlacement nulls = key.nulls.value_or(NullPlacement::kLast);
    if (query_.order_by_all) {
      for (size_t i = 0; i < num_items_; ++i) keys_.push_back({i, key.descending, nulls});
      return Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const size_t output, OutputOf(key.expression));
    if (output >= num_items_ && select_.distinct) {
      return WithSpan(Error(ErrorKind::kInvalidArgument,
                            "ORDER BY of SELECT DISTINCT takes only what is selected: {}",
                            DefaultName(*key.expression)),
                      key.expression->span);
    }
    keys_.push_back({output, key.descending, nulls});
  }
  return Status::OK();
}

/// The item called by a bare name: an alias hides a column of FROM here.
Result<std::optional<size_t>> SelectBinder::OutputNamed(const Unbound& name) const {
  if (name.kind != Unbound::Kind::kColumn || name.path.size() != 1) return std::nullopt;
  std::optional<size_t> found;
  for (size_t i = 0; i < num_items_; ++i) {
    if (!EqualsIgnoringCase(outputs_[i].name, name.path.front())) continue;
    if (found.has_value() && !Equals(*outputs_[i].expression, *outputs_[*found].expression)) {
      return WithSpan(
          Error(ErrorKind::kUnknownName, "several columns are called \"{}\"", name.path.front()),
          name.span);
    }
    found = i;
  }
  return found;
}

Result<size_t> SelectBinder::OutputOf(const UnboundPtr& sort_key) {
  ARROW_ASSIGN_OR_RAISE(std::optional<size_t> known, Position(*sort_key, "ORDER BY"));
  if (!known.has_value()) {
    ARROW_ASSIGN_OR_RAISE(known, OutputNamed(*sort_key));
  }
  if (known.has_value()) return *known;
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, BindPrepared(sort_key));
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (Equals(*outputs_[i].expression, *bound)) return i;
  }
  outputs_.push_back({std::move(bound), DefaultName(*sort_key)});
  return outputs_.size() - 1;
}

bool SelectBinder::IsAggregate() const {
  if (!groups_.empty() || having_ != nullptr) return true;
  if (qualify_ != nullptr && ContainsCall(*qualify_, FunctionKind::kAggregate)) return true;
  for (const NamedExpression& output : outputs_) {
    if (ContainsCall(*output.expression, FunctionKind::kAggregate)) return true;
  }
  return false;
}

/// Aggregates of `expression` and of the operands of its subqueries, without repeats.
void SelectBinder::CollectAggregates(const ExpressionPtr& expression) {
  const size_t width = relation_.scope.entries().size();
  if (expression->kind == Expression::Kind::kColumn &&
      static_cast<size_t>(expression->column) >= width) {
    const Extra& extra = extras_[static_cast<size_t>(expression->column) - width];
    for (const ExpressionPtr& operand : extra.operands) CollectAggregates(operand);
  }
  if (!IsAggregateCall(*expression)) {
    ForEachPart(*expression, [&](const ExpressionPtr& part) { CollectAggregates(part); });
    return;
  }
  for (const NamedExpression& known : calls_) {
    if (Equals(*known.expression, *expression)) return;
  }
  calls_.push_back({expression, ToString(*expression)});
}

/// One row per group: the groups, then the aggregates.
Result<PlanPtr> SelectBinder::PlanGroups(PlanPtr plan) {
  for (const NamedExpression& output : outputs_) CollectAggregates(output.expression);
  if (having_ != nullptr) CollectAggregates(having_);
  if (qualify_ != nullptr) CollectAggregates(qualify_);
  std::vector<NamedExpression> groups = groups_;
  std::vector<NamedExpression> calls = calls_;
  std::vector<SortExpression> order = row_order_;
  for (std::vector<NamedExpression>* list : {&groups, &calls}) {
    for (NamedExpression& named : *list) {
      ARROW_ASSIGN_OR_RAISE(named.expression, Attached(named.expression, &plan));
    }
  }
  for (SortExpression& key : order) {
    ARROW_ASSIGN_OR_RAISE(key.expression, Attached(key.expression, &plan));
  }
  if (!order.empty()) {
    ARROW_ASSIGN_OR_RAISE(plan, PlanSort(std::move(plan), std::move(order)));
  }
  AggregateOptions options;
  const bool endless = plan->properties().boundedness == Boundedness::kUnbounded;
  if (endless) options.emit = EmitPolicy::kChanges;
  ARROW_ASSIGN_OR_RAISE(
      plan, PlanAggregate(std::move(plan), std::move(groups), std::move(calls), nullptr, options));
  attached_.clear();
  grouped_ = true;
  return plan;
}

/// Items and hidden sort keys, without the rows that HAVING and QUALIFY leave out.
Result<PlanPtr> SelectBinder::PlanOutputs() {
  PlanPtr plan = relation_.plan;
  if (IsAggregate()) {
    ARROW_ASSIGN_OR_RAISE(plan, PlanGroups(std::move(plan)));
  }
  if (having_ != nullptr) {
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr having, Attached(having_, &plan));
    ARROW_ASSIGN_OR_RAISE(plan, PlanFilter(std::move(plan), std::move(having)));
  }
  std::vector<NamedExpression> outputs = outputs_;
  if (qualify_ != nullptr) outputs.push_back({qualify_, "qualify"});
  for (NamedExpression& output : outputs) {
    ARROW_ASSIGN_OR_RAISE(output.expression, Attached(output.expression, &plan));
  }
  ARROW_ASSIGN_OR_RAISE(plan, PlanProject(std::move(plan), std::move(outputs)));
  if (qualify_ == nullptr) return plan;
  const auto width = static_cast<int>(outputs_.size());
  ARROW_ASSIGN_OR_RAISE(plan, PlanFilter(plan, ColumnOf(*plan->schema(), width)));
  std::vector<NamedExpression> kept;
  for (int i = 0; i < width; ++i) {
    kept.push_back({ColumnOf(*plan->schema(), i), outputs_[static_cast<size_t>(i)].name});
  }
  return PlanProject(std::move(plan), std::move(kept));
}

Result<PlanPtr> SelectBinder::Distinct(PlanPtr plan) const {
  if (!select_.distinct) return plan;
  if (!select_.distinct_on.empty()) {
    return WithSpan(Error(ErrorKind::kUnsupported, "DISTINCT ON is not supported"),
                    select_.distinct_on.front()->span);
  }
  return PlanDistinct(std::move(plan));
}

Result<PlanPtr> SelectBinder::Sorted(PlanPtr plan) const {
  if (keys_.empty()) return plan;
  std::vector<SortExpression> keys;
  for (const Key& key : keys_) {
    keys.push_back(
        {ColumnOf(*plan->schema(), static_cast<int>(key.output)), key.descending, key.nulls});
  }
  return PlanSort(std::move(plan), std::move(keys));
}

/// Drops hidden sort keys.
Result<PlanPtr> SelectBinder::OnlyItems(PlanPtr plan) const {
  if (outputs_.size() == num_items_) return plan;
  std::vector<NamedExpression> items;
  for (size_t i = 0; i < num_items_; ++i) {
    items.push_back({ColumnOf(*plan->schema(), static_cast<int>(i)), outputs_[i].name});
  }
  return PlanProject(std::move(plan), std::move(items));
}

}  // namespace headrace::sql
