// A round takes all rows up to the first end of a block: those of each run up to there are found by
// their keys, and put in order together. That is cheaper than to choose row by row. Blocks that
// were used up stay until the rows taken from them are given.
#include "headrace/exec/op/sort/sort_merge.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "arrow/array.h"

namespace headrace {
namespace {

// So many rows of one block are given alone: they need not be copied.
constexpr size_t kPieceRowsMany = 1024;
// Rows of larger blocks may differ so much in size that their mean says nothing.
constexpr int64_t kMeanBlockBytesMax = int64_t{1} << 20;

// Ranges between the splitters that can have rows of a block (see SpilledRun::BlocksOf); 1 where
// the starts of keys do not tell: too many might keep it.
int64_t UsersOf(const SpilledRange& spilled, size_t block) {
  if (spilled.splitters == nullptr) return 1;
  const KeyStarts& keys = spilled.run->first_keys();
  const auto begin = spilled.splitters->begin();
  const auto end = spilled.splitters->end();
  const auto first = std::upper_bound(begin, end, keys[block]);
  if (block + 1 == keys.size()) return 1 + (end - first);
  const auto starts_above = [](std::string_view key, std::string_view splitter) {
    return key < KeyStarts::StartOf(splitter);
  };
  const auto last = std::upper_bound(first, end, keys[block + 1]);
  if (last != std::upper_bound(last, end, keys[block + 1], starts_above)) return 1;
  return 1 + (last - first);
}

// Of the first rows, those that stand one after the other in one block.
size_t RowsTogether(std::span<const RowRef> rows) {
  size_t count = 1;
  while (count < rows.size() && rows[count].chunk == rows[0].chunk &&
         rows[count].row == rows[count - 1].row + 1) {
    ++count;
  }
  return count;
}

}  // namespace

SortMerger::SortMerger(const SortTerms& terms, Places places, arrow::MemoryPool* pool)
    : terms_(terms),
      places_(places),
      pool_(pool),
      store_(places == Places::kGiven ? *WithPlaces(*terms.schema) : *terms.schema) {}

Status SortMerger::Add(MemoryRun run) {
  Cursor cursor;
  cursor.memory = std::move(run);
  return AddCursor(std::move(cursor));
}

Status SortMerger::Add(SpilledRange range) {
  Cursor cursor;
  std::tie(cursor.next_block, cursor.end_block) = range.run->BlocksOf(range.range);
  cursor.spilled = std::move(range);
  return AddCursor(std::move(cursor));
}

Status SortMerger::AddCursor(Cursor cursor) {
  cursors_.push_back(std::move(cursor));
  return LoadSlice(cursors_.back());
}

// -- Blocks

Result<BlockSlice> SortMerger::ReadSlice(Cursor& cursor) const {
  const SpilledRange& spilled = cursor.spilled;
  while (cursor.next_block < cursor.end_block) {
    const size_t at = cursor.next_block++;
    ARROW_ASSIGN_OR_RAISE(SortedBlockPtr block, spilled.run->Read(at, UsersOf(spilled, at)));
    if (spilled.splitters != nullptr) spilled.run->ReadAhead(at + 1);
    BlockSlice slice = BlockSlice::Whole(std::move(block));
    slice.CutTo(spilled.range);
    if (slice.num_rows() > 0) return slice;
  }
  return BlockSlice();
}

// Without a block: there is none.
Result<BlockSlice> SortMerger::NextSlice(Cursor& cursor) const {
  if (cursor.spilled.run != nullptr) return ReadSlice(cursor);
  if (cursor.memory.empty()) return BlockSlice();
  BlockSlice slice = std::move(cursor.memory.front());
  cursor.memory.pop_front();
  return slice;
}

Status SortMerger::LoadSlice(Cursor& cursor) {
  ARROW_ASSIGN_OR_RAISE(cursor.slice, NextSlice(cursor));
  return cursor.at_end() ? Status::OK() : AddChunk(cursor);
}

Status SortMerger::AddChunk(Cursor& cursor) {
  const SortedBlock& block = *cursor.slice.block;
  std::vector<ArrayPtr> columns = block.columns;
  if (places_ == Places::kGiven) {
    ARROW_ASSIGN_OR_RAISE(RowPlaces places, block.places().AsColumns(block.num_rows, pool_));
    columns.push_back(std::move(places.splits));
    columns.push_back(std::move(places.rows));
  }
  cursor.chunk = store_.Add(Batch(std::move(columns), block.num_rows));
  const auto chunk = static_cast<size_t>(cursor.chunk);
  chunks_.resize(std::max(chunks_.size(), chunk + 1));
  chunks_[chunk] = {cursor.slice.block, cursor.slice.end, cursor.spilled.run == nullptr};
  const bool is_even = store_.bytes_per_row() >= 0 || block.bytes <= kMeanBlockBytesMax;
  if (is_even) chunks_[chunk].row_bytes = block.bytes / block.num_rows + block.key_bytes();
  return Status::OK();
}

// -- Rounds

// The cursor whose block has the least last key.
size_t SortMerger::FirstToEnd() const {
  size_t first = 0;
  for (size_t i = 1; i < cursors_.size(); ++i) {
    if (cursors_[i].last_key() < cursors_[first].last_key()) first = i;
  }
  return first;
}

// A block may come before all others as a whole: that takes one comparison per run.
Status SortMerger::MergeRound() {
  std::erase_if(cursors_, [](const Cursor& cursor) { return cursor.at_end(); });
  if (cursors_.empty()) return Status::OK();
  const size_t first = FirstToEnd();
  const std::string_view last_key = cursors_[first].last_key();
  bool is_alone = true;
  for (size_t i = 0; i < cursors_.size() && is_alone; ++i) {
    is_alone = i == first || cursors_[i].slice.first_key() > last_key;
  }
  if (is_alone) {
    TakeWhole(cursors_[first]);
  } else {
    SortUpTo(first);
  }
  retired_.push_back({cursors_[first].chunk, forgotten_ + static_cast<int64_t>(refs_.size())});
  return LoadSlice(cursors_[first]);
}

void SortMerger::TakeWhole(Cursor& cursor) {
  BlockSlice& slice = cursor.slice;
  for (; slice.begin < slice.end; ++slice.begin) {
    refs_.push_back({cursor.chunk, static_cast<int32_t>(slice.begin)});
  }
}

// Takes the rows of all cursors up to the last one in the block of `first_to_end`.
void SortMerger::SortUpTo(size_t first_to_end) {
  const std::string_view last_key = cursors_[first_to_end].last_key();
  std::vector<KeySlice> slices;
  for (size_t i = 0; i < cursors_.size(); ++i) {
    BlockSlice& slice = cursors_[i].slice;
    if (slice.first_key() > last_key) continue;
    const SortKeys& keys = slice.block->keys();
    const int64_t end =
        i == first_to_end ? slice.end : LowerBound(*slice.block, slice.begin, slice.end, last_key);
    if (slice.begin < end) slices.push_back({&keys, cursors_[i].chunk, slice.begin, end});
    slice.begin = end;
  }
  SortRows(slices, &refs_);
}

// -- Giving

int64_t SortMerger::BytesOf(RowRef row) const {
  const Chunk& chunk = chunks_[static_cast<size_t>(row.chunk)];
  return chunk.row_bytes > 0 ? chunk.row_bytes : store_.BytesOf(row) + chunk.block->key_bytes();
}

// Merges until there are enough rows, and says how many of them are.
Result<size_t> SortMerger::CountToGive(int64_t rows_max, int64_t bytes_max) {
  int64_t bytes = 0;
  size_t count = 0;
  while (static_cast<int64_t>(count) < rows_max && (count == 0 || bytes < bytes_max)) {
    if (count == Pending().size()) {
      if (count >= kPieceRowsMany && RowsTogether(Pending()) == count) break;
      ARROW_RETURN_NOT_OK(MergeRound());
      if (count == Pending().size()) break;
    }
    bytes += BytesOf(Pending()[count++]);
  }
  const size_t together = count == 0 ? 0 : RowsTogether(Pending().first(count));
  return together >= kPieceRowsMany ? together : count;
}

Result<MergedRows> SortMerger::Gather(std::span<const RowRef> rows) {
  MergedRows merged;
  merged.num_rows = static_cast<int64_t>(rows.size());
  if (RowsTogether(rows) == rows.size()) {
    for (const ArrayPtr& column : store_.ColumnsOf(rows[0].chunk)) {
      merged.columns.push_back(column->Slice(rows[0].row, merged.num_rows));
    }
  } else {
    ARROW_ASSIGN_OR_RAISE(merged.columns, store_.Gather(rows, pool_));
  }
  merged.bytes = Batch(merged.columns, merged.num_rows).num_bytes();
  if (places_ == Places::kLeftOut) return merged;
  for (const RowRef row : rows) {
    merged.bytes += chunks_[static_cast<size_t>(row.chunk)].block->key_bytes();
  }
  merged.first_key = chunks_[static_cast<size_t>(rows[0].chunk)].block->KeyAt(rows[0].row);
  return merged;
}

// The first `count` of those pending were given.
void SortMerger::Forget(size_t count) {
  given_ += count;
  while (!retired_.empty() && retired_.front().end <= forgotten_ + static_cast<int64_t>(given_)) {
    Chunk& chunk = chunks_[static_cast<size_t>(retired_.front().chunk)];
    if (chunk.is_in_memory) {
      released_bytes_ += BlockSlice{chunk.block, 0, chunk.end}.bytes();
    }
    chunk = Chunk();
    store_.Remove(retired_.front().chunk);
    retired_.pop_front();
  }
  if (given_ < refs_.size() / 2) return;
  refs_.erase(refs_.begin(), refs_.begin() + static_cast<std::ptrdiff_t>(given_));
  forgotten_ += static_cast<int64_t>(given_);
  given_ = 0;
}

Result<MergedRows> SortMerger::Next(int64_t rows_max, int64_t bytes_max) {
  ARROW_ASSIGN_OR_RAISE(const size_t count, CountToGive(rows_max, bytes_max));
  if (count == 0) return MergedRows();
  ARROW_ASSIGN_OR_RAISE(MergedRows rows, Gather(Pending().first(count)));
  Forget(count);
  return rows;
}

// Rows that were merged and not given are the last ones merged of their blocks.
std::vector<MemoryRun> SortMerger::TakeMemory() {
  std::vector<int64_t> begins(chunks_.size(), -1);
  for (const RowRef row : Pending()) {
    int64_t& begin = begins[static_cast<size_t>(row.chunk)];
    if (begin < 0) begin = row.row;
  }
  std::vector<MemoryRun> runs;
  for (const Retired& retired : retired_) {
    const auto at = static_cast<size_t>(retired.chunk);
    if (chunks_[at].is_in_memory)
      runs.push_back({{chunks_[at].block, begins[at], chunks_[at].end}});
  }
  for (Cursor& cursor : cursors_) {
    if (cursor.at_end() || cursor.spilled.run != nullptr) continue;
    const int64_t begin = begins[static_cast<size_t>(cursor.chunk)];
    if (begin >= 0) cursor.slice.begin = begin;
    cursor.memory.push_front(std::move(cursor.slice));
    runs.push_back(std::move(cursor.memory));
  }
  cursors_.clear();
  refs_.clear();
  retired_.clear();
  return runs;
}

}  // namespace headrace
