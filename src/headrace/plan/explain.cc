// EXPLAIN: the plan as a tree of lines. With estimates, nodes of a stream also say how their rows
// change, and what is kept for how long.
#include <algorithm>

#include "arrow/type.h"
#include "headrace/plan/builder.h"
#include "headrace/plan/estimate.h"
#include "headrace/plan/node.h"

namespace headrace {
namespace {

/// Whether `node` is part of a stream: it, or what it reads, has no end.
bool IsOfStream(const PlanNode& node) {
  return IsEndless(node) || std::any_of(node.inputs().begin(), node.inputs().end(),
                                        [](const PlanPtr& input) { return IsEndless(*input); });
}

/// " {append, event time ts; state: …}"
std::string NotesOf(const PlanNode& node) {
  if (!IsOfStream(node)) return "";
  std::string text = NameOf(node.properties().change_mode);
  for (const int column : node.EventTimes()) {
    text += ", event time " + node.schema()->field(column)->name();
  }
  const std::string state = node.DescribeState();
  if (!state.empty()) text += "; state: " + state;
  return "  {" + text + "}";
}

void AppendTree(const PlanNode& node, size_t depth, bool notes, std::string* text) {
  text->append(2 * depth, ' ');
  *text += node.name();
  const std::string description = node.Describe();
  if (!description.empty()) *text += " " + description;
  const std::optional<int64_t> rows = notes ? EstimatedRows(node) : std::nullopt;
  if (rows.has_value()) *text += fmt::format("  ~{} rows", *rows);
  if (notes) *text += NotesOf(node);
  *text += "\n";
  for (const PlanPtr& input : node.inputs()) AppendTree(*input, depth + 1, notes, text);
}

const char* SpanOf(const WindowAggregateNode& node) {
  return node.window.lateness_micros > 0 ? "until the watermark is the lateness past its window"
                                         : "until the watermark closes its window";
}

}  // namespace

std::string StateKeysOf(const PlanNode& input, const std::vector<int>& keys) {
  std::string text;
  for (const int key : keys)
    text += (text.empty() ? "" : ", ") + input.schema()->field(key)->name();
  return text.empty() ? "no key" : "key " + text;
}

std::string PlanNode::DescribeState() const { return ""; }

std::string AggregateNode::DescribeState() const {
  return "every group for ever, " + StateKeysOf(*input(), keys);
}

std::string WindowAggregateNode::DescribeState() const {
  return fmt::format("every group {}, {}", SpanOf(*this), StateKeysOf(*input(), keys));
}

std::string IntervalJoinNode::DescribeState() const {
  const bool is_bounded = terms.lower.has_value() && terms.upper.has_value();
  return fmt::format("rows of both sides {}, {}",
                     is_bounded ? "until no partner can come" : "for ever",
                     StateKeysOf(*input(), terms.left_keys));
}

std::string WindowNode::DescribeState() const {
  return "one state of each for ever, " + StateKeysOf(*input(), partition_by);
}

std::string LookupJoinNode::DescribeState() const {
  const bool keeps = kind == JoinKind::kRight || kind == JoinKind::kFull;
  return keeps ? "which keys of the table were found" : "";
}

std::string JoinNode::DescribeState() const { return "the side that ends"; }

std::string Explain(const PlanNode& plan) {
  std::string text;
  AppendTree(plan, 0, /*notes=*/false, &text);
  return text;
}

std::string ExplainWithEstimates(const PlanNode& plan) {
  std::string text;
  AppendTree(plan, 0, /*notes=*/true, &text);
  return text;
}

}  // namespace headrace
