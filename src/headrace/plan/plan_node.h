// The base of logical plan nodes: typed, immutable trees with what is known of order, bounds and
// changes. A node says of itself what rules and EXPLAIN ask of every node.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/table/sink.h"
#include "headrace/table/source.h"
#include "headrace/types/ordering.h"

namespace headrace {

class PlanNode;
using PlanPtr = std::shared_ptr<const PlanNode>;

/// For people: "append".
const char* NameOf(ChangeMode mode);

/// Properties of the rows that leave a node.
struct PlanProperties {
  SchemaPtr schema;
  Ordering ordering;
  Boundedness boundedness = Boundedness::kBounded;
  ChangeMode change_mode = ChangeMode::kAppend;
};

/// mask[c] speaks of column c of a node's output.
using ColumnMask = std::vector<bool>;

/// A node that was rebuilt; places[c] is where old column c is now, −1 when it is gone.
struct PrunedPlan {
  PlanPtr plan;
  std::vector<int> places;
};

/// A new node is a class of its own beside its factory, and a row of exec/op/list.inc. Made by
/// plan/builder.h, which computes the properties and checks what must hold.
class PlanNode {
 public:
  PlanNode(PlanProperties properties, std::vector<PlanPtr> inputs)
      : properties_(std::move(properties)), inputs_(std::move(inputs)) {}
  virtual ~PlanNode() = default;

  /// The noun of the node: "scan", "aggregate"; exec/op/list.inc lowers it by this name.
  virtual const char* name() const = 0;
  /// Parameters for EXPLAIN.
  virtual std::string Describe() const = 0;
  /// The same node over other inputs of the same schemas; properties are computed anew.
  virtual Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const = 0;

  // What rules ask. The defaults suit any node: they give up what a node of its own mind could say.

  /// The same rows with the columns that are `needed`, and maybe others; asks inputs for no more
  /// than that takes (rule PruneColumns). Default: every column of every input.
  virtual Result<PrunedPlan> Prune(const ColumnMask& needed) const;
  /// Where the columns of the output stand in input number `input` for filters, −1: nowhere; empty:
  /// none of them. A filter that cannot fail, all of whose columns have places in some inputs,
  /// gives the same rows when it is over each of those inputs instead (rule PushFiltersDown).
  virtual std::vector<int> FilterPlaces(size_t input) const;
  /// How many rows it gives; none: unknown. Default: as many as its first input.
  virtual std::optional<double> EstimateRows() const;
  /// Columns that hold the event time its watermarks speak of, or the start of a window that they
  /// close; none: it has no event time.
  virtual std::vector<int> EventTimes() const;
  /// Of a node of a stream: what it keeps between its rows, for EXPLAIN; "": nothing.
  virtual std::string DescribeState() const;
  /// Whether it gives no row where input i gives none if empty[i] (rule PruneEmpty). Default: when
  /// all inputs give none.
  virtual bool IsEmptyOver(const std::vector<bool>& empty) const;

  const SchemaPtr& schema() const { return properties_.schema; }
  const PlanProperties& properties() const { return properties_; }
  const std::vector<PlanPtr>& inputs() const { return inputs_; }
  const PlanPtr& input() const { return inputs_.front(); }

 private:
  PlanProperties properties_;
  std::vector<PlanPtr> inputs_;
};

/// For DescribeState: "key a, b", or "no key".
std::string StateKeysOf(const PlanNode& input, const std::vector<int>& keys);

/// Whether it has no end.
inline bool IsEndless(const PlanNode& plan) {
  return plan.properties().boundedness == Boundedness::kUnbounded;
}

/// The node of type `Node`, or null.
template <typename Node>
const Node* As(const PlanNode& node) {
  return dynamic_cast<const Node*>(&node);
}

}  // namespace headrace
