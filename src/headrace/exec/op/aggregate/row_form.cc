// Calls over the input become calls over the kept columns.
#include "headrace/exec/op/aggregate/row_form.h"

#include <algorithm>

#include "arrow/array/array_primitive.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/type.h"
#include "headrace/exec/op/aggregate/aggregate_slice.h"
#include "headrace/expression/expression.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

// Where the input's column stands among those kept; it is put there when it does not yet.
int PlaceOf(int column, std::vector<int>* columns) {
  const auto found = std::find(columns->begin(), columns->end(), column);
  const auto place = static_cast<int>(found - columns->begin());
  if (found == columns->end()) columns->push_back(column);
  return place;
}

bool ReadsPositions(const FunctionCall& call) {
  return call.function->Has(function_flag::kOrderSensitive);
}

// One part of the positions of all rows.
Result<ArrayPtr> Places(const Batch& batch, int64_t RowPosition::* part, arrow::MemoryPool* pool) {
  arrow::Int64Builder builder(pool);
  ARROW_RETURN_NOT_OK(builder.Reserve(batch.num_rows()));
  for (int64_t row = 0; row < batch.num_rows(); ++row) {
    builder.UnsafeAppend(batch.PositionOf(row).*part);
  }
  return builder.Finish();
}

std::vector<RowPosition> PositionsIn(const Batch& rows) {
  const size_t width = rows.columns().size();
  const auto& splits = static_cast<const arrow::Int64Array&>(*rows.columns()[width - 2]);
  const auto& places = static_cast<const arrow::Int64Array&>(*rows.columns()[width - 1]);
  std::vector<RowPosition> positions;
  positions.reserve(static_cast<size_t>(rows.num_rows()));
  for (int64_t row = 0; row < rows.num_rows(); ++row) {
    positions.push_back({splits.Value(row), places.Value(row)});
  }
  return positions;
}

}  // namespace

Result<RowForm> RowForm::Make(const SchemaPtr& schema, const std::vector<int>& keys,
                              const std::vector<FunctionCall>& calls, GroupFields fields) {
  RowForm form;
  std::vector<int> kept_keys;
  kept_keys.reserve(keys.size());
  for (const int key : keys) kept_keys.push_back(PlaceOf(key, &form.columns));
  std::vector<FunctionCall> kept_calls = calls;
  for (FunctionCall& call : kept_calls) {
    for (ExpressionPtr& arg : call.args) {
      if (arg->kind != Expression::Kind::kColumn) continue;
      arg = Expression::Column(PlaceOf(arg->column, &form.columns), arg->name, arg->type);
    }
  }
  arrow::FieldVector kept;
  for (const int column : form.columns) {
    const auto& field = schema->field(column);
    kept.push_back(arrow::field(field->name(), PlainType(field->type())));
  }
  form.has_positions = fields.first || std::any_of(calls.begin(), calls.end(), ReadsPositions);
  if (form.has_positions) {
    kept.push_back(arrow::field("split", arrow::int64(), /*nullable=*/false));
    kept.push_back(arrow::field("row", arrow::int64(), /*nullable=*/false));
  }
  form.schema = arrow::schema(std::move(kept));
  ARROW_ASSIGN_OR_RAISE(form.terms, AggregateTerms::Make(form.schema, kept_keys, kept_calls, fields,
                                                         /*removes=*/false));
  return form;
}

Result<Batch> RowForm::Read(const Batch& batch, arrow::MemoryPool* pool) const {
  std::vector<ArrayPtr> kept;
  kept.reserve(columns.size());
  for (const int column : columns) {
    ARROW_ASSIGN_OR_RAISE(kept.emplace_back(), Decode(batch.column(column), pool));
  }
  if (has_positions) {
    for (const auto part : {&RowPosition::split, &RowPosition::row}) {
      ARROW_ASSIGN_OR_RAISE(kept.emplace_back(), Places(batch, part, pool));
    }
  }
  return Batch(std::move(kept), batch.num_rows());
}

int64_t RowForm::BytesOf(const Batch& batch) const {
  int64_t bytes = has_positions ? batch.num_rows() * static_cast<int64_t>(sizeof(RowPosition)) : 0;
  for (const int column : columns) {
    bytes += Batch({batch.column(column)}, batch.num_rows()).num_bytes();
  }
  return bytes;
}

bool RowForm::IsRead(int column) const {
  if (column >= static_cast<int>(columns.size())) return true;
  const auto reads = [column](const AggregateCall& call) {
    return std::find(call.columns.begin(), call.columns.end(), column) != call.columns.end();
  };
  return std::any_of(terms->calls().begin(), terms->calls().end(), reads);
}

Status RowForm::Add(const Batch& rows, const std::vector<std::byte*>& states,
                    std::span<KernelContext> contexts, arrow::MemoryPool* pool) const {
  ARROW_ASSIGN_OR_RAISE(const auto arguments, terms->ArgumentsOf(rows, pool));
  const AggregateSlice slice(*terms, arguments, 0, rows.num_rows());
  if (!has_positions) return slice.Add(contexts, states, {});
  const std::vector<RowPosition> positions = PositionsIn(rows);
  return slice.Add(contexts, states, {}, positions.data());
}

}  // namespace headrace
