// WITH RECURSIVE: rows that are made from rows of the same query, until there are no new ones.
#pragma once

#include <string>

#include "headrace/engine/computed_source.h"
#include "headrace/engine/stored_table.h"

namespace headrace::sql {

/// first UNION [ALL] step, where `step` scans `working`: the rows of the round before. Without ALL
/// a round keeps the rows that are in no round before it.
class RecursiveQuery final : public ComputedSource {
 public:
  struct Parts {
    PlanPtr first;
    PlanPtr step;
    SourcePtr working;
    bool all = false;
  };
  RecursiveQuery(std::string name, SchemaPtr schema, Parts parts)
      : ComputedSource(std::move(name), std::move(schema)), parts_(std::move(parts)) {}
  Result<PlanPtr> Compute(Session& session, const Poll& poll) override;
  Result<SourcePtr> WithPlans(const PlanRewrite& rewrite) const override;

 private:
  Result<StoredRowsPtr> Round(PlanPtr plan, const SourcePtr& known, Session& session,
                              const Poll& poll) const;

  const Parts parts_;
};

}  // namespace headrace::sql
