// One lane of an interval join. A batch is cleaned of late rows, joined with the buffer of the
// other side in steps, and what may still find a partner goes to the buffer of its own side. A
// watermark of one side takes rows out of the other side's buffer.
#include "headrace/exec/op/stream/interval_join.h"

#include <algorithm>
#include <array>
#include <optional>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/array/util.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/op/stream/interval_side.h"
#include "headrace/exec/op/stream/pair_condition.h"
#include "headrace/exec/op/stream/stream_state.h"
#include "headrace/exec/op/take_rows.h"
#include "headrace/exec/physical.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

const SchemaPtr& SideWatermarkSchema() {
  static const auto* schema =
      new SchemaPtr(WatermarkSchemaOf({"left_watermark", "right_watermark"}));
  return *schema;
}

const char* MatchedName(int port) { return port == kLeft ? "left_matched" : "right_matched"; }

/// Rows `probe[i]` of a batch with rows `partners[i]` of the other side; none: without a partner.
struct TimedPairs {
  std::vector<uint32_t> probe;
  std::vector<RowRef> partners;

  size_t size() const { return probe.size(); }
  void Clear() {
    probe.clear();
    partners.clear();
  }
};

class IntervalJoin final : public Operator {
 public:
  explicit IntervalJoin(const IntervalJoinSpec& spec) : spec_(spec) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    reservation_ = Reservation(context.budget);
    for (int port : {0, 1}) {
      ARROW_ASSIGN_OR_RAISE(IntervalSide side, IntervalSide::Make(spec_, port));
      sides_.push_back(std::move(side));
    }
    if (spec_.terms.residual != nullptr) {
      condition_.emplace(spec_.terms.residual, spec_.left->num_fields());
    }
    return Status::OK();
  }

  int Wants() const override {
    const int64_t left = sides_[0].watermark;
    const int64_t right = sides_[1].watermark;
    const int behind = left == right ? 1 - last_port_ : (left < right ? 0 : 1);
    return RatherPort(behind);
  }

  Result<Flow> Push(int port, Batch& batch, Out& out) override {
    last_port_ = port;
    if (!incoming_.has_value()) ARROW_RETURN_NOT_OK(Begin(port, batch));
    const int64_t wanted = HeldBytes() - Of(port).buffer->bytes() + Of(port).BytesToAdd(*incoming_);
    const int64_t more = wanted - reservation_.bytes();
    if (more > 0 && !reservation_.TryResize(wanted)) return Flow::NeedMemory(more);
    ARROW_RETURN_NOT_OK(JoinSome(port, out));
    if (row_ < incoming_->times.size()) return Flow::MoreOutput();
    ARROW_RETURN_NOT_OK(KeepIncoming(port));
    incoming_.reset();
    FitReservation();
    return Flow::NeedInput();
  }

  Result<Flow> Advance(int port, Watermark watermark, Out& out) override {
    Of(port).watermark = std::max(Of(port).watermark, watermark.micros);
    ARROW_ASSIGN_OR_RAISE(const bool more, GiveDone(1 - port, out));
    if (more || !out.empty()) return Flow::MoreOutput();
    const int64_t promise = Promise();
    if (promise > promised_) {
      promised_ = promise;
      out.EmitWatermark({promise});
    }
    return Flow::NeedInput();
  }

  Result<Flow> Finish(int port, Out& out) override {
    Of(port).watermark = Watermark::kEnd;
    ARROW_ASSIGN_OR_RAISE(const bool more, GiveDone(1 - port, out));
    return more ? Flow::MoreOutput() : Flow::NeedInput();
  }

  Result<int64_t> Reclaim(int64_t bytes) override {
    if (context().spill == nullptr) return 0;
    if (disk_ == nullptr) disk_ = std::make_unique<SpillMap>(*context().spill, "interval_join");
    int64_t freed = 0;
    for (int port : {0, 1}) {
      if (freed >= bytes) break;
      ARROW_ASSIGN_OR_RAISE(const int64_t moved, Of(port).buffer->MoveToDisk(
                                                     disk_.get(), bytes - freed, context().pool));
      freed += moved;
    }
    if (freed == 0) return 0;
    Count(context().metrics, &OperatorMetrics::spilled_bytes, freed);
    FitReservation();
    return freed;
  }

  Status Save(StateWriter& writer) override {
    for (int port : {0, 1}) {
      ARROW_RETURN_NOT_OK(
          SaveInSections(Of(port).buffer->ByKeyGroup(),
                         [&](int key_group, std::span<const IntervalBuffer::SavedRow> rows) {
                           return SaveRows(port, key_group, rows, writer);
                         }));
    }
    const int64_t watermarks[] = {Of(0).watermark, Of(1).watermark};
    return SaveWatermarks(SideWatermarkSchema(), watermarks, writer, context().pool);
  }

  Status Load(StateReader& reader) override {
    int64_t watermarks[] = {Of(0).watermark, Of(1).watermark};
    ARROW_RETURN_NOT_OK(
        LoadStreamState(reader, context(), SideWatermarkSchema(), watermarks,
                        [this](int, const arrow::RecordBatch& rows) { return LoadRows(rows); }));
    for (int port : {0, 1}) Of(port).watermark = watermarks[port];
    return Status::OK();
  }

 private:
  IntervalSide& Of(int port) { return sides_[static_cast<size_t>(port)]; }
  const IntervalSide& Of(int port) const { return sides_[static_cast<size_t>(port)]; }

  // -- Times --

  /// Times of the partners of a row of `port`.
  std::pair<int64_t, int64_t> PartnersOf(int port, int64_t time) const {
    const std::optional<int64_t>& lower = spec_.terms.lower;
    const std::optional<int64_t>& upper = spec_.terms.upper;
    if (port == kLeft) {
      return {lower.has_value() ? AddToTime(time, *lower) : Watermark::kNone,
              upper.has_value() ? AddToTime(time, *upper) : Watermark::kEnd};
    }
    return {upper.has_value() ? AddToTime(time, -*upper) : Watermark::kNone,
            lower.has_value() ? AddToTime(time, -*lower) : Watermark::kEnd};
  }

  /// Rows of `port` before this time find no partner any more: all theirs are behind the horizon of
  /// the other side.
  int64_t DoneBefore(int port) const {
    const int64_t horizon = Of(1 - port).Horizon();
    if (horizon == Watermark::kEnd) return Watermark::kEnd;
    const std::optional<int64_t>& last = port == kLeft ? spec_.terms.upper : spec_.terms.lower;
    if (!last.has_value()) return Watermark::kNone;
    return AddToTime(horizon, port == kLeft ? -*last : *last);
  }

  /// No row that comes out later has an earlier time on either side.
  int64_t Promise() const {
    return std::min({Of(0).Horizon(), Of(1).Horizon(), DoneBefore(0), DoneBefore(1)});
  }

  // -- Rows in --

  Status Begin(int port, const Batch& batch) {
    ARROW_ASSIGN_OR_RAISE(incoming_, Of(port).Read(batch, context().pool));
    if (context().metrics != nullptr) {
      context().metrics->late_rows.fetch_add(incoming_->late_rows, std::memory_order_relaxed);
    }
    Of(1 - port).buffer->FindKeys(incoming_->keys, &numbers_);
    row_bytes_ = RowBytes(incoming_->rows);
    row_ = 0;
    partner_ = 0;
    return Status::OK();
  }

  int64_t HeldBytes() const { return Of(0).buffer->bytes() + Of(1).buffer->bytes(); }

  /// Arrays of keys may have taken a little more than was asked for: that is made good next time.
  void FitReservation() { reservation_.TryResize(HeldBytes()); }

  bool IsDone(int port, size_t row) const {
    return incoming_->can_match[row] == 0 || incoming_->times[row] < DoneBefore(port);
  }

  /// The rows that may find another partner.
  Status KeepIncoming(int port) {
    std::vector<uint32_t> rows;
    std::vector<int64_t> times;
    std::vector<uint8_t> matched;
    for (size_t row = 0; row < incoming_->times.size(); ++row) {
      if (IsDone(port, row)) continue;
      rows.push_back(static_cast<uint32_t>(row));
      times.push_back(incoming_->times[row]);
      matched.push_back(incoming_->matched[row]);
    }
    ARROW_ASSIGN_OR_RAISE(const Batch kept, TakeRows(incoming_->rows, rows, context().pool));
    return Of(port).buffer->Add(kept, incoming_->keys, rows, std::move(times), std::move(matched),
                                context().pool);
  }

  // -- Pairs --

  Status JoinSome(int port, Out& out) {
    CollectPairs(port);
    if (condition_.has_value()) ARROW_RETURN_NOT_OK(DropFailed(port));
    MarkAndDropMatched(port);
    if (pairs_.size() == 0) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const Batch probe,
                          TakeRows(incoming_->rows, pairs_.probe, context().pool));
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> partners,
                          Of(1 - port).buffer->rows().Gather(pairs_.partners, context().pool));
    out.Emit(Arranged(port, probe.columns(), partners, probe.num_rows()));
    return Status::OK();
  }

  /// From the cursor on, as many as a batch takes: partners of a row in the order of their times,
  /// then, where it has found its last one, the row alone.
  void CollectPairs(int port) {
    pairs_.Clear();
    const IntervalBuffer& others = *Of(1 - port).buffer;
    int64_t bytes = 0;
    const auto has_room = [&](RowRef partner) {
      bytes += row_bytes_[row_] + others.rows().BytesOf(partner);
      const bool is_full = static_cast<int64_t>(pairs_.size()) >= context().batch_rows ||
                           bytes > context().batch_bytes;
      return pairs_.size() == 0 || !is_full;
    };
    for (; row_ < incoming_->times.size(); ++row_, partner_ = 0) {
      std::span<const TimedRow> partners;
      if (incoming_->can_match[row_] != 0) {
        const auto [from, to] = PartnersOf(port, incoming_->times[row_]);
        partners = others.Find(numbers_[row_], from, to);
      }
      for (; partner_ < partners.size(); ++partner_) {
        if (!has_room(partners[partner_].row)) return;
        pairs_.probe.push_back(static_cast<uint32_t>(row_));
        pairs_.partners.push_back(partners[partner_].row);
      }
      if (!Of(port).is_kept || !IsDone(port, row_)) continue;
      if (!has_room(RowRef())) return;
      pairs_.probe.push_back(static_cast<uint32_t>(row_));
      pairs_.partners.emplace_back();
    }
  }

  Status DropFailed(int port) {
    auto candidates = std::make_shared<std::vector<uint32_t>>();
    for (size_t i = 0; i < pairs_.size(); ++i) {
      if (!pairs_.partners[i].none()) candidates->push_back(static_cast<uint32_t>(i));
    }
    if (candidates->empty()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns, ConditionColumns(port));
    ARROW_ASSIGN_OR_RAISE(
        const Selection passing,
        condition_->Passing(std::move(columns), static_cast<int64_t>(pairs_.size()), candidates,
                            context().pool));
    size_t kept = 0;
    size_t next = 0;
    for (size_t i = 0; i < pairs_.size(); ++i) {
      const bool passes = next < passing->size() && (*passing)[next] == i;
      next += passes ? 1 : 0;
      const bool keep = passes || pairs_.partners[i].none();
      pairs_.probe[kept] = pairs_.probe[i];
      pairs_.partners[kept] = pairs_.partners[i];
      kept += keep ? 1 : 0;
    }
    pairs_.probe.resize(kept);
    pairs_.partners.resize(kept);
    return Status::OK();
  }

  Result<std::vector<ArrayPtr>> ConditionColumns(int port) const {
    std::array<std::vector<ArrayPtr>, 2> of_side;
    for (int side : {0, 1}) {
      const std::vector<int>& wanted =
          side == kLeft ? condition_->first_columns() : condition_->second_columns();
      std::vector<ArrayPtr>& columns = of_side[static_cast<size_t>(side)];
      for (int column : wanted) {
        if (side == port) {
          columns.push_back(incoming_->rows.column(column));
        } else {
          ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                                Of(side).buffer->rows().Gather(static_cast<size_t>(column),
                                                               pairs_.partners, context().pool));
        }
      }
      if (side != port) continue;
      ARROW_ASSIGN_OR_RAISE(const Batch taken,
                            TakeRows(Batch(std::move(columns), incoming_->rows.num_rows()),
                                     pairs_.probe, context().pool));
      columns = taken.columns();
    }
    of_side[0].insert(of_side[0].end(), of_side[1].begin(), of_side[1].end());
    return std::move(of_side[0]);
  }

  /// A row alone stays only when it never had a partner.
  void MarkAndDropMatched(int port) {
    size_t kept = 0;
    for (size_t i = 0; i < pairs_.size(); ++i) {
      const uint32_t row = pairs_.probe[i];
      const RowRef partner = pairs_.partners[i];
      const bool keep = !partner.none() || incoming_->matched[row] == 0;
      if (!partner.none()) {
        incoming_->matched[row] = 1;
        Of(1 - port).buffer->Mark(partner);
      }
      pairs_.probe[kept] = row;
      pairs_.partners[kept] = partner;
      kept += keep ? 1 : 0;
    }
    pairs_.probe.resize(kept);
    pairs_.partners.resize(kept);
  }

  static Batch Arranged(int port, const std::vector<ArrayPtr>& own,
                        const std::vector<ArrayPtr>& others, int64_t num_rows) {
    std::vector<ArrayPtr> columns = port == kLeft ? own : others;
    const std::vector<ArrayPtr>& second = port == kLeft ? others : own;
    columns.insert(columns.end(), second.begin(), second.end());
    return Batch(std::move(columns), num_rows);
  }

  // -- Rows without a partner --

  /// Takes rows of `port` that are done out of the buffer, and gives those that never had a
  /// partner where they are kept. True: there is more to do.
  Result<bool> GiveDone(int port, Out& out) {
    IntervalSide& side = Of(port);
    if (alone_.empty()) {
      has_more_done_ = side.buffer->TakeBefore(
          DoneBefore(port), std::max<int64_t>(context().batch_rows, 1024), &alone_);
      if (!side.is_kept) alone_.clear();
    }
    if (!alone_.empty()) ARROW_RETURN_NOT_OK(EmitAlone(port, out));
    if (!alone_.empty()) return true;
    side.buffer->Release();
    FitReservation();
    return has_more_done_;
  }

  Status EmitAlone(int port, Out& out) {
    const RowStore& store = Of(port).buffer->rows();
    size_t count = 0;
    int64_t bytes = 0;
    for (; count < alone_.size() && static_cast<int64_t>(count) < context().batch_rows; ++count) {
      bytes += store.BytesOf(alone_[count]);
      if (bytes > context().batch_bytes && count > 0) break;
    }
    const auto num_rows = static_cast<int64_t>(count);
    ARROW_ASSIGN_OR_RAISE(const std::vector<ArrayPtr> own,
                          store.Gather(std::span(alone_).first(count), context().pool));
    std::vector<ArrayPtr> others;
    for (const auto& field : Of(1 - port).schema->fields()) {
      ARROW_ASSIGN_OR_RAISE(
          others.emplace_back(),
          arrow::MakeArrayOfNull(PlainType(field->type()), num_rows, context().pool));
    }
    alone_.erase(alone_.begin(), alone_.begin() + static_cast<std::ptrdiff_t>(count));
    out.Emit(Arranged(port, own, others, num_rows));
    return Status::OK();
  }

  // -- State --

  Status SaveRows(int port, int key_group, std::span<const IntervalBuffer::SavedRow> rows,
                  StateWriter& writer) const {
    std::vector<RowRef> refs;
    arrow::BooleanBuilder matched(context().pool);
    for (const IntervalBuffer::SavedRow& saved : rows) {
      refs.push_back(saved.row);
      ARROW_RETURN_NOT_OK(matched.Append(saved.matched));
    }
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns,
                          Of(port).buffer->rows().Gather(refs, context().pool));
    arrow::FieldVector fields;
    for (size_t i = 0; i < columns.size(); ++i) {
      const auto& field = Of(port).schema->field(static_cast<int>(i));
      fields.push_back(arrow::field(field->name(), columns[i]->type()));
    }
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), matched.Finish());
    fields.push_back(arrow::field(MatchedName(port), arrow::boolean(), /*nullable=*/false));
    return writer.Write(key_group,
                        *arrow::RecordBatch::Make(arrow::schema(std::move(fields)),
                                                  static_cast<int64_t>(refs.size()), columns));
  }

  /// The side of a saved section; −1: of none.
  int PortOf(const arrow::Schema& section) const {
    for (int port : {0, 1}) {
      const int width = Of(port).schema->num_fields();
      if (section.num_fields() != width + 1) continue;
      if (section.field(width)->name() != MatchedName(port)) continue;
      bool fits = section.field(width)->type()->id() == arrow::Type::BOOL;
      for (int i = 0; fits && i < width; ++i) {
        fits = section.field(i)->type()->Equals(*PlainType(Of(port).schema->field(i)->type()));
      }
      if (fits) return port;
    }
    return -1;
  }

  Status LoadRows(const arrow::RecordBatch& section) {
    const int port = PortOf(*section.schema());
    if (port < 0) {
      return Error(ErrorKind::kBadData, "saved rows of an interval join do not fit it: {}",
                   section.schema()->ToString());
    }
    IntervalSide& side = Of(port);
    const int64_t now = std::exchange(side.watermark, Watermark::kNone);  // none of them is late
    std::vector<ArrayPtr> columns = section.columns();
    const ArrayPtr matched = columns.back();
    columns.pop_back();
    Result<IncomingRows> incoming =
        side.Read(Batch(std::move(columns), section.num_rows()), context().pool);
    side.watermark = now;
    ARROW_ASSIGN_OR_RAISE(incoming_, std::move(incoming));
    const bool is_whole = std::all_of(incoming_->can_match.begin(), incoming_->can_match.end(),
                                      [](uint8_t can_match) { return can_match != 0; }) &&
                          incoming_->rows.num_rows() == section.num_rows();
    if (!is_whole) {
      return Error(ErrorKind::kBadData, "a saved row of an interval join has no key or no time");
    }
    const auto& flags = static_cast<const arrow::BooleanArray&>(*matched);
    for (int64_t row = 0; row < flags.length(); ++row) {
      incoming_->matched[static_cast<size_t>(row)] = flags.Value(row) ? 1 : 0;
    }
    const int64_t wanted = HeldBytes() - side.buffer->bytes() + side.BytesToAdd(*incoming_);
    ARROW_RETURN_NOT_OK(reservation_.Resize(std::max(wanted, reservation_.bytes())));
    std::vector<uint32_t> rows(incoming_->times.size());
    for (size_t row = 0; row < rows.size(); ++row) rows[row] = static_cast<uint32_t>(row);
    ARROW_RETURN_NOT_OK(side.buffer->Add(incoming_->rows, incoming_->keys, rows,
                                         std::move(incoming_->times), std::move(incoming_->matched),
                                         context().pool));
    incoming_.reset();
    FitReservation();
    return Status::OK();
  }

  const IntervalJoinSpec spec_;
  std::unique_ptr<SpillMap> disk_;  // null: all is in memory
  std::vector<IntervalSide> sides_;
  std::optional<PairCondition> condition_;
  Reservation reservation_;
  int last_port_ = 1;
  int64_t promised_ = Watermark::kNone;

  // The batch in work and the cursor in it.
  std::optional<IncomingRows> incoming_;
  std::vector<uint32_t> numbers_;  // of its keys in the other side's buffer
  std::vector<int64_t> row_bytes_;
  size_t row_ = 0;
  size_t partner_ = 0;
  TimedPairs pairs_;

  // Rows that were taken out and are to be given.
  std::vector<RowRef> alone_;
  bool has_more_done_ = false;
};

std::string BoundsOf(const IntervalTerms& terms) {
  const auto text = [](const std::optional<int64_t>& micros) {
    return micros.has_value() ? fmt::format("{}us", *micros) : std::string("any");
  };
  return fmt::format("{} .. {}", text(terms.lower), text(terms.upper));
}

}  // namespace

std::string IntervalJoinSpec::Describe() const {
  std::string text = fmt::format("{} - {} in {}", right->field(terms.right_time)->name(),
                                 left->field(terms.left_time)->name(), BoundsOf(terms));
  for (size_t i = 0; i < terms.left_keys.size(); ++i) {
    text += fmt::format(", {} = {}", left->field(terms.left_keys[i])->name(),
                        right->field(terms.right_keys[i])->name());
  }
  if (terms.residual != nullptr) text += " and " + ToString(*terms.residual);
  return text;
}

std::unique_ptr<Operator> IntervalJoinSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<IntervalJoin>(*this);
}

Status LowerIntervalJoin(const PlanNode& node, Lowering& lowering) {
  const auto& join = static_cast<const IntervalJoinNode&>(node);
  std::vector<int> channels;
  for (int port : {0, 1}) {
    ARROW_RETURN_NOT_OK(lowering.Lower(*join.inputs()[static_cast<size_t>(port)]));
    channels.push_back(
        lowering.EndInExchange(port == kLeft ? join.terms.left_keys : join.terms.right_keys));
  }
  lowering.StartExchangedPorts(
      channels, std::make_shared<IntervalJoinSpec>(
                    join.inputs()[0]->schema(), join.inputs()[1]->schema(), join.kind, join.terms));
  return Status::OK();
}

}  // namespace headrace
