// Reading. Readers share the lock for each step; between steps their pins keep what they have seen.
#include <algorithm>
#include <bit>
#include <shared_mutex>

#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/connect/memory/keyed_table.h"
#include "headrace/connect/memory/slice_reader.h"
#include "headrace/connect/memory/table_pin.h"
#include "headrace/types/encoding.h"
#include "headrace/types/key/key_codes.h"

namespace headrace {
namespace {

arrow::MemoryPool* PoolOf(const ReadContext& context) {
  return context.pool == nullptr ? arrow::default_memory_pool() : context.pool;
}

}  // namespace

// ---- Lookups ----

class KeyedTable::IndexReader final : public LookupReader {
 public:
  IndexReader(std::shared_ptr<KeyedTable> table, const RowIndex* index)
      : pin_(std::move(table)), index_(index) {}

  Status Probe(std::span<const ArrayPtr> keys, LookupMatches* matches) override {
    KeyedTable& table = pin_.table();
    auto taken = index_->TakeKeys(keys, table.pool_);
    if (!taken.ok()) return table.Fail(taken.status());
    const int64_t num_rows = keys[0]->length();
    const bool is_coded = num_rows >= kCodedRowsMin && keys.size() == 1 &&
                          keys[0]->type_id() == arrow::Type::DICTIONARY &&
                          CodeKeys(*keys[0], num_rows / 2, &codes_);
    if (is_coded) {
      ARROW_RETURN_NOT_OK(EncodeCodes(keys[0], num_rows));
    } else {
      ARROW_RETURN_NOT_OK(
          index_->encoder().EncodeColumns(*std::move(taken), num_rows, table.pool_, &keys_));
    }
    heads_.resize(static_cast<size_t>(keys_.num_rows));
    matches->probe_rows.resize(static_cast<size_t>(num_rows));
    matches->row_ids.resize(static_cast<size_t>(num_rows));
    std::shared_lock lock(table.lock_);
    ARROW_RETURN_NOT_OK(table.broken_);
    pin_.epoch = table.epoch_;
    index_->Find(keys_, heads_.data());
    if (index_->has_chains()) {
      EmitChains(num_rows, is_coded, matches);
    } else {
      EmitRows(num_rows, is_coded, matches);
    }
    return Status::OK();
  }

  Result<std::vector<ArrayPtr>> Gather(std::span<const int64_t> row_ids,
                                       std::span<const int> columns,
                                       arrow::MemoryPool* pool) override {
    const KeyedTable& table = pin_.table();
    ARROW_RETURN_NOT_OK(CheckColumns(columns, *table.schema_));
    std::shared_lock lock(table.lock_);
    return table.pages_.Gather(row_ids, columns, pool);
  }

 private:
  static constexpr int64_t kCodedRowsMin = 256;

  // Encodes one key per code.
  Status EncodeCodes(const ArrayPtr& key, int64_t num_rows) {
    arrow::MemoryPool* pool = pin_.table().pool_;
    const auto rows = std::make_shared<std::vector<uint32_t>>(codes_.first_rows);
    Batch all({key}, num_rows);
    ARROW_ASSIGN_OR_RAISE(const Batch firsts, all.WithSelection(rows).Compact(pool));
    return index_->encoder().EncodeColumns({firsts.column(0)}, firsts.num_rows(), pool, &keys_);
  }

  RowId HeadOf(int64_t row, bool is_coded) const {
    const auto at = static_cast<size_t>(row);
    return heads_[is_coded ? codes_.codes[at] : at];
  }

  void EmitRows(int64_t num_rows, bool is_coded, LookupMatches* matches) const {
    uint32_t* const probe_rows = matches->probe_rows.data();
    int64_t* const row_ids = matches->row_ids.data();
    size_t count = 0;
    for (int64_t row = 0; row < num_rows; ++row) {
      const RowId head = HeadOf(row, is_coded);
      probe_rows[count] = static_cast<uint32_t>(row);
      row_ids[count] = head;
      count += head != kNoRow ? 1 : 0;
    }
    matches->probe_rows.resize(count);
    matches->row_ids.resize(count);
  }

  void EmitChains(int64_t num_rows, bool is_coded, LookupMatches* matches) const {
    matches->probe_rows.clear();
    matches->row_ids.clear();
    for (int64_t row = 0; row < num_rows; ++row) {
      for (RowId id = HeadOf(row, is_coded); id != kNoRow; id = index_->Next(id)) {
        matches->probe_rows.push_back(static_cast<uint32_t>(row));
        matches->row_ids.push_back(id);
      }
    }
  }

  Pin pin_;
  const RowIndex* const index_;
  EncodedKeys keys_;
  KeyCodes codes_;
  std::vector<RowId> heads_;
};

Result<std::unique_ptr<LookupReader>> KeyedTable::OpenReader(std::span<const int> columns) {
  if (columns.empty()) return Error(ErrorKind::kInternal, "{}: an index of no columns", name_);
  const RowIndex* index = nullptr;
  {
    std::unique_lock lock(lock_);
    ARROW_RETURN_NOT_OK(broken_);
    ARROW_ASSIGN_OR_RAISE(index, IndexOf(std::vector<int>(columns.begin(), columns.end())));
  }
  return std::make_unique<IndexReader>(shared_from_this(), index);
}

// ---- Scans ----

// The rows there are when it is made, in table order.
class KeyedTable::RowScan {
 public:
  RowScan(std::shared_ptr<KeyedTable> table, const ScanRequest& request, arrow::MemoryPool* pool)
      : pin_(std::move(table)),
        projection_(request.projection),
        batch_rows_(std::clamp<int64_t>(request.batch_rows, 1, kBatchRowsMax)),
        batch_bytes_(std::max<int64_t>(request.batch_bytes, 1)),
        rows_max_(request.limit.value_or(std::numeric_limits<int64_t>::max())),
        pool_(pool) {}

  /// Sees the table as it is now. REQUIRES: the lock, shared or not.
  void Start() { StartWith(pin_.table().pages_.LivePages()); }
  /// The same; of all rows there are it reads those of `pages`.
  void StartWith(std::vector<RowPages::LivePage> pages) {
    pin_.epoch = pin_.table().epoch_;
    pages_ = std::move(pages);
  }
  void Skip(int64_t rows) {
    std::vector<int64_t> skipped;
    while (rows > 0 && page_ < pages_.size()) {
      skipped.clear();
      TakeRows(std::min(rows, kBatchRowsMax), std::numeric_limits<int64_t>::max(), &skipped);
      rows -= std::ssize(skipped);
    }
  }
  /// No row: none is left.
  Result<Batch> Next() {
    std::vector<int64_t> rows;
    TakeRows(std::min(batch_rows_, rows_max_ - rows_read_), batch_bytes_, &rows);
    const auto count = std::ssize(rows);
    if (count == 0) return Batch();
    std::shared_lock lock(pin_.table().lock_);
    ARROW_ASSIGN_OR_RAISE(auto columns, pin_.table().pages_.Gather(rows, projection_, pool_));
    return Batch(std::move(columns), count);
  }
  int64_t rows_read() const { return rows_read_; }

 private:
  void TakeRows(int64_t rows_max, int64_t bytes_max, std::vector<int64_t>* rows) {
    int64_t bytes = 0;
    while (page_ < pages_.size() && std::ssize(*rows) < rows_max) {
      const RowPages::LivePage& page = pages_[page_];
      const int64_t fitting = std::max<int64_t>((bytes_max - bytes) / page.row_bytes, 0);
      int64_t wanted = std::min(rows_max - std::ssize(*rows), fitting);
      if (rows->empty()) wanted = std::max<int64_t>(wanted, std::min<int64_t>(rows_max, 1));
      if (wanted == 0) break;
      const int64_t before = std::ssize(*rows);
      page_row_ = page.AppendRows(page_row_, wanted, rows);
      bytes += (std::ssize(*rows) - before) * page.row_bytes;
      if (page_row_ < RowPages::kPageRows) continue;
      page_row_ = 0;
      ++page_;
    }
    rows_read_ += std::ssize(*rows);
  }

  Pin pin_;
  const std::vector<int> projection_;
  const int64_t batch_rows_;
  const int64_t batch_bytes_;
  const int64_t rows_max_;
  arrow::MemoryPool* const pool_;
  std::vector<RowPages::LivePage> pages_;
  size_t page_ = 0;
  uint32_t page_row_ = 0;
  int64_t rows_read_ = 0;
};

class KeyedTable::Scan final : public SplitReader {
 public:
  Scan(std::shared_ptr<KeyedTable> table, const ScanRequest& request, arrow::MemoryPool* pool)
      : rows_(std::move(table), request, pool) {}
  RowScan& rows() { return rows_; }
  void Skip(int64_t rows) { rows_.Skip(rows); }
  Result<ReadResult> Next() override {
    ARROW_ASSIGN_OR_RAISE(Batch batch, rows_.Next());
    return batch.num_rows() == 0 ? ReadResult(EndOfSplit{}) : ReadResult(std::move(batch));
  }
  Result<std::string> Position() const override { return std::to_string(rows_.rows_read()); }

 private:
  RowScan rows_;
};

Result<std::vector<Split>> KeyedTable::Splits(const ScanRequest&) {
  return std::vector<Split>{{.name = name_}};
}

Result<std::unique_ptr<SplitReader>> KeyedTable::Open(const Split&, const ScanRequest& request,
                                                      const ReadContext& context) {
  ARROW_RETURN_NOT_OK(CheckColumns(request.projection, *schema_));
  ARROW_RETURN_NOT_OK(Expire());
  auto scan = std::make_unique<Scan>(shared_from_this(), request, PoolOf(context));
  {
    std::shared_lock lock(lock_);
    scan->rows().Start();
  }
  if (!context.position.empty()) {
    ARROW_ASSIGN_OR_RAISE(const int64_t row, ParsePosition(context.position));
    scan->Skip(row);
  }
  return scan;
}

// ---- Cuts ----

// Of pages that nobody writes to any more.
class KeyedTable::KeyScan final : public SplitReader {
 public:
  KeyScan(std::unique_ptr<RowPages> keys, size_t num_columns, arrow::MemoryPool* pool)
      : keys_(std::move(keys)), pool_(pool) {
    for (size_t i = 0; i < num_columns; ++i) columns_.push_back(static_cast<int>(i));
    if (keys_ != nullptr) pages_ = keys_->LivePages();
  }
  Result<ReadResult> Next() override {
    if (page_ == pages_.size()) return EndOfSplit{};
    std::vector<int64_t> rows;
    pages_[page_++].AppendRows(0, RowPages::kPageRows, &rows);
    ARROW_ASSIGN_OR_RAISE(auto cells, keys_->Gather(rows, columns_, pool_));
    return Batch(std::move(cells), std::ssize(rows));
  }

 private:
  const std::unique_ptr<RowPages> keys_;
  arrow::MemoryPool* const pool_;
  std::vector<int> columns_;
  std::vector<RowPages::LivePage> pages_;
  size_t page_ = 0;
};

Result<TableCut> KeyedTable::Cut(int64_t num_read_max) {
  ScanRequest request;
  for (int i = 0; i < schema_->num_fields(); ++i) request.projection.push_back(i);
  request.batch_rows = RowPages::kPageRows;  // writers wait for each
  auto rows = std::make_unique<Scan>(shared_from_this(), request, pool_);
  arrow::FieldVector key_fields;
  for (const int column : key_) key_fields.push_back(schema_->field(column));
  auto no_keys = std::make_unique<RowPages>(arrow::schema(std::move(key_fields)), pool_);
  TableCut cut;
  std::unique_lock lock(lock_);
  ARROW_RETURN_NOT_OK(broken_);
  cut.changes = log_.end();
  cut.num_rows = pages_.num_live();
  std::unique_ptr<RowPages> deleted = std::exchange(deleted_, std::move(no_keys));
  std::vector<RowPages::LivePage> pages;
  if (deleted != nullptr) {
    pages = pages_.LivePagesBehindMark();
    cut.num_read = deleted->num_live();
    for (const RowPages::LivePage& page : pages) cut.num_read += page.live_rows;
  }
  if (deleted != nullptr && cut.num_read <= num_read_max) {
    cut.since = cut_changes_;
  } else {
    deleted.reset();
    pages = pages_.LivePages();
    cut.num_read = cut.num_rows;
  }
  rows->rows().StartWith(std::move(pages));
  pages_.SetMark();
  cut_changes_ = cut.changes;
  deleted_max_ = std::max<int64_t>(cut.num_rows / 2, RowPages::kPageRows);
  lock.unlock();
  cut.deleted = std::make_unique<KeyScan>(std::move(deleted), key_.size(), pool_);
  cut.rows = std::move(rows);
  return cut;
}

// ---- Changes ----

// The rows there were when it was opened, then the log.
class KeyedTable::ChangeReader final : public SplitReader {
 public:
  ChangeReader(std::shared_ptr<KeyedTable> table, const ScanRequest& request,
               const ReadContext& context)
      : table_(std::move(table)),
        projection_(request.projection),
        batch_rows_(std::clamp<int64_t>(request.batch_rows, 1, kBatchRowsMax)),
        pool_(PoolOf(context)),
        rows_(std::make_unique<RowScan>(table_, request, pool_)) {}

  ~ChangeReader() override {
    if (subscriber_ >= 0) table_->log_.Unsubscribe(subscriber_);
  }

  Status Start(const std::string& from, Waker waker) {
    const size_t colon = std::min(from.find(':'), from.size());
    int64_t skipped = 0;
    std::unique_lock lock(table_->lock_);
    int64_t begin = table_->log_.end();
    if (!from.empty()) {
      ARROW_ASSIGN_OR_RAISE(begin, ParsePosition(from.substr(0, colon)));
    }
    if (colon < from.size()) {
      ARROW_ASSIGN_OR_RAISE(skipped, ParsePosition(from.substr(colon + 1)));
      if (begin != table_->log_.end()) {
        return Error(ErrorKind::kStale, "{} has {} changes; asked for its rows after {}",
                     table_->name_, table_->log_.end(), begin);
      }
    }
    ARROW_ASSIGN_OR_RAISE(subscriber_, table_->log_.Subscribe(begin, std::move(waker)));
    const bool has_rows = from.empty() || colon < from.size();
    if (has_rows) rows_->Start();
    lock.unlock();
    if (!has_rows) rows_.reset();
    if (has_rows) rows_->Skip(skipped);
    return Status::OK();
  }

  Result<ReadResult> Next() override {
    if (rows_ != nullptr) {
      ARROW_ASSIGN_OR_RAISE(Batch batch, rows_->Next());
      if (batch.num_rows() > 0) return WithSigns(std::move(batch));
      rows_.reset();
    }
    return table_->log_.Read(subscriber_, projection_, batch_rows_, pool_);
  }

  Result<std::string> Position() const override {
    const int64_t place = table_->log_.PlaceOf(subscriber_);
    if (rows_ == nullptr) return std::to_string(place);
    return fmt::format("{}:{}", place, rows_->rows_read());
  }

 private:
  Result<ReadResult> WithSigns(Batch batch) const {
    const int64_t count = batch.num_rows();
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> signs,
                          arrow::AllocateBuffer(count, pool_));
    std::fill_n(signs->mutable_data_as<int8_t>(), count, int8_t{1});
    batch.set_change(std::make_shared<arrow::Int8Array>(count, std::move(signs)));
    return batch;
  }

  const std::shared_ptr<KeyedTable> table_;
  const std::vector<int> projection_;
  const int64_t batch_rows_;
  arrow::MemoryPool* const pool_;
  std::unique_ptr<RowScan> rows_;  // none: they are read
  int64_t subscriber_ = -1;
};

class KeyedTable::ChangeStream final : public Source {
 public:
  explicit ChangeStream(std::shared_ptr<KeyedTable> table) : table_(std::move(table)) {}

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
  const std::shared_ptr<KeyedTable> table_;
};

SourcePtr KeyedTable::Stream() { return std::make_shared<ChangeStream>(shared_from_this()); }

Result<std::unique_ptr<SplitReader>> KeyedTable::OpenChanges(const std::string& from,
                                                             const ScanRequest& request,
                                                             const ReadContext& context) {
  ARROW_RETURN_NOT_OK(CheckColumns(request.projection, *schema_));
  ARROW_RETURN_NOT_OK(Expire());
  auto reader = std::make_unique<ChangeReader>(shared_from_this(), request, context);
  ARROW_RETURN_NOT_OK(Fail(reader->Start(from, context.waker)));
  return reader;
}

Result<std::unique_ptr<SplitReader>> KeyedTable::Subscribe(const std::string& from,
                                                           const ReadContext& context) {
  ScanRequest request;
  for (int i = 0; i < schema_->num_fields(); ++i) request.projection.push_back(i);
  return OpenChanges(from, request, context);
}

}  // namespace headrace
