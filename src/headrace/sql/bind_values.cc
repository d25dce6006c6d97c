// VALUES: constants make a table in memory; what differs at every run (now(), random()) is computed
// beside it, and rows with subqueries are a SELECT each.
#include <algorithm>

#include "arrow/array/builder_primitive.h"
#include "arrow/array/concatenate.h"
#include "arrow/array/util.h"
#include "arrow/record_batch.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/expression/coerce.h"
#include "headrace/expression/evaluate.h"
#include "headrace/plan/make_node.h"
#include "headrace/sql/binder.h"
#include "headrace/sql/call_in_other_words.h"

namespace headrace::sql {
namespace {

std::string NameOfColumn(size_t index) { return fmt::format("col{}", index); }

/// A column of VALUES. markers[row] − 1 is the place in `computed` of what is computed there; 0:
/// the constant counts.
struct ValuesColumn {
  ArrayPtr constants;
  ArrayPtr markers;  // null when nothing is computed
  std::vector<ExpressionPtr> computed;
};

/// The place of `expression` in `known`, from 1; random() is one expression and another number in
/// every row.
int64_t NumberOf(const ExpressionPtr& expression, std::vector<ExpressionPtr>* known) {
  const auto same = [&](const ExpressionPtr& other) { return Equals(*other, *expression); };
  const auto found = std::find_if(known->begin(), known->end(), same);
  const int64_t number = found - known->begin() + 1;
  if (found == known->end()) known->push_back(expression);
  return number;
}

Result<ArrayPtr> ConstantOf(const Expression& cell) {
  arrow::MemoryPool* pool = arrow::default_memory_pool();
  if (cell.kind == Expression::Kind::kLiteral) {
    return arrow::MakeArrayFromScalar(*cell.literal, 1, pool);
  }
  Result<ArrayPtr> value = EvaluateOver(cell, {}, Rows{1}, pool);
  if (!value.ok()) return WithSpan(value.status(), cell.span);
  return value;
}

/// Cells in their common type.
Result<ValuesColumn> ColumnOfCells(const std::vector<ExpressionPtr>& cells) {
  ARROW_ASSIGN_OR_RAISE(const TypePtr type, CommonTypeOf(cells));
  ValuesColumn column;
  arrow::ArrayVector pieces;
  arrow::Int64Builder markers;
  for (const ExpressionPtr& cell : cells) {
    ARROW_ASSIGN_OR_RAISE(const ExpressionPtr converted, ConvertTo(cell, type));
    const bool is_computed = IsVolatile(*converted);
    ARROW_RETURN_NOT_OK(markers.Append(is_computed ? NumberOf(converted, &column.computed) : 0));
    Result<ArrayPtr> piece = is_computed ? arrow::MakeArrayOfNull(type, 1) : ConstantOf(*converted);
    ARROW_RETURN_NOT_OK(piece);
    pieces.push_back(*std::move(piece));
  }
  ARROW_ASSIGN_OR_RAISE(column.constants, arrow::Concatenate(pieces));
  if (column.computed.empty()) return column;
  ARROW_ASSIGN_OR_RAISE(column.markers, markers.Finish());
  return column;
}

/// CASE marker WHEN 1 THEN … ELSE constant END.
Result<ExpressionPtr> ComputedColumn(const ExpressionPtr& constant, const ExpressionPtr& marker,
                                     const std::vector<ExpressionPtr>& computed) {
  std::vector<ExpressionPtr> args;
  for (size_t i = 0; i < computed.size(); ++i) {
    const auto number = std::make_shared<arrow::Int64Scalar>(static_cast<int64_t>(i) + 1);
    ARROW_ASSIGN_OR_RAISE(args.emplace_back(), CallOf("=", {marker, Expression::Literal(number)}));
    args.push_back(computed[i]);
  }
  args.push_back(constant);
  return CallOf("case", args);
}

Result<PlanPtr> PlanOfColumns(const std::vector<ValuesColumn>& columns, int64_t rows) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  const auto add = [&](const ArrayPtr& array, std::string name) {
    arrays.push_back(array);
    fields.push_back(arrow::field(std::move(name), array->type()));
  };
  for (const ValuesColumn& column : columns) add(column.constants, NameOfColumn(fields.size()));
  for (const ValuesColumn& column : columns) {
    if (column.markers != nullptr) add(column.markers, "marker");
  }
  const SchemaPtr schema = arrow::schema(std::move(fields));
  MemoryTableOptions options;
  options.name = "values";
  ARROW_ASSIGN_OR_RAISE(
      SourcePtr table,
      MemoryTable::Make(schema, {arrow::RecordBatch::Make(schema, rows, std::move(arrays))},
                        std::move(options)));
  return PlanScan(std::move(table));
}

Result<PlanPtr> WithComputedColumns(PlanPtr plan, const std::vector<ValuesColumn>& columns) {
  auto marker = static_cast<int>(columns.size());
  if (plan->schema()->num_fields() == marker) return plan;
  std::vector<NamedExpression> outputs;
  for (const ValuesColumn& column : columns) {
    const auto place = static_cast<int>(outputs.size());
    ExpressionPtr value = ColumnOf(*plan->schema(), place);
    if (column.markers != nullptr) {
      ARROW_ASSIGN_OR_RAISE(
          value, ComputedColumn(value, ColumnOf(*plan->schema(), marker++), column.computed));
    }
    outputs.push_back({std::move(value), NameOfColumn(outputs.size())});
  }
  return PlanProject(std::move(plan), std::move(outputs));
}

/// A row as SELECT col0, col1, …
Query QueryOfRow(const std::vector<UnboundPtr>& row, TextSpan span) {
  auto select = std::make_shared<Select>();
  for (const UnboundPtr& cell : row) {
    select->items.emplace_back().expression = cell;
    select->items.back().name = NameOfColumn(select->items.size() - 1);
  }
  Query query;
  query.select = std::move(select);
  query.span = span;
  return query;
}

}  // namespace

/// Columns are called col0, col1, …
Result<PlanPtr> Binder::BindValues(const Query& query) {
  std::vector<std::vector<ExpressionPtr>> columns(query.values.front().size());
  for (const auto& row : query.values) {
    if (std::any_of(row.begin(), row.end(), HoldsQuery)) return BindRowsOfQueries(query);
    for (size_t i = 0; i < row.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(const UnboundPtr plain, InOtherWords(row[i]));
      ARROW_ASSIGN_OR_RAISE(ExpressionPtr cell, headrace::Bind(*plain, Scope(), Dialect::kSql));
      columns[i].push_back(FoldConstants(cell));
    }
  }
  std::vector<ValuesColumn> values;
  for (const std::vector<ExpressionPtr>& cells : columns) {
    ARROW_ASSIGN_OR_RAISE(values.emplace_back(), ColumnOfCells(cells));
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan,
                        PlanOfColumns(values, static_cast<int64_t>(query.values.size())));
  return WithComputedColumns(std::move(plan), values);
}

/// VALUES with subqueries.
Result<PlanPtr> Binder::BindRowsOfQueries(const Query& query) {
  constexpr size_t kRowsMax = 200;
  if (query.values.size() > kRowsMax) {
    return WithSpan(
        Error(ErrorKind::kUnsupported, "VALUES with subqueries takes at most {} rows, got {}",
              kRowsMax, query.values.size()),
        query.span);
  }
  std::vector<PlanPtr> rows;
  for (const auto& row : query.values) {
    ARROW_ASSIGN_OR_RAISE(rows.emplace_back(), BindQuery(QueryOfRow(row, query.span)));
  }
  return PlanOfAll(std::move(rows));
}

}  // namespace headrace::sql
