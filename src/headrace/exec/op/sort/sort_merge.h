// SortMerger: merges sorted runs, in memory and on disk, a block of one of them at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "headrace/exec/op/sort/sort_run.h"

namespace headrace {

/// Rows of a run on disk, to be read block by block.
struct SpilledRange {
  SpilledRunPtr run;
  KeyRange range;
  /// In order; readers of the ranges between them share blocks, and blocks are read ahead. Null:
  /// nobody else reads, and there may be no memory for that.
  const std::vector<std::string>* splitters = nullptr;
};

/// What one call of SortMerger::Next gives.
struct MergedRows {
  std::vector<ArrayPtr> columns;  // and those of their places, when asked for
  int64_t num_rows = 0;
  int64_t bytes = 0;      // with keys, as when they are read back
  std::string first_key;  // "" unless places are asked for
};

/// One thread. Runs are added before the first Next. The memory of blocks read is its owner's
/// affair: of every run the one that is current, the one before it, and the bytes of the next one.
class SortMerger {
 public:
  enum class Places : uint8_t { kLeftOut, kGiven };
  SortMerger(const SortTerms& terms, Places places, arrow::MemoryPool* pool);

  Status Add(MemoryRun run);
  Status Add(SpilledRange range);
  /// The next rows in order, at most `rows_max` and about `bytes_max`; none: the end. Rows that
  /// stand together in one block are not copied.
  Result<MergedRows> Next(int64_t rows_max, int64_t bytes_max);
  /// What is left of the runs in memory.
  std::vector<MemoryRun> TakeMemory();
  /// Bytes of blocks in memory that were given out and dropped so far.
  int64_t released_bytes() const { return released_bytes_; }

 private:
  struct Cursor {
    MemoryRun memory;
    SpilledRange spilled;  // without a run: it is in memory
    size_t next_block = 0;
    size_t end_block = 0;
    BlockSlice slice;   // without a block: at the end
    int32_t chunk = 0;  // of the block, in store_

    bool at_end() const { return slice.block == nullptr; }
    std::string_view last_key() const { return slice.block->KeyAt(slice.end - 1); }
  };
  /// A chunk of store_.
  struct Chunk {
    SortedBlockPtr block;
    int64_t end = 0;  // rows from it on are not merged here
    bool is_in_memory = false;
    int64_t row_bytes = 0;  // about, with its key; 0: rows differ too much
  };
  /// A chunk whose last row is reference `end` - 1, counted from the first ever made.
  struct Retired {
    int32_t chunk = 0;
    int64_t end = 0;
  };

  Status AddCursor(Cursor cursor);
  Status LoadSlice(Cursor& cursor);
  Result<BlockSlice> NextSlice(Cursor& cursor) const;
  Result<BlockSlice> ReadSlice(Cursor& cursor) const;
  Status AddChunk(Cursor& cursor);
  Status MergeRound();
  size_t FirstToEnd() const;
  void SortUpTo(size_t first_to_end);
  void TakeWhole(Cursor& cursor);
  Result<size_t> CountToGive(int64_t rows_max, int64_t bytes_max);
  int64_t BytesOf(RowRef row) const;
  std::span<const RowRef> Pending() const { return std::span(refs_).subspan(given_); }
  Result<MergedRows> Gather(std::span<const RowRef> rows);
  void Forget(size_t count);

  const SortTerms terms_;
  const Places places_;
  arrow::MemoryPool* const pool_;
  RowStore store_;
  std::vector<Cursor> cursors_;
  std::vector<Chunk> chunks_;  // of store_
  std::vector<RowRef> refs_;   // in order
  size_t given_ = 0;           // of them
  int64_t forgotten_ = 0;      // references that were there before refs_[0]
  std::deque<Retired> retired_;
  int64_t released_bytes_ = 0;
};

}  // namespace headrace
