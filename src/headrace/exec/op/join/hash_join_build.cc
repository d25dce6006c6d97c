// One lane of the build: keeps decoded rows with their keys, and claims beforehand what the table
// over them needs. Past the budget it writes the largest key groups, and rows of these as they
// come.
#include <algorithm>

#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/base/limits.h"
#include "headrace/exec/op/join/hash_join.h"
#include "headrace/exec/op/join/hash_join_state.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

// Batches of one split are joined until they have this many rows.
constexpr int64_t kChunkRows = 16384;
// This part of the limit is left to what runs beside a table that fills the rest.
constexpr int64_t kHeadroomFraction = 4;
// A batch is taken in slices that claim this part of the limit, at most so many of them.
constexpr int64_t kSliceFraction = 32;
constexpr int64_t kSlicesMax = 1024;
// Of the rows of a lane at least this part is written when memory is wanted.
constexpr int64_t kEvictedFraction = 4;

class HashJoinBuild final : public Operator {
 public:
  HashJoinBuild(HashJoinTermsPtr terms, std::shared_ptr<HashJoinPieces> pieces)
      : terms_(std::move(terms)),
        pieces_(std::move(pieces)),
        chunk_bytes_(RowStore(*terms_->build).bytes_per_chunk()),
        writer_(*terms_->build, terms_->order_read, "join-build") {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    rows_.reservation = Reservation(context.budget);
    writer_.Open(this->context(), pieces_->written_bits(context));
    if (terms_->build_keys.empty()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(encoder_,
                          KeyEncoder::Make(KeyColumnsOf(*terms_->build, terms_->build_keys)));
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out&) override {
    if (!pending_.has_value()) {
      ARROW_ASSIGN_OR_RAISE(pending_, RowsToKeep(batch));
      next_row_ = 0;
    }
    const int64_t rows = pending_->num_rows();
    const int64_t slice_rows = RowsPerClaim(*pending_);
    while (next_row_ < rows) {
      Batch slice = pending_->Slice(next_row_, std::min(slice_rows, rows - next_row_));
      const Ordinal ordinal = pending_->ordinal();
      slice.set_ordinal({ordinal.split, ordinal.seq * kSlicesMax + next_row_ / slice_rows});
      const int64_t claim = ClaimOf(slice);
      if (!TryClaim(claim)) return Flow::NeedMemory(claim);
      pieces_->ClaimFilterRoom(rows_.reservation.bytes() * context().lanes, context().budget);
      if (!FitsGathered(slice)) ARROW_RETURN_NOT_OK(MakeChunk());
      next_row_ += slice.num_rows();
      gathered_rows_ += slice.num_rows();
      gathered_.push_back(std::move(slice));
      if (HasTooManyCells()) ARROW_RETURN_NOT_OK(Reclaim(rows_.reservation.bytes() / 4).status());
    }
    pending_.reset();
    return Flow::NeedInput();
  }

  Result<Flow> Advance(int, Watermark, Out&) override { return Flow::NeedInput(); }

  Result<Flow> Finish(int, Out&) override {
    ARROW_RETURN_NOT_OK(MakeChunk());
    ARROW_RETURN_NOT_OK(writer_.Flush());
    return Flow::NeedInput();
  }

  Status Combine(GlobalState&) override {
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<SpillFile> file, writer_.Take());
    pieces_->AddPlaces(writer_.TakePlaces());
    pieces_->Add(std::move(rows_), std::move(file), null_keys_);
    return Status::OK();
  }

  Result<int64_t> Reclaim(int64_t bytes) override {
    if (!terms_->may_spill) return 0;
    ARROW_RETURN_NOT_OK(MakeChunk());
    const int64_t before = rows_.reservation.bytes() + writer_.held_bytes();
    if (rows_.num_rows == 0) {
      ARROW_RETURN_NOT_OK(writer_.Flush());
    } else {
      ChooseGroups(bytes);
      for (size_t i = 0; i < rows_.chunks.size() && !context().stop.stop_requested(); ++i) {
        ARROW_RETURN_NOT_OK(pieces_->Evict(rows_, i, encoder(), writer_, context().pool));
      }
      std::erase_if(rows_.chunks, [](const auto& chunk) { return chunk.batch.num_rows() == 0; });
    }
    const auto freed = [&] { return before - rows_.reservation.bytes() - writer_.held_bytes(); };
    if (freed() < bytes) ARROW_RETURN_NOT_OK(writer_.Flush());
    return std::max<int64_t>(0, freed());
  }

 private:
  int64_t RowsPerClaim(const Batch& batch) const {
    const int64_t target = context().budget->limit_bytes() / kSliceFraction;
    const int64_t row_bytes = ClaimOf(batch) / std::max<int64_t>(1, batch.num_rows()) + 1;
    return std::max(target / row_bytes, kBatchRowsMax / kSlicesMax);
  }

  bool HasTooManyCells() const {
    const int64_t columns = std::max(1, terms_->build->num_fields());
    const int64_t rows_max = terms_->build_cells_max / context().lanes / columns;
    return terms_->may_spill && rows_.num_rows + gathered_rows_ > rows_max;
  }

  int64_t Headroom() const { return context().budget->limit_bytes() / kHeadroomFraction; }

  // Rows that could go to disk leave room for others; the first ones need none.
  bool TryClaim(int64_t bytes) {
    if (!terms_->may_spill || rows_.reservation.bytes() == 0) {
      return rows_.reservation.TryGrow(bytes);
    }
    Reservation headroom(context().budget);
    return headroom.TryResize(Headroom()) && rows_.reservation.TryGrow(bytes);
  }

  const KeyEncoder* encoder() const { return encoder_.has_value() ? &*encoder_ : nullptr; }

  // At least so many that letting go of their rows frees `bytes`.
  void ChooseGroups(int64_t bytes) {
    RowsByGroup rows{};
    rows_.CountByGroup(&rows);
    const int64_t row_bytes = std::max<int64_t>(1, rows_.reservation.bytes() / rows_.num_rows);
    const int64_t wanted = std::max(bytes / row_bytes, rows_.num_rows / kEvictedFraction) + 1;
    const bool all = !IsWorthKeeping(rows_.num_rows - wanted, rows_seen_);
    pieces_->Spill(rows, all ? kAllRows : wanted);
  }

  Result<Batch> RowsToKeep(const Batch& batch) {
    ARROW_ASSIGN_OR_RAISE(Batch rows, batch.Compact(context().pool));
    ARROW_ASSIGN_OR_RAISE(rows, DecodeBatch(rows, context().pool));
    null_keys_.any_row = true;
    auto kept = std::make_shared<std::vector<uint32_t>>();
    bool any_null = false;
    for (size_t i = 0; i < terms_->nulls.size(); ++i) {
      any_null = any_null || (terms_->nulls[i] == NullMatching::kNeverMatch &&
                              rows.column(terms_->build_keys[i])->null_count() > 0);
    }
    if (!any_null) return rows;
    null_keys_.any_null_key = true;
    if (terms_->keeps_build()) return rows;
    for (int64_t row = 0; row < rows.num_rows(); ++row) {
      if (HasKey(rows, row)) kept->push_back(static_cast<uint32_t>(row));
    }
    const Ordinal ordinal = rows.ordinal();
    ARROW_ASSIGN_OR_RAISE(rows, rows.WithSelection(std::move(kept)).Compact(context().pool));
    rows.set_ordinal(ordinal);
    return rows;
  }

  bool HasKey(const Batch& rows, int64_t row) const {
    for (size_t i = 0; i < terms_->nulls.size(); ++i) {
      if (terms_->nulls[i] == NullMatching::kMatch) continue;
      if (rows.column(terms_->build_keys[i])->IsNull(row)) return false;
    }
    return true;
  }

  // The rows, their keys, and the table over them: old slots stand beside new ones while it grows.
  int64_t ClaimOf(const Batch& batch) const {
    const int64_t rows = batch.num_rows();
    int64_t bytes = batch.num_bytes() + chunk_bytes_ + rows * kJoinTableBytesPerRow;
    if (!encoder_.has_value()) return bytes;
    std::vector<ArrayPtr> columns;
    for (int key : terms_->build_keys) columns.push_back(batch.column(key));
    // An encoding marks nulls and lengths beside the value, and has a hash.
    constexpr int64_t kMarkBytes = 8;
    const int64_t key_bytes = Batch(std::move(columns), rows).num_bytes() +
                              static_cast<int64_t>(terms_->build_keys.size()) * kMarkBytes * rows;
    constexpr int64_t kHashBytes = 17;
    constexpr int64_t kSlotBytes = 40;
    return bytes + 2 * key_bytes + (kHashBytes + kSlotBytes) * rows;
  }

  bool FitsGathered(const Batch& batch) const {
    if (gathered_.empty()) return true;
    return gathered_rows_ + batch.num_rows() <= kChunkRows &&
           gathered_.front().ordinal().split == batch.ordinal().split;
  }

  Status MakeChunk() {
    if (gathered_.empty()) return Status::OK();
    JoinChunk chunk;
    chunk.batch = gathered_.front();
    if (gathered_.size() > 1) {
      ARROW_ASSIGN_OR_RAISE(chunk.batch, ConcatenateBatches(gathered_, context().pool));
    }
    if (encoder_.has_value()) {
      ARROW_RETURN_NOT_OK(encoder_->Encode(chunk.batch, context().pool, &chunk.keys));
    }
    rows_seen_ += chunk.batch.num_rows();
    rows_.Add(std::move(chunk));
    gathered_.clear();
    gathered_rows_ = 0;
    if (!pieces_->is_spilled()) return Status::OK();
    ARROW_RETURN_NOT_OK(
        pieces_->Evict(rows_, rows_.chunks.size() - 1, encoder(), writer_, context().pool));
    if (rows_.chunks.back().batch.num_rows() == 0) rows_.chunks.pop_back();
    return Status::OK();
  }

  const HashJoinTermsPtr terms_;
  const std::shared_ptr<HashJoinPieces> pieces_;
  const int64_t chunk_bytes_;
  JoinRowWriter writer_;
  std::optional<KeyEncoder> encoder_;
  std::optional<Batch> pending_;
  int64_t next_row_ = 0;         // of pending_
  std::vector<Batch> gathered_;  // of one split: a chunk to be
  int64_t gathered_rows_ = 0;
  int64_t rows_seen_ = 0;
  ResidentRows rows_;
  JoinNullKeys null_keys_;
};

// One chunk a step.
class HashJoinEvict final : public Operator {
 public:
  HashJoinEvict(HashJoinTermsPtr terms, std::shared_ptr<HashJoinPieces> pieces)
      : terms_(std::move(terms)),
        pieces_(std::move(pieces)),
        writer_(*terms_->build, terms_->order_read, "join-build") {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    writer_.Open(this->context(), pieces_->written_bits(context));
    if (terms_->build_keys.empty()) return Status::OK();
    return KeyEncoder::Make(KeyColumnsOf(*terms_->build, terms_->build_keys)).Value(&encoder_);
  }

  Result<Flow> Push(int, Batch& part, Out&) override {
    ResidentRows& rows = pieces_->rows_of(part.ordinal().split);
    if (next_chunk_ == rows.chunks.size()) {
      next_chunk_ = 0;
      return Flow::NeedInput();
    }
    ARROW_RETURN_NOT_OK(pieces_->Evict(rows, next_chunk_++, encoder_ ? &*encoder_ : nullptr,
                                       writer_, context().pool));
    return Flow::MoreOutput();
  }

  Result<Flow> Finish(int, Out&) override {
    ARROW_RETURN_NOT_OK(writer_.Flush());
    return Flow::NeedInput();
  }

  Status Combine(GlobalState&) override {
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<SpillFile> file, writer_.Take());
    pieces_->AddPlaces(writer_.TakePlaces());
    if (file != nullptr) pieces_->AddFile(std::move(file));
    return Status::OK();
  }

 private:
  const HashJoinTermsPtr terms_;
  const std::shared_ptr<HashJoinPieces> pieces_;
  JoinRowWriter writer_;
  std::optional<KeyEncoder> encoder_;
  size_t next_chunk_ = 0;
};

class HashJoinTable final : public Operator {
 public:
  explicit HashJoinTable(std::shared_ptr<JoinTable> table) : table_(std::move(table)) {}

  Result<Flow> Push(int, Batch& part, Out&) override {
    const auto number = static_cast<int>(part.ordinal().split);
    ARROW_ASSIGN_OR_RAISE(const bool more, table_->BuildStep(number, context()));
    return more ? Flow::MoreOutput() : Flow::NeedInput();
  }
  Status Combine(GlobalState&) override { return Status::OK(); }

 private:
  const std::shared_ptr<JoinTable> table_;
};

}  // namespace

std::unique_ptr<Operator> HashJoinBuildSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<HashJoinBuild>(terms, pieces);
}

std::unique_ptr<Operator> HashJoinEvictSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<HashJoinEvict>(terms, pieces);
}

std::unique_ptr<Operator> HashJoinTableSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<HashJoinTable>(table);
}

}  // namespace headrace
