// Queries in the order in which their scans are met; one that only another query scans comes behind
// it.
#include "headrace/engine/explain_shared.h"

#include <utility>
#include <vector>

#include "headrace/plan/estimate.h"

namespace headrace {
namespace {

struct SharedScans {
  const SharedQuery* query;
  int count = 0;
  std::string tree;
};

class SharedTrees {
 public:
  explicit SharedTrees(const PlanRewrite& prepare) : prepare_(prepare) {}

  Status Add(const PlanNode& plan) {
    Count(plan);
    for (; done_ < found_.size(); ++done_) {
      ARROW_ASSIGN_OR_RAISE(const PlanPtr prepared, prepare_(found_[done_].query->plan()));
      kept_.push_back(prepared);
      found_[done_].tree = ExplainWithEstimates(*prepared);
      Count(*prepared);
    }
    return Status::OK();
  }

  std::string Text() const {
    std::string text;
    for (const SharedScans& scans : found_) {
      text += fmt::format("{}, computed once for {} scan{}:\n  ", scans.query->name(), scans.count,
                          scans.count == 1 ? "" : "s");
      for (size_t at = 0; at < scans.tree.size(); ++at) {
        text += scans.tree[at];
        if (scans.tree[at] == '\n' && at + 1 < scans.tree.size()) text += "  ";
      }
    }
    return text;
  }

 private:
  void Count(const PlanNode& plan) {
    if (const auto* scan = As<ScanNode>(plan)) {
      const auto* query = dynamic_cast<const SharedQuery*>(scan->source.get());
      if (query != nullptr) ++ScansOf(query).count;
    }
    for (const PlanPtr& input : plan.inputs()) Count(*input);
  }

  SharedScans& ScansOf(const SharedQuery* query) {
    for (SharedScans& scans : found_) {
      if (scans.query == query) return scans;
    }
    return found_.emplace_back(SharedScans{query});
  }

  const PlanRewrite& prepare_;
  std::vector<SharedScans> found_;
  std::vector<PlanPtr> kept_;  // whose scans hold the queries
  size_t done_ = 0;
};

}  // namespace

Result<std::string> ExplainWithShared(const PlanNode& plan, const PlanRewrite& prepare) {
  SharedTrees trees(prepare);
  ARROW_RETURN_NOT_OK(trees.Add(plan));
  return ExplainWithEstimates(plan) + trees.Text();
}

}  // namespace headrace
