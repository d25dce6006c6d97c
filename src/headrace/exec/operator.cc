// Defaults of the operator contract.
#include "headrace/exec/operator.h"

#include "headrace/base/check.h"
#include "headrace/base/limits.h"

namespace headrace {

void Out::Emit(Batch batch) {
  HEADRACE_CHECK(empty(), "an operator emitted two items in one call");
  HEADRACE_DCHECK(batch.physical_rows() <= kBatchRowsMax, "a batch is too long");
  if (batch.num_rows() > 0) batch_ = std::move(batch);
}

void Out::EmitWatermark(Watermark watermark) {
  HEADRACE_CHECK(empty(), "an operator emitted two items in one call");
  watermark_ = watermark;
}

Status GlobalState::Seal(const OperatorContext&) { return Status::OK(); }

Result<int64_t> GlobalState::Reclaim(int64_t) { return 0; }

Result<Flow> Operator::Advance(int, Watermark watermark, Out& out) {
  out.EmitWatermark(watermark);
  return Flow::NeedInput();
}

Result<Flow> Operator::Finish(int, Out&) { return Flow::NeedInput(); }

Status Operator::Combine(GlobalState&) { return Status::OK(); }

Result<int64_t> Operator::Reclaim(int64_t) { return 0; }

Status Operator::Save(StateWriter&) { return Status::OK(); }

Status Operator::Load(StateReader&) { return Status::OK(); }

Status Operator::Keep(const OperatorContext& context) {
  context_ = context;
  return Status::OK();
}

std::pair<int, int> KeyGroupsOfLane(int lane, int lanes) {
  auto first = [lanes](int l) { return (l * kKeyGroups + lanes - 1) / lanes; };
  return {first(lane), first(lane + 1)};
}

int LaneOfKeyGroup(int key_group, int lanes) { return key_group * lanes / kKeyGroups; }

}  // namespace headrace
