// SortMerger: merges sorted runs, in memory and on disk, by a loser tree.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "headrace/exec/op/sort_block.h"
#include "headrace/exec/spill/spill_file.h"

namespace headrace {

/// A sorted run in memory; its rows start at row `first_row` of the first block.
struct MemoryRun {
  std::deque<SortedBlockPtr> blocks;
  int64_t first_row = 0;
};

/// A sorted run on disk: a section per block, the columns and then the position of each row.
struct SpilledRun {
  std::unique_ptr<SpillFile> file;
  int64_t block_bytes_max = 0;
  int64_t num_rows = 0;
  /// Memory to reserve while it is merged: the block read and the one before it.
  int64_t merge_bytes() const { return 2 * block_bytes_max; }
};

/// The schema of the sections of spilled runs over rows of `schema`.
SchemaPtr SpilledRunSchema(const arrow::Schema& schema);

/// One thread. Runs may be added and taken between calls of Next.
class SortMerger {
 public:
  SortMerger(SchemaPtr schema, SortKeyEncoder encoder, arrow::MemoryPool* pool);

  Status Add(MemoryRun run);
  /// `buffers` holds run.merge_bytes(). The file goes when its rows were given.
  Status Add(SpilledRun run, Reservation buffers);
  /// The next rows in order, at most `rows_max` and about `bytes_max`; none: the end.
  Result<SortedBlock> Next(int64_t rows_max, int64_t bytes_max);
  /// What is left of the runs in memory.
  std::vector<MemoryRun> TakeMemory();
  /// Bytes of blocks in memory that were given out and dropped so far.
  int64_t released_bytes() const { return released_bytes_; }

 private:
  struct Cursor {
    MemoryRun memory;
    SpilledRun spilled;  // without a file: the run is in memory
    size_t next_section = 0;
    Reservation buffers;
    SortedBlockPtr block;  // null: at the end
    int32_t chunk = 0;     // of block, in store_
    int64_t row = 0;
    KeyPrefix prefix;
    std::string_view key;
  };
  struct Retired {
    SortedBlockPtr block;
    int32_t chunk;
    bool in_memory;
  };

  Status AddCursor(Cursor cursor);
  Status LoadBlock(Cursor& cursor);
  Result<SortedBlockPtr> ReadBlock(Cursor& cursor) const;
  Status Step(Cursor& cursor);
  void LoadKey(Cursor& cursor);
  bool Less(size_t left, size_t right) const;
  void Replay(size_t leaf);
  void RebuildTree();
  void DropRetired();

  const SchemaPtr schema_;
  const SortKeyEncoder encoder_;
  arrow::MemoryPool* const pool_;
  RowStore store_;
  std::vector<Cursor> cursors_;
  std::vector<size_t> tree_;  // [0] the winner, [1 …] the losers; cursors_.size() beats everyone
  bool tree_valid_ = false;
  std::vector<Retired> retired_;
  int64_t released_bytes_ = 0;
};

}  // namespace headrace
