// The loser tree and its cursors. Blocks that were used up stay until the rows taken from them are
// gathered, at the end of each Next.
#include "headrace/exec/op/sort_merge.h"

#include <algorithm>
#include <utility>

#include "arrow/array/array_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

constexpr int kPositionColumns = 2;

Result<std::vector<RowPosition>> PositionsIn(const arrow::RecordBatch& batch) {
  const int first = batch.num_columns() - kPositionColumns;
  const auto& splits = static_cast<const arrow::Int64Array&>(*batch.column(first));
  const auto& rows = static_cast<const arrow::Int64Array&>(*batch.column(first + 1));
  std::vector<RowPosition> positions;
  positions.reserve(static_cast<size_t>(batch.num_rows()));
  for (int64_t i = 0; i < batch.num_rows(); ++i) {
    positions.push_back({splits.Value(i), rows.Value(i)});
  }
  return positions;
}

}  // namespace

SchemaPtr SpilledRunSchema(const arrow::Schema& schema) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) {
    fields.push_back(arrow::field(field->name(), PlainType(field->type())));
  }
  fields.push_back(arrow::field("split", arrow::int64()));
  fields.push_back(arrow::field("row", arrow::int64()));
  return arrow::schema(std::move(fields));
}

SortMerger::SortMerger(SchemaPtr schema, SortKeyEncoder encoder, arrow::MemoryPool* pool)
    : schema_(std::move(schema)), encoder_(std::move(encoder)), pool_(pool), store_(*schema_) {}

Status SortMerger::Add(MemoryRun run) {
  Cursor cursor;
  cursor.row = run.first_row;
  cursor.memory = std::move(run);
  return AddCursor(std::move(cursor));
}

Status SortMerger::Add(SpilledRun run, Reservation buffers) {
  Cursor cursor;
  cursor.spilled = std::move(run);
  cursor.buffers = std::move(buffers);
  return AddCursor(std::move(cursor));
}

Status SortMerger::AddCursor(Cursor cursor) {
  cursors_.push_back(std::move(cursor));
  tree_valid_ = false;
  return LoadBlock(cursors_.back());
}

// Makes the next block current; cursor.row is left as it is.
Status SortMerger::LoadBlock(Cursor& cursor) {
  cursor.block = nullptr;
  if (cursor.spilled.file != nullptr) {
    ARROW_ASSIGN_OR_RAISE(cursor.block, ReadBlock(cursor));
  } else if (!cursor.memory.blocks.empty()) {
    cursor.block = std::move(cursor.memory.blocks.front());
    cursor.memory.blocks.pop_front();
  }
  if (cursor.block == nullptr) {
    cursor.spilled.file.reset();
    cursor.buffers.Clear();
    return Status::OK();
  }
  cursor.chunk = store_.Add(Batch(cursor.block->columns, cursor.block->num_rows));
  LoadKey(cursor);
  return Status::OK();
}

Result<SortedBlockPtr> SortMerger::ReadBlock(Cursor& cursor) const {
  const auto& sections = cursor.spilled.file->sections();
  if (cursor.next_section == sections.size()) return nullptr;
  ARROW_ASSIGN_OR_RAISE(auto batch, cursor.spilled.file->Read(sections[cursor.next_section++]));
  ARROW_ASSIGN_OR_RAISE(const auto positions, PositionsIn(*batch));
  auto block = std::make_shared<SortedBlock>();
  block->num_rows = batch->num_rows();
  block->columns = batch->columns();
  block->columns.resize(block->columns.size() - kPositionColumns);
  ARROW_RETURN_NOT_OK(
      encoder_.Encode(Batch(block->columns, block->num_rows), &positions, pool_, &block->keys));
  return block;
}

void SortMerger::LoadKey(Cursor& cursor) {
  cursor.key = cursor.block->keys[cursor.row];
  cursor.prefix = KeyPrefix::Of(cursor.key);
}

Status SortMerger::Step(Cursor& cursor) {
  if (++cursor.row < cursor.block->num_rows) {
    LoadKey(cursor);
    return Status::OK();
  }
  retired_.push_back({cursor.block, cursor.chunk, cursor.spilled.file == nullptr});
  cursor.row = 0;
  return LoadBlock(cursor);
}

void SortMerger::DropRetired() {
  for (const Retired& retired : retired_) {
    store_.Remove(retired.chunk);
    if (retired.in_memory) released_bytes_ += retired.block->bytes;
  }
  retired_.clear();
}

bool SortMerger::Less(size_t left, size_t right) const {
  if (left == cursors_.size() || right == cursors_.size()) return right != cursors_.size();
  const Cursor& a = cursors_[left];
  const Cursor& b = cursors_[right];
  if (a.block == nullptr || b.block == nullptr) return a.block != nullptr;
  return KeyLess(a.prefix, a.key, b.prefix, b.key);
}

void SortMerger::Replay(size_t leaf) {
  size_t winner = leaf;
  for (size_t node = (leaf + cursors_.size()) / 2; node > 0; node /= 2) {
    if (Less(tree_[node], winner)) std::swap(tree_[node], winner);
  }
  tree_[0] = winner;
}

void SortMerger::RebuildTree() {
  std::erase_if(cursors_, [](const Cursor& cursor) { return cursor.block == nullptr; });
  tree_.assign(std::max<size_t>(cursors_.size(), 1), cursors_.size());
  for (size_t leaf = 0; leaf < cursors_.size(); ++leaf) Replay(leaf);
  tree_valid_ = true;
}

Result<SortedBlock> SortMerger::Next(int64_t rows_max, int64_t bytes_max) {
  if (!tree_valid_) RebuildTree();
  std::vector<KeyedRow> rows;
  int64_t bytes = 0;
  while (!cursors_.empty() && cursors_[tree_[0]].block != nullptr &&
         static_cast<int64_t>(rows.size()) < rows_max && (rows.empty() || bytes < bytes_max)) {
    const size_t winner = tree_[0];
    Cursor& cursor = cursors_[winner];
    rows.push_back({{cursor.chunk, static_cast<int32_t>(cursor.row)}, cursor.key});
    bytes += store_.BytesOf(rows.back().row) + static_cast<int64_t>(cursor.key.size());
    ARROW_RETURN_NOT_OK(Step(cursor));
    Replay(winner);
  }
  ARROW_ASSIGN_OR_RAISE(SortedBlock block, GatherBlock(store_, rows, pool_));
  DropRetired();
  return block;
}

std::vector<MemoryRun> SortMerger::TakeMemory() {
  std::vector<MemoryRun> runs;
  for (Cursor& cursor : cursors_) {
    if (cursor.spilled.file != nullptr || cursor.block == nullptr) continue;
    store_.Remove(cursor.chunk);
    cursor.memory.blocks.push_front(std::move(cursor.block));
    cursor.memory.first_row = cursor.row;
    runs.push_back(std::move(cursor.memory));
    cursor.block = nullptr;
  }
  tree_valid_ = false;
  return runs;
}

}  // namespace headrace
