// Rows are gathered into segments; of each those rows are given out whose values no later row can
// change, and those are kept that later rows look at.
#include "headrace/exec/op/window/framed_window.h"

#include <algorithm>
#include <optional>

#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/exec/op/run_finder.h"
#include "headrace/exec/op/window/framed_call.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

// What is made per row beside a copy of the rows: keys and runs.
constexpr int64_t kBytesPerRow = 48;
// New rows of a segment take this part of the limit at most, or as much as the old ones.
constexpr int64_t kSegmentsPerBudget = 16;

std::vector<int> ColumnsOf(const Ordering& order) {
  std::vector<int> columns;
  for (const SortKey& key : order) columns.push_back(key.column);
  return columns;
}

class FramedWindow final : public Operator {
 public:
  explicit FramedWindow(const FramedWindowSpec& spec) : spec_(spec) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    reservation_ = Reservation(context.budget);
    ARROW_ASSIGN_OR_RAISE(partitions_, RunFinder::Make(*spec_.schema, spec_.partition_by));
    std::vector<int> peers = spec_.partition_by;
    for (int column : ColumnsOf(spec_.order)) peers.push_back(column);
    ARROW_ASSIGN_OR_RAISE(peers_, RunFinder::Make(*spec_.schema, peers));
    for (size_t i = 0; i < spec_.calls.size(); ++i) {
      const FramedCall& framed = spec_.calls[i];
      if (framed.call.distinct) bytes_per_row_ += kDistinctBytesPerRow;
      const bool excludes = framed.frame.exclusion != FrameExclusion::kNoOthers;
      if (excludes && framed.call.function->kind != FunctionKind::kAggregate) {
        return Error(ErrorKind::kUnsupported, "EXCLUDE works with aggregates only, not with {}",
                     framed.call.function->id);
      }
      calls_.push_back({CallReach::Of(framed, !spec_.order.empty(), spec_.partition_rows >= 0,
                                      spec_.rests[i] >= 0),
                        std::make_unique<CallRun>(framed, spec_.order, spec_.schema, spec_.rests[i],
                                                  context.pool)});
    }
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (segment_.has_value()) {
      ARROW_RETURN_NOT_OK(EmitSome(out));
      return segment_.has_value() ? Flow::MoreOutput() : Flow::NeedInput();
    }
    if (!pending_.has_value()) {
      ARROW_ASSIGN_OR_RAISE(pending_, batch.Compact(context().pool));
      ARROW_ASSIGN_OR_RAISE(pending_, DecodeBatch(*pending_, context().pool));
    }
    const int64_t bytes = BytesFor(*pending_);
    if (!reservation_.TryGrow(bytes)) return Flow::NeedMemory(bytes);
    held_rows_ += pending_->num_rows();
    held_.push_back(*std::move(pending_));
    pending_.reset();
    if (held_rows_ < rows_wanted_) return Flow::NeedInput();
    ARROW_RETURN_NOT_OK(StartSegment(/*is_last=*/false));
    return segment_.has_value() ? Flow::MoreOutput() : Flow::NeedInput();
  }

  Result<Flow> Finish(int, Out& out) override {
    if (!segment_.has_value()) {
      if (held_rows_ == given_rows_) return Flow::NeedInput();
      ARROW_RETURN_NOT_OK(StartSegment(/*is_last=*/true));
    }
    ARROW_RETURN_NOT_OK(EmitSome(out));
    return segment_.has_value() ? Flow::MoreOutput() : Flow::NeedInput();
  }

 private:
  struct Call {
    CallReach reach;
    std::unique_ptr<CallRun> run;
  };

  /// What is held for rows: them, a copy of them in one piece, and what is known of them.
  int64_t BytesFor(const Batch& rows) const {
    return 2 * rows.num_bytes() + bytes_per_row_ * rows.num_rows();
  }

  /// Makes a segment of the rows held, and finds which of them can be given values; none where
  /// there are not enough of them.
  Status StartSegment(bool is_last) {
    WindowSegment segment;
    segment.cut = cut_;
    ARROW_ASSIGN_OR_RAISE(segment.rows, held_.size() == 1
                                            ? Result<Batch>(held_.front())
                                            : ConcatenateBatches(held_, context().pool));
    held_ = {segment.rows};
    ARROW_RETURN_NOT_OK(FindRuns(&segment));
    segment_ = std::move(segment);
    for (const Call& call : calls_) ARROW_RETURN_NOT_OK(call.run->Start(*segment_, rows_gone_));
    rows_gone_ = 0;
    next_row_ = given_rows_;
    end_row_ = held_rows_;
    for (const Call& call : calls_) {
      if (is_last) break;
      ARROW_ASSIGN_OR_RAISE(const int64_t rows,
                            call.run->FinalRows(*segment_, call.reach, next_row_));
      end_row_ = std::min(end_row_, rows);
    }
    facts_.emplace(*segment_, spec_.partition_rows, spec_.order.empty());
    if (end_row_ == next_row_) EndSegment();
    return Status::OK();
  }

  /// Without ORDER BY all rows of a partition are peers.
  Status FindRuns(WindowSegment* segment) {
    std::vector<uint8_t> partition_starts;
    ARROW_RETURN_NOT_OK(partitions_.Find(segment->rows, context().pool, &partition_starts));
    segment->partitions = BeginsOf(partition_starts);
    segment->peers = segment->partitions;
    if (!spec_.order.empty()) {
      std::vector<uint8_t> starts;
      ARROW_RETURN_NOT_OK(peers_.Find(segment->rows, context().pool, &starts));
      for (size_t row = 0; row < starts.size(); ++row) starts[row] |= partition_starts[row];
      segment->peers = BeginsOf(starts);
    }
    segment->partitions.front() -= cut_.rows;
    segment->peers.front() -= cut_.peers;
    return Status::OK();
  }

  Status EmitSome(Out& out) {
    const int64_t end = std::min(end_row_, next_row_ + context().batch_rows);
    RowFacts facts;
    facts_->Next(next_row_, end, &facts);
    const Batch given = segment_->rows.Slice(next_row_, end - next_row_);
    std::vector<ArrayPtr> columns = given.columns();
    for (const Call& call : calls_) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), call.run->Next(next_row_, end, facts));
    }
    out.Emit(given.WithColumns(std::move(columns)));
    next_row_ = end;
    if (next_row_ == end_row_) EndSegment();
    return Status::OK();
  }

  /// Keeps the rows that are not given yet, and those before them that later rows look at.
  void EndSegment() {
    int64_t needed = next_row_;
    for (const Call& call : calls_) {
      needed = std::min(needed, call.run->NeededFrom(call.reach, next_row_));
    }
    const RunBegins& begins = segment_->partitions;
    if (next_row_ == given_rows_) {  // nothing was given
      needed = 0;
    } else if (std::binary_search(begins.begin(), begins.end() - 1, next_row_)) {
      needed = next_row_;  // another partition begins
    }
    needed = std::min(needed, held_rows_ - 1);  // the next row may be of the last one's partition
    cut_ = segment_->CutAt(needed);
    rows_gone_ = needed;
    held_rows_ -= needed;
    given_rows_ = next_row_ - needed;
    const Batch left = segment_->rows.Slice(needed, held_rows_);
    // Some rows are looked at again with every segment: the more they are, the longer it is.
    const int64_t row_bytes = std::max<int64_t>(1, BytesFor(left) / held_rows_);
    const int64_t rows = context().budget->limit_bytes() / kSegmentsPerBudget / row_bytes;
    const int64_t more = std::clamp<int64_t>(rows, 1, context().batch_rows);
    rows_wanted_ = held_rows_ + std::max(more, held_rows_);
    facts_.reset();
    segment_.reset();
    held_.clear();
    held_.push_back(left);
    reservation_.TryResize(std::min(BytesFor(left), reservation_.bytes()));
  }

  const FramedWindowSpec spec_;
  std::vector<Call> calls_;
  RunFinder partitions_;
  RunFinder peers_;
  Reservation reservation_;
  int64_t bytes_per_row_ = kBytesPerRow;
  std::optional<Batch> pending_;
  std::vector<Batch> held_;
  int64_t held_rows_ = 0;
  int64_t given_rows_ = 0;   // of those held, the first ones: they have values
  int64_t rows_wanted_ = 0;  // held, for the next segment
  int64_t rows_gone_ = 0;    // of the last segment's
  PartitionCut cut_;         // before the rows held
  // The segment in work.
  std::optional<WindowSegment> segment_;
  std::optional<FactsCursor> facts_;
  int64_t next_row_ = 0;
  int64_t end_row_ = 0;
};

}  // namespace

std::unique_ptr<Operator> FramedWindowSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<FramedWindow>(*this);
}

}  // namespace headrace
