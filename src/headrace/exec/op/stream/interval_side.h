// IntervalSide: what an interval join knows of one of its streams, and a batch on its way in.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "headrace/exec/op/stream/interval_buffer.h"
#include "headrace/exec/op/stream/interval_join.h"

namespace headrace {

/// Sum that stays at the ends: an end is never left.
int64_t AddToTime(int64_t time, int64_t micros);

/// Rows of one batch that are not late.
struct IncomingRows {
  Batch rows;  // compacted, decoded
  EncodedKeys keys;
  std::vector<int64_t> times;
  std::vector<uint8_t> can_match;  // 0: the key or the time is null
  std::vector<uint8_t> matched;    // 1: a match was found
  int64_t late_rows = 0;
};

struct IntervalSide {
  static Result<IntervalSide> Make(const IntervalJoinSpec& spec, int port);

  /// Rows that come have at least this time.
  int64_t Horizon() const { return AddToTime(watermark, -grace_micros); }
  Result<IncomingRows> Read(const Batch& batch, arrow::MemoryPool* pool) const;
  /// Memory that `rows` will hold at most in the buffer.
  int64_t BytesToAdd(const IncomingRows& rows) const;

  SchemaPtr schema;
  std::vector<int> keys;
  int time = 0;
  int64_t grace_micros = 0;
  bool is_kept = false;  // rows without a partner are given
  KeyEncoder encoder;
  std::unique_ptr<IntervalBuffer> buffer;
  int64_t watermark = Watermark::kNone;
};

}  // namespace headrace
