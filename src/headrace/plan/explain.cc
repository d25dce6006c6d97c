// EXPLAIN: the plan as a tree of lines.
#include "headrace/plan/builder.h"

namespace headrace {
namespace {

void AppendTree(const PlanNode& node, size_t depth, std::string* text) {
  text->append(2 * depth, ' ');
  *text += node.name();
  const std::string description = node.Describe();
  if (!description.empty()) *text += " " + description;
  *text += "\n";
  for (const PlanPtr& input : node.inputs()) AppendTree(*input, depth + 1, text);
}

}  // namespace

std::string Explain(const PlanNode& plan) {
  std::string text;
  AppendTree(plan, 0, &text);
  return text;
}

}  // namespace headrace
