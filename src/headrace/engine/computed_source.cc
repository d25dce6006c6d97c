// Computing tables before the query that reads them.
#include "headrace/engine/computed_source.h"

#include <algorithm>

#include "headrace/engine/stored_table.h"
#include "headrace/plan/builder.h"
#include "headrace/plan/fix_time.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/rule.h"
#include "headrace/plan/transform.h"

namespace headrace {
namespace {

/// `plan` with each scan replaced by what `replace` gives; null leaves it.
Result<PlanPtr> ReplaceScans(const PlanPtr& plan,
                             const std::function<Result<PlanPtr>(const ScanNode&)>& replace) {
  return RewriteBottomUp(plan, [&](const PlanPtr& node) -> Result<PlanPtr> {
    const auto* scan = As<ScanNode>(*node);
    if (scan == nullptr) return node;
    ARROW_ASSIGN_OR_RAISE(PlanPtr replaced, replace(*scan));
    return replaced == nullptr ? node : replaced;
  });
}

/// What `scan` reads of its source, out of `rows` instead.
Result<PlanPtr> ColumnsOfScan(const ScanNode& scan, PlanPtr rows) {
  if (const auto* source = As<ScanNode>(*rows)) {
    ScanRequest request = scan.request;
    for (int& column : request.projection) {
      column = source->request.projection[static_cast<size_t>(column)];
    }
    for (ColumnBound& bound : request.bounds) {
      bound.column = source->request.projection[static_cast<size_t>(bound.column)];
    }
    return MakeScanNode(source->source, std::move(request), source->snapshot, source->event_time);
  }
  std::vector<ExpressionPtr> columns;
  std::vector<std::string> names;
  for (const int column : scan.request.projection) {
    columns.push_back(ColumnOf(*rows->schema(), column));
    names.push_back(columns.back()->name);
  }
  return MakeProjectNode(std::move(rows), std::move(columns), names);
}

/// random() has other values when it is computed again.
bool ComputesVolatile(const PlanNode& plan) {
  if (const auto* filter = As<FilterNode>(plan)) return IsVolatile(*filter->predicate);
  const auto* project = As<ProjectNode>(plan);
  return project != nullptr &&
         std::any_of(project->expressions.begin(), project->expressions.end(),
                     [](const ExpressionPtr& expression) { return IsVolatile(*expression); });
}

/// Whether queries that scan `plan` several times are to compute it once.
bool IsComputedOnce(const PlanNode& plan) {
  if (As<AggregateNode>(plan) != nullptr || As<FramedWindowNode>(plan) != nullptr) return true;
  if (ComputesVolatile(plan)) return true;
  return std::any_of(plan.inputs().begin(), plan.inputs().end(),
                     [](const PlanPtr& input) { return IsComputedOnce(*input); });
}

void CountUses(const PlanNode& plan, std::map<const Source*, int>* uses) {
  if (const auto* scan = As<ScanNode>(plan)) {
    const auto* shared = dynamic_cast<const SharedQuery*>(scan->source.get());
    if (shared != nullptr && (*uses)[shared]++ == 0) CountUses(*shared->plan(), uses);
  }
  for (const PlanPtr& input : plan.inputs()) CountUses(*input, uses);
}

using NodeUses = std::map<const PlanNode*, int>;

/// How often each node is an input. What is below one that is seen again is not counted again.
void CountUses(const PlanNode& plan, NodeUses* uses) {
  if ((*uses)[&plan]++ > 0) return;
  for (const PlanPtr& input : plan.inputs()) CountUses(*input, uses);
}

bool CanBeStored(const PlanNode& plan) {
  return plan.properties().boundedness == Boundedness::kBounded &&
         plan.properties().change_mode == ChangeMode::kAppend;
}

}  // namespace

Result<std::vector<Split>> ComputedSource::Splits(const ScanRequest&) {
  return Error(ErrorKind::kInternal, "{} is read before it was computed", name_);
}

Result<std::unique_ptr<SplitReader>> ComputedSource::Open(const Split&, const ScanRequest&,
                                                          const ReadContext&) {
  return Error(ErrorKind::kInternal, "{} is read before it was computed", name_);
}

Result<PlanPtr> WithSources(const PlanPtr& plan, const SourceMap& sources) {
  return ReplaceScans(plan, [&](const ScanNode& scan) -> Result<PlanPtr> {
    const auto found = sources.find(scan.source.get());
    if (found == sources.end()) return nullptr;
    ARROW_ASSIGN_OR_RAISE(PlanPtr rows, PlanScan(found->second));
    return ColumnsOfScan(scan, std::move(rows));
  });
}

Result<PlanPtr> WithTimeOfQuery(const PlanPtr& plan, int64_t wall_micros) {
  SourceMap timed;
  const PlanRewrite rewrite = [&](const PlanPtr& part) -> Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(const PlanPtr fixed, FixTimeOfQuery(part, wall_micros));
    return ReplaceScans(fixed, [&](const ScanNode& scan) -> Result<PlanPtr> {
      const auto* source = dynamic_cast<const ComputedSource*>(scan.source.get());
      if (source == nullptr) return nullptr;
      SourcePtr& known = timed[source];
      if (known == nullptr) {
        ARROW_ASSIGN_OR_RAISE(known, source->WithPlans(rewrite));
        if (known == nullptr) known = scan.source;
      }
      if (known == scan.source) return nullptr;
      return MakeScanNode(known, scan.request, scan.snapshot, scan.event_time);
    });
  };
  return rewrite(plan);
}

Result<PlanPtr> WithComputedSources(const PlanPtr& plan, Session& session, const Poll& poll) {
  std::map<const Source*, PlanPtr> computed;
  return ReplaceScans(plan, [&](const ScanNode& scan) -> Result<PlanPtr> {
    auto* source = dynamic_cast<ComputedSource*>(scan.source.get());
    if (source == nullptr) return nullptr;
    PlanPtr& rows = computed[source];
    if (rows == nullptr) {
      ARROW_ASSIGN_OR_RAISE(rows, source->Compute(session, poll));
    }
    return ColumnsOfScan(scan, rows);
  });
}

Result<PlanPtr> SharedQuery::Compute(Session& session, const Poll& poll) {
  ARROW_ASSIGN_OR_RAISE(SourcePtr table, StoreTable(session, plan_, name(), poll));
  return PlanScan(std::move(table));
}

Result<SourcePtr> SharedQuery::WithPlans(const PlanRewrite& rewrite) const {
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, rewrite(plan_));
  if (plan == plan_) return nullptr;
  return std::make_shared<SharedQuery>(name(), std::move(plan));
}

Result<PlanPtr> WithNodesShared(const PlanPtr& plan) {
  NodeUses uses;
  CountUses(*plan, &uses);
  std::map<const PlanNode*, PlanPtr> known;
  std::map<std::string, int> numbers;  // of shared nodes, by name
  const PlanRewrite rewrite = [&](const PlanPtr& node) -> Result<PlanPtr> {
    PlanPtr& made = known[node.get()];
    if (made != nullptr) return made;
    ARROW_ASSIGN_OR_RAISE(made, RewriteInputs(node, rewrite));
    if (uses[node.get()] == 1 || !CanBeStored(*node) || !IsComputedOnce(*node)) return made;
    std::string name = std::string("shared ") + node->name();
    if (const int number = ++numbers[name]; number > 1) name += fmt::format(" {}", number);
    ARROW_ASSIGN_OR_RAISE(made, PlanScan(std::make_shared<SharedQuery>(name, made)));
    return made;
  };
  return rewrite(plan);
}

Result<PlanPtr> WithQueriesInlined(const PlanPtr& plan) {
  std::map<const Source*, int> uses;
  CountUses(*plan, &uses);
  const std::function<Result<PlanPtr>(const ScanNode&)> replace =
      [&](const ScanNode& scan) -> Result<PlanPtr> {
    const auto* shared = dynamic_cast<const SharedQuery*>(scan.source.get());
    if (shared == nullptr || (uses[shared] > 1 && IsComputedOnce(*shared->plan()))) return nullptr;
    ARROW_ASSIGN_OR_RAISE(PlanPtr inlined, ReplaceScans(shared->plan(), replace));
    return ColumnsOfScan(scan, std::move(inlined));
  };
  return ReplaceScans(plan, replace);
}

}  // namespace headrace
