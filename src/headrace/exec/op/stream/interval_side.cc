// Times, keys and late rows of a batch.
#include "headrace/exec/op/stream/interval_side.h"

#include <algorithm>
#include <limits>

#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/base/floor_divide.h"
#include "headrace/exec/op/take_rows.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

constexpr int64_t kFirstTime = Watermark::kNone + 1;
constexpr int64_t kLastTime = Watermark::kEnd - 1;

int64_t MicrosOf(int64_t ticks, arrow::TimeUnit::type unit) {
  int64_t micros = ticks;
  if (unit == arrow::TimeUnit::NANO) {
    micros = FloorDivide(ticks, 1000);
  } else if (unit != arrow::TimeUnit::MICRO) {
    const int64_t factor = unit == arrow::TimeUnit::SECOND ? 1'000'000 : 1000;
    if (__builtin_mul_overflow(ticks, factor, &micros)) micros = ticks < 0 ? kFirstTime : kLastTime;
  }
  return std::clamp(micros, kFirstTime, kLastTime);
}

}  // namespace

int64_t AddToTime(int64_t time, int64_t micros) {
  if (time == Watermark::kNone || time == Watermark::kEnd) return time;
  int64_t sum;
  if (__builtin_add_overflow(time, micros, &sum)) return micros < 0 ? kFirstTime : kLastTime;
  return std::clamp(sum, kFirstTime, kLastTime);
}

Result<IntervalSide> IntervalSide::Make(const IntervalJoinSpec& spec, int port) {
  const bool is_left = port == 0;
  const SchemaPtr& schema = is_left ? spec.left : spec.right;
  const std::vector<int>& keys = is_left ? spec.terms.left_keys : spec.terms.right_keys;
  ARROW_ASSIGN_OR_RAISE(KeyEncoder encoder, KeyEncoder::Make(KeyColumnsOf(*schema, keys)));
  const bool is_fixed = encoder.is_fixed();
  return IntervalSide{
      .schema = schema,
      .keys = keys,
      .time = is_left ? spec.terms.left_time : spec.terms.right_time,
      .grace_micros = spec.terms.grace_micros,
      .is_kept = spec.kind == JoinKind::kFull ||
                 spec.kind == (is_left ? JoinKind::kLeft : JoinKind::kRight),
      .encoder = std::move(encoder),
      .buffer = std::make_unique<IntervalBuffer>(*schema, is_fixed),
  };
}

Result<IncomingRows> IntervalSide::Read(const Batch& batch, arrow::MemoryPool* pool) const {
  IncomingRows incoming;
  ARROW_ASSIGN_OR_RAISE(Batch rows, batch.Compact(pool));
  ARROW_ASSIGN_OR_RAISE(rows, DecodeBatch(rows, pool));
  const auto& times = static_cast<const arrow::TimestampArray&>(*rows.column(time));
  const auto unit = static_cast<const arrow::TimestampType&>(*times.type()).unit();
  std::vector<uint32_t> kept;
  for (int64_t row = 0; row < rows.num_rows(); ++row) {
    bool can_match = times.IsValid(row);
    const int64_t micros = can_match ? MicrosOf(times.Value(row), unit) : 0;
    if (can_match && micros < Horizon()) {
      ++incoming.late_rows;
      continue;
    }
    for (int key : keys) can_match = can_match && rows.column(key)->IsValid(row);
    if (!can_match && !is_kept) continue;
    kept.push_back(static_cast<uint32_t>(row));
    incoming.times.push_back(micros);
    incoming.can_match.push_back(can_match ? 1 : 0);
  }
  ARROW_ASSIGN_OR_RAISE(incoming.rows, TakeRows(rows, kept, pool));
  incoming.matched.assign(kept.size(), 0);
  ARROW_RETURN_NOT_OK(encoder.Encode(incoming.rows, pool, &incoming.keys));
  return incoming;
}

int64_t IntervalSide::BytesToAdd(const IncomingRows& rows) const {
  return buffer->BytesToAdd(rows.rows, rows.keys);
}

}  // namespace headrace
