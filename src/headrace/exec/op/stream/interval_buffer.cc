// Per key an array in time order; per batch the order in which its rows go out, and over all
// batches a heap by the next time.
#include "headrace/exec/op/stream/interval_buffer.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "arrow/array/array_base.h"
#include "arrow/array/concatenate.h"
#include "arrow/array/util.h"
#include "headrace/base/hash.h"
#include "headrace/base/limits.h"
#include "headrace/memory/block_filler.h"

namespace headrace {
namespace {

constexpr int64_t kSliceSlackBytes = 4096;

}  // namespace

void* IntervalBuffer::Pages::do_allocate(size_t size, size_t align) {
  void* block = std::pmr::new_delete_resource()->allocate(size, align);
  bytes += static_cast<int64_t>(size);
  return block;
}

void IntervalBuffer::Pages::do_deallocate(void* block, size_t size, size_t align) {
  bytes -= static_cast<int64_t>(size);
  std::pmr::new_delete_resource()->deallocate(block, size, align);
}

IntervalBuffer::IntervalBuffer(const arrow::Schema& schema, bool is_fixed)
    : store_(schema), keys_(is_fixed, sizeof(KeyRows), alignof(KeyRows)), arrays_(&pages_) {}

IntervalBuffer::~IntervalBuffer() = default;

int64_t IntervalBuffer::BytesToAdd(const Batch& batch, const EncodedKeys& keys) const {
  const int64_t rows = batch.num_rows();
  const int64_t of_batch = batch.num_bytes() + store_.bytes_per_chunk() + rows * BytesPerRow();
  const auto key_bytes = static_cast<int64_t>(keys.bytes.size());
  return row_bytes_ + pages_.bytes + of_batch + keys_.BytesToAdd(rows, key_bytes);
}

Status IntervalBuffer::Add(const Batch& batch, const EncodedKeys& keys,
                           const std::vector<uint32_t>& key_rows, std::vector<int64_t> times,
                           std::vector<uint8_t> matched, arrow::MemoryPool* pool) {
  const size_t count = key_rows.size();
  if (count == 0) return Status::OK();
  Chunk chunk;
  chunk.times = std::move(times);
  chunk.matched = std::move(matched);
  chunk.groups.resize(count);
  std::vector<uint8_t> is_new(count);
  keys_.FindOrInsert(keys, key_rows.data(), static_cast<int64_t>(count), chunk.groups.data(),
                     is_new.data());
  const int32_t number = AddChunk(batch, std::move(chunk));
  const Chunk& added = chunks_[static_cast<size_t>(number)];
  for (size_t row = 0; row < count; ++row) {
    KeyRows& rows = RowsOf(added.groups[row]);
    if (is_new[row] != 0) rows = KeyRows{nullptr, 0, 0, 0};
    Insert(rows, {added.times[row], {number, static_cast<int32_t>(row)}});
  }
  num_rows_ += static_cast<int64_t>(count);
  return small_.size() < kSmallChunksMax ? Status::OK() : MergeSmall(pool);
}

int32_t IntervalBuffer::AddChunk(const Batch& batch, Chunk chunk) {
  const size_t count = chunk.times.size();
  const int32_t number = store_.Add(batch);
  chunk.order.resize(count);
  std::iota(chunk.order.begin(), chunk.order.end(), 0U);
  std::stable_sort(chunk.order.begin(), chunk.order.end(),
                   [&](uint32_t a, uint32_t b) { return chunk.times[a] < chunk.times[b]; });
  chunk.cell_bytes = batch.num_bytes();
  chunk.bytes = chunk.cell_bytes + store_.bytes_per_chunk() + static_cast<int64_t>(count) * 17;
  row_bytes_ += chunk.bytes;
  next_out_.emplace(chunk.times[chunk.order[0]], number);
  if (count < kSmallRows) small_.push_back(number);
  if (chunks_.size() <= static_cast<size_t>(number))
    chunks_.resize(static_cast<size_t>(number) + 1);
  chunks_[static_cast<size_t>(number)] = std::move(chunk);
  return number;
}

/// A batch of one row would take a hundred times its bytes for ever.
Status IntervalBuffer::MergeSmall(arrow::MemoryPool* pool) {
  std::vector<RowRef> rows;
  Chunk merged;
  for (int32_t number : small_) {
    const Chunk& chunk = chunks_[static_cast<size_t>(number)];
    for (size_t i = chunk.next; i < chunk.order.size(); ++i) {
      const uint32_t row = chunk.order[i];
      rows.push_back({number, static_cast<int32_t>(row)});
      merged.times.push_back(chunk.times[row]);
      merged.groups.push_back(chunk.groups[row]);
      merged.matched.push_back(chunk.matched[row]);
    }
  }
  ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns, store_.Gather(rows, pool));
  const std::vector<int32_t> small = std::exchange(small_, {});
  const int32_t number =
      AddChunk(Batch(std::move(columns), static_cast<int64_t>(rows.size())), std::move(merged));
  const Chunk& added = chunks_[static_cast<size_t>(number)];
  for (size_t row = 0; row < rows.size(); ++row) {
    Move(added.groups[row], added.times[row], rows[row], {number, static_cast<int32_t>(row)});
  }
  for (int32_t old : small) Free(old);
  next_out_ = {};
  for (size_t i = 0; i < chunks_.size(); ++i) {
    const Chunk& chunk = chunks_[i];
    if (chunk.next == chunk.order.size()) continue;
    next_out_.emplace(chunk.times[chunk.order[chunk.next]], static_cast<int32_t>(i));
  }
  return Status::OK();
}

void IntervalBuffer::Move(uint32_t group, int64_t time, RowRef from, RowRef to) {
  const KeyRows& rows = RowsOf(group);
  TimedRow* place =
      std::lower_bound(rows.rows + rows.begin, rows.rows + rows.end, time,
                       [](const TimedRow& row, int64_t other) { return row.time < other; });
  while (!(place->row == from)) ++place;
  place->row = to;
}

void IntervalBuffer::Free(int32_t number) {
  Chunk& chunk = chunks_[static_cast<size_t>(number)];
  row_bytes_ -= chunk.bytes;
  store_.Remove(number);
  if (chunk.block != nullptr) disk_->Free(chunk.block, chunk.block_bytes);
  chunk = Chunk();
}

Result<int64_t> IntervalBuffer::MoveToDisk(SpillMap* disk, int64_t bytes, arrow::MemoryPool* pool) {
  disk_ = disk;
  const int64_t before = row_bytes_;
  for (size_t number = 0; number < chunks_.size() && before - row_bytes_ < bytes; ++number) {
    // Small ones are about to be put together.
    if (chunks_[number].times.size() < kSmallRows || chunks_[number].cell_bytes == 0) continue;
    ARROW_RETURN_NOT_OK(MoveChunk(static_cast<int32_t>(number), pool));
  }
  return before - row_bytes_;
}

Status IntervalBuffer::MoveChunk(int32_t number, arrow::MemoryPool* pool) {
  Chunk& chunk = chunks_[static_cast<size_t>(number)];
  std::vector<ArrayPtr> columns = store_.ColumnsOf(number);
  BlockFiller counted(nullptr);
  for (ArrayPtr& column : columns) {
    BlockFiller whole(nullptr);
    whole.Take(*column->data());
    // What is a slice of something larger is cut out first.
    if (whole.filled() > 2 * Batch({column}, column->length()).num_bytes() + kSliceSlackBytes) {
      ARROW_ASSIGN_OR_RAISE(column, arrow::Concatenate({column}, pool));
    }
    counted.Take(*column->data());
  }
  ARROW_ASSIGN_OR_RAISE(chunk.block, disk_->Allocate(counted.filled()));
  chunk.block_bytes = counted.filled();
  BlockFiller filler(chunk.block);
  for (ArrayPtr& column : columns) column = arrow::MakeArray(filler.Take(*column->data()));
  store_.Replace(number, columns);
  row_bytes_ -= chunk.cell_bytes;
  chunk.bytes -= std::exchange(chunk.cell_bytes, 0);
  return Status::OK();
}

void IntervalBuffer::MakeRoom(KeyRows& rows) {
  const uint32_t size = rows.end - rows.begin;
  if (rows.begin > 0 && size <= rows.capacity / 2) {
    std::memmove(rows.rows, rows.rows + rows.begin, size * sizeof(TimedRow));
  } else {
    const uint32_t capacity = std::max<uint32_t>(1, 2 * size);
    auto* wider =
        static_cast<TimedRow*>(arrays_.allocate(capacity * sizeof(TimedRow), alignof(TimedRow)));
    if (size > 0) std::memcpy(wider, rows.rows + rows.begin, size * sizeof(TimedRow));
    if (rows.capacity > 0) {
      arrays_.deallocate(rows.rows, rows.capacity * sizeof(TimedRow), alignof(TimedRow));
    }
    rows.rows = wider;
    rows.capacity = capacity;
  }
  rows.begin = 0;
  rows.end = size;
}

/// Behind the rows of the same time.
void IntervalBuffer::Insert(KeyRows& rows, TimedRow row) {
  if (rows.end == rows.capacity) MakeRoom(rows);
  TimedRow* place = rows.rows + rows.end;
  if (rows.end > rows.begin && (place - 1)->time > row.time) {
    place = std::upper_bound(rows.rows + rows.begin, place, row.time,
                             [](int64_t time, const TimedRow& other) { return time < other.time; });
    std::memmove(place + 1, place,
                 static_cast<size_t>(rows.rows + rows.end - place) * sizeof(TimedRow));
  }
  *place = row;
  ++rows.end;
}

void IntervalBuffer::FindKeys(const EncodedKeys& keys, std::vector<uint32_t>* numbers) const {
  std::vector<uint32_t> rows(static_cast<size_t>(keys.num_rows));
  std::iota(rows.begin(), rows.end(), 0U);
  numbers->resize(rows.size());
  keys_.Find(keys, rows.data(), keys.num_rows, numbers->data());
}

std::span<const TimedRow> IntervalBuffer::Find(uint32_t number, int64_t from, int64_t to) const {
  if (number == GroupTable::kNoGroup || from > to) return {};
  const KeyRows& rows = RowsOf(number);
  const TimedRow* const begin =
      std::lower_bound(rows.rows + rows.begin, rows.rows + rows.end, from,
                       [](const TimedRow& row, int64_t time) { return row.time < time; });
  const TimedRow* const end =
      std::upper_bound(begin, static_cast<const TimedRow*>(rows.rows + rows.end), to,
                       [](int64_t time, const TimedRow& row) { return time < row.time; });
  return {begin, end};
}

/// All rows of the key before `bound` are on their way out.
void IntervalBuffer::DropFront(uint32_t number, int64_t bound) {
  KeyRows& rows = RowsOf(number);
  while (rows.begin < rows.end && rows.rows[rows.begin].time < bound) ++rows.begin;
}

bool IntervalBuffer::TakeBefore(int64_t bound, int64_t limit, std::vector<RowRef>* unmatched) {
  while (!next_out_.empty() && next_out_.top().first < bound) {
    if (limit <= 0) return true;
    const int32_t number = next_out_.top().second;
    next_out_.pop();
    Chunk& chunk = chunks_[static_cast<size_t>(number)];
    const int64_t others = next_out_.empty() ? bound : std::min(bound, next_out_.top().first + 1);
    for (; chunk.next < chunk.order.size() && limit > 0; ++chunk.next, --limit) {
      const uint32_t row = chunk.order[chunk.next];
      if (chunk.times[row] >= others) break;
      DropFront(chunk.groups[row], bound);
      --num_rows_;
      if (chunk.matched[row] == 0) unmatched->push_back({number, static_cast<int32_t>(row)});
    }
    if (chunk.next == chunk.order.size()) {
      taken_.push_back(number);
      std::erase(small_, number);
    } else {
      next_out_.emplace(chunk.times[chunk.order[chunk.next]], number);
    }
  }
  return false;
}

void IntervalBuffer::Release() {
  for (int32_t number : taken_) {
    const Chunk& chunk = chunks_[static_cast<size_t>(number)];
    for (uint32_t group : chunk.groups) {
      if (!keys_.Exists(group)) continue;
      KeyRows& rows = RowsOf(group);
      if (rows.begin < rows.end) continue;
      if (rows.capacity > 0) {
        arrays_.deallocate(rows.rows, rows.capacity * sizeof(TimedRow), alignof(TimedRow));
      }
      keys_.Erase(group);
    }
    Free(number);
  }
  taken_.clear();
}

std::vector<std::vector<IntervalBuffer::SavedRow>> IntervalBuffer::ByKeyGroup() const {
  std::vector<std::vector<SavedRow>> saved(kKeyGroups);
  for (size_t number = 0; number < chunks_.size(); ++number) {
    const Chunk& chunk = chunks_[number];
    for (size_t i = chunk.next; i < chunk.order.size(); ++i) {
      const uint32_t row = chunk.order[i];
      const auto key_group = static_cast<size_t>(KeyGroupOf(keys_.HashOf(chunk.groups[row])));
      saved[key_group].push_back(
          {{static_cast<int32_t>(number), static_cast<int32_t>(row)}, chunk.matched[row] != 0});
    }
  }
  return saved;
}

}  // namespace headrace
