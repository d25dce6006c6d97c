// Node factories.
#include "headrace/plan/make_node.h"

#include <algorithm>

#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

const char* NameOf(ChangeMode mode) {
  switch (mode) {
    case ChangeMode::kAppend:
      return "append";
    case ChangeMode::kUpsert:
      return "upsert";
    case ChangeMode::kRetract:
      return "retract";
  }
  return "";
}

Status RequireAppend(const PlanNode& input, const char* node) {
  const ChangeMode mode = input.properties().change_mode;
  if (mode == ChangeMode::kAppend) return Status::OK();
  return Error(ErrorKind::kUnsupported,
               "{} takes rows that are only added, and its input changes rows that were given "
               "before ({} mode)",
               node, NameOf(mode));
}

Status RefuseUpsert(const PlanNode& input, const char* node) {
  if (input.properties().change_mode != ChangeMode::kUpsert) return Status::OK();
  return Error(ErrorKind::kUnsupported,
               "{} must see the old row of every change, and its input gives only the new one "
               "(upsert mode)",
               node);
}

/// The scan without an end that `node` reads, for messages.
std::string EndlessInput(const PlanNode& node) {
  if (const auto* scan = As<ScanNode>(node)) return scan->source->name();
  for (const PlanPtr& input : node.inputs()) {
    if (input->properties().boundedness == Boundedness::kUnbounded) return EndlessInput(*input);
  }
  return node.name();
}

Status RequireBounded(const PlanNode& input, const char* needs) {
  if (input.properties().boundedness == Boundedness::kBounded) return Status::OK();
  return Error(ErrorKind::kUnsupported, "{}, and this input does not end: {}", needs,
               EndlessInput(input));
}

Status RequireComparable(const arrow::Field& field, const char* role) {
  if (HasTypeFlag(*PlainType(field.type()), kTypeComparable)) return Status::OK();
  return Error(ErrorKind::kTypeMismatch, "column {} cannot be a {}: its type has no order: {}",
               field.name(), role, SqlNameOf(*field.type()));
}

Status RequireComparable(const PlanNode& input, const std::vector<int>& columns, const char* role) {
  for (int column : columns) {
    ARROW_RETURN_NOT_OK(RequireComparable(*input.schema()->field(column), role));
  }
  return Status::OK();
}

/// The part of `ordering` that is still known when old column c is found at `place(c)` (−1: gone).
template <typename Place>
Ordering MapOrdering(const Ordering& ordering, Place place) {
  Ordering mapped;
  for (SortKey key : ordering) {
    key.column = place(key.column);
    if (key.column < 0) break;
    mapped.push_back(key);
  }
  return mapped;
}

int PositionOf(const std::vector<int>& columns, int column) {
  const auto found = std::find(columns.begin(), columns.end(), column);
  return found == columns.end() ? -1 : static_cast<int>(found - columns.begin());
}

int PositionOf(const std::vector<ExpressionPtr>& expressions, int column) {
  for (size_t i = 0; i < expressions.size(); ++i) {
    const Expression& expression = *expressions[i];
    if (expression.kind == Expression::Kind::kColumn && expression.column == column) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

std::shared_ptr<arrow::Field> OutputField(const PlanNode& input, const Expression& expression,
                                          const std::string& name) {
  if (expression.kind == Expression::Kind::kColumn) {
    return input.schema()->field(expression.column)->WithName(name);
  }
  return arrow::field(name, expression.type);
}

void AppendCalls(const std::vector<FunctionCall>& calls, arrow::FieldVector* fields) {
  for (const FunctionCall& call : calls) fields->push_back(arrow::field(call.name, call.type));
}

Status CheckAggregate(const PlanNode& input, const std::vector<FunctionCall>& calls,
                      EmitPolicy emit, bool has_window) {
  ARROW_RETURN_NOT_OK(RefuseUpsert(input, "aggregate"));
  if (emit == EmitPolicy::kAtEnd && !has_window) {
    ARROW_RETURN_NOT_OK(RequireBounded(
        input, "groups without a time window are complete only when the input ends"));
  }
  if (input.properties().change_mode == ChangeMode::kAppend) return Status::OK();
  for (const FunctionCall& call : calls) {
    if (call.overload->aggregate->remove == nullptr) {
      return Error(ErrorKind::kUnsupported,
                   "aggregate cannot take rows back out of {}, and its input changes rows",
                   call.function->id);
    }
  }
  return Status::OK();
}

arrow::FieldVector JoinedFields(const PlanNode& left, const PlanNode& right, bool right_nullable) {
  arrow::FieldVector fields = left.schema()->fields();
  for (const auto& field : right.schema()->fields()) {
    fields.push_back(right_nullable ? field->WithNullable(true) : field);
  }
  return fields;
}

Status RequireSameTypes(const PlanNode& left, const PlanNode& right,
                        const std::vector<int>& left_keys, const std::vector<int>& right_keys) {
  HEADRACE_CHECK(left_keys.size() == right_keys.size(), "join keys come in pairs");
  for (size_t i = 0; i < left_keys.size(); ++i) {
    const auto& left_field = left.schema()->field(left_keys[i]);
    const auto& right_field = right.schema()->field(right_keys[i]);
    if (!PlainType(left_field->type())->Equals(*PlainType(right_field->type()))) {
      return Error(ErrorKind::kTypeMismatch, "cannot join {} with {}: their types are {} and {}",
                   left_field->name(), right_field->name(), SqlNameOf(*left_field->type()),
                   SqlNameOf(*right_field->type()));
    }
  }
  return Status::OK();
}

}  // namespace

ExpressionPtr ColumnOf(const arrow::Schema& schema, int index) {
  const auto& field = schema.field(index);
  return Expression::Column(index, field->name(), field->type());
}

std::vector<ExpressionPtr> AllColumnsOf(const arrow::Schema& schema) {
  std::vector<ExpressionPtr> columns;
  for (int i = 0; i < schema.num_fields(); ++i) columns.push_back(ColumnOf(schema, i));
  return columns;
}

Result<PlanPtr> MakeScanNode(SourcePtr source, ScanRequest request, std::string snapshot,
                             std::optional<EventTime> event_time) {
  PlanProperties properties;
  arrow::FieldVector fields;
  for (int column : request.projection) fields.push_back(source->schema()->field(column));
  properties.schema = arrow::schema(std::move(fields), source->schema()->metadata());
  properties.ordering = MapOrdering(
      source->ordering(), [&](int column) { return PositionOf(request.projection, column); });
  properties.boundedness = source->boundedness();
  properties.change_mode = source->change_mode();
  return std::make_shared<ScanNode>(std::move(properties), std::move(source), std::move(request),
                                    std::move(snapshot), event_time);
}

Result<PlanPtr> MakeFilterNode(PlanPtr input, ExpressionPtr predicate) {
  ARROW_RETURN_NOT_OK(RefuseUpsert(*input, "filter"));
  const arrow::Type::type type = predicate->type->id();
  if (type != arrow::Type::BOOL && type != arrow::Type::NA) {
    return WithSpan(Error(ErrorKind::kTypeMismatch, "a filter takes a BOOLEAN, and {} is a {}",
                          ToString(*predicate), SqlNameOf(*predicate->type)),
                    predicate->span);
  }
  PlanProperties properties = input->properties();
  return std::make_shared<FilterNode>(std::move(properties), std::move(input),
                                      std::move(predicate));
}

Result<PlanPtr> MakeProjectNode(PlanPtr input, std::vector<ExpressionPtr> expressions,
                                const std::vector<std::string>& names) {
  HEADRACE_CHECK(expressions.size() == names.size(), "one name per expression");
  PlanProperties properties = input->properties();
  arrow::FieldVector fields;
  for (size_t i = 0; i < expressions.size(); ++i) {
    fields.push_back(OutputField(*input, *expressions[i], names[i]));
  }
  properties.schema = arrow::schema(std::move(fields));
  properties.ordering = MapOrdering(input->properties().ordering,
                                    [&](int column) { return PositionOf(expressions, column); });
  return std::make_shared<ProjectNode>(std::move(properties), std::move(input),
                                       std::move(expressions));
}

Result<PlanPtr> MakeLimitNode(PlanPtr input, int64_t count, int64_t offset) {
  ARROW_RETURN_NOT_OK(RequireAppend(*input, "limit"));
  if (count < 0 || offset < 0) {
    return Error(ErrorKind::kInvalidArgument, "limit and offset count rows from 0, got {}",
                 count < 0 ? count : offset);
  }
  PlanProperties properties = input->properties();
  properties.boundedness = Boundedness::kBounded;
  return std::make_shared<LimitNode>(std::move(properties), std::move(input), count, offset);
}

Result<PlanPtr> MakeSortNode(PlanPtr input, Ordering keys) {
  ARROW_RETURN_NOT_OK(
      RequireBounded(*input, "a sort gives its first row when it has seen the last"));
  ARROW_RETURN_NOT_OK(RequireAppend(*input, "sort"));
  for (const SortKey& key : keys) {
    ARROW_RETURN_NOT_OK(RequireComparable(*input->schema()->field(key.column), "sort key"));
  }
  PlanProperties properties = input->properties();
  properties.ordering = keys;
  return std::make_shared<SortNode>(std::move(properties), std::move(input), std::move(keys));
}

Result<PlanPtr> MakeAggregateNode(PlanPtr input, std::vector<int> keys,
                                  std::vector<FunctionCall> calls, GroupOrder order,
                                  EmitPolicy emit, std::optional<WindowKey> window) {
  ARROW_RETURN_NOT_OK(CheckAggregate(*input, calls, emit, window.has_value()));
  ARROW_RETURN_NOT_OK(RequireComparable(*input, keys, "group key"));
  arrow::FieldVector fields;
  for (int key : keys) fields.push_back(input->schema()->field(key));
  AppendCalls(calls, &fields);
  PlanProperties properties;
  properties.schema = arrow::schema(std::move(fields));
  properties.boundedness = input->properties().boundedness;
  properties.change_mode =
      emit == EmitPolicy::kChanges ? ChangeMode::kRetract : ChangeMode::kAppend;
  return std::make_shared<AggregateNode>(std::move(properties), std::move(input), std::move(keys),
                                         std::move(calls), order, emit, window);
}

Result<PlanPtr> MakeJoinNode(PlanPtr left, PlanPtr right, JoinKind kind, std::vector<int> left_keys,
                             std::vector<int> right_keys, NullMatching nulls,
                             ExpressionPtr residual) {
  ARROW_RETURN_NOT_OK(RequireAppend(*left, "join"));
  ARROW_RETURN_NOT_OK(RequireAppend(*right, "join"));
  ARROW_RETURN_NOT_OK(RequireBounded(*right, "the right side of a join is read to its end first"));
  ARROW_RETURN_NOT_OK(RequireSameTypes(*left, *right, left_keys, right_keys));
  ARROW_RETURN_NOT_OK(RequireComparable(*left, left_keys, "join key"));
  PlanProperties properties = left->properties();
  properties.schema = arrow::schema(JoinedFields(*left, *right, kind == JoinKind::kLeft));
  return std::make_shared<JoinNode>(std::move(properties), std::move(left), std::move(right), kind,
                                    std::move(left_keys), std::move(right_keys), nulls,
                                    std::move(residual));
}

Result<PlanPtr> MakeAsofJoinNode(PlanPtr left, PlanPtr right, int left_time, int right_time,
                                 std::vector<int> left_by, std::vector<int> right_by,
                                 AsofDirection direction, bool strict,
                                 std::optional<int64_t> tolerance) {
  ARROW_RETURN_NOT_OK(RequireAppend(*left, "asof_join"));
  ARROW_RETURN_NOT_OK(RequireAppend(*right, "asof_join"));
  ARROW_RETURN_NOT_OK(RequireSameTypes(*left, *right, {left_time}, {right_time}));
  ARROW_RETURN_NOT_OK(RequireSameTypes(*left, *right, left_by, right_by));
  ARROW_RETURN_NOT_OK(RequireComparable(*left, {left_time}, "time of an as-of join"));
  ARROW_RETURN_NOT_OK(RequireComparable(*left, left_by, "join key"));
  PlanProperties properties = left->properties();
  properties.schema = arrow::schema(JoinedFields(*left, *right, true));
  return std::make_shared<AsofJoinNode>(std::move(properties), std::move(left), std::move(right),
                                        left_time, right_time, std::move(left_by),
                                        std::move(right_by), direction, strict, tolerance);
}

Result<PlanPtr> MakeWindowNode(PlanPtr input, std::vector<int> partition_by,
                               std::vector<FunctionCall> calls) {
  ARROW_RETURN_NOT_OK(RequireAppend(*input, "window"));
  ARROW_RETURN_NOT_OK(RequireComparable(*input, partition_by, "partition key"));
  PlanProperties properties = input->properties();
  arrow::FieldVector fields = input->schema()->fields();
  AppendCalls(calls, &fields);
  properties.schema = arrow::schema(std::move(fields));
  return std::make_shared<WindowNode>(std::move(properties), std::move(input),
                                      std::move(partition_by), std::move(calls));
}

Result<PlanPtr> MakeCallbackNode(PlanPtr input, int64_t callback_id, std::vector<int> args,
                                 std::string output_name, TypePtr type) {
  ARROW_RETURN_NOT_OK(RequireAppend(*input, "callback"));
  PlanProperties properties = input->properties();
  arrow::FieldVector fields = input->schema()->fields();
  fields.push_back(arrow::field(output_name, type));
  properties.schema = arrow::schema(std::move(fields));
  return std::make_shared<CallbackNode>(std::move(properties), std::move(input), callback_id,
                                        std::move(args), std::move(output_name), std::move(type));
}

}  // namespace headrace
