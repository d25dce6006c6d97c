// Rounds of a recursive query; each is a query over the rows of the one before.
#include "headrace/sql/recursive_query.h"

#include <algorithm>
#include <limits>

#include "arrow/record_batch.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/plan/builder.h"

namespace headrace::sql {

/// The rows of `plan`; without ALL those that are not among `known`, once each.
Result<RecordBatches> RecursiveQuery::Round(PlanPtr plan, const RecordBatches& known,
                                            Session& session, const Poll& poll) const {
  if (!parts_.all) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr before, ScanOfRows(schema(), known));
    ARROW_ASSIGN_OR_RAISE(plan, PlanSetOperation(std::move(plan), std::move(before),
                                                 headrace::SetOperation::kExcept, /*all=*/false));
  }
  ARROW_ASSIGN_OR_RAISE(std::optional<RecordBatches> rows,
                        RowsOfPlan(plan, session, poll, std::numeric_limits<int64_t>::max()));
  return *std::move(rows);
}

Result<PlanPtr> RecursiveQuery::Compute(Session& session, const Poll& poll) {
  RecordBatches all;
  ARROW_ASSIGN_OR_RAISE(RecordBatches last, Round(parts_.first, all, session, poll));
  while (!last.empty()) {
    all.insert(all.end(), last.begin(), last.end());
    ARROW_ASSIGN_OR_RAISE(SourcePtr rows, MemoryTable::Make(schema(), std::move(last)));
    ARROW_ASSIGN_OR_RAISE(const PlanPtr step,
                          WithSources(parts_.step, {{parts_.working.get(), std::move(rows)}}));
    ARROW_ASSIGN_OR_RAISE(last, Round(step, all, session, poll));
    last.erase(std::remove_if(last.begin(), last.end(),
                              [](const auto& batch) { return batch->num_rows() == 0; }),
               last.end());
  }
  return ScanOfRows(schema(), std::move(all));
}

Result<SourcePtr> RecursiveQuery::WithPlans(const PlanRewrite& rewrite) const {
  Parts parts = parts_;
  ARROW_ASSIGN_OR_RAISE(parts.first, rewrite(parts_.first));
  ARROW_ASSIGN_OR_RAISE(parts.step, rewrite(parts_.step));
  if (parts.first == parts_.first && parts.step == parts_.step) return nullptr;
  return std::make_shared<RecursiveQuery>(name(), schema(), std::move(parts));
}

}  // namespace headrace::sql
