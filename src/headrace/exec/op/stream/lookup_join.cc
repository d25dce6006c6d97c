// One lane of a lookup join. A batch is probed in pieces, so that keys with many rows do not give
// more matches at once than memory holds; the matches of a piece are given in steps: candidates
// are collected, compared, and what passed is gathered.
#include "headrace/exec/op/stream/lookup_join.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/exec/op/filter.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/op/stream/matched_keys.h"
#include "headrace/exec/op/stream/pair_condition.h"
#include "headrace/exec/op/take_rows.h"
#include "headrace/exec/physical.h"
#include "headrace/plan/transform.h"
#include "headrace/table/unready.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

/// A piece of a batch is as long as it may be without more matches than this, as far as the pieces
/// before it tell.
constexpr int64_t kMatchesPerPiece = 4 * kBatchRowsMax;
constexpr int64_t kFirstPieceRows = 64;
/// Room for more matches is given back.
constexpr size_t kMatchesKept = 4 * kMatchesPerPiece;
/// Rows whose size is not known are gathered in steps of so many at first.
constexpr int64_t kFirstStepRows = 1024;
constexpr int64_t kNoRow = -1;

ExpressionPtr ConditionOf(const LookupTerms& terms, int width) {
  std::vector<ExpressionPtr> parts;
  if (terms.filter != nullptr) {
    parts.push_back(ReplaceColumns(terms.filter, [&](const Expression& column) {
      return Expression::Column(width + column.column, column.name, column.type);
    }));
  }
  if (terms.residual != nullptr) parts.push_back(terms.residual);
  return parts.empty() ? nullptr : MakeConjunction(std::move(parts));
}

bool AllFixedWidth(const arrow::Schema& schema, const std::vector<int>& columns) {
  return std::all_of(columns.begin(), columns.end(), [&](int column) {
    return arrow::is_fixed_width(PlainType(schema.field(column)->type())->id());
  });
}

/// Candidates of one step: row `probe[i]` of the piece with row `ids[i]` of the table.
struct Pairs {
  std::vector<uint32_t> probe;
  std::vector<int64_t> ids;

  size_t size() const { return probe.size(); }
  void Clear() {
    probe.clear();
    ids.clear();
  }
  void Add(uint32_t row, int64_t id) {
    probe.push_back(row);
    ids.push_back(id);
  }
};

class LookupJoin final : public Operator {
 public:
  LookupJoin(const LookupJoinSpec& spec, std::shared_ptr<GlobalState> global)
      : spec_(spec), global_(std::static_pointer_cast<LookupJoinState>(std::move(global))) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    reservation_ = Reservation(context.budget);
    unready_ = dynamic_cast<UnreadyTable*>(spec_.table.get());
    ARROW_ASSIGN_OR_RAISE(reader_, spec_.table->lookup()->OpenReader(spec_.terms.table_keys));
    if (spec_.condition != nullptr) {
      condition_.emplace(spec_.condition, spec_.stream->num_fields());
    }
    if (spec_.keeps_table()) {
      ARROW_ASSIGN_OR_RAISE(matched_, MatchedKeys::Make(spec_, context));
    }
    const bool is_fixed = AllFixedWidth(*spec_.table->schema(), spec_.terms.columns);
    step_rows_ = is_fixed ? context.batch_rows : std::min(kFirstStepRows, context.batch_rows);
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (!batch_.has_value()) {
      if (unready_ != nullptr && unready_->LeavesOut(batch.num_rows())) {
        return Flow::NeedInput();
      }
      ARROW_ASSIGN_OR_RAISE(batch_, batch.Compact(context().pool));
      piece_end_ = 0;
      has_match_.assign(spec_.gives_pairs() ? 0 : static_cast<size_t>(batch_->num_rows()), false);
    }
    if (!has_piece_) ARROW_RETURN_NOT_OK(ProbePiece());
    const int64_t more = MatchBytes() - reservation_.bytes();
    if (!reservation_.TryResize(MatchBytes())) return Flow::NeedMemory(more);
    if (!has_step_) ARROW_RETURN_NOT_OK(TakeStep());
    if (spec_.keeps_table()) {
      ARROW_ASSIGN_OR_RAISE(const int64_t refused, KeepMatched());
      if (refused > 0) return Flow::NeedMemory(refused);
    }
    if (spec_.gives_pairs()) ARROW_RETURN_NOT_OK(EmitPairs(out));
    has_step_ = false;
    has_piece_ = row_ < piece_.num_rows();
    if (has_piece_ || piece_end_ < batch_->num_rows()) return Flow::MoreOutput();
    if (!spec_.gives_pairs()) EmitRows(out);
    batch_.reset();
    return Flow::NeedInput();
  }

  Result<Flow> Finish(int, Out& out) override {
    if (!spec_.keeps_table()) return Flow::NeedInput();
    if (!has_ended_) {
      has_ended_ = true;
      reader_.reset();
      is_last_ = global_->End(matched_, context().lanes);
      if (!is_last_) return Flow::NeedInput();
      unmatched_.emplace(spec_, context(), global_->keys());
      ARROW_RETURN_NOT_OK(unmatched_->Open());
    }
    return is_last_ ? unmatched_->Step(out) : Flow::NeedInput();
  }

  Status Save(StateWriter& writer) override {
    return spec_.keeps_table() ? matched_->Save(writer) : Status::OK();
  }
  Status Load(StateReader& reader) override {
    if (!spec_.keeps_table()) return Status::OK();
    const auto [first, last] = KeyGroupsOfLane(context().lane, context().lanes);
    return matched_->Load(reader, first, last);
  }

 private:
  // -- Probing --

  /// Looks the next rows of the batch up.
  Status ProbePiece() {
    const int64_t begin = piece_end_;
    const int64_t count = std::min(piece_rows_, batch_->num_rows() - begin);
    piece_ = count == batch_->num_rows() ? *batch_ : batch_->Slice(begin, count);
    piece_begin_ = begin;
    piece_end_ = begin + count;
    std::vector<ArrayPtr> keys;
    for (int key : spec_.terms.stream_keys) keys.push_back(piece_.column(key));
    if (matches_.row_ids.capacity() > kMatchesKept) matches_ = {};
    ARROW_RETURN_NOT_OK(reader_->Probe(keys, &matches_));
    const auto found = static_cast<int64_t>(matches_.probe_rows.size());
    const int64_t fitting = count * kMatchesPerPiece / std::max<int64_t>(1, found);
    piece_rows_ = std::clamp<int64_t>(fitting, 1, std::max(2 * piece_rows_, kFirstPieceRows));
    piece_rows_ = std::min(piece_rows_, kBatchRowsMax);
    has_one_each_ = std::adjacent_find(matches_.probe_rows.begin(), matches_.probe_rows.end()) ==
                    matches_.probe_rows.end();
    has_piece_ = true;
    row_ = 0;
    match_ = 0;
    row_has_candidate_ = false;
    row_has_passed_ = false;
    return Status::OK();
  }

  int64_t MatchBytes() const {
    constexpr int64_t kBytes = sizeof(uint32_t) + sizeof(int64_t);
    return kBytes * static_cast<int64_t>(matches_.row_ids.capacity() + pairs_.ids.capacity());
  }

  // -- Candidates --

  Status TakeStep() {
    gathered_.clear();
    failed_.clear();
    if (has_one_each_) {
      CollectOneEach();
    } else {
      CollectMany();
    }
    if (spec_.condition != nullptr) ARROW_RETURN_NOT_OK(Compare());
    if (!has_one_each_) DropFailed();
    if (!spec_.gives_pairs()) {
      for (size_t i = 0; i < pairs_.size(); ++i) {
        if (pairs_.ids[i] != kNoRow) has_match_[RowOfBatch(pairs_.probe[i])] = true;
      }
    }
    has_step_ = true;
    return Status::OK();
  }

  size_t RowOfBatch(uint32_t row_of_piece) const {
    return static_cast<size_t>(piece_begin_) + row_of_piece;
  }

  /// Every row, in order, with its match or none.
  void CollectOneEach() {
    const int64_t end = std::min(piece_.num_rows(), row_ + step_rows_);
    pairs_.probe.resize(static_cast<size_t>(end - row_));
    std::iota(pairs_.probe.begin(), pairs_.probe.end(), static_cast<uint32_t>(row_));
    pairs_.ids.assign(pairs_.probe.size(), kNoRow);
    const auto& rows = matches_.probe_rows;
    for (; match_ < rows.size() && rows[match_] < end; ++match_) {
      pairs_.ids[static_cast<size_t>(rows[match_] - row_)] = matches_.row_ids[match_];
    }
    row_ = end;
  }

  /// Every match; of kinds that keep the stream also each row without one, after its candidates.
  void CollectMany() {
    pairs_.Clear();
    const bool keeps = spec_.keeps_stream();
    const auto room = static_cast<size_t>(step_rows_);
    const auto& rows = matches_.probe_rows;
    while (row_ < piece_.num_rows() && pairs_.size() < room) {
      if (match_ < rows.size() && rows[match_] == row_) {
        pairs_.Add(static_cast<uint32_t>(row_), matches_.row_ids[match_++]);
        row_has_candidate_ = true;
        continue;
      }
      if (keeps && (!row_has_candidate_ || spec_.condition != nullptr)) {
        pairs_.Add(static_cast<uint32_t>(row_), kNoRow);
      }
      row_has_candidate_ = false;
      ++row_;
    }
    if (match_ == rows.size() && !keeps) row_ = piece_.num_rows();
  }

  // -- The condition --

  /// Candidates that fail get no row.
  Status Compare() {
    auto candidates = std::make_shared<std::vector<uint32_t>>();
    for (size_t i = 0; i < pairs_.size(); ++i) {
      if (pairs_.ids[i] != kNoRow) candidates->push_back(static_cast<uint32_t>(i));
    }
    if (candidates->empty()) return Status::OK();
    std::vector<ArrayPtr> of_stream;
    for (int column : condition_->first_columns()) of_stream.push_back(piece_.column(column));
    ARROW_ASSIGN_OR_RAISE(const Batch rows, TakeRows(Batch(std::move(of_stream), piece_.num_rows()),
                                                     pairs_.probe, context().pool));
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> gathered, Gather(condition_->second_columns()));
    std::vector<ArrayPtr> columns = rows.columns();
    columns.insert(columns.end(), gathered.begin(), gathered.end());
    ARROW_ASSIGN_OR_RAISE(
        const Selection passing,
        condition_->Passing(std::move(columns), rows.num_rows(), candidates, context().pool));
    if (passing->size() == candidates->size()) {
      gathered_ = std::move(gathered);
      return Status::OK();
    }
    std::vector<int64_t> ids(pairs_.size(), kNoRow);
    for (uint32_t pair : *passing) ids[pair] = pairs_.ids[pair];
    failed_.assign(pairs_.size(), false);
    for (size_t i = 0; i < ids.size(); ++i) {
      failed_[i] = pairs_.ids[i] != kNoRow && ids[i] == kNoRow;
    }
    pairs_.ids = std::move(ids);
    return Status::OK();
  }

  /// Leaves the matches, and a pair without one for each row that is kept and has none.
  void DropFailed() {
    if (spec_.condition == nullptr) return;
    size_t kept = 0;
    for (size_t i = 0; i < pairs_.size(); ++i) {
      const bool is_candidate = pairs_.ids[i] != kNoRow || (!failed_.empty() && failed_[i]);
      const bool keep = is_candidate ? pairs_.ids[i] != kNoRow : !row_has_passed_;
      row_has_passed_ = is_candidate && (row_has_passed_ || keep);
      pairs_.probe[kept] = pairs_.probe[i];
      pairs_.ids[kept] = pairs_.ids[i];
      kept += keep ? 1 : 0;
    }
    if (kept < pairs_.size()) gathered_.clear();
    pairs_.probe.resize(kept);
    pairs_.ids.resize(kept);
  }

  /// Columns at `places` of terms.columns, one cell per pair.
  Result<std::vector<ArrayPtr>> Gather(const std::vector<int>& places) const {
    std::vector<int> columns;
    for (int place : places) columns.push_back(spec_.terms.columns[static_cast<size_t>(place)]);
    return reader_->Gather(pairs_.ids, columns, context().pool);
  }

  // -- Keys that were matched --

  Result<int64_t> KeepMatched() {
    std::vector<uint32_t> rows;
    std::vector<int64_t> ids;
    for (size_t i = 0; i < pairs_.size(); ++i) {
      if (pairs_.ids[i] == kNoRow) continue;
      rows.push_back(pairs_.probe[i]);
      ids.push_back(pairs_.ids[i]);
    }
    if (rows.empty()) return 0;
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> identity,
                          reader_->Gather(ids, IdentityOf(spec_), context().pool));
    return matched_->Add(std::move(identity), static_cast<int64_t>(ids.size()));
  }

  // -- Rows out --

  Status EmitPairs(Out& out) {
    if (!spec_.keeps_stream() && has_one_each_) return EmitHits(out);
    if (pairs_.size() == 0) return Status::OK();
    return Emit(nullptr, out);
  }

  /// Of an inner or right join: rows without a match are not selected, or, where they are many, not
  /// taken.
  Status EmitHits(Out& out) {
    auto hits = std::make_shared<std::vector<uint32_t>>();
    for (size_t i = 0; i < pairs_.size(); ++i) {
      if (pairs_.ids[i] != kNoRow) hits->push_back(static_cast<uint32_t>(i));
    }
    if (hits->empty()) return Status::OK();
    if (hits->size() == pairs_.size()) return Emit(nullptr, out);
    if (hits->size() * kSelectionDensityInverse >= pairs_.size()) return Emit(hits, out);
    Pairs dense;
    for (uint32_t hit : *hits) dense.Add(pairs_.probe[hit], pairs_.ids[hit]);
    pairs_ = std::move(dense);
    gathered_.clear();
    return Emit(nullptr, out);
  }

  Status Emit(Selection selection, Out& out) {
    ARROW_ASSIGN_OR_RAISE(Batch rows, TakeRows(piece_, pairs_.probe, context().pool));
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> of_table, GatherRest());
    int64_t bytes = 0;
    for (const ArrayPtr& column : of_table) bytes += Batch({column}, column->length()).num_bytes();
    LimitSteps(bytes + rows.num_bytes());
    std::vector<ArrayPtr> columns = rows.columns();
    columns.insert(columns.end(), of_table.begin(), of_table.end());
    Batch joined(std::move(columns), rows.num_rows());
    joined.set_change(rows.change());
    joined.set_ordinal(rows.ordinal());
    out.Emit(selection == nullptr ? std::move(joined) : joined.WithSelection(std::move(selection)));
    return Status::OK();
  }

  /// All of terms.columns; those of the condition are there already when all candidates passed.
  Result<std::vector<ArrayPtr>> GatherRest() {
    std::vector<ArrayPtr> all(spec_.terms.columns.size());
    for (size_t i = 0; i < gathered_.size(); ++i) {
      all[static_cast<size_t>(condition_->second_columns()[i])] = std::move(gathered_[i]);
    }
    gathered_.clear();
    std::vector<int> places;
    for (size_t i = 0; i < all.size(); ++i) {
      if (all[i] == nullptr) places.push_back(static_cast<int>(i));
    }
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> rest, Gather(places));
    for (size_t i = 0; i < places.size(); ++i) {
      all[static_cast<size_t>(places[i])] = std::move(rest[i]);
    }
    return all;
  }

  /// So many rows at a time that an output has about batch_bytes.
  void LimitSteps(int64_t bytes) {
    const auto rows = static_cast<int64_t>(pairs_.size());
    const int64_t fitting = context().batch_bytes * rows / std::max<int64_t>(1, bytes);
    step_rows_ = std::clamp<int64_t>(fitting, 1, std::max(kFirstStepRows, 2 * step_rows_));
    step_rows_ = std::min(step_rows_, context().batch_rows);
  }

  /// The rows of a semi or anti join.
  void EmitRows(Out& out) {
    const bool wanted = spec_.kind == JoinKind::kSemi;
    auto rows = std::make_shared<std::vector<uint32_t>>();
    for (size_t row = 0; row < has_match_.size(); ++row) {
      if (has_match_[row] == wanted) rows->push_back(static_cast<uint32_t>(row));
    }
    if (rows->empty()) return;
    const bool all = rows->size() == has_match_.size();
    out.Emit(all ? *batch_ : batch_->WithSelection(std::move(rows)));
  }

  const LookupJoinSpec spec_;
  const std::shared_ptr<LookupJoinState> global_;
  std::unique_ptr<LookupReader> reader_;
  UnreadyTable* unready_ = nullptr;  // null: the table is always there
  Reservation reservation_;
  std::optional<PairCondition> condition_;

  // The batch in work, the piece of it that was probed, and the cursor in that.
  std::optional<Batch> batch_;
  std::vector<bool> has_match_;  // semi and anti: per row of the batch
  Batch piece_;
  int64_t piece_begin_ = 0;
  int64_t piece_end_ = 0;
  int64_t piece_rows_ = kFirstPieceRows;
  bool has_piece_ = false;
  LookupMatches matches_;
  bool has_one_each_ = false;  // at most one match per row of the piece
  int64_t row_ = 0;
  size_t match_ = 0;
  bool row_has_candidate_ = false;
  bool row_has_passed_ = false;

  // Of one step.
  int64_t step_rows_ = 0;
  bool has_step_ = false;
  Pairs pairs_;
  std::vector<bool> failed_;
  std::vector<ArrayPtr> gathered_;  // what the condition has read, where all passed it

  // Right and full joins.
  std::shared_ptr<MatchedKeys> matched_;
  bool has_ended_ = false;
  bool is_last_ = false;
  std::optional<UnmatchedRows> unmatched_;
};

}  // namespace

bool LookupJoinSpec::only_leaves_out() const {
  if (kind == JoinKind::kSemi || kind == JoinKind::kAnti) return true;
  const std::vector<int> key = table->key();
  return kind == JoinKind::kInner && !key.empty() &&
         std::all_of(key.begin(), key.end(), [&](int column) {
           return std::count(terms.table_keys.begin(), terms.table_keys.end(), column) > 0;
         });
}

LookupJoinSpec::LookupJoinSpec(SchemaPtr stream_schema, SourcePtr table, JoinKind kind,
                               LookupTerms lookup_terms)
    : stream(std::move(stream_schema)),
      table(std::move(table)),
      kind(kind),
      terms(std::move(lookup_terms)),
      condition(ConditionOf(terms, stream->num_fields())) {}

std::string LookupJoinSpec::Describe() const {
  std::string text = table->name();
  for (size_t i = 0; i < terms.stream_keys.size(); ++i) {
    text +=
        fmt::format("{} {} = {}", i == 0 ? " by" : ",", stream->field(terms.stream_keys[i])->name(),
                    table->schema()->field(terms.table_keys[i])->name());
  }
  if (condition != nullptr) text += " and " + ToString(*condition);
  return text;
}

std::shared_ptr<GlobalState> LookupJoinSpec::MakeGlobal() const {
  return keeps_table() ? std::make_shared<LookupJoinState>() : nullptr;
}

std::unique_ptr<Operator> LookupJoinSpec::Make(std::shared_ptr<GlobalState> global) const {
  return std::make_unique<LookupJoin>(*this, std::move(global));
}

Status LowerLookupJoin(const PlanNode& node, Lowering& lowering) {
  const auto& join = static_cast<const LookupJoinNode&>(node);
  ARROW_RETURN_NOT_OK(lowering.Lower(*join.input()));
  auto spec =
      std::make_shared<LookupJoinSpec>(join.input()->schema(), join.table, join.kind, join.terms);
  if (spec->keeps_table()) lowering.JoinOpen();
  std::shared_ptr<GlobalState> global = spec->MakeGlobal();
  lowering.Append(std::move(spec), std::move(global));
  return Status::OK();
}

}  // namespace headrace
