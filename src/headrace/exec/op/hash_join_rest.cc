// After the probe: joins what was written, key group by key group. Built rows of a key group that
// do not fit are joined in several passes, each over those whose places are in one range: how
// many rows share one key does not matter, and matches stay in the order of the built side.
#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>

#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "headrace/exec/op/hash_join_state.h"
#include "headrace/exec/op/join_matcher.h"

namespace headrace {
namespace {

// The rows of a pass take at most this part of the limit, over all lanes.
constexpr int64_t kPassBudgetFraction = 2;

// Bounds of passes are among so many rows of each.
constexpr int64_t kSamplesPerPass = 16;

using Place = std::pair<int64_t, int64_t>;  // split, row
constexpr Place kFirstPlace = {std::numeric_limits<int64_t>::min(), 0};
constexpr Place kNoPlace = {std::numeric_limits<int64_t>::max(), 0};

/// A section of a file of one key group.
struct Piece {
  std::shared_ptr<SpillFile> file;
  StateSection section;
  Place first = kFirstPlace;  // its rows are from here
  Place last = kNoPlace;      // to here
};

std::vector<Piece> PiecesOf(const std::vector<std::shared_ptr<SpillFile>>& files, int key_group) {
  std::vector<Piece> pieces;
  for (const auto& file : files) {
    for (const StateSection& section : file->sections()) {
      if (section.key_group == key_group) pieces.push_back({.file = file, .section = section});
    }
  }
  return pieces;
}

int64_t RowsOf(const std::vector<Piece>& pieces) {
  int64_t rows = 0;
  for (const Piece& piece : pieces) rows += piece.section.num_rows;
  return rows;
}

/// The places at the end of rows that were written, whose own columns are `width`.
class PlacesIn {
 public:
  PlacesIn(const Batch& rows, int width)
      : splits_(static_cast<const arrow::Int64Array&>(*rows.column(width))),
        rows_(static_cast<const arrow::Int64Array&>(*rows.column(width + 1))) {}
  Place operator[](int64_t row) const { return {splits_.Value(row), rows_.Value(row)}; }

 private:
  const arrow::Int64Array& splits_;
  const arrow::Int64Array& rows_;
};

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
      case Stage::kBounds:
        return Bounds();
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
    if (stage_ != Stage::kLoad || pass_rows_ <= 1 || reservation_.bytes() == 0) return 0;
    const int64_t freed = reservation_.bytes();
    pass_rows_ = std::max<int64_t>(1, loaded_rows_ / 2);
    begin_ = bounds_.empty() ? kFirstPlace : bounds_[pass_];
    ForgetLoaded();
    StartBounds();
    return freed;
  }

 private:
  enum class Stage : uint8_t { kPart, kBounds, kLoad, kTable, kProbe, kUnmatched };

  void StartPart(int part) {
    HashJoinPieces& pieces = rest_->pieces();
    next_unmatched_ = 0;
    if (!pieces.is_spilled()) {
      matcher_.emplace(terms_, *pieces.table(), probe_encoder(), context());
      stage_ = Stage::kUnmatched;
      return;
    }
    build_ = PiecesOf(pieces.files(), part);
    probe_ = PiecesOf(rest_->probe_files(), part);
    earlier_.clear();
    pass_rows_ = std::numeric_limits<int64_t>::max();
    begin_ = kFirstPlace;
    bounds_ = {begin_, kNoPlace};
    pass_ = 0;
    StartPass();
  }

  void ForgetLoaded() {
    next_piece_ = 0;
    loaded_.clear();
    loaded_rows_ = 0;
    section_.reset();
    matcher_.reset();
    table_.reset();
    reservation_.Clear();
  }

  void StartPass() {
    ForgetLoaded();
    stage_ = Stage::kLoad;
  }

  /// The rows from begin_ on are to be cut into passes of pass_rows_.
  void StartBounds() {
    samples_.clear();
    rows_seen_ = 0;
    stage_ = Stage::kBounds;
  }

  /// Sections from `next_piece_` on, as many as make a batch.
  Result<Batch> ReadSome(const std::vector<Piece>& pieces) {
    std::vector<Batch> sections;
    int64_t rows = 0;
    int64_t bytes = 0;
    while (next_piece_ < pieces.size()) {
      const Piece& piece = pieces[next_piece_];
      const bool fits = rows + piece.section.num_rows <= context().batch_rows &&
                        bytes + piece.section.length <= context().batch_bytes;
      if (!fits && !sections.empty()) break;
      ARROW_ASSIGN_OR_RAISE(const auto section, piece.file->Read(piece.section));
      sections.push_back(Batch::FromRecordBatch(*section));
      rows += piece.section.num_rows;
      bytes += sections.back().num_bytes();
      ++next_piece_;
    }
    if (sections.size() == 1) return sections.front();
    return ConcatenateBatches(sections, context().pool);
  }

  void SkipPiecesOfOtherPasses() {
    const auto is_other = [this](const Piece& piece) {
      return piece.last < bounds_[pass_] || piece.first >= bounds_[pass_ + 1];
    };
    while (next_piece_ < build_.size() && is_other(build_[next_piece_])) ++next_piece_;
  }

  // Built rows of this pass; there are sections left.
  Result<Batch> BuiltRows() {
    ARROW_ASSIGN_OR_RAISE(Batch rows, ReadSome(build_));
    if (!has_passes()) return rows;
    const PlacesIn places(rows, terms_->build->num_fields());
    auto kept = std::make_shared<std::vector<uint32_t>>();
    for (int64_t row = 0; row < rows.num_rows(); ++row) {
      const Place place = places[row];
      if (place >= bounds_[pass_] && place < bounds_[pass_ + 1]) {
        kept->push_back(static_cast<uint32_t>(row));
      }
    }
    return rows.WithSelection(std::move(kept)).Compact(context().pool);
  }

  const KeyEncoder* probe_encoder() const {
    return probe_encoder_.has_value() ? &*probe_encoder_ : nullptr;
  }
  bool has_passes() const { return bounds_.size() > 2 || begin_ != kFirstPlace; }
  bool is_last_pass() const { return pass_ + 2 == bounds_.size(); }

  // The rows three times, while they are brought in order; keys and table.
  static int64_t ClaimOf(const Batch& rows) {
    constexpr int64_t kTableBytes = 128;
    return 3 * rows.num_bytes() + kTableBytes * rows.num_rows();
  }

  // Rows of one pass, by what the first ones need.
  int64_t PassRows(const Batch& first) const {
    const int64_t share = context().budget->limit_bytes() / kPassBudgetFraction / context().lanes;
    const int64_t row_bytes = ClaimOf(first) / std::max<int64_t>(1, first.num_rows());
    return std::max<int64_t>(1, share / std::max<int64_t>(1, row_bytes));
  }

  Result<Flow> Bounds() {
    if (next_piece_ < build_.size()) {
      Piece& piece = build_[next_piece_++];
      ARROW_ASSIGN_OR_RAISE(const auto section, piece.file->Read(piece.section));
      const Batch rows = Batch::FromRecordBatch(*section);
      const PlacesIn places(rows, terms_->build->num_fields());
      const int64_t step = std::max<int64_t>(1, pass_rows_ / kSamplesPerPass);
      piece.first = kNoPlace;
      piece.last = kFirstPlace;
      for (int64_t row = 0; row < rows.num_rows(); ++row) {
        piece.first = std::min(piece.first, places[row]);
        piece.last = std::max(piece.last, places[row]);
        if (places[row] < begin_) continue;
        if (rows_seen_++ % step == 0) samples_.push_back(places[row]);
      }
      return Flow::MoreOutput();
    }
    std::sort(samples_.begin(), samples_.end());
    bounds_ = {begin_};
    const auto step = static_cast<size_t>(std::min(kSamplesPerPass, pass_rows_));
    for (size_t at = step; at < samples_.size(); at += step) bounds_.push_back(samples_[at]);
    bounds_.push_back(kNoPlace);
    samples_ = {};
    pass_ = 0;
    StartPass();
    return Flow::MoreOutput();
  }

  Result<Flow> Load() {
    if (!section_.has_value()) {
      if (has_passes()) SkipPiecesOfOtherPasses();
      if (next_piece_ == build_.size()) {
        stage_ = Stage::kTable;
        return Flow::MoreOutput();
      }
      const bool is_first = pass_rows_ == std::numeric_limits<int64_t>::max();
      ARROW_ASSIGN_OR_RAISE(section_, BuiltRows());
      if (is_first) {
        pass_rows_ = PassRows(*section_);
        if (pass_rows_ < RowsOf(build_)) {
          ForgetLoaded();
          StartBounds();
          return Flow::MoreOutput();
        }
      }
    }
    const int64_t claim = ClaimOf(*section_);
    loaded_rows_ += section_->num_rows();
    if (!reservation_.TryGrow(claim)) {
      loaded_rows_ -= section_->num_rows();
      return Flow::NeedMemory(claim);
    }
    if (section_->num_rows() > 0) loaded_.push_back(std::move(*section_));
    section_.reset();
    return Flow::MoreOutput();
  }

  /// The loaded rows in the order of the built side.
  Result<JoinChunk> LoadedChunk() {
    ARROW_ASSIGN_OR_RAISE(const Batch rows, ConcatenateBatches(loaded_, context().pool));
    loaded_.clear();
    const auto width = terms_->build->num_fields();
    const PlacesIn places(rows, width);
    std::vector<int64_t> order(static_cast<size_t>(rows.num_rows()));
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [&](int64_t a, int64_t b) { return places[a] < places[b]; });
    const arrow::Int64Array indices(static_cast<int64_t>(order.size()),
                                    arrow::Buffer::Wrap(order.data(), order.size()));
    ARROW_ASSIGN_OR_RAISE(const Batch sorted, rows.Take(indices, context().pool));
    JoinChunk chunk;
    for (int64_t row : order) chunk.positions.push_back({places[row].first, places[row].second});
    chunk.batch = sorted.WithColumns({sorted.columns().begin(), sorted.columns().begin() + width});
    if (build_encoder_.has_value()) {
      ARROW_RETURN_NOT_OK(build_encoder_->Encode(chunk.batch, context().pool, &chunk.keys));
    }
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
    if (table_->part_count() > 0) {
      ARROW_ASSIGN_OR_RAISE(const bool more, table_->BuildStep(0, context()));
      if (more) return Flow::MoreOutput();
    }
    matcher_.emplace(terms_, *table_, probe_encoder(), context());
    next_piece_ = 0;
    next_probe_row_ = 0;
    is_matching_ = false;
    if (has_passes() && earlier_.empty()) {
      earlier_.resize(static_cast<size_t>(RowsOf(probe_)), JoinMatcher::Outcome::kNone);
    }
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
      ARROW_ASSIGN_OR_RAISE(Batch rows, ReadSome(probe_));
      const auto count = static_cast<size_t>(rows.num_rows());
      ARROW_RETURN_NOT_OK(matcher_->Begin(std::move(rows), rest_->pieces().null_keys()));
      if (has_passes()) {
        matcher_->ContinueFrom(std::span(earlier_).subspan(next_probe_row_, count), is_last_pass());
      }
      next_probe_row_ += count;
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
    if (rest_->pieces().is_spilled() && !is_last_pass()) {
      ++pass_;
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

  Stage stage_ = Stage::kPart;
  std::vector<Piece> build_;
  std::vector<Piece> probe_;
  std::vector<Place> samples_;  // of the rows to be cut into passes
  int64_t rows_seen_ = 0;
  int64_t pass_rows_ = 0;      // so many rows are one pass
  Place begin_ = kFirstPlace;  // of the first pass
  std::vector<Place> bounds_;  // pass i: the places from bounds_[i] to below bounds_[i + 1]
  size_t pass_ = 0;
  std::vector<JoinMatcher::Outcome> earlier_;  // per row of the probe, of the passes before
  size_t next_probe_row_ = 0;
  size_t next_piece_ = 0;
  std::optional<Batch> section_;
  std::vector<Batch> loaded_;
  int64_t loaded_rows_ = 0;
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
