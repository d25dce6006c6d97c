// MutableTable: an append-only store of row versions, a log of (row, change), and who lives.
//
//   versions  0:a 1:b 2:a' 3:c      log  +0 +1 −0 +2 +3      live  1 2 3
//
// A position in the log with a number of rows of the snapshot before it tells a subscriber's place.
#include "headrace/connect/memory/mutable_table.h"

#include <algorithm>
#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <utility>

#include "arrow/array.h"
#include "arrow/array/concatenate.h"
#include "arrow/array/util.h"
#include "arrow/chunked_array.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/exec.h"
#include "arrow/datum.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/connect/memory/slice_reader.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

arrow::MemoryPool* PoolOf(const ReadContext& context) {
  return context.pool == nullptr ? arrow::default_memory_pool() : context.pool;
}

struct Change {
  int64_t row;
  int8_t sign;
};

std::vector<int64_t> RowsOf(std::span<const Change> changes) {
  std::vector<int64_t> rows;
  rows.reserve(changes.size());
  for (const Change& change : changes) rows.push_back(change.row);
  return rows;
}

Result<ArrayPtr> SignsOf(std::span<const Change> changes, arrow::MemoryPool* pool) {
  const auto length = static_cast<int64_t>(changes.size());
  ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateBuffer(length, pool));
  auto* signs = buffer->mutable_data_as<int8_t>();
  for (const Change& change : changes) *signs++ = change.sign;
  return std::make_shared<arrow::Int8Array>(length, std::move(buffer));
}

Result<ArrayPtr> GatherColumn(const arrow::ArrayVector& chunks, const TypePtr& type,
                              const ArrayPtr& ids, arrow::MemoryPool* pool) {
  if (ids->length() == 0) return arrow::MakeEmptyArray(type, pool);
  arrow::compute::ExecContext context(pool);
  const arrow::Datum values(std::make_shared<arrow::ChunkedArray>(chunks, type));
  ARROW_ASSIGN_OR_RAISE(
      const arrow::Datum taken,
      arrow::compute::Take(values, ids, arrow::compute::TakeOptions::BoundsCheck(), &context));
  if (taken.is_array()) return taken.make_array();
  const arrow::ArrayVector& parts = taken.chunked_array()->chunks();
  return parts.size() == 1 ? Result<ArrayPtr>(parts[0]) : arrow::Concatenate(parts, pool);
}

}  // namespace

// Everything that changes, under the table's mutex.
struct MutableTable::State {
  struct Index {
    std::unique_ptr<KeyIndex> rows;
    size_t chunks = 0;  // of the store, that are in it
  };

  int64_t num_versions = 0;
  std::vector<arrow::ArrayVector> chunks;  // by column, then in the order of writing
  std::vector<bool> is_live;               // by version
  std::vector<Change> log;
  std::unique_ptr<KeyIndex> keys;   // numbers every key there ever was
  std::vector<int64_t> row_of_key;  // its living version, or kNone
  std::map<std::vector<int>, Index> indexes;
  std::map<int64_t, Waker> subscribers;
  int64_t next_subscriber = 0;
  bool closed = false;

  Result<std::vector<ArrayPtr>> Gather(std::span<const int64_t> rows, std::span<const int> columns,
                                       const arrow::Schema& schema, arrow::MemoryPool* pool) const {
    const auto ids = std::make_shared<arrow::Int64Array>(
        static_cast<int64_t>(rows.size()), arrow::Buffer::Wrap(rows.data(), rows.size()));
    std::vector<ArrayPtr> gathered;
    for (const int column : columns) {
      const TypePtr& type = schema.field(column)->type();
      ARROW_ASSIGN_OR_RAISE(gathered.emplace_back(),
                            GatherColumn(chunks[static_cast<size_t>(column)], type, ids, pool));
    }
    return gathered;
  }

  void AppendVersions(const std::vector<ArrayPtr>& columns, int64_t num_rows) {
    for (size_t i = 0; i < columns.size(); ++i) chunks[i].push_back(columns[i]);
    num_versions += num_rows;
    is_live.resize(static_cast<size_t>(num_versions), false);
  }

  int64_t* RowOfKey(int64_t key) {
    if (static_cast<size_t>(key) >= row_of_key.size()) {
      row_of_key.resize(static_cast<size_t>(key) + 1, KeyIndex::kNone);
    }
    return &row_of_key[static_cast<size_t>(key)];
  }

  void Log(int64_t row, int8_t sign) {
    log.push_back({row, sign});
    is_live[static_cast<size_t>(row)] = sign > 0;
  }

  // The versions that lived before entry `log_end`, in table order.
  std::vector<int64_t> LiveRowsAt(int64_t log_end) const {
    std::vector<bool> live(is_live.size(), false);
    for (int64_t i = 0; i < log_end; ++i) {
      const Change& change = log[static_cast<size_t>(i)];
      live[static_cast<size_t>(change.row)] = change.sign > 0;
    }
    std::vector<int64_t> rows;
    for (size_t row = 0; row < live.size(); ++row) {
      if (live[row]) rows.push_back(static_cast<int64_t>(row));
    }
    return rows;
  }

  Status CatchUp(const std::vector<int>& columns, Index* index) const {
    const size_t written = chunks.empty() ? 0 : chunks[0].size();
    for (; index->chunks < written; ++index->chunks) {
      std::vector<ArrayPtr> keys;
      for (const int column : columns) {
        keys.push_back(chunks[static_cast<size_t>(column)][index->chunks]);
      }
      ARROW_RETURN_NOT_OK(index->rows->Add(keys));
    }
    return Status::OK();
  }
};

// Reads the snapshot at `log_next_` past `snapshot_next_` rows, then the log.
class MutableTable::ChangeReader final : public SplitReader {
 public:
  ChangeReader(std::shared_ptr<MutableTable> table, const ScanRequest& request,
               const ReadContext& context)
      : table_(std::move(table)),
        projection_(request.projection),
        batch_rows_(std::clamp<int64_t>(request.batch_rows, 1, kBatchRowsMax)),
        pool_(PoolOf(context)) {
    std::lock_guard lock(table_->mutex_);
    State& state = *table_->state_;
    subscriber_ = state.next_subscriber++;
    state.subscribers.emplace(subscriber_, context.waker);
  }

  ~ChangeReader() override {
    std::lock_guard lock(table_->mutex_);
    table_->state_->subscribers.erase(subscriber_);
  }

  // Position: "<log entries>:<rows of the snapshot at that entry>"; the snapshot is behind when
  // empty.
  Status Seek(const std::string& from) {
    std::lock_guard lock(table_->mutex_);
    const State& state = *table_->state_;
    log_next_ = static_cast<int64_t>(state.log.size());
    if (!from.empty()) {
      const size_t colon = std::min(from.find(':'), from.size());
      ARROW_ASSIGN_OR_RAISE(const int64_t entry, ParsePosition(from.substr(0, colon)));
      if (entry > log_next_) {
        return Error(ErrorKind::kStale, "{} has {} changes; asked to go on at {}", table_->name_,
                     log_next_, from);
      }
      log_next_ = entry;
      if (colon == from.size()) return Status::OK();
      ARROW_ASSIGN_OR_RAISE(snapshot_next_, ParsePosition(from.substr(colon + 1)));
    }
    for (const int64_t row : state.LiveRowsAt(log_next_)) snapshot_.push_back({row, 1});
    return Status::OK();
  }

  Result<ReadResult> Next() override {
    std::lock_guard lock(table_->mutex_);
    const State& state = *table_->state_;
    const bool in_snapshot = InSnapshot();
    const std::vector<Change>& changes = in_snapshot ? snapshot_ : state.log;
    int64_t& next = in_snapshot ? snapshot_next_ : log_next_;
    const auto size = static_cast<int64_t>(changes.size());
    if (next >= size) {
      return state.closed ? ReadResult(EndOfSplit{}) : ReadResult(Pending{});
    }
    const int64_t length = std::min(size - next, batch_rows_);
    const auto part =
        std::span(changes).subspan(static_cast<size_t>(next), static_cast<size_t>(length));
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns,
                          state.Gather(RowsOf(part), projection_, *table_->schema_, pool_));
    Batch batch(std::move(columns), length);
    ARROW_ASSIGN_OR_RAISE(ArrayPtr signs, SignsOf(part, pool_));
    batch.set_change(std::move(signs));
    next += length;
    return batch;
  }

  Result<std::string> Position() const override {
    return InSnapshot() ? fmt::format("{}:{}", log_next_, snapshot_next_)
                        : std::to_string(log_next_);
  }

 private:
  bool InSnapshot() const { return snapshot_next_ < static_cast<int64_t>(snapshot_.size()); }

  const std::shared_ptr<MutableTable> table_;
  const std::vector<int> projection_;
  const int64_t batch_rows_;
  arrow::MemoryPool* const pool_;
  int64_t subscriber_ = 0;
  std::vector<Change> snapshot_;
  int64_t snapshot_next_ = 0;
  int64_t log_next_ = 0;
};

class MutableTable::ChangeStream final : public Source {
 public:
  explicit ChangeStream(std::shared_ptr<MutableTable> table) : table_(std::move(table)) {}

  std::string name() const override { return "changes of " + table_->name_; }
  const SchemaPtr& schema() const override { return table_->schema_; }
  Boundedness boundedness() const override { return Boundedness::kUnbounded; }
  ChangeMode change_mode() const override { return ChangeMode::kRetract; }
  std::vector<int> key() const override { return table_->key_; }
  Result<std::vector<Split>> Splits(const ScanRequest&) override {
    return std::vector<Split>{{.name = name()}};
  }
  Result<std::unique_ptr<SplitReader>> Open(const Split&, const ScanRequest& request,
                                            const ReadContext& context) override {
    return table_->OpenChanges(context.position, request, context);
  }
  Result<std::string> Snapshot() override { return table_->Snapshot(); }

 private:
  const std::shared_ptr<MutableTable> table_;
};

MutableTable::MutableTable(std::string name, SchemaPtr schema, std::vector<int> key,
                           std::unique_ptr<State> state)
    : name_(std::move(name)),
      schema_(std::move(schema)),
      key_(std::move(key)),
      state_(std::move(state)) {
  static std::atomic<int64_t> count{0};
  snapshot_ = fmt::format("mutable table {}", ++count);
}

MutableTable::~MutableTable() = default;

Result<std::shared_ptr<MutableTable>> MutableTable::Make(std::string name, SchemaPtr schema,
                                                         std::vector<int> key) {
  arrow::FieldVector fields = schema->fields();
  for (auto& field : fields) field = field->WithType(PlainType(field->type()));
  std::vector<TypePtr> key_types;
  for (const int column : key) {
    if (column < 0 || column >= schema->num_fields()) {
      return Error(ErrorKind::kInvalidArgument, "{}: no key column number {}", name, column);
    }
    key_types.push_back(fields[static_cast<size_t>(column)]->type());
  }
  if (key.empty()) return Error(ErrorKind::kInvalidArgument, "{}: expected a key", name);
  auto state = std::make_unique<State>();
  state->chunks.resize(fields.size());
  ARROW_ASSIGN_OR_RAISE(state->keys, KeyIndex::Make(std::move(key_types)));
  SchemaPtr plain = arrow::schema(std::move(fields), schema->metadata());
  return std::shared_ptr<MutableTable>(
      new MutableTable(std::move(name), std::move(plain), std::move(key), std::move(state)));
}

Status MutableTable::Upsert(const arrow::RecordBatch& rows) {
  ARROW_ASSIGN_OR_RAISE(auto plain, RestoreSchema(Batch::FromRecordBatch(rows), schema_,
                                                  arrow::default_memory_pool()));
  std::vector<ArrayPtr> keys;
  for (const int column : key_) {
    keys.push_back(plain->column(column));
    if (keys.back()->null_count() == 0) continue;
    return Error(ErrorKind::kBadData, "{}: expected keys, got null in column {}", name_,
                 schema_->field(column)->name());
  }
  {
    std::lock_guard lock(mutex_);
    const int64_t first = state_->num_versions;
    state_->AppendVersions(plain->columns(), plain->num_rows());
    for (int64_t i = 0; i < plain->num_rows(); ++i) {
      int64_t* row = state_->RowOfKey(state_->keys->FindOrAdd(keys, i));
      if (*row != KeyIndex::kNone) state_->Log(*row, -1);
      *row = first + i;
      state_->Log(*row, 1);
    }
  }
  WakeSubscribers();
  return Status::OK();
}

Status MutableTable::Delete(const arrow::RecordBatch& keys) {
  std::vector<ArrayPtr> plain = keys.columns();
  for (ArrayPtr& key : plain) {
    ARROW_ASSIGN_OR_RAISE(key, Decode(key, arrow::default_memory_pool()));
  }
  {
    std::lock_guard lock(mutex_);
    ARROW_RETURN_NOT_OK(state_->keys->CheckTypes(plain));
    std::vector<Match> matches;
    state_->keys->Probe(plain, &matches);
    for (const Match& match : matches) {
      int64_t* row = state_->RowOfKey(match.row_id);
      if (*row == KeyIndex::kNone) continue;
      state_->Log(*row, -1);
      *row = KeyIndex::kNone;
    }
  }
  WakeSubscribers();
  return Status::OK();
}

void MutableTable::CloseChanges() {
  {
    std::lock_guard lock(mutex_);
    state_->closed = true;
  }
  WakeSubscribers();
}

void MutableTable::WakeSubscribers() {
  std::vector<Waker> wakers;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [id, waker] : state_->subscribers) wakers.push_back(waker);
  }
  for (const Waker& waker : wakers) waker.Wake();
}

int64_t MutableTable::num_rows() const {
  std::lock_guard lock(mutex_);
  return std::count(state_->is_live.begin(), state_->is_live.end(), true);
}

SourcePtr MutableTable::Stream() { return std::make_shared<ChangeStream>(shared_from_this()); }

Result<std::vector<Split>> MutableTable::Splits(const ScanRequest&) {
  return std::vector<Split>{{.name = name_}};
}

Result<std::unique_ptr<SplitReader>> MutableTable::Open(const Split&, const ScanRequest& request,
                                                        const ReadContext& context) {
  std::vector<int> columns;
  for (int i = 0; i < schema_->num_fields(); ++i) columns.push_back(i);
  std::vector<Batch> batches;
  std::vector<int64_t> starts = {0};
  {
    std::lock_guard lock(mutex_);
    const std::vector<int64_t> rows = state_->LiveRowsAt(static_cast<int64_t>(state_->log.size()));
    ARROW_ASSIGN_OR_RAISE(auto arrays, state_->Gather(rows, columns, *schema_, PoolOf(context)));
    const auto num_rows = static_cast<int64_t>(rows.size());
    if (num_rows > 0) batches.emplace_back(std::move(arrays), num_rows);
    if (num_rows > 0) starts.push_back(num_rows);
  }
  const int64_t end = starts.back();
  return OpenRowRange({.batches = std::make_shared<const std::vector<Batch>>(std::move(batches)),
                       .starts = std::make_shared<const std::vector<int64_t>>(std::move(starts)),
                       .begin = 0,
                       .end = end},
                      request, context);
}

Status MutableTable::EnsureIndex(std::span<const int> columns) {
  std::vector<TypePtr> types;
  for (const int column : columns) types.push_back(schema_->field(column)->type());
  ARROW_ASSIGN_OR_RAISE(auto rows, KeyIndex::Make(std::move(types)));
  std::lock_guard lock(mutex_);
  state_->indexes.try_emplace(std::vector<int>(columns.begin(), columns.end()),
                              State::Index{.rows = std::move(rows)});
  return Status::OK();
}

Result<std::vector<Lookup::Match>> MutableTable::Probe(std::span<const int> columns,
                                                       std::span<const ArrayPtr> keys) {
  std::vector<ArrayPtr> plain(keys.begin(), keys.end());
  for (ArrayPtr& key : plain) {
    ARROW_ASSIGN_OR_RAISE(key, Decode(key, arrow::default_memory_pool()));
  }
  std::lock_guard lock(mutex_);
  const auto it = state_->indexes.find(std::vector<int>(columns.begin(), columns.end()));
  if (it == state_->indexes.end()) {
    return Error(ErrorKind::kInternal, "{} was probed without an index", name_);
  }
  State::Index& index = it->second;
  ARROW_RETURN_NOT_OK(index.rows->CheckTypes(plain));
  ARROW_RETURN_NOT_OK(state_->CatchUp(it->first, &index));
  std::vector<Match> matches;
  index.rows->Probe(plain, &matches);
  std::erase_if(matches, [&](const Match& match) {
    return !state_->is_live[static_cast<size_t>(match.row_id)];
  });
  return matches;
}

Result<std::vector<ArrayPtr>> MutableTable::Gather(std::span<const int64_t> row_ids,
                                                   std::span<const int> columns) {
  std::lock_guard lock(mutex_);
  return state_->Gather(row_ids, columns, *schema_, arrow::default_memory_pool());
}

Result<std::unique_ptr<SplitReader>> MutableTable::OpenChanges(const std::string& from,
                                                               const ScanRequest& request,
                                                               const ReadContext& context) {
  auto reader = std::make_unique<ChangeReader>(shared_from_this(), request, context);
  ARROW_RETURN_NOT_OK(reader->Seek(from));
  return reader;
}

Result<std::unique_ptr<SplitReader>> MutableTable::Subscribe(const std::string& from,
                                                             const ReadContext& context) {
  ScanRequest request;
  for (int i = 0; i < schema_->num_fields(); ++i) request.projection.push_back(i);
  return OpenChanges(from, request, context);
}

}  // namespace headrace
