// Sorted runs, in memory and on disk, and the reading of those on disk by many lanes at once.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headrace/exec/op/sort/sort_block.h"
#include "headrace/exec/spill/spill_file.h"

namespace headrace {

/// What all parts of one sort are told.
struct SortTerms {
  SchemaPtr schema;
  std::shared_ptr<const SortKeyEncoder> encoder;
};

/// Plain columns, and behind them those of RowPlaces.
SchemaPtr WithPlaces(const arrow::Schema& schema);

/// Keys from `begin` on and before `end`; "" means no bound. The texts live elsewhere.
struct KeyRange {
  std::string_view begin;
  std::string_view end;
};

/// Rows [begin, end) of a block.
struct BlockSlice {
  SortedBlockPtr block;
  int64_t begin = 0;
  int64_t end = 0;

  static BlockSlice Whole(SortedBlockPtr block) {
    const int64_t rows = block->num_rows;
    return {std::move(block), 0, rows};
  }
  int64_t num_rows() const { return end - begin; }
  std::string_view first_key() const { return block->KeyAt(begin); }
  std::string_view last_key() const { return block->KeyAt(end - 1); }
  int64_t bytes() const { return block->bytes * num_rows() / block->num_rows; }
  void CutTo(const KeyRange& range);
};

/// A sorted run in memory: slices that are not empty.
using MemoryRun = std::deque<BlockSlice>;

/// The first row of [begin, end) of `block` whose key is not below `key`.
int64_t LowerBound(const SortedBlock& block, int64_t begin, int64_t end, std::string_view key);

/// The starts of keys, one after the other.
class KeyStarts {
 public:
  static std::string_view StartOf(std::string_view key) { return key.substr(0, kBytesMax); }
  void Add(std::string_view key);
  size_t size() const { return ends_.size(); }
  std::string_view operator[](size_t index) const;
  /// How many are below `key`; they are in order.
  size_t CountBelow(std::string_view key) const;

 private:
  // Longer keys that start alike are not told apart.
  static constexpr size_t kBytesMax = 64;

  std::string bytes_;
  std::vector<uint32_t> ends_;
};

/// A sorted run on disk: a section per block, the columns and then the place of each row. Made
/// by RunWriter; then immutable, and its blocks may be read by many threads. The file goes with it.
class SpilledRun {
 public:
  /// REQUIRES: not sealed. Adds the next block: rows `columns` (with places), which take `bytes`
  /// when they are read back, keys included.
  Status Write(const std::vector<ArrayPtr>& columns, int64_t num_rows, int64_t bytes,
               std::string_view first_key);
  Status Seal() { return file_->Seal(); }

  static Result<std::unique_ptr<SpilledRun>> Make(const OperatorContext& context,
                                                  const SortTerms& terms);

  int64_t num_rows() const { return num_rows_; }
  /// Of all blocks, in memory.
  int64_t bytes() const { return bytes_; }
  int64_t block_bytes_max() const { return block_bytes_max_; }
  size_t num_blocks() const { return first_keys_.size(); }
  int64_t rows_of(size_t block) const { return file_->sections()[block].num_rows; }
  /// What the keys of the blocks start with.
  const KeyStarts& first_keys() const { return first_keys_; }

  /// The blocks [first, second) that can have rows of the range.
  std::pair<size_t, size_t> BlocksOf(const KeyRange& range) const;
  /// A block that is asked for `users` times is read once and kept for the others.
  Result<SortedBlockPtr> Read(size_t block, int64_t users);
  /// Starts to read a block that will be asked for, if there is one.
  void ReadAhead(size_t block) { file_->ReadAhead(block); }

 private:
  struct Shared {
    std::mutex mutex;  // guards `block`; held while it is read
    SortedBlockPtr block;
    int64_t users_left = 0;  // guarded by the run's mutex
  };

  SpilledRun(const OperatorContext& context, const SortTerms& terms,
             std::unique_ptr<SpillFile> file);
  Result<SortedBlockPtr> ReadAlone(size_t block) const;
  std::shared_ptr<Shared> Share(size_t block, int64_t users);

  const SortTerms terms_;
  const SchemaPtr schema_;  // of the sections
  arrow::MemoryPool* const pool_;
  const std::unique_ptr<SpillFile> file_;
  KeyStarts first_keys_;
  int64_t num_rows_ = 0;
  int64_t bytes_ = 0;
  int64_t block_bytes_max_ = 0;
  std::mutex mutex_;
  std::map<size_t, std::shared_ptr<Shared>> shared_;  // guarded by mutex_
};
using SpilledRunPtr = std::shared_ptr<SpilledRun>;

}  // namespace headrace
