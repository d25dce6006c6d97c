// Every fixed limit of the engine, by name. Settings that a user may change are in
// engine/settings.h.
#pragma once

#include <cstdint>

namespace headrace {

/// Rows in one batch: positions inside a batch fit 16 bits, and (seq, row) packs into an int64.
inline constexpr int64_t kBatchRowsMax = 65536;
/// Rows a source puts in a batch unless told otherwise.
inline constexpr int64_t kBatchRowsDefault = 16384;
/// A batch is at most budget / this many bytes (a single row may exceed it).
inline constexpr int64_t kBatchBudgetFraction = 16;
/// Target bytes of one batch, whatever the budget.
inline constexpr int64_t kBatchBytesMax = int64_t{1} << 20;
/// A selection that keeps less than 1/8 of a batch is compacted at once.
inline constexpr int64_t kSelectionDensityInverse = 8;
/// Hash partitions of all keyed state: fixed, so that a checkpoint loads at any lane count.
inline constexpr int kKeyGroups = 128;
/// Memory that spilling may use outside the budget, so that it never fails for want of memory.
inline constexpr int64_t kSpillReserveBytes = int64_t{8} << 20;
/// Memory outside the budget for what every query needs: decode buffers, one batch per stage.
inline constexpr int64_t kFloorBytes = int64_t{16} << 20;
/// The Arrow pool fails hard at limit * (1 + 1/this) + the floors.
inline constexpr int64_t kPoolSlackInverse = 10;
/// Splits in flight: at most this many times the lanes ahead of the oldest unfinished one.
inline constexpr int64_t kSplitsAheadPerLane = 2;
/// Bytes that one queue between pipelines holds before its writers park.
inline constexpr int64_t kQueueBytesMax = int64_t{4} << 20;
/// Longest time slice of a driver before it yields its lane.
inline constexpr int64_t kDriverSliceMicros = 5000;
/// Rows handed to a user's callback in one call.
inline constexpr int64_t kCallbackRowsMax = 1024;
/// A partly filled batch leaves a streaming source after this time.
inline constexpr int64_t kLingerMicros = 5000;
/// Nesting depth of parsed text (expressions, subqueries) and of types from outside.
inline constexpr int kNestingDepthMax = 200;
/// Bytes of one query text.
inline constexpr int64_t kQueryTextBytesMax = int64_t{16} << 20;
/// Runs that one merge reads at a time; more runs are merged in several passes.
inline constexpr int kMergeFanInMax = 64;

}  // namespace headrace
