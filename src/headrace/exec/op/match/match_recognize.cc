// Per batch: rows go to their partitions, predicates over rows are computed for all of them, then
// every partition goes on with its search as far as its rows come, run of rows by run of rows: so
// matches come in the order in which they are decided, however rows are divided into batches.
#include "headrace/exec/op/match/match_recognize.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <optional>

#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/base/limits.h"
#include "headrace/exec/op/counted_rows.h"
#include "headrace/exec/op/key_numbering.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/op/match/match_output.h"
#include "headrace/exec/op/match/match_predicates.h"
#include "headrace/exec/physical.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

constexpr int64_t kMatchStepsPerCall = int64_t{1} << 19;
constexpr size_t kPartitionsToForgetMin = 4096;
constexpr size_t kSpareAttemptsMax = 64;
constexpr int64_t kBytesPerMatchRow = 2 * sizeof(MatchPartition::Row) + sizeof(RowRef);

class MatchRecognize final : public Operator {
 public:
  explicit MatchRecognize(const MatchRecognizeSpec& spec)
      : spec_(spec), program_(spec.terms), rows_(*spec.schema) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    reservation_ = Reservation(context.budget);
    ARROW_ASSIGN_OR_RAISE(over_row_, RowPredicates::Make(spec_.terms));
    ARROW_ASSIGN_OR_RAISE(over_path_, PathPredicates::Make(spec_.terms, context.pool));
    ARROW_ASSIGN_OR_RAISE(output_, MatchOutput::Make(spec_.terms, context.pool));
    rows_before_ = std::max(over_row_->rows_before(), over_path_->rows_before());
    rows_ahead_ = std::max(over_row_->rows_behind(), over_path_->rows_behind());
    for (const MatchTerm& term : spec_.terms.terms) {
      rows_before_ = std::max(rows_before_, -term.shift);
      rows_behind_ = std::max(rows_behind_, term.shift);
    }
    return ForgetKeys();
  }

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (!ready_.empty()) return GiveReady(out, !IsIdle());
    if (!in_work_) {
      ARROW_ASSIGN_OR_RAISE(const Flow flow, AddRows(batch));
      if (flow.kind == Flow::Kind::kNeedMemory) return flow;
      in_work_ = true;
    }
    ARROW_RETURN_NOT_OK(Work());
    const bool is_done = IsIdle();
    if (is_done) {
      in_work_ = false;
      ARROW_RETURN_NOT_OK(Settle());
    }
    return GiveReady(out, !is_done);
  }

  Result<Flow> Finish(int, Out& out) override {
    if (!ready_.empty()) return GiveReady(out, true);
    if (IsIdle()) {
      if (finished_ == partitions_.size()) return Flow::NeedInput();
      ARROW_RETURN_NOT_OK(EndNextPartitions());
    }
    ARROW_RETURN_NOT_OK(Work());
    return GiveReady(out, true);
  }

 private:
  /// Rows that a partition sees next, or its end.
  struct Task {
    uint32_t partition = 0;
    int64_t rows = 0;
    bool ends = false;
    bool is_begun = false;
  };

  /// A partition to its attempt.
  struct View final : MatchRowsView {
    View(MatchRecognize& self, MatchPartition& partition) : self(self), partition(partition) {}

    bool HasCome(int64_t row, int64_t behind) const override {
      if (row + std::max(behind, self.rows_ahead_) < partition.seen) return true;
      return partition.is_over && row < partition.seen;
    }
    bool IsBehindLast(int64_t row) const override {
      return partition.is_over && row >= partition.seen;
    }
    uint64_t VariablesOf(int64_t row) const override { return partition.At(row).variables; }
    int64_t SpanValueOf(int64_t row) const override { return partition.At(row).span_value; }
    Result<bool> IsTaken(int variable) override {
      if (self.last_searched_ != &partition) self.over_path_->Forget();
      self.last_searched_ = &partition;
      return self.over_path_->IsTaken(partition, variable, self.rows_.store(), self.context().pool);
    }

    MatchRecognize& self;
    MatchPartition& partition;
  };

  bool IsIdle() const { return next_task_ == tasks_.size(); }

  Flow GiveReady(Out& out, bool more) {
    if (!ready_.empty()) {
      out.Emit(std::move(ready_.front()));
      ready_.pop_front();
    }
    return more || !ready_.empty() ? Flow::MoreOutput() : Flow::NeedInput();
  }

  // -- rows come

  Status ForgetKeys() {
    ARROW_ASSIGN_OR_RAISE(
        KeyNumbering keys,
        KeyNumbering::Make({KeyColumnsOf(*spec_.schema, spec_.terms.partition_by)}));
    keys_.emplace(std::move(keys));
    return Status::OK();
  }

  /// Where partitions stand together, the last one alone is not over.
  Status ForgetPassed() {
    if (!spec_.partitions_stand_together || partitions_.size() < kPartitionsToForgetMin) {
      return Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> key,
                          keys_->KeysOf({*last_partition_}, context().pool));
    ARROW_RETURN_NOT_OK(ForgetKeys());
    ARROW_RETURN_NOT_OK(keys_->FindColumns(std::move(key), 1, context().pool).status());
    (void)keys_->Assign();
    partition_bytes_ = partitions_[*last_partition_].counted_bytes;
    std::vector<MatchPartition> kept;
    kept.push_back(std::move(partitions_[*last_partition_]));
    partitions_ = std::move(kept);
    last_partition_ = 0;
    finished_ = 0;
    return Status::OK();
  }

  Result<Flow> AddRows(Batch& batch) {
    ARROW_RETURN_NOT_OK(ForgetPassed());
    if (!taken_.has_value()) {
      ARROW_ASSIGN_OR_RAISE(batch, batch.Compact(context().pool));
      ARROW_ASSIGN_OR_RAISE(taken_, DecodeBatch(batch, context().pool));
    }
    const Batch rows = *taken_;
    ARROW_ASSIGN_OR_RAISE(const int64_t missing, keys_->Find(0, rows, context().pool));
    const int64_t more = rows.num_bytes() + rows.num_rows() * kBytesPerMatchRow +
                         missing * static_cast<int64_t>(sizeof(MatchPartition)) +
                         keys_->BytesToAssign() - keys_->bytes();
    if (!reservation_.TryResize(HeldBytes() + more)) return Flow::NeedMemory(more);
    const std::vector<uint32_t> partition_of_row = keys_->Assign();
    last_searched_ = nullptr;
    partitions_.resize(static_cast<size_t>(std::max<int64_t>(keys_->size(), 1)));
    ordinal_ = rows.ordinal();
    const int32_t chunk = rows_.Add(rows);
    std::vector<RowPredicates::Target> targets;
    ARROW_ASSIGN_OR_RAISE(const int64_t* const span_values, SpanValuesOf(rows));
    for (size_t i = 0; i < partition_of_row.size(); ++i) {
      AddRow(partition_of_row[i],
             {{chunk, static_cast<int32_t>(i)}, 0, span_values == nullptr ? 0 : span_values[i]},
             &targets);
    }
    taken_.reset();
    const bool is_in_place = over_row_->rows_behind() == 0;
    ARROW_RETURN_NOT_OK(over_row_->Evaluate(targets, partitions_, is_in_place ? &rows : nullptr,
                                            rows_.store(), context().pool));
    return Flow::NeedInput();
  }

  /// Null where there is no span.
  Result<const int64_t*> SpanValuesOf(const Batch& rows) const {
    const int column = spec_.terms.span.column;
    if (column < 0) return nullptr;
    const arrow::Array& values = *rows.column(column);
    if (values.null_count() == 0) return values.data()->GetValues<int64_t>(1);
    return Error(ErrorKind::kBadData, "a span of time goes by column {}, and it has nulls",
                 spec_.schema->field(column)->name());
  }

  void AddRow(uint32_t number, MatchPartition::Row added,
              std::vector<RowPredicates::Target>* targets) {
    if (spec_.partitions_stand_together && last_partition_.has_value() &&
        *last_partition_ != number) {
      EndPartition(*last_partition_, targets);
    }
    if (tasks_.empty() || tasks_.back().ends || tasks_.back().partition != number) {
      tasks_.push_back({number, 0});
    }
    ++tasks_.back().rows;
    last_partition_ = number;
    MatchPartition& partition = partitions_[number];
    partition.rows.push_back(added);
    const int64_t row = partition.end() - 1 - over_row_->rows_behind();
    if (row >= 0) targets->push_back({number, row});
  }

  void EndPartition(uint32_t number, std::vector<RowPredicates::Target>* targets) {
    tasks_.push_back({number, 0, true});
    const int64_t end = partitions_[number].end();
    for (int64_t row = std::max<int64_t>(0, end - over_row_->rows_behind()); row < end; ++row) {
      targets->push_back({number, row});
    }
  }

  /// At the end of the input.
  Status EndNextPartitions() {
    constexpr size_t kPartitionsAtOnce = 4096;
    std::vector<RowPredicates::Target> targets;
    for (size_t i = 0; i < kPartitionsAtOnce && finished_ < partitions_.size(); ++i, ++finished_) {
      if (!partitions_[finished_].is_over) {
        EndPartition(static_cast<uint32_t>(finished_), &targets);
      }
    }
    return over_row_->Evaluate(targets, partitions_, nullptr, rows_.store(), context().pool);
  }

  // -- matches are searched

  /// Goes on until all is done, or a batch is full.
  Status Work() {
    int64_t budget = kMatchStepsPerCall;
    while (!IsIdle() && budget > 0 && output_->num_rows() < context().batch_rows) {
      Task& task = tasks_[next_task_];
      MatchPartition& partition = partitions_[task.partition];
      if (!task.is_begun) {
        partition.seen += task.rows;
        partition.is_over = task.ends;
        task.is_begun = true;
      }
      ARROW_ASSIGN_OR_RAISE(const bool is_done, Search(partition, &budget));
      if (!is_done) continue;
      Trim(partition);
      ++next_task_;
    }
    if (IsIdle()) {
      tasks_.clear();
      next_task_ = 0;
    }
    return TakeOutput();
  }

  Status TakeOutput() {
    const bool is_full = output_->num_rows() >= context().batch_rows;
    if (output_->num_rows() > 0 && (is_full || IsIdle())) {
      ARROW_RETURN_NOT_OK(reservation_.Resize(HeldBytes() + output_->bytes()));
      ARROW_ASSIGN_OR_RAISE(const Batch made, output_->Take(rows_.store(), context().pool));
      const int64_t batch_rows = std::min(context().batch_rows, kBatchRowsMax);
      for (int64_t begin = 0; begin < made.num_rows(); begin += batch_rows) {
        ready_.push_back(made.Slice(begin, std::min(batch_rows, made.num_rows() - begin)));
        ready_.back().set_ordinal(ordinal_);
      }
    }
    if (output_->num_rows() > 0) return Status::OK();
    for (const RowRef row : dropped_) rows_.Drop(row);
    dropped_.clear();
    return Status::OK();
  }

  /// False: not as far as the rows seen allow.
  Result<bool> Search(MatchPartition& partition, int64_t* budget) {
    View view(*this, partition);
    while (*budget > 0 && output_->num_rows() < context().batch_rows) {
      if (partition.attempt == nullptr || !partition.attempt->is_running()) {
        if (!FindStart(partition, view, budget)) return true;
        if (!view.HasCome(partition.start, 0)) return true;
        Start(partition);
      }
      ARROW_ASSIGN_OR_RAISE(const MatchAttempt::State state,
                            partition.attempt->Run(view, rows_behind_, budget));
      if (state == MatchAttempt::State::kNeedsRow) return true;
      if (state == MatchAttempt::State::kPaused) return false;
      if (state == MatchAttempt::State::kFailed) {
        PassRow(partition);
      } else {
        ARROW_RETURN_NOT_OK(TakeMatch(partition));
      }
    }
    return false;
  }

  /// Passes the rows that no match begins at, by their predicates alone; false: no row is left, or
  /// the output is full.
  bool FindStart(MatchPartition& partition, const View& view, int64_t* budget) {
    while (view.HasCome(partition.start, 0)) {
      if ((partition.At(partition.start).variables & program_.first_variables) != 0) return true;
      PassRow(partition);
      if (output_->num_rows() >= context().batch_rows || --*budget <= 0) return true;
    }
    return false;
  }

  void PassRow(MatchPartition& partition) {
    const bool gives = spec_.terms.rows == MatchRows::kAllWithUnmatched;
    if (gives && partition.start >= partition.matched_to) {
      output_->AddUnmatched(partition, partition.start);
    }
    ++partition.start;
  }

  void Start(MatchPartition& partition) {
    if (partition.attempt == nullptr) {
      if (spare_.empty()) spare_.push_back(std::make_unique<MatchAttempt>(program_));
      partition.attempt = std::move(spare_.back());
      spare_.pop_back();
      partition.attempt->Forget();
    }
    if (program_.over_path != 0) over_path_->Forget();
    partition.attempt->Start(partition.start);
  }

  Status TakeMatch(MatchPartition& partition) {
    const MatchPath& path = partition.attempt->path();
    const int64_t start = partition.start;
    output_->AddMatch(partition, start, path, ++partition.matches);
    partition.matched_to =
        std::max(partition.matched_to, start + std::max<int64_t>(path.size(), 1));
    if (path.size() == 0) {
      ++partition.start;
      return Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const int64_t next, NextStart(path));
    partition.start += next;
    return Status::OK();
  }

  /// Where the next match is looked for, from the first row of this one.
  Result<int64_t> NextStart(const MatchPath& path) const {
    const MatchSkip& skip = spec_.terms.skip;
    if (skip.kind == MatchSkip::Kind::kPastLastRow) return path.size();
    if (skip.kind == MatchSkip::Kind::kToNextRow) return 1;
    const bool is_first = skip.kind == MatchSkip::Kind::kToFirst;
    const int64_t row = is_first ? path.First(skip.variables, 0) : path.Last(skip.variables, 0);
    if (row > 0) return row;
    return Error(ErrorKind::kBadData, "AFTER MATCH SKIP TO {} {}: {}", is_first ? "FIRST" : "LAST",
                 skip.name,
                 row < 0 ? "a match has no row of it"
                         : "this is the first row of a match, so the next one would be the same");
  }

  void Trim(MatchPartition& partition) {
    const bool is_over = partition.is_over;
    const int64_t needed = is_over ? std::numeric_limits<int64_t>::max()
                                   : std::min(partition.start, partition.seen) - rows_before_;
    partition.DropBefore(needed, &dropped_);
    const bool keeps = partition.attempt != nullptr && partition.attempt->is_running();
    if (!keeps && partition.attempt != nullptr && partition.start >= partition.seen) {
      if (spare_.size() < kSpareAttemptsMax) spare_.push_back(std::move(partition.attempt));
      partition.attempt.reset();
    }
    if (is_over) std::vector<MatchPartition::Row>().swap(partition.rows);
    partition_bytes_ += partition.bytes() - partition.counted_bytes;
    partition.counted_bytes = partition.bytes();
  }

  // -- memory

  int64_t HeldBytes() const {
    return rows_.bytes() + keys_->bytes() + partition_bytes_ +
           static_cast<int64_t>(partitions_.capacity() * sizeof(MatchPartition));
  }

  /// After the rows of a batch: rows that are wanted move together where they are few.
  Status Settle() {
    if (rows_.is_sparse()) {
      ARROW_RETURN_NOT_OK(reservation_.Resize(HeldBytes() + rows_.BytesToRewrite()));
      std::vector<RowRef*> wanted;
      for (MatchPartition& partition : partitions_) {
        for (size_t i = partition.head; i < partition.rows.size(); ++i) {
          wanted.push_back(&partition.rows[i].ref);
        }
      }
      ARROW_RETURN_NOT_OK(rows_.Rewrite(wanted, context().pool));
    }
    return reservation_.Resize(HeldBytes());
  }

  const MatchRecognizeSpec& spec_;
  const MatchProgram program_;
  std::optional<RowPredicates> over_row_;
  std::optional<PathPredicates> over_path_;
  std::optional<MatchOutput> output_;
  int64_t rows_before_ = 0;  // in front of the row where a search stands, that may be looked at
  int64_t rows_ahead_ = 0;   // behind a row, that its predicates look at
  int64_t rows_behind_ = 0;  // behind a match, that its measures look at

  CountedRows rows_;
  std::optional<KeyNumbering> keys_;  // number = partition
  std::vector<MatchPartition> partitions_;
  std::optional<uint32_t> last_partition_;  // of the row that came last
  const MatchPartition* last_searched_ = nullptr;
  std::vector<std::unique_ptr<MatchAttempt>> spare_;
  size_t finished_ = 0;  // partitions whose end was seen at the end of the input
  int64_t partition_bytes_ = 0;
  Reservation reservation_;

  // Of one call.
  std::optional<Batch> taken_;
  Ordinal ordinal_;
  bool in_work_ = false;
  std::vector<Task> tasks_;
  size_t next_task_ = 0;
  std::vector<RowRef> dropped_;  // rows that matches not yet given may be over
  std::deque<Batch> ready_;
};

}  // namespace

std::string MatchRecognizeSpec::Describe() const {
  return fmt::format("pattern ({})", terms.pattern);
}

std::unique_ptr<Operator> MatchRecognizeSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<MatchRecognize>(*this);
}

Status LowerMatchRecognize(const PlanNode& node, Lowering& lowering) {
  const auto& match = static_cast<const MatchRecognizeNode&>(node);
  const std::vector<int>& partition_by = match.terms.partition_by;
  ARROW_RETURN_NOT_OK(lowering.LowerWhole(*node.input(), partition_by));
  lowering.AppendByPartition(
      partition_by, std::make_shared<MatchRecognizeSpec>(node.input()->schema(), match.terms,
                                                         match.partitions_stand_together()));
  lowering.SetWhole({});
  return Status::OK();
}

}  // namespace headrace
