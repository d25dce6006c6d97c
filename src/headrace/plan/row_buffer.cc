// What a row buffer says of itself, and which inputs and calls it can take.
#include "headrace/plan/row_buffer.h"

#include <fmt/format.h>

#include <algorithm>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/plan/rule/prune_columns.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

std::string NameAt(const PlanNode& plan, int column) {
  return plan.schema()->field(column)->name();
}

bool Slides(const FramedCall& framed) {
  const WindowFrame& frame = framed.frame;
  const bool sees_frame = framed.call.function->kind == FunctionKind::kAggregate ||
                          framed.call.overload->window->needs_frame;
  return sees_frame && frame.unit != FrameUnit::kGroups &&
         frame.exclusion == FrameExclusion::kNoOthers &&
         frame.end.kind <= FrameBound::Kind::kCurrentRow;
}

/// lag(x, n) with n rows that the buffer holds.
bool LooksBack(const FramedCall& framed, int64_t rows) {
  if (framed.call.function->id != std::string_view("lag") || framed.ignore_nulls) return false;
  if (framed.call.args.size() < 2) return rows > 1;
  const Expression& offset = *framed.call.args[1];
  if (offset.kind != Expression::Kind::kLiteral || !offset.literal->is_valid ||
      offset.type->id() != arrow::Type::INT64) {
    return false;
  }
  const int64_t count = static_cast<const arrow::Int64Scalar&>(*offset.literal).value;
  return count >= 0 && count < rows;
}

Status CheckInput(const PlanNode& input, const RowBufferTerms& terms) {
  if (input.properties().change_mode != ChangeMode::kAppend) {
    return Error(ErrorKind::kUnsupported,
                 "row_buffer takes rows that are only added, and its input changes rows that were "
                 "given before");
  }
  for (const int column : terms.partition_by) {
    const arrow::Field& field = *input.schema()->field(column);
    if (HasTypeFlag(*PlainType(field.type()), kTypeComparable)) continue;
    return Error(ErrorKind::kTypeMismatch,
                 "column {} cannot be a partition key: its type has no order: {}", field.name(),
                 SqlNameOf(*field.type()));
  }
  return Status::OK();
}

}  // namespace

bool FramesSlide(const std::vector<FramedCall>& calls, int64_t rows) {
  return std::all_of(calls.begin(), calls.end(), [&](const FramedCall& framed) {
    return Slides(framed) || LooksBack(framed, rows);
  });
}

std::string RowBufferNode::Describe() const {
  std::string text;
  for (const FramedCall& framed : calls) {
    text += (text.empty() ? "" : ", ") + framed.call.name;
  }
  for (size_t i = 0; i < terms.partition_by.size(); ++i) {
    text +=
        (i == 0 ? (text.empty() ? "by " : " by ") : ", ") + NameAt(*input(), terms.partition_by[i]);
  }
  if (terms.time >= 0) text += " in order of " + NameAt(*input(), terms.time);
  if (terms.rows > 0) text += fmt::format(" last {} rows", terms.rows);
  if (terms.keep_micros.has_value()) text += fmt::format(" last {} us", *terms.keep_micros);
  if (terms.only_full) text += " only full";
  if (terms.expire_micros.has_value()) text += fmt::format(" expire {} us", *terms.expire_micros);
  return text;
}

/// Without calls it still says which rows there are, and in which order.
Result<PrunedPlan> RowBufferNode::Prune(const ColumnMask& needed) const {
  const auto width = static_cast<size_t>(input()->schema()->num_fields());
  RowBufferTerms moved = terms;
  ColumnMask below = InputPart(needed, width);
  Need(moved.partition_by, &below);
  Need(moved.order, &below);
  for (const int column : {moved.time, moved.clock}) {
    if (column >= 0) below[static_cast<size_t>(column)] = true;
  }
  std::vector<FramedCall> kept;
  for (size_t i = 0; i < calls.size(); ++i) {
    if (!needed[width + i]) continue;
    kept.push_back(calls[i]);
    Need(kept.back(), &below);
  }
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned, PruneExactly(input(), below));
  const std::vector<int> places = pruned.places;
  PlaceAppended(needed, width, &pruned);
  moved.partition_by = Moved(moved.partition_by, places);
  moved.order = Moved(moved.order, places);
  for (int* column : {&moved.time, &moved.clock}) {
    if (*column >= 0) *column = places[static_cast<size_t>(*column)];
  }
  ARROW_ASSIGN_OR_RAISE(pruned.plan, MakeRowBufferNode(std::move(pruned.plan), std::move(moved),
                                                       Moved(kept, places)));
  return pruned;
}

std::vector<int> RowBufferNode::EventTimes() const { return input()->EventTimes(); }

std::string RowBufferNode::DescribeState() const {
  return fmt::format("the last rows of each{}, {}",
                     terms.time >= 0 ? " and those that wait for the watermark" : "",
                     StateKeysOf(*input(), terms.partition_by));
}

Result<PlanPtr> RowBufferNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeRowBufferNode(inputs.at(0), terms, calls);
}

Result<PlanPtr> MakeRowBufferNode(PlanPtr input, RowBufferTerms terms,
                                  std::vector<FramedCall> calls) {
  HEADRACE_CHECK(terms.rows > 0 || (terms.keep_micros.has_value() && terms.time >= 0),
                 "a row buffer has a limit");
  ARROW_RETURN_NOT_OK(CheckInput(*input, terms));
  PlanProperties properties = input->properties();
  arrow::FieldVector fields = input->schema()->fields();
  for (const FramedCall& framed : calls) {
    fields.push_back(arrow::field(framed.call.name, framed.call.type));
  }
  properties.schema = arrow::schema(std::move(fields));
  if (properties.boundedness == Boundedness::kUnbounded) properties.ordering.clear();
  return std::make_shared<RowBufferNode>(std::move(properties), std::move(input), std::move(terms),
                                         std::move(calls));
}

}  // namespace headrace
