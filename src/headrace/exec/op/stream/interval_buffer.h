// IntervalBuffer: the rows of one side of an interval join that wait for rows of the other side.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <queue>
#include <span>
#include <vector>

#include "headrace/exec/key/group_table.h"
#include "headrace/exec/op/row_store.h"
#include "headrace/memory/spill_map.h"

namespace headrace {

/// A row by event time (microseconds).
struct TimedRow {
  int64_t time = 0;
  RowRef row;
};

/// Rows are kept in the batches they came in (small ones are put together), and found by key in
/// time order. A row costs one step of a binary search among those of its key, and its own way out
/// by time. One thread; its owner charges bytes().
class IntervalBuffer {
 public:
  /// `is_fixed` is that of the encoder whose keys it takes.
  IntervalBuffer(const arrow::Schema& schema, bool is_fixed);
  ~IntervalBuffer();

  int64_t num_rows() const { return num_rows_; }
  int64_t bytes() const { return row_bytes_ + keys_.bytes() + pages_.bytes; }
  /// Memory held at most after Add of all rows of such a batch.
  int64_t BytesToAdd(const Batch& batch, const EncodedKeys& keys) const;
  /// Keeps a compacted, decoded batch. Row i has key `key_rows[i]` of `keys`, a time, and may have
  /// been matched before. Now and then small batches are copied together: references to rows are
  /// valid until the next Add.
  Status Add(const Batch& batch, const EncodedKeys& keys, const std::vector<uint32_t>& key_rows,
             std::vector<int64_t> times, std::vector<uint8_t> matched, arrow::MemoryPool* pool);

  /// Per row of `keys`: the number of its key here, or GroupTable::kNoGroup.
  void FindKeys(const EncodedKeys& keys, std::vector<uint32_t>* numbers) const;
  /// The rows of a key with from <= time <= to, in time order; valid until rows are added or taken.
  std::span<const TimedRow> Find(uint32_t number, int64_t from, int64_t to) const;
  /// Remembers that a row has a match.
  void Mark(RowRef row) { chunks_[static_cast<size_t>(row.chunk)].matched[Index(row)] = 1; }

  /// Takes at most `limit` rows before `bound` out of the index, the earliest first, and appends
  /// those that have no match; false: there are no more. Their cells stay until Release.
  bool TakeBefore(int64_t bound, int64_t limit, std::vector<RowRef>* unmatched);
  /// Frees the batches of which all rows were taken.
  void Release();

  /// Moves cells of rows to `disk`, which is always the same and outlives the buffer, until `bytes`
  /// of memory are free; gives those freed. What rows are found by stays.
  Result<int64_t> MoveToDisk(SpillMap* disk, int64_t bytes, arrow::MemoryPool* pool);

  const RowStore& rows() const { return store_; }
  struct SavedRow {
    RowRef row;
    bool matched = false;
  };
  /// All rows by key group.
  std::vector<std::vector<SavedRow>> ByKeyGroup() const;

 private:
  /// The rows of one key, in time order; lies in the payload of its group.
  struct KeyRows {
    TimedRow* rows;
    uint32_t begin;
    uint32_t end;
    uint32_t capacity;
  };
  struct Chunk {
    std::vector<int64_t> times;
    std::vector<uint32_t> groups;
    std::vector<uint32_t> order;  // by time
    std::vector<uint8_t> matched;
    size_t next = 0;  // in `order`: taken before
    int64_t bytes = 0;
    int64_t cell_bytes = 0;    // of these; 0: they stand on disk
    uint8_t* block = nullptr;  // there
    int64_t block_bytes = 0;
  };
  /// Counts what the pool of arrays takes.
  struct Pages final : std::pmr::memory_resource {
    int64_t bytes = 0;
    void* do_allocate(size_t size, size_t align) override;
    void do_deallocate(void* block, size_t size, size_t align) override;
    bool do_is_equal(const memory_resource& other) const noexcept override {
      return this == &other;
    }
  };
  using NextOut = std::pair<int64_t, int32_t>;  // time, chunk

  static size_t Index(RowRef row) { return static_cast<size_t>(row.row); }
  KeyRows& RowsOf(uint32_t number) const {
    return *reinterpret_cast<KeyRows*>(keys_.Payload(number));
  }
  static constexpr size_t kSmallRows = 1024;
  static constexpr size_t kSmallChunksMax = 64;

  int32_t AddChunk(const Batch& batch, Chunk chunk);
  Status MergeSmall(arrow::MemoryPool* pool);
  void Move(uint32_t group, int64_t time, RowRef from, RowRef to);
  void Free(int32_t number);
  Status MoveChunk(int32_t number, arrow::MemoryPool* pool);
  void Insert(KeyRows& rows, TimedRow row);
  void MakeRoom(KeyRows& rows);
  void DropFront(uint32_t number, int64_t bound);
  static int64_t BytesPerRow() { return 2 * sizeof(TimedRow) + 17; }

  RowStore store_;
  GroupTable keys_;
  Pages pages_;
  std::pmr::unsynchronized_pool_resource arrays_;
  std::vector<Chunk> chunks_;  // by chunk of the store
  std::priority_queue<NextOut, std::vector<NextOut>, std::greater<>> next_out_;
  std::vector<int32_t> small_;  // chunks of few rows
  std::vector<int32_t> taken_;  // chunks to be released
  SpillMap* disk_ = nullptr;
  int64_t num_rows_ = 0;
  int64_t row_bytes_ = 0;
};

}  // namespace headrace
