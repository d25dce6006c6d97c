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

}  // namespace

Result<ExpressionPtr> NumberOfRow(const PlanNode& plan, const std::vector<size_t>& columns) {
  auto window = std::make_shared<UnboundWindow>();
  Scope places;
  for (const ExpressionPtr& column : AllColumnsOf(*plan.schema())) {
    places.Add("", std::to_string(column->column), column->type);
  }
  for (const size_t column : columns) {
    window->partition_by.push_back(Unbound::Column({std::to_string(column)}));
  }
  auto number = std::make_shared<Unbound>(*Unbound::Call("row_number", {}));
  number->window = std::move(window);
  return headrace::Bind(*number, places, Dialect::kSql);
}

Result<PlanPtr> SelectBinder::Bind() {
  ARROW_RETURN_NOT_OK(BindFromAndWhere());
  ARROW_RETURN_NOT_OK(BindClauses());
  return PlanAll();
}

Result<PlanPtr> SelectBinder::PlanAll() {
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, PlanSortedOutputs());
  ARROW_ASSIGN_OR_RAISE(plan, OnlyItems(std::move(plan)));
  return WithLimit(std::move(plan), query_);
}

Result<PlanPtr> SelectBinder::PlanSortedOutputs() {
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, PlanOutputs());
  if (distinct_on_.empty()) {
    ARROW_ASSIGN_OR_RAISE(plan, Distinct(std::move(plan)));
  }
  ARROW_ASSIGN_OR_RAISE(plan, Sorted(std::move(plan)));
  if (distinct_on_.empty()) return plan;
  return FirstOfEach(std::move(plan));
}

Status SelectBinder::BindFromAndWhere() {
  std::vector<UnboundPtr> terms;
  ChooseTimeWindow();
  if (domain_ == nullptr) {
    ARROW_ASSIGN_OR_RAISE(relation_, binder_.BindFrom(select_, &terms));
  } else {
    ARROW_ASSIGN_OR_RAISE(relation_, binder_.BindDependentFrom(select_, *domain_, &terms));
  }
  ARROW_ASSIGN_OR_RAISE(relation_.plan, WithSample(std::move(relation_.plan), select_.sample));
  scope_ = NamesOf(relation_);
  ARROW_RETURN_NOT_OK(ExpandItems());
  if (select_.where != nullptr) AppendTerms(select_.where, &terms);
  for (const UnboundPtr& term : terms) ARROW_RETURN_NOT_OK(AddCondition(term));
  return Status::OK();
}

Status SelectBinder::BindClauses() {
  ARROW_RETURN_NOT_OK(BindTimeWindow());
  ARROW_RETURN_NOT_OK(BindItems());
  ARROW_RETURN_NOT_OK(BindGroups());
  if (select_.having != nullptr) {
    ARROW_ASSIGN_OR_RAISE(having_, BindPrepared(select_.having));
  }
  if (select_.qualify != nullptr) {
    ARROW_ASSIGN_OR_RAISE(qualify_, BindPrepared(select_.qualify));
  }
  for (const UnboundPtr& key : select_.distinct_on) {
    ARROW_ASSIGN_OR_RAISE(distinct_on_.emplace_back(), OutputOf(key));
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

Status SelectBinder::BindSortKeys() {
  for (const UnboundSortKey& key : query_.order_by) {
    const NullPlacement nulls = key.nulls.value_or(NullPlacement::kLast);
    if (query_.order_by_all) {
      for (size_t i = 0; i < num_items_; ++i) keys_.push_back({i, key.descending, nulls});
      return Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const size_t output, OutputOf(key.expression));
    if (output >= num_items_ && select_.distinct && distinct_on_.empty()) {
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
  ARROW_RETURN_NOT_OK(AttachUnnested(&plan));
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
  if (!distinct_on_.empty()) {
    return WithSpan(Error(ErrorKind::kUnsupported,
                          "DISTINCT ON is not supported in a subquery that uses columns of the "
                          "query around"),
                    select_.distinct_on.front()->span);
  }
  return PlanDistinct(std::move(plan));
}

/// DISTINCT ON: of the rows with equal keys the first one, in the order of the rows.
Result<PlanPtr> SelectBinder::FirstOfEach(PlanPtr plan) const {
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr number, NumberOfRow(*plan, distinct_on_));
  const auto one = Expression::Literal(std::make_shared<arrow::Int64Scalar>(1));
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr is_first, CallOf("=", {number, one}));
  return PlanFilter(std::move(plan), std::move(is_first));
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
