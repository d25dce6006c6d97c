// Rounds of a recursive query; each is a query over the rows of the one before.
#include "headrace/sql/recursive_query.h"

#include "headrace/plan/builder.h"

namespace headrace::sql {

/// The rows of `plan`; without ALL those that are not among `known`, once each.
Result<StoredRowsPtr> RecursiveQuery::Round(PlanPtr plan, const SourcePtr& known, Session& session,
                                            const Poll& poll) const {
  if (!parts_.all) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr before, PlanScan(known));
    ARROW_ASSIGN_OR_RAISE(plan, PlanSetOperation(std::move(plan), std::move(before),
                                                 headrace::SetOperation::kExcept, /*all=*/false));
  }
  return StoreRows(session, std::move(plan), schema(), poll);
}

Result<PlanPtr> RecursiveQuery::Compute(Session& session, const Poll& poll) {
  ARROW_ASSIGN_OR_RAISE(auto all, StoredTable::Make(session, name(), schema(), {}));
  ARROW_ASSIGN_OR_RAISE(StoredRowsPtr last, Round(parts_.first, all, session, poll));
  while (last->num_rows() > 0) {
    ARROW_ASSIGN_OR_RAISE(all, all->WithRows(session, last));
    ARROW_ASSIGN_OR_RAISE(SourcePtr rows, StoredTable::Make(session, name(), schema(), {last}));
    ARROW_ASSIGN_OR_RAISE(const PlanPtr step,
                          WithSources(parts_.step, {{parts_.working.get(), std::move(rows)}}));
    ARROW_ASSIGN_OR_RAISE(last, Round(step, all, session, poll));
  }
  return PlanScan(std::move(all));
}

Result<SourcePtr> RecursiveQuery::WithPlans(const PlanRewrite& rewrite) const {
  Parts parts = parts_;
  ARROW_ASSIGN_OR_RAISE(parts.first, rewrite(parts_.first));
  ARROW_ASSIGN_OR_RAISE(parts.step, rewrite(parts_.step));
  if (parts.first == parts_.first && parts.step == parts_.step) return nullptr;
  return std::make_shared<RecursiveQuery>(name(), schema(), std::move(parts));
}

}  // namespace headrace::sql
