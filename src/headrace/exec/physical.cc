// Lowering: the building blocks, and the table of node kinds.
#include "headrace/exec/physical.h"

#include <algorithm>

#include "headrace/base/check.h"
#include "headrace/exec/op/lower.h"

namespace headrace {

Status Lowering::Lower(const PlanNode& node) {
  for (const LoweringRow& row : AllLowerings()) {
    if (std::string_view(row.node) == node.name()) return row.lower(node, *this);
  }
  return Error(ErrorKind::kUnsupported, "no operator runs the plan node {}", node.name());
}

Status Lowering::StartScan(const ScanNode& scan) {
  PhysicalInput input;
  input.kind = PhysicalInput::Kind::kScan;
  input.scan = &scan;
  input.scan_id = next_scan_++;
  input.request = scan.request;
  input.request.batch_rows = options_.batch_rows;
  input.request.batch_bytes = options_.batch_bytes;
  ARROW_ASSIGN_OR_RAISE(input.splits, scan.source->Splits(input.request));
  const int splits = static_cast<int>(std::min<size_t>(input.splits.size(), 1 << 20));
  open_ = PhysicalPipeline();
  open_.lanes = std::clamp(splits, 1, options_.lanes);
  open_.inputs.push_back(std::move(input));
  ordered_ = scan.properties().boundedness == Boundedness::kBounded;
  return Status::OK();
}

void Lowering::Append(OperatorSpecPtr spec, std::shared_ptr<GlobalState> global) {
  open_.operators.push_back({std::move(spec), std::move(global), next_operator_++});
}

int Lowering::EndInChannel(int readers, std::vector<int> hash_keys) {
  ChannelSpec channel;
  const bool order_by_splits = ordered_ && readers == 1 && open_.lanes > 1;
  channel.order = order_by_splits ? ChannelOrder::kSplits : ChannelOrder::kArrival;
  channel.writers = open_.lanes;
  channel.readers = readers;
  channel.bytes_max = options_.queue_bytes;
  const int id = static_cast<int>(plan_.channels.size());
  plan_.channels.push_back(channel);
  open_.output_channel = id;
  open_.hash_keys = std::move(hash_keys);
  plan_.pipelines.push_back(std::move(open_));
  open_ = PhysicalPipeline();
  return id;
}

int Lowering::EndInChannel() { return EndInChannel(1, {}); }

void Lowering::Serialize() {
  if (open_.lanes == 1) return;
  const int channel = EndInChannel();
  PhysicalInput input;
  input.kind = PhysicalInput::Kind::kChannel;
  input.channel = channel;
  open_.inputs.push_back(std::move(input));
}

void Lowering::ExchangeByHash(std::vector<int> keys) {
  if (keys.empty()) return Serialize();
  if (options_.lanes == 1) return;
  const int channel = EndInChannel(options_.lanes, std::move(keys));
  PhysicalInput input;
  input.kind = PhysicalInput::Kind::kChannel;
  input.channel = channel;
  open_.inputs.push_back(std::move(input));
  open_.lanes = options_.lanes;
  ordered_ = false;
}

std::shared_ptr<GlobalState> Lowering::EndInBreaker(OperatorSpecPtr build, int* pipeline) {
  std::shared_ptr<GlobalState> state = build->MakeGlobal();
  HEADRACE_CHECK(state != nullptr, "a breaker has a global state");
  Append(std::move(build), state);
  *pipeline = static_cast<int>(plan_.pipelines.size());
  plan_.pipelines.push_back(std::move(open_));
  open_ = PhysicalPipeline();
  return state;
}

void Lowering::StartParts(std::shared_ptr<GlobalState> state, int breaker_pipeline,
                          OperatorSpecPtr output, int lanes) {
  open_ = PhysicalPipeline();
  PhysicalInput input;
  input.kind = PhysicalInput::Kind::kParts;
  input.parts = state;
  open_.inputs.push_back(std::move(input));
  open_.lanes = std::min(lanes, options_.lanes);
  ordered_ = true;
  WaitFor(breaker_pipeline);
  Append(std::move(output), std::move(state));
}

void Lowering::WaitFor(int pipeline) { open_.waits_for.push_back(pipeline); }

void Lowering::StartPorts(const std::vector<int>& channels, OperatorSpecPtr spec) {
  open_ = PhysicalPipeline();
  for (int channel : channels) {
    PhysicalInput input;
    input.kind = PhysicalInput::Kind::kChannel;
    input.channel = channel;
    open_.inputs.push_back(std::move(input));
  }
  ordered_ = true;
  Append(std::move(spec));
}

Result<PhysicalPlan> Lowering::Finish(PlanPtr plan) {
  plan_.result_channel = EndInChannel();
  plan_.logical = std::move(plan);
  return std::move(plan_);
}

Result<PhysicalPlan> LowerPlan(PlanPtr plan, const LoweringOptions& options) {
  Lowering lowering(options);
  ARROW_RETURN_NOT_OK(lowering.Lower(*plan));
  return lowering.Finish(std::move(plan));
}

}  // namespace headrace
