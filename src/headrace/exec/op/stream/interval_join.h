// Interval join: pairs of rows of two streams with equal keys and times near each other.
#pragma once

#include <memory>
#include <string>

#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"

namespace headrace {

/// Port 0 is the left stream, port 1 the right. Each lane owns its key groups: both inputs are
/// exchanged by the hash of their keys. A row is joined with the rows of the other side that came
/// before it, at once and in the order of their times, and waits for those that may still come:
/// partners of a row are those within the bounds, and no row comes that is behind the watermark of
/// its side by more than the grace. Such rows are late: they are dropped, and counted in
/// metrics.late_rows. So the pairs do not depend on which side is ahead.
///
/// A row of a side that is kept comes without a partner once none can come any more; at once when
/// its key or its time is null. Watermarks are passed on as what rows can still come, of either
/// side's times. Times count in microseconds. Both sides are saved by key group; rows over the
/// budget are kMemoryLimit. Wants() prefers the side that is behind.
class IntervalJoinSpec final : public OperatorSpec {
 public:
  IntervalJoinSpec(SchemaPtr left, SchemaPtr right, JoinKind kind, IntervalTerms terms)
      : left(std::move(left)), right(std::move(right)), kind(kind), terms(std::move(terms)) {}
  std::string name() const override { return "interval_join"; }
  std::string Describe() const override;
  int num_ports() const override { return 2; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr left;
  const SchemaPtr right;
  const JoinKind kind;
  const IntervalTerms terms;
};

}  // namespace headrace
