// The step function. Every stage has one slot for the item it is working on; the deepest full slot
// goes first, so a chain holds at most one item per stage.
#include "headrace/exec/driver.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "headrace/base/check.h"
#include "headrace/exec/stopwatch.h"
#include "headrace/memory/pool.h"

namespace headrace {
namespace {

/// Ordinals of what an operator gives out of its Finish: after every split.
constexpr int64_t kFinishSplit = std::numeric_limits<int64_t>::max();

}  // namespace

Driver::Driver(Parts parts)
    : parts_(std::move(parts)), stages_(num_stages()), ports_(parts_.inputs.size()) {
  HEADRACE_CHECK(parts_.output != nullptr || !parts_.operators.empty(),
                 "a pipeline without operators needs an output");
}

Result<Driver::Step> Driver::RunStep() {
  ARROW_ASSIGN_OR_RAISE(Step step, RunAnyStage());
  if (step == Step::kDone && parts_.on_done) ARROW_RETURN_NOT_OK(parts_.on_done());
  return step;
}

Result<Driver::Step> Driver::RunAnyStage() {
  for (size_t index = num_stages(); index-- > 0;) {
    if (stages_[index].pending != Slot::kNothing) return RunStage(index);
  }
  if (ended_split_.has_value()) return EndOperators();
  for (size_t index = 0; index < num_stages(); ++index) {
    Stage& stage = stages_[index];
    if (stage.upstream_done && !stage.done) {
      stage.pending = Slot::kFinish;
      stage.ordinal = FinishOrdinal();
      return RunStage(index);
    }
  }
  if (stages_.back().done) return Step::kDone;
  return Pull();
}

Result<Driver::Step> Driver::Pull() {
  if (AdvanceIdlePort()) return Step::kProgress;
  const int wanted = many_ports() ? parts_.operators[0]->Wants() : 0;
  if (wanted >= 0) return PullFrom(wanted);
  const int ports = static_cast<int>(ports_.size());
  for (int i = 0; i < ports; ++i) {
    const int port = (Operator::RatherPort(wanted) + i) % ports;
    if (ports_[static_cast<size_t>(port)].done) continue;
    ARROW_ASSIGN_OR_RAISE(const Step step, PullFrom(port));
    if (step != Step::kBlocked) return step;
  }
  return Step::kBlocked;
}

Result<Driver::Step> Driver::PullFrom(int port) {
  HEADRACE_CHECK(port >= 0 && static_cast<size_t>(port) < ports_.size() &&
                     !ports_[static_cast<size_t>(port)].done,
                 "an operator wants a port that has ended");
  ARROW_ASSIGN_OR_RAISE(InputItem item, parts_.inputs[static_cast<size_t>(port)]->Next());
  Stage& first = stages_[0];
  first.port = port;
  if (auto* batch = std::get_if<Batch>(&item)) {
    SetIdle(port, false);
    first.ordinal = OrdinalOf(*batch);
    if (!parts_.reads_parts) batch->set_ordinal(first.ordinal);
    first.batch = std::move(*batch);
    first.pending = Slot::kBatch;
    first.fed = true;
    if (!parts_.metrics.empty()) {
      parts_.metrics[0]->rows_in.fetch_add(first.batch.num_rows(), std::memory_order_relaxed);
    }
  } else if (auto* watermark = std::get_if<Watermark>(&item)) {
    AdvancePort(port, *watermark);
  } else if (auto* idleness = std::get_if<Idleness>(&item)) {
    SetIdle(port, idleness->is_idle);
  } else if (auto* ended = std::get_if<SplitEnded>(&item)) {
    ended_split_ = parts_.split_base + ended->split;
    next_ended_ = 0;
    if (parts_.renewals.empty()) return EndOperators();
  } else if (std::holds_alternative<Pending>(item)) {
    return Step::kBlocked;
  } else if (auto* wanted = std::get_if<MemoryWanted>(&item)) {
    return FindMemory(wanted->bytes, 0);
  } else {
    ports_[static_cast<size_t>(port)] = {.done = true};
    TellIdleness();
    if (many_ports()) {
      first.pending = Slot::kFinish;
      first.ordinal = {parts_.split_base, 0};
    } else {
      first.upstream_done = true;
    }
  }
  return Step::kProgress;
}

void Driver::AdvancePort(int port, Watermark watermark) {
  ports_[static_cast<size_t>(port)].watermark = watermark;
  Stage& first = stages_[0];
  first.port = port;
  first.watermark = watermark;
  first.pending = Slot::kWatermark;
}

void Driver::SetIdle(int port, bool is_idle) {
  if (ports_[static_cast<size_t>(port)].idle == is_idle) return;
  ports_[static_cast<size_t>(port)].idle = is_idle;
  TellIdleness();
}

/// Items are pulled when no stage has one in work, so the output may be told at once.
void Driver::TellIdleness() {
  bool any_idle = false;
  bool any_active = false;
  for (const Port& port : ports_) {
    any_idle = any_idle || port.idle;
    any_active = any_active || (!port.idle && !port.done);
  }
  const bool is_idle = any_idle && !any_active;
  if (is_idle == is_idle_) return;
  is_idle_ = is_idle;
  if (parts_.output != nullptr) parts_.output->SetIdle(is_idle);
}

/// An operator waits for the watermarks of all its ports. That of an idle one is the least of the
/// others, or while all are idle the greatest of all; rows that it gives later are late where they
/// lie before it.
bool Driver::AdvanceIdlePort() {
  Watermark bound{is_idle_ ? Watermark::kNone : Watermark::kEnd};
  for (const Port& port : ports_) {
    if (port.done) continue;
    if (is_idle_) bound = std::max(bound, port.watermark);
    if (!is_idle_ && !port.idle) bound = std::min(bound, port.watermark);
  }
  for (size_t port = 0; port < ports_.size(); ++port) {
    if (!ports_[port].idle || ports_[port].watermark >= bound) continue;
    AdvancePort(static_cast<int>(port), bound);
    return true;
  }
  return false;
}

/// Ports merge into one sequence.
Ordinal Driver::OrdinalOf(const Batch& batch) {
  if (parts_.one_split) return {parts_.split_base, next_batch_++};
  if (many_ports()) return {parts_.split_base, 0};
  return {parts_.split_base + batch.ordinal().split, batch.ordinal().seq};
}

Ordinal Driver::FinishOrdinal() const {
  return {parts_.one_split ? parts_.split_base : kFinishSplit, 0};
}

void Driver::FinishOutput() {
  if (parts_.one_split) parts_.output->EndSplit(parts_.split_base);
  for (int64_t split : cut_splits_) EndSplit(split);
  parts_.output->Finish();
}

/// Operators that are made anew for each split give what they hold of the one that has ended, those
/// in front first.
Result<Driver::Step> Driver::EndOperators() {
  for (; next_ended_ < parts_.renewals.size(); ++next_ended_) {
    Stage& stage = stages_[next_ended_];
    if (parts_.renewals[next_ended_] == nullptr || !stage.fed || stage.done) continue;
    stage.pending = Slot::kFinish;
    stage.port = 0;
    stage.ordinal = {*ended_split_, 0};
    return RunStage(next_ended_);
  }
  if (!parts_.one_split) EndSplit(*ended_split_);
  ended_split_.reset();
  return Step::kProgress;
}

void Driver::EndSplit(int64_t split) {
  for (Stage& stage : stages_) stage.next_seq.erase(split);
  if (parts_.output != nullptr) parts_.output->EndSplit(split);
}

Result<Driver::Step> Driver::RunStage(size_t index) {
  Stage& stage = stages_[index];
  if (index == parts_.operators.size()) return RunOutput(stage);
  Out out;
  ARROW_ASSIGN_OR_RAISE(Flow flow, CallOperator(index, out));
  ARROW_RETURN_NOT_OK(Forward(index, out));
  switch (flow.kind) {
    case Flow::Kind::kNeedInput:
      ARROW_RETURN_NOT_OK(CompleteCall(index));
      return Step::kProgress;
    case Flow::Kind::kMoreOutput:
      return Step::kProgress;
    case Flow::Kind::kBlocked:
      return Step::kBlocked;
    case Flow::Kind::kFinished:
      CloseUpTo(index);
      return Step::kProgress;
    case Flow::Kind::kNeedMemory:
      break;
  }
  return FindMemory(flow.bytes, index);
}

Result<Driver::Step> Driver::FindMemory(int64_t bytes, size_t stage) {
  bytes_wanted_ = bytes;
  memory_stage_ = stage;
  ARROW_ASSIGN_OR_RAISE(int64_t freed, Reclaim(bytes));
  return freed > 0 ? Step::kProgress : Step::kNeedMemory;
}

Result<Flow> Driver::CallOperator(size_t index, Out& out) {
  Stage& stage = stages_[index];
  Operator& op = *parts_.operators[index];
  PoolLabel label(parts_.budgets[index]->name().c_str());
  const Stopwatch stopwatch(parts_.metrics[index]->busy_micros);
  switch (stage.pending) {
    case Slot::kBatch:
      return op.Push(stage.port, stage.batch, out);
    case Slot::kWatermark:
      return op.Advance(stage.port, stage.watermark, out);
    default:
      return op.Finish(stage.port, out);
  }
}

Status Driver::Forward(size_t index, Out& out) {
  Stage& next = stages_[index + 1];
  if (auto batch = out.TakeBatch()) {
    OperatorMetrics& metrics = *parts_.metrics[index];
    metrics.rows_out.fetch_add(batch->num_rows(), std::memory_order_relaxed);
    HEADRACE_CHECK(index + 1 < parts_.operators.size() || parts_.output != nullptr,
                   "a breaker gave rows");
    StampOrdinal(stages_[index], *batch);
    next.ordinal = batch->ordinal();
    next.batch = std::move(*batch);
    next.pending = Slot::kBatch;
    next.fed = true;
    if (index + 1 < parts_.operators.size()) {
      OperatorMetrics& of_next = *parts_.metrics[index + 1];
      of_next.rows_in.fetch_add(next.batch.num_rows(), std::memory_order_relaxed);
    }
  } else if (auto watermark = out.TakeWatermark()) {
    next.watermark = *watermark;
    next.pending = Slot::kWatermark;
  }
  next.port = 0;
  return Status::OK();
}

void Driver::StampOrdinal(Stage& stage, Batch& batch) {
  const Ordinal& in = stage.ordinal;
  int64_t& next = stage.next_seq[in.split];
  next = std::max(next, in.seq);
  batch.set_ordinal({in.split, next++});
}

Status Driver::CompleteCall(size_t index) {
  Stage& stage = stages_[index];
  const bool finished = stage.pending == Slot::kFinish;
  stage.pending = Slot::kNothing;
  stage.batch = Batch();
  if (!finished) return Status::OK();
  if (ended_split_.has_value()) {
    stage.fed = false;
    return parts_.renewals[index]().Value(&parts_.operators[index]);
  }
  if (index == 0 && many_ports()) {
    for (const Port& port : ports_) {
      if (!port.done) return Status::OK();
    }
  }
  stage.done = true;
  if (index + 1 < num_stages()) stages_[index + 1].upstream_done = true;
  return Status::OK();
}

void Driver::CloseUpTo(size_t index) {
  for (auto& input : parts_.inputs) {
    const std::optional<int64_t> cut = input->Close();
    if (cut.has_value() && !parts_.one_split) cut_splits_.push_back(parts_.split_base + *cut);
  }
  for (size_t at = 0; at <= index; ++at) {
    stages_[at].pending = Slot::kNothing;
    stages_[at].batch = Batch();
    stages_[at].done = true;
  }
  if (index + 1 < num_stages()) {
    stages_[index + 1].upstream_done = true;
  }
}

Result<Driver::Step> Driver::RunOutput(Stage& stage) {
  if (parts_.output == nullptr) {  // the breaker before has finished
    HEADRACE_CHECK(stage.pending != Slot::kBatch, "a breaker gave rows");
    if (stage.pending == Slot::kFinish) stage.done = true;
    stage.pending = Slot::kNothing;
    return stage.done ? Step::kDone : Step::kProgress;
  }
  if (stage.pending == Slot::kBatch) {
    ARROW_ASSIGN_OR_RAISE(Flow flow, parts_.output->Push(stage.batch));
    if (flow.kind == Flow::Kind::kBlocked) return Step::kBlocked;
    if (flow.kind == Flow::Kind::kMoreOutput) return Step::kProgress;
    if (flow.kind == Flow::Kind::kFinished) {
      CloseUpTo(num_stages() - 1);
      FinishOutput();
      return Step::kDone;
    }
  } else if (stage.pending == Slot::kWatermark) {
    parts_.output->Advance(stage.watermark);
  } else {
    FinishOutput();
    stage.done = true;
  }
  stage.pending = Slot::kNothing;
  stage.batch = Batch();
  return stage.done ? Step::kDone : Step::kProgress;
}

bool Driver::idle() const {
  for (const Stage& stage : stages_) {
    if (stage.pending != Slot::kNothing) return false;
  }
  return true;
}

Status Driver::OverLimit() const { return parts_.budgets[memory_stage_]->OverLimit(bytes_wanted_); }

Result<int64_t> Driver::Reclaim(int64_t bytes) {
  int64_t freed = 0;
  for (size_t index = 0; index < parts_.operators.size() && freed < bytes; ++index) {
    PoolLabel label(parts_.budgets[index]->name().c_str());
    ARROW_ASSIGN_OR_RAISE(int64_t more, parts_.operators[index]->Reclaim(bytes - freed));
    freed += more;
  }
  return freed;
}

}  // namespace headrace
