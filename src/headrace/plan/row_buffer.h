// The node of row buffers: calls over the last rows of each partition, of inputs that end or not.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/plan/node.h"

namespace headrace {

/// Which rows a row sees, itself the last of them: those of its partition that came before it, at
/// most `rows` with itself.
struct RowBufferTerms {
  std::vector<int> partition_by;
  int64_t rows = 1;  // 0: no limit; then `keep_micros` is one
  /// Rows further back than this from the newest of their partition are in no frame. Needs `time`.
  std::optional<int64_t> keep_micros;
  /// A timestamp column: rows are taken in its order, once the watermark says that no earlier one
  /// follows; rows behind the watermark are late, and rows without a time are dropped. −1: rows are
  /// taken as they come.
  int time = -1;
  /// How the rows that a row sees are sorted for its calls; empty: as they were taken.
  Ordering order;
  bool comes_in_order = false;  // rows are taken in `order`
  bool only_full = false;       // rows that see fewer than `rows` are not given
  /// After a longer pause of a partition its rows are forgotten. Needs `clock`, a timestamp column.
  std::optional<int64_t> expire_micros;
  int clock = -1;
};

/// Output: input columns, then one column per call, of the row itself. Rows are given in the order
/// in which they are taken.
class RowBufferNode final : public PlanNode {
 public:
  RowBufferNode(PlanProperties properties, PlanPtr input, RowBufferTerms terms,
                std::vector<FramedCall> calls)
      : PlanNode(std::move(properties), {std::move(input)}),
        terms(std::move(terms)),
        calls(std::move(calls)) {}
  const char* name() const override { return "row_buffer"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> EventTimes() const override;
  std::string DescribeState() const override;

  const RowBufferTerms terms;
  const std::vector<FramedCall> calls;
};

Result<PlanPtr> MakeRowBufferNode(PlanPtr input, RowBufferTerms terms,
                                  std::vector<FramedCall> calls);

/// Whether no call sees more of its partition than frames of it, or a row at most `rows` − 1 in
/// front: then one run over a partition gives what the buffers of its rows would. (0: no limit.)
bool FramesSlide(const std::vector<FramedCall>& calls, int64_t rows);

}  // namespace headrace
