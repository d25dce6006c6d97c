// Expressions put in terms of the scope before they are bound: aliases, fields of structs, columns
// of the query around, named windows, FILTER, subqueries.
#include <algorithm>
#include <array>
#include <utility>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/function/once_per_query.h"
#include "headrace/function/registry.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/sql/call_in_other_words.h"
#include "headrace/sql/lexer.h"
#include "headrace/sql/select_binder.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace::sql {
namespace {

/// Keeps the work of binding in proportion: aliases of aliases could double at every step.
constexpr int64_t kPreparedNodesMax = 1'000'000;

/// f(x) FILTER (WHERE p) is f(CASE WHEN p THEN x END).
UnboundPtr Filtered(const Unbound& call) {
  Unbound filtered = call;
  filtered.filter = nullptr;
  const bool is_star =
      call.args.empty() || (call.args.size() == 1 && call.args[0]->kind == Unbound::Kind::kStar);
  if (is_star) {
    filtered.args = {Unbound::Literal(std::make_shared<arrow::BooleanScalar>(true), call.span)};
  }
  for (UnboundPtr& arg : filtered.args) {
    if (!is_star && arg->kind == Unbound::Kind::kLiteral && &arg != &filtered.args.front()) {
      continue;
    }
    arg = Unbound::Call("case", {call.filter, arg}, arg->span);
  }
  return std::make_shared<const Unbound>(std::move(filtered));
}

/// Whether an aggregate without OVER is in it.
bool CallsAggregate(const Unbound& expression) {
  if (expression.kind == Unbound::Kind::kCall && expression.window == nullptr) {
    const FunctionDef* function = FindFunction(Dialect::kSql, expression.name);
    if (function != nullptr && function->kind == FunctionKind::kAggregate) return true;
  }
  return std::any_of(expression.args.begin(), expression.args.end(),
                     [](const UnboundPtr& arg) { return CallsAggregate(*arg); });
}

/// Whether two evaluations may differ; what its subqueries call is theirs.
bool CallsVolatile(const Unbound& expression) {
  if (expression.kind == Unbound::Kind::kCall) {
    const FunctionDef* function = FindFunction(Dialect::kSql, expression.name);
    if (function != nullptr && function->Has(function_flag::kVolatile) &&
        !function->Has(function_flag::kOncePerQuery)) {
      return true;
    }
  }
  return std::any_of(expression.args.begin(), expression.args.end(),
                     [](const UnboundPtr& arg) { return CallsVolatile(*arg); });
}

/// Whether a query has groups, apart from windows of time, or an aggregate among its items.
bool Aggregates(const Select& select) {
  const auto aggregates = [](const SelectItem& item) { return CallsAggregate(*item.expression); };
  return !select.group_by.empty() || select.group_by_all || select.having != nullptr ||
         std::any_of(select.items.begin(), select.items.end(), aggregates);
}

/// first_value(x) and last_value(x) without OVER are aggregates among others; null of what is not
/// one of them.
UnboundPtr ChosenOfGroup(const Unbound& call) {
  const bool is_first = EqualsIgnoringCase(call.name, "first_value");
  if ((!is_first && !EqualsIgnoringCase(call.name, "last_value")) || call.args.size() != 1) {
    return nullptr;
  }
  Unbound chosen = call;
  chosen.name = is_first ? "first" : "last";
  if (chosen.ignore_nulls) {
    chosen.ignore_nulls = false;
    const UnboundPtr is_there = Unbound::Call("is_not_null", {call.args.front()}, call.span);
    chosen.filter = call.filter == nullptr
                        ? is_there
                        : Unbound::Call("and", {call.filter, is_there}, call.span);
  }
  return std::make_shared<const Unbound>(std::move(chosen));
}

/// Names that other systems have for the place of a record in a topic.
Status RefuseSystemColumn(const Unbound& column) {
  constexpr std::array<std::string_view, 4> kNames = {"_offset", "_partition", "_topic", "_key"};
  for (const std::string_view name : kNames) {
    if (!EqualsIgnoringCase(column.path.back(), name)) continue;
    return WithSpan(Error(ErrorKind::kUnsupported,
                          "{} is a column of records in topics, and no source here has it; "
                          "_event_time, _window_start and _window_end are there",
                          name),
                    column.span);
  }
  return Status::OK();
}

}  // namespace

Result<ExpressionPtr> SelectBinder::BindPrepared(const UnboundPtr& expression) {
  ARROW_ASSIGN_OR_RAISE(const UnboundPtr prepared, Prepare(expression));
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, headrace::Bind(*prepared, scope_, Dialect::kSql));
  if (!HasOuter(*bound)) return WithDomainPartitions(bound);
  return WithSpan(Error(ErrorKind::kUnsupported,
                        "columns of the query around stand only in the WHERE of a subquery: {}",
                        DefaultName(*expression)),
                  expression->span);
}

Result<UnboundPtr> SelectBinder::Prepare(const UnboundPtr& expression) {
  return TransformUnbound(expression, [this](const UnboundPtr& node) { return PrepareNode(node); });
}

/// What takes the place of `node`; null: its parts are prepared, it stays.
Result<UnboundPtr> SelectBinder::PrepareNode(const UnboundPtr& node) {
  if (++prepared_nodes_ > kPreparedNodesMax) {
    return WithSpan(
        Error(ErrorKind::kSyntax, "the expressions have more than {} parts", kPreparedNodesMax),
        node->span);
  }
  switch (node->kind) {
    case Unbound::Kind::kColumn:
      return PrepareColumn(node);
    case Unbound::Kind::kCall:
      return PrepareCall(node);
    case Unbound::Kind::kQuery:
      return PrepareQuery(*node);
    default:
      return nullptr;
  }
}

/// A column of FROM, else an alias, a field, or a column of the query around, in this order.
Result<UnboundPtr> SelectBinder::PrepareColumn(const UnboundPtr& column) {
  if (scope_.Knows(column->path, Dialect::kSql)) return nullptr;
  for (size_t i = 0; i < visible_items_ && column->path.size() == 1; ++i) {
    const Item& item = items_[i];
    const bool is_meant =
        item.expression != nullptr && EqualsIgnoringCase(item.name, column->path.front());
    if (is_meant) return PrepareAlias(i, column->span);
  }
  UnboundPtr field = FieldOf(*column, scope_);
  if (field == nullptr) field = WindowBoundOf(*column);
  if (field == nullptr) field = EventTimeOf(*column);
  if (field != nullptr) return field;
  if (outer_ == nullptr || !outer_->Knows(column->path, Dialect::kSql)) {
    ARROW_RETURN_NOT_OK(RefuseSystemColumn(*column));
    return nullptr;
  }
  Result<int> resolved = outer_->Resolve(column->path, Dialect::kSql);
  if (!resolved.ok()) return WithSpan(resolved.status(), column->span);
  Extra extra;
  extra.is_outer = true;
  extra.outer_column = *resolved;
  extra.type = outer_->entries()[static_cast<size_t>(*resolved)].type;
  return AddExtra(std::move(extra), column->span);
}

/// An item in the words of the scope.
Result<UnboundPtr> SelectBinder::PrepareAlias(size_t item, TextSpan span) {
  const size_t visible = std::exchange(visible_items_, item);
  Result<UnboundPtr> prepared = CallsVolatile(*items_[item].expression)
                                    ? ComputedOnce(item, span)
                                    : Prepare(items_[item].expression);
  visible_items_ = visible;
  return prepared;
}

/// A column that is computed before whatever names the item: every use sees the same value.
Result<UnboundPtr> SelectBinder::ComputedOnce(size_t item, TextSpan span) {
  if (const auto known = once_.find(item); known != once_.end()) return known->second;
  Extra extra;
  extra.use = "once";
  const bool is_bound = item < outputs_.size();
  if (is_bound) {
    extra.operands = {outputs_[item].expression};
  } else {
    ARROW_ASSIGN_OR_RAISE(extra.operands.emplace_back(), BindPrepared(items_[item].expression));
  }
  extra.type = extra.operands.front()->type;
  const ExpressionPtr before = extra.operands.front();
  const UnboundPtr column = AddExtra(std::move(extra), span);
  once_[item] = column;
  if (!is_bound) return column;
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr bound, headrace::Bind(*column, scope_, Dialect::kSql));
  for (std::vector<NamedExpression>* list : {&outputs_, &groups_}) {
    for (NamedExpression& named : *list) {
      if (named.expression == before) named.expression = bound;
    }
  }
  return column;
}

Result<UnboundPtr> SelectBinder::PrepareCall(const UnboundPtr& call) {
  ARROW_RETURN_NOT_OK(RefuseRowsOfItsOwn(*call));
  ARROW_ASSIGN_OR_RAISE(const UnboundPtr other, CallInOtherWords(*call));
  if (other != nullptr) return Prepare(other);
  const bool is_plain = call->window == nullptr;
  if (UnboundPtr bound = is_plain ? WindowBoundOf(*call) : nullptr; bound != nullptr) return bound;
  if (UnboundPtr chosen = is_plain ? ChosenOfGroup(*call) : nullptr;
      chosen != nullptr && (time_window_ != nullptr || Aggregates(select_))) {
    return Prepare(chosen);
  }
  if (is_plain && EqualsIgnoringCase(call->name, "grouping")) return PrepareGrouping(*call);
  if (is_plain && EqualsIgnoringCase(call->name, "unnest")) return PrepareUnnest(*call);
  const bool has_base = !is_plain && !call->window->base.empty();
  if (!has_base && call->filter == nullptr && call->order_by.empty()) return nullptr;
  const FunctionDef* function = FindFunction(Dialect::kSql, call->name);
  const bool is_aggregate = function != nullptr && function->kind == FunctionKind::kAggregate;
  const bool is_ordered =
      is_aggregate && !call->order_by.empty() && function->Has(function_flag::kOrderSensitive);
  // A null counts as a value: leaving a row out is not the same as a null.
  const bool picks_rows =
      is_aggregate && call->filter != nullptr && function->nulls == NullRule::kKernel;
  if (is_ordered || picks_rows) return PrepareAggregate(*call);
  Unbound copy = *call;
  copy.order_by.clear();
  if (has_base) {
    ARROW_ASSIGN_OR_RAISE(copy.window, NamedWindowOf(*call->window, call->span));
  }
  if (call->filter == nullptr) return Prepare(std::make_shared<const Unbound>(std::move(copy)));
  return Prepare(Filtered(copy));
}

/// An aggregate over rows of its own (FILTER) or in an order of its own (ORDER BY).
Result<UnboundPtr> SelectBinder::PrepareAggregate(const Unbound& call) {
  if (call.window != nullptr) {
    return WithSpan(Error(ErrorKind::kUnsupported, "{} of {} does not work in a window (OVER)",
                          call.filter != nullptr ? "FILTER" : "ORDER BY", call.name),
                    call.span);
  }
  auto plain = std::make_shared<Unbound>(call);
  plain->filter = nullptr;
  plain->order_by.clear();
  Extra extra;
  extra.use = "aggregate";
  ARROW_ASSIGN_OR_RAISE(extra.operands.emplace_back(), BindPrepared(plain));
  extra.type = extra.operands.front()->type;
  for (const UnboundSortKey& key : call.order_by) {
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, BindPrepared(key.expression));
    ARROW_RETURN_NOT_OK(RefuseAggregates(bound, "ORDER BY of another"));
    extra.order.push_back(
        {std::move(bound), key.descending, key.nulls.value_or(NullPlacement::kLast)});
  }
  if (call.filter != nullptr) {
    ARROW_ASSIGN_OR_RAISE(extra.filter, BindPrepared(call.filter));
    ARROW_RETURN_NOT_OK(RefuseAggregates(extra.filter, "FILTER of another"));
  }
  return AddExtra(std::move(extra), call.span);
}

Result<UnboundPtr> SelectBinder::PrepareGrouping(const Unbound& call) {
  Extra extra;
  extra.use = "grouping";
  extra.type = arrow::int64();
  for (const UnboundPtr& arg : call.args) {
    ARROW_ASSIGN_OR_RAISE(extra.operands.emplace_back(), BindPrepared(arg));
  }
  const bool has_groups = !select_.group_by.empty() || select_.group_by_all;
  if (extra.operands.empty() || extra.operands.size() > 62 || !has_groups) {
    return WithSpan(
        Error(ErrorKind::kInvalidArgument, "GROUPING takes groups of a query with GROUP BY"),
        call.span);
  }
  return AddExtra(std::move(extra), call.span);
}

/// unnest(list) in an item: a row per element.
Result<UnboundPtr> SelectBinder::PrepareUnnest(const Unbound& call) {
  if (call.args.size() != 1) {
    return WithSpan(Error(ErrorKind::kInvalidArgument, "unnest takes one list, got {} arguments",
                          call.args.size()),
                    call.span);
  }
  Extra extra;
  extra.use = "unnest";
  ARROW_ASSIGN_OR_RAISE(extra.operands.emplace_back(), BindPrepared(call.args.front()));
  const TypePtr type = PlainType(extra.operands.front()->type);
  if (!arrow::is_list_like(type->id())) {
    return WithSpan(Error(ErrorKind::kTypeMismatch, "unnest takes a list, and {} is a {}",
                          DefaultName(*call.args.front()), SqlNameOf(*type)),
                    call.span);
  }
  extra.type = static_cast<const arrow::BaseListType&>(*type).value_type();
  return AddExtra(std::move(extra), call.span);
}

Result<std::shared_ptr<const UnboundWindow>> SelectBinder::NamedWindowOf(
    const UnboundWindow& window, TextSpan span) const {
  std::vector<std::string> names;
  for (const NamedWindow& named : select_.windows) {
    names.push_back(named.name);
    if (!EqualsIgnoringCase(named.name, window.base)) continue;
    auto whole = std::make_shared<UnboundWindow>(*named.window);
    if (!window.partition_by.empty()) whole->partition_by = window.partition_by;
    if (!window.order_by.empty()) whole->order_by = window.order_by;
    if (whole->base.empty() || EqualsIgnoringCase(whole->base, window.base)) {
      whole->base.clear();
      return whole;
    }
    return NamedWindowOf(*whole, span);
  }
  const std::string nearest = NearestName(window.base, names);
  return WithSpan(Error(ErrorKind::kUnknownName, "there is no window \"{}\"{}", window.base,
                        nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest)),
                  span);
}

/// The place of a query in an expression: a column that is attached where the expression is used.
Result<UnboundPtr> SelectBinder::PrepareQuery(const Unbound& node) {
  const auto* operand = dynamic_cast<const QueryOperand*>(node.query.get());
  if (operand == nullptr) {
    return WithSpan(Error(ErrorKind::kUnsupported, "COLUMNS(...) stands only in SELECT"),
                    node.span);
  }
  Extra extra;
  extra.use = node.name;
  for (const UnboundPtr& arg : node.args) {
    ARROW_ASSIGN_OR_RAISE(extra.operands.emplace_back(), BindPrepared(arg));
  }
  ARROW_ASSIGN_OR_RAISE(extra.subquery, BindOperand(*operand->query, node.name));
  const bool exists = extra.use == "exists";
  const size_t wanted = std::max<size_t>(1, extra.operands.size());
  if (!exists && extra.subquery.num_items != wanted) {
    return WithSpan(Error(ErrorKind::kTypeMismatch, "a subquery in an expression gives {}, got {}",
                          wanted == 1 ? "one column" : fmt::format("{} columns here", wanted),
                          extra.subquery.num_items),
                    node.span);
  }
  const bool ordered = extra.use[0] == '<' || extra.use[0] == '>' || extra.use == "= all";
  if (wanted > 1 && ordered) {
    return WithSpan(Error(ErrorKind::kUnsupported,
                          "a row stands before IN, = ANY and NOT IN, not before {}", extra.use),
                    node.span);
  }
  extra.type =
      extra.use == "scalar" ? extra.subquery.plan->schema()->field(0)->type() : arrow::boolean();
  // x op ALL (…) is NOT (x negated-op ANY (…)).
  const size_t all = extra.use.rfind(" all");
  if (all == std::string::npos) return AddExtra(std::move(extra), node.span);
  constexpr std::array<std::pair<const char*, const char*>, 6> kNegated = {
      {{"=", "<>"}, {"<>", "="}, {"<", ">="}, {"<=", ">"}, {">", "<="}, {">=", "<"}}};
  for (const auto& [symbol, negated] : kNegated) {
    if (extra.use.substr(0, all) != symbol) continue;
    extra.use = fmt::format("{} any", negated);
    break;
  }
  return Unbound::Call("not", {AddExtra(std::move(extra), node.span)}, node.span);
}

UnboundPtr SelectBinder::AddExtra(Extra extra, TextSpan span) {
  std::string name = std::to_string(extras_.size());
  scope_.Add(kExtraQualifier, name, extra.type, /*qualified_only=*/true);
  extras_.push_back(std::move(extra));
  return Unbound::Column({kExtraQualifier, std::move(name)}, span);
}

}  // namespace headrace::sql
