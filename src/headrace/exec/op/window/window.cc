// Per batch: number the partitions of the rows, bring the rows of each together, run every function
// over each range with that partition's state, and bring the values back into row order. Where the
// states are too many, rows go to buckets of partitions on disk, are run bucket by bucket, and come
// from there in row order.
#include "headrace/exec/op/window/window.h"

#include <algorithm>
#include <optional>

#include "arrow/array.h"
#include "arrow/array/builder_base.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/exec.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/base/limits.h"
#include "headrace/exec/op/window/bucketed_rows.h"
#include "headrace/exec/op/window/partitioned_rows.h"
#include "headrace/exec/op/window/window_call.h"
#include "headrace/exec/op/window/window_partitions.h"
#include "headrace/exec/spill/spill_file.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

Result<ArrayPtr> TakeCells(const ArrayPtr& array, const std::vector<uint32_t>& rows,
                           arrow::MemoryPool* pool) {
  const arrow::UInt32Array indices(static_cast<int64_t>(rows.size()),
                                   arrow::Buffer::Wrap(rows.data(), rows.size()));
  arrow::compute::ExecContext context(pool);
  context.set_use_threads(false);
  return arrow::compute::Take(*array, indices, arrow::compute::TakeOptions::NoBoundsCheck(),
                              &context);
}

class WindowOperator final : public Operator {
 public:
  explicit WindowOperator(const WindowOperatorSpec& spec) : spec_(spec) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    reservation_ = Reservation(context.budget, Backing::kOwn);
    for (const FunctionCall& call : spec_.calls) {
      if (call.function->lookahead != 0) {
        return Error(ErrorKind::kUnsupported,
                     "{} needs rows that come later; only functions that "
                     "look back can run over a stream",
                     TextOfCall(call));
      }
      ARROW_ASSIGN_OR_RAISE(calls_.emplace_back(),
                            WindowCall::Make(call, MakePartitionKernel(call), context.pool));
    }
    for (const RollingCall& rolling : spec_.rolling) {
      ARROW_ASSIGN_OR_RAISE(calls_.emplace_back(), WindowCall::Make(rolling, context.pool));
    }
    for (const WindowCall& call : calls_) {
      bytes_per_row_ += call.kernel->BytesPerRow();
      divides_rows_ = divides_rows_ || !call.kernel->runs_rows();
    }
    partitions_.emplace(spec_.schema, spec_.partition_by, calls_, spec_.Describe(), context.pool);
    return partitions_->Clear();
  }

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (diverted_ != nullptr) return Divert(batch);
    if (!pending_.has_value()) {
      ARROW_ASSIGN_OR_RAISE(pending_, batch.Compact(context().pool));
      next_row_ = 0;
      slice_rows_ = pending_->num_rows();
    }
    const int64_t rows = std::min(slice_rows_, pending_->num_rows() - next_row_);
    const Batch input = pending_->Slice(next_row_, rows);
    ARROW_ASSIGN_OR_RAISE(const Flow flow, FindPartitions(input));
    if (flow.kind == Flow::Kind::kNeedMemory) {
      if (rows <= kSliceRowsMin) return flow;
      slice_rows_ = std::max(kSliceRowsMin, rows / 2);
      return Flow::MoreOutput();
    }
    ARROW_RETURN_NOT_OK(RunOver(input, out));
    next_row_ += rows;
    if (next_row_ < pending_->num_rows()) return Flow::MoreOutput();
    pending_.reset();
    return Flow::NeedInput();
  }

  Result<Flow> Finish(int, Out& out) override {
    if (diverted_ == nullptr) return Flow::NeedInput();
    if (results_ == nullptr) {
      ARROW_RETURN_NOT_OK(diverted_->Seal());
      ARROW_ASSIGN_OR_RAISE(results_, BucketedRows::Make(context(), OutputSchema(), kBuckets));
      ARROW_RETURN_NOT_OK(StartBucket());
    }
    return bucket_ < kBuckets ? RunBucket() : GiveInOrder(out);
  }

  /// States of partitions that have passed; or all of them, where that is a good part of the memory
  /// and the input has an end.
  Result<int64_t> Reclaim(int64_t) override {
    if (!spec_.partitions_stand_together) return StartDiverting();
    if (partitions_->states().size() <= 1) return 0;
    const int64_t before = reservation_.bytes();
    ARROW_RETURN_NOT_OK(partitions_->ForgetAllBut(last_partition_));
    last_partition_ = 0;
    reservation_.TryResize(std::min(before, partitions_->bytes()));
    return before - reservation_.bytes();
  }

  Status Save(StateWriter& writer) override {
    if (diverted_ != nullptr) {
      return Error(ErrorKind::kUnsupported, "{} cannot be saved: its states are on disk",
                   spec_.Describe());
    }
    return partitions_->Save(writer);
  }

  Status Load(StateReader& reader) override {
    const auto [first, last] = KeyGroupsOfLane(context().lane, context().lanes);
    ARROW_ASSIGN_OR_RAISE(auto sections, reader.ReadGroups(first, last));
    for (const auto& section : sections) {
      ARROW_RETURN_NOT_OK(partitions_->Load(*section));
      ARROW_RETURN_NOT_OK(reservation_.Resize(partitions_->bytes()));
    }
    return Status::OK();
  }

 private:
  static constexpr int64_t kPartitionsToForget = 4096;
  static constexpr int64_t kSliceRowsMin = 256;
  static constexpr int kBuckets = 32;
  static constexpr int64_t kDivertedFraction = 8;  // of the memory, taken by states

  // -- Rows on disk --

  /// What states held is freed; rows wait from now on.
  Result<int64_t> StartDiverting() {
    const int64_t held = reservation_.bytes();
    const bool is_much = held >= context().budget->limit_bytes() / kDivertedFraction;
    if (!spec_.has_end || diverted_ != nullptr || !partitions_->keys().has_keys() || !is_much)
      return 0;
    ARROW_ASSIGN_OR_RAISE(KeyEncoder encoder,
                          KeyEncoder::Make(KeyColumnsOf(*spec_.schema, spec_.partition_by)));
    bucket_encoder_.emplace(std::move(encoder));
    ARROW_ASSIGN_OR_RAISE(diverted_, BucketedRows::Make(context(), spec_.schema, kBuckets));
    ARROW_ASSIGN_OR_RAISE(diverted_states_, SpillFile::Make(context(), "window_states"));
    ARROW_RETURN_NOT_OK(partitions_->Save(*diverted_states_));
    ARROW_RETURN_NOT_OK(diverted_states_->Seal());
    ARROW_RETURN_NOT_OK(partitions_->Clear());
    reservation_.TryResize(partitions_->bytes());
    return held - reservation_.bytes();
  }

  Result<Flow> Divert(Batch& batch) {
    Batch rows;
    if (pending_.has_value()) {
      rows = pending_->Slice(next_row_, pending_->num_rows() - next_row_);
      pending_.reset();
    } else {
      ARROW_ASSIGN_OR_RAISE(rows, batch.Compact(context().pool));
    }
    ARROW_ASSIGN_OR_RAISE(rows, DecodeBatch(rows, context().pool));
    ARROW_RETURN_NOT_OK(diverted_->AddByPartition(rows, *bucket_encoder_, context().pool));
    return Flow::NeedInput();
  }

  /// The states of its partitions.
  Status StartBucket() {
    Count(context().metrics, &OperatorMetrics::partitions);
    ARROW_RETURN_NOT_OK(partitions_->Clear());
    reservation_.TryResize(partitions_->bytes());
    for (const StateSection& section : diverted_states_->sections()) {
      if (diverted_->BucketOf(section.key_group) != bucket_) continue;
      ARROW_ASSIGN_OR_RAISE(const auto saved, diverted_states_->Read(section));
      ARROW_RETURN_NOT_OK(partitions_->Load(*saved));
      ARROW_RETURN_NOT_OK(reservation_.Resize(partitions_->bytes()));
    }
    return Status::OK();
  }

  /// Some rows of the bucket in work.
  Result<Flow> RunBucket() {
    if (!pending_.has_value()) {
      ARROW_ASSIGN_OR_RAISE(pending_, diverted_->Next(bucket_));
    }
    if (!pending_.has_value()) {
      if (++bucket_ < kBuckets) {
        ARROW_RETURN_NOT_OK(StartBucket());
      } else {
        ARROW_RETURN_NOT_OK(results_->Seal());
      }
      return Flow::MoreOutput();
    }
    std::vector<ArrayPtr> columns = pending_->columns();
    ArrayPtr numbers = std::move(columns.back());
    columns.pop_back();
    const Batch input(std::move(columns), pending_->num_rows());
    ARROW_ASSIGN_OR_RAISE(const Flow flow, FindPartitions(input));
    if (flow.kind == Flow::Kind::kNeedMemory) return flow;
    ARROW_ASSIGN_OR_RAISE(const Batch given, WithValues(input));
    columns = given.columns();
    columns.push_back(std::move(numbers));
    pending_.reset();
    ARROW_RETURN_NOT_OK(results_->Write(bucket_, Batch(std::move(columns), input.num_rows())));
    return Flow::MoreOutput();
  }

  Result<Flow> GiveInOrder(Out& out) {
    ARROW_ASSIGN_OR_RAISE(Batch rows, results_->NextInOrder(context().batch_rows, context().pool));
    if (rows.num_rows() == 0) return Flow::NeedInput();
    out.Emit(std::move(rows));
    return Flow::MoreOutput();
  }

  SchemaPtr OutputSchema() const {
    arrow::FieldVector fields = spec_.schema->fields();
    for (const WindowCall& call : calls_) {
      fields.push_back(arrow::field(call.call.name, call.call.type));
    }
    return arrow::schema(std::move(fields));
  }

  // -- Rows in memory --

  Status RunOver(const Batch& input, Out& out) {
    ARROW_ASSIGN_OR_RAISE(Batch given, WithValues(input));
    out.Emit(std::move(given));
    return Status::OK();
  }

  Result<Batch> WithValues(const Batch& input) {
    const int64_t owned_before = OwnedBytes();
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns, Run(input));
    partitions_->CountOwned(OwnedBytes() - owned_before);
    const bool is_held = reservation_.TryResize(partitions_->bytes());
    const bool is_much = partitions_->states().size() >= kPartitionsToForget || !is_held;
    if (spec_.partitions_stand_together && is_much) {
      ARROW_RETURN_NOT_OK(partitions_->ForgetAllBut(last_partition_));
    }
    reservation_.TryResize(partitions_->bytes());  // refused: the next rows ask again
    columns.insert(columns.begin(), input.columns().begin(), input.columns().end());
    return input.WithColumns(std::move(columns));
  }

  int64_t OwnedBytes() const {
    int64_t bytes = 0;
    for (uint32_t partition : rows_.partitions)
      bytes += partitions_->states().OwnedBytes(partition);
    return bytes;
  }

  int64_t ArgumentBytes(const Batch& input) const {
    std::vector<ArrayPtr> columns;
    for (const WindowCall& call : calls_) {
      for (int column : call.columns) {
        if (column >= 0) columns.push_back(input.column(column));
      }
    }
    return Batch(std::move(columns), input.num_rows()).num_bytes();
  }

  // Sets rows_, making states for new partitions once their memory is granted. States may keep as
  // much of the batch as its arguments are long.
  Result<Flow> FindPartitions(const Batch& input) {
    const int64_t owned =
        partitions_->owned_bytes() + ArgumentBytes(input) + bytes_per_row_ * input.num_rows();
    ARROW_ASSIGN_OR_RAISE(const int64_t missing,
                          partitions_->keys().Find(0, input, context().pool));
    const int64_t blocks = partitions_->states().BlockBytes(partitions_->states().size() + missing);
    const Flow flow = Grant(blocks + partitions_->keys().BytesToAssign() + owned);
    if (flow.kind == Flow::Kind::kNeedMemory) return flow;
    const std::vector<uint32_t>& partition_of_row = partitions_->keys().Assign();
    if (partitions_->keys().has_keys()) {
      partitions_->Extend();
      range_of_partition_.resize(static_cast<size_t>(partitions_->states().size()),
                                 PartitionedRows::kNoRange);
      last_partition_ = partition_of_row.back();
    }
    if (!divides_rows_) {
      rows_.partitions.clear();
    } else if (partitions_->keys().has_keys()) {
      rows_.Set(partition_of_row, &range_of_partition_);
    } else {
      rows_.SetWhole(input.num_rows());
    }
    return flow;
  }

  Flow Grant(int64_t bytes) {
    const int64_t more = bytes - reservation_.bytes();
    if (more <= 0 || reservation_.TryResize(bytes)) return Flow::NeedInput();
    return Flow::NeedMemory(more);
  }

  Result<std::vector<ArrayPtr>> Run(const Batch& input) {
    std::vector<ArrayPtr> by_place(input.columns().size());  // argument columns, made once
    std::vector<ArrayPtr> results;
    for (size_t i = 0; i < calls_.size(); ++i) {
      if (calls_[i].kernel->runs_rows()) {
        ARROW_ASSIGN_OR_RAISE(results.emplace_back(), RunRows(i, input));
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(std::vector<Argument> args, Arguments(calls_[i], input, &by_place));
      ARROW_ASSIGN_OR_RAISE(ArrayPtr values, RunCall(i, args, input.num_rows()));
      if (!rows_.in_place) {
        ARROW_ASSIGN_OR_RAISE(values, TakeCells(values, rows_.place_of, context().pool));
      }
      results.push_back(std::move(values));
    }
    return results;
  }

  // Of a kernel that takes rows as they come.
  Result<ArrayPtr> RunRows(size_t index, const Batch& input) {
    const WindowCall& call = calls_[index];
    std::vector<Argument> args;
    for (size_t i = 0; i < call.columns.size(); ++i) {
      const int column = call.columns[i];
      args.push_back({call.constants[i], true});
      if (column < 0) continue;
      ARROW_ASSIGN_OR_RAISE(ArrayPtr array, Decode(input.column(column), context().pool));
      args.back() = {std::move(array), false};
    }
    const std::vector<uint32_t>& partitions = partitions_->keys().found();
    state_of_row_.resize(partitions.size());
    for (size_t row = 0; row < partitions.size(); ++row) {
      state_of_row_[row] = partitions_->states().State(partitions[row], index);
    }
    KernelContext kernel_context{context().pool, call.call.type};
    return call.kernel->RunRows(kernel_context, state_of_row_, args);
  }

  Result<std::vector<Argument>> Arguments(const WindowCall& call, const Batch& input,
                                          std::vector<ArrayPtr>* by_place) const {
    std::vector<Argument> args;
    for (size_t i = 0; i < call.columns.size(); ++i) {
      if (call.columns[i] < 0) {
        args.push_back({call.constants[i], true});
        continue;
      }
      ArrayPtr& array = (*by_place)[static_cast<size_t>(call.columns[i])];
      if (array == nullptr) {
        ARROW_ASSIGN_OR_RAISE(array, Decode(input.column(call.columns[i]), context().pool));
        if (!rows_.in_place) {
          ARROW_ASSIGN_OR_RAISE(array, TakeCells(array, rows_.row_at, context().pool));
        }
      }
      args.push_back({array, false});
    }
    return args;
  }

  Result<ArrayPtr> RunCall(size_t index, const std::vector<Argument>& args, int64_t num_rows) {
    const FunctionCall& call = calls_[index].call;
    KernelContext kernel_context{context().pool, call.type};
    std::unique_ptr<arrow::ArrayBuilder> builder;
    ARROW_RETURN_NOT_OK(arrow::MakeBuilder(context().pool, call.type, &builder));
    ARROW_RETURN_NOT_OK(builder->Reserve(num_rows));
    PartitionKernel& kernel = *calls_[index].kernel;
    ARROW_RETURN_NOT_OK(kernel.StartBatch(kernel_context, args, num_rows,
                                          rows_.in_place ? nullptr : rows_.row_at.data()));
    int64_t begin = 0;
    for (size_t i = 0; i < rows_.partitions.size(); ++i) {
      ARROW_RETURN_NOT_OK(kernel.Run(kernel_context,
                                     partitions_->states().State(rows_.partitions[i], index), args,
                                     begin, rows_.ends[i], builder.get()));
      begin = rows_.ends[i];
    }
    HEADRACE_CHECK(builder->length() == num_rows, "an ordered function gave too few values");
    ARROW_ASSIGN_OR_RAISE(ArrayPtr values, builder->Finish());
    if (call.function->nulls != NullRule::kPropagate) return values;
    for (const Argument& arg : args) {
      ARROW_ASSIGN_OR_RAISE(values, WithNullsOf(values, arg, context().pool));
    }
    return values;
  }

  const WindowOperatorSpec spec_;
  std::vector<WindowCall> calls_;
  std::optional<WindowPartitions> partitions_;
  int64_t bytes_per_row_ = 0;  // that states may come to own
  bool divides_rows_ = false;  // by partition: not all kernels take them as they come
  Reservation reservation_;

  // Once states were too many.
  std::unique_ptr<BucketedRows> diverted_;      // rows that wait; null: none do
  std::unique_ptr<SpillFile> diverted_states_;  // as they were then
  std::unique_ptr<BucketedRows> results_;       // null until the input has ended
  std::optional<KeyEncoder> bucket_encoder_;
  int bucket_ = 0;  // in work

  // Of one call.
  uint32_t last_partition_ = 0;  // that of the last row
  std::optional<Batch> pending_;
  int64_t next_row_ = 0;    // of the pending ones
  int64_t slice_rows_ = 0;  // at a time: fewer where memory is short
  std::vector<uint32_t> range_of_partition_;
  PartitionedRows rows_;                  // where rows are divided
  std::vector<std::byte*> state_of_row_;  // of one call
};

}  // namespace

std::string WindowOperatorSpec::Describe() const {
  std::string text;
  for (const FunctionCall& call : calls) text += (text.empty() ? "" : ", ") + TextOfCall(call);
  for (const RollingCall& call : rolling) text += (text.empty() ? "" : ", ") + call.call.name;
  for (size_t i = 0; i < partition_by.size(); ++i) {
    text += (i == 0 ? " partition by " : ", ") + schema->field(partition_by[i])->name();
  }
  return text;
}

std::unique_ptr<Operator> WindowOperatorSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<WindowOperator>(*this);
}

}  // namespace headrace
