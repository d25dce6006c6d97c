// SortMerger: merges sorted runs, in memory and on disk, by a loser tree.
#pragma once

#include <memory>
#include <optional>
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
  std::vector<ArrayPtr> columns;  // and those of their positions, when asked for
  int64_t num_rows = 0;
  int64_t bytes = 0;      // with keys, as when they are read back
  std::string first_key;  // "" unless positions are asked for
};

/// One thread. Runs are added before the first Next. The memory of blocks read is its owner's
/// affair: of every run the one that is current, the one before it, and the bytes of the next one.
class SortMerger {
 public:
  enum class Positions : uint8_t { kLeftOut, kGiven };
  SortMerger(const SortTerms& terms, Positions positions, arrow::MemoryPool* pool);

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
    SortedBlockPtr block;  // null: at the end
    int32_t chunk = 0;     // of block, in store_
    int64_t row = 0;
    int64_t end = 0;
    bool is_fresh = false;  // row is the first of its slice
    int64_t row_bytes = 0;  // about; −1: rows differ too much
    std::string_view key;   // of the row
  };
  /// A cursor in the tree, with the start of its key.
  struct Player {
    KeyPrefix prefix;
    size_t cursor = 0;
  };
  struct Retired {
    SortedBlockPtr block;
    int32_t chunk;
    int64_t memory_bytes;  // of a block in memory
  };
  /// Rows of one block, one after the other.
  struct Piece {
    SortedBlockPtr block;
    int64_t row = 0;
    int64_t count = 0;
  };

  Status AddCursor(Cursor cursor);
  Status LoadSlice(Cursor& cursor);
  Result<BlockSlice> NextSlice(Cursor& cursor) const;
  Result<BlockSlice> ReadSlice(Cursor& cursor) const;
  void LoadKey(Cursor& cursor);
  int64_t RowBytesIn(const SortedBlock& block) const;
  Status Step(Cursor& cursor, int64_t count);
  Player PlayerOf(size_t cursor) const;
  bool LessAlike(size_t left, size_t right) const;
  bool Less(const Player& left, const Player& right) const;
  void Replay(size_t leaf);
  void RebuildTree();
  size_t winner() const { return tree_[0].cursor; }
  const Cursor* Challenger() const;
  int64_t RowsBefore(const Cursor& cursor, const Cursor* challenger, int64_t rows_max) const;
  int64_t CountToTake(const Cursor& cursor, int64_t rows_max, int64_t bytes_max) const;
  int64_t BytesOf(const Cursor& cursor, int64_t count) const;
  void Take(const Cursor& cursor, int64_t count);
  Status TakeRows(int64_t rows_max, int64_t bytes_max, int64_t* bytes);
  Result<MergedRows> Gather();
  Status AddPositions(MergedRows* rows) const;
  void DropRetired();

  const SortTerms terms_;
  const Positions positions_;
  arrow::MemoryPool* const pool_;
  RowStore store_;
  std::vector<Cursor> cursors_;
  std::vector<Player> tree_;  // [0] the winner, [1 …] the losers; cursors_.size() beats everyone
  bool tree_valid_ = false;
  int64_t wins_ = 0;  // of the winner, one after the other
  // What was taken since the last Next.
  Piece first_;                  // the first rows, as far as they stand together
  std::vector<RowRef> refs_;     // all
  std::vector<int64_t> splits_;  // of the positions, where they are given
  std::vector<int64_t> numbers_;
  std::string first_key_;
  int64_t key_bytes_ = 0;
  std::vector<Retired> retired_;
  int64_t released_bytes_ = 0;
};

}  // namespace headrace
