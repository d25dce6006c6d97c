// Logical plan nodes: typed, immutable trees with what is known of order, bounds and changes.
// Columns of an expression or key index the schema of the node's input.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/expression/expression.h"
#include "headrace/table/sink.h"
#include "headrace/table/source.h"
#include "headrace/types/ordering.h"

namespace headrace {

class PlanNode;
using PlanPtr = std::shared_ptr<const PlanNode>;

/// Properties of the rows that leave a node.
struct PlanProperties {
  SchemaPtr schema;
  Ordering ordering;
  Boundedness boundedness = Boundedness::kBounded;
  ChangeMode change_mode = ChangeMode::kAppend;
};

/// Made by plan/builder.h, which computes the properties and checks what must hold.
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

  const SchemaPtr& schema() const { return properties_.schema; }
  const PlanProperties& properties() const { return properties_; }
  const std::vector<PlanPtr>& inputs() const { return inputs_; }
  const PlanPtr& input() const { return inputs_.front(); }

 private:
  PlanProperties properties_;
  std::vector<PlanPtr> inputs_;
};

/// Event time of a stream: rows of a split are at most `delay_micros` out of order.
struct EventTime {
  int column = 0;  // a timestamp column of the source's schema
  int64_t delay_micros = 0;
};

class ScanNode final : public PlanNode {
 public:
  ScanNode(PlanProperties properties, SourcePtr source, ScanRequest request, std::string snapshot,
           std::optional<EventTime> event_time)
      : PlanNode(std::move(properties), {}),
        source(std::move(source)),
        request(std::move(request)),
        snapshot(std::move(snapshot)),
        event_time(event_time) {}
  const char* name() const override { return "scan"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;

  const SourcePtr source;
  const ScanRequest request;  // projection is always set
  const std::string snapshot;
  const std::optional<EventTime> event_time;
};

class FilterNode final : public PlanNode {
 public:
  FilterNode(PlanProperties properties, PlanPtr input, ExpressionPtr predicate)
      : PlanNode(std::move(properties), {std::move(input)}), predicate(std::move(predicate)) {}
  const char* name() const override { return "filter"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;

  const ExpressionPtr predicate;
};

class ProjectNode final : public PlanNode {
 public:
  ProjectNode(PlanProperties properties, PlanPtr input, std::vector<ExpressionPtr> expressions)
      : PlanNode(std::move(properties), {std::move(input)}), expressions(std::move(expressions)) {}
  const char* name() const override { return "project"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;

  const std::vector<ExpressionPtr> expressions;  // names are those of the schema
};

class LimitNode final : public PlanNode {
 public:
  LimitNode(PlanProperties properties, PlanPtr input, int64_t count, int64_t offset)
      : PlanNode(std::move(properties), {std::move(input)}), count(count), offset(offset) {}
  const char* name() const override { return "limit"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;

  const int64_t count;
  const int64_t offset;
};

/// Stable.
class SortNode final : public PlanNode {
 public:
  SortNode(PlanProperties properties, PlanPtr input, Ordering keys)
      : PlanNode(std::move(properties), {std::move(input)}), keys(std::move(keys)) {}
  const char* name() const override { return "sort"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;

  const Ordering keys;
};

/// A call of an aggregate or ordered function over columns of the input (arguments are projected
/// before, so they are columns or literals).
struct FunctionCall {
  const FunctionDef* function = nullptr;
  const Overload* overload = nullptr;
  std::vector<ExpressionPtr> args;  // columns (with casts projected away) and literals
  TypePtr type;
  std::string name;  // of the output column
  bool distinct = false;
};

enum class GroupOrder { kUnspecified, kFirstAppearance, kKey };
enum class EmitPolicy {
  kAtEnd,    // each group once: when the input ends, or when the watermark closes its window
  kChanges,  // after every batch: old row −1, new row +1 (output mode retract)
};

/// One of the group keys is the start of a tumbling event-time window: its groups close when the
/// watermark passes start + size.
struct WindowKey {
  int key = 0;  // index in `keys`
  int64_t size_micros = 0;
};

/// Output: the key columns, then one column per call. No keys: exactly one row.
class AggregateNode final : public PlanNode {
 public:
  AggregateNode(PlanProperties properties, PlanPtr input, std::vector<int> keys,
                std::vector<FunctionCall> calls, GroupOrder order, EmitPolicy emit,
                std::optional<WindowKey> window)
      : PlanNode(std::move(properties), {std::move(input)}),
        keys(std::move(keys)),
        calls(std::move(calls)),
        order(order),
        emit(emit),
        window(window) {}
  const char* name() const override { return "aggregate"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;

  const std::vector<int> keys;
  const std::vector<FunctionCall> calls;
  const GroupOrder order;
  const EmitPolicy emit;
  const std::optional<WindowKey> window;
};

enum class JoinKind { kInner, kLeft };
enum class NullMatching { kNeverMatch, kMatch };

/// Left rows keep their order; matches of one left row come in right order. Output: left columns,
/// then right columns. The right side is built.
class JoinNode final : public PlanNode {
 public:
  JoinNode(PlanProperties properties, PlanPtr left, PlanPtr right, JoinKind kind,
           std::vector<int> left_keys, std::vector<int> right_keys, NullMatching nulls,
           ExpressionPtr residual)
      : PlanNode(std::move(properties), {std::move(left), std::move(right)}),
        kind(kind),
        left_keys(std::move(left_keys)),
        right_keys(std::move(right_keys)),
        nulls(nulls),
        residual(std::move(residual)) {}
  const char* name() const override { return "join"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;

  const JoinKind kind;
  const std::vector<int> left_keys;
  const std::vector<int> right_keys;
  const NullMatching nulls;
  const ExpressionPtr residual;  // over the output columns; null: none
};

enum class AsofDirection { kBackward, kForward };

/// Every left row once, with the nearest right row by time (`time` columns of equal type) among
/// those with equal `by` columns; nulls when there is none. Both inputs come sorted by time,
/// ascending.
class AsofJoinNode final : public PlanNode {
 public:
  AsofJoinNode(PlanProperties properties, PlanPtr left, PlanPtr right, int left_time,
               int right_time, std::vector<int> left_by, std::vector<int> right_by,
               AsofDirection direction, bool strict, std::optional<int64_t> tolerance)
      : PlanNode(std::move(properties), {std::move(left), std::move(right)}),
        left_time(left_time),
        right_time(right_time),
        left_by(std::move(left_by)),
        right_by(std::move(right_by)),
        direction(direction),
        strict(strict),
        tolerance(tolerance) {}
  const char* name() const override { return "asof_join"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;

  const int left_time;
  const int right_time;
  const std::vector<int> left_by;
  const std::vector<int> right_by;
  const AsofDirection direction;
  const bool strict;                       // equal times do not match
  const std::optional<int64_t> tolerance;  // in units of the time column
};

/// Ordered functions over partitions of the input in its row order. Output: input columns, then one
/// column per call; row order is kept.
class WindowNode final : public PlanNode {
 public:
  WindowNode(PlanProperties properties, PlanPtr input, std::vector<int> partition_by,
             std::vector<FunctionCall> calls)
      : PlanNode(std::move(properties), {std::move(input)}),
        partition_by(std::move(partition_by)),
        calls(std::move(calls)) {}
  const char* name() const override { return "window"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;

  const std::vector<int> partition_by;
  const std::vector<FunctionCall> calls;
};

/// A user's callback: output is the input columns and one more. Never moved, folded or shared.
class CallbackNode final : public PlanNode {
 public:
  CallbackNode(PlanProperties properties, PlanPtr input, int64_t callback_id, std::vector<int> args,
               std::string output_name, TypePtr type)
      : PlanNode(std::move(properties), {std::move(input)}),
        callback_id(callback_id),
        args(std::move(args)),
        output_name(std::move(output_name)),
        type(std::move(type)) {}
  const char* name() const override { return "callback"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;

  const int64_t callback_id;
  const std::vector<int> args;
  const std::string output_name;
  const TypePtr type;
};

/// The node of type `Node`, or null.
template <typename Node>
const Node* As(const PlanNode& node) {
  return dynamic_cast<const Node*>(&node);
}

}  // namespace headrace
