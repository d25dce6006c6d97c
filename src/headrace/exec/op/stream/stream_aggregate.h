// Stream aggregate: keyed aggregation of inputs that do not end, or that take rows back.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"

namespace headrace {

/// Each lane owns its key groups: the input is exchanged by the hash of the keys. Rows with change
/// −1 are removed; a group without rows vanishes.
///   kAtEnd    all groups are emitted at Finish
///   kChanges  after every batch the old row (change −1) and the new row (+1) of every group
///             touched
/// kChanges without calls gives every group once, when it comes first, as a row that is only added.
/// Watermarks are not passed on. State that exceeds the budget is kMemoryLimit.
class StreamAggregateSpec final : public OperatorSpec {
 public:
  /// `schema` is the input's; `keys` index it; arguments of calls are columns of it or literals.
  /// `change_mode` is the input's: kUpsert is refused by Check.
  StreamAggregateSpec(SchemaPtr schema, std::vector<int> keys, std::vector<FunctionCall> calls,
                      EmitPolicy emit, ChangeMode change_mode)
      : schema(std::move(schema)),
        keys(std::move(keys)),
        calls(std::move(calls)),
        emit(emit),
        change_mode(change_mode) {}
  std::string name() const override { return "stream_aggregate"; }
  std::string Describe() const override;
  /// kUnsupported for key types that cannot be grouped, DISTINCT calls, and, where rows may be
  /// taken back, functions that cannot remove. Open checks it too.
  Status Check() const;
  /// Groups are all there is to see, and none goes again: kChanges gives them as rows that are only
  /// added.
  bool only_appears() const {
    return calls.empty() && !keys.empty() && change_mode == ChangeMode::kAppend;
  }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const std::vector<int> keys;
  const std::vector<FunctionCall> calls;
  const EmitPolicy emit;
  const ChangeMode change_mode;
};

}  // namespace headrace
