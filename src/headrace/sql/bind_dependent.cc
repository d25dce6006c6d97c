// Subqueries that use columns of the query around, wherever they stand, and LATERAL. What can be
// tied by a condition of its WHERE is (bind_subquery.cc). Anything else is computed for all values
// of those columns at once: they are a table that is joined below, and groups, windows and limits
// count for each of its rows; the result is joined with the query around by these columns.
#include <algorithm>
#include <limits>
#include <numeric>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/transform.h"
#include "headrace/sql/call_in_other_words.h"
#include "headrace/sql/select_binder.h"

namespace headrace::sql {
namespace {

/// No name of a query can be this: quoted names are not empty, and this starts with a blank.
constexpr const char* kDomainQualifier = " domain";

using Paths = std::vector<std::vector<std::string>>;

/// The names of columns in a syntax tree, those of its subqueries too.
class PathCollector {
 public:
  explicit PathCollector(Paths* paths) : paths_(*paths) {}

  void Add(const Query& query) {
    for (const CommonTable& table : query.with) Add(*table.query);
    if (query.select != nullptr) Add(*query.select);
    if (query.set != nullptr) {
      Add(*query.set->left);
      Add(*query.set->right);
    }
    for (const auto& row : query.values) Add(row);
    for (const UnboundSortKey& key : query.order_by) Add(key.expression);
  }

 private:
  void Add(const Select& select) {
    Add(select.distinct_on);
    for (const SelectItem& item : select.items) Add(item);
    if (select.from.has_value()) Add(*select.from);
    for (const JoinClause& join : select.joins) {
      Add(join.right);
      Add(join.condition);
    }
    Add(select.where);
    Add(select.group_by);
    Add(select.having);
    Add(select.qualify);
    for (const NamedWindow& window : select.windows) {
      auto call = std::make_shared<Unbound>(*Unbound::Call("row_number", {}));
      call->window = window.window;
      Add(std::move(call));
    }
  }

  void Add(const SelectItem& item) {
    Add(item.expression);
    for (const SelectItem& replaced : item.replace) Add(replaced);
  }

  void Add(const TableReference& table) {
    if (table.query != nullptr) Add(*table.query);
    Add(table.args);
  }

  void Add(const std::vector<UnboundPtr>& expressions) {
    for (const UnboundPtr& expression : expressions) Add(expression);
  }

  void Add(const UnboundPtr& expression) {
    if (expression == nullptr) return;
    const auto visited =
        TransformUnbound(expression, [this](const UnboundPtr& node) -> Result<UnboundPtr> {
          if (node->kind == Unbound::Kind::kColumn) paths_.push_back(node->path);
          const auto* operand = dynamic_cast<const QueryOperand*>(node->query.get());
          if (operand != nullptr) Add(*operand->query);
          return nullptr;
        });
    static_cast<void>(visited.ok());  // the visitor does not fail
  }

  Paths& paths_;
};

ExpressionPtr ColumnBehind(const PlanNode& plan, size_t first, size_t index) {
  return ColumnOf(*plan.schema(), static_cast<int>(first + index));
}

/// Column i of the query around is the i-th of the domain, nulls among them, for all i: over the
/// columns of the query around, then those of a plan that has `first` columns before the domain's.
Result<ExpressionPtr> SameValues(const Domain& domain, const Relation& outer, const PlanNode& plan,
                                 size_t first) {
  const size_t width = outer.scope.entries().size();
  std::vector<ExpressionPtr> terms;
  for (size_t i = 0; i < domain.outer_columns.size(); ++i) {
    const auto index = static_cast<size_t>(domain.outer_columns[i]);
    const Scope::Entry& entry = outer.scope.entries()[index];
    const ExpressionPtr inner = ColumnBehind(plan, first, i);
    const auto left = Expression::Column(domain.outer_columns[i], entry.name, entry.type);
    const auto right =
        Expression::Column(static_cast<int>(width + first + i), inner->name, inner->type);
    ARROW_ASSIGN_OR_RAISE(terms.emplace_back(), CallOf("is_not_distinct_from", {left, right}));
  }
  return MakeConjunction(std::move(terms));
}

bool KeepsRight(const Select& select) {
  return std::any_of(select.joins.begin(), select.joins.end(), [](const JoinClause& join) {
    return join.kind == JoinClause::Kind::kRight || join.kind == JoinClause::Kind::kFull;
  });
}

Relation RelationOf(const Domain& domain) {
  Relation relation{domain.plan, Scope(), domain.names};
  for (const auto& field : domain.plan->schema()->fields()) {
    relation.scope.Add(kDomainQualifier, field->name(), field->type(), /*qualified_only=*/true);
  }
  return relation;
}

}  // namespace

Scope NamesOf(const Relation& relation) {
  if (relation.around == nullptr) return relation.scope;
  const auto& around = relation.around->entries();
  Scope names;
  const auto& entries = relation.scope.entries();
  for (size_t i = 0; i < entries.size(); ++i) {
    const Scope::Entry& entry = entries[i];
    const bool hidden = i >= around.size() ||
                        relation.scope.Knows({around[i].qualifier, around[i].name}, Dialect::kSql);
    if (hidden) {
      names.Add(entry.qualifier, entry.name, entry.type, entry.qualified_only);
    } else {
      names.Add(around[i].qualifier, around[i].name, entry.type,
                around[i].qualified_only || relation.scope.Knows({around[i].name}, Dialect::kSql));
    }
  }
  return names;
}

std::vector<int> ColumnsMeant(const Query& query, const Scope& scope, bool qualified) {
  Paths paths;
  PathCollector(&paths).Add(query);
  std::set<int> columns;
  for (std::vector<std::string>& path : paths) {
    for (size_t length = std::min<size_t>(2, path.size()); length > (qualified ? 1U : 0U);
         --length) {
      path.resize(length);
      const Result<int> column = scope.Resolve(path, Dialect::kSql);
      if (!column.ok()) continue;
      columns.insert(*column);
      break;
    }
  }
  return {columns.begin(), columns.end()};
}

/// Binds with the columns that `query` names with their table; where that is not enough, with all
/// that it may mean. No query is tried twice, however it nests.
template <typename Bound>
Result<Bound> Binder::WithColumnsMeant(
    const Query& query, const Scope& outer,
    const std::function<Result<Bound>(const std::vector<int>&)>& bind) {
  const std::vector<int> all = ColumnsMeant(query, outer);
  const std::vector<int> qualified = ColumnsMeant(query, outer, /*qualified=*/true);
  if (qualified.empty() || qualified == all || loosely_named_.contains(&query)) return bind(all);
  Result<Bound> bound = bind(qualified);
  if (bound.ok() || KindOf(bound.status()) != ErrorKind::kUnknownName) return bound;
  loosely_named_.insert(&query);
  return bind(all);
}

Result<BoundSubquery> Binder::BindSubquery(const Query& query, const Relation& outer,
                                           std::string_view use) {
  const bool may_depend = !ColumnsMeant(query, outer.scope).empty();
  if (!may_depend || !dependent_.contains(&query)) {
    Result<BoundSubquery> tied = BindTied(query, outer.scope, use);
    if (tied.ok() || !may_depend) return tied;
    const ErrorKind kind = KindOf(tied.status());
    if (kind != ErrorKind::kUnknownName && kind != ErrorKind::kUnsupported) return tied;
    dependent_.insert(&query);
  }
  return WithColumnsMeant<BoundSubquery>(query, outer.scope, [&](const std::vector<int>& columns) {
    return BindDependentSubquery(query, outer, columns);
  });
}

/// Tied to the query around by the conditions of its WHERE, or not at all.
Result<BoundSubquery> Binder::BindTied(const Query& query, const Scope& outer,
                                       std::string_view use) {
  const size_t known = known_.size();
  ARROW_RETURN_NOT_OK(BindWith(query));
  Result<BoundSubquery> bound = [&]() -> Result<BoundSubquery> {
    if (query.select != nullptr) {
      return SelectBinder(*this, *query.select, query, &outer).BindAsSubquery(use);
    }
    BoundSubquery subquery;
    ARROW_ASSIGN_OR_RAISE(subquery.plan, BindBody(query));
    subquery.num_items = static_cast<size_t>(subquery.plan->schema()->num_fields());
    return subquery;
  }();
  known_.resize(known);
  return bound;
}

Result<BoundSubquery> Binder::BindDependentSubquery(const Query& query, const Relation& outer,
                                                    const std::vector<int>& columns) {
  ARROW_ASSIGN_OR_RAISE(const Domain domain, MakeDomain(outer, columns, query.span));
  BoundSubquery subquery;
  ARROW_ASSIGN_OR_RAISE(subquery.plan, BindDependentQuery(query, domain));
  subquery.num_items = static_cast<size_t>(subquery.plan->schema()->num_fields()) - columns.size();
  subquery.outer_width = outer.scope.entries().size();
  return SameValues(domain, outer, *subquery.plan, subquery.num_items)
      .Map([&](ExpressionPtr condition) {
        subquery.condition = std::move(condition);
        return subquery;
      });
}

Result<Domain> Binder::MakeDomain(const Relation& outer, const std::vector<int>& columns,
                                  TextSpan span) {
  ARROW_RETURN_NOT_OK(CountDomain(*outer.plan, span));
  Domain domain;
  domain.outer_columns = columns;
  auto names = std::make_shared<Scope>();
  std::vector<NamedExpression> outputs;
  for (const int column : columns) {
    const Scope::Entry& entry = outer.scope.entries()[static_cast<size_t>(column)];
    names->Add(entry.qualifier, entry.name, entry.type, entry.qualified_only);
    outputs.push_back({ColumnOf(*outer.plan->schema(), column),
                       fmt::format("{} of the query around {}", entry.name, outputs.size())});
  }
  domain.names = std::move(names);
  ARROW_ASSIGN_OR_RAISE(PlanPtr values, PlanProject(outer.plan, std::move(outputs)));
  ARROW_ASSIGN_OR_RAISE(domain.plan, PlanDistinct(std::move(values)));
  return domain;
}

Result<PlanPtr> Binder::BindDependentQuery(const Query& query, const Domain& domain) {
  const size_t known = known_.size();
  ARROW_RETURN_NOT_OK(BindWith(query));
  Result<PlanPtr> plan = BindDependentBody(query, domain);
  known_.resize(known);
  return plan;
}

Result<PlanPtr> Binder::BindDependentBody(const Query& query, const Domain& domain) {
  if (query.select != nullptr) {
    return SelectBinder(*this, *query.select, query, nullptr).BindFor(domain);
  }
  Result<PlanPtr> rows = query.set != nullptr ? BindDependentSet(*query.set, domain)
                                              : BindDependentValues(query, domain);
  ARROW_RETURN_NOT_OK(rows);
  ARROW_ASSIGN_OR_RAISE(PlanPtr ordered, OrderedOutput(*std::move(rows), query));
  return WithLimitOfEach(std::move(ordered), query, domain.outer_columns.size());
}

Result<PlanPtr> Binder::BindDependentSet(const SetOperation& set, const Domain& domain) {
  ARROW_ASSIGN_OR_RAISE(PlanPtr left, BindDependentQuery(*set.left, domain));
  ARROW_ASSIGN_OR_RAISE(PlanPtr right, BindDependentQuery(*set.right, domain));
  return PlanOfSet(set, std::move(left), std::move(right));
}

/// One row of VALUES after the other, each for all values of the domain.
Result<PlanPtr> Binder::BindDependentValues(const Query& query, const Domain& domain) {
  const Relation relation = RelationOf(domain);
  const Scope names = NamesOf(relation);
  std::vector<PlanPtr> rows;
  for (const auto& row : query.values) {
    std::vector<NamedExpression> outputs;
    for (const UnboundPtr& cell : row) {
      ARROW_ASSIGN_OR_RAISE(const UnboundPtr plain, InOtherWords(cell));
      ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, headrace::Bind(*plain, names, Dialect::kSql));
      outputs.push_back({std::move(bound), fmt::format("col{}", outputs.size())});
    }
    for (const ExpressionPtr& column : AllColumnsOf(*domain.plan->schema())) {
      outputs.push_back({column, column->name});
    }
    ARROW_ASSIGN_OR_RAISE(rows.emplace_back(), PlanProject(domain.plan, std::move(outputs)));
  }
  return PlanOfAll(std::move(rows));
}

Result<Relation> Binder::BindDependentFrom(const Select& select, const Domain& domain,
                                           std::vector<UnboundPtr>* conditions) {
  Relation relation = RelationOf(domain);
  if (!select.from.has_value()) return relation;
  JoinClause first;
  first.kind = JoinClause::Kind::kCross;
  first.span = select.from->span;
  if (KeepsRight(select)) {
    ARROW_ASSIGN_OR_RAISE(Relation tables, BindFrom(select, conditions));
    return BindJoinOn(std::move(relation), std::move(tables), first, conditions);
  }
  first.right = *select.from;
  ARROW_ASSIGN_OR_RAISE(relation, BindJoin(std::move(relation), first, conditions));
  for (const JoinClause& join : select.joins) {
    ARROW_ASSIGN_OR_RAISE(relation, BindJoin(std::move(relation), join, conditions));
  }
  return relation;
}

/// A query in FROM that uses columns of the tables before it.
Result<Relation> Binder::BindLateral(const Relation& left, const JoinClause& join) {
  const bool refused = join.kind == JoinClause::Kind::kRight ||
                       join.kind == JoinClause::Kind::kFull || join.natural ||
                       !join.using_columns.empty() || join.right.sample.has_value();
  if (refused) {
    return WithSpan(Error(ErrorKind::kUnsupported,
                          "a query that uses columns of the tables before it takes a comma, or an "
                          "inner or left join with ON"),
                    join.span);
  }
  return WithColumnsMeant<Relation>(
      *join.right.query, NamesOf(left),
      [&](const std::vector<int>& columns) { return BindLateralFor(left, join, columns); });
}

Result<Relation> Binder::BindLateralFor(const Relation& left, const JoinClause& join,
                                        const std::vector<int>& columns) {
  const Relation outer{left.plan, NamesOf(left), nullptr};
  ARROW_ASSIGN_OR_RAISE(const Domain domain, MakeDomain(outer, columns, join.span));
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, BindDependentQuery(*join.right.query, domain));
  ARROW_ASSIGN_OR_RAISE(plan,
                        WithColumnNames(std::move(plan), join.right.columns, join.right.span));
  const size_t num_items = static_cast<size_t>(plan->schema()->num_fields()) - columns.size();
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr condition, SameValues(domain, outer, *plan, num_items));
  Relation right{plan, Scope(), nullptr};
  for (size_t i = 0; i < static_cast<size_t>(plan->schema()->num_fields()); ++i) {
    const auto& field = plan->schema()->field(static_cast<int>(i));
    const bool hidden = i >= num_items;
    right.scope.Add(hidden ? kDomainQualifier : join.right.alias, field->name(), field->type(),
                    hidden);
  }
  std::vector<UnboundPtr> conditions;
  ARROW_ASSIGN_OR_RAISE(
      Relation joined, BindJoinOn(left, std::move(right), join, &conditions, std::move(condition)));
  if (conditions.empty()) return joined;
  return WithSpan(Error(ErrorKind::kUnsupported, "a subquery in ON does not work beside LATERAL"),
                  join.span);
}

Result<PlanPtr> SelectBinder::BindFor(const Domain& domain) {
  domain_ = &domain;
  ARROW_RETURN_NOT_OK(BindFromAndWhere());
  ARROW_RETURN_NOT_OK(BindClauses());
  AddDomainGroups();
  AddDomainOutputs();
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, PlanSortedOutputs());
  const size_t count = domain.outer_columns.size();
  std::vector<NamedExpression> outputs;
  const auto keep = [&](size_t i) {
    outputs.push_back({ColumnBehind(*plan, 0, i), outputs_[i].name});
  };
  for (size_t i = 0; i < num_items_; ++i) keep(i);
  for (size_t i = outputs_.size() - count; i < outputs_.size(); ++i) keep(i);
  ARROW_ASSIGN_OR_RAISE(plan, PlanProject(std::move(plan), std::move(outputs)));
  return WithLimitOfEach(std::move(plan), query_, count);
}

/// The columns of the domain as groups of every set.
void SelectBinder::AddDomainGroups() {
  if (!IsAggregate()) return;
  is_single_ = groups_.empty() && sets_.empty();
  const size_t first = groups_.size();
  const size_t count = domain_->outer_columns.size();
  for (size_t i = 0; i < count; ++i) {
    ExpressionPtr column = ColumnOf(*domain_->plan->schema(), static_cast<int>(i));
    std::string name = column->name;
    groups_.push_back({std::move(column), std::move(name)});
    for (std::vector<size_t>& set : sets_) set.push_back(first + i);
  }
}

/// The columns of the domain as the last outputs.
void SelectBinder::AddDomainOutputs() {
  for (size_t i = 0; i < domain_->outer_columns.size(); ++i) {
    ExpressionPtr column = ColumnOf(*domain_->plan->schema(), static_cast<int>(i));
    std::string name = column->name;
    if (!distinct_on_.empty()) distinct_on_.push_back(outputs_.size());
    outputs_.push_back({std::move(column), std::move(name)});
  }
}

/// Windows see the rows of one value of the domain.
ExpressionPtr SelectBinder::WithDomainPartitions(const ExpressionPtr& expression) const {
  if (domain_ == nullptr) return expression;
  const auto partitioned =
      Transform(expression, [&](const ExpressionPtr& part) -> Result<ExpressionPtr> {
        if (part->window == nullptr && !IsCallOf(*part, FunctionKind::kOrdered)) return nullptr;
        auto window = part->window == nullptr ? std::make_shared<WindowSpec>()
                                              : std::make_shared<WindowSpec>(*part->window);
        for (const ExpressionPtr& column : AllColumnsOf(*domain_->plan->schema())) {
          window->partition_by.push_back(column);
        }
        auto call = std::make_shared<Expression>(*part);
        call->window = std::move(window);
        return call;
      });
  return partitioned.ok() ? *partitioned : expression;
}

Result<BoundSubquery> SelectBinder::BindOperand(const Query& query, std::string_view use) {
  // The nulls of grouping sets are no values of the rows, so no domain has them.
  if (!select_.grouping_sets.empty()) return binder_.BindTied(query, scope_, use);
  return binder_.BindSubquery(query, {relation_.plan, scope_, nullptr}, use);
}

/// A row for values of the domain without rows too: counts are 0, other aggregates null.
Result<PlanPtr> SelectBinder::WithEmptyGroups(PlanPtr groups) const {
  const size_t count = domain_->outer_columns.size();
  JoinTerms terms;
  for (size_t i = 0; i < count; ++i) {
    terms.left_keys.push_back(static_cast<int>(i));
    terms.right_keys.push_back(static_cast<int>(i));
    terms.nulls.push_back(NullMatching::kMatch);
  }
  std::vector<const Expression*> calls;
  for (const NamedExpression& call : calls_) calls.push_back(call.expression.get());
  for (const Extra& extra : extras_) {
    if (extra.use == "aggregate") calls.push_back(extra.operands.front().get());
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr joined, MakeJoinNode(domain_->plan, std::move(groups),
                                                     JoinKind::kLeft, std::move(terms)));
  std::vector<NamedExpression> outputs;
  for (size_t i = 0; i < count; ++i) {
    const ExpressionPtr column = ColumnBehind(*joined, 0, i);
    outputs.push_back({column, column->name});
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    ExpressionPtr column = ColumnBehind(*joined, 2 * count, i);
    std::string name = column->name;
    if (CountsRows(*calls[i])) {
      const auto zero = Expression::Literal(std::make_shared<arrow::Int64Scalar>(0));
      ARROW_ASSIGN_OR_RAISE(column, CallOf("coalesce", {column, zero}));
    }
    outputs.push_back({std::move(column), std::move(name)});
  }
  return PlanProject(std::move(joined), std::move(outputs));
}

Result<PlanPtr> WithLimitOfEach(PlanPtr plan, const Query& query, size_t domain) {
  ARROW_ASSIGN_OR_RAISE(const RowLimit limit, LimitOf(query));
  if (!limit.count.has_value() && limit.offset == 0) return plan;
  const auto width = static_cast<size_t>(plan->schema()->num_fields());
  std::vector<size_t> columns(domain);
  std::iota(columns.begin(), columns.end(), width - domain);
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr number, NumberOfRow(*plan, columns));
  const auto compare = [&](const char* comparison, int64_t rows) {
    return CallOf(comparison,
                  {number, Expression::Literal(std::make_shared<arrow::Int64Scalar>(rows))});
  };
  std::vector<ExpressionPtr> terms;
  ARROW_ASSIGN_OR_RAISE(terms.emplace_back(), compare(">", limit.offset));
  const int64_t count = limit.count.value_or(std::numeric_limits<int64_t>::max());
  if (count < std::numeric_limits<int64_t>::max() - limit.offset) {
    ARROW_ASSIGN_OR_RAISE(terms.emplace_back(), compare("<=", limit.offset + count));
  }
  return PlanFilter(std::move(plan), MakeConjunction(std::move(terms)));
}

}  // namespace headrace::sql
