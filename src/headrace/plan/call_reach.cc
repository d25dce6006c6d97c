// By the kind of the function, its frame and its arguments.
#include "headrace/plan/call_reach.h"

#include <string_view>

#include "arrow/scalar.h"
#include "arrow/type.h"

namespace headrace {
namespace {

/// What looks further looks at whole partitions.
constexpr int64_t kRowsAwayMax = int64_t{1} << 20;

/// What the frame adds to the reach.
void ReachFrame(const WindowFrame& frame, bool has_order, bool has_rest, CallReach* reach) {
  const FrameBound& end = frame.end;
  const bool follows = end.kind == FrameBound::Kind::kFollowing;
  if (has_rest) {
    reach->to_rest = true;
  } else if (end.kind == FrameBound::Kind::kUnboundedFollowing ||
             frame.start.kind == FrameBound::Kind::kUnboundedFollowing ||
             (!has_order && frame.unit != FrameUnit::kRows) ||  // all rows are peers
             (follows && end.count > kRowsAwayMax)) {
    reach->whole_partition = true;
  } else if (frame.unit == FrameUnit::kRows) {
    if (follows) reach->rows_after = end.count;
  } else if (end.value != nullptr || frame.start.value != nullptr) {
    reach->to_value = true;
  } else {
    reach->to_last_peer = true;
    if (follows) reach->peer_groups_after = end.count;
  }
}

/// Of those that need the size of the partition: whether peers behind the row count.
bool NeedsPeers(const FunctionDef& function) {
  return function.id == std::string_view("cume_dist");
}

}  // namespace

std::optional<int64_t> RowsAway(const std::vector<ExpressionPtr>& args) {
  if (args.size() < 2) return 1;
  const Expression& away = *args[1];
  const bool is_count = away.kind == Expression::Kind::kLiteral && away.literal->is_valid &&
                        away.type->id() == arrow::Type::INT64;
  if (!is_count) return std::nullopt;
  const int64_t rows = static_cast<const arrow::Int64Scalar&>(*away.literal).value;
  return rows < 0 ? std::nullopt : std::optional(rows);
}

bool LooksBack(const WindowFrame& frame) {
  return frame.end.kind <= FrameBound::Kind::kCurrentRow &&
         frame.exclusion == FrameExclusion::kNoOthers;
}

CallReach CallReach::Of(const FramedCall& framed, bool has_order, bool has_size, bool has_rest) {
  CallReach reach;
  const WindowFrame& frame = framed.frame;
  const bool is_aggregate = framed.call.function->kind == FunctionKind::kAggregate;
  const WindowKernel* kernel = framed.call.overload->window;
  const WindowReach kind = is_aggregate ? WindowReach::kFrame : kernel->reach;
  const bool excludes_peers =
      frame.exclusion == FrameExclusion::kGroup || frame.exclusion == FrameExclusion::kTies;
  const bool by_size = kind == WindowReach::kPartition && has_size;
  const bool is_endless = frame.start.kind == FrameBound::Kind::kUnboundedPreceding;
  reach.whole_partition = (kind == WindowReach::kPartition && !has_size) ||
                          (framed.call.distinct && is_endless) || framed.ignore_nulls ||
                          (excludes_peers && !has_order);
  reach.to_last_peer =
      excludes_peers || (by_size && has_order && NeedsPeers(*framed.call.function));
  if (kind == WindowReach::kFrame || kind == WindowReach::kFrameEnd) {
    ReachFrame(frame, has_order, has_rest, &reach);
    const bool to_first_row = kind == WindowReach::kFrame && !is_aggregate && is_endless;
    reach.whole_partition = reach.whole_partition || to_first_row;
  }
  if (kind == WindowReach::kBehind || kind == WindowReach::kAhead) {
    const int64_t rows = RowsAway(framed.call.args).value_or(kRowsAwayMax + 1);
    const bool is_near = rows <= kRowsAwayMax;
    reach.whole_partition = reach.whole_partition || !is_near;
    (kind == WindowReach::kAhead ? reach.rows_after : reach.rows_before) = is_near ? rows : 0;
  }
  return reach;
}

}  // namespace headrace
