// Writing. A batch is checked, encoded and paid for before the lock is taken; under it rows are
// appended, the key index is changed row by row, and then every other index, the log of changes and
// the pages with many dead rows get their turn, each for the whole batch.
#include "headrace/connect/memory/keyed_table.h"

#include <algorithm>
#include <atomic>
#include <shared_mutex>

#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/connect/memory/table_pin.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

constexpr int64_t kPrefetchedRows = 64;
constexpr int64_t kRetentionSteps = 64;
constexpr int64_t kExpiredAtOnce = 16384;
// Every 1,365 rows that die make a page sparse, so compaction keeps up with any writing.
constexpr int64_t kRowsPerCompaction = 1024;
constexpr int64_t kMovedMin = int64_t{1} << 20;  // to disk at once

SchemaPtr PlainSchema(const arrow::Schema& schema) {
  arrow::FieldVector fields = schema.fields();
  for (auto& field : fields) field = field->WithType(PlainType(field->type()));
  return arrow::schema(std::move(fields), schema.metadata());
}

Status CheckChange(const arrow::Array& change) {
  if (change.type_id() != arrow::Type::INT8) {
    return Error(ErrorKind::kTypeMismatch, "column _change: expected type int8, got {}",
                 change.type()->ToString());
  }
  const auto& values = static_cast<const arrow::Int8Array&>(change);
  for (int64_t i = 0; i < values.length(); ++i) {
    if (values.IsValid(i) && (values.Value(i) == 1 || values.Value(i) == -1)) continue;
    return Error(ErrorKind::kBadData, "column _change, row {}: expected 1 or -1, got {}", i,
                 values.IsNull(i) ? "null" : std::to_string(values.Value(i)));
  }
  return Status::OK();
}

std::vector<ArrayPtr> Sliced(const std::vector<ArrayPtr>& columns, int64_t begin, int64_t count) {
  std::vector<ArrayPtr> slices;
  slices.reserve(columns.size());
  for (const ArrayPtr& column : columns) slices.push_back(column->Slice(begin, count));
  return slices;
}

// The rows that are given, not taken back.
Result<std::vector<ArrayPtr>> GivenRows(const std::vector<ArrayPtr>& columns, int64_t num_rows,
                                        const int8_t* signs, arrow::MemoryPool* pool) {
  if (signs == nullptr) return columns;
  auto given = std::make_shared<std::vector<uint32_t>>();
  for (int64_t i = 0; i < num_rows; ++i) {
    if (signs[i] > 0) given->push_back(static_cast<uint32_t>(i));
  }
  Batch all(columns, num_rows);
  ARROW_ASSIGN_OR_RAISE(const Batch rows, all.WithSelection(std::move(given)).Compact(pool));
  return rows.columns();
}

}  // namespace

KeyedTable::KeyedTable(std::string name, SchemaPtr schema, std::vector<int> key,
                       KeyedTableOptions options)
    : name_(std::move(name)),
      schema_(std::move(schema)),
      key_(std::move(key)),
      options_(std::move(options)),
      pool_(options_.pool == nullptr ? arrow::default_memory_pool() : options_.pool),
      clock_(options_.clock == nullptr ? SystemClock() : *options_.clock),
      pages_(schema_, pool_) {
  static std::atomic<int64_t> count{0};
  snapshot_ = fmt::format("keyed table {}", ++count);
  if (options_.budget == nullptr) return;
  reservation_ = Reservation(options_.budget->MakeChild(fmt::format("table {}", name_)));
}

KeyedTable::~KeyedTable() = default;

Result<std::shared_ptr<KeyedTable>> KeyedTable::Make(std::string name, SchemaPtr schema,
                                                     std::vector<int> key,
                                                     KeyedTableOptions options) {
  if (key.empty()) return Error(ErrorKind::kInvalidArgument, "{}: expected a key", name);
  for (const int column : key) {
    if (column >= 0 && column < schema->num_fields()) continue;
    return Error(ErrorKind::kInvalidArgument, "{}: no key column number {}", name, column);
  }
  std::shared_ptr<KeyedTable> table(
      new KeyedTable(std::move(name), PlainSchema(*schema), std::move(key), std::move(options)));
  auto by_key = RowIndex::Make(table->pages_, *table->schema_, table->key_);
  if (!by_key.ok()) return table->Fail(by_key.status());
  table->by_key_ = *std::move(by_key);
  return table;
}

Status KeyedTable::Fail(const Status& status) const {
  return status.ok() ? status : WithContext(status, name_ + ": ");
}

Status KeyedTable::CheckKeys(const std::vector<ArrayPtr>& columns) const {
  for (const int column : key_) {
    const arrow::Array& cells = *columns[static_cast<size_t>(column)];
    if (cells.null_count() == 0) continue;
    int64_t row = 0;
    while (cells.IsValid(row)) ++row;
    return Error(ErrorKind::kBadData, "{}: expected keys, got null in column {}, row {}", name_,
                 schema_->field(column)->name(), row);
  }
  return Status::OK();
}

Status KeyedTable::Upsert(const arrow::RecordBatch& rows) { return Apply(rows, nullptr); }

Status KeyedTable::Apply(const arrow::RecordBatch& rows, const ArrayPtr& change) {
  auto plain = RestoreSchema(Batch::FromRecordBatch(rows), schema_, pool_);
  if (!plain.ok()) return Fail(plain.status());
  ARROW_RETURN_NOT_OK(CheckKeys((*plain)->columns()));
  const int8_t* signs = nullptr;
  if (change != nullptr) {
    ARROW_RETURN_NOT_OK(Fail(CheckChange(*change)));
    signs = change->data()->GetValues<int8_t>(1);
  }
  ARROW_RETURN_NOT_OK(Expire());
  ARROW_RETURN_NOT_OK(Write((*plain)->columns(), rows.num_rows(), signs));
  log_.Wake();
  return Status::OK();
}

Status KeyedTable::Write(const std::vector<ArrayPtr>& columns, int64_t num_rows,
                         const int8_t* signs) {
  std::lock_guard writing(write_mutex_);
  EncodedKeys keys;
  for (int64_t begin = 0; begin < num_rows; begin += kBatchRowsMax) {
    const int64_t count = std::min(num_rows - begin, kBatchRowsMax);
    const std::vector<ArrayPtr> part = Sliced(columns, begin, count);
    ARROW_RETURN_NOT_OK(EncodeFor(*by_key_, part, count, &keys));
    std::unique_lock lock(lock_);
    ARROW_RETURN_NOT_OK(broken_);
    ARROW_RETURN_NOT_OK(Reserve(Batch(part, count), keys, signs != nullptr));
    const Status applied = ApplyRows(part, keys, signs == nullptr ? nullptr : signs + begin);
    if (!applied.ok()) broken_ = Fail(applied);
    ARROW_RETURN_NOT_OK(broken_);
  }
  return Status::OK();
}

Status KeyedTable::Reserve(const Batch& rows, const EncodedKeys& keys, bool deletes) {
  const int64_t count = std::max<int64_t>(rows.num_rows(), 1);
  const int64_t row_bytes = rows.num_bytes() / count + 1;
  return Claim([&] {
    int64_t more = pages_.BytesToAppend(count, row_bytes) + by_key_->BytesToAdd(keys, false);
    for (const auto& [columns, index] : indexes_) more += index->BytesToAdd(keys, true);
    if (deletes && deleted_ != nullptr) more += deleted_->BytesToAppend(count, row_bytes);
    return more + (log_.is_wanted() ? 2 * count * (row_bytes + 1) : 0);
  });
}

// `more_bytes()` of memory, which it gives anew for every state of the table, beside what is held.
template <typename MoreBytes>
Status KeyedTable::Claim(const MoreBytes& more_bytes) {
  if (options_.budget == nullptr) return Status::OK();
  while (true) {
    const int64_t wanted = CountBytes() + more_bytes();
    if (reservation_.TryResize(wanted)) return Status::OK();
    bool moved = false;
    if (options_.spill != nullptr) {
      ARROW_ASSIGN_OR_RAISE(moved, MoveToDisk(std::max(wanted - reservation_.bytes(), kMovedMin)));
    }
    if (!moved) return reservation_.Resize(wanted);
  }
}

// False: there is nothing left in memory that could be moved.
Result<bool> KeyedTable::MoveToDisk(int64_t bytes) {
  if (disk_ == nullptr) disk_ = std::make_unique<SpillMap>(*options_.spill, "table");
  const auto freed = pages_.MoveToDisk(disk_.get(), bytes);
  if (!freed.ok()) return Fail(freed.status());
  if (*freed > 0) return true;
  std::vector<RowIndex*> indexes = {by_key_.get()};
  for (const auto& [columns, index] : indexes_) indexes.push_back(index.get());
  for (RowIndex* index : indexes) {
    if (index->is_on_disk()) continue;
    index->MoveToDisk(disk_.get());
    return true;
  }
  return false;
}

void KeyedTable::RemoveOne(RowId row, uint64_t first_added, Written* written) {
  pages_.Kill(row);
  if (pages_.PlaceOfRow(row) < first_added) written->removed.push_back(row);
  written->changed.push_back(row);
  written->signs.push_back(-1);
}

Status KeyedTable::ApplyRows(const std::vector<ArrayPtr>& columns, const EncodedKeys& keys,
                             const int8_t* signs) {
  ++epoch_;
  Written written;
  ARROW_ASSIGN_OR_RAISE(written.columns, GivenRows(columns, keys.num_rows, signs, pool_));
  const int64_t given = written.columns[0]->length();
  written.added.reserve(static_cast<size_t>(given));
  ARROW_RETURN_NOT_OK(
      pages_.Append(written.columns, 0, given, epoch_, WriteTime(), &written.added));
  const uint64_t first = given == 0 ? ~uint64_t{0} : pages_.PlaceOfRow(written.added[0]);
  size_t next = 0;
  for (int64_t i = 0; i < keys.num_rows; ++i) {
    if (i % kPrefetchedRows == 0) {
      by_key_->Prefetch(keys, i, std::min(keys.num_rows, i + kPrefetchedRows));
    }
    const bool is_given = signs == nullptr || signs[i] > 0;
    const RowId row = is_given ? written.added[next++] : kNoRow;
    const RowId old = is_given ? by_key_->Put(keys, i, row) : by_key_->Erase(keys, i);
    if (old != kNoRow) RemoveOne(old, first, &written);
    if (old != kNoRow && !is_given) written.deleted.push_back(old);
    if (!is_given) continue;
    written.changed.push_back(row);
    written.signs.push_back(1);
  }
  return Settle(&written);
}

Status KeyedTable::Delete(const arrow::RecordBatch& keys) {
  auto taken = by_key_->TakeKeys(keys.columns(), pool_);
  if (!taken.ok()) return Fail(taken.status());
  {
    std::lock_guard writing(write_mutex_);
    for (int64_t begin = 0; begin < keys.num_rows(); begin += kBatchRowsMax) {
      const int64_t count = std::min(keys.num_rows() - begin, kBatchRowsMax);
      EncodedKeys encoded;
      ARROW_RETURN_NOT_OK(
          by_key_->encoder().EncodeColumns(Sliced(*taken, begin, count), count, pool_, &encoded));
      std::unique_lock lock(lock_);
      ARROW_RETURN_NOT_OK(broken_);
      const Status removed = RemoveKeys(encoded);
      if (!removed.ok()) broken_ = Fail(removed);
      ARROW_RETURN_NOT_OK(broken_);
    }
  }
  log_.Wake();
  return Status::OK();
}

Status KeyedTable::RemoveKeys(const EncodedKeys& keys) {
  ++epoch_;
  Written written;
  for (int64_t i = 0; i < keys.num_rows; ++i) {
    if (i % kPrefetchedRows == 0) {
      by_key_->Prefetch(keys, i, std::min(keys.num_rows, i + kPrefetchedRows));
    }
    if (keys.nulls[static_cast<size_t>(i)] != 0) continue;
    const RowId old = by_key_->Erase(keys, i);
    if (old == kNoRow) continue;
    RemoveOne(old, ~uint64_t{0}, &written);
    written.deleted.push_back(old);
  }
  return Settle(&written);
}

Status KeyedTable::Expire() {
  if (!options_.retention_micros.has_value()) return Status::OK();
  const int64_t oldest = clock_.MonotonicMicros() - *options_.retention_micros;
  std::lock_guard writing(write_mutex_);
  while (true) {
    std::unique_lock lock(lock_);
    ARROW_RETURN_NOT_OK(broken_);
    const std::vector<int64_t> rows = pages_.RowsBefore(oldest, kExpiredAtOnce);
    if (rows.empty()) break;
    EncodedKeys keys;
    Status removed = EncodeRows(*by_key_, rows, &keys);
    if (removed.ok()) removed = RemoveKeys(keys);
    if (!removed.ok()) broken_ = Fail(removed);
    ARROW_RETURN_NOT_OK(broken_);
  }
  log_.Wake();
  return Status::OK();
}

// Rounded up, so that a page has few times and no row goes too early.
int64_t KeyedTable::WriteTime() {
  if (!options_.retention_micros.has_value()) return 0;
  const int64_t step = std::max<int64_t>(*options_.retention_micros / kRetentionSteps, 1);
  const int64_t micros = (clock_.MonotonicMicros() + step - 1) / step * step;
  return last_write_micros_ = std::max(last_write_micros_, micros);
}

Status KeyedTable::Settle(Written* written) {
  for (const auto& [columns, index] : indexes_) {
    ARROW_RETURN_NOT_OK(UpdateIndex(index.get(), *written));
  }
  ARROW_RETURN_NOT_OK(LogChanges(*written));
  ARROW_RETURN_NOT_OK(RememberDeleted(*written));
  ARROW_RETURN_NOT_OK(CompactPages(std::ssize(written->changed)));
  ReleasePages();
  return Status::OK();
}

Status KeyedTable::UpdateIndex(RowIndex* index, const Written& written) {
  EncodedKeys keys;
  if (!written.removed.empty()) {
    ARROW_RETURN_NOT_OK(EncodeRows(*index, written.removed, &keys));
    for (int64_t i = 0; i < keys.num_rows; ++i) {
      const auto at = static_cast<size_t>(i);
      if (i % kPrefetchedRows == 0) {
        index->Prefetch(keys, i, std::min(keys.num_rows, i + kPrefetchedRows));
      }
      if (keys.nulls[at] == 0) index->Unlink(keys, i, static_cast<RowId>(written.removed[at]));
    }
  }
  if (written.added.empty()) return Status::OK();
  ARROW_RETURN_NOT_OK(EncodeFor(*index, written.columns, std::ssize(written.added), &keys));
  for (int64_t i = 0; i < keys.num_rows; ++i) {
    const auto at = static_cast<size_t>(i);
    if (i % kPrefetchedRows == 0) {
      index->Prefetch(keys, i, std::min(keys.num_rows, i + kPrefetchedRows));
    }
    if (keys.nulls[at] == 0 && pages_.IsLive(written.added[at])) {
      index->Link(keys, i, written.added[at]);
    }
  }
  return Status::OK();
}

Status KeyedTable::LogChanges(const Written& written) {
  const int64_t count = std::ssize(written.changed);
  if (!log_.is_wanted()) {
    log_.Skip(count);
    return Status::OK();
  }
  if (count == 0) return Status::OK();
  std::vector<int> columns;
  for (int i = 0; i < schema_->num_fields(); ++i) columns.push_back(i);
  ARROW_ASSIGN_OR_RAISE(auto cells, pages_.Gather(written.changed, columns, pool_));
  Batch changes(std::move(cells), count);
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> signs, arrow::AllocateBuffer(count, pool_));
  std::copy(written.signs.begin(), written.signs.end(), signs->mutable_data_as<int8_t>());
  changes.set_change(std::make_shared<arrow::Int8Array>(count, std::move(signs)));
  log_.Append(std::move(changes));
  return Status::OK();
}

Status KeyedTable::RememberDeleted(const Written& written) {
  const auto count = std::ssize(written.deleted);
  if (deleted_ == nullptr || count == 0) return Status::OK();
  if (deleted_->num_live() + count > deleted_max_) {
    deleted_.reset();
    return Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const auto keys, pages_.Gather(written.deleted, key_, pool_));
  std::vector<RowId> ids;
  return deleted_->Append(keys, 0, count, epoch_, 0, &ids);
}

Status KeyedTable::CompactPages(int64_t written_rows) {
  EncodedKeys keys;
  for (int64_t left = 1 + written_rows / kRowsPerCompaction; left > 0; --left) {
    const uint32_t page = pages_.TakeSparsePage();
    if (page == RowPages::kNoPage) break;
    ARROW_ASSIGN_OR_RAISE(const RowPages::Move move, pages_.Compact(page, epoch_));
    const auto move_in = [&](RowIndex* index) -> Status {
      ARROW_RETURN_NOT_OK(EncodeFor(*index, move.columns, std::ssize(move.from), &keys));
      index->Prefetch(keys, 0, keys.num_rows);
      for (int64_t i = 0; i < keys.num_rows; ++i) {
        const auto at = static_cast<size_t>(i);
        if (keys.nulls[at] != 0) continue;
        index->Move(keys, i, static_cast<RowId>(move.from[at]), move.to[at]);
      }
      for (const uint32_t retired : move.retired) index->DropPage(retired);
      return Status::OK();
    };
    ARROW_RETURN_NOT_OK(move_in(by_key_.get()));
    for (const auto& [columns, index] : indexes_) ARROW_RETURN_NOT_OK(move_in(index.get()));
  }
  return Status::OK();
}

Status KeyedTable::EncodeFor(const RowIndex& index, const std::vector<ArrayPtr>& columns,
                             int64_t num_rows, EncodedKeys* keys) const {
  std::vector<ArrayPtr> key;
  for (const int column : index.columns()) key.push_back(columns[static_cast<size_t>(column)]);
  return index.encoder().EncodeColumns(std::move(key), num_rows, pool_, keys);
}

Status KeyedTable::EncodeRows(const RowIndex& index, std::span<const int64_t> rows,
                              EncodedKeys* keys) const {
  ARROW_ASSIGN_OR_RAISE(auto columns, pages_.Gather(rows, index.columns(), pool_));
  return index.encoder().EncodeColumns(std::move(columns), std::ssize(rows), pool_, keys);
}

void KeyedTable::ReleasePages() {
  std::vector<uint64_t> epochs;
  for (const Pin* pin : pins_) {
    if (pin->epoch != kNoEpoch) epochs.push_back(pin->epoch);
  }
  pages_.Release(epochs);
  if (options_.budget != nullptr) reservation_.TryResize(CountBytes());
}

int64_t KeyedTable::CountBytes() const {
  int64_t bytes = static_cast<int64_t>(sizeof(*this)) + pages_.bytes() + by_key_->bytes();
  for (const auto& [columns, index] : indexes_) bytes += index->bytes();
  if (deleted_ != nullptr) bytes += deleted_->bytes();
  return bytes + log_.bytes();
}

int64_t KeyedTable::num_rows() const {
  std::shared_lock lock(lock_);
  return pages_.num_live();
}

int64_t KeyedTable::bytes() const {
  std::shared_lock lock(lock_);
  return CountBytes();
}

int64_t KeyedTable::bytes_on_disk() const {
  std::shared_lock lock(lock_);
  return disk_ == nullptr ? 0 : disk_->bytes();
}

Result<RowIndex*> KeyedTable::IndexOf(const std::vector<int>& columns) {
  if (columns == key_) return by_key_.get();
  const auto it = indexes_.find(columns);
  if (it != indexes_.end()) return it->second.get();
  ARROW_ASSIGN_OR_RAISE(auto index, RowIndex::Make(pages_, *schema_, columns));
  if (by_key_->is_on_disk()) index->MoveToDisk(disk_.get());
  ARROW_RETURN_NOT_OK(FillIndex(index.get()));
  return indexes_.emplace(columns, std::move(index)).first->second.get();
}

Status KeyedTable::FillIndex(RowIndex* index) {
  EncodedKeys keys;
  std::vector<int64_t> rows;
  for (const RowPages::LivePage& page : pages_.LivePages()) {
    rows.clear();
    page.AppendRows(0, RowPages::kPageRows, &rows);
    ARROW_RETURN_NOT_OK(EncodeRows(*index, rows, &keys));
    ARROW_RETURN_NOT_OK(Claim([&] { return index->bytes() + index->BytesToAdd(keys, true); }));
    for (int64_t i = 0; i < keys.num_rows; ++i) {
      const auto at = static_cast<size_t>(i);
      if (keys.nulls[at] == 0) index->Link(keys, i, static_cast<RowId>(rows[at]));
    }
  }
  return Status::OK();
}

}  // namespace headrace
