// EXPLAIN: the plan as a tree of lines.
#include "headrace/plan/builder.h"
#include "headrace/plan/estimate.h"

namespace headrace {
namespace {

void AppendTree(const PlanNode& node, size_t depth, bool estimates, std::string* text) {
  text->append(2 * depth, ' ');
  *text += node.name();
  const std::string description = node.Describe();
  if (!description.empty()) *text += " " + description;
  const std::optional<int64_t> rows = estimates ? EstimatedRows(node) : std::nullopt;
  if (rows.has_value()) *text += fmt::format("  ~{} rows", *rows);
  *text += "\n";
  for (const PlanPtr& input : node.inputs()) AppendTree(*input, depth + 1, estimates, text);
}

}  // namespace

std::string Explain(const PlanNode& plan) {
  std::string text;
  AppendTree(plan, 0, /*estimates=*/false, &text);
  return text;
}

std::string ExplainWithEstimates(const PlanNode& plan) {
  std::string text;
  AppendTree(plan, 0, /*estimates=*/true, &text);
  return text;
}

}  // namespace headrace
