// Partitions that are known stay in memory. Once that is short, the rows of others go to buckets
// of partitions on disk, which are run one after the other when the input has ended.
#include "headrace/exec/op/aggregate/partition_run_aggregate.h"

#include <algorithm>
#include <optional>

#include "arrow/array/array_base.h"
#include "arrow/type.h"
#include "headrace/exec/op/aggregate/open_runs.h"
#include "headrace/exec/op/key_numbering.h"
#include "headrace/exec/op/take_rows.h"
#include "headrace/exec/op/window/bucketed_rows.h"
#include "headrace/function/view.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

constexpr int kRunBuckets = 32;
// Of the memory: what partitions may take while others can wait on disk.
constexpr int64_t kOpenRunsFraction = 4;

class PartitionRunAggregate final : public Operator {
 public:
  explicit PartitionRunAggregate(const PartitionRunAggregateSpec& spec) : spec_(spec) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    reservation_ = Reservation(context.budget, Backing::kOwn);
    ARROW_ASSIGN_OR_RAISE(KeyEncoder encoder,
                          KeyEncoder::Make(KeyColumnsOf(*spec_.schema, {spec_.runs.run})));
    run_encoder_.emplace(std::move(encoder));
    ARROW_ASSIGN_OR_RAISE(terms_, AggregateTerms::Make(spec_.schema, {}, spec_.calls, {},
                                                       /*removes=*/false));
    return Restart();
  }

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (!gives_) {
      if (!pending_.has_value()) {
        ARROW_ASSIGN_OR_RAISE(pending_, batch.Compact(context().pool));
      }
      ARROW_ASSIGN_OR_RAISE(const Flow flow, TakePending());
      if (flow.kind == Flow::Kind::kNeedMemory) return flow;
    }
    gives_ = runs_->num_ended() >= context().batch_rows;
    if (!gives_) return Flow::NeedInput();
    ARROW_RETURN_NOT_OK(Give(out));
    return Flow::MoreOutput();
  }

  Result<Flow> Finish(int, Out& out) override {
    if (runs_->num_ended() >= (drains_ ? 1 : context().batch_rows)) {
      ARROW_RETURN_NOT_OK(Give(out));
      return Flow::MoreOutput();
    }
    if (!has_ended_) {
      has_ended_ = true;
      EndAll();
      return Flow::MoreOutput();
    }
    return waiting_ == nullptr ? Flow::NeedInput() : RunBuckets();
  }

 private:
  Status Restart() {
    ARROW_ASSIGN_OR_RAISE(KeyNumbering keys,
                          KeyNumbering::Make({KeyColumnsOf(*spec_.schema, spec_.runs.partition)}));
    keys_.emplace(std::move(keys));
    runs_.emplace(terms_, context().pool);
    drains_ = false;
    return Status::OK();
  }

  void EndAll() {
    runs_->EndAll();
    drains_ = true;
  }

  /// The pending rows, once their memory is granted.
  Result<Flow> TakePending() {
    ARROW_ASSIGN_OR_RAISE(int64_t missing, keys_->Find(0, *pending_, context().pool));
    if (missing > 0 && MustWait(*pending_, missing)) {
      ARROW_ASSIGN_OR_RAISE(pending_, PutAside(*pending_));
      ARROW_ASSIGN_OR_RAISE(missing, keys_->Find(0, *pending_, context().pool));
    }
    const int64_t wanted = BytesToAdd(*pending_, missing);
    const int64_t more = wanted - reservation_.bytes();
    if (more > 0 && !reservation_.TryResize(wanted)) return Flow::NeedMemory(more);
    ARROW_RETURN_NOT_OK(run_encoder_->EncodeWithoutHashes(*pending_, context().pool, &run_));
    const std::vector<uint32_t>& partitions = keys_->Assign();
    ARROW_RETURN_NOT_OK(runs_->Add(*pending_, partitions, keys_->size(), run_));
    pending_.reset();
    return Flow::NeedInput();
  }

  int64_t BytesToAdd(const Batch& rows, int64_t missing) const {
    return keys_->BytesToAssign() + runs_->BytesToAdd(rows, keys_->size() + missing);
  }

  /// Whether rows of new partitions go to disk: since others do, or because memory is short.
  bool MustWait(const Batch& rows, int64_t missing) {
    if (has_ended_) return false;
    if (waiting_ != nullptr) return true;
    const int64_t wanted = BytesToAdd(rows, missing);
    if (wanted <= reservation_.bytes()) return false;
    return wanted > context().budget->limit_bytes() / kOpenRunsFraction ||
           !reservation_.TryResize(wanted);
  }

  /// Writes the rows of new partitions; gives the others.
  Result<Batch> PutAside(const Batch& rows) {
    if (waiting_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(waiting_, BucketedRows::Make(context(), spec_.schema, kRunBuckets));
    }
    std::vector<uint32_t> kept;
    std::vector<uint32_t> put;
    const std::vector<uint32_t>& found = keys_->found();
    for (uint32_t row = 0; row < found.size(); ++row) {
      (found[row] == GroupTable::kNoGroup ? put : kept).push_back(row);
    }
    ARROW_ASSIGN_OR_RAISE(const Batch plain, DecodeBatch(rows, context().pool));
    ARROW_ASSIGN_OR_RAISE(const Batch others, TakeRows(plain, put, context().pool));
    ARROW_ASSIGN_OR_RAISE(const KeyEncoder encoder, KeyEncoder::Make(keys_->columns()));
    ARROW_RETURN_NOT_OK(waiting_->AddByPartition(others, encoder, context().pool));
    return TakeRows(plain, kept, context().pool);
  }

  /// Some rows of the bucket in work, or its end.
  Result<Flow> RunBuckets() {
    if (bucket_ < 0) {
      ARROW_RETURN_NOT_OK(waiting_->Seal());
      ARROW_RETURN_NOT_OK(StartBucket(0));
    }
    if (bucket_ == kRunBuckets) return Flow::NeedInput();
    if (drains_) {
      ARROW_RETURN_NOT_OK(StartBucket(bucket_ + 1));
      return Flow::MoreOutput();
    }
    if (!pending_.has_value()) {
      ARROW_ASSIGN_OR_RAISE(pending_, waiting_->Next(bucket_));
      if (!pending_.has_value()) {
        EndAll();
        return Flow::MoreOutput();
      }
      std::vector<ArrayPtr> columns = pending_->columns();
      columns.pop_back();  // their numbers
      pending_ = Batch(std::move(columns), pending_->num_rows());
    }
    ARROW_ASSIGN_OR_RAISE(const Flow flow, TakePending());
    return flow.kind == Flow::Kind::kNeedMemory ? flow : Flow::MoreOutput();
  }

  Status StartBucket(int bucket) {
    bucket_ = bucket;
    if (bucket < kRunBuckets) Count(context().metrics, &OperatorMetrics::partitions);
    ARROW_RETURN_NOT_OK(Restart());
    reservation_.TryResize(std::min(reservation_.bytes(), keys_->bytes() + runs_->bytes()));
    return Status::OK();
  }

  Status Give(Out& out) {
    ARROW_ASSIGN_OR_RAISE(OpenRuns::Ended ended, runs_->TakeEnded(context().batch_rows));
    const auto count = static_cast<int64_t>(ended.partitions.size());
    ARROW_ASSIGN_OR_RAISE(const std::vector<ArrayPtr> partition, PartitionKeysOf(ended.partitions));
    size_t next = 0;
    std::vector<ArrayPtr> columns;
    for (const int key : spec_.keys) {
      if (key == spec_.runs.run) {
        ARROW_ASSIGN_OR_RAISE(const auto values, run_encoder_->Decode(ended.run, context().pool));
        columns.push_back(values[0]);
      } else {
        columns.push_back(partition[next++]);
      }
    }
    columns.insert(columns.end(), ended.results.begin(), ended.results.end());
    out.Emit(Batch(std::move(columns), count));
    return Status::OK();
  }

  /// Columns of the keys but that of the run.
  Result<std::vector<ArrayPtr>> PartitionKeysOf(const std::vector<uint32_t>& partitions) {
    bool is_read = false;
    for (size_t i = 0; i < spec_.keys.size(); ++i) {
      is_read = is_read || (spec_.is_read[i] && spec_.keys[i] != spec_.runs.run);
    }
    if (is_read) return keys_->KeysOf(partitions, context().pool);
    std::vector<ArrayPtr> columns;
    for (const int key : spec_.runs.partition) {
      const TypePtr type = PlainType(spec_.schema->field(key)->type());
      ARROW_ASSIGN_OR_RAISE(
          columns.emplace_back(),
          MakeNulls(type, static_cast<int64_t>(partitions.size()), context().pool));
    }
    return columns;
  }

  const PartitionRunAggregateSpec spec_;
  AggregateTermsPtr terms_;
  std::optional<KeyEncoder> run_encoder_;
  std::optional<KeyNumbering> keys_;  // number = partition
  std::optional<OpenRuns> runs_;
  Reservation reservation_;
  EncodedKeys run_;     // of the batch in work
  bool gives_ = false;  // of a call that is repeated
  std::optional<Batch> pending_;
  bool drains_ = false;  // all runs have ended

  std::unique_ptr<BucketedRows> waiting_;  // rows of other partitions; null: there are none
  bool has_ended_ = false;                 // the input
  int bucket_ = -1;                        // in work
};

}  // namespace

std::string PartitionRunAggregateSpec::Describe() const {
  return DescribeAggregate(*schema, keys, calls) + ", runs of " + schema->field(runs.run)->name();
}

std::unique_ptr<Operator> PartitionRunAggregateSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<PartitionRunAggregate>(*this);
}

}  // namespace headrace
