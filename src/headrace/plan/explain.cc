// EXPLAIN: the plan as a tree of lines. With estimates, nodes of a stream also say how their rows
// change, and what is kept for how long.
#include <algorithm>

#include "arrow/type.h"
#include "headrace/plan/builder.h"
#include "headrace/plan/estimate.h"
#include "headrace/plan/interval_bounds.h"
#include "headrace/plan/row_buffer.h"
#include "headrace/plan/temporal_join.h"

namespace headrace {
namespace {

/// Whether `node` is part of a stream: it, or what it reads, has no end.
bool IsOfStream(const PlanNode& node) {
  return IsEndless(node) || std::any_of(node.inputs().begin(), node.inputs().end(),
                                        [](const PlanPtr& input) { return IsEndless(*input); });
}

std::string KeysOf(const PlanNode& input, const std::vector<int>& keys) {
  std::string text;
  for (const int key : keys)
    text += (text.empty() ? "" : ", ") + input.schema()->field(key)->name();
  return text.empty() ? "no key" : "key " + text;
}

const char* SpanOf(const WindowAggregateNode& node) {
  return node.window.lateness_micros > 0 ? "until the watermark is the lateness past its window"
                                         : "until the watermark closes its window";
}

/// What a node of a stream keeps between its rows; "": nothing.
std::string StateOf(const PlanNode& node) {
  if (const auto* aggregate = As<AggregateNode>(node)) {
    return "every group for ever, " + KeysOf(*node.input(), aggregate->keys);
  }
  if (const auto* aggregate = As<WindowAggregateNode>(node)) {
    return fmt::format("every group {}, {}", SpanOf(*aggregate),
                       KeysOf(*node.input(), aggregate->keys));
  }
  if (const auto* join = As<IntervalJoinNode>(node)) {
    const bool is_bounded = join->terms.lower.has_value() && join->terms.upper.has_value();
    return fmt::format("rows of both sides {}, {}",
                       is_bounded ? "until no partner can come" : "for ever",
                       KeysOf(*node.input(), join->terms.left_keys));
  }
  if (const auto* join = As<TemporalJoinNode>(node)) {
    return "versions until newer ones are valid, rows until the watermark of the versions, " +
           KeysOf(*node.inputs()[0], join->terms.left_keys);
  }
  if (const auto* buffer = As<RowBufferNode>(node)) {
    return fmt::format("the last rows of each{}, {}",
                       buffer->terms.time >= 0 ? " and those that wait for the watermark" : "",
                       KeysOf(*node.input(), buffer->terms.partition_by));
  }
  if (const auto* window = As<WindowNode>(node)) {
    return "one state of each for ever, " + KeysOf(*node.input(), window->partition_by);
  }
  if (const auto* join = As<LookupJoinNode>(node)) {
    const bool keeps = join->kind == JoinKind::kRight || join->kind == JoinKind::kFull;
    return keeps ? "which keys of the table were found" : "";
  }
  if (As<JoinNode>(node) != nullptr) return "the side that ends";
  return "";
}

/// " {append, event time ts; state: …}"
std::string NotesOf(const PlanNode& node) {
  if (!IsOfStream(node)) return "";
  std::string text = NameOf(node.properties().change_mode);
  for (const int column : EventTimesOf(node)) {
    text += ", event time " + node.schema()->field(column)->name();
  }
  const std::string state = StateOf(node);
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

}  // namespace

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
