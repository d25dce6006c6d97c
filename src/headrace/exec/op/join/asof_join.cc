// Two ports, at most one batch of the left side: it waits until the right side has decided all of
// its rows, so Wants() asks for the right side while it is there, and for the left side otherwise.
#include "headrace/exec/op/join/asof_join.h"

#include <algorithm>
#include <numeric>

#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/exec/op/join/asof_match.h"
#include "headrace/exec/op/key_numbering.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/physical.h"
#include "headrace/function/view.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

/// Right rows are trimmed when they have grown to this many batches, or doubled.
constexpr int64_t kTrimBatches = 2;

class AsofJoin final : public Operator {
 public:
  explicit AsofJoin(const AsofJoinSpec& spec) : spec_(spec) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    reservation_ = Reservation(context.budget);
    const AsofTerms& terms = spec_.terms;
    if (spec_.right_read.has_value()) {
      kept_columns_ = *spec_.right_read;
    } else {
      kept_columns_.resize(static_cast<size_t>(spec_.right_schema->num_fields()));
      std::iota(kept_columns_.begin(), kept_columns_.end(), 0);
    }
    ARROW_ASSIGN_OR_RAISE(left_times_,
                          AsofTimes::Make("left", *spec_.left_schema, terms.left_time));
    ARROW_ASSIGN_OR_RAISE(right_times_,
                          AsofTimes::Make("right", *spec_.right_schema, terms.right_time));
    ARROW_ASSIGN_OR_RAISE(KeyNumbering keys,
                          KeyNumbering::Make({KeyColumnsOf(*spec_.left_schema, terms.left_by),
                                              KeyColumnsOf(*spec_.right_schema, terms.right_by)}));
    keys_.emplace(std::move(keys));
    const AsofRule rule{terms.strict, terms.tolerance, left_times_->is_float()};
    matcher_ = terms.direction == AsofDirection::kBackward
                   ? MakeBackwardMatcher(*KeptSchema(), rule)
                   : MakeForwardMatcher(*KeptSchema(), rule);
    trim_at_bytes_ = kTrimBatches * context.batch_bytes;
    return Status::OK();
  }

  int Wants() const override { return left_.has_value() ? kRight : kLeft; }

  Result<Flow> Push(int port, Batch& batch, Out& out) override {
    if (!delivering_) {
      ARROW_ASSIGN_OR_RAISE(Flow flow, port == kLeft ? TakeLeft(batch) : TakeRight(batch));
      if (flow.kind == Flow::Kind::kNeedMemory) return flow;
      MatchRows();
    }
    return Deliver(out);
  }

  Result<Flow> Finish(int port, Out& out) override {
    if (!delivering_) {
      if (port == kLeft) {
        left_ended_ = true;
      } else {
        matcher_->EndRight();
        MatchRows();
      }
    }
    return Deliver(out);
  }

  // Output rows are left rows: their watermark goes on when no left row is held back.
  Result<Flow> Advance(int port, Watermark watermark, Out& out) override {
    if (port == kLeft) left_mark_ = std::max(left_mark_, watermark);
    if (!left_.has_value() && left_mark_ > emitted_mark_) {
      emitted_mark_ = left_mark_;
      out.EmitWatermark(left_mark_);
    }
    return Flow::NeedInput();
  }

  Status Save(StateWriter&) override {
    return Error(ErrorKind::kUnsupported, "an as-of join cannot be part of a checkpoint yet");
  }

 private:
  // Numbers the keys of a batch once `more_bytes` and the memory they need are granted. The batch
  // is read again on the next try when not.
  // `kept` is what is kept of it.
  Result<Flow> ReadRows(int port, const Batch& batch, const Batch& kept, AsofRows* rows) {
    ARROW_ASSIGN_OR_RAISE(const int64_t missing,
                          keys_->Find(static_cast<size_t>(port), batch, context().pool));
    const int64_t num_keys = keys_->size() + missing;
    const int64_t right_bytes =
        port == kRight ? matcher_->BytesToAdd(kept, num_keys) : matcher_->bytes();
    const int64_t left_bytes = port == kLeft ? LeftBytes(batch) : left_bytes_;
    const int64_t wanted = right_bytes + left_bytes + keys_->BytesToAssign();
    const int64_t more = wanted - reservation_.bytes();
    if (more > 0 && !reservation_.TryResize(wanted)) return Flow::NeedMemory(more);
    AsofTimes& times = port == kLeft ? *left_times_ : *right_times_;
    ARROW_ASSIGN_OR_RAISE(rows->times, times.Read(batch, context().pool));
    rows->keys = keys_->Assign();
    return Flow::NeedInput();
  }

  Result<Flow> TakeLeft(const Batch& batch) {
    HEADRACE_CHECK(!left_.has_value(), "a left batch comes before it is wanted");
    ARROW_ASSIGN_OR_RAISE(Batch left, batch.Compact(context().pool));
    ARROW_ASSIGN_OR_RAISE(Flow flow, ReadRows(kLeft, left, left, &left_rows_));
    if (flow.kind == Flow::Kind::kNeedMemory) return flow;
    left_bytes_ = LeftBytes(left);
    left_row_bytes_ = RowBytes(left);
    left_ = std::move(left);
    matches_.clear();
    next_match_ = 0;
    next_output_ = 0;
    return flow;
  }

  Result<Flow> TakeRight(const Batch& batch) {
    ARROW_ASSIGN_OR_RAISE(const Batch right, batch.Compact(context().pool));
    std::vector<ArrayPtr> columns;
    for (const int column : kept_columns_) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), Decode(right.column(column), context().pool));
    }
    const Batch kept(std::move(columns), right.num_rows());
    AsofRows rows;
    ARROW_ASSIGN_OR_RAISE(Flow flow, ReadRows(kRight, right, kept, &rows));
    if (flow.kind == Flow::Kind::kNeedMemory) return flow;
    matcher_->Add(kept, std::move(rows), keys_->size());
    return flow;
  }

  SchemaPtr KeptSchema() const {
    arrow::FieldVector fields;
    for (const int column : kept_columns_) {
      fields.push_back(spec_.right_schema->field(column));
    }
    return arrow::schema(std::move(fields));
  }

  // All columns of the right side, from those that are kept.
  Result<std::vector<ArrayPtr>> RightColumns(std::span<const RowRef> rows) const {
    ARROW_ASSIGN_OR_RAISE(const std::vector<ArrayPtr> kept,
                          matcher_->rows().Gather(rows, context().pool));
    std::vector<ArrayPtr> columns;
    size_t next = 0;
    for (int column = 0; column < spec_.right_schema->num_fields(); ++column) {
      const bool is_kept = next < kept.size() && kept_columns_[next] == column;
      if (is_kept) {
        columns.push_back(kept[next++]);
        continue;
      }
      const TypePtr type = PlainType(spec_.right_schema->field(column)->type());
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                            MakeNulls(type, static_cast<int64_t>(rows.size()), context().pool));
    }
    return columns;
  }

  static int64_t LeftBytes(const Batch& batch) {
    constexpr int64_t kBytesPerRow = 2 * sizeof(int64_t) + sizeof(uint32_t) + sizeof(RowRef);
    return batch.num_bytes() + batch.num_rows() * kBytesPerRow;
  }

  // Decides what can be decided; what is to be delivered then: the batch when it is complete, or
  // what is complete of it when its matches hold on to too many right rows.
  void MatchRows() {
    delivering_ = true;
    deliver_end_ = next_output_;
    trims_ = matcher_->bytes() >= trim_at_bytes_;
    if (!left_.has_value()) return;
    next_match_ = matcher_->Match(left_rows_, next_match_, &matches_);
    if (trims_ || next_match_ == left_->num_rows()) deliver_end_ = next_match_;
  }

  Result<Flow> Deliver(Out& out) {
    if (next_output_ < deliver_end_) {
      ARROW_RETURN_NOT_OK(EmitRows(out));
      if (next_output_ < deliver_end_) return Flow::MoreOutput();
    }
    delivering_ = false;
    if (left_.has_value() && next_output_ == left_->num_rows()) {
      left_.reset();
      left_bytes_ = 0;
    }
    if (trims_) {
      ARROW_RETURN_NOT_OK(Trim());
    }
    return left_ended_ && !left_.has_value() ? Flow::Finished() : Flow::NeedInput();
  }

  // The next rows up to deliver_end_ that fit one batch.
  Status EmitRows(Out& out) {
    const int64_t begin = next_output_;
    int64_t bytes = 0;
    for (; next_output_ < deliver_end_ && next_output_ - begin < context().batch_rows;
         ++next_output_) {
      const auto row = static_cast<size_t>(next_output_);
      bytes += left_row_bytes_[row] + matcher_->rows().BytesOf(matches_[row]);
      if (bytes > context().batch_bytes && next_output_ > begin) break;
    }
    const auto length = static_cast<size_t>(next_output_ - begin);
    Batch output = left_->Slice(begin, next_output_ - begin);
    const std::span<const RowRef> rows(matches_.data() + begin, length);
    ARROW_ASSIGN_OR_RAISE(const std::vector<ArrayPtr> right, RightColumns(rows));
    std::vector<ArrayPtr> columns = output.columns();
    columns.insert(columns.end(), right.begin(), right.end());
    out.Emit(output.WithColumns(std::move(columns)));
    return Status::OK();
  }

  Status Trim() {
    const ChunkLimits limits{std::min(context().batch_rows, kBatchRowsMax), context().batch_bytes};
    const bool granted = reservation_.TryGrow(matcher_->bytes() / 2);
    ARROW_RETURN_NOT_OK(matcher_->Trim(granted ? &limits : nullptr, context().pool));
    const int64_t held = matcher_->bytes();
    trim_at_bytes_ = std::max(kTrimBatches * context().batch_bytes, 2 * held);
    reservation_.TryResize(std::min(reservation_.bytes(), held + left_bytes_ + keys_->bytes()));
    return Status::OK();
  }

  const AsofJoinSpec spec_;
  std::vector<int> kept_columns_;  // of the right side
  std::optional<AsofTimes> left_times_;
  std::optional<AsofTimes> right_times_;
  std::optional<KeyNumbering> keys_;
  std::unique_ptr<AsofMatcher> matcher_;
  Reservation reservation_;
  int64_t trim_at_bytes_ = 0;
  bool left_ended_ = false;
  Watermark left_mark_;
  Watermark emitted_mark_;

  // The left batch in work: rows are matched, then put out.
  std::optional<Batch> left_;
  AsofRows left_rows_;
  std::vector<int64_t> left_row_bytes_;
  int64_t left_bytes_ = 0;
  std::vector<RowRef> matches_;
  int64_t next_match_ = 0;
  int64_t next_output_ = 0;

  // Of a call that is repeated while it has output.
  bool delivering_ = false;
  bool trims_ = false;
  int64_t deliver_end_ = 0;
};

std::vector<int> RightColumnsRead(const AsofJoinNode& join, const RowsRead& read) {
  const int width = join.inputs()[0]->schema()->num_fields();
  std::vector<int> columns;
  for (int column = 0; column < join.inputs()[1]->schema()->num_fields(); ++column) {
    const bool is_read = !read.columns.has_value() ||
                         std::find(read.columns->begin(), read.columns->end(), width + column) !=
                             read.columns->end();
    if (is_read) columns.push_back(column);
  }
  return columns;
}

}  // namespace

std::string AsofJoinSpec::Describe() const {
  std::string text = terms.direction == AsofDirection::kBackward ? "backward" : "forward";
  text += fmt::format(" on {}, {}", left_schema->field(terms.left_time)->name(),
                      right_schema->field(terms.right_time)->name());
  for (size_t i = 0; i < terms.left_by.size(); ++i) {
    text += fmt::format("{} {} = {}", i == 0 ? " by" : ",",
                        left_schema->field(terms.left_by[i])->name(),
                        right_schema->field(terms.right_by[i])->name());
  }
  if (terms.strict) text += ", strict";
  if (terms.tolerance.has_value()) text += fmt::format(", tolerance {}", *terms.tolerance);
  return text;
}

std::unique_ptr<Operator> AsofJoinSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<AsofJoin>(*this);
}

Status LowerAsofJoin(const PlanNode& node, Lowering& lowering) {
  const auto& join = static_cast<const AsofJoinNode&>(node);
  std::vector<int> right_read = RightColumnsRead(join, lowering.rows_read());
  std::vector<int> channels;
  for (const PlanPtr& input : join.inputs()) {
    ARROW_RETURN_NOT_OK(lowering.Lower(*input));
    channels.push_back(lowering.EndInChannel());
  }
  AsofTerms terms{join.left_time, join.right_time, join.left_by,  join.right_by,
                  join.direction, join.strict,     join.tolerance};
  lowering.StartPorts(channels, std::make_shared<AsofJoinSpec>(
                                    join.inputs()[0]->schema(), join.inputs()[1]->schema(),
                                    std::move(terms), std::move(right_read)));
  return Status::OK();
}

}  // namespace headrace
