// One lane of a row buffer. Rows that are taken stand in a queue; a step computes some of them over
// the rows kept of their partitions, by the operator for sorted partitions: where frames slide, a
// partition's kept rows and its new ones are one partition; else every row has a partition of its
// own, the rows that it sees.
#include "headrace/exec/op/stream/row_buffer.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/exec/key/sort_key_encoder.h"
#include "headrace/exec/op/counted_rows.h"
#include "headrace/exec/op/key_numbering.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/op/stream/stream_state.h"
#include "headrace/exec/op/take_rows.h"
#include "headrace/exec/op/window/framed_window.h"
#include "headrace/exec/physical.h"
#include "headrace/plan/transform.h"
#include "headrace/types/encoding.h"
#include "headrace/types/time_scale.h"

namespace headrace {
namespace {

/// A step looks at so many rows, kept and new ones, where frames slide; else at fewer, which are
/// sorted for every row.
constexpr size_t kSlidingRows = 524'288;
constexpr size_t kSortedRows = 131'072;

const SchemaPtr& BufferWatermarkSchema() {
  static const auto* schema = new SchemaPtr(WatermarkSchemaOf({"row_buffer_watermark"}));
  return *schema;
}

/// A row that was taken, or waits to be.
struct TakenRow {
  RowRef row;
  uint32_t partition = 0;
  int64_t time = Watermark::kNone;  // of the order or the clock
};

/// The rows of a partition that later ones can see.
struct KeptRows {
  struct Row {
    RowRef row;
    int64_t time = Watermark::kNone;  // the latest until then
  };
  std::vector<Row> rows;  // from `begin` on
  size_t begin = 0;
  int64_t last_time = Watermark::kNone;
  uint64_t step = 0;  // the last one with rows of the partition

  size_t size() const { return rows.size() - begin; }
  std::span<Row> all() { return std::span(rows).subspan(begin); }
  void DropFront() {
    ++begin;
    if (begin * 2 <= rows.size()) return;
    rows.erase(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(begin));
    begin = 0;
  }
  void Clear() {
    rows.clear();
    begin = 0;
  }
};

/// Rows as the calls see them: row i is of group `ids[i]`; it is the one with this number in the
/// step, or none (−1).
struct Arranged {
  std::vector<RowRef> refs;
  std::vector<int64_t> ids;
  std::vector<int64_t> numbers;

  void Add(RowRef ref, int64_t id, int64_t number) {
    refs.push_back(ref);
    ids.push_back(id);
    numbers.push_back(number);
  }
};

class RowBufferOperator final : public Operator {
 public:
  explicit RowBufferOperator(const RowBufferSpec& spec)
      : spec_(spec), terms_(spec_.terms), slides_(FramesSlide(spec.calls, spec.terms.rows)) {
    slides_ = slides_ && terms_.comes_in_order;
  }

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    reservation_ = Reservation(context.budget);
    ARROW_ASSIGN_OR_RAISE(KeyNumbering keys,
                          KeyNumbering::Make({KeyColumnsOf(*spec_.schema, terms_.partition_by)}));
    keys_.emplace(std::move(keys));
    rows_.emplace(*spec_.schema);
    if (!keys_->has_keys()) kept_.resize(1);
    return spec_.calls.empty() ? Status::OK() : MakeCalls();
  }

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (queue_.empty()) {
      if (!incoming_.has_value()) ARROW_RETURN_NOT_OK(Read(batch));
      ARROW_ASSIGN_OR_RAISE(const Flow accepted, Accept());
      if (accepted.kind == Flow::Kind::kNeedMemory) return accepted;
    }
    return GiveSome(out);
  }

  Result<Flow> Advance(int, Watermark watermark, Out& out) override {
    watermark_ = std::max(watermark_, watermark.micros);
    if (terms_.time >= 0) {
      if (queue_.empty()) TakeReady(watermark_);
      ARROW_ASSIGN_OR_RAISE(const Flow flow, GiveSome(out));
      if (flow.kind == Flow::Kind::kNeedMemory) return flow;
      if (!queue_.empty() || !out.empty()) return Flow::MoreOutput();
      Expire();
    }
    if (watermark_ > promised_) {
      promised_ = watermark_;
      out.EmitWatermark({watermark_});
    }
    return Flow::NeedInput();
  }

  Result<Flow> Finish(int, Out& out) override {
    if (queue_.empty()) TakeReady(std::nullopt);
    return GiveSome(out);
  }

  Status Save(StateWriter& writer) override {
    HEADRACE_CHECK(queue_.empty(), "a row buffer is saved when its rows are computed");
    std::vector<std::vector<SavedRow>> by_key_group(kKeyGroups);
    const auto group_of = [&](uint32_t partition) -> std::vector<SavedRow>& {
      const int group = keys_->has_keys() ? keys_->KeyGroupOfNumber(partition) : 0;
      return by_key_group[static_cast<size_t>(group)];
    };
    for (uint32_t partition = 0; partition < kept_.size(); ++partition) {
      for (const KeptRows::Row& row : kept_[partition].all()) {
        group_of(partition).push_back({row.row, row.time, false});
      }
    }
    for (const TakenRow& row : waiting_) {
      group_of(row.partition).push_back({row.row, row.time, true});
    }
    ARROW_RETURN_NOT_OK(SaveInSections(
        by_key_group,
        [&](int group, std::span<const SavedRow> rows) { return SaveRows(group, rows, writer); }));
    return SaveWatermarks(BufferWatermarkSchema(), {&watermark_, 1}, writer, context().pool);
  }

  Status Load(StateReader& reader) override {
    return LoadStreamState(reader, context(), BufferWatermarkSchema(), {&watermark_, 1},
                           [this](int, const arrow::RecordBatch& rows) { return LoadRows(rows); });
  }

 private:
  struct IncomingRows {
    Batch rows;  // compacted, decoded
    std::vector<int64_t> times;
  };
  struct SavedRow {
    RowRef row;
    int64_t time = 0;
    bool is_waiting = false;
  };

  // -- Rows in --

  int time_column() const { return terms_.time >= 0 ? terms_.time : terms_.clock; }

  std::vector<int64_t> TimesOf(const Batch& rows) const {
    std::vector<int64_t> times(static_cast<size_t>(rows.num_rows()), Watermark::kNone);
    if (time_column() < 0) return times;
    const auto& column = static_cast<const arrow::TimestampArray&>(*rows.column(time_column()));
    const TimeScale scale(static_cast<const arrow::TimestampType&>(*column.type()).unit());
    for (int64_t row = 0; row < rows.num_rows(); ++row) {
      if (column.IsNull(row)) continue;
      times[static_cast<size_t>(row)] = scale.MicrosOf(column.Value(row));
    }
    return times;
  }

  /// Without late rows, and rows without a time.
  Status Read(const Batch& batch) {
    IncomingRows incoming;
    ARROW_ASSIGN_OR_RAISE(Batch rows, batch.Compact(context().pool));
    ARROW_ASSIGN_OR_RAISE(rows, DecodeBatch(rows, context().pool));
    incoming.times = TimesOf(rows);
    if (terms_.time >= 0) {
      const arrow::Array& column = *rows.column(terms_.time);
      std::vector<uint32_t> taken;
      int64_t nulls = 0;
      for (int64_t row = 0; row < rows.num_rows(); ++row) {
        if (column.IsNull(row)) {
          ++nulls;
        } else if (incoming.times[static_cast<size_t>(row)] >= watermark_) {
          taken.push_back(static_cast<uint32_t>(row));
        }
      }
      Count(rows.num_rows() - nulls - static_cast<int64_t>(taken.size()), nulls);
      ARROW_ASSIGN_OR_RAISE(rows, TakeRows(rows, taken, context().pool));
      incoming.times = TimesOf(rows);
    }
    incoming.rows = std::move(rows);
    incoming_ = std::move(incoming);
    return Status::OK();
  }

  void Count(int64_t late, int64_t nulls) const {
    if (context().metrics == nullptr) return;
    context().metrics->late_rows.fetch_add(late, std::memory_order_relaxed);
    context().metrics->null_time_rows.fetch_add(nulls, std::memory_order_relaxed);
  }

  int64_t HeldBytes() const {
    const auto rows = static_cast<int64_t>(num_kept_ + waiting_.size() + queue_.size());
    return rows_->bytes() + keys_->bytes() +
           static_cast<int64_t>(kept_.capacity() * sizeof(KeptRows)) +
           rows * static_cast<int64_t>(2 * sizeof(TakenRow));
  }

  /// Gives the incoming rows their partitions; they are taken, or wait for the watermark.
  Result<Flow> Accept() {
    const Batch& rows = incoming_->rows;
    if (rows.num_rows() == 0) {
      incoming_.reset();
      return Flow::NeedInput();
    }
    ARROW_ASSIGN_OR_RAISE(const int64_t missing, keys_->Find(0, rows, context().pool));
    const int64_t per_row = 2 * sizeof(TakenRow);
    const int64_t bytes = HeldBytes() + keys_->BytesToAssign() + rows.num_bytes() +
                          2 * missing * static_cast<int64_t>(sizeof(KeptRows)) +
                          rows.num_rows() * per_row;
    const int64_t more = bytes - reservation_.bytes();
    if (more > 0 && !reservation_.TryResize(bytes)) return Flow::NeedMemory(more);
    const std::vector<uint32_t>& partitions = keys_->Assign();
    if (keys_->has_keys()) kept_.resize(static_cast<size_t>(keys_->size()));
    const int32_t chunk = rows_->Add(rows);
    for (size_t row = 0; row < incoming_->times.size(); ++row) {
      const uint32_t partition = keys_->has_keys() ? partitions[row] : 0;
      const TakenRow taken{{chunk, static_cast<int32_t>(row)}, partition, incoming_->times[row]};
      if (terms_.time >= 0) {
        waiting_.push_back(taken);
      } else {
        queue_.push_back(taken);
      }
    }
    incoming_.reset();
    return Flow::NeedInput();
  }

  /// Rows before `bound`, or all, in the order of their times.
  void TakeReady(std::optional<int64_t> bound) {
    const auto rest = std::stable_partition(
        waiting_.begin(), waiting_.end(),
        [&](const TakenRow& row) { return !bound.has_value() || row.time < *bound; });
    std::stable_sort(waiting_.begin(), rest,
                     [](const TakenRow& a, const TakenRow& b) { return a.time < b.time; });
    queue_.assign(waiting_.begin(), rest);
    waiting_.erase(waiting_.begin(), rest);
  }

  // -- Steps --

  /// Computes and gives some rows of the queue.
  Result<Flow> GiveSome(Out& out) {
    if (queue_.empty()) return Flow::NeedInput();
    const size_t count = RowsOfStep();
    std::vector<ArrayPtr> values;
    if (calls_.has_value()) {
      const Arranged arranged = slides_ ? ArrangeSliding(count) : ArrangeEach(count);
      ARROW_ASSIGN_OR_RAISE(const int64_t refused, Compute(arranged, count, &values));
      if (refused > 0) return Flow::NeedMemory(refused);
    }
    ARROW_RETURN_NOT_OK(EmitStep(count, std::move(values), out));
    KeepStep(count);
    ARROW_RETURN_NOT_OK(Tidy());
    return queue_.empty() ? Flow::NeedInput() : Flow::MoreOutput();
  }

  bool IsGiven(size_t row) const { return !terms_.only_full || seen_[row] == LimitOf(); }

  /// The rows of the step that are given, with the values of the calls.
  Status EmitStep(size_t count, std::vector<ArrayPtr> values, Out& out) {
    std::vector<RowRef> given;
    for (size_t i = 0; i < count; ++i) {
      if (IsGiven(i)) given.push_back(queue_[i].row);
    }
    if (given.empty()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns, rows_->Gather(given, context().pool));
    columns.insert(columns.end(), values.begin(), values.end());
    out.Emit(Batch(std::move(columns), static_cast<int64_t>(given.size())));
    return Status::OK();
  }

  bool IsExpired(int64_t last_time, int64_t time) const {
    const bool may_expire = terms_.expire_micros.has_value() && last_time != Watermark::kNone &&
                            time != Watermark::kNone;
    if (!may_expire) return false;
    int64_t pause;
    return __builtin_sub_overflow(time, last_time, &pause) ? time > last_time
                                                           : pause > *terms_.expire_micros;
  }

  /// So many rows that those they see are not too many for a step.
  size_t RowsOfStep() {
    ++step_;
    const auto rows_max = static_cast<size_t>(std::max<int64_t>(context().batch_rows, 1));
    size_t seen = 0;
    int64_t bytes = 0;
    for (size_t i = 0; i < queue_.size(); ++i) {
      KeptRows& partition = kept_[queue_[i].partition];
      const size_t kept = slides_ && partition.step == step_ ? 0 : partition.size();
      partition.step = step_;
      const size_t seen_by_it = slides_ ? kept : std::min<size_t>(LimitOf(), kept + i);
      const int64_t bytes_of_it = rows_->BytesOf(queue_[i].row);
      seen += seen_by_it + 1;
      bytes += bytes_of_it;
      const bool is_full = i >= rows_max || seen > (slides_ ? kSlidingRows : kSortedRows) ||
                           bytes > context().batch_bytes;
      if (i > 0 && is_full) return i;
    }
    return queue_.size();
  }

  size_t LimitOf() const {
    return terms_.rows == 0 ? std::numeric_limits<size_t>::max() : static_cast<size_t>(terms_.rows);
  }

  /// The kept rows of every partition of the step, its new rows behind them.
  Arranged ArrangeSliding(size_t count) {
    struct Run {
      uint32_t partition = 0;
      bool sees_kept = true;
      std::vector<size_t> rows;
      int64_t last_time = Watermark::kNone;
    };
    std::vector<Run> runs;
    std::vector<std::pair<uint32_t, size_t>> order;  // partition, row
    for (size_t i = 0; i < count; ++i) order.emplace_back(queue_[i].partition, i);
    std::sort(order.begin(), order.end());
    for (const auto& [partition, i] : order) {
      const bool is_first = runs.empty() || runs.back().partition != partition;
      const int64_t last = is_first ? kept_[partition].last_time : runs.back().last_time;
      const bool expired = IsExpired(last, queue_[i].time);
      if (is_first || expired) runs.push_back({partition, is_first && !expired, {}, last});
      runs.back().rows.push_back(i);
      runs.back().last_time = std::max(last, queue_[i].time);
    }
    Arranged arranged;
    seen_.assign(count, 0);
    for (size_t run = 0; run < runs.size(); ++run) {
      const auto id = static_cast<int64_t>(run);
      size_t seen = 0;
      if (runs[run].sees_kept) {
        for (const KeptRows::Row& row : kept_[runs[run].partition].all()) {
          arranged.Add(row.row, id, -1);
          ++seen;
        }
      }
      for (const size_t i : runs[run].rows) {
        arranged.Add(queue_[i].row, id, static_cast<int64_t>(i));
        seen_[i] = std::min(++seen, LimitOf());
      }
    }
    return arranged;
  }

  /// For every row of the step the rows that it sees, itself last.
  Arranged ArrangeEach(size_t count) {
    std::map<uint32_t, KeptRows> buffers;
    Arranged arranged;
    seen_.assign(count, 0);
    for (size_t i = 0; i < count; ++i) {
      const TakenRow& taken = queue_[i];
      const auto [found, is_new] = buffers.try_emplace(taken.partition);
      KeptRows& buffer = found->second;
      if (is_new) buffer = kept_[taken.partition];
      if (IsExpired(buffer.last_time, taken.time)) buffer.Clear();
      buffer.rows.push_back({taken.row, taken.time});
      buffer.last_time = std::max(buffer.last_time, taken.time);
      while (buffer.size() > LimitOf()) buffer.DropFront();
      for (const KeptRows::Row& row : buffer.all()) {
        const bool is_itself = row.row == taken.row;
        arranged.Add(row.row, static_cast<int64_t>(i), is_itself ? static_cast<int64_t>(i) : -1);
      }
      seen_[i] = buffer.size();
    }
    return arranged;
  }

  /// Which columns the calls read, and the operator over these.
  Status MakeCalls() {
    std::set<int> read;
    const auto add = [&](const ExpressionPtr& expression) {
      if (expression == nullptr) return;
      for (const int column : ColumnsOf(*expression)) read.insert(column);
    };
    for (const FramedCall& framed : spec_.calls) {
      for (const ExpressionPtr& arg : framed.call.args) add(arg);
      add(framed.frame.start.value);
      add(framed.frame.end.value);
    }
    for (const SortKey& key : terms_.order) read.insert(key.column);
    read_.assign(read.begin(), read.end());
    std::vector<int> places(static_cast<size_t>(spec_.schema->num_fields()), -1);
    arrow::FieldVector fields;
    for (const int column : read_) {
      places[static_cast<size_t>(column)] = static_cast<int>(fields.size());
      const auto& field = spec_.schema->field(column);
      fields.push_back(arrow::field(field->name(), PlainType(field->type())));
    }
    const int group = static_cast<int>(fields.size());
    fields.push_back(arrow::field("group", arrow::int64(), /*nullable=*/false));
    const SchemaPtr schema = arrow::schema(std::move(fields));
    Ordering order = terms_.order;
    for (SortKey& key : order) key.column = places[static_cast<size_t>(key.column)];
    std::vector<FramedCall> calls = spec_.calls;
    for (FramedCall& framed : calls) {
      for (ExpressionPtr& arg : framed.call.args) arg = MoveColumns(arg, places);
      for (ExpressionPtr* value : {&framed.frame.start.value, &framed.frame.end.value}) {
        if (*value != nullptr) *value = MoveColumns(*value, places);
      }
    }
    if (!terms_.comes_in_order && !order.empty()) {
      ARROW_ASSIGN_OR_RAISE(SortKeyEncoder sorter, SortKeyEncoder::Make(*schema, order));
      sorter_.emplace(std::move(sorter));
    }
    calls_.emplace(schema, std::vector<int>{group}, std::move(order), std::move(calls));
    return Status::OK();
  }

  /// The values of the calls for the rows of the step that are given; the bytes that were refused.
  Result<int64_t> Compute(const Arranged& arranged, size_t count, std::vector<ArrayPtr>* values) {
    std::vector<ArrayPtr> columns;
    for (const int column : read_) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                            rows_->Gather(column, arranged.refs, context().pool));
    }
    arrow::Int64Builder ids(context().pool);
    ARROW_RETURN_NOT_OK(ids.AppendValues(arranged.ids));
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), ids.Finish());
    Batch seen(std::move(columns), static_cast<int64_t>(arranged.refs.size()));
    std::vector<int64_t> numbers = arranged.numbers;
    if (sorter_.has_value()) ARROW_RETURN_NOT_OK(SortGroups(arranged.ids, &seen, &numbers));
    Batch all;
    ARROW_ASSIGN_OR_RAISE(const int64_t refused, RunCalls(seen, &all));
    if (refused > 0) return refused;
    std::vector<ArrayPtr> results(
        all.columns().begin() + static_cast<std::ptrdiff_t>(read_.size()) + 1, all.columns().end());
    ARROW_ASSIGN_OR_RAISE(const Batch given, TakeRows(Batch(std::move(results), all.num_rows()),
                                                      PlacesOf(numbers, count), context().pool));
    *values = given.columns();
    return 0;
  }

  /// Sorts the rows of every group; `numbers` goes with them.
  Status SortGroups(const std::vector<int64_t>& ids, Batch* rows, std::vector<int64_t>* numbers) {
    SortKeys keys;
    ARROW_RETURN_NOT_OK(sorter_->Encode(*rows, nullptr, context().pool, &keys));
    std::vector<uint32_t> order(ids.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint32_t>(i);
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      return ids[a] != ids[b] ? ids[a] < ids[b] : keys[a] < keys[b];
    });
    ARROW_ASSIGN_OR_RAISE(*rows, TakeRows(*rows, order, context().pool));
    std::vector<int64_t> moved;
    for (const uint32_t from : order) moved.push_back((*numbers)[from]);
    *numbers = std::move(moved);
    return Status::OK();
  }

  /// `rows` with the values of the calls; gives bytes that were refused.
  Result<int64_t> RunCalls(Batch& rows, Batch* all) {
    OperatorContext inner = context();
    inner.batch_rows = std::max<int64_t>(rows.num_rows(), 1);
    inner.metrics = nullptr;
    const std::unique_ptr<Operator> calls = calls_->Make(nullptr);
    ARROW_RETURN_NOT_OK(calls->Open(inner));
    std::vector<Batch> parts;
    for (const bool finish : {false, true}) {
      while (true) {
        Out out;
        ARROW_ASSIGN_OR_RAISE(const Flow flow,
                              finish ? calls->Finish(0, out) : calls->Push(0, rows, out));
        if (flow.kind == Flow::Kind::kNeedMemory) return flow.bytes;
        if (auto part = out.TakeBatch()) parts.push_back(*std::move(part));
        if (flow.kind != Flow::Kind::kMoreOutput) break;
      }
    }
    ARROW_ASSIGN_OR_RAISE(*all, ConcatenateBatches(parts, context().pool));
    HEADRACE_CHECK(all->num_rows() == rows.num_rows(), "a call gives a value per row");
    return 0;
  }

  /// Where the rows of the step that are given stand, in their order.
  std::vector<uint32_t> PlacesOf(const std::vector<int64_t>& numbers, size_t count) const {
    std::vector<uint32_t> place_of(count, 0);
    for (size_t place = 0; place < numbers.size(); ++place) {
      if (numbers[place] < 0) continue;
      place_of[static_cast<size_t>(numbers[place])] = static_cast<uint32_t>(place);
    }
    std::vector<uint32_t> places;
    for (size_t i = 0; i < count; ++i) {
      if (IsGiven(i)) places.push_back(place_of[i]);
    }
    return places;
  }

  /// The rows of the step leave the queue; what later rows can see is kept.
  void KeepStep(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      const TakenRow taken = queue_.front();
      queue_.pop_front();
      KeptRows& kept = kept_[taken.partition];
      if (IsExpired(kept.last_time, taken.time)) DropAll(kept);
      kept.last_time = std::max(kept.last_time, taken.time);
      kept.rows.push_back({taken.row, kept.last_time});
      ++num_kept_;
      while (kept.size() > 0 && IsUnseen(kept)) DropFront(kept);
    }
  }

  /// Whether no later row sees the oldest one.
  bool IsUnseen(const KeptRows& kept) const {
    if (terms_.rows > 0) return kept.size() >= LimitOf();
    int64_t bound;
    const bool overflows = __builtin_sub_overflow(kept.last_time, *terms_.keep_micros, &bound);
    return !overflows && kept.rows[kept.begin].time < bound;
  }

  void DropFront(KeptRows& kept) {
    rows_->Drop(kept.rows[kept.begin].row);
    kept.DropFront();
    --num_kept_;
  }

  void DropAll(KeptRows& kept) {
    while (kept.size() > 0) DropFront(kept);
    kept.Clear();
  }

  /// Forgets the rows of partitions that were silent for too long.
  void Expire() {
    if (expired_at_ == Watermark::kNone) expired_at_ = watermark_;
    if (!IsExpired(expired_at_, watermark_)) return;
    expired_at_ = watermark_;
    for (KeptRows& kept : kept_) {
      if (IsExpired(kept.last_time, watermark_)) DropAll(kept);
    }
  }

  /// Frees what is not wanted; the reservation becomes what is held.
  Status Tidy() {
    const bool may_rewrite =
        rows_->is_sparse() && reservation_.TryResize(HeldBytes() + rows_->BytesToRewrite());
    if (may_rewrite) {
      std::vector<RowRef*> refs;
      for (KeptRows& kept : kept_) {
        for (KeptRows::Row& row : kept.all()) refs.push_back(&row.row);
      }
      for (TakenRow& row : waiting_) refs.push_back(&row.row);
      for (TakenRow& row : queue_) refs.push_back(&row.row);
      ARROW_RETURN_NOT_OK(rows_->Rewrite(refs, context().pool));
    }
    reservation_.TryResize(HeldBytes());
    return Status::OK();
  }

  // -- State --

  SchemaPtr SavedSchema() const {
    arrow::FieldVector fields;
    for (const auto& field : spec_.schema->fields()) {
      fields.push_back(arrow::field(field->name(), PlainType(field->type())));
    }
    fields.push_back(arrow::field("row_buffer_time", arrow::int64(), /*nullable=*/false));
    fields.push_back(arrow::field("row_buffer_waits", arrow::boolean(), /*nullable=*/false));
    return arrow::schema(std::move(fields));
  }

  Status SaveRows(int key_group, std::span<const SavedRow> rows, StateWriter& writer) const {
    std::vector<RowRef> refs;
    arrow::Int64Builder times(context().pool);
    arrow::BooleanBuilder waits(context().pool);
    for (const SavedRow& row : rows) {
      refs.push_back(row.row);
      ARROW_RETURN_NOT_OK(times.Append(row.time));
      ARROW_RETURN_NOT_OK(waits.Append(row.is_waiting));
    }
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns, rows_->Gather(refs, context().pool));
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), times.Finish());
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), waits.Finish());
    return writer.Write(key_group,
                        *arrow::RecordBatch::Make(SavedSchema(), static_cast<int64_t>(refs.size()),
                                                  std::move(columns)));
  }

  Status LoadRows(const arrow::RecordBatch& section) {
    if (!section.schema()->Equals(*SavedSchema())) {
      return Error(ErrorKind::kBadData, "saved rows of a row buffer do not fit it: {}",
                   section.schema()->ToString());
    }
    const int width = spec_.schema->num_fields();
    const auto& times = static_cast<const arrow::Int64Array&>(*section.column(width));
    const auto& waits = static_cast<const arrow::BooleanArray&>(*section.column(width + 1));
    std::vector<ArrayPtr> columns = section.columns();
    columns.resize(static_cast<size_t>(width));
    incoming_.emplace();
    incoming_->rows = Batch(std::move(columns), section.num_rows());
    for (int64_t row = 0; row < times.length(); ++row) incoming_->times.push_back(times.Value(row));
    const size_t already_waiting = waiting_.size();
    ARROW_ASSIGN_OR_RAISE(const Flow flow, Accept());
    if (flow.kind == Flow::Kind::kNeedMemory) return context().budget->OverLimit(flow.bytes);
    // Accept put them all into one of the two.
    std::vector<TakenRow> rows(waiting_.begin() + static_cast<std::ptrdiff_t>(already_waiting),
                               waiting_.end());
    waiting_.resize(already_waiting);
    rows.insert(rows.end(), queue_.begin(), queue_.end());
    queue_.clear();
    for (size_t i = 0; i < rows.size(); ++i) {
      if (waits.Value(static_cast<int64_t>(i))) {
        waiting_.push_back(rows[i]);
        continue;
      }
      KeptRows& kept = kept_[rows[i].partition];
      kept.rows.push_back({rows[i].row, rows[i].time});
      kept.last_time = std::max(kept.last_time, rows[i].time);
      ++num_kept_;
    }
    return Status::OK();
  }

  const RowBufferSpec spec_;
  const RowBufferTerms& terms_;
  bool slides_;
  std::vector<int> read_;                  // columns, by the calls
  std::optional<FramedWindowSpec> calls_;  // over these, then the group
  std::optional<SortKeyEncoder> sorter_;
  Reservation reservation_;

  std::optional<KeyNumbering> keys_;  // number = partition
  std::optional<CountedRows> rows_;
  std::vector<KeptRows> kept_;  // by partition
  size_t num_kept_ = 0;
  std::vector<TakenRow> waiting_;  // for the watermark, as they came
  int64_t watermark_ = Watermark::kNone;
  int64_t promised_ = Watermark::kNone;
  int64_t expired_at_ = Watermark::kNone;

  std::optional<IncomingRows> incoming_;
  std::deque<TakenRow> queue_;  // to be computed
  uint64_t step_ = 0;
  std::vector<size_t> seen_;  // of a step: how many rows each sees, with itself
};

}  // namespace

std::string RowBufferSpec::Describe() const {
  std::string text;
  for (const FramedCall& framed : calls) text += (text.empty() ? "" : ", ") + framed.call.name;
  for (size_t i = 0; i < terms.partition_by.size(); ++i) {
    text += (i == 0 ? " partition by " : ", ") + schema->field(terms.partition_by[i])->name();
  }
  if (terms.time >= 0) text += " in order of " + schema->field(terms.time)->name();
  return text;
}

std::unique_ptr<Operator> RowBufferSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<RowBufferOperator>(*this);
}

Status LowerRowBuffer(const PlanNode& node, Lowering& lowering) {
  const auto& buffer = static_cast<const RowBufferNode&>(node);
  ARROW_RETURN_NOT_OK(lowering.Lower(*node.input()));
  const bool is_endless = node.input()->properties().boundedness == Boundedness::kUnbounded;
  if (is_endless) {
    lowering.ExchangeByHash(buffer.terms.partition_by);
  } else {
    lowering.Serialize();
  }
  lowering.Append(
      std::make_shared<RowBufferSpec>(node.input()->schema(), buffer.terms, buffer.calls));
  return Status::OK();
}

}  // namespace headrace
