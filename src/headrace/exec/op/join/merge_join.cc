// Pairs of rows are collected until a batch is full, or until rows that they refer to have to go. A
// key whose rows of the minor side end within the batch at hand is joined there; rows that may go
// on in the next batch, or that a condition looks at, are collected in a KeyRun first.
#include "headrace/exec/op/join/merge_join.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/base/limits.h"
#include "headrace/exec/op/join/key_run.h"
#include "headrace/exec/op/join/merge_pairs.h"
#include "headrace/exec/op/join/merge_side.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/physical.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

class MergeJoin final : public Operator {
 public:
  explicit MergeJoin(MergeJoinTermsPtr terms) : terms_(std::move(terms)) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    reservation_ = Reservation(context.budget);
    const MergeJoinTerms& terms = *terms_;
    ARROW_ASSIGN_OR_RAISE(MergeSide major,
                          MergeSide::Make(*terms.major, terms.major_order, terms.nulls_match));
    ARROW_ASSIGN_OR_RAISE(MergeSide minor,
                          MergeSide::Make(*terms.minor, terms.minor_order, terms.nulls_match));
    major_.emplace(std::move(major));
    minor_.emplace(std::move(minor));
    run_.emplace(this->context(), terms.minor, minor_->rows());
    pairs_.emplace(terms_, major_->rows(), minor_->rows(), this->context());
    return Status::OK();
  }

  int Wants() const override { return wanted_; }

  Result<Flow> Push(int port, Batch& batch, Out& out) override {
    if (!in_call_) {
      ARROW_ASSIGN_OR_RAISE(batch, batch.Compact(context().pool));
      ARROW_ASSIGN_OR_RAISE(batch, DecodeBatch(batch, context().pool));
      const int64_t bytes = MergeSide::BytesToTake(batch);
      if (!reservation_.TryGrow(bytes)) return Flow::NeedMemory(bytes);
      side_bytes_[static_cast<size_t>(port)] = bytes;
      ARROW_RETURN_NOT_OK(SideOf(port).Take(batch, context().pool));
      if (port == MergeJoinSpec::kMinor) matched_end_ = 0;
      in_call_ = true;
    }
    return Merge(out);
  }

  Result<Flow> Finish(int port, Out& out) override {
    SideOf(port).End();
    in_call_ = true;
    return Merge(out);
  }

  Result<int64_t> Reclaim(int64_t) override {
    const int64_t before = reservation_.bytes();
    ARROW_RETURN_NOT_OK(run_->Spill());
    Charge();
    return before - reservation_.bytes();
  }

  Status Save(StateWriter&) override {
    return Error(ErrorKind::kUnsupported, "a merge join cannot be part of a checkpoint");
  }

 private:
  /// What comes next.
  enum class Move : uint8_t {
    kGoOn,
    kGive,   // the pairs, since rows that they refer to have to go
    kMajor,  // a batch of that side
    kMinor,
    kMemory,  // bytes_wanted_
    kEnd,
  };

  MergeSide& SideOf(int port) { return port == MergeJoinSpec::kMajor ? *major_ : *minor_; }

  // What is charged falls to what is held.
  void Charge() { reservation_.TryResize(std::min(reservation_.bytes(), HeldBytes())); }
  int64_t HeldBytes() const {
    return side_bytes_[0] + side_bytes_[1] + run_->bytes() + flag_bytes_;
  }

  Result<Flow> Merge(Out& out) {
    while (true) {
      Move move = Move::kGive;
      if (!pairs_->is_full()) {
        ARROW_ASSIGN_OR_RAISE(move, Advance());
      }
      if (move == Move::kGoOn) continue;
      if (move == Move::kMemory) return Flow::NeedMemory(bytes_wanted_);
      ARROW_RETURN_NOT_OK(pairs_->Give(out));
      if (move == Move::kGive) return Flow::MoreOutput();
      in_call_ = false;
      if (move == Move::kEnd) return Flow::Finished();
      wanted_ = move == Move::kMajor ? MergeJoinSpec::kMajor : MergeJoinSpec::kMinor;
      return Flow::NeedInput();
    }
  }

  Result<Move> Advance() {
    if (run_->is_open()) return is_collecting_ ? Collect() : JoinRun();
    if (!major_->has_row()) {
      if (!IsDone(*major_)) return Refill(MergeJoinSpec::kMajor);
      return terms_->keeps_minor() ? PassMinorRest() : Move::kEnd;
    }
    if (!minor_->has_row()) {
      if (!IsDone(*minor_)) return Refill(MergeJoinSpec::kMinor);
      if (terms_->drops_unmatched()) return Move::kEnd;
      PassMajor(major_->num_rows());
      return Move::kGoOn;
    }
    JoinAtHand();
    return Move::kGoOn;
  }

  static bool IsDone(const MergeSide& side) { return side.has_ended() && !side.has_chunk(); }

  // A side whose batch has been passed.
  Move Refill(int port) {
    MergeSide& side = SideOf(port);
    if (!side.has_chunk()) return port == MergeJoinSpec::kMajor ? Move::kMajor : Move::kMinor;
    if (!pairs_->empty()) return Move::kGive;
    side.Drop();
    side_bytes_[static_cast<size_t>(port)] = 0;
    Charge();
    return Move::kGoOn;
  }

  Move PassMinorRest() {
    if (!minor_->has_row()) return IsDone(*minor_) ? Move::kEnd : Refill(MergeJoinSpec::kMinor);
    PassMinor(minor_->num_rows());
    return Move::kGoOn;
  }

  /// Rows up to `end` match nothing.
  void PassMajor(int64_t end) {
    if (terms_->drops_unmatched()) return major_->GoTo(end);
    int64_t row = major_->next();
    for (; row < end && !pairs_->is_full(); ++row) pairs_->AddEndOfMajor(major_->RefOf(row), false);
    major_->GoTo(row);
  }

  /// Rows up to `end` match nothing more.
  void PassMinor(int64_t end) {
    if (!terms_->keeps_minor()) return minor_->GoTo(end);
    int64_t row = std::max(minor_->next(), std::min(matched_end_, end));
    for (; row < end && !pairs_->is_full(); ++row) pairs_->AddMinor(minor_->RefOf(row));
    minor_->GoTo(row);
  }

  // While both sides have rows, and up to a run.
  void JoinAtHand() {
    MergeSide& major = *major_;
    MergeSide& minor = *minor_;
    while (major.has_row() && minor.has_row() && !pairs_->is_full()) {
      const int order = major.key().compare(minor.key());
      if (order < 0) {
        PassMajor(major.FirstNotBelow(minor.key()));
      } else if (order > 0) {
        PassMinor(minor.FirstNotBelow(major.key()));
      } else if (major.is_unmatched()) {
        PassMajor(major.next() + 1);
      } else if (!JoinKeyAtHand()) {
        return StartRun();
      }
    }
  }

  /// The rows of both sides at hand that have one key; false: there is more to it.
  bool JoinKeyAtHand() {
    if (pairs_->has_condition()) return false;
    MergeSide& major = *major_;
    MergeSide& minor = *minor_;
    const bool needs_rows = terms_->gives_pairs();
    const std::string_view key = minor.key();
    const int64_t end = needs_rows ? minor.FirstAbove(key) : minor.next();
    if (needs_rows && (end == minor.num_rows() || end - minor.next() > pairs_->room())) {
      return false;
    }
    matched_end_ = end;
    int64_t row = major.next();
    do {
      const RowRef major_row = major.RefOf(row++);
      for (int64_t other = minor.next(); other < end; ++other) {
        pairs_->AddPair(major_row, minor.RefOf(other));
      }
      if (!needs_rows) pairs_->AddEndOfMajor(major_row, true);
      major.GoTo(row);
    } while (major.has_row() && pairs_->room() >= std::max<int64_t>(1, end - minor.next()) &&
             major.key() == key);
    if (needs_rows && major.has_row() && major.key() != key) minor.GoTo(end);
    return true;
  }

  void StartRun() {
    run_->Open(minor_->key());
    is_collecting_ = true;
    matched_end_ = 0;
  }

  /// The rows of the minor side that have the key of the run.
  Result<Move> Collect() {
    if (!minor_->has_row()) {
      if (!IsDone(*minor_)) return Refill(MergeJoinSpec::kMinor);
      return EndCollecting();
    }
    const int64_t begin = minor_->next();
    const int64_t end = minor_->FirstAbove(run_->key());
    if (end < minor_->num_rows()) {
      if (end > begin) run_->AddBorrowed(minor_->RefOf(0).chunk, begin, end);
      minor_->GoTo(end);
      return EndCollecting();
    }
    // The keys go; the rows are the run's.
    const int64_t bytes = side_bytes_[MergeJoinSpec::kMinor] / 2;
    side_bytes_[MergeJoinSpec::kMinor] = 0;
    run_->AddOwned(minor_->GiveChunk(), begin, end, std::max<int64_t>(bytes, 1));
    Charge();
    return Move::kGoOn;
  }

  // Which rows of the run matched is kept where those that did not are given.
  Move EndCollecting() {
    const bool has_flags = pairs_->has_condition() && terms_->keeps_minor();
    const int64_t bytes = has_flags ? run_->num_rows() : 0;
    if (!reservation_.TryGrow(bytes)) {
      bytes_wanted_ = bytes;
      return Move::kMemory;
    }
    flag_bytes_ = bytes;
    pairs_->StartRun(run_->num_rows());
    is_collecting_ = false;
    piece_ = 0;
    row_ = 0;
    return Move::kGoOn;
  }

  /// The next row of the major side, or what is left when none has the key of the run any more.
  Result<Move> JoinRun() {
    if (!major_->has_row()) {
      if (!IsDone(*major_)) return Refill(MergeJoinSpec::kMajor);
    } else if (major_->key() == run_->key()) {
      return JoinRowWithRun();
    }
    return EndRun();
  }

  Result<Move> JoinRowWithRun() {
    const RowRef major_row = major_->RefOf(major_->next());
    // Of rows that are given once one match is enough.
    while (piece_ < run_->num_pieces() && (terms_->gives_pairs() || !pairs_->is_matched())) {
      ARROW_ASSIGN_OR_RAISE(const Move move, JoinRowWithPiece([&](const KeyRun::Rows& rows) {
                              pairs_->AddCandidate(major_row, RefIn(rows), rows.first + row_);
                            }));
      if (move != Move::kGoOn || pairs_->is_full()) return move;
    }
    piece_ = 0;
    row_ = 0;
    if (pairs_->has_condition()) pairs_->AddEndOfMajor(major_row, true);
    major_->GoTo(major_->next() + 1);
    return Move::kGoOn;
  }

  RowRef RefIn(const KeyRun::Rows& rows) const {
    return {rows.chunk, static_cast<int32_t>(rows.begin + row_)};
  }

  /// Calls `add` for the rows of piece_ from row_ on while there is room for pairs, and goes on to
  /// the next piece behind the last one.
  template <typename Add>
  Result<Move> JoinRowWithPiece(Add add) {
    if (const int64_t more = run_->BytesToLoad(piece_); more > 0) {
      if (!pairs_->empty()) return Move::kGive;
      run_->Unload();
      Charge();
      if (!reservation_.TryGrow(more)) {
        bytes_wanted_ = more;
        return Move::kMemory;
      }
    }
    ARROW_ASSIGN_OR_RAISE(const KeyRun::Rows rows, run_->Load(piece_));
    const int64_t count = rows.end - rows.begin;
    for (; row_ < count && !pairs_->is_full(); ++row_) add(rows);
    if (row_ < count) return Move::kGoOn;
    row_ = 0;
    ++piece_;
    return Move::kGoOn;
  }

  /// Rows of the run that matched nothing are given where that is asked for; then it goes.
  Result<Move> EndRun() {
    while (pairs_->has_condition() && terms_->keeps_minor() && piece_ < run_->num_pieces()) {
      ARROW_ASSIGN_OR_RAISE(const Move move, JoinRowWithPiece([&](const KeyRun::Rows& rows) {
                              pairs_->AddEndOfMinor(RefIn(rows), rows.first + row_);
                            }));
      if (move != Move::kGoOn || pairs_->is_full()) return move;
    }
    if (run_->bytes() > 0 && !pairs_->empty()) return Move::kGive;
    run_->Close();
    pairs_->EndRun();
    flag_bytes_ = 0;
    piece_ = 0;
    row_ = 0;
    Charge();
    return Move::kGoOn;
  }

  const MergeJoinTermsPtr terms_;
  std::optional<MergeSide> major_;
  std::optional<MergeSide> minor_;
  std::optional<KeyRun> run_;
  std::optional<MergePairs> pairs_;
  Reservation reservation_;
  std::array<int64_t, 2> side_bytes_ = {0, 0};
  int wanted_ = MergeJoinSpec::kMajor;
  bool in_call_ = false;  // that is repeated while it has output
  int64_t bytes_wanted_ = 0;
  int64_t matched_end_ = 0;  // rows of the minor batch before it have matched
  // Of the run: its rows still come; where the row of the major side in work goes on.
  bool is_collecting_ = false;
  size_t piece_ = 0;
  int64_t row_ = 0;
  int64_t flag_bytes_ = 0;
};

std::vector<bool> MergeReadsOf(const MergeJoinTerms& terms,
                               const std::optional<std::vector<int>>& read) {
  const int major_width = terms.major->num_fields();
  const int minor_width = terms.minor->num_fields();
  std::vector<bool> reads(static_cast<size_t>(major_width + minor_width), !read.has_value());
  if (!read.has_value()) return reads;
  for (int column : *read) {
    if (!terms.major_is_left) column += column < minor_width ? major_width : -minor_width;
    reads[static_cast<size_t>(column)] = true;
  }
  return reads;
}

MergeJoinTermsPtr TermsOfMerge(const MergeJoinNode& merge, const RowsRead& read) {
  auto terms = std::make_shared<MergeJoinTerms>();
  const JoinNode& join = *merge.join;
  const PlanNode& left = *join.inputs()[0];
  const PlanNode& right = *join.inputs()[1];
  terms->major_is_left = join.terms.build == JoinSide::kRight;
  terms->major = terms->major_is_left ? left.schema() : right.schema();
  terms->minor = terms->major_is_left ? right.schema() : left.schema();
  terms->major_order = terms->major_is_left ? merge.order.left : merge.order.right;
  terms->minor_order = terms->major_is_left ? merge.order.right : merge.order.left;
  for (size_t i = 0; i < merge.order.left.size(); ++i) {
    size_t pair = 0;
    while (join.terms.left_keys[pair] != merge.order.left[i].column ||
           join.terms.right_keys[pair] != merge.order.right[i].column) {
      ++pair;
    }
    terms->nulls_match.push_back(join.terms.nulls[pair] == NullMatching::kMatch);
  }
  terms->kind = join.kind;
  terms->residual = join.terms.residual;
  terms->reads = MergeReadsOf(*terms, read.columns);
  terms->description = merge.Describe();
  if (terms->major_is_left || terms->residual == nullptr) return terms;
  const int left_width = left.schema()->num_fields();
  const int right_width = right.schema()->num_fields();
  terms->residual = ReplaceColumns(terms->residual, [&](const Expression& column) -> ExpressionPtr {
    auto moved = std::make_shared<Expression>(column);
    moved->column += column.column < left_width ? right_width : -left_width;
    return moved;
  });
  return terms;
}

}  // namespace

std::unique_ptr<Operator> MergeJoinSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<MergeJoin>(terms);
}

Status LowerMergeJoin(const PlanNode& node, Lowering& lowering) {
  const auto& merge = static_cast<const MergeJoinNode&>(node);
  MergeJoinTermsPtr terms = TermsOfMerge(merge, lowering.rows_read());
  const size_t major = terms->major_is_left ? 0 : 1;
  std::vector<int> channels;
  for (const size_t side : {major, 1 - major}) {
    ARROW_RETURN_NOT_OK(lowering.Lower(*node.inputs()[side]));
    channels.push_back(lowering.EndInChannel());
  }
  lowering.StartPorts(channels, std::make_shared<MergeJoinSpec>(std::move(terms)));
  return Status::OK();
}

}  // namespace headrace
