// The first key that advances within others is the run.
#include "headrace/plan/partition_runs.h"

#include <algorithm>

#include "headrace/plan/advancing_columns.h"
#include "headrace/plan/sorted_groups.h"
#include "headrace/types/key/key_encoder.h"

namespace headrace {
namespace {

bool IsFixedKey(const arrow::Schema& schema, int column) {
  const auto encoder = KeyEncoder::Make(KeyColumnsOf(schema, {column}));
  return encoder.ok() && encoder->is_fixed();
}

}  // namespace

std::optional<PartitionRuns> FindPartitionRuns(const AggregateNode& aggregate) {
  const PlanNode& input = *aggregate.input();
  const bool is_once = !IsEndless(input) && aggregate.emit == EmitPolicy::kAtEnd &&
                       input.properties().change_mode == ChangeMode::kAppend;
  const bool any_order = aggregate.order == GroupOrder::kUnspecified && !ComesByGroup(aggregate);
  if (!is_once || !any_order) return std::nullopt;
  for (const int run : aggregate.keys) {
    const auto within = AdvancesWithin(input, run);
    if (!within.has_value() || !IsFixedKey(*input.schema(), run)) continue;
    PartitionRuns runs{{}, run};
    for (const int key : aggregate.keys) {
      if (key != run) runs.partition.push_back(key);
    }
    const bool is_inside = std::all_of(within->begin(), within->end(), [&](int key) {
      return std::find(runs.partition.begin(), runs.partition.end(), key) != runs.partition.end();
    });
    if (is_inside) return runs;
  }
  return std::nullopt;
}

}  // namespace headrace
