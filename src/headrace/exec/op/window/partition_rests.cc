// Rows go to a spool; of each batch the state of the rows that go on with the partition of the
// batch before is kept. When the partition has ended these are merged from the last to the first.
#include "headrace/exec/op/window/partition_rests.h"

#include <deque>
#include <optional>

#include "arrow/array/builder_binary.h"
#include "headrace/exec/op/aggregate/aggregate_terms.h"
#include "headrace/exec/op/row_spool.h"
#include "headrace/exec/op/run_finder.h"
#include "headrace/exec/op/window/aggregate_states.h"
#include "headrace/exec/op/window/window_call.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

// Beside a saved state: its string, and its place.
constexpr int64_t kBytesPerRest = 64;

class PartitionRests final : public Operator {
 public:
  explicit PartitionRests(const PartitionRestsSpec& spec) : spec_(spec) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    reservation_ = Reservation(context.budget, Backing::kOwn);
    ARROW_ASSIGN_OR_RAISE(finder_, RunFinder::Make(*spec_.schema, spec_.partition_by));
    for (const FunctionCall& call : spec_.calls) {
      ARROW_ASSIGN_OR_RAISE(calls_.emplace_back(), WindowCall::Make(call, nullptr, context.pool));
      AggregateStates states(KernelOf(calls_.back()));
      states.Reset(1);
      ARROW_RETURN_NOT_OK(KernelOf(calls_.back()).save(states[0], &none_.emplace_back()));
    }
    spool_.emplace(this->context(), spec_.schema, "partition_rests");
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (gives_) return GiveSome(out);
    if (!pending_.has_value()) ARROW_RETURN_NOT_OK(Prepare(batch));
    const int64_t bytes = BytesOfStates();
    if (!reservation_.TryGrow(bytes)) return Flow::NeedMemory(bytes);
    if (const int64_t refused = spool_->TryPush(*pending_)) {
      reservation_.TryResize(reservation_.bytes() - bytes);
      return Flow::NeedMemory(refused);
    }
    ARROW_RETURN_NOT_OK(AddPending());
    return GiveSome(out);
  }

  Result<Flow> Finish(int, Out& out) override {
    ARROW_RETURN_NOT_OK(EndPartition(none_));
    return GiveSome(out);
  }

  Result<int64_t> Reclaim(int64_t) override { return spool_->Spill(); }

 private:
  /// What is known of a batch of the spool.
  struct Piece {
    RunBegins begins;
    std::vector<std::string> heads;  // per call: of its first run, where it goes on
    std::vector<std::string> rests;  // per call: of the rows behind its last run
    int64_t bytes = 0;               // reserved
  };

  int64_t BytesOfStates() const {
    int64_t bytes = 0;
    for (const WindowCall& call : calls_) {
      bytes += 2 * (static_cast<int64_t>(KernelOf(call).size) + kBytesPerRest);
    }
    return bytes;
  }
  static const AggregateKernel& KernelOf(const WindowCall& call) {
    return *call.call.overload->aggregate;
  }

  Status Prepare(Batch& batch) {
    ARROW_ASSIGN_OR_RAISE(Batch rows, batch.Compact(context().pool));
    ARROW_ASSIGN_OR_RAISE(rows, DecodeBatch(rows, context().pool));
    ARROW_ASSIGN_OR_RAISE(begins_, finder_.NextRuns(rows, context().pool, &goes_on_));
    pending_ = std::move(rows);
    return Status::OK();
  }

  Status AddPending() {
    Piece piece;
    piece.bytes = BytesOfStates();
    for (const WindowCall& call : calls_) {
      if (!goes_on_) break;
      ARROW_ASSIGN_OR_RAISE(piece.heads.emplace_back(), StateOfFirstRun(call));
    }
    if (!goes_on_) {
      ARROW_RETURN_NOT_OK(EndPartition(none_));
    } else if (begins_.size() > 2) {
      ARROW_RETURN_NOT_OK(EndPartition(piece.heads));
    }
    piece.begins = std::move(begins_);
    pieces_.push_back(std::move(piece));
    rows_before_ += pending_->num_rows();
    pending_.reset();
    return Status::OK();
  }

  Result<std::string> StateOfFirstRun(const WindowCall& call) const {
    const int64_t rows = begins_[1];
    std::vector<Argument> args;
    for (size_t i = 0; i < call.columns.size(); ++i) {
      const int column = call.columns[i];
      args.push_back(
          {column < 0 ? call.constants[i] : pending_->column(column)->Slice(0, rows), column < 0});
    }
    AggregateStates states(KernelOf(call));
    states.Reset(1);
    KernelContext kernel_context{context().pool, call.call.type};
    ARROW_RETURN_NOT_OK(
        KernelOf(call).add_all(kernel_context, states[0], {args, rows, {0, rows_before_}}));
    std::string saved;
    ARROW_RETURN_NOT_OK(KernelOf(call).save(states[0], &saved));
    return saved;
  }

  /// The open partition ends; `behind` are the states of its rows behind all pieces.
  Status EndPartition(std::vector<std::string> behind) {
    for (size_t i = pieces_.size(); i-- > ready_;) {
      for (size_t call = 0; i > ready_ && call < calls_.size(); ++call) {
        pieces_[i].rests.push_back(behind[call]);
        ARROW_ASSIGN_OR_RAISE(behind[call],
                              Merged(calls_[call], pieces_[i].heads[call], behind[call]));
      }
      if (i == ready_) pieces_[i].rests = behind;
    }
    ready_ = pieces_.size();
    return Status::OK();
  }

  Result<std::string> Merged(const WindowCall& call, const std::string& first,
                             const std::string& rest) const {
    const AggregateKernel& kernel = KernelOf(call);
    KernelContext kernel_context{context().pool, call.call.type};
    AggregateStates states(kernel);
    states.Reset(2);
    ARROW_RETURN_NOT_OK(kernel.load(states[0], first));
    ARROW_RETURN_NOT_OK(kernel.load(states[1], rest));
    ARROW_RETURN_NOT_OK(kernel.merge(kernel_context, states[0], states[1]));
    std::string saved;
    ARROW_RETURN_NOT_OK(kernel.save(states[0], &saved));
    return saved;
  }

  Result<Flow> GiveSome(Out& out) {
    gives_ = ready_ > 0;
    if (!gives_) return Flow::NeedInput();
    Batch rows;
    ARROW_ASSIGN_OR_RAISE(const int64_t refused, spool_->TryPop(&rows));
    if (refused > 0) return Flow::NeedMemory(refused);
    const Piece piece = std::move(pieces_.front());
    pieces_.pop_front();
    --ready_;
    std::vector<ArrayPtr> columns = rows.columns();
    for (size_t call = 0; call < calls_.size(); ++call) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), RestsOf(piece, call));
    }
    out.Emit(Batch(std::move(columns), rows.num_rows()));
    reservation_.TryResize(reservation_.bytes() - piece.bytes);
    gives_ = ready_ > 0;
    return gives_ ? Flow::MoreOutput() : Flow::NeedInput();
  }

  /// At the last row of each run; nothing is behind those that end in the batch.
  Result<ArrayPtr> RestsOf(const Piece& piece, size_t call) const {
    arrow::BinaryBuilder builder(context().pool);
    for (size_t run = 1; run < piece.begins.size(); ++run) {
      ARROW_RETURN_NOT_OK(builder.AppendNulls(piece.begins[run] - piece.begins[run - 1] - 1));
      const bool is_last = run + 1 == piece.begins.size();
      ARROW_RETURN_NOT_OK(builder.Append(is_last ? piece.rests[call] : none_[call]));
    }
    return builder.Finish();
  }

  const PartitionRestsSpec spec_;
  RunFinder finder_;
  std::vector<WindowCall> calls_;  // without kernels: those are of their functions
  std::vector<std::string> none_;  // per call: the state of no rows
  std::optional<RowSpool> spool_;
  Reservation reservation_;   // of states
  std::deque<Piece> pieces_;  // of the batches of the spool
  size_t ready_ = 0;          // of those: the rests are known
  int64_t rows_before_ = 0;   // the pending ones
  // The batch that goes in next.
  std::optional<Batch> pending_;
  RunBegins begins_;
  bool goes_on_ = false;
  bool gives_ = false;  // the last call gave rows, and more are ready
};

}  // namespace

std::unique_ptr<Operator> PartitionRestsSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<PartitionRests>(*this);
}

}  // namespace headrace
