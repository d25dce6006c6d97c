// SELECT: items, groups, conditions and order over the rows of FROM. Sort keys that are no items
// are computed as hidden columns beside them and dropped at the end.
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/plan/make_node.h"
#include "headrace/sql/binder.h"
#include "headrace/sql/lexer.h"

namespace headrace::sql {
namespace {

constexpr size_t kOutputColumnsMax = 65536;

/// Binds one SELECT over its relation.
class SelectBinder {
 public:
  SelectBinder(const Select& select, Relation relation)
      : select_(select), relation_(std::move(relation)) {}

  Result<PlanPtr> Bind();

 private:
  struct Key {
    size_t output;
    bool descending;
    NullPlacement nulls;
  };

  Status BindItems();
  Status AddStar(const Unbound& star);
  Status BindGroups();
  Status BindHaving();
  Status BindSortKeys();
  Result<size_t> OutputOf(const UnboundPtr& sort_key);
  Result<std::optional<size_t>> OutputNamed(const Unbound& name) const;
  /// The item that an integer literal stands for; null when `expression` is none.
  Result<std::optional<size_t>> Position(const Unbound& expression, const char* clause) const;
  /// Over the columns of FROM; names that they lack may be aliases of items.
  Result<ExpressionPtr> BindWithAliases(const Unbound& expression) const;

  bool IsAggregate() const;
  Result<PlanPtr> PlanOutputs();
  Result<PlanPtr> Sorted(PlanPtr plan, size_t first) const;
  Result<PlanPtr> OnlyItems(PlanPtr plan, size_t first) const;
  Result<PlanPtr> Limited(PlanPtr plan) const;

  const Select& select_;
  Relation relation_;
  std::vector<NamedExpression> outputs_;  // the items, then hidden sort keys
  size_t num_items_ = 0;
  std::vector<NamedExpression> groups_;
  ExpressionPtr having_;
  std::vector<Key> keys_;
};

Result<PlanPtr> SelectBinder::Bind() {
  if (select_.where != nullptr) {
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr predicate,
                          headrace::Bind(*select_.where, relation_.scope, Dialect::kSql));
    ARROW_ASSIGN_OR_RAISE(relation_.plan,
                          PlanFilter(std::move(relation_.plan), std::move(predicate)));
  }
  ARROW_RETURN_NOT_OK(BindItems());
  ARROW_RETURN_NOT_OK(BindGroups());
  ARROW_RETURN_NOT_OK(BindHaving());
  ARROW_RETURN_NOT_OK(BindSortKeys());
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, PlanOutputs());
  const size_t first = IsAggregate() ? groups_.size() : 0;
  ARROW_ASSIGN_OR_RAISE(plan, Sorted(std::move(plan), first));
  ARROW_ASSIGN_OR_RAISE(plan, OnlyItems(std::move(plan), first));
  return Limited(std::move(plan));
}

Status SelectBinder::BindItems() {
  for (const SelectItem& item : select_.items) {
    if (item.expression->kind == Unbound::Kind::kStar) {
      ARROW_RETURN_NOT_OK(AddStar(*item.expression));
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound,
                          headrace::Bind(*item.expression, relation_.scope, Dialect::kSql));
    std::string name = item.name;
    if (name.empty()) {
      const bool is_column = bound->kind == Expression::Kind::kColumn;
      name = is_column ? bound->name : DefaultName(*item.expression);
    }
    outputs_.push_back({std::move(bound), std::move(name)});
  }
  num_items_ = outputs_.size();
  if (num_items_ <= kOutputColumnsMax) return Status::OK();
  return Error(ErrorKind::kUnsupported, "a query gives at most {} columns, got {}",
               kOutputColumnsMax, num_items_);
}

Status SelectBinder::AddStar(const Unbound& star) {
  const auto& entries = relation_.scope.entries();
  bool found = false;
  for (size_t i = 0; i < entries.size() && outputs_.size() <= kOutputColumnsMax; ++i) {
    const Scope::Entry& entry = entries[i];
    if (!star.path.empty() && !EqualsIgnoringCase(entry.qualifier, star.path.front())) continue;
    found = true;
    outputs_.push_back(
        {Expression::Column(static_cast<int>(i), entry.name, entry.type), entry.name});
  }
  if (found || (star.path.empty() && select_.from.has_value())) return Status::OK();
  if (star.path.empty()) {
    return WithSpan(Error(ErrorKind::kInvalidArgument, "* needs a table (FROM)"), star.span);
  }
  return WithSpan(Error(ErrorKind::kUnknownName, "unknown table \"{}\"", star.path.front()),
                  star.span);
}

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

Result<ExpressionPtr> SelectBinder::BindWithAliases(const Unbound& expression) const {
  Result<ExpressionPtr> plain = headrace::Bind(expression, relation_.scope, Dialect::kSql);
  if (plain.ok() || KindOf(plain.status()) != ErrorKind::kUnknownName) return plain;
  Scope scope = relation_.scope;
  const size_t width = scope.entries().size();
  std::vector<size_t> aliased;
  for (size_t i = 0; i < num_items_; ++i) {
    const std::string& name = outputs_[i].name;
    if (relation_.scope.Resolve({name}, Dialect::kSql).ok()) continue;
    scope.Add("", name, outputs_[i].expression->type);
    aliased.push_back(i);
  }
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, headrace::Bind(expression, scope, Dialect::kSql));
  return ReplaceColumns(bound, [&](const Expression& column) -> ExpressionPtr {
    const auto index = static_cast<size_t>(column.column);
    if (index >= width) return outputs_[aliased[index - width]].expression;
    return std::make_shared<const Expression>(column);
  });
}

Status SelectBinder::BindGroups() {
  for (const UnboundPtr& group : select_.group_by) {
    ARROW_ASSIGN_OR_RAISE(const std::optional<size_t> position, Position(*group, "GROUP BY"));
    if (position.has_value()) {
      groups_.push_back(outputs_[*position]);
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, BindWithAliases(*group));
    groups_.push_back({std::move(bound), DefaultName(*group)});
  }
  return Status::OK();
}

Status SelectBinder::BindHaving() {
  if (select_.having == nullptr) return Status::OK();
  return BindWithAliases(*select_.having).Value(&having_);
}

Status SelectBinder::BindSortKeys() {
  for (const UnboundSortKey& key : select_.order_by) {
    ARROW_ASSIGN_OR_RAISE(const size_t output, OutputOf(key.expression));
    keys_.push_back({output, key.descending, key.nulls.value_or(NullPlacement::kLast)});
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
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, BindWithAliases(*sort_key));
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (Equals(*outputs_[i].expression, *bound)) return i;
  }
  outputs_.push_back({std::move(bound), DefaultName(*sort_key)});
  return outputs_.size() - 1;
}

bool SelectBinder::IsAggregate() const {
  if (!groups_.empty() || having_ != nullptr) return true;
  for (const NamedExpression& output : outputs_) {
    if (ContainsCall(*output.expression, FunctionKind::kAggregate)) return true;
  }
  return false;
}

Result<PlanPtr> SelectBinder::PlanOutputs() {
  if (!IsAggregate()) return PlanProject(relation_.plan, outputs_);
  AggregateOptions options;
  const bool endless = relation_.plan->properties().boundedness == Boundedness::kUnbounded;
  if (endless) options.emit = EmitPolicy::kChanges;
  return PlanAggregate(relation_.plan, groups_, outputs_, having_, options);
}

Result<PlanPtr> SelectBinder::Sorted(PlanPtr plan, size_t first) const {
  if (keys_.empty()) return plan;
  std::vector<SortExpression> keys;
  for (const Key& key : keys_) {
    const int column = static_cast<int>(first + key.output);
    keys.push_back({ColumnOf(*plan->schema(), column), key.descending, key.nulls});
  }
  return PlanSort(std::move(plan), std::move(keys));
}

/// Drops groups and hidden sort keys.
Result<PlanPtr> SelectBinder::OnlyItems(PlanPtr plan, size_t first) const {
  if (first == 0 && outputs_.size() == num_items_) return plan;
  std::vector<NamedExpression> items;
  for (size_t i = 0; i < num_items_; ++i) {
    items.push_back({ColumnOf(*plan->schema(), static_cast<int>(first + i)), outputs_[i].name});
  }
  return PlanProject(std::move(plan), std::move(items));
}

Result<PlanPtr> SelectBinder::Limited(PlanPtr plan) const {
  if (!select_.limit.has_value() && select_.offset == 0) return plan;
  return PlanLimit(std::move(plan), select_.limit.value_or(std::numeric_limits<int64_t>::max()),
                   select_.offset);
}

}  // namespace

Result<PlanPtr> Binder::BindQuery(const Select& select) {
  ARROW_ASSIGN_OR_RAISE(Relation relation, BindFrom(select));
  return SelectBinder(select, std::move(relation)).Bind();
}

Result<BoundStatement> Binder::BindStatement(const Statement& statement) {
  BoundStatement bound;
  ARROW_ASSIGN_OR_RAISE(bound.plan, BindQuery(statement.query));
  if (statement.is_explain) {
    bound.kind = BoundStatement::Kind::kExplain;
    bound.analyze = statement.analyze;
  } else if (statement.copy_path.has_value()) {
    bound.kind = BoundStatement::Kind::kCopy;
    bound.path = *statement.copy_path;
    bound.options = statement.copy_options;
  }
  return bound;
}

}  // namespace headrace::sql
