// After the probe: joins what was written, key group by key group. Built rows of a key group that
// do not fit are joined in several passes, each over the rows whose next hash bits have one
// value.
#include <algorithm>
#include <numeric>
#include <tuple>

#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "headrace/exec/op/hash_join_state.h"
#include "headrace/exec/op/join_matcher.h"

namespace headrace {
namespace {

// A key group is read in 2^10 passes at most.
constexpr int kPassBitsMax = 10;
constexpr int kKeyGroupBits = 7;

/// A section of a file of one key group.
struct Piece {
  std::shared_ptr<SpillFile> file;
  StateSection section;
};

std::vector<Piece> PiecesOf(const std::vector<std::shared_ptr<SpillFile>>& files, int key_group) {
  std::vector<Piece> pieces;
  for (const auto& file : files) {
    for (const StateSection& section : file->sections()) {
      if (section.key_group == key_group) pieces.push_back({file, section});
    }
  }
  return pieces;
}

class HashJoinRestOperator final : public Operator {
 public:
  HashJoinRestOperator(HashJoinTermsPtr terms, std::shared_ptr<HashJoinRest> rest)
      : terms_(std::move(terms)), rest_(std::move(rest)) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    reservation_ = Reservation(context.budget);
    if (terms_->build_keys.empty()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(build_encoder_,
                          KeyEncoder::Make(KeyColumnsOf(*terms_->build, terms_->build_keys)));
    ARROW_ASSIGN_OR_RAISE(probe_encoder_,
                          KeyEncoder::Make(KeyColumnsOf(*terms_->probe, terms_->probe_keys)));
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& part, Out& out) override {
    switch (stage_) {
      case Stage::kPart:
        StartPart(static_cast<int>(part.ordinal().split));
        return Flow::MoreOutput();
      case Stage::kLoad:
        return Load();
      case Stage::kTable:
        return BuildTable();
      case Stage::kProbe:
        return Probe(out);
      case Stage::kUnmatched:
        return Unmatched(out);
    }
    return Error(ErrorKind::kInternal, "an impossible stage");
  }

  // While rows are loaded: forgets them and goes on with half of them.
  Result<int64_t> Reclaim(int64_t) override {
    if (stage_ != Stage::kLoad || pass_bits_ == kPassBitsMax || reservation_.bytes() == 0) return 0;
    const int64_t freed = reservation_.bytes();
    ++pass_bits_;
    pass_ *= 2;
    StartPass();
    return freed;
  }

 private:
  enum class Stage : uint8_t { kPart, kLoad, kTable, kProbe, kUnmatched };

  void StartPart(int part) {
    HashJoinPieces& pieces = rest_->pieces();
    next_unmatched_ = 0;
    if (!pieces.is_spilled()) {
      matcher_.emplace(terms_, *pieces.table(), context());
      stage_ = Stage::kUnmatched;
      return;
    }
    build_ = PiecesOf(pieces.files(), part);
    probe_ = PiecesOf(rest_->probe_files(), part);
    pass_bits_ = 0;
    pass_ = 0;
    StartPass();
  }

  void StartPass() {
    stage_ = Stage::kLoad;
    next_piece_ = 0;
    loaded_.clear();
    section_.reset();
    matcher_.reset();
    table_.reset();
    reservation_.Clear();
  }

  // Rows of the section whose hash is of this pass.
  Result<Batch> RowsOfPass(const Piece& piece, const KeyEncoder& encoder) {
    ARROW_ASSIGN_OR_RAISE(const auto section, piece.file->Read(piece.section));
    Batch rows = Batch::FromRecordBatch(*section);
    if (pass_bits_ == 0) return rows;
    ARROW_RETURN_NOT_OK(encoder.Encode(rows, context().pool, &keys_));
    auto kept = std::make_shared<std::vector<uint32_t>>();
    const int shift = 64 - kKeyGroupBits - pass_bits_;
    const uint64_t mask = (uint64_t{1} << pass_bits_) - 1;
    for (size_t row = 0; row < keys_.hashes.size(); ++row) {
      if (((keys_.hashes[row] >> shift) & mask) == pass_)
        kept->push_back(static_cast<uint32_t>(row));
    }
    return rows.WithSelection(std::move(kept)).Compact(context().pool);
  }

  Result<Flow> Load() {
    if (next_piece_ == build_.size()) {
      stage_ = Stage::kTable;
      return Flow::MoreOutput();
    }
    if (!section_.has_value()) {
      ARROW_ASSIGN_OR_RAISE(section_, RowsOfPass(build_[next_piece_], *build_encoder_));
    }
    // The rows three times, while they are brought in order; keys and table.
    constexpr int64_t kTableBytes = 128;
    const int64_t claim = 3 * section_->num_bytes() + kTableBytes * section_->num_rows();
    if (!reservation_.TryGrow(claim)) return Flow::NeedMemory(claim);
    if (section_->num_rows() > 0) loaded_.push_back(std::move(*section_));
    section_.reset();
    ++next_piece_;
    return Flow::MoreOutput();
  }

  /// The loaded rows in the order of the built side.
  Result<JoinChunk> LoadedChunk() {
    ARROW_ASSIGN_OR_RAISE(const Batch rows, ConcatenateBatches(loaded_, context().pool));
    loaded_.clear();
    const auto width = terms_->build->num_fields();
    const auto& splits = static_cast<const arrow::Int64Array&>(*rows.column(width));
    const auto& places = static_cast<const arrow::Int64Array&>(*rows.column(width + 1));
    std::vector<int64_t> order(static_cast<size_t>(rows.num_rows()));
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return std::tuple(splits.Value(a), places.Value(a)) <
             std::tuple(splits.Value(b), places.Value(b));
    });
    const arrow::Int64Array indices(static_cast<int64_t>(order.size()),
                                    arrow::Buffer::Wrap(order.data(), order.size()));
    ARROW_ASSIGN_OR_RAISE(const Batch sorted, rows.Take(indices, context().pool));
    JoinChunk chunk;
    for (int64_t row : order) chunk.positions.push_back({splits.Value(row), places.Value(row)});
    chunk.batch = sorted.WithColumns({sorted.columns().begin(), sorted.columns().begin() + width});
    ARROW_RETURN_NOT_OK(build_encoder_->Encode(chunk.batch, context().pool, &chunk.keys));
    return chunk;
  }

  Result<Flow> BuildTable() {
    if (table_ == nullptr) {
      table_ = std::make_shared<JoinTable>(terms_);
      std::vector<JoinChunk> chunks;
      if (!loaded_.empty()) {
        ARROW_ASSIGN_OR_RAISE(chunks.emplace_back(), LoadedChunk());
      }
      ARROW_RETURN_NOT_OK(table_->Start(std::move(chunks), 1, context()));
      return Flow::MoreOutput();
    }
    ARROW_ASSIGN_OR_RAISE(const bool more, table_->BuildStep(0, context()));
    if (more) return Flow::MoreOutput();
    matcher_.emplace(terms_, *table_, context());
    next_piece_ = 0;
    is_matching_ = false;
    stage_ = Stage::kProbe;
    return Flow::MoreOutput();
  }

  Result<Flow> Probe(Out& out) {
    if (!is_matching_) {
      if (next_piece_ == probe_.size()) {
        next_unmatched_ = 0;
        stage_ = Stage::kUnmatched;
        return Flow::MoreOutput();
      }
      ARROW_ASSIGN_OR_RAISE(Batch rows, RowsOfPass(probe_[next_piece_++], *probe_encoder_));
      if (rows.num_rows() == 0) return Flow::MoreOutput();
      ARROW_RETURN_NOT_OK(probe_encoder_->Encode(rows, context().pool, &keys_));
      ARROW_RETURN_NOT_OK(matcher_->Begin(std::move(rows), keys_, rest_->pieces().null_keys()));
    }
    ARROW_ASSIGN_OR_RAISE(is_matching_, matcher_->Step(out));
    return Flow::MoreOutput();
  }

  Result<Flow> Unmatched(Out& out) {
    if (terms_->keeps_build()) {
      ARROW_ASSIGN_OR_RAISE(Batch rows, matcher_->Unmatched(&next_unmatched_));
      if (rows.num_rows() > 0) {
        out.Emit(std::move(rows));
        return Flow::MoreOutput();
      }
    }
    matcher_.reset();
    if (rest_->pieces().is_spilled() && ++pass_ < (uint64_t{1} << pass_bits_)) {
      StartPass();
      return Flow::MoreOutput();
    }
    table_.reset();
    reservation_.Clear();
    stage_ = Stage::kPart;
    return Flow::NeedInput();
  }

  const HashJoinTermsPtr terms_;
  const std::shared_ptr<HashJoinRest> rest_;
  std::optional<KeyEncoder> build_encoder_;
  std::optional<KeyEncoder> probe_encoder_;
  EncodedKeys keys_;

  Stage stage_ = Stage::kPart;
  std::vector<Piece> build_;
  std::vector<Piece> probe_;
  int pass_bits_ = 0;
  uint64_t pass_ = 0;
  size_t next_piece_ = 0;
  std::optional<Batch> section_;
  std::vector<Batch> loaded_;
  Reservation reservation_;
  std::shared_ptr<JoinTable> table_;
  std::optional<JoinMatcher> matcher_;
  bool is_matching_ = false;
  int64_t next_unmatched_ = 0;
};

}  // namespace

std::unique_ptr<Operator> HashJoinRestSpec::Make(std::shared_ptr<GlobalState> global) const {
  return std::make_unique<HashJoinRestOperator>(terms,
                                                std::static_pointer_cast<HashJoinRest>(global));
}

}  // namespace headrace
