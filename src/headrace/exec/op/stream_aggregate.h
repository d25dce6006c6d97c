// Stream aggregate: keyed aggregation of inputs that do not end, or that take rows back.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"

namespace headrace {

/// Each lane owns its key groups: the input is exchanged by the hash of the keys. Rows with change
/// −1 are removed; a group without rows vanishes.
///   kAtEnd    with a window: a group is emitted and dropped once the watermark reaches start +
///             size, rows that come after that are dropped and counted in metrics.late_rows; all
///             other groups are emitted at Finish
///   kChanges  after every batch the old row (change −1) and the new row (+1) of every group
///             touched; a window drops its closed groups in silence
/// Watermarks are passed on as what still open windows promise; without a window none are.
/// State that exceeds the budget is kMemoryLimit.
class StreamAggregateSpec final : public OperatorSpec {
 public:
  /// `schema` is the input's; `keys` index it; arguments of calls are columns of it or literals.
  /// `change_mode` is the input's: kUpsert is refused by Check.
  StreamAggregateSpec(SchemaPtr schema, std::vector<int> keys, std::vector<FunctionCall> calls,
                      EmitPolicy emit, std::optional<WindowKey> window, ChangeMode change_mode)
      : schema(std::move(schema)),
        keys(std::move(keys)),
        calls(std::move(calls)),
        emit(emit),
        window(window),
        change_mode(change_mode) {}
  std::string name() const override { return "stream_aggregate"; }
  std::string Describe() const override;
  /// kUnsupported for key types that cannot be grouped, DISTINCT calls, and, where rows may be
  /// taken back, functions that cannot remove. Open checks it too.
  Status Check() const;
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const std::vector<int> keys;
  const std::vector<FunctionCall> calls;
  const EmitPolicy emit;
  const std::optional<WindowKey> window;
  const ChangeMode change_mode;
};

}  // namespace headrace
