// One pass over the rows of a partition adds them to the aggregates and puts them in a spool; when
// the partition has ended they are given out from there with its values.
#include "headrace/exec/op/window/partition_totals.h"

#include <algorithm>
#include <deque>
#include <optional>

#include "arrow/array.h"
#include "arrow/array/concatenate.h"
#include "arrow/array/util.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/exec.h"
#include "arrow/scalar.h"
#include "headrace/exec/op/aggregate/run_aggregate.h"
#include "headrace/exec/op/row_spool.h"
#include "headrace/exec/op/run_finder.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

/// The values of partitions that have ended, by their numbers.
class PartitionValues {
 public:
  void Append(std::vector<ArrayPtr> columns) {
    const int64_t count = columns.front()->length();
    if (count == 0) return;
    pieces_.push_back({end_, end_ + count, std::move(columns)});
    end_ += count;
  }
  void DropBefore(int64_t partition) {
    while (!pieces_.empty() && pieces_.front().end <= partition) pieces_.pop_front();
  }
  /// The number of the partition appended next.
  int64_t end() const { return end_; }

  /// Of one call for the partitions [begin, end). REQUIRES: those are there.
  Result<ArrayPtr> Of(size_t call, int64_t begin, int64_t end, arrow::MemoryPool* pool) const {
    arrow::ArrayVector slices;
    for (const Piece& piece : pieces_) {
      const int64_t from = std::max(begin, piece.begin);
      const int64_t to = std::min(end, piece.end);
      if (from < to) slices.push_back(piece.columns[call]->Slice(from - piece.begin, to - from));
    }
    return slices.size() == 1 ? slices.front() : arrow::Concatenate(slices, pool);
  }

 private:
  struct Piece {
    int64_t begin;
    int64_t end;
    std::vector<ArrayPtr> columns;
  };
  std::deque<Piece> pieces_;
  int64_t end_ = 0;
};

class PartitionTotals final : public Operator {
 public:
  explicit PartitionTotals(const PartitionTotalsSpec& spec) : spec_(spec) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    ARROW_ASSIGN_OR_RAISE(finder_, RunFinder::Make(*spec_.schema, spec_.partition_by));
    ARROW_ASSIGN_OR_RAISE(AggregateTermsPtr terms,
                          AggregateTerms::Make(spec_.schema, {}, spec_.calls, {},
                                               /*removes=*/false));
    totals_.emplace(std::move(terms), context.budget, context.pool);
    spool_.emplace(this->context(), spec_.schema, "partition_totals");
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (gives_) return GiveSome(out);
    if (!pending_.has_value()) ARROW_RETURN_NOT_OK(Prepare(batch));
    const auto runs = static_cast<int64_t>(begins_.size()) - 1;
    if (const int64_t refused = totals_->TryReserve(*pending_, runs)) {
      return Flow::NeedMemory(refused);
    }
    if (const int64_t refused = spool_->TryPush(*pending_)) return Flow::NeedMemory(refused);
    ARROW_RETURN_NOT_OK(AddPending());
    return GiveSome(out);
  }

  Result<Flow> Finish(int, Out& out) override {
    if (totals_->has_open()) {
      ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> last, totals_->End());
      if (spec_.waits) values_.Append(std::move(last));
    }
    return GiveSome(out);
  }

  Result<int64_t> Reclaim(int64_t) override { return spool_->Spill(); }

 private:
  /// Which runs the rows of a batch of the spool are of.
  struct SpooledRuns {
    int64_t first_partition = 0;
    RunBegins begins;
  };

  Status Prepare(Batch& batch) {
    ARROW_ASSIGN_OR_RAISE(Batch rows, batch.Compact(context().pool));
    ARROW_ASSIGN_OR_RAISE(rows, DecodeBatch(rows, context().pool));
    ARROW_ASSIGN_OR_RAISE(begins_, finder_.NextRuns(rows, context().pool, &goes_on_));
    pending_ = std::move(rows);
    return Status::OK();
  }

  Status AddPending() {
    const int64_t first = totals_->ended() + (totals_->has_open() && !goes_on_ ? 1 : 0);
    const int64_t known = values_.end() - totals_->ended();
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> ended, totals_->Add(*pending_, begins_, goes_on_));
    if (!spec_.waits) {
      ARROW_RETURN_NOT_OK(AddKnown(std::move(ended), known));
    } else {
      values_.Append(std::move(ended));
    }
    runs_.push_back({first, std::move(begins_)});
    pending_.reset();
    return Status::OK();
  }

  // Of the partitions that have ended, the first `known` have given their values; the open one
  // gives them now.
  Status AddKnown(std::vector<ArrayPtr> ended, int64_t known) {
    for (ArrayPtr& column : ended) column = column->Slice(std::min(known, column->length()));
    values_.Append(std::move(ended));
    if (values_.end() > totals_->ended()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> open, totals_->Open());
    values_.Append(std::move(open));
    return Status::OK();
  }

  Result<Flow> GiveSome(Out& out) {
    gives_ = IsReady();
    if (!gives_) return Flow::NeedInput();
    Batch rows;
    ARROW_ASSIGN_OR_RAISE(const int64_t refused, spool_->TryPop(&rows));
    if (refused > 0) return Flow::NeedMemory(refused);
    const SpooledRuns runs = std::move(runs_.front());
    runs_.pop_front();
    ARROW_RETURN_NOT_OK(Give(rows, runs, out));
    values_.DropBefore(runs_.empty() ? runs.first_partition : runs_.front().first_partition);
    gives_ = IsReady();
    return gives_ ? Flow::MoreOutput() : Flow::NeedInput();
  }

  bool IsReady() const {
    if (runs_.empty()) return false;
    const SpooledRuns& runs = runs_.front();
    const auto count = static_cast<int64_t>(runs.begins.size()) - 1;
    return runs.first_partition + count <= values_.end();
  }

  Status Give(const Batch& rows, const SpooledRuns& runs, Out& out) {
    const auto count = static_cast<int64_t>(runs.begins.size()) - 1;
    std::vector<int64_t> run_of_row;
    for (int64_t run = 0; count > 1 && run < count; ++run) {
      const auto at = static_cast<size_t>(run);
      run_of_row.insert(run_of_row.end(),
                        static_cast<size_t>(runs.begins[at + 1] - runs.begins[at]), run);
    }
    std::vector<ArrayPtr> columns = rows.columns();
    for (size_t call = 0; call < spec_.calls.size(); ++call) {
      ARROW_ASSIGN_OR_RAISE(
          const ArrayPtr values,
          values_.Of(call, runs.first_partition, runs.first_partition + count, context().pool));
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), Spread(values, run_of_row, rows.num_rows()));
    }
    out.Emit(Batch(std::move(columns), rows.num_rows()));
    return Status::OK();
  }

  // A value per row.
  Result<ArrayPtr> Spread(const ArrayPtr& values, const std::vector<int64_t>& run_of_row,
                          int64_t num_rows) const {
    if (values->length() == 1) {
      ARROW_ASSIGN_OR_RAISE(const ScalarPtr value, values->GetScalar(0));
      return arrow::MakeArrayFromScalar(*value, num_rows, context().pool);
    }
    const arrow::Int64Array indices(num_rows, arrow::Buffer::Wrap(run_of_row));
    arrow::compute::ExecContext compute(context().pool);
    compute.set_use_threads(false);
    return arrow::compute::Take(*values, indices, arrow::compute::TakeOptions::NoBoundsCheck(),
                                &compute);
  }

  const PartitionTotalsSpec spec_;
  RunFinder finder_;
  std::optional<RunAggregate> totals_;
  std::optional<RowSpool> spool_;
  std::deque<SpooledRuns> runs_;  // of the batches of the spool
  PartitionValues values_;
  // The batch that goes in next.
  std::optional<Batch> pending_;
  RunBegins begins_;
  bool goes_on_ = false;
  bool gives_ = false;  // the last call gave rows, and more are ready
};

}  // namespace

std::string PartitionTotalsSpec::Describe() const {
  return DescribeAggregate(*schema, partition_by, calls);
}

std::unique_ptr<Operator> PartitionTotalsSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<PartitionTotals>(*this);
}

}  // namespace headrace
