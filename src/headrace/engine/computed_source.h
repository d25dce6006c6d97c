// Tables whose rows are computed when a query that reads them starts: queries of WITH that are used
// several times, and recursive ones.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "headrace/engine/session.h"

namespace headrace {

/// Sources that stand for others.
using SourceMap = std::map<const Source*, SourcePtr>;
using PlanRewrite = std::function<Result<PlanPtr>(const PlanPtr&)>;

/// Never read itself: a query computes it when it starts, once, however often its plan scans it.
class ComputedSource : public Source {
 public:
  ComputedSource(std::string name, SchemaPtr schema, Ordering ordering = {})
      : name_(std::move(name)), schema_(std::move(schema)), ordering_(std::move(ordering)) {}

  std::string name() const override { return name_; }
  const SchemaPtr& schema() const override { return schema_; }
  Ordering ordering() const override { return ordering_; }
  Result<std::vector<Split>> Splits(const ScanRequest& request) override;
  Result<std::unique_ptr<SplitReader>> Open(const Split& split, const ScanRequest& request,
                                            const ReadContext& context) override;
  Result<std::string> Snapshot() override { return std::string(); }

  /// The rows, in order, as a plan of the same schema.
  virtual Result<PlanPtr> Compute(Session& session, const Poll& poll) = 0;
  /// The same computed by `rewrite`d plans; null when none changed.
  virtual Result<SourcePtr> WithPlans(const PlanRewrite& rewrite) const = 0;

 private:
  const std::string name_;
  const SchemaPtr schema_;
  const Ordering ordering_;
};

/// `plan` with scans of other sources in place of those in `sources`.
Result<PlanPtr> WithSources(const PlanPtr& plan, const SourceMap& sources);
/// `plan` and the plans of its computed sources with now() and its kin computed for one time
/// (plan/fix_time.h).
Result<PlanPtr> WithTimeOfQuery(const PlanPtr& plan, int64_t wall_micros);
/// `plan` with every computed source computed.
Result<PlanPtr> WithComputedSources(const PlanPtr& plan, Session& session, const Poll& poll);

/// A query that is computed once for all its uses, and stored meanwhile.
class SharedQuery final : public ComputedSource {
 public:
  SharedQuery(std::string name, PlanPtr plan)
      : ComputedSource(std::move(name), plan->schema(), plan->properties().ordering),
        plan_(std::move(plan)) {}
  const PlanPtr& plan() const { return plan_; }
  Result<PlanPtr> Compute(Session& session, const Poll& poll) override;
  Result<SourcePtr> WithPlans(const PlanRewrite& rewrite) const override;

 private:
  const PlanPtr plan_;
};

/// `plan` with a shared query for each node that is the input of several others, or of one twice,
/// and is dear to compute; of such nodes over each other for the upper one.
Result<PlanPtr> WithNodesShared(const PlanPtr& plan);
/// `plan` with the shared queries put in that it uses once, or that are cheaper to compute again.
Result<PlanPtr> WithQueriesInlined(const PlanPtr& plan);

}  // namespace headrace
