// Window aggregate: event-time windows per group, over inputs that end or not.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"

namespace headrace {

/// See StreamWindowSpec and WindowAggregateNode. Each lane owns its key groups: the input is
/// exchanged by the hash of the keys. Rows with change −1 are taken back, but not out of sessions.
/// metrics.late_rows and null_time_rows count what is in no window: rows in = rows that are in one
/// + late rows + rows without a time. Memory of a window is freed when it can take no row any more;
/// state that exceeds the budget is kMemoryLimit.
///
/// Watermarks are passed on as what can be promised of window starts.
class WindowAggregateSpec final : public OperatorSpec {
 public:
  /// `schema` is the input's; `keys` index it, and so do the window's time and the columns of
  /// calls. `change_mode` is the input's: append or retract.
  WindowAggregateSpec(SchemaPtr schema, StreamWindowSpec window, std::vector<int> keys,
                      std::vector<FunctionCall> calls, EmitPolicy emit, ChangeMode change_mode)
      : schema(std::move(schema)),
        window(std::move(window)),
        keys(std::move(keys)),
        calls(std::move(calls)),
        emit(emit),
        change_mode(change_mode) {}
  std::string name() const override { return "window_aggregate"; }
  std::string Describe() const override;
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const StreamWindowSpec window;
  const std::vector<int> keys;
  const std::vector<FunctionCall> calls;
  const EmitPolicy emit;
  const ChangeMode change_mode;
};

}  // namespace headrace
