// The loser tree and its cursors. A cursor that wins often in a row is asked how long it would go
// on. Blocks that were used up stay until the rows taken from them are gathered, at the end of each
// Next.
#include "headrace/exec/op/sort/sort_merge.h"

#include <algorithm>
#include <utility>

#include "arrow/array/builder_primitive.h"
#include "arrow/array/util.h"
#include "headrace/base/check.h"

namespace headrace {
namespace {

// So many wins in a row make it worth while to look for the end of the row of wins.
constexpr int64_t kWinsMany = 8;
// So many rows of one block are given alone: they need not be copied.
constexpr int64_t kPieceRowsMany = 1024;
// Keys are fetched so many rows before they are compared.
constexpr size_t kPrefetchKeys = 4;
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

}  // namespace

SortMerger::SortMerger(const SortTerms& terms, Positions positions, arrow::MemoryPool* pool)
    : terms_(terms), positions_(positions), pool_(pool), store_(*terms_.schema) {}

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
  tree_valid_ = false;
  return LoadSlice(cursors_.back());
}

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
  ARROW_ASSIGN_OR_RAISE(BlockSlice slice, NextSlice(cursor));
  cursor.block = std::move(slice.block);
  if (cursor.block == nullptr) return Status::OK();
  cursor.row = slice.begin;
  cursor.end = slice.end;
  cursor.is_fresh = true;
  cursor.chunk = store_.Add(Batch(cursor.block->columns, cursor.block->num_rows));
  cursor.row_bytes = RowBytesIn(*cursor.block);
  LoadKey(cursor);
  return Status::OK();
}

int64_t SortMerger::RowBytesIn(const SortedBlock& block) const {
  if (store_.bytes_per_row() >= 0) return store_.bytes_per_row();
  const int64_t bytes = Batch(block.columns, block.num_rows).num_bytes();
  return bytes > kMeanBlockBytesMax ? -1 : bytes / block.num_rows;
}

void SortMerger::LoadKey(Cursor& cursor) {
  cursor.key = cursor.block->KeyAt(cursor.row);
  __builtin_prefetch(cursor.key.data() + kPrefetchKeys * cursor.key.size());
}

Status SortMerger::Step(Cursor& cursor, int64_t count) {
  cursor.row += count;
  cursor.is_fresh = false;
  if (cursor.row < cursor.end) {
    LoadKey(cursor);
    return Status::OK();
  }
  const bool in_memory = cursor.spilled.run == nullptr;
  const BlockSlice slice{cursor.block, 0, cursor.end};
  retired_.push_back({cursor.block, cursor.chunk, in_memory ? slice.bytes() : 0});
  return LoadSlice(cursor);
}

void SortMerger::DropRetired() {
  for (const Retired& retired : retired_) {
    store_.Remove(retired.chunk);
    released_bytes_ += retired.memory_bytes;
  }
  retired_.clear();
}

SortMerger::Player SortMerger::PlayerOf(size_t cursor) const {
  if (cursor == cursors_.size()) return {{0, 0}, cursor};
  const Cursor& player = cursors_[cursor];
  if (player.block == nullptr) return {{~uint64_t{0}, ~uint64_t{0}}, cursor};
  return {KeyPrefix::Of(player.key), cursor};
}

// Of players whose keys start alike.
bool SortMerger::LessAlike(size_t left, size_t right) const {
  if (left == cursors_.size() || right == cursors_.size()) return right != cursors_.size();
  const Cursor& a = cursors_[left];
  const Cursor& b = cursors_[right];
  if (a.block == nullptr || b.block == nullptr) return a.block != nullptr;
  return a.key < b.key;
}

bool SortMerger::Less(const Player& left, const Player& right) const {
  const bool alike = left.prefix.high == right.prefix.high && left.prefix.low == right.prefix.low;
  if (alike) [[unlikely]]
    return LessAlike(left.cursor, right.cursor);
  return KeyPrefixLess(left.prefix, right.prefix);
}

// Who wins is a matter of chance, so nothing here depends on a guess of it.
void SortMerger::Replay(size_t leaf) {
  Player winner = PlayerOf(leaf);
  const auto exchange_if = [](uint64_t mask, auto& a, auto& b) {
    const auto difference = (a ^ b) & mask;
    a ^= difference;
    b ^= difference;
  };
  for (size_t node = (leaf + cursors_.size()) / 2; node > 0; node /= 2) {
    Player& loser = tree_[node];
    const uint64_t mask = -static_cast<uint64_t>(Less(loser, winner));
    exchange_if(mask, loser.prefix.high, winner.prefix.high);
    exchange_if(mask, loser.prefix.low, winner.prefix.low);
    exchange_if(mask, loser.cursor, winner.cursor);
  }
  tree_[0] = winner;
}

void SortMerger::RebuildTree() {
  std::erase_if(cursors_, [](const Cursor& cursor) { return cursor.block == nullptr; });
  tree_.assign(std::max<size_t>(cursors_.size(), 1), PlayerOf(cursors_.size()));
  for (size_t leaf = 0; leaf < cursors_.size(); ++leaf) Replay(leaf);
  tree_valid_ = true;
}

// The one that would win if the winner were not there: the best of those that it has beaten.
const SortMerger::Cursor* SortMerger::Challenger() const {
  size_t best = 0;  // a node
  for (size_t node = (winner() + cursors_.size()) / 2; node > 0; node /= 2) {
    if (best == 0 || Less(tree_[node], tree_[best])) best = node;
  }
  if (best == 0 || cursors_[tree_[best].cursor].block == nullptr) return nullptr;
  return &cursors_[tree_[best].cursor];
}

// Rows of the cursor, at most `rows_max`, that come before the challenger's: at least one.
int64_t SortMerger::RowsBefore(const Cursor& cursor, const Cursor* challenger,
                               int64_t rows_max) const {
  const int64_t end = std::min(cursor.end, cursor.row + rows_max);
  if (challenger == nullptr || cursor.block->KeyAt(end - 1) < challenger->key) {
    return end - cursor.row;
  }
  int64_t known = cursor.row;  // comes before
  for (int64_t step = 1; known + step < end; step *= 2) {
    if (cursor.block->KeyAt(known + step) >= challenger->key) {
      return LowerBound(*cursor.block, known + 1, known + step, challenger->key) - cursor.row;
    }
    known += step;
  }
  return LowerBound(*cursor.block, known + 1, end, challenger->key) - cursor.row;
}

// A slice that was not begun may come before all others as a whole: that takes one comparison.
int64_t SortMerger::CountToTake(const Cursor& cursor, int64_t rows_max, int64_t bytes_max) const {
  if (cursor.row_bytes < 0) return 1;
  const int64_t rows_of_bytes = bytes_max / std::max<int64_t>(1, cursor.row_bytes) + 1;
  const int64_t count_max = std::min(rows_max, rows_of_bytes);
  if (wins_ >= kWinsMany || cursors_.size() == 1) {
    return RowsBefore(cursor, Challenger(), count_max);
  }
  const int64_t left = cursor.end - cursor.row;
  if (!cursor.is_fresh || left > count_max) return 1;
  const Cursor* challenger = Challenger();
  const bool is_first =
      challenger == nullptr || cursor.block->KeyAt(cursor.end - 1) < challenger->key;
  return is_first ? left : 1;
}

int64_t SortMerger::BytesOf(const Cursor& cursor, int64_t count) const {
  if (cursor.row_bytes >= 0) return cursor.row_bytes * count;
  return store_.BytesOf({cursor.chunk, static_cast<int32_t>(cursor.row)});
}

void SortMerger::Take(const Cursor& cursor, int64_t count) {
  if (refs_.empty()) first_ = {cursor.block, cursor.row, 0};
  if (static_cast<int64_t>(refs_.size()) == first_.count && cursor.block == first_.block &&
      cursor.row == first_.row + first_.count) {
    first_.count += count;
  }
  if (positions_ == Positions::kGiven) {
    if (refs_.empty()) first_key_ = cursor.key;
    for (int64_t i = 0; i < count; ++i) {
      const RowPosition position = cursor.block->PositionOf(cursor.row + i);
      splits_.push_back(position.split);
      numbers_.push_back(position.row);
    }
    key_bytes_ += count == 1 ? static_cast<int64_t>(cursor.key.size() + sizeof(int64_t))
                             : cursor.block->KeyBytesOf(count);
  }
  for (int64_t i = 0; i < count; ++i) {
    refs_.push_back({cursor.chunk, static_cast<int32_t>(cursor.row + i)});
  }
}

Status SortMerger::TakeRows(int64_t rows_max, int64_t bytes_max, int64_t* bytes) {
  while (!cursors_.empty() && cursors_[winner()].block != nullptr) {
    const auto rows = static_cast<int64_t>(refs_.size());
    if (rows >= rows_max || (rows > 0 && *bytes >= bytes_max)) break;
    const size_t leaf = winner();
    Cursor& cursor = cursors_[leaf];
    if (cursor.is_fresh && rows >= kPieceRowsMany && rows == first_.count) break;
    const int64_t count = CountToTake(cursor, rows_max - rows, bytes_max - *bytes);
    *bytes += BytesOf(cursor, count) + count * static_cast<int64_t>(cursor.key.size());
    Take(cursor, count);
    ARROW_RETURN_NOT_OK(Step(cursor, count));
    Replay(leaf);
    wins_ = winner() == leaf ? wins_ + 1 : 0;
  }
  return Status::OK();
}

Status SortMerger::AddPositions(MergedRows* rows) const {
  for (const std::vector<int64_t>* numbers : {&splits_, &numbers_}) {
    arrow::Int64Builder builder(pool_);
    ARROW_RETURN_NOT_OK(builder.AppendValues(*numbers));
    ARROW_RETURN_NOT_OK(builder.Finish(&rows->columns.emplace_back()));
  }
  rows->first_key = first_key_;
  rows->bytes = Batch(rows->columns, rows->num_rows).num_bytes() + key_bytes_;
  return Status::OK();
}

Result<MergedRows> SortMerger::Gather() {
  MergedRows rows;
  rows.num_rows = static_cast<int64_t>(refs_.size());
  if (first_.count == rows.num_rows) {
    for (const ArrayPtr& column : first_.block->columns) {
      rows.columns.push_back(column->Slice(first_.row, first_.count));
    }
  } else {
    ARROW_ASSIGN_OR_RAISE(rows.columns, store_.Gather(refs_, pool_));
  }
  if (positions_ == Positions::kGiven) ARROW_RETURN_NOT_OK(AddPositions(&rows));
  return rows;
}

Result<MergedRows> SortMerger::Next(int64_t rows_max, int64_t bytes_max) {
  if (!tree_valid_) RebuildTree();
  refs_.clear();
  splits_.clear();
  numbers_.clear();
  key_bytes_ = 0;
  int64_t bytes = 0;
  ARROW_RETURN_NOT_OK(TakeRows(rows_max, bytes_max, &bytes));
  if (refs_.empty()) return MergedRows();
  ARROW_ASSIGN_OR_RAISE(MergedRows rows, Gather());
  if (positions_ == Positions::kLeftOut) rows.bytes = bytes;
  first_ = Piece();
  DropRetired();
  return rows;
}

std::vector<MemoryRun> SortMerger::TakeMemory() {
  std::vector<MemoryRun> runs;
  for (Cursor& cursor : cursors_) {
    if (cursor.spilled.run != nullptr || cursor.block == nullptr) continue;
    store_.Remove(cursor.chunk);
    cursor.memory.push_front({std::move(cursor.block), cursor.row, cursor.end});
    runs.push_back(std::move(cursor.memory));
    cursor.block = nullptr;
  }
  tree_valid_ = false;
  return runs;
}

}  // namespace headrace
