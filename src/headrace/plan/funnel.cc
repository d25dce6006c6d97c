// What the node of funnels says of itself.
#include "headrace/plan/funnel.h"

#include <fmt/format.h>

#include "arrow/type.h"
#include "headrace/plan/rule/prune_columns.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace {

std::string FunnelNode::Describe() const {
  const arrow::Schema& schema = *input()->schema();
  std::string text =
      fmt::format("{} steps within {} of {}", steps.size(), within, schema.field(time)->name());
  for (size_t i = 0; i < keys.size(); ++i) {
    text += (i == 0 ? " by " : ", ") + schema.field(keys[i])->name();
  }
  return text;
}

Result<PlanPtr> FunnelNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeFunnelNode(inputs.at(0), keys, time, steps, within);
}

/// All keys stay: they are the groups.
Result<PrunedPlan> FunnelNode::Prune(const ColumnMask& needed) const {
  ColumnMask below = NoneOf(*input());
  Need(keys, &below);
  Need(steps, &below);
  below[static_cast<size_t>(time)] = true;
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned, input()->Prune(below));
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeFunnelNode(std::move(pruned.plan), Moved(keys, pruned.places),
                                       pruned.places[static_cast<size_t>(time)],
                                       Moved(steps, pruned.places), within));
  pruned.places.clear();
  for (size_t i = 0; i < needed.size(); ++i) pruned.places.push_back(static_cast<int>(i));
  return pruned;
}

std::vector<int> FunnelNode::FilterPlaces(size_t /*input*/) const {
  std::vector<int> places = keys;
  places.push_back(-1);
  return places;
}

bool FunnelNode::IsEmptyOver(const std::vector<bool>& empty) const {
  return !keys.empty() && empty.front();
}

Result<PlanPtr> MakeFunnelNode(PlanPtr input, std::vector<int> keys, int time,
                               std::vector<int> steps, int64_t within) {
  if (IsEndless(*input) || input->properties().change_mode != ChangeMode::kAppend) {
    return Error(ErrorKind::kUnsupported,
                 "a funnel takes rows that end and are only added, not a stream");
  }
  const arrow::Field& time_field = *input->schema()->field(time);
  const arrow::Type::type type = PlainType(time_field.type())->id();
  if (type != arrow::Type::INT64 && type != arrow::Type::TIMESTAMP) {
    return Error(ErrorKind::kTypeMismatch,
                 "a funnel goes by a time of type BIGINT or TIMESTAMP, got {} of type {}",
                 time_field.name(), SqlNameOf(*time_field.type()));
  }
  arrow::FieldVector fields;
  for (const int key : keys) {
    fields.push_back(input->schema()->field(key));
    if (HasTypeFlag(*PlainType(fields.back()->type()), kTypeComparable)) continue;
    return Error(ErrorKind::kTypeMismatch,
                 "column {} cannot be a partition key: its type has no order: {}",
                 fields.back()->name(), SqlNameOf(*fields.back()->type()));
  }
  fields.push_back(arrow::field(kFunnelDepth, arrow::int64(), false));
  PlanProperties properties = input->properties();
  properties.ordering.clear();
  properties.schema = arrow::schema(std::move(fields));
  return std::make_shared<FunnelNode>(std::move(properties), std::move(input), std::move(keys),
                                      time, std::move(steps), within);
}

}  // namespace headrace
