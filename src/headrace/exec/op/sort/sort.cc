// Build side of the sort: batches are decoded and given keys, buffered until they make a block
// worth sorting, and kept as sorted runs.
#include "headrace/exec/op/sort/sort.h"

#include <algorithm>
#include <optional>
#include <set>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/buffer.h"
#include "arrow/type.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/op/sort/sort_global.h"
#include "headrace/exec/physical.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

// A buffer is sorted in one step when it has this many rows or bytes.
constexpr int64_t kBufferRowsMax = 262144;
constexpr int64_t kBufferBytesMin = int64_t{1} << 20;
constexpr int64_t kBufferBytesMax = int64_t{64} << 20;
constexpr int64_t kBuffersPerBudget = 4;
// Buffers are padded and grow in steps: no reason to copy.
constexpr int64_t kPaddingBytesMax = int64_t{16} << 10;
// So many rows wanted, or fewer, are kept in the buffer, and bound the keys of those to come. More
// are bounded by a histogram of the keys of all runs: so many counts make it up, of so many rows.
constexpr int64_t kFirstRowsMax = 32768;
constexpr int64_t kCountsPerBound = 256;
constexpr int64_t kRankedRowsMin = 256;
// Longer keys are not worth to be kept.
constexpr size_t kRankedKeyBytesMax = 1024;
constexpr int64_t kFirstBufferRowsMin = 2048;
// Smaller batches are sorted with others, in order or not.
constexpr int64_t kOrderedRowsMin = 1024;
// Batches that are in order begin so many runs; more would make merging them slow.
constexpr int kOrderedRunsMax = 16;

// A batch is taken in slices that claim at most this part of the limit, of so many rows at least. A
// byte of it claims about so many.
constexpr int64_t kSortSlicesPerBudget = 32;
constexpr int64_t kSortSliceRowsMin = 64;
constexpr int64_t kSortClaimPerByte = 3;

using Roots = std::set<const arrow::Buffer*>;

void AddRoots(const arrow::ArrayData& data, Roots* roots) {
  for (const auto& buffer : data.buffers) {
    const arrow::Buffer* root = buffer.get();
    while (root != nullptr && root->parent() != nullptr) root = root->parent().get();
    if (root != nullptr) roots->insert(root);
  }
  for (const auto& child : data.child_data) AddRoots(*child, roots);
}

// The batch, copied when it is a small part of larger buffers that it would keep alive.
Result<Batch> WithoutForeignRows(const Batch& batch, arrow::MemoryPool* pool) {
  Roots roots;
  for (const ArrayPtr& column : batch.columns()) AddRoots(*column->data(), &roots);
  int64_t held = 0;
  for (const arrow::Buffer* root : roots) held += root->capacity();
  if (held <= 2 * batch.num_bytes() + kPaddingBytesMax) return batch;
  arrow::Int64Builder rows(pool);
  ARROW_RETURN_NOT_OK(rows.Reserve(batch.num_rows()));
  for (int64_t row = 0; row < batch.num_rows(); ++row) rows.UnsafeAppend(row);
  ARROW_ASSIGN_OR_RAISE(ArrayPtr indices, rows.Finish());
  return batch.Take(*indices, pool);
}

class SortBuild final : public Operator {
 public:
  SortBuild(const SortBuildSpec& spec, std::shared_ptr<GlobalState> global)
      : schema_(spec.schema),
        keys_(spec.keys),
        rows_wanted_(spec.rows_wanted.value_or(INT64_MAX)),
        global_(std::static_pointer_cast<SortGlobal>(std::move(global))) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    ARROW_ASSIGN_OR_RAISE(SortKeyEncoder encoder, SortKeyEncoder::Make(*schema_, keys_));
    store_.emplace(SortTerms{schema_, std::make_shared<SortKeyEncoder>(std::move(encoder))});
    buffer_.emplace(schema_, store_->terms().encoder, context.budget);
    buffer_bytes_max_ = std::clamp(context.budget->limit_bytes() / kBuffersPerBudget,
                                   kBufferBytesMin, kBufferBytesMax);
    if (keeps_first()) {
      buffer_rows_max_ = std::max(2 * rows_wanted_, kFirstBufferRowsMin);
    }
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out&) override {
    if (!pending_.has_value()) ARROW_RETURN_NOT_OK(PrepareSlice(batch));
    if (!pending_.has_value()) return NextSlice(batch);
    if (pending_keys_.num_rows == 0) return PushOrdered(batch);
    const int64_t bytes = SortBuffer::BytesOf(*pending_, pending_keys_);
    if (!buffer_->TryReserve(bytes)) return Flow::NeedMemory(bytes);
    buffer_->Add(*pending_, std::exchange(pending_places_, {}), std::move(pending_keys_));
    pending_.reset();
    pending_keys_ = SortKeys();
    const bool full =
        buffer_->num_rows() >= buffer_rows_max_ || buffer_->bytes() >= buffer_bytes_max_;
    if (full) ARROW_RETURN_NOT_OK(keeps_first() ? KeepFirst() : SortBuffered());
    return NextSlice(batch);
  }

  Result<Flow> Finish(int, Out&) override {
    ARROW_RETURN_NOT_OK(SortBuffered());
    EndOrdered();
    return Flow::NeedInput();
  }

  Status Combine(GlobalState& global) override {
    return static_cast<SortGlobal&>(global).Absorb(*std::move(store_), context());
  }

  // Runs of the store go first: what is not yet a run makes a longer one when it is left to grow.
  Result<int64_t> Reclaim(int64_t bytes) override {
    global_->bound().Read(&bound_version_, &bound_);
    int64_t freed = bound_.empty() ? 0 : store_->DropAbove(bound_);
    if (freed < bytes) {
      ARROW_ASSIGN_OR_RAISE(const int64_t spilled, store_->Reclaim(bytes - freed, context()));
      freed += spilled;
    }
    if (freed > 0 && freed >= bytes) return freed;
    ARROW_RETURN_NOT_OK(SortBuffered());
    EndOrdered();
    ARROW_ASSIGN_OR_RAISE(const int64_t more, store_->Reclaim(bytes - freed, context()));
    return freed + more;
  }

 private:
  const SortKeyEncoder& encoder() const { return *store_->terms().encoder; }
  bool keeps_first() const { return rows_wanted_ <= kFirstRowsMax; }

  // What is claimed at once is a small part of the limit.
  int64_t SliceRows(const Batch& batch) const {
    const int64_t row_bytes = kSortClaimPerByte * batch.num_bytes() / batch.physical_rows() + 1;
    return std::max(context().budget->limit_bytes() / kSortSlicesPerBudget / row_bytes,
                    kSortSliceRowsMin);
  }

  Status PrepareSlice(const Batch& batch) {
    slice_rows_ = std::min(SliceRows(batch), batch.num_rows() - next_row_);
    if (slice_rows_ == batch.num_rows()) return Prepare(batch);
    if (batch.selection() == nullptr) return Prepare(batch.Slice(next_row_, slice_rows_));
    const auto first = batch.selection()->begin() + next_row_;
    auto rows = std::make_shared<std::vector<uint32_t>>(first, first + slice_rows_);
    return Prepare(batch.WithSelection(std::move(rows)));
  }

  // The slice in work is done.
  Flow NextSlice(const Batch& batch) {
    next_row_ += slice_rows_;
    if (next_row_ < batch.num_rows()) return Flow::MoreOutput();
    next_row_ = 0;
    return Flow::NeedInput();
  }

  // Keeps `batch`, which begins at next_row_ of the one that came, as it is to be stored, with its
  // keys where it is not in order; nothing is reserved for it yet. Nothing is kept when none of its
  // rows is wanted.
  Status Prepare(const Batch& batch) {
    positions_.clear();
    ARROW_ASSIGN_OR_RAISE(Batch compact, WantedRows(batch));
    if (compact.num_rows() == 0) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(compact, DecodeBatch(compact, context().pool));
    ARROW_ASSIGN_OR_RAISE(compact, WithoutForeignRows(compact, context().pool));
    const bool are_together = AreTogether(compact.num_rows());
    bool in_order = false;
    if (are_together) {
      pending_places_.first = positions_.empty() ? batch.PositionOf(next_row_) : positions_.front();
      ARROW_ASSIGN_OR_RAISE(in_order, IsOrdered(compact));
    } else {
      ARROW_ASSIGN_OR_RAISE(pending_places_, RowPlaces::Of(positions_, context().pool));
    }
    if (!in_order) {
      if (positions_.empty()) AddPositions(batch);
      ARROW_RETURN_NOT_OK(encoder().Encode(compact, &positions_, context().pool, &pending_keys_));
    }
    pending_ = std::move(compact);
    return Status::OK();
  }

  // Whether the rows follow each other in the input.
  bool AreTogether(int64_t count) const {
    return positions_.empty() || positions_.back().row - positions_.front().row == count - 1;
  }

  // Whether rows that are together are to be kept as they are: they are in order.
  Result<bool> IsOrdered(const Batch& batch) const {
    if (keeps_first() || batch.num_rows() < kOrderedRowsMin || ordered_runs_ >= kOrderedRunsMax) {
      return false;
    }
    return encoder().AreInOrder(batch, context().pool);
  }

  void AddPositions(const Batch& batch) {
    const int64_t count = batch.num_rows();
    positions_.reserve(static_cast<size_t>(count));
    for (int64_t row = 0; row < count; ++row) {
      positions_.push_back(batch.PositionOf(next_row_ + row));
    }
  }

  // Adds the pending batch to the run of those that are in order, or begins another one.
  Result<Flow> PushOrdered(const Batch& batch) {
    const int64_t bytes = pending_->num_bytes();
    Reservation reservation(context().budget);
    if (!reservation.TryResize(bytes)) return Flow::NeedMemory(bytes);
    auto blocks =
        BlocksOfSorted(*pending_, pending_places_.first, store_->terms().encoder,
                       SortBlockBytes(*context().budget), std::move(reservation), context().pool);
    pending_.reset();
    if (rows_wanted_ < INT64_MAX) CountRows(blocks);
    if (!ordered_.empty() && ordered_.back().last_key() >= blocks.front()->KeyAt(0)) {
      EndOrdered();
      ++ordered_runs_;
    }
    for (SortedBlockPtr& block : blocks) ordered_.push_back(BlockSlice::Whole(std::move(block)));
    return NextSlice(batch);
  }

  void EndOrdered() {
    if (ordered_.empty()) return;
    store_->AddMemory(std::exchange(ordered_, {}));
  }

  // positions_ stays empty where those of all rows follow each other.
  Result<Batch> WantedRows(const Batch& batch) {
    global_->bound().Read(&bound_version_, &bound_);
    if (bound_.empty()) {
      if (batch.selection() != nullptr) AddPositions(batch);
      return batch.Compact(context().pool);
    }
    ARROW_RETURN_NOT_OK(encoder().RowsUpTo(bound_, batch, context().pool, &wanted_));
    for (uint32_t& row : wanted_) {
      positions_.push_back(batch.PositionOf(next_row_ + row));
      if (batch.selection() != nullptr) row = (*batch.selection())[row];
    }
    const Batch physical(batch.columns(), batch.physical_rows());
    if (static_cast<int64_t>(wanted_.size()) == batch.physical_rows()) return physical;
    const arrow::UInt32Array indices(static_cast<int64_t>(wanted_.size()),
                                     arrow::Buffer::Wrap(wanted_));
    return physical.Take(indices, context().pool);
  }

  Status KeepFirst() {
    if (buffer_->num_rows() <= rows_wanted_) return SortBuffered();
    ARROW_ASSIGN_OR_RAISE(const std::string last, buffer_->KeepFirst(rows_wanted_, context().pool));
    global_->bound().Tighten(last);
    return Status::OK();
  }

  // Tells the bound of every so many rows of a run, and of the blocks of one that came in order.
  void CountRows(const std::vector<SortedBlockPtr>& blocks) {
    const int64_t step = std::max(kRankedRowsMin, rows_wanted_ / kCountsPerBound);
    std::vector<RankedKey> ranked;
    int64_t rows = 0;  // behind the last key
    const auto rank = [&](std::string key, int64_t more) {
      rows += more;
      if (key.size() > kRankedKeyBytesMax) return;
      ranked.emplace_back(std::move(key), std::exchange(rows, 0));
    };
    for (const SortedBlockPtr& block : blocks) {
      int64_t row = 0;
      for (; row + step < block->num_rows; row += step) rank(block->KeyOf(row + step - 1), step);
      rank(block->KeyOf(block->num_rows - 1), block->num_rows - row);
    }
    global_->bound().Count(std::move(ranked));
  }

  Status SortBuffered() {
    if (buffer_->num_rows() == 0) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(auto blocks, buffer_->Sort(SortBlockBytes(*context().budget),
                                                     rows_wanted_, context().pool));
    if (rows_wanted_ < INT64_MAX) CountRows(blocks);
    MemoryRun run;
    for (SortedBlockPtr& block : blocks) run.push_back(BlockSlice::Whole(std::move(block)));
    store_->AddMemory(std::move(run));
    return Status::OK();
  }

  const SchemaPtr schema_;
  const Ordering keys_;
  const int64_t rows_wanted_;
  const std::shared_ptr<SortGlobal> global_;
  std::optional<SortStore> store_;
  std::optional<SortBuffer> buffer_;
  int64_t buffer_rows_max_ = kBufferRowsMax;
  int64_t buffer_bytes_max_ = 0;
  std::string bound_;  // the copy of this lane
  int64_t bound_version_ = 0;
  std::vector<uint32_t> wanted_;
  int64_t next_row_ = 0;                // of the batch that came
  int64_t slice_rows_ = 0;              // from there on, in work
  std::optional<Batch> pending_;        // that slice
  std::vector<RowPosition> positions_;  // of its rows, where they are needed
  RowPlaces pending_places_;
  SortKeys pending_keys_;  // none: it is in order
  MemoryRun ordered_;      // batches that came in order
  int ordered_runs_ = 0;   // that ended in a row out of order
};

}  // namespace

std::string SortBuildSpec::Describe() const {
  const std::string text = "keys=[" + ToString(keys, schema->field_names()) + "]";
  return rows_wanted.has_value() ? fmt::format("{}, first={}", text, *rows_wanted) : text;
}

Status SortBuildSpec::Check() const { return SortKeyEncoder::Make(*schema, keys).status(); }

std::shared_ptr<GlobalState> SortBuildSpec::MakeGlobal() const {
  return std::make_shared<SortGlobal>(schema, keys, rows_wanted.value_or(INT64_MAX), whole_keys);
}

std::unique_ptr<Operator> SortBuildSpec::Make(std::shared_ptr<GlobalState> global) const {
  return std::make_unique<SortBuild>(*this, std::move(global));
}

void LowerToSort(const SchemaPtr& schema, const Ordering& keys, Lowering& lowering,
                 std::optional<int64_t> rows_wanted, size_t whole_keys) {
  int breaker = 0;
  auto build = std::make_shared<SortBuildSpec>(schema, keys, rows_wanted, whole_keys);
  auto state = lowering.EndInBreaker(std::move(build), &breaker);
  lowering.StartParts(state, breaker, std::make_shared<SortOutputSpec>(schema, keys),
                      lowering.lanes());
}

namespace {

/// The columns of the first keys, as far as they are among `columns`.
std::vector<int> LeadingAmong(const Ordering& keys, const std::vector<int>& columns) {
  std::vector<int> leading;
  for (const SortKey& key : keys) {
    if (std::find(columns.begin(), columns.end(), key.column) == columns.end()) break;
    leading.push_back(key.column);
  }
  return leading;
}

}  // namespace

Status LowerSort(const PlanNode& node, Lowering& lowering) {
  const auto& sort = static_cast<const SortNode&>(node);
  const std::vector<int> whole = LeadingAmong(sort.keys, lowering.rows_read().whole);
  ARROW_RETURN_NOT_OK(lowering.Lower(*node.input()));
  LowerToSort(node.input()->schema(), sort.keys, lowering, std::nullopt, whole.size());
  lowering.SetWhole(whole);
  return Status::OK();
}

}  // namespace headrace
