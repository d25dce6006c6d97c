// Windows over the last rows of a stream: how many rows or how much time they keep.
#include <algorithm>
#include <optional>

#include "arrow/type.h"
#include "headrace/expression/bind.h"
#include "headrace/plan/call_reach.h"
#include "headrace/plan/interval_bounds.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/placed_window.h"
#include "headrace/plan/row_buffer.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

/// n of lag(x, n), where it is no other function.
std::optional<int64_t> LagOf(const Expression& call) {
  const bool is_lag = call.function->id == std::string_view("lag") && !call.ignore_nulls;
  return is_lag ? RowsAway(FoldedArgs(call)) : std::nullopt;
}

/// How far back a frame of a stream reaches.
struct FrameReach {
  int64_t rows = 0;                    // with the row itself
  std::optional<int64_t> keep_micros;  // of a frame of RANGE
};

Result<FrameReach> ReachOf(const Expression& call) {
  if (const std::optional<int64_t> offset = LagOf(call))
    return FrameReach{*offset + 1, std::nullopt};
  const WindowFrame& frame = WindowOf(call).frame;
  const bool has_start = frame.start.kind == FrameBound::Kind::kPreceding ||
                         frame.start.kind == FrameBound::Kind::kCurrentRow;
  const bool sees_frame =
      call.function->kind == FunctionKind::kAggregate || call.overload->window->needs_frame;
  if (LooksBack(frame) && has_start && sees_frame) {
    if (frame.unit == FrameUnit::kRows) return FrameReach{frame.start.count + 1, std::nullopt};
    if (frame.unit != FrameUnit::kGroups && frame.start.value != nullptr) {
      const std::optional<int64_t> micros = MicrosBefore(*frame.start.value);
      if (micros.has_value()) return FrameReach{0, micros};
    }
  }
  return WithSpan(
      Error(ErrorKind::kUnsupported,
            "over a stream a frame has a beginning and sees no later rows: ROWS BETWEEN "
            "10 PRECEDING AND CURRENT ROW, or RANGE BETWEEN INTERVAL '1' MINUTE "
            "PRECEDING AND CURRENT ROW; rank, lead and their kin take ROWS WINDOW "
            "BUFFER n ROWS: {}",
            ToString(call)),
      call.span);
}

/// The frame within the rows in front of a row, where that is what it sees of its buffer.
void Narrow(int64_t rows, WindowFrame* frame) {
  if (frame->unit != FrameUnit::kRows) return;
  if (frame->end.kind > FrameBound::Kind::kCurrentRow) {
    frame->end = {FrameBound::Kind::kCurrentRow, 0, nullptr};
  }
  if (frame->start.kind == FrameBound::Kind::kUnboundedPreceding) {
    frame->start = {FrameBound::Kind::kPreceding, rows - 1, nullptr};
  } else if (frame->start.kind == FrameBound::Kind::kPreceding) {
    frame->start.count = std::min(frame->start.count, rows - 1);
  }
}

bool IsTimestamp(const PlanNode& plan, int column) {
  return PlainType(plan.schema()->field(column)->type())->id() == arrow::Type::TIMESTAMP;
}

/// In which order the rows of `plan` go into their buffers: by one ascending time, else as they
/// come.
Result<PlanPtr> InOrderOfTime(PlanPtr plan, RowBufferTerms* terms) {
  const Ordering& order = terms->order;
  const bool by_time =
      order.size() == 1 && !order.front().descending && IsTimestamp(*plan, order.front().column);
  terms->comes_in_order = by_time || order.empty();
  if (!by_time) return plan;
  terms->clock = order.front().column;
  if (!IsEndless(*plan)) {
    if (Satisfies(plan->properties().ordering, order)) return plan;
    return MakeSortNode(std::move(plan), order);
  }
  ARROW_RETURN_NOT_OK(CheckStreamOrder(*plan, order));
  terms->time = order.front().column;
  return plan;
}

Status SetClock(const PlanNode& plan, RowBufferTerms* terms) {
  if (!terms->expire_micros.has_value() || terms->clock >= 0) return Status::OK();
  const std::vector<int> times = plan.EventTimes();
  if (times.empty()) {
    return Error(ErrorKind::kInvalidArgument,
                 "EXPIRE AFTER counts by the event time of a stream, or by the time of ORDER BY, "
                 "and there is none");
  }
  terms->clock = times.front();
  return Status::OK();
}

}  // namespace

Result<PlanPtr> LiftBuffer(PlanPtr plan, std::vector<ExpressionPtr> calls,
                           std::vector<ExpressionPtr>* expressions) {
  const WindowSpec& window = WindowOf(*calls.front());
  RowBufferTerms terms;
  if (window.buffer.has_value()) {
    terms.rows = window.buffer->rows;
    terms.only_full = window.buffer->only_full;
    terms.expire_micros = window.buffer->expire_micros;
  } else {
    ARROW_ASSIGN_OR_RAISE(FrameReach reach, ReachOf(*calls.front()));
    std::erase_if(calls, [&](const ExpressionPtr& call) {
      return WindowOf(*call).frame.unit != window.frame.unit;
    });
    for (const ExpressionPtr& call : calls) {
      ARROW_ASSIGN_OR_RAISE(const FrameReach other, ReachOf(*call));
      reach.rows = std::max(reach.rows, other.rows);
      if (other.keep_micros > reach.keep_micros) reach.keep_micros = other.keep_micros;
    }
    terms.rows = reach.rows;
    terms.keep_micros = reach.keep_micros;
  }
  ARROW_ASSIGN_OR_RAISE(PlacedWindow placed, PlaceWindow(std::move(plan), calls));
  terms.partition_by = std::move(placed.partition_by);
  terms.order = std::move(placed.order);
  ARROW_ASSIGN_OR_RAISE(plan, InOrderOfTime(std::move(placed.plan), &terms));
  ARROW_RETURN_NOT_OK(SetClock(*plan, &terms));
  std::vector<FramedCall> made;
  for (const ExpressionPtr& call : calls) {
    made.push_back(OverColumns(*call, *plan, &placed.columns));
    const bool sees_frame =
        call->function->kind == FunctionKind::kAggregate || call->overload->window->needs_frame;
    if (terms.comes_in_order && terms.rows > 0 && sees_frame) {
      Narrow(terms.rows, &made.back().frame);
    }
  }
  const int first = plan->schema()->num_fields();
  ARROW_ASSIGN_OR_RAISE(plan,
                        MakeRowBufferNode(std::move(plan), std::move(terms), std::move(made)));
  ARROW_RETURN_NOT_OK(ReplaceCalls(*plan, calls, first, expressions));
  return plan;
}

}  // namespace headrace
