// PIVOT is an aggregate per value of the columns that it is made ON; UNPIVOT a row per column.
#include <algorithm>

#include "arrow/record_batch.h"
#include "arrow/scalar.h"
#include "headrace/engine/session.h"
#include "headrace/expression/bind.h"
#include "headrace/function/registry.h"
#include "headrace/plan/make_node.h"
#include "headrace/sql/select_binder.h"

namespace headrace::sql {
namespace {

constexpr size_t kPivotColumnsMax = 10'000;

/// No name of a query can be these: quoted names are not empty, and they start with a blank.
constexpr const char* kInput = " input of pivot";
constexpr const char* kElements = " elements";

SelectItem ItemOf(UnboundPtr expression, std::string name) {
  SelectItem item;
  item.expression = std::move(expression);
  item.name = std::move(name);
  return item;
}

TableReference InputTable(TextSpan span) {
  TableReference table;
  table.name = kInput;
  table.span = span;
  return table;
}

/// `expression` with its aggregates over the rows of `condition` alone.
Result<UnboundPtr> Restricted(const UnboundPtr& expression, const UnboundPtr& condition) {
  return TransformUnbound(expression, [&](const UnboundPtr& node) -> Result<UnboundPtr> {
    if (node->kind != Unbound::Kind::kCall || node->window != nullptr) return nullptr;
    const FunctionDef* function = FindFunction(Dialect::kSql, node->name);
    if (function == nullptr || function->kind != FunctionKind::kAggregate) return nullptr;
    auto restricted = std::make_shared<Unbound>(*node);
    restricted->filter = node->filter == nullptr
                             ? condition
                             : Unbound::Call("and", {condition, node->filter}, node->span);
    return restricted;
  });
}

/// A value that columns are made of: its condition and its name.
struct PivotValue {
  UnboundPtr condition;
  std::string name;
};

UnboundPtr IsValue(const PivotColumn& column, const UnboundPtr& value) {
  return Unbound::Call("is_not_distinct_from", {column.expression, value}, value->span);
}

Result<std::string> NameOf(const SelectItem& value) {
  if (!value.name.empty()) return value.name;
  const auto text = Unbound::Cast(value.expression, arrow::utf8());
  Result<ExpressionPtr> bound = headrace::Bind(*text, Scope(), Dialect::kSql);
  if (bound.ok()) {
    const ExpressionPtr folded = FoldConstants(*bound);
    if (folded->kind == Expression::Kind::kLiteral) {
      return folded->literal->is_valid ? folded->literal->ToString() : "NULL";
    }
  }
  return WithSpan(Error(ErrorKind::kInvalidArgument, "PIVOT ... IN takes constants, got {}",
                        DefaultName(*value.expression)),
                  value.expression->span);
}

/// Every value of the columns before with every value of `next`.
Result<std::vector<PivotValue>> Combined(const std::vector<PivotValue>& before,
                                         const std::vector<PivotValue>& next, TextSpan span) {
  if (before.empty()) return next;
  if (before.size() * next.size() > kPivotColumnsMax) {
    return WithSpan(
        Error(ErrorKind::kUnsupported, "PIVOT makes at most {} columns", kPivotColumnsMax), span);
  }
  std::vector<PivotValue> all;
  for (const PivotValue& left : before) {
    for (const PivotValue& right : next) {
      all.push_back(
          {Unbound::Call("and", {left.condition, right.condition}), left.name + "_" + right.name});
    }
  }
  return all;
}

}  // namespace

Result<PlanPtr> Binder::BindPivot(PlanPtr input, const std::string& qualifier, const Pivot& pivot) {
  known_.push_back({kInput, std::move(input)});
  const auto bind = [&]() -> Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(Select select, pivot.is_unpivot ? SelectOfUnpivot(pivot, qualifier)
                                                          : SelectOfPivot(pivot, qualifier));
    select.from->alias = qualifier;
    const Query query;
    return SelectBinder(*this, select, query, nullptr).Bind();
  };
  Result<PlanPtr> plan = bind();
  known_.pop_back();
  return plan;
}

/// SELECT groups, aggregates of each value FROM input GROUP BY groups.
Result<Select> Binder::SelectOfPivot(const Pivot& pivot, const std::string& qualifier) {
  Select select;
  select.from = InputTable(pivot.span);
  select.group_by = pivot.groups;
  std::vector<SelectItem> aggregates = pivot.items;
  if (aggregates.empty()) {
    aggregates.push_back(ItemOf(Unbound::Call("count", {Unbound::Star()}, pivot.span), ""));
  }
  if (!pivot.grouped) select.group_by = OtherColumns(pivot, aggregates, qualifier);
  for (const UnboundPtr& group : select.group_by) select.items.push_back(ItemOf(group, ""));
  std::vector<PivotValue> values;
  for (const PivotColumn& column : pivot.on) {
    std::vector<SelectItem> listed = column.values;
    if (listed.empty()) {
      ARROW_ASSIGN_OR_RAISE(listed, ValuesOf(column, qualifier));
    }
    std::vector<PivotValue> next;
    for (const SelectItem& value : listed) {
      ARROW_ASSIGN_OR_RAISE(std::string name, NameOf(value));
      next.push_back({IsValue(column, value.expression), std::move(name)});
    }
    ARROW_ASSIGN_OR_RAISE(values, Combined(values, next, pivot.span));
  }
  for (const PivotValue& value : values) {
    for (const SelectItem& aggregate : aggregates) {
      std::string name = value.name;
      if (!aggregate.name.empty()) {
        name += "_" + aggregate.name;
      } else if (aggregates.size() > 1) {
        name += "_" + DefaultName(*aggregate.expression);
      }
      ARROW_ASSIGN_OR_RAISE(UnboundPtr restricted,
                            Restricted(aggregate.expression, value.condition));
      select.items.push_back(ItemOf(std::move(restricted), std::move(name)));
    }
  }
  return select;
}

/// The columns of the input that neither ON nor an aggregate uses.
std::vector<UnboundPtr> Binder::OtherColumns(const Pivot& pivot,
                                             const std::vector<SelectItem>& aggregates,
                                             const std::string& qualifier) const {
  auto used_by = std::make_shared<Select>();
  used_by->items = aggregates;
  for (const PivotColumn& column : pivot.on)
    used_by->items.push_back(ItemOf(column.expression, ""));
  Query query;
  query.select = std::move(used_by);
  const arrow::Schema& schema = *known_.back().plan->schema();
  const std::vector<int> used = ColumnsMeant(query, Scope(schema, qualifier));
  std::vector<UnboundPtr> others;
  for (int i = 0; i < schema.num_fields(); ++i) {
    if (std::find(used.begin(), used.end(), i) != used.end()) continue;
    others.push_back(Unbound::Column({schema.field(i)->name()}, pivot.span));
  }
  return others;
}

/// The values that the column has, found by running the input; nulls are none.
Result<std::vector<SelectItem>> Binder::ValuesOf(const PivotColumn& column,
                                                 const std::string& qualifier) {
  Select select;
  select.distinct = true;
  select.items.push_back(ItemOf(column.expression, "value"));
  select.from = InputTable(column.expression->span);
  select.from->alias = qualifier;
  select.where = Unbound::Call("is_not_null", {column.expression});
  Query query;
  query.order_by_all = true;
  query.order_by.emplace_back();
  query.limit = Unbound::Literal(std::make_shared<arrow::Int64Scalar>(kPivotColumnsMax + 1));
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, SelectBinder(*this, select, query, nullptr).Bind());
  ARROW_ASSIGN_OR_RAISE(Cursor cursor, session_.Run(std::move(plan)));
  cursor.set_poll(poll_);
  std::vector<SelectItem> values;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, cursor.Next());
    if (batch == nullptr) break;
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      ARROW_ASSIGN_OR_RAISE(ScalarPtr value, batch->column(0)->GetScalar(row));
      if (value->type->id() == arrow::Type::DICTIONARY) {
        ARROW_ASSIGN_OR_RAISE(
            value, static_cast<const arrow::DictionaryScalar&>(*value).GetEncodedValue());
      }
      values.push_back(ItemOf(Unbound::Literal(std::move(value), column.expression->span), ""));
    }
  }
  if (values.size() <= kPivotColumnsMax) return values;
  return WithSpan(
      Error(ErrorKind::kUnsupported,
            "PIVOT makes at most {} columns, and {} has more values; list those that "
            "you want: ON {} IN (...)",
            kPivotColumnsMax, DefaultName(*column.expression), DefaultName(*column.expression)),
      column.expression->span);
}

/// The columns that an item of UNPIVOT stands for.
Result<std::vector<std::string>> Binder::NamesOfItems(const std::vector<SelectItem>& items) {
  Select select;
  select.items = items;
  select.from = InputTable(items.front().expression->span);
  const Query query;
  ARROW_ASSIGN_OR_RAISE(const PlanPtr plan, SelectBinder(*this, select, query, nullptr).Bind());
  return plan->schema()->field_names();
}

/// SELECT other columns, name, value FROM input, unnest(names, values) WHERE value IS NOT NULL.
Result<Select> Binder::SelectOfUnpivot(const Pivot& pivot, const std::string& qualifier) {
  const size_t width = pivot.value_names.size();
  std::vector<UnboundPtr> names;
  std::vector<std::vector<UnboundPtr>> cells(width);
  Select select;
  std::set<std::string> used;
  for (const UnpivotEntry& entry : pivot.entries) {
    ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> columns, NamesOfItems(entry.columns));
    if (columns.size() % width != 0) {
      return WithSpan(
          Error(ErrorKind::kInvalidArgument,
                "UNPIVOT into {} columns takes as many at a time, got {}", width, columns.size()),
          entry.columns.front().expression->span);
    }
    for (size_t i = 0; i < columns.size(); ++i) {
      cells[i % width].push_back(Unbound::Column({columns[i]}, pivot.span));
      used.insert(columns[i]);
      if (i % width != 0) continue;
      std::string name = entry.name.empty() ? columns[i] : entry.name;
      for (size_t j = 1; entry.name.empty() && j < width; ++j) name += "_" + columns[i + j];
      names.push_back(TextLiteral(name));
    }
  }
  const std::string table = qualifier.empty() ? kInput : qualifier;
  for (const std::string& column : known_.back().plan->schema()->field_names()) {
    if (used.contains(column)) continue;
    select.items.push_back(ItemOf(Unbound::Column({table, column}, pivot.span), column));
  }
  TableReference elements;
  elements.kind = TableReference::Kind::kFunction;
  elements.name = "unnest";
  elements.alias = kElements;
  elements.span = pivot.span;
  elements.args.push_back(Unbound::Call("list_value", names, pivot.span));
  elements.columns.push_back(pivot.name);
  UnboundPtr has_value;
  for (size_t i = 0; i < width; ++i) {
    elements.args.push_back(Unbound::Call("list_value", cells[i], pivot.span));
    elements.columns.push_back(pivot.value_names[i]);
    const auto there = Unbound::Call(
        "is_not_null", {Unbound::Column({kElements, pivot.value_names[i]}, pivot.span)});
    has_value = has_value == nullptr ? there : Unbound::Call("and", {has_value, there});
  }
  for (const std::string& column : elements.columns) {
    select.items.push_back(ItemOf(Unbound::Column({kElements, column}, pivot.span), column));
  }
  if (!pivot.include_nulls) select.where = std::move(has_value);
  select.from = InputTable(pivot.span);
  JoinClause join;
  join.kind = JoinClause::Kind::kCross;
  join.right = std::move(elements);
  join.span = pivot.span;
  select.joins.push_back(std::move(join));
  return select;
}

}  // namespace headrace::sql
