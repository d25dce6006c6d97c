// Lowering: the building blocks, and the table of node kinds.
#include "headrace/exec/physical.h"

#include <algorithm>

#include "headrace/base/check.h"
#include "headrace/exec/op/lower.h"

namespace headrace {

namespace {

/// Memory that a lane is to have for the rows of its partitions; with less of it one lane runs all.
constexpr int64_t kPartitionLaneBytes = int64_t{16} << 20;

}  // namespace

Status Lowering::Lower(const PlanNode& node, RowsRead read) {
  rows_read_ = std::move(read);
  for (const LoweringRow& row : AllLowerings()) {
    if (std::string_view(row.node) == node.name()) return row.lower(node, *this);
  }
  return Error(ErrorKind::kUnsupported, "no operator runs the plan node {}", node.name());
}

PhysicalPipeline& Lowering::OpenOne() {
  open_.clear();
  whole_.clear();
  has_partitions_ = false;
  return open_.emplace_back();
}

// What the node above asks for of these columns is asked for too, if that is anything.
Status Lowering::LowerWhole(const PlanNode& node, const std::vector<int>& columns) {
  RowsRead read;
  for (const int column : rows_read_.whole) {
    if (std::find(columns.begin(), columns.end(), column) != columns.end()) {
      read.whole.push_back(column);
    }
  }
  if (read.whole.empty()) read.whole = columns;
  return Lower(node, std::move(read));
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
  PhysicalPipeline& open = OpenOne();
  open.lanes = std::clamp(splits, 1, options_.lanes);
  open.inputs.push_back(std::move(input));
  ordered_ = scan.properties().boundedness == Boundedness::kBounded;
  return Status::OK();
}

void Lowering::Append(OperatorSpecPtr spec, std::shared_ptr<GlobalState> global) {
  whole_.clear();
  for (PhysicalPipeline& open : open_) {
    open.operators.push_back({spec, global, next_operator_++});
  }
}

void Lowering::AppendInPlace(OperatorSpecPtr spec) {
  std::vector<int> whole = std::move(whole_);
  Append(std::move(spec));
  whole_ = std::move(whole);
}

void Lowering::AppendByPartition(const std::vector<int>& columns, OperatorSpecPtr spec) {
  const bool are_whole = !whole_.empty() && std::all_of(whole_.begin(), whole_.end(), [&](int of) {
    return std::find(columns.begin(), columns.end(), of) != columns.end();
  });
  const bool on_lanes = are_whole && LanesOf(kPartitionLaneBytes) == options_.lanes;
  if (!on_lanes) Serialize();
  const bool per_split = !is_serial();
  if (!per_split && has_partitions_) StartBeside();
  has_partitions_ = true;
  AppendInPlace(std::move(spec));
  if (per_split) open_.front().operators.back().per_split = true;
}

/// Moves the open pipelines into the plan; gives the number of the last one.
int Lowering::AddOpenPipelines() {
  // Splits of one pipeline are numbered below this.
  constexpr int kSplitBits = 40;
  const bool many = open_.size() > 1;
  for (size_t i = 0; i < open_.size(); ++i) {
    PhysicalPipeline& open = open_[i];
    open.split_base = static_cast<int64_t>(i) << kSplitBits;
    open.one_split = many && open.lanes == 1 && ordered_;
    const int number = static_cast<int>(plan_.pipelines.size());
    if (open.after_previous) open.waits_for.push_back(number - 1);
    plan_.pipelines.push_back(std::move(open));
  }
  open_.clear();
  return static_cast<int>(plan_.pipelines.size()) - 1;
}

int Lowering::EndInChannel(int readers, std::vector<int> hash_keys) {
  ChannelSpec channel;
  channel.writers = 0;
  const int id = static_cast<int>(plan_.channels.size());
  bool any_parallel = false;
  for (PhysicalPipeline& open : open_) {
    open.first_writer = channel.writers;
    open.output_channel = id;
    open.hash_keys = hash_keys;
    channel.writers += open.lanes;
    any_parallel = any_parallel || open.lanes > 1;
  }
  const bool order_by_splits = ordered_ && readers == 1 && any_parallel;
  channel.order = order_by_splits ? ChannelOrder::kSplits : ChannelOrder::kArrival;
  channel.readers = readers;
  channel.bytes_max = options_.queue_bytes;
  plan_.channels.push_back(channel);
  AddOpenPipelines();
  return id;
}

bool Lowering::ReadBackwards() {
  if (open_.size() != 1 || open_.front().inputs.size() != 1) return false;
  PhysicalPipeline& open = open_.front();
  PhysicalInput& input = open.inputs.front();
  const bool is_scan = input.kind == PhysicalInput::Kind::kScan && !IsEndless(*input.scan);
  if (!is_scan || !ordered_) return false;
  std::reverse(input.splits.begin(), input.splits.end());
  open.lanes = 1;
  return true;
}

int Lowering::EndInChannel() { return EndInChannel(1, {}); }

void Lowering::Serialize() {
  if (is_serial()) return;
  StartPorts({EndInChannel()}, nullptr);
}

void Lowering::ExchangeByHash(std::vector<int> keys) {
  if (keys.empty()) return Serialize();
  if (options_.lanes == 1) return Serialize();
  const int channel = EndInChannel(options_.lanes, std::move(keys));
  StartPorts({channel}, nullptr);
  open_.front().lanes = options_.lanes;
  ordered_ = false;
}

void Lowering::StartBeside() {
  if (options_.lanes == 1 || !ordered_) return;
  std::vector<int> whole = std::move(whole_);
  StartPorts({EndInChannel()}, nullptr);
  whole_ = std::move(whole);
}

std::shared_ptr<GlobalState> Lowering::EndInBreaker(OperatorSpecPtr build, int* pipeline) {
  std::shared_ptr<GlobalState> state = build->MakeGlobal();
  HEADRACE_CHECK(state != nullptr, "a breaker has a global state");
  EndInBreaker(std::move(build), state, pipeline);
  return state;
}

void Lowering::EndInBreaker(OperatorSpecPtr build, std::shared_ptr<GlobalState> state,
                            int* pipeline) {
  Append(std::move(build), std::move(state));
  *pipeline = AddOpenPipelines();
}

void Lowering::StartParts(std::shared_ptr<GlobalState> state, int breaker_pipeline,
                          OperatorSpecPtr output, int lanes) {
  PhysicalPipeline& open = OpenOne();
  PhysicalInput input;
  input.kind = PhysicalInput::Kind::kParts;
  input.parts = state;
  open.inputs.push_back(std::move(input));
  open.lanes = std::min(lanes, options_.lanes);
  ordered_ = true;
  WaitFor(breaker_pipeline);
  if (output != nullptr) Append(std::move(output), std::move(state));
}

int Lowering::LanesOf(int64_t bytes) const {
  return static_cast<int>(std::clamp<int64_t>(options_.memory_bytes / bytes, 1, options_.lanes));
}

void Lowering::WaitFor(int pipeline) {
  for (PhysicalPipeline& open : open_) open.waits_for.push_back(pipeline);
}

void Lowering::StartPorts(const std::vector<int>& channels, OperatorSpecPtr spec) {
  PhysicalPipeline& open = OpenOne();
  for (int channel : channels) {
    PhysicalInput input;
    input.kind = PhysicalInput::Kind::kChannel;
    input.channel = channel;
    open.inputs.push_back(std::move(input));
  }
  if (spec == nullptr) return;
  ordered_ = true;
  Append(std::move(spec));
}

int Lowering::EndInExchange(std::vector<int> keys) {
  return options_.lanes == 1 ? EndInChannel() : EndInChannel(options_.lanes, std::move(keys));
}

void Lowering::StartExchangedPorts(const std::vector<int>& channels, OperatorSpecPtr spec) {
  StartPorts(channels, std::move(spec));
  open_.front().lanes = options_.lanes;
  ordered_ = options_.lanes == 1;
}

Lowering::OpenSet Lowering::TakeOpen() { return {std::exchange(open_, {}), ordered_}; }

void Lowering::OpenAlso(OpenSet before, bool in_turn) {
  for (PhysicalPipeline& open : open_) {
    open.after_previous = open.after_previous || (in_turn && !before.pipelines.empty());
    before.pipelines.push_back(std::move(open));
  }
  open_ = std::move(before.pipelines);
  ordered_ = ordered_ && before.ordered;
  whole_.clear();
}

int Lowering::MarkOpen() {
  const int mark = next_mark_++;
  for (PhysicalPipeline& open : open_) open.marks.push_back(mark);
  return mark;
}

void Lowering::WaitForMark(int mark) {
  for (PhysicalPipeline& open : open_) open.waits_for_marks.push_back(mark);
}

Status Lowering::LowerUnion(const std::vector<PlanPtr>& inputs) {
  OpenSet before;
  bool all_end = true;
  for (const PlanPtr& input : inputs) {
    all_end = all_end && input->properties().boundedness == Boundedness::kBounded;
  }
  for (const PlanPtr& input : inputs) {
    ARROW_RETURN_NOT_OK(Lower(*input));
    OpenAlso(std::move(before), all_end);
    before = TakeOpen();
  }
  open_ = std::move(before.pipelines);
  ordered_ = before.ordered && all_end;
  return Status::OK();
}

/// Waiting for a mark becomes waiting for the pipelines that have it.
void Lowering::ResolveMarks() {
  for (PhysicalPipeline& waiting : plan_.pipelines) {
    for (int mark : waiting.waits_for_marks) {
      for (size_t i = 0; i < plan_.pipelines.size(); ++i) {
        const std::vector<int>& marks = plan_.pipelines[i].marks;
        if (std::find(marks.begin(), marks.end(), mark) == marks.end()) continue;
        waiting.waits_for.push_back(static_cast<int>(i));
      }
    }
  }
}

Result<PhysicalPlan> Lowering::Finish(PlanPtr plan) {
  plan_.result_channel = EndInChannel();
  ResolveMarks();
  plan_.logical = std::move(plan);
  return std::move(plan_);
}

Result<PhysicalPlan> LowerPlan(PlanPtr plan, const LoweringOptions& options) {
  Lowering lowering(options);
  ARROW_RETURN_NOT_OK(lowering.Lower(*plan));
  return lowering.Finish(std::move(plan));
}

}  // namespace headrace
