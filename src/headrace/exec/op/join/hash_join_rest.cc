// After the probe: joins what was written, partition by partition. A partition whose built rows do
// not fit is divided by more bits of the hash. Where one key has most of them it is joined in
// several passes, each over some of the built rows: how many share one key does not matter.
#include <limits>
#include <utility>

#include "arrow/type.h"
#include "headrace/exec/op/join/hash_join_state.h"
#include "headrace/exec/op/join/join_built_rows.h"
#include "headrace/exec/op/join/join_division.h"
#include "headrace/exec/op/join/join_matcher.h"
#include "headrace/exec/op/join/join_passes.h"

namespace headrace {
namespace {

class HashJoinRestOperator final : public Operator {
 public:
  HashJoinRestOperator(HashJoinTermsPtr terms, std::shared_ptr<HashJoinRest> rest)
      : terms_(std::move(terms)),
        rest_(std::move(rest)),
        passes_(terms_->order_read ? terms_->build->num_fields() : -1) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    if (!terms_->build_keys.empty()) {
      ARROW_ASSIGN_OR_RAISE(build_encoder_,
                            KeyEncoder::Make(KeyColumnsOf(*terms_->build, terms_->build_keys)));
      ARROW_ASSIGN_OR_RAISE(probe_encoder_,
                            KeyEncoder::Make(KeyColumnsOf(*terms_->probe, terms_->probe_keys)));
    }
    built_.emplace(terms_, build_encoder_.has_value() ? &*build_encoder_ : nullptr,
                   this->context());
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& part, Out& out) override {
    switch (stage_) {
      case Stage::kPart:
        StartPart(part.ordinal().split);
        return Flow::MoreOutput();
      case Stage::kPartition:
        return StartPartition();
      case Stage::kDivide:
        return Divide();
      case Stage::kCut:
        return Cut();
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

  // While rows are loaded: forgets them and goes on with half of them. When it wants memory itself
  // what follows the join is to be asked first, which writes what it holds once.
  Result<int64_t> Reclaim(int64_t) override {
    if (std::exchange(others_first_, false)) return 0;
    if (stage_ == Stage::kDivide) return division_->Reclaim();
    if (stage_ != Stage::kLoad || pass_rows_ <= 1 || built_->claimed_bytes() == 0) return 0;
    const int64_t freed = built_->claimed_bytes();
    pass_rows_ = std::max<int64_t>(1, built_->num_rows() / 2);
    ForgetLoaded();
    StartCutting();
    return freed;
  }

 private:
  enum class Stage : uint8_t {
    kPart,
    kPartition,
    kDivide,
    kCut,
    kLoad,
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
    const auto partition = static_cast<int>(part - HashJoinRest::kFirstWrittenPart);
    waiting_.push_back({.build = PiecesOf(pieces.files(), partition),
                        .probe = PiecesOf(rest_->probe_files(), partition),
                        .bits = pieces.written_bits(context())});
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
    if (!partition_.probe.empty() || !partition_.build.empty()) {
      Count(context().metrics, &OperatorMetrics::partitions);
    }
    earlier_.clear();
    pass_rows_ = kRowsNotKnown;
    passes_.Reset();
    StartPass();
    return Flow::MoreOutput();
  }

  bool GivesNothing(const JoinPartition& partition) const {
    if (partition.probe.empty()) return !terms_->keeps_build() || partition.build.empty();
    return partition.build.empty() && terms_->drops_unmatched();
  }

  void ForgetLoaded() {
    next_piece_ = 0;
    section_.reset();
    matcher_.reset();
    built_->Clear();
  }

  void StartPass() {
    ForgetLoaded();
    stage_ = Stage::kLoad;
  }

  void StartCutting() {
    Count(context().metrics, &OperatorMetrics::passes);
    passes_.StartCutting(pass_rows_);
    stage_ = Stage::kCut;
  }

  Result<Flow> Cut() {
    ARROW_ASSIGN_OR_RAISE(const bool more, passes_.CutStep(partition_.build, &next_piece_));
    if (!more) StartPass();
    return Flow::MoreOutput();
  }

  Result<Flow> Divide() {
    ARROW_ASSIGN_OR_RAISE(const bool more, division_->Step());
    if (more) return Flow::MoreOutput();
    std::vector<JoinPartition> children = division_->TakeChildren();
    waiting_.insert(waiting_.end(), std::make_move_iterator(children.rbegin()),
                    std::make_move_iterator(children.rend()));
    division_.reset();
    stage_ = Stage::kPartition;
    return Flow::MoreOutput();
  }

  const KeyEncoder* probe_encoder() const {
    return probe_encoder_.has_value() ? &*probe_encoder_ : nullptr;
  }

  Result<Flow> Load() {
    if (!section_.has_value()) {
      passes_.SkipOthers(partition_.build, &next_piece_);
      if (next_piece_ == partition_.build.size()) {
        stage_ = Stage::kTable;
        return Flow::MoreOutput();
      }
      ARROW_ASSIGN_OR_RAISE(PiecesRead read, ReadPieces(partition_.build, &next_piece_, context()));
      ARROW_ASSIGN_OR_RAISE(section_,
                            passes_.RowsOfPass(std::move(read), partition_.build, context().pool));
      if (pass_rows_ == kRowsNotKnown) {
        pass_rows_ = built_->RowsThatFit(*section_);
        if (pass_rows_ < RowsOf(partition_.build)) return LoadLess();
      }
    }
    const int64_t wanted = built_->TryAdd(*section_);
    others_first_ = wanted > 0;
    if (wanted > 0) return Flow::NeedMemory(wanted);
    section_.reset();
    return Flow::MoreOutput();
  }

  /// The built rows do not fit.
  Result<Flow> LoadLess() {
    ForgetLoaded();
    if (terms_->build_keys.empty() || !JoinDivision::CanDivide(partition_)) {
      StartCutting();
      return Flow::MoreOutput();
    }
    // Some children have more rows than others.
    const int64_t rows = RowsOf(partition_.build);
    division_.emplace(*terms_, partition_, (rows + rows / 4) / pass_rows_, *build_encoder_,
                      *probe_encoder_, context());
    Count(context().metrics, &OperatorMetrics::passes);
    stage_ = Stage::kDivide;
    return Flow::MoreOutput();
  }

  Result<Flow> BuildTable() {
    ARROW_ASSIGN_OR_RAISE(const bool more, built_->BuildStep());
    if (more) return Flow::MoreOutput();
    matcher_.emplace(terms_, *built_->table(), probe_encoder(), context());
    next_piece_ = 0;
    next_probe_row_ = 0;
    is_matching_ = false;
    if (passes_.has_many() && earlier_.empty()) {
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
      if (passes_.has_many()) {
        matcher_->ContinueFrom(std::span(earlier_).subspan(next_probe_row_, count),
                               passes_.is_last());
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
    const bool was_resident = built_->table() == nullptr;
    if (!was_resident && !passes_.is_last()) {
      Count(context().metrics, &OperatorMetrics::passes);
      passes_.Next();
      StartPass();
      return Flow::MoreOutput();
    }
    ForgetLoaded();
    if (was_resident) rest_->pieces().DropTable();
    stage_ = Stage::kPartition;
    return Flow::MoreOutput();
  }

  static constexpr int64_t kRowsNotKnown = std::numeric_limits<int64_t>::max();

  const HashJoinTermsPtr terms_;
  const std::shared_ptr<HashJoinRest> rest_;
  std::optional<KeyEncoder> build_encoder_;
  std::optional<KeyEncoder> probe_encoder_;

  Stage stage_ = Stage::kPart;
  std::vector<JoinPartition> waiting_;  // of the part in work; the next one is the last
  JoinPartition partition_;             // in work
  std::optional<JoinDivision> division_;
  JoinPasses passes_;
  int64_t pass_rows_ = 0;  // so many rows are one pass
  std::optional<JoinBuiltRows> built_;
  size_t next_piece_ = 0;
  std::optional<Batch> section_;
  bool others_first_ = false;
  std::optional<JoinMatcher> matcher_;
  std::vector<JoinMatcher::Outcome> earlier_;  // per row of the probe, of the passes before
  size_t next_probe_row_ = 0;
  bool is_matching_ = false;
  int64_t next_unmatched_ = 0;
};

}  // namespace

std::unique_ptr<Operator> HashJoinRestSpec::Make(std::shared_ptr<GlobalState> global) const {
  return std::make_unique<HashJoinRestOperator>(terms,
                                                std::static_pointer_cast<HashJoinRest>(global));
}

}  // namespace headrace
