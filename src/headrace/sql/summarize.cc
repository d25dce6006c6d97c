// SUMMARIZE: a row of figures per column, from one pass over the rows.
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/plan/make_node.h"
#include "headrace/sql/binder.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace::sql {
namespace {

UnboundPtr Number(double number) {
  return Unbound::Literal(std::make_shared<arrow::DoubleScalar>(number));
}

UnboundPtr AsText(UnboundPtr value) { return Unbound::Cast(std::move(value), arrow::utf8()); }

UnboundPtr CountAll() { return Unbound::Call("count", {Unbound::Star()}); }

/// The share of nulls in percent, with two digits; null without rows.
UnboundPtr NullPercentage(const UnboundPtr& column) {
  const auto there = Unbound::Call("count", {column});
  const auto share = Unbound::Call("/", {Unbound::Call("-", {CountAll(), there}),
                                         Unbound::Call("nullif", {CountAll(), Number(0)})});
  const auto two = Unbound::Literal(std::make_shared<arrow::Int64Scalar>(2));
  return Unbound::Call("round", {Unbound::Call("*", {share, Number(100)}), two});
}

struct Figure {
  const char* name;
  enum class Of { kAll, kComparable, kNumbers } of;
  UnboundPtr (*value)(const UnboundPtr& column);
};

const Figure kSummaryFigures[] = {
    {"min", Figure::Of::kComparable,
     [](const UnboundPtr& column) { return AsText(Unbound::Call("min", {column})); }},
    {"max", Figure::Of::kComparable,
     [](const UnboundPtr& column) { return AsText(Unbound::Call("max", {column})); }},
    {"approx_unique", Figure::Of::kComparable,
     [](const UnboundPtr& column) { return Unbound::Call("approx_count_distinct", {column}); }},
    {"avg", Figure::Of::kNumbers,
     [](const UnboundPtr& column) { return Unbound::Call("avg", {column}); }},
    {"std", Figure::Of::kNumbers,
     [](const UnboundPtr& column) { return Unbound::Call("stddev", {column}); }},
    {"q25", Figure::Of::kNumbers,
     [](const UnboundPtr& column) {
       return Unbound::Call("approx_quantile", {column, Number(0.25)});
     }},
    {"q50", Figure::Of::kNumbers,
     [](const UnboundPtr& column) {
       return Unbound::Call("approx_quantile", {column, Number(0.5)});
     }},
    {"q75", Figure::Of::kNumbers,
     [](const UnboundPtr& column) {
       return Unbound::Call("approx_quantile", {column, Number(0.75)});
     }},
    {"count", Figure::Of::kAll, [](const UnboundPtr&) { return CountAll(); }},
    {"null_percentage", Figure::Of::kAll, NullPercentage},
};

bool Has(const Figure& figure, const arrow::DataType& type) {
  const bool is_number = arrow::is_numeric(type.id()) || arrow::is_decimal(type.id());
  if (figure.of == Figure::Of::kNumbers) return is_number;
  return figure.of == Figure::Of::kAll || HasTypeFlag(type, kTypeComparable);
}

/// [value of column 0, value of column 1, …]; figures of numbers are DOUBLE.
UnboundPtr ListOf(const Figure& figure, const arrow::Schema& schema) {
  std::vector<UnboundPtr> values;
  bool found = false;
  for (int i = 0; i < schema.num_fields(); ++i) {
    const UnboundPtr column = Unbound::Column({std::to_string(i)});
    const bool has = Has(figure, *PlainType(schema.field(i)->type()));
    values.push_back(has ? figure.value(column)
                         : Unbound::Literal(arrow::MakeNullScalar(arrow::null())));
    if (has && figure.of == Figure::Of::kNumbers) {
      values.back() = Unbound::Cast(values.back(), arrow::float64());
    }
    found = found || has;
  }
  if (!found) values.front() = Unbound::Cast(values.front(), arrow::float64());
  return Unbound::Call("list_value", std::move(values));
}

}  // namespace

Result<PlanPtr> Binder::BindSummary(const Statement& statement) {
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, BindQuery(*statement.query));
  const arrow::Schema& schema = *plan->schema();
  if (schema.num_fields() == 0) {
    return WithSpan(Error(ErrorKind::kInvalidArgument, "SUMMARIZE takes rows with columns"),
                    statement.query->span);
  }
  Scope places;
  std::vector<UnboundPtr> names;
  std::vector<UnboundPtr> types;
  for (int i = 0; i < schema.num_fields(); ++i) {
    places.Add("", std::to_string(i), schema.field(i)->type());
    names.push_back(TextLiteral(schema.field(i)->name()));
    types.push_back(TextLiteral(SqlNameOf(*PlainType(schema.field(i)->type()))));
  }
  std::vector<std::pair<std::string, UnboundPtr>> lists = {
      {"column_name", Unbound::Call("list_value", std::move(names))},
      {"column_type", Unbound::Call("list_value", std::move(types))}};
  for (const Figure& figure : kSummaryFigures)
    lists.emplace_back(figure.name, ListOf(figure, schema));
  std::vector<NamedExpression> outputs;
  for (const auto& [name, list] : lists) {
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, headrace::Bind(*list, places, Dialect::kSql));
    outputs.push_back({std::move(bound), name});
  }
  ARROW_ASSIGN_OR_RAISE(plan, PlanAggregate(std::move(plan), {}, std::move(outputs)));
  std::vector<NamedExpression> columns;
  for (const ExpressionPtr& column : AllColumnsOf(*plan->schema())) {
    columns.push_back({column, column->name});
  }
  const size_t width = columns.size();
  ARROW_ASSIGN_OR_RAISE(plan, PlanUnnest(std::move(plan), std::move(columns)));
  std::vector<NamedExpression> figures;
  for (size_t i = width; i < 2 * width; ++i) {
    ExpressionPtr column = ColumnOf(*plan->schema(), static_cast<int>(i));
    figures.push_back({column, column->name});
  }
  return PlanProject(std::move(plan), std::move(figures));
}

}  // namespace headrace::sql
