// One lane of a temporal join. Versions of a key stand in order of time; a row is looked up once no
// earlier version can come.
#include "headrace/exec/op/stream/temporal_join.h"

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/exec/op/counted_rows.h"
#include "headrace/exec/op/key_numbering.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/op/stream/pair_condition.h"
#include "headrace/exec/op/stream/stream_state.h"
#include "headrace/exec/op/take_rows.h"
#include "headrace/exec/physical.h"
#include "headrace/types/encoding.h"
#include "headrace/types/time_scale.h"

namespace headrace {
namespace {

const SchemaPtr& VersionWatermarkSchema() {
  static const auto* schema =
      new SchemaPtr(WatermarkSchemaOf({"stream_watermark", "version_watermark"}));
  return *schema;
}

const char* TimeName(int port) { return port == kLeft ? "stream_time" : "version_time"; }

struct Version {
  int64_t time = 0;
  RowRef row;
};

/// A row of the stream; of no key where that, or its time, is null.
struct StreamRow {
  static constexpr uint32_t kNoKey = UINT32_MAX;
  RowRef row;
  uint32_t key = kNoKey;
  int64_t time = Watermark::kNone;
};

class TemporalJoin final : public Operator {
 public:
  explicit TemporalJoin(const TemporalJoinSpec& spec) : spec_(spec) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    reservation_ = Reservation(context.budget);
    ARROW_ASSIGN_OR_RAISE(KeyNumbering keys,
                          KeyNumbering::Make({KeyColumnsOf(*spec_.left, spec_.terms.left_keys),
                                              KeyColumnsOf(*spec_.right, spec_.terms.right_keys)}));
    keys_.emplace(std::move(keys));
    rows_.reserve(2);
    rows_.emplace_back(*spec_.left);
    rows_.emplace_back(*spec_.right);
    if (spec_.terms.residual != nullptr) {
      condition_.emplace(spec_.terms.residual, spec_.left->num_fields());
    }
    return Status::OK();
  }

  int Wants() const override {
    return RatherPort(watermarks_[kLeft] < watermarks_[kRight] ? kLeft : kRight);
  }

  Result<Flow> Push(int port, Batch& batch, Out& out) override {
    if (queue_.empty()) {
      if (!incoming_.has_value()) ARROW_RETURN_NOT_OK(Read(port, batch));
      ARROW_ASSIGN_OR_RAISE(const Flow accepted, Accept(port));
      if (accepted.kind == Flow::Kind::kNeedMemory) return accepted;
    }
    return GiveSome(out);
  }

  Result<Flow> Advance(int port, Watermark watermark, Out& out) override {
    ARROW_ASSIGN_OR_RAISE(const bool more, Reach(port, watermark.micros, out));
    if (more || !out.empty()) return Flow::MoreOutput();
    const int64_t promise = Both();
    if (promise > promised_ && promise != Watermark::kEnd) {
      promised_ = promise;
      out.EmitWatermark({promise});
    }
    return Flow::NeedInput();
  }

  Result<Flow> Finish(int port, Out& out) override {
    ARROW_ASSIGN_OR_RAISE(const bool more, Reach(port, Watermark::kEnd, out));
    return more ? Flow::MoreOutput() : Flow::NeedInput();
  }

  Status Save(StateWriter& writer) override {
    HEADRACE_CHECK(queue_.empty(), "a temporal join is saved when its rows are given");
    std::array<std::vector<std::vector<Version>>, 2> saved;
    for (auto& side : saved) side.resize(kKeyGroups);
    for (const StreamRow& row : waiting_) {
      const int group = keys_->KeyGroupOfNumber(row.key);
      saved[kLeft][static_cast<size_t>(group)].push_back({row.time, row.row});
    }
    for (uint32_t key = 0; key < versions_.size(); ++key) {
      auto& group = saved[kRight][static_cast<size_t>(keys_->KeyGroupOfNumber(key))];
      group.insert(group.end(), versions_[key].begin(), versions_[key].end());
    }
    for (const int port : {kLeft, kRight}) {
      ARROW_RETURN_NOT_OK(SaveInSections(saved[static_cast<size_t>(port)],
                                         [&](int group, std::span<const Version> rows) {
                                           return SaveRows(port, group, rows, writer);
                                         }));
    }
    return SaveWatermarks(VersionWatermarkSchema(), watermarks_, writer, context().pool);
  }

  Status Load(StateReader& reader) override {
    return LoadStreamState(reader, context(), VersionWatermarkSchema(), watermarks_,
                           [this](int, const arrow::RecordBatch& rows) { return LoadRows(rows); });
  }

 private:
  struct IncomingRows {
    Batch rows;  // compacted, decoded
    std::vector<int64_t> times;
    std::vector<uint8_t> can_match;  // key and time are not null
  };

  const SchemaPtr& SchemaOf(int port) const { return port == kLeft ? spec_.left : spec_.right; }
  CountedRows& RowsOf(int port) { return rows_[static_cast<size_t>(port)]; }
  int64_t& WatermarkOf(int port) { return watermarks_[static_cast<size_t>(port)]; }
  int64_t Both() const { return std::min(watermarks_[kLeft], watermarks_[kRight]); }
  const std::vector<int>& KeysOf(int port) const {
    return port == kLeft ? spec_.terms.left_keys : spec_.terms.right_keys;
  }

  // -- Rows in --

  /// Rows that are not late. Those that match nothing stay on the left of a left join.
  Status Read(int port, const Batch& batch) {
    IncomingRows incoming;
    ARROW_ASSIGN_OR_RAISE(Batch rows, batch.Compact(context().pool));
    ARROW_ASSIGN_OR_RAISE(rows, DecodeBatch(rows, context().pool));
    const int column = port == kLeft ? spec_.terms.left_time : spec_.terms.right_time;
    const auto& times = static_cast<const arrow::TimestampArray&>(*rows.column(column));
    const TimeScale scale(static_cast<const arrow::TimestampType&>(*times.type()).unit());
    const bool keeps_all = port == kLeft && spec_.kind == JoinKind::kLeft;
    std::vector<uint32_t> taken;
    int64_t late = 0;
    int64_t nulls = 0;
    for (int64_t row = 0; row < rows.num_rows(); ++row) {
      const bool has_time = times.IsValid(row);
      const int64_t time = has_time ? scale.MicrosOf(times.Value(row)) : Watermark::kNone;
      if (has_time && time < WatermarkOf(port)) {
        ++late;
        continue;
      }
      bool can_match = has_time;
      for (const int key : KeysOf(port)) can_match = can_match && rows.column(key)->IsValid(row);
      if (!has_time && !keeps_all) ++nulls;
      if (!can_match && !keeps_all) continue;
      taken.push_back(static_cast<uint32_t>(row));
      incoming.times.push_back(time);
      incoming.can_match.push_back(can_match ? 1 : 0);
    }
    if (context().metrics != nullptr) {
      context().metrics->late_rows.fetch_add(late, std::memory_order_relaxed);
      context().metrics->null_time_rows.fetch_add(nulls, std::memory_order_relaxed);
    }
    ARROW_ASSIGN_OR_RAISE(incoming.rows, TakeRows(rows, taken, context().pool));
    incoming_ = std::move(incoming);
    return Status::OK();
  }

  int64_t HeldBytes() const {
    return rows_[kLeft].bytes() + rows_[kRight].bytes() + keys_->bytes() +
           static_cast<int64_t>(versions_.capacity() * sizeof(std::vector<Version>) +
                                2 * num_versions_ * sizeof(Version) +
                                2 * (waiting_.size() + queue_.size()) * sizeof(StreamRow));
  }

  /// Versions go where they are found, rows into the queue or to those that wait.
  Result<Flow> Accept(int port) {
    const Batch& rows = incoming_->rows;
    if (rows.num_rows() == 0) {
      incoming_.reset();
      return Flow::NeedInput();
    }
    ARROW_ASSIGN_OR_RAISE(const int64_t missing,
                          keys_->Find(static_cast<size_t>(port), rows, context().pool));
    const auto per_row = static_cast<int64_t>(2 * sizeof(StreamRow));
    const int64_t bytes = HeldBytes() + keys_->BytesToAssign() + rows.num_bytes() +
                          2 * missing * static_cast<int64_t>(sizeof(std::vector<Version>)) +
                          rows.num_rows() * per_row;
    const int64_t more = bytes - reservation_.bytes();
    if (more > 0 && !reservation_.TryResize(bytes)) return Flow::NeedMemory(more);
    const std::vector<uint32_t>& keys = keys_->Assign();
    versions_.resize(static_cast<size_t>(keys_->size()));
    const int32_t chunk = RowsOf(port).Add(rows);
    for (size_t i = 0; i < incoming_->times.size(); ++i) {
      const RowRef row{chunk, static_cast<int32_t>(i)};
      if (port == kRight) {
        AddVersion(keys[i], {incoming_->times[i], row});
      } else {
        const bool can_match = incoming_->can_match[i] != 0;
        AddRow({row, can_match ? keys[i] : StreamRow::kNoKey, incoming_->times[i]});
      }
    }
    incoming_.reset();
    return Flow::NeedInput();
  }

  void AddRow(const StreamRow& row) {
    const bool is_ready = row.key == StreamRow::kNoKey || row.time < WatermarkOf(kRight);
    if (is_ready) {
      queue_.push_back(row);
    } else {
      waiting_.push_back(row);
    }
  }

  void AddVersion(uint32_t key, Version version) {
    std::vector<Version>& versions = versions_[key];
    const auto after =
        std::upper_bound(versions.begin(), versions.end(), version.time,
                         [](int64_t time, const Version& other) { return time < other.time; });
    versions.insert(after, version);
    ++num_versions_;
    DropOld(versions);
  }

  /// Of those not after both watermarks only the last is asked for again.
  void DropOld(std::vector<Version>& versions) {
    const int64_t bound = Both();
    size_t old = 0;
    while (old + 1 < versions.size() && versions[old + 1].time <= bound) ++old;
    for (size_t i = 0; i < old; ++i) RowsOf(kRight).Drop(versions[i].row);
    versions.erase(versions.begin(), versions.begin() + static_cast<std::ptrdiff_t>(old));
    num_versions_ -= old;
  }

  /// The port has come so far: rows that waited for it are given. True: there is more to do.
  Result<bool> Reach(int port, int64_t micros, Out& out) {
    WatermarkOf(port) = std::max(WatermarkOf(port), micros);
    if (queue_.empty() && port == kRight) {
      const auto rest = std::stable_partition(
          waiting_.begin(), waiting_.end(),
          [&](const StreamRow& row) { return row.time < WatermarkOf(kRight); });
      queue_.assign(waiting_.begin(), rest);
      waiting_.erase(waiting_.begin(), rest);
    }
    ARROW_ASSIGN_OR_RAISE(const Flow flow, GiveSome(out));
    return flow.kind == Flow::Kind::kMoreOutput;
  }

  // -- Rows out --

  RowRef VersionOf(const StreamRow& row) const {
    if (row.key == StreamRow::kNoKey) return RowRef();
    const std::vector<Version>& versions = versions_[row.key];
    const auto after =
        std::upper_bound(versions.begin(), versions.end(), row.time,
                         [](int64_t time, const Version& other) { return time < other.time; });
    return after == versions.begin() ? RowRef() : std::prev(after)->row;
  }

  Result<Flow> GiveSome(Out& out) {
    if (queue_.empty()) return Flow::NeedInput();
    std::vector<RowRef> left;
    std::vector<RowRef> right;
    int64_t bytes = 0;
    for (const StreamRow& row : queue_) {
      const RowRef version = VersionOf(row);
      bytes += RowsOf(kLeft).BytesOf(row.row);
      if (!version.none()) bytes += RowsOf(kRight).BytesOf(version);
      const bool is_full = static_cast<int64_t>(left.size()) >= context().batch_rows ||
                           bytes > context().batch_bytes;
      if (is_full && !left.empty()) break;
      left.push_back(row.row);
      right.push_back(version);
    }
    const size_t count = left.size();
    if (condition_.has_value()) ARROW_RETURN_NOT_OK(DropFailed(left, &right));
    if (spec_.kind == JoinKind::kInner) KeepMatched(&left, &right);
    if (!left.empty()) ARROW_RETURN_NOT_OK(Emit(left, right, out));
    for (size_t i = 0; i < count; ++i) {
      RowsOf(kLeft).Drop(queue_.front().row);
      queue_.pop_front();
    }
    ARROW_RETURN_NOT_OK(Tidy());
    return queue_.empty() ? Flow::NeedInput() : Flow::MoreOutput();
  }

  static void KeepMatched(std::vector<RowRef>* left, std::vector<RowRef>* right) {
    size_t kept = 0;
    for (size_t i = 0; i < left->size(); ++i) {
      if ((*right)[i].none()) continue;
      (*left)[kept] = (*left)[i];
      (*right)[kept++] = (*right)[i];
    }
    left->resize(kept);
    right->resize(kept);
  }

  Result<std::vector<ArrayPtr>> Columns(const std::vector<RowRef>& left,
                                        const std::vector<RowRef>& right) {
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns,
                          RowsOf(kLeft).Gather(left, context().pool));
    ARROW_ASSIGN_OR_RAISE(const std::vector<ArrayPtr> others,
                          RowsOf(kRight).Gather(right, context().pool));
    columns.insert(columns.end(), others.begin(), others.end());
    return columns;
  }

  Status Emit(const std::vector<RowRef>& left, const std::vector<RowRef>& right, Out& out) {
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns, Columns(left, right));
    out.Emit(Batch(std::move(columns), static_cast<int64_t>(left.size())));
    return Status::OK();
  }

  Status DropFailed(const std::vector<RowRef>& left, std::vector<RowRef>* right) {
    auto candidates = std::make_shared<std::vector<uint32_t>>();
    for (size_t i = 0; i < right->size(); ++i) {
      if (!(*right)[i].none()) candidates->push_back(static_cast<uint32_t>(i));
    }
    if (candidates->empty()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const std::vector<ArrayPtr> all, Columns(left, *right));
    std::vector<ArrayPtr> wanted;
    for (const int column : condition_->first_columns()) {
      wanted.push_back(all[static_cast<size_t>(column)]);
    }
    const int width = spec_.left->num_fields();
    for (const int column : condition_->second_columns()) {
      wanted.push_back(all[static_cast<size_t>(width + column)]);
    }
    ARROW_ASSIGN_OR_RAISE(const Selection passing,
                          condition_->Passing(std::move(wanted), static_cast<int64_t>(left.size()),
                                              candidates, context().pool));
    std::vector<RowRef> kept(right->size());
    for (const uint32_t row : *passing) kept[row] = (*right)[row];
    *right = std::move(kept);
    return Status::OK();
  }

  /// Frees what is not wanted; the reservation becomes what is held.
  Status Tidy() {
    std::vector<RowRef*> refs;
    if (CanRewrite(kRight)) {
      for (std::vector<Version>& versions : versions_) {
        for (Version& version : versions) refs.push_back(&version.row);
      }
      ARROW_RETURN_NOT_OK(RowsOf(kRight).Rewrite(refs, context().pool));
    }
    refs.clear();
    if (CanRewrite(kLeft)) {
      for (StreamRow& row : waiting_) refs.push_back(&row.row);
      for (StreamRow& row : queue_) refs.push_back(&row.row);
      ARROW_RETURN_NOT_OK(RowsOf(kLeft).Rewrite(refs, context().pool));
    }
    reservation_.TryResize(HeldBytes());
    return Status::OK();
  }

  bool CanRewrite(int port) {
    return RowsOf(port).is_sparse() &&
           reservation_.TryResize(HeldBytes() + RowsOf(port).BytesToRewrite());
  }

  // -- State --

  SchemaPtr SavedSchema(int port) const {
    arrow::FieldVector fields;
    for (const auto& field : SchemaOf(port)->fields()) {
      fields.push_back(arrow::field(field->name(), PlainType(field->type())));
    }
    fields.push_back(arrow::field(TimeName(port), arrow::int64(), /*nullable=*/false));
    return arrow::schema(std::move(fields));
  }

  Status SaveRows(int port, int key_group, std::span<const Version> rows, StateWriter& writer) {
    std::vector<RowRef> refs;
    arrow::Int64Builder times(context().pool);
    for (const Version& row : rows) {
      refs.push_back(row.row);
      ARROW_RETURN_NOT_OK(times.Append(row.time));
    }
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns, RowsOf(port).Gather(refs, context().pool));
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), times.Finish());
    const auto count = static_cast<int64_t>(refs.size());
    return writer.Write(key_group,
                        *arrow::RecordBatch::Make(SavedSchema(port), count, std::move(columns)));
  }

  Status LoadRows(const arrow::RecordBatch& section) {
    const int port = section.schema()->Equals(*SavedSchema(kLeft)) ? kLeft : kRight;
    if (!section.schema()->Equals(*SavedSchema(port))) {
      return Error(ErrorKind::kBadData, "saved rows of a temporal join do not fit it: {}",
                   section.schema()->ToString());
    }
    std::vector<ArrayPtr> columns = section.columns();
    const auto& times =
        static_cast<const arrow::Int64Array&>(*section.column(SchemaOf(port)->num_fields()));
    columns.pop_back();
    IncomingRows incoming;
    incoming.rows = Batch(std::move(columns), section.num_rows());
    for (int64_t row = 0; row < times.length(); ++row) {
      incoming.times.push_back(times.Value(row));
      incoming.can_match.push_back(1);
    }
    incoming_ = std::move(incoming);
    ARROW_ASSIGN_OR_RAISE(const Flow flow, Accept(port));
    if (flow.kind == Flow::Kind::kNeedMemory) return context().budget->OverLimit(flow.bytes);
    // None of them was given: the watermark that lets them go comes again, or a later one.
    waiting_.insert(waiting_.end(), queue_.begin(), queue_.end());
    queue_.clear();
    return Status::OK();
  }

  const TemporalJoinSpec spec_;
  std::optional<PairCondition> condition_;
  Reservation reservation_;
  std::optional<KeyNumbering> keys_;
  std::vector<CountedRows> rows_;               // by port
  std::vector<std::vector<Version>> versions_;  // by key, in order of time
  size_t num_versions_ = 0;
  std::vector<StreamRow> waiting_;  // as they came
  std::deque<StreamRow> queue_;     // to be given
  std::array<int64_t, 2> watermarks_ = {Watermark::kNone, Watermark::kNone};
  int64_t promised_ = Watermark::kNone;
  std::optional<IncomingRows> incoming_;
};

}  // namespace

std::string TemporalJoinSpec::Describe() const {
  std::string text = fmt::format("versions of {} as of {}", right->field(terms.right_time)->name(),
                                 left->field(terms.left_time)->name());
  for (size_t i = 0; i < terms.left_keys.size(); ++i) {
    text += fmt::format(", {} = {}", left->field(terms.left_keys[i])->name(),
                        right->field(terms.right_keys[i])->name());
  }
  return text;
}

std::unique_ptr<Operator> TemporalJoinSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<TemporalJoin>(*this);
}

Status LowerTemporalJoin(const PlanNode& node, Lowering& lowering) {
  const auto& join = static_cast<const TemporalJoinNode&>(node);
  std::vector<int> channels;
  for (const int port : {kLeft, kRight}) {
    ARROW_RETURN_NOT_OK(lowering.Lower(*join.inputs()[static_cast<size_t>(port)]));
    channels.push_back(
        lowering.EndInExchange(port == kLeft ? join.terms.left_keys : join.terms.right_keys));
  }
  lowering.StartExchangedPorts(
      channels, std::make_shared<TemporalJoinSpec>(
                    join.inputs()[0]->schema(), join.inputs()[1]->schema(), join.kind, join.terms));
  return Status::OK();
}

}  // namespace headrace
