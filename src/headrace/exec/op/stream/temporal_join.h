// Temporal join: rows of a stream with the version of a table that was valid at their time.
#pragma once

#include <memory>
#include <string>

#include "headrace/exec/operator.h"
#include "headrace/plan/temporal_join.h"

namespace headrace {

/// Port 0 is the stream, port 1 the versions. Each lane owns its key groups: both inputs are
/// exchanged by the hash of their keys. A row waits until the watermark of the versions has passed
/// its time; rows and versions behind the watermark of their own input are late: dropped, and
/// counted in metrics.late_rows. A version goes when a newer one is not after both watermarks. Both
/// sides are saved by key group; state over the budget is kMemoryLimit. Watermarks are passed on as
/// what can be promised of the left times.
class TemporalJoinSpec final : public OperatorSpec {
 public:
  TemporalJoinSpec(SchemaPtr left, SchemaPtr right, JoinKind kind, TemporalTerms terms)
      : left(std::move(left)), right(std::move(right)), kind(kind), terms(std::move(terms)) {}
  std::string name() const override { return "temporal_join"; }
  std::string Describe() const override;
  int num_ports() const override { return 2; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr left;
  const SchemaPtr right;
  const JoinKind kind;
  const TemporalTerms terms;
};

}  // namespace headrace
