// Node factories.
#include "headrace/plan/make_node.h"

#include <algorithm>

#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "headrace/base/check.h"
#include "headrace/function/aggregate/removing_kernel.h"
#include "headrace/plan/table_view.h"
#include "headrace/types/encoding.h"
#include "headrace/types/time_scale.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

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

Status CheckAggregate(const PlanNode& input, const std::vector<FunctionCall>& calls) {
  ARROW_RETURN_NOT_OK(RefuseUpsert(input, "aggregate"));
  if (input.properties().change_mode == ChangeMode::kAppend) return Status::OK();
  for (const FunctionCall& call : calls) {
    const AggregateKernel& kernel = *call.overload->aggregate;
    const bool removes = call.args.empty()
                             ? kernel.remove != nullptr
                             : RemovingKernel(kernel, *PlainType(call.args[0]->type)) != nullptr;
    if (!removes) {
      return Error(ErrorKind::kUnsupported,
                   "aggregate cannot take rows back out of {}, and its input changes rows",
                   call.function->id);
    }
  }
  return Status::OK();
}

Status CheckWindowSizes(const StreamWindowSpec& window) {
  if (window.size_micros < 1) {
    return Error(ErrorKind::kInvalidArgument, "a window is longer than 0, got {} us",
                 window.size_micros);
  }
  const int64_t advance = window.advance_micros;
  const bool has_advance = window.kind == WindowKind::kSliding;
  if ((has_advance || window.kind == WindowKind::kCumulate) &&
      (advance < 1 || advance > window.size_micros)) {
    return Error(ErrorKind::kInvalidArgument,
                 "windows of {} us are expected to {} by more than 0 and no more than their size, "
                 "got {} us",
                 window.size_micros, has_advance ? "advance" : "grow", advance);
  }
  if (window.kind == WindowKind::kCumulate && window.size_micros % advance != 0) {
    return Error(ErrorKind::kInvalidArgument,
                 "the size of cumulating windows is expected to be a multiple of their step of {} "
                 "us, got {} us",
                 advance, window.size_micros);
  }
  return Status::OK();
}

Status CheckWindow(const StreamWindowSpec& window, const arrow::Field& time) {
  const TypePtr type = PlainType(time.type());
  if (type->id() != arrow::Type::TIMESTAMP) {
    return Error(ErrorKind::kTypeMismatch,
                 "the time of a window is expected to be a TIMESTAMP, and {} is a {}", time.name(),
                 SqlNameOf(*type));
  }
  ARROW_RETURN_NOT_OK(CheckWindowSizes(window));
  const TimeScale scale(static_cast<const arrow::TimestampType&>(*type).unit());
  for (const int64_t micros : {window.size_micros, window.advance_micros, window.lateness_micros}) {
    if (micros % scale.micros_per_tick() == 0) continue;
    return Error(ErrorKind::kInvalidArgument,
                 "windows over {}, which counts in steps of {} us, are expected to be whole steps, "
                 "got {} us",
                 time.name(), scale.micros_per_tick(), micros);
  }
  if (window.offset_micros % scale.micros_per_tick() != 0) {
    return Error(ErrorKind::kInvalidArgument,
                 "the offset of windows over {} is expected to be whole steps of {} us, got {} us",
                 time.name(), scale.micros_per_tick(), window.offset_micros);
  }
  if (window.lateness_micros < 0) {
    return Error(ErrorKind::kInvalidArgument, "an allowed lateness is 0 or more, got {} us",
                 window.lateness_micros);
  }
  const bool updates = window.late == LatePolicy::kUpdate || window.late == LatePolicy::kRepeat;
  if (updates && window.lateness_micros == 0) {
    return Error(ErrorKind::kInvalidArgument,
                 "late rows update windows only within an allowed lateness, which is 0");
  }
  return Status::OK();
}

arrow::FieldVector JoinedFields(const arrow::FieldVector& left, const arrow::FieldVector& right,
                                bool left_nullable, bool right_nullable) {
  arrow::FieldVector fields;
  for (const auto& field : left) {
    fields.push_back(left_nullable ? field->WithNullable(true) : field);
  }
  for (const auto& field : right) {
    fields.push_back(right_nullable ? field->WithNullable(true) : field);
  }
  return fields;
}

/// Of a kind that has the columns of both sides.
SchemaPtr JoinedSchema(const arrow::FieldVector& left, const arrow::FieldVector& right,
                       JoinKind kind) {
  const bool right_nullable =
      kind == JoinKind::kLeft || kind == JoinKind::kFull || kind == JoinKind::kSingle;
  const bool left_nullable = kind == JoinKind::kRight || kind == JoinKind::kFull;
  return arrow::schema(JoinedFields(left, right, left_nullable, right_nullable));
}

SchemaPtr JoinedSchema(const PlanNode& left, const PlanNode& right, JoinKind kind,
                       const JoinTerms& terms) {
  if (HasRightColumns(kind)) {
    return JoinedSchema(left.schema()->fields(), right.schema()->fields(), kind);
  }
  arrow::FieldVector fields = left.schema()->fields();
  if (kind == JoinKind::kMark) fields.push_back(arrow::field(terms.mark_name, arrow::boolean()));
  return arrow::schema(std::move(fields));
}

/// Whether the rule LookUpTables makes a lookup join of it: then it may do what a join by hash
/// cannot.
bool LooksUp(const PlanNode& streamed, const PlanNode& built, JoinKind kind) {
  return streamed.properties().boundedness == Boundedness::kUnbounded && kind != JoinKind::kMark &&
         kind != JoinKind::kSingle && TableViewOf(built).has_value();
}

Status CheckJoinSides(const PlanNode& left, const PlanNode& right, JoinKind kind, JoinSide build) {
  const bool builds_right = build == JoinSide::kRight;
  const bool may_build_left = kind == JoinKind::kInner || kind == JoinKind::kLeft ||
                              kind == JoinKind::kRight || kind == JoinKind::kFull;
  HEADRACE_CHECK(builds_right || may_build_left, "this kind of join builds its right side");
  const PlanNode& streamed = builds_right ? left : right;
  const PlanNode& built = builds_right ? right : left;
  if (LooksUp(streamed, built, kind)) return RefuseUpsert(streamed, "join");
  ARROW_RETURN_NOT_OK(RequireAppend(left, "join"));
  ARROW_RETURN_NOT_OK(RequireAppend(right, "join"));
  ARROW_RETURN_NOT_OK(
      RequireBounded(built, builds_right ? "the right side of a join is read to its end first"
                                         : "the left side of this join is read to its end "
                                           "first"));
  if (!KeepsBuilt(kind, build)) return Status::OK();
  return RequireBounded(streamed, "rows without a match are known when the other side ends");
}

Status RequireSameTypes(const arrow::Schema& left, const arrow::Schema& right,
                        const std::vector<int>& left_keys, const std::vector<int>& right_keys) {
  HEADRACE_CHECK(left_keys.size() == right_keys.size(), "join keys come in pairs");
  for (size_t i = 0; i < left_keys.size(); ++i) {
    const auto& left_field = left.field(left_keys[i]);
    const auto& right_field = right.field(right_keys[i]);
    if (!PlainType(left_field->type())->Equals(*PlainType(right_field->type()))) {
      return Error(ErrorKind::kTypeMismatch, "cannot join {} with {}: their types are {} and {}",
                   left_field->name(), right_field->name(), SqlNameOf(*left_field->type()),
                   SqlNameOf(*right_field->type()));
    }
  }
  return Status::OK();
}

}  // namespace

bool KeepsBuilt(JoinKind kind, JoinSide build) {
  return kind == JoinKind::kFull ||
         kind == (build == JoinSide::kRight ? JoinKind::kRight : JoinKind::kLeft);
}

Status RequireEnd(const PlanNode& input) {
  return RequireBounded(input,
                        "groups without a time window are complete only when the input ends");
}

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
                                  EmitPolicy emit) {
  ARROW_RETURN_NOT_OK(CheckAggregate(*input, calls));
  ARROW_RETURN_NOT_OK(RequireComparable(*input, keys, "group key"));
  arrow::FieldVector fields;
  for (int key : keys) fields.push_back(input->schema()->field(key));
  AppendCalls(calls, &fields);
  PlanProperties properties;
  properties.schema = arrow::schema(std::move(fields));
  properties.boundedness = input->properties().boundedness;
  const bool only_appears =
      calls.empty() && !keys.empty() && input->properties().change_mode == ChangeMode::kAppend;
  properties.change_mode =
      emit == EmitPolicy::kChanges && !only_appears ? ChangeMode::kRetract : ChangeMode::kAppend;
  return std::make_shared<AggregateNode>(std::move(properties), std::move(input), std::move(keys),
                                         std::move(calls), order, emit);
}

Result<PlanPtr> MakeWindowAggregateNode(PlanPtr input, StreamWindowSpec window,
                                        std::vector<int> keys, std::vector<FunctionCall> calls,
                                        EmitPolicy emit) {
  ARROW_RETURN_NOT_OK(CheckAggregate(*input, calls));
  ARROW_RETURN_NOT_OK(RequireComparable(*input, keys, "group key"));
  const arrow::Field& time = *input->schema()->field(window.time->column);
  ARROW_RETURN_NOT_OK(CheckWindow(window, time));
  if (window.kind == WindowKind::kSession) ARROW_RETURN_NOT_OK(RequireAppend(*input, "session"));
  arrow::FieldVector fields;
  for (int key : keys) fields.push_back(input->schema()->field(key));
  for (const char* name : {kWindowStartColumn, kWindowEndColumn}) {
    fields.push_back(arrow::field(name, PlainType(time.type()), /*nullable=*/false));
  }
  AppendCalls(calls, &fields);
  PlanProperties properties;
  properties.schema = arrow::schema(std::move(fields));
  properties.boundedness = input->properties().boundedness;
  const bool retracts = emit == EmitPolicy::kChanges || window.late == LatePolicy::kUpdate;
  properties.change_mode = retracts ? ChangeMode::kRetract : ChangeMode::kAppend;
  return std::make_shared<WindowAggregateNode>(std::move(properties), std::move(input),
                                               std::move(window), std::move(keys), std::move(calls),
                                               emit);
}

Result<PlanPtr> MakeJoinNode(PlanPtr left, PlanPtr right, JoinKind kind, JoinTerms terms) {
  ARROW_RETURN_NOT_OK(CheckJoinSides(*left, *right, kind, terms.build));
  ARROW_RETURN_NOT_OK(
      RequireSameTypes(*left->schema(), *right->schema(), terms.left_keys, terms.right_keys));
  ARROW_RETURN_NOT_OK(RequireComparable(*left, terms.left_keys, "join key"));
  const bool streams_left = terms.build == JoinSide::kRight;
  PlanProperties properties = (streams_left ? left : right)->properties();
  const int width = left->schema()->num_fields();
  for (SortKey& key : properties.ordering) key.column += streams_left ? 0 : width;
  if (KeepsBuilt(kind, terms.build)) properties.ordering.clear();
  properties.schema = JoinedSchema(*left, *right, kind, terms);
  return std::make_shared<JoinNode>(std::move(properties), std::move(left), std::move(right), kind,
                                    std::move(terms));
}

Result<PlanPtr> MakeLookupJoinNode(PlanPtr stream, SourcePtr table, JoinKind kind,
                                   LookupTerms terms) {
  HEADRACE_CHECK(kind != JoinKind::kMark && kind != JoinKind::kSingle,
                 "a lookup join has no marks and counts no matches");
  HEADRACE_CHECK(!terms.table_keys.empty(), "a lookup join has a key");
  ARROW_RETURN_NOT_OK(RefuseUpsert(*stream, "lookup_join"));
  const bool keeps_table = kind == JoinKind::kRight || kind == JoinKind::kFull;
  if (keeps_table) ARROW_RETURN_NOT_OK(RequireAppend(*stream, "a right or full lookup_join"));
  ARROW_RETURN_NOT_OK(
      RequireSameTypes(*stream->schema(), *table->schema(), terms.stream_keys, terms.table_keys));
  ARROW_RETURN_NOT_OK(RequireComparable(*stream, terms.stream_keys, "join key"));
  PlanProperties properties = stream->properties();
  if (keeps_table) properties.ordering.clear();
  if (HasRightColumns(kind)) {
    arrow::FieldVector given;
    for (int column : terms.columns) given.push_back(table->schema()->field(column));
    properties.schema = JoinedSchema(stream->schema()->fields(), given, kind);
  }
  return std::make_shared<LookupJoinNode>(std::move(properties), std::move(stream),
                                          std::move(table), kind, std::move(terms));
}

Result<PlanPtr> MakeIntervalJoinNode(PlanPtr left, PlanPtr right, JoinKind kind,
                                     IntervalTerms terms) {
  HEADRACE_CHECK(kind <= JoinKind::kFull, "an interval join is inner, left, right or full");
  HEADRACE_CHECK(!terms.left_keys.empty(), "an interval join has a key");
  ARROW_RETURN_NOT_OK(RequireAppend(*left, "interval_join"));
  ARROW_RETURN_NOT_OK(RequireAppend(*right, "interval_join"));
  ARROW_RETURN_NOT_OK(
      RequireSameTypes(*left->schema(), *right->schema(), terms.left_keys, terms.right_keys));
  ARROW_RETURN_NOT_OK(RequireComparable(*left, terms.left_keys, "join key"));
  PlanProperties properties;
  properties.schema = JoinedSchema(left->schema()->fields(), right->schema()->fields(), kind);
  properties.boundedness =
      std::max(left->properties().boundedness, right->properties().boundedness);
  return std::make_shared<IntervalJoinNode>(std::move(properties), std::move(left),
                                            std::move(right), kind, std::move(terms));
}

Result<PlanPtr> MakeAsofJoinNode(PlanPtr left, PlanPtr right, int left_time, int right_time,
                                 std::vector<int> left_by, std::vector<int> right_by,
                                 AsofDirection direction, bool strict,
                                 std::optional<int64_t> tolerance) {
  ARROW_RETURN_NOT_OK(RequireAppend(*left, "asof_join"));
  ARROW_RETURN_NOT_OK(RequireAppend(*right, "asof_join"));
  ARROW_RETURN_NOT_OK(
      RequireSameTypes(*left->schema(), *right->schema(), {left_time}, {right_time}));
  ARROW_RETURN_NOT_OK(RequireSameTypes(*left->schema(), *right->schema(), left_by, right_by));
  ARROW_RETURN_NOT_OK(RequireComparable(*left, {left_time}, "time of an as-of join"));
  ARROW_RETURN_NOT_OK(RequireComparable(*left, left_by, "join key"));
  PlanProperties properties = left->properties();
  properties.schema =
      arrow::schema(JoinedFields(left->schema()->fields(), right->schema()->fields(), false, true));
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

Result<PlanPtr> MakeFramedWindowNode(PlanPtr input, std::vector<int> partition_by, Ordering order,
                                     std::vector<FramedCall> calls) {
  ARROW_RETURN_NOT_OK(RequireAppend(*input, "window"));
  ARROW_RETURN_NOT_OK(RequireBounded(*input, "a window with frames sorts its rows"));
  ARROW_RETURN_NOT_OK(RequireComparable(*input, partition_by, "partition key"));
  PlanProperties properties = input->properties();
  arrow::FieldVector fields = input->schema()->fields();
  for (const FramedCall& framed : calls) {
    fields.push_back(arrow::field(framed.call.name, framed.call.type));
  }
  properties.schema = arrow::schema(std::move(fields));
  return std::make_shared<FramedWindowNode>(std::move(properties), std::move(input),
                                            std::move(partition_by), std::move(order),
                                            std::move(calls));
}

Result<PlanPtr> MakeUnionNode(std::vector<PlanPtr> inputs) {
  HEADRACE_CHECK(!inputs.empty(), "a union has at least one input");
  PlanProperties properties;
  arrow::FieldVector fields = inputs.front()->schema()->fields();
  for (const PlanPtr& input : inputs) {
    ARROW_RETURN_NOT_OK(RequireAppend(*input, "union"));
    HEADRACE_CHECK(input->schema()->num_fields() == static_cast<int>(fields.size()),
                   "inputs of a union have equally many columns");
    for (size_t i = 0; i < fields.size(); ++i) {
      const arrow::Field& field = *input->schema()->field(static_cast<int>(i));
      HEADRACE_CHECK(PlainType(field.type())->Equals(*PlainType(fields[i]->type())),
                     "inputs of a union have equal types");
      if (field.nullable()) fields[i] = fields[i]->WithNullable(true);
    }
    if (input->properties().boundedness == Boundedness::kUnbounded) {
      properties.boundedness = Boundedness::kUnbounded;
    }
  }
  properties.schema = arrow::schema(std::move(fields));
  return std::make_shared<UnionNode>(std::move(properties), std::move(inputs));
}

Result<PlanPtr> MakeUnnestNode(PlanPtr input, std::vector<int> lists,
                               std::vector<std::string> names, bool keep_empty,
                               std::string ordinality) {
  ARROW_RETURN_NOT_OK(RequireAppend(*input, "unnest"));
  HEADRACE_CHECK(lists.size() == names.size() && !lists.empty(), "one name per list");
  PlanProperties properties = input->properties();
  arrow::FieldVector fields = input->schema()->fields();
  for (size_t i = 0; i < lists.size(); ++i) {
    const TypePtr type = PlainType(input->schema()->field(lists[i])->type());
    if (!arrow::is_list_like(type->id())) {
      return Error(ErrorKind::kTypeMismatch, "unnest takes a list, and {} is a {}",
                   input->schema()->field(lists[i])->name(), SqlNameOf(*type));
    }
    fields.push_back(
        arrow::field(names[i], static_cast<const arrow::BaseListType&>(*type).value_type()));
  }
  if (!ordinality.empty()) fields.push_back(arrow::field(ordinality, arrow::int64()));
  properties.schema = arrow::schema(std::move(fields));
  return std::make_shared<UnnestNode>(std::move(properties), std::move(input), std::move(lists),
                                      std::move(names), keep_empty, std::move(ordinality));
}

Result<PlanPtr> MakeRepeatNode(PlanPtr input) {
  ARROW_RETURN_NOT_OK(RequireAppend(*input, "repeat"));
  PlanProperties properties = input->properties();
  arrow::FieldVector fields = input->schema()->fields();
  HEADRACE_CHECK(fields.back()->type()->id() == arrow::Type::INT64, "how often is a number");
  fields.pop_back();
  const auto left_out = static_cast<int>(fields.size());
  properties.schema = arrow::schema(std::move(fields));
  const auto gone = std::find_if(properties.ordering.begin(), properties.ordering.end(),
                                 [=](const SortKey& key) { return key.column == left_out; });
  properties.ordering.erase(gone, properties.ordering.end());
  return std::make_shared<RepeatNode>(std::move(properties), std::move(input));
}

Result<PlanPtr> MakeSampleNode(PlanPtr input, std::optional<double> fraction, uint64_t seed) {
  ARROW_RETURN_NOT_OK(RequireAppend(*input, "sample"));
  PlanProperties properties = input->properties();
  if (!fraction.has_value()) {
    arrow::FieldVector fields = input->schema()->fields();
    for (const char* name : {"random", "split", "row"}) {
      fields.push_back(arrow::field(name, arrow::int64(), /*nullable=*/false));
    }
    properties.schema = arrow::schema(std::move(fields));
  }
  return std::make_shared<SampleNode>(std::move(properties), std::move(input), fraction, seed);
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
