// After the probe: joins what was written, key group by key group. A partition whose built rows do
// not fit is divided by more bits of the hash. Where one key has most of them it is joined in
// several passes, each over the built rows whose places are in one range: how many rows share one
// key does not matter, and matches stay in the order of the built side.
#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "arrow/array.h"
#include "headrace/exec/op/hash_join_partition.h"
#include "headrace/exec/op/hash_join_state.h"
#include "headrace/exec/op/join_matcher.h"

namespace headrace {
namespace {

// The rows of a pass take at most this part of the limit, over all lanes; more where nothing but
// what follows the join is beside them.
constexpr double kPassShare = 0.5;
constexpr double kPassShareAlone = 0.75;
// So many at most, whatever the limit: they are ordered in one step.
constexpr int64_t kPassRowsMax = int64_t{4} << 20;

// Bounds of passes are among so many rows of each.
constexpr int64_t kSamplesPerPass = 16;

// A child with this share of the rows has one key, or few.
constexpr double kOneKeyShare = 0.8;

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
        StartPart(part.ordinal().split);
        return Flow::MoreOutput();
      case Stage::kPartition:
        return StartPartition();
      case Stage::kDivideBuild:
        return DivideSome(partition_.build, *build_encoder_);
      case Stage::kDivideProbe:
        return DivideSome(partition_.probe, *probe_encoder_);
      case Stage::kBounds:
        return Bounds();
      case Stage::kLoad:
        return Load();
      case Stage::kOrder:
        return OrderLoaded();
      case Stage::kTable:
        return BuildTable();
      case Stage::kProbe:
        return Probe(out);
      case Stage::kUnmatched:
        return Unmatched(out);
    }
    return Error(ErrorKind::kInternal, "an impossible stage");
  }

  // While rows are loaded: forgets them and goes on with half of them. When it wants memory itself
  // what follows the join is to be asked first, which writes what it holds once.
  Result<int64_t> Reclaim(int64_t) override {
    if (std::exchange(others_first_, false)) return 0;
    if (stage_ == Stage::kDivideBuild || stage_ == Stage::kDivideProbe) return FlushDivided();
    if (stage_ != Stage::kLoad || pass_rows_ <= 1 || reservation_.bytes() == 0) return 0;
    const int64_t freed = reservation_.bytes();
    pass_rows_ = std::max<int64_t>(1, loaded_rows_ / 2);
    begin_ = bounds_.empty() ? kFirstJoinPlace : bounds_[pass_];
    ForgetLoaded();
    StartBounds();
    return freed;
  }

 private:
  enum class Stage : uint8_t {
    kPart,
    kPartition,
    kDivideBuild,
    kDivideProbe,
    kBounds,
    kLoad,
    kOrder,
    kTable,
    kProbe,
    kUnmatched
  };

  void StartPart(int64_t part) {
    HashJoinPieces& pieces = rest_->pieces();
    next_unmatched_ = 0;
    stage_ = Stage::kPartition;
    if (part == HashJoinRest::kResidentPart) {
      if (terms_->keeps_build()) {
        matcher_.emplace(terms_, *pieces.table(), probe_encoder(), context());
        stage_ = Stage::kUnmatched;
      } else {
        pieces.DropTable();
      }
      return;
    }
    const auto group = static_cast<int>(part - HashJoinRest::kFirstGroupPart);
    waiting_.push_back(
        {.build = PiecesOf(pieces.files(), group), .probe = PiecesOf(rest_->probe_files(), group)});
  }

  /// The next of those waiting.
  Result<Flow> StartPartition() {
    partition_ = {};
    if (waiting_.empty()) {
      stage_ = Stage::kPart;
      return Flow::NeedInput();
    }
    partition_ = std::move(waiting_.back());
    waiting_.pop_back();
    if (GivesNothing(partition_)) return Flow::MoreOutput();
    earlier_.clear();
    pass_rows_ = std::numeric_limits<int64_t>::max();
    begin_ = kFirstJoinPlace;
    bounds_ = {begin_, kNoJoinPlace};
    pass_ = 0;
    StartPass();
    return Flow::MoreOutput();
  }

  bool GivesNothing(const JoinPartition& partition) const {
    if (partition.probe.empty()) return !terms_->keeps_build() || partition.build.empty();
    return partition.build.empty() && terms_->drops_unmatched();
  }

  void ForgetLoaded() {
    next_piece_ = 0;
    loaded_.clear();
    loaded_rows_ = 0;
    section_.reset();
    matcher_.reset();
    table_.reset();
    chunk_ = JoinChunk();
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

  bool can_divide() const {
    return !terms_->build_keys.empty() && partition_.depth < kJoinSplitsMax &&
           !partition_.is_one_key;
  }

  void StartDividing(Stage stage) {
    const arrow::Schema& schema = stage == Stage::kDivideBuild ? *terms_->build : *terms_->probe;
    divided_.emplace(*WithPlaceColumns(schema, terms_->order_read), /*with_places=*/false,
                     "join-part");
    divided_->Open(context(), partition_.depth + 1);
    next_piece_ = 0;
    stage_ = stage;
  }

  /// One batch of a side; behind its last one the other side, or the children.
  Result<Flow> DivideSome(const JoinPieces& pieces, const KeyEncoder& encoder) {
    if (next_piece_ < pieces.size()) {
      ARROW_ASSIGN_OR_RAISE(const PiecesRead read, ReadPieces(pieces, &next_piece_, context()));
      ARROW_RETURN_NOT_OK(encoder.Encode(read.rows, context().pool, &keys_));
      all_rows_.resize(static_cast<size_t>(read.rows.num_rows()));
      std::iota(all_rows_.begin(), all_rows_.end(), 0U);
      ARROW_RETURN_NOT_OK(divided_->Add(read.rows, keys_.hashes, all_rows_));
      return Flow::MoreOutput();
    }
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<SpillFile> file, divided_->Take());
    divided_.reset();
    if (stage_ == Stage::kDivideBuild) {
      built_file_ = std::move(file);
      StartDividing(Stage::kDivideProbe);
    } else {
      AddChildren(std::move(file));
      stage_ = Stage::kPartition;
    }
    return Flow::MoreOutput();
  }

  void AddChildren(std::shared_ptr<SpillFile> probe_file) {
    const auto rows = static_cast<double>(RowsOf(partition_.build));
    for (int child = (1 << kJoinSplitBits) - 1; child >= 0; --child) {
      JoinPartition partition{.depth = partition_.depth + 1};
      if (built_file_ != nullptr) partition.build = PiecesOf({built_file_}, child);
      if (probe_file != nullptr) partition.probe = PiecesOf({probe_file}, child);
      partition.is_one_key = static_cast<double>(RowsOf(partition.build)) >= kOneKeyShare * rows;
      waiting_.push_back(std::move(partition));
    }
    built_file_.reset();
  }

  Result<int64_t> FlushDivided() {
    const int64_t freed = divided_->held_bytes();
    ARROW_RETURN_NOT_OK(divided_->Flush());
    return freed;
  }

  void SkipPiecesOfOtherPasses() {
    const JoinPieces& build = partition_.build;
    const auto is_other = [this](const JoinPiece& piece) {
      return piece.last < bounds_[pass_] || piece.first >= bounds_[pass_ + 1];
    };
    while (next_piece_ < build.size() && is_other(build[next_piece_])) ++next_piece_;
  }

  /// Of the built rows, where places were written.
  int width_before_places() const { return terms_->order_read ? terms_->build->num_fields() : -1; }

  // Built rows of this pass; there are pieces left.
  Result<Batch> BuiltRows() {
    ARROW_ASSIGN_OR_RAISE(PiecesRead read, ReadPieces(partition_.build, &next_piece_, context()));
    if (!has_passes()) return std::move(read.rows);
    const std::vector<JoinPlace> places = PlacesOf(read, partition_.build, width_before_places());
    auto kept = std::make_shared<std::vector<uint32_t>>();
    for (size_t row = 0; row < places.size(); ++row) {
      if (places[row] >= bounds_[pass_] && places[row] < bounds_[pass_ + 1]) {
        kept->push_back(static_cast<uint32_t>(row));
      }
    }
    return read.rows.WithSelection(std::move(kept)).Compact(context().pool);
  }

  const KeyEncoder* probe_encoder() const {
    return probe_encoder_.has_value() ? &*probe_encoder_ : nullptr;
  }
  bool has_passes() const { return bounds_.size() > 2 || begin_ != kFirstJoinPlace; }
  bool is_last_pass() const { return pass_ + 2 == bounds_.size(); }

  // The rows twice, or three times while they are brought in order; keys and table.
  int64_t ClaimOf(const Batch& rows) const {
    constexpr int64_t kTableBytes = 128;
    constexpr int64_t kTableBytesOfFixedKeys = 88;
    const bool is_fixed = build_encoder_.has_value() && build_encoder_->is_fixed();
    return (terms_->order_read ? 3 : 2) * rows.num_bytes() +
           (is_fixed ? kTableBytesOfFixedKeys : kTableBytes) * rows.num_rows();
  }

  // Rows of one pass, by what the first ones need.
  int64_t PassRows(const Batch& first) const {
    const bool is_alone = !terms_->order_read && !terms_->keeps_build();
    const auto share =
        static_cast<int64_t>(static_cast<double>(context().budget->limit_bytes()) *
                             (is_alone ? kPassShareAlone : kPassShare) / context().lanes);
    const int64_t row_bytes = ClaimOf(first) / std::max<int64_t>(1, first.num_rows());
    return std::clamp<int64_t>(share / std::max<int64_t>(1, row_bytes), 1, kPassRowsMax);
  }

  Result<Flow> Bounds() {
    JoinPieces& build = partition_.build;
    if (next_piece_ < build.size()) {
      JoinPiece& piece = build[next_piece_];
      PiecesRead read{.first_piece = next_piece_++};
      ARROW_ASSIGN_OR_RAISE(const auto section, piece.file->Read(piece.section));
      read.rows = Batch::FromRecordBatch(*section);
      AddSamples(PlacesOf(read, build, width_before_places()), piece);
      return Flow::MoreOutput();
    }
    std::sort(samples_.begin(), samples_.end());
    bounds_ = {begin_};
    const auto step = static_cast<size_t>(std::min(kSamplesPerPass, pass_rows_));
    for (size_t at = step; at < samples_.size(); at += step) bounds_.push_back(samples_[at]);
    bounds_.push_back(kNoJoinPlace);
    samples_ = {};
    pass_ = 0;
    StartPass();
    return Flow::MoreOutput();
  }

  void AddSamples(const std::vector<JoinPlace>& places, JoinPiece& piece) {
    const int64_t step = std::max<int64_t>(1, pass_rows_ / kSamplesPerPass);
    piece.first = kNoJoinPlace;
    piece.last = kFirstJoinPlace;
    for (const JoinPlace& place : places) {
      piece.first = std::min(piece.first, place);
      piece.last = std::max(piece.last, place);
      if (place < begin_) continue;
      if (rows_seen_++ % step == 0) samples_.push_back(place);
    }
  }

  Result<Flow> Load() {
    if (!section_.has_value()) {
      if (has_passes()) SkipPiecesOfOtherPasses();
      if (next_piece_ == partition_.build.size()) {
        stage_ = Stage::kOrder;
        return Flow::MoreOutput();
      }
      const bool is_first = pass_rows_ == std::numeric_limits<int64_t>::max();
      ARROW_ASSIGN_OR_RAISE(section_, BuiltRows());
      if (is_first) {
        pass_rows_ = PassRows(*section_);
        if (pass_rows_ < RowsOf(partition_.build)) return LoadLess();
      }
    }
    const int64_t claim = ClaimOf(*section_);
    loaded_rows_ += section_->num_rows();
    if (!reservation_.TryGrow(claim)) {
      loaded_rows_ -= section_->num_rows();
      others_first_ = true;
      return Flow::NeedMemory(claim);
    }
    others_first_ = false;
    if (section_->num_rows() > 0) loaded_.push_back(std::move(*section_));
    section_.reset();
    return Flow::MoreOutput();
  }

  /// The built rows do not fit.
  Result<Flow> LoadLess() {
    ForgetLoaded();
    if (can_divide()) {
      StartDividing(Stage::kDivideBuild);
    } else {
      StartBounds();
    }
    return Flow::MoreOutput();
  }

  /// The loaded rows become one chunk, in the order of the built side.
  Result<Flow> OrderLoaded() {
    stage_ = Stage::kTable;
    if (loaded_.empty()) return Flow::MoreOutput();
    ARROW_ASSIGN_OR_RAISE(chunk_.batch, ConcatenateBatches(loaded_, context().pool));
    loaded_.clear();
    if (!terms_->order_read) return Flow::MoreOutput();
    const auto width = terms_->build->num_fields();
    const std::vector<JoinPlace> places = PlacesOf({.rows = chunk_.batch}, {}, width);
    std::vector<int64_t> order = OrderOf(places);
    const arrow::Int64Array indices(static_cast<int64_t>(order.size()),
                                    arrow::Buffer::Wrap(order.data(), order.size()));
    const std::vector<ArrayPtr>& columns = chunk_.batch.columns();
    const Batch own = chunk_.batch.WithColumns({columns.begin(), columns.begin() + width});
    ARROW_ASSIGN_OR_RAISE(chunk_.batch, own.Take(indices, context().pool));
    for (int64_t row : order) {
      const JoinPlace& place = places[static_cast<size_t>(row)];
      chunk_.positions.push_back({place.first, place.second});
    }
    return Flow::MoreOutput();
  }

  Result<Flow> BuildTable() {
    if (table_ == nullptr) {
      table_ = std::make_shared<JoinTable>(terms_);
      std::vector<JoinChunk> chunks;
      if (chunk_.batch.num_rows() > 0) chunks.push_back(std::exchange(chunk_, JoinChunk()));
      if (!chunks.empty() && build_encoder_.has_value()) {
        JoinChunk& chunk = chunks.front();
        ARROW_RETURN_NOT_OK(build_encoder_->Encode(chunk.batch, context().pool, &chunk.keys));
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
      earlier_.resize(static_cast<size_t>(RowsOf(partition_.probe)), JoinMatcher::Outcome::kNone);
    }
    stage_ = Stage::kProbe;
    return Flow::MoreOutput();
  }

  Result<Flow> Probe(Out& out) {
    if (!is_matching_) {
      if (next_piece_ == partition_.probe.size()) {
        next_unmatched_ = 0;
        stage_ = Stage::kUnmatched;
        return Flow::MoreOutput();
      }
      ARROW_ASSIGN_OR_RAISE(PiecesRead read, ReadPieces(partition_.probe, &next_piece_, context()));
      const auto count = static_cast<size_t>(read.rows.num_rows());
      ARROW_RETURN_NOT_OK(matcher_->Begin(std::move(read.rows), rest_->pieces().null_keys()));
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
    const bool was_resident = table_ == nullptr;
    if (!was_resident && !is_last_pass()) {
      ++pass_;
      StartPass();
      return Flow::MoreOutput();
    }
    ForgetLoaded();
    if (was_resident) rest_->pieces().DropTable();
    stage_ = Stage::kPartition;
    return Flow::MoreOutput();
  }

  const HashJoinTermsPtr terms_;
  const std::shared_ptr<HashJoinRest> rest_;
  std::optional<KeyEncoder> build_encoder_;
  std::optional<KeyEncoder> probe_encoder_;

  Stage stage_ = Stage::kPart;
  std::vector<JoinPartition> waiting_;  // of the part in work; the next one is the last
  JoinPartition partition_;             // in work
  std::optional<JoinRowWriter> divided_;
  std::shared_ptr<SpillFile> built_file_;  // of its children
  EncodedKeys keys_;
  std::vector<uint32_t> all_rows_;
  std::vector<JoinPlace> samples_;  // of the rows to be cut into passes
  int64_t rows_seen_ = 0;
  int64_t pass_rows_ = 0;              // so many rows are one pass
  JoinPlace begin_ = kFirstJoinPlace;  // of the first pass
  std::vector<JoinPlace> bounds_;      // pass i: the places from bounds_[i] to below bounds_[i + 1]
  size_t pass_ = 0;
  std::vector<JoinMatcher::Outcome> earlier_;  // per row of the probe, of the passes before
  size_t next_probe_row_ = 0;
  size_t next_piece_ = 0;
  std::optional<Batch> section_;
  std::vector<Batch> loaded_;
  int64_t loaded_rows_ = 0;
  bool others_first_ = false;
  Reservation reservation_;
  JoinChunk chunk_;  // of all rows loaded
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
