// Frames by rows, peers and values.
#include "headrace/exec/op/window/window_frames.h"

#include <algorithm>

#include "arrow/array.h"
#include "arrow/type.h"

namespace headrace {

int64_t WindowSegment::FirstGroupOf(int64_t partition) const {
  if (partition == 0) return -cut.peer_groups;
  const int64_t begin = partitions[static_cast<size_t>(partition)];
  return std::lower_bound(peers.begin(), peers.end(), begin) - peers.begin();
}

PartitionCut WindowSegment::CutAt(int64_t row) const {
  const auto run_of = [row](const RunBegins& begins) {
    return std::upper_bound(begins.begin(), begins.end(), row) - begins.begin() - 1;
  };
  const int64_t partition = run_of(partitions);
  const int64_t group = run_of(peers);
  return {row - partitions[static_cast<size_t>(partition)], row - peers[static_cast<size_t>(group)],
          group - FirstGroupOf(partition)};
}

Result<std::optional<FrameCursor::Values>> FrameCursor::ValuesOf(const FrameBound& bound,
                                                                 const Ordering& order,
                                                                 const arrow::Schema& schema,
                                                                 arrow::MemoryPool* pool) {
  if (bound.value == nullptr) return std::nullopt;
  const SortKey& key = order.front();
  const auto& field = schema.field(key.column);
  const SortKey first{0, key.descending, key.nulls};
  ARROW_ASSIGN_OR_RAISE(const SortKeyEncoder encoder,
                        SortKeyEncoder::Make(*arrow::schema({field}), {first}));
  const int64_t rows = segment_->rows.num_rows();
  Values values;
  values.key_nulls = segment_->rows.column(key.column);
  values.bound_nulls = segment_->rows.column(bound.value->column);
  ARROW_RETURN_NOT_OK(encoder.Encode(Batch({values.key_nulls}, rows), nullptr, pool, &values.keys));
  ARROW_RETURN_NOT_OK(
      encoder.Encode(Batch({values.bound_nulls}, rows), nullptr, pool, &values.bounds));
  return values;
}

Result<FrameCursor> FrameCursor::Make(const WindowSegment& segment, const WindowFrame& frame,
                                      const Ordering& order, const arrow::Schema& schema,
                                      arrow::MemoryPool* pool) {
  FrameCursor cursor(segment, frame);
  ARROW_ASSIGN_OR_RAISE(cursor.start_values_, cursor.ValuesOf(frame.start, order, schema, pool));
  ARROW_ASSIGN_OR_RAISE(cursor.end_values_, cursor.ValuesOf(frame.end, order, schema, pool));
  return cursor;
}

/// The begin of a group of peers of the partition; past its groups, its end. A group that was cut
/// off begins with its partition.
int64_t FrameCursor::GroupBegin(int64_t group) const {
  if (group <= std::max<int64_t>(first_group_, -1)) return partition_.begin();
  if (group >= end_group_) return partition_.end();
  return segment_->peers[static_cast<size_t>(group)];
}

// Rows with a null key see their peers; a bound past the type of the key is none.
int64_t FrameCursor::ByValue(Values& values, int64_t row, bool is_end) {
  if (values.key_nulls->IsNull(row)) return is_end ? peer_.end() : peer_.begin();
  if (values.bound_nulls->IsNull(row)) {
    const bool before = (is_end ? frame_.end : frame_.start).kind == FrameBound::Kind::kPreceding;
    return before ? partition_.begin() : partition_.end();
  }
  values.next = std::max(values.next, partition_.begin());
  const std::string_view bound = values.bounds[row];
  while (values.next < partition_.end()) {
    const int order = values.keys[values.next].compare(bound);
    if (is_end ? order > 0 : order >= 0) break;
    ++values.next;
  }
  return values.next;
}

/// Behind the bound; a row without a key sees itself alone, a bound past the type is none.
int64_t FrameCursor::TrailingBegin(int64_t row) {
  if (start_values_->key_nulls->IsNull(row)) return row;
  if (start_values_->bound_nulls->IsNull(row)) return partition_.begin();
  return std::min(ByValue(*start_values_, row, /*is_end=*/true), row);
}

int64_t FrameCursor::BeginOf(int64_t row) {
  const FrameBound& bound = frame_.start;
  const int64_t sign = bound.kind == FrameBound::Kind::kPreceding ? -1 : 1;
  switch (bound.kind) {
    case FrameBound::Kind::kUnboundedPreceding:
      return partition_.begin();
    case FrameBound::Kind::kUnboundedFollowing:
      return partition_.end();
    case FrameBound::Kind::kCurrentRow:
      return CountsRows() ? row : peer_.begin();
    default:
      break;
  }
  if (frame_.unit == FrameUnit::kRange) return ByValue(*start_values_, row, false);
  if (frame_.unit == FrameUnit::kTrailing) return TrailingBegin(row);
  if (frame_.unit == FrameUnit::kGroups) {
    return GroupBegin(
        std::max(first_group_ - 1, peer_.run() + sign * std::min(bound.count, end_group_)));
  }
  const int64_t away = std::min(bound.count, segment_->rows.num_rows());
  return std::clamp(row + sign * away, partition_.begin(), partition_.end());
}

int64_t FrameCursor::EndOf(int64_t row) {
  const FrameBound& bound = frame_.end;
  const int64_t sign = bound.kind == FrameBound::Kind::kPreceding ? -1 : 1;
  switch (bound.kind) {
    case FrameBound::Kind::kUnboundedPreceding:
      return partition_.begin();
    case FrameBound::Kind::kUnboundedFollowing:
      return partition_.end();
    case FrameBound::Kind::kCurrentRow:
      return CountsRows() ? row + 1 : peer_.end();
    default:
      break;
  }
  if (frame_.unit == FrameUnit::kRange) return ByValue(*end_values_, row, true);
  if (frame_.unit == FrameUnit::kGroups) {
    return GroupBegin(peer_.run() + sign * std::min(bound.count, end_group_) + 1);
  }
  const int64_t away = std::min(bound.count, segment_->rows.num_rows());
  return std::clamp(row + 1 + sign * away, partition_.begin(), partition_.end());
}

void FrameCursor::Next(int64_t begin, int64_t end, RowRanges* frames) {
  frames->begins.clear();
  frames->ends.clear();
  for (int64_t row = begin; row < end; ++row) {
    partition_.MoveTo(row);
    peer_.MoveTo(row);
    if (partition_.run() != partition_seen_) {
      partition_seen_ = partition_.run();
      first_group_ = segment_->FirstGroupOf(partition_.run());
      end_group_ = std::max<int64_t>(first_group_, 0);
      while (segment_->peers[static_cast<size_t>(end_group_)] < partition_.end()) ++end_group_;
    }
    const int64_t frame_begin = BeginOf(row);
    frames->begins.push_back(frame_begin);
    frames->ends.push_back(std::max(frame_begin, EndOf(row)));
  }
}

}  // namespace headrace
