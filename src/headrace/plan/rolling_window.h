// The node of calls over frames that look back: the last rows, those of the last time, or all
// so far. It keeps row order and one frame a partition, so partitions may be of any size.
#pragma once

#include <string>
#include <vector>

#include "headrace/plan/node.h"

namespace headrace {

/// An aggregate, or last_value with its nulls ignored, and its frame, which ends with the current
/// row. Exactly one of these:
///   rows > 0                 the last `rows` rows of the partition
///   key >= 0 and bound >= 0  the rows whose `key` is greater than this row's `bound`; a row
///                            without a key sees itself alone, one without a bound all rows so far
///   neither                  all rows of the partition so far
struct RollingCall {
  FunctionCall call;
  int64_t rows = 0;
  int key = -1;  // columns of the input, BIGINT or TIMESTAMP, of one type
  int bound = -1;
};

/// Output: input columns, then one column per call. REQUIRES: the rows of each partition come in
/// the order of the calls, keys ascending.
class RollingWindowNode final : public PlanNode {
 public:
  RollingWindowNode(PlanProperties properties, PlanPtr input, std::vector<int> partition_by,
                    std::vector<RollingCall> calls)
      : PlanNode(std::move(properties), {std::move(input)}),
        partition_by(std::move(partition_by)),
        calls(std::move(calls)) {}
  const char* name() const override { return "rolling_window"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> FilterPlaces(size_t input) const override;

  const std::vector<int> partition_by;
  const std::vector<RollingCall> calls;
};

Result<PlanPtr> MakeRollingWindowNode(PlanPtr input, std::vector<int> partition_by,
                                      std::vector<RollingCall> calls);

/// Whether the window operator can run a bound call with OVER this way: an aggregate over ROWS (or
/// TRAILING) that end with the current row, or last_value(… IGNORE NULLS) over such ROWS. Sliding
/// frames of aggregates whose states grow with their rows are left to framed_window.
bool CanRoll(const Expression& call);

/// median(x) or quantile_cont(x, literal) of BIGINT, DOUBLE or TIMESTAMP: the values of the frame
/// are kept in their order.
bool IsRollingQuantile(const FunctionCall& call);

/// min(x) or max(x) of BIGINT, DOUBLE or TIMESTAMP.
bool IsRollingExtreme(const FunctionCall& call);

}  // namespace headrace
