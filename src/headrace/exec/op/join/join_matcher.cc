// Pairs, residuals, and what each kind of join makes of them.
#include "headrace/exec/op/join/join_matcher.h"

#include <algorithm>
#include <cstring>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/array/util.h"
#include "arrow/type.h"
#include "headrace/exec/op/filter.h"
#include "headrace/exec/op/take_rows.h"
#include "headrace/expression/evaluate.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

// Arrays up to this size are in a core's cache.
constexpr int64_t kCachedBytes = int64_t{256} << 10;

template <typename Value>
Result<ArrayPtr> Int64s(int64_t count, arrow::MemoryPool* pool, Value value) {
  arrow::Int64Builder builder(pool);
  ARROW_RETURN_NOT_OK(builder.Reserve(count));
  for (int64_t i = 0; i < count; ++i) builder.UnsafeAppend(value(i));
  return builder.Finish();
}

}  // namespace

JoinMatcher::JoinMatcher(HashJoinTermsPtr terms, JoinTable& table, const KeyEncoder* encoder,
                         const OperatorContext& context)
    : terms_(std::move(terms)),
      table_(table),
      batch_rows_(context.batch_rows),
      batch_bytes_(context.batch_bytes),
      pool_(context.pool),
      encoder_(encoder) {
  if (terms_->residual == nullptr) return;
  residual_columns_ = ColumnsOf(*terms_->residual);
  residual_ = ReplaceColumns(terms_->residual, [this](const Expression& column) {
    const auto place = std::find(residual_columns_.begin(), residual_columns_.end(), column.column);
    return Expression::Column(static_cast<int>(place - residual_columns_.begin()), column.name,
                              column.type);
  });
}

Status JoinMatcher::Begin(Batch probe, JoinNullKeys null_keys) {
  null_keys_ = null_keys;
  probe_ = std::move(probe);
  const auto rows = static_cast<size_t>(probe_->num_rows());
  pair_bytes_ = residual_ == nullptr && terms_->gives_pairs() ? PairBytes() : -1;
  if (terms_->gives_pairs() && pair_bytes_ < 0) {
    probe_bytes_ = RowBytes(*probe_);
  } else if (!terms_->gives_pairs()) {
    probe_bytes_.assign(rows, 0);
  }
  slots_.reset();
  if (pair_bytes_ >= 0 || terms_->asks_for_keys_only()) slots_ = table_.UniqueSlots();
  ARROW_RETURN_NOT_OK(slots_.has_value() ? StartSlots() : FindMatches());
  outcomes_.assign(rows, Outcome::kNone);
  row_ = 0;
  match_ = 0;
  row_has_passed_ = false;
  earlier_ = {};
  is_last_table_ = true;
  return Status::OK();
}

void JoinMatcher::ContinueFrom(std::span<Outcome> earlier, bool is_last) {
  earlier_ = earlier;
  is_last_table_ = is_last;
  outcomes_.assign(earlier.begin(), earlier.end());
}

/// The bytes of every pair; −1: they differ.
int64_t JoinMatcher::PairBytes() const {
  if (table_.rows().bytes_per_row() < 0) return -1;
  int64_t bits = 0;
  for (const ArrayPtr& column : probe_->columns()) {
    const auto* fixed = dynamic_cast<const arrow::FixedWidthType*>(column->type().get());
    if (fixed == nullptr || fixed->id() == arrow::Type::DICTIONARY) return -1;
    bits += fixed->bit_width();
  }
  return table_.rows().bytes_per_row() + bits / 8;
}

Status JoinMatcher::FindMatches() {
  if (terms_->probe_keys.empty()) {
    matches_.assign(static_cast<size_t>(probe_->num_rows()), table_.AllRows());
    return Status::OK();
  }
  ARROW_RETURN_NOT_OK(table_.is_dense() ? encoder_->EncodeWithoutHashes(*probe_, pool_, &keys_)
                                        : encoder_->Encode(*probe_, pool_, &keys_));
  ARROW_RETURN_NOT_OK(
      RowsThatMayMatch(*probe_, keys_, terms_->probe_keys, terms_->nulls, pool_, &key_rows_));
  table_.Find(keys_, key_rows_, &matches_);
  return Status::OK();
}

Status JoinMatcher::StartSlots() {
  values_ = encoder_->ValuesInPlace(*probe_);
  nulls_ = nullptr;
  if (values_ != nullptr) return Status::OK();
  ARROW_RETURN_NOT_OK(encoder_->EncodeWithoutHashes(*probe_, pool_, &keys_));
  values_ = keys_.values.data();
  if (std::memchr(keys_.nulls.data(), 1, keys_.nulls.size()) != nullptr) {
    nulls_ = keys_.nulls.data();
  }
  return Status::OK();
}

/// Nothing more is to be learned of the row: no pairs are given, and it has a match.
bool JoinMatcher::IsSettled(size_t row) const {
  return !terms_->gives_pairs() && outcomes_[row] == Outcome::kMatched;
}

// Fills pairs_ from the cursor on. A row that is kept without a match gives a pair without a built
// row; with a residual every row does, after its matches, for the case that none passes.
void JoinMatcher::CollectPairs() {
  pairs_.Clear();
  output_rows_ = 0;
  output_bytes_ = 0;
  const bool keeps = terms_->keeps_probe() && is_last_table_;
  for (; row_ < num_rows(); ++row_, match_ = 0) {
    if (row_ + kPrefetchAhead < num_rows() && match_ == 0) {
      const JoinTable::Match& ahead = matches_[row_ + kPrefetchAhead];
      if (ahead.count > 0) __builtin_prefetch(ahead.first);
    }
    const JoinTable::Match match = matches_[row_];
    for (; match_ < match.count && !IsSettled(row_); ++match_) {
      if (!HasRoomFor(match.first[match_])) return;
      pairs_.Add(static_cast<uint32_t>(row_), match.first[match_]);
      if (!terms_->gives_pairs() && residual_ == nullptr) outcomes_[row_] = Outcome::kMatched;
    }
    if (!keeps || (match.count == 0 && MatchedEarlier(row_))) continue;
    if (match.count == 0 && !HasRoomFor(RowRef())) return;
    if (match.count == 0 || residual_ != nullptr) {
      pairs_.Add(static_cast<uint32_t>(row_), RowRef());
    }
  }
}

// The same where all pairs have one size and nothing is to be asked of them.
void JoinMatcher::CollectAlikePairs() {
  const size_t room = RoomForAlikePairs();
  const bool keeps = terms_->keeps_probe() && is_last_table_;
  pairs_.probe.resize(room);
  pairs_.build.resize(room);
  size_t size = 0;
  for (; row_ < num_rows() && size < room; ++row_, match_ = 0) {
    if (row_ + kPrefetchAhead < num_rows()) {
      __builtin_prefetch(matches_[row_ + kPrefetchAhead].first);
    }
    const JoinTable::Match match = matches_[row_];
    if (match.count == 0 && (!keeps || MatchedEarlier(row_))) continue;
    const size_t end = std::min(room, size + std::max(match.count, 1U) - match_);
    for (; size < end; ++size, ++match_) {
      pairs_.probe[size] = static_cast<uint32_t>(row_);
      pairs_.build[size] = match.count == 0 ? RowRef() : match.first[match_];
    }
    if (match_ < match.count) break;
  }
  pairs_.probe.resize(size);
  pairs_.build.resize(size);
}

size_t JoinMatcher::RoomForAlikePairs() const {
  const int64_t rows = batch_bytes_ / std::max<int64_t>(1, pair_bytes_);
  return static_cast<size_t>(std::clamp<int64_t>(rows, 1, batch_rows_));
}

// The same where a key has one row at most and stands in an array.
void JoinMatcher::CollectFromSlots() {
  const size_t room = std::min(RoomForAlikePairs(), num_rows() - row_);
  pairs_.probe.resize(room);
  pairs_.build.resize(room);
  const JoinTable::Slots slots = *slots_;
  const uint64_t* const values = values_;
  const uint8_t* const nulls = nulls_;
  size_t size = 0;
  while (row_ < num_rows() && size < room) {
    const size_t end = std::min(num_rows(), row_ + (room - size));
    if (nulls != nullptr) {
      size = CollectFromSlots(end, size, [&](size_t row) {
        return nulls[row] == 0 ? slots.Of(values[row]) : RowRef();
      });
    } else if (slots.bytes() <= kCachedBytes) {
      size = CollectFromSlots(end, size, [&](size_t row) { return slots.Of(values[row]); });
    } else {
      const size_t last = num_rows() - 1;
      size = CollectFromSlots(end, size, [&](size_t row) {
        __builtin_prefetch(&slots.Of(values[std::min(row + kPrefetchAhead, last)]));
        return slots.Of(values[row]);
      });
    }
  }
  pairs_.probe.resize(size);
  pairs_.build.resize(size);
}

// Rows up to `end`, as pairs from `size` on; gives the pairs that there are then. No branch depends
// on a key.
template <typename RowOf>
size_t JoinMatcher::CollectFromSlots(size_t end, size_t size, RowOf row_of) {
  uint32_t* const probe = pairs_.probe.data();
  RowRef* const build = pairs_.build.data();
  const bool keeps = terms_->keeps_probe() && is_last_table_;
  size_t row = row_;
  row_ = end;
  if (!keeps || !earlier_.empty()) {
    for (; row < end; ++row) {
      const RowRef found = row_of(row);
      probe[size] = static_cast<uint32_t>(row);
      build[size] = found;
      size += !found.none() || (keeps && !MatchedEarlier(row)) ? 1 : 0;
    }
    return size;
  }
  for (; row < end; ++row, ++size) {
    probe[size] = static_cast<uint32_t>(row);
    build[size] = row_of(row);
  }
  return size;
}

// All rows at once, where pairs are not asked for.
void JoinMatcher::LookInSlots() {
  pairs_.Clear();
  const JoinTable::Slots slots = *slots_;
  for (; row_ < num_rows(); ++row_) {
    const bool is_there =
        !slots.Of(values_[row_]).none() && (nulls_ == nullptr || nulls_[row_] == 0);
    outcomes_[row_] = is_there ? Outcome::kMatched : outcomes_[row_];
  }
}

bool JoinMatcher::HasRoomFor(RowRef build) {
  const int64_t bytes =
      terms_->gives_pairs() ? probe_bytes_[row_] + table_.rows().BytesOf(build) : 0;
  const bool fits = output_rows_ < batch_rows_ && output_bytes_ + bytes <= batch_bytes_;
  if (!fits && output_rows_ > 0) return false;
  ++output_rows_;
  output_bytes_ += bytes;
  return true;
}

Result<bool> JoinMatcher::Step(Out& out) {
  if (slots_.has_value() && !terms_->gives_pairs()) {
    LookInSlots();
  } else if (slots_.has_value()) {
    CollectFromSlots();
  } else if (pair_bytes_ >= 0) {
    CollectAlikePairs();
  } else {
    CollectPairs();
  }
  if (residual_ != nullptr && pairs_.size() > 0) {
    ARROW_RETURN_NOT_OK(EvaluateResidual());
    KeepThosePassing();
  }
  ARROW_RETURN_NOT_OK(Account());
  const bool more = row_ < num_rows();
  if (terms_->gives_pairs()) {
    if (pairs_.size() > 0) {
      ARROW_ASSIGN_OR_RAISE(Batch joined, Pairwise());
      out.Emit(std::move(joined));
    }
  } else if (!more && is_last_table_) {
    ARROW_ASSIGN_OR_RAISE(std::optional<Batch> rows, OfProbeRows());
    if (rows.has_value()) out.Emit(*std::move(rows));
  }
  if (!more) {
    std::copy(outcomes_.begin(), outcomes_.begin() + static_cast<std::ptrdiff_t>(earlier_.size()),
              earlier_.begin());
    probe_.reset();
  }
  return more;
}

// passes_[i]: what the residual is for pair i.
Status JoinMatcher::EvaluateResidual() {
  std::vector<ArrayPtr> from_probe;
  std::vector<ArrayPtr> from_build;
  const int probe_width = terms_->probe->num_fields();
  for (int column : residual_columns_) {  // sorted: those of the probe come first
    if (column < probe_width) {
      from_probe.push_back(probe_->column(column));
    } else {
      ARROW_ASSIGN_OR_RAISE(
          from_build.emplace_back(),
          table_.rows().Gather(static_cast<size_t>(column - probe_width), pairs_.build, pool_));
    }
  }
  Batch batch(std::move(from_probe), probe_->num_rows());
  ARROW_ASSIGN_OR_RAISE(batch, TakeRows(batch, pairs_.probe, pool_));
  std::vector<ArrayPtr> columns = batch.columns();
  columns.insert(columns.end(), from_build.begin(), from_build.end());
  auto candidates = std::make_shared<std::vector<uint32_t>>();
  for (size_t i = 0; i < pairs_.size(); ++i) {
    if (!pairs_.build[i].none()) candidates->push_back(static_cast<uint32_t>(i));
  }
  passes_.assign(pairs_.size(), Outcome::kNone);
  if (candidates->empty()) return Status::OK();
  const Batch narrowed = batch.WithColumns(std::move(columns)).WithSelection(candidates);
  ARROW_ASSIGN_OR_RAISE(const Evaluator evaluator, Evaluator::Make({residual_}));
  ARROW_ASSIGN_OR_RAISE(const std::vector<ArrayPtr> values, evaluator.Evaluate(narrowed, pool_));
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr plain, Decode(values.front(), pool_));
  if (plain->type_id() == arrow::Type::NA) {
    for (uint32_t pair : *candidates) passes_[pair] = Outcome::kUnknown;
    return Status::OK();
  }
  const auto& truth = static_cast<const arrow::BooleanArray&>(*plain);
  for (uint32_t pair : *candidates) {
    if (truth.IsNull(pair)) {
      passes_[pair] = Outcome::kUnknown;
    } else if (truth.Value(pair)) {
      passes_[pair] = Outcome::kMatched;
    }
  }
  return Status::OK();
}

void JoinMatcher::KeepThosePassing() {
  size_t kept = 0;
  for (size_t i = 0; i < pairs_.size(); ++i) {
    const bool ends_row = pairs_.build[i].none();
    const bool passes = passes_[i] == Outcome::kMatched;
    const bool keep = ends_row ? !row_has_passed_ && !MatchedEarlier(pairs_.probe[i]) : passes;
    row_has_passed_ = !ends_row && (row_has_passed_ || keep);
    if (!terms_->gives_pairs()) {
      Outcome& outcome = outcomes_[pairs_.probe[i]];
      outcome = std::max(outcome, passes_[i]);
    }
    pairs_.probe[kept] = pairs_.probe[i];
    pairs_.build[kept] = pairs_.build[i];
    kept += keep ? 1 : 0;
  }
  pairs_.probe.resize(kept);
  pairs_.build.resize(kept);
}

/// Marks built rows that matched, and refuses a second match of a scalar subquery.
Status JoinMatcher::Account() {
  if (terms_->keeps_build()) {
    for (RowRef row : pairs_.build) {
      if (!row.none()) table_.MarkMatched(row);
    }
  }
  if (terms_->kind != JoinKind::kSingle) {
    if (!terms_->keeps_probe() || earlier_.empty()) return Status::OK();
    for (size_t i = 0; i < pairs_.size(); ++i) {
      if (!pairs_.build[i].none()) outcomes_[pairs_.probe[i]] = Outcome::kMatched;
    }
    return Status::OK();
  }
  for (size_t i = 0; i < pairs_.size(); ++i) {
    if (pairs_.build[i].none()) continue;
    Outcome& outcome = outcomes_[pairs_.probe[i]];
    if (outcome == Outcome::kMatched) {
      return Error(ErrorKind::kInvalidArgument,
                   "a subquery that stands for one value gave more than one row");
    }
    outcome = Outcome::kMatched;
  }
  return Status::OK();
}

Batch JoinMatcher::Arranged(const Batch& probe, std::vector<ArrayPtr> build) const {
  const auto width = terms_->probe->num_fields();
  const std::vector<ArrayPtr>& columns = probe.columns();
  std::vector<ArrayPtr> of_probe(columns.begin(), columns.begin() + width);
  std::vector<ArrayPtr> arranged = terms_->probe_is_left ? std::move(of_probe) : build;
  const std::vector<ArrayPtr>& second = terms_->probe_is_left ? build : of_probe;
  arranged.insert(arranged.end(), second.begin(), second.end());
  arranged.insert(arranged.end(), columns.begin() + width, columns.end());
  return probe.WithColumns(std::move(arranged));
}

// Nulls for a column that nobody reads.
Result<ArrayPtr> JoinMatcher::Unread(const arrow::Schema& schema, size_t column, size_t place,
                                     int64_t count) {
  unread_.resize(terms_->reads.size());
  ArrayPtr& nulls = unread_[place];
  if (nulls == nullptr || nulls->length() < count) {
    const TypePtr type = PlainType(schema.field(static_cast<int>(column))->type());
    ARROW_ASSIGN_OR_RAISE(nulls, arrow::MakeArrayOfNull(type, std::max(count, batch_rows_), pool_));
  }
  return nulls->Slice(0, count);
}

Result<Batch> JoinMatcher::Pairwise() {
  const auto count = static_cast<int64_t>(pairs_.size());
  const auto width = static_cast<size_t>(terms_->probe->num_fields());
  const std::vector<ArrayPtr>& columns = probe_->columns();
  std::vector<ArrayPtr> read;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (i >= width || terms_->reads[i]) read.push_back(columns[i]);
  }
  Batch narrow(std::move(read), probe_->num_rows());
  narrow.set_ordinal(probe_->ordinal());
  ARROW_ASSIGN_OR_RAISE(const Batch taken, TakeRows(narrow, pairs_.probe, pool_));
  std::vector<ArrayPtr> probe;
  for (size_t i = 0, next = 0; i < columns.size(); ++i) {
    if (i >= width || terms_->reads[i]) {
      probe.push_back(taken.columns()[next++]);
    } else {
      ARROW_ASSIGN_OR_RAISE(probe.emplace_back(), Unread(*terms_->probe, i, i, count));
    }
  }
  std::vector<ArrayPtr> build;
  for (size_t i = 0; i < table_.rows().num_columns(); ++i) {
    if (terms_->reads[width + i]) {
      ARROW_ASSIGN_OR_RAISE(build.emplace_back(), table_.rows().Gather(i, pairs_.build, pool_));
    } else {
      ARROW_ASSIGN_OR_RAISE(build.emplace_back(), Unread(*terms_->build, i, width + i, count));
    }
  }
  return Arranged(taken.WithColumns(std::move(probe)), std::move(build));
}

Result<std::optional<Batch>> JoinMatcher::OfProbeRows() const {
  if (terms_->kind == JoinKind::kMark) {
    ARROW_ASSIGN_OR_RAISE(ArrayPtr marks, Marks());
    return Arranged(*probe_, {std::move(marks)});
  }
  const bool wanted = terms_->kind == JoinKind::kSemi;
  auto rows = std::make_shared<std::vector<uint32_t>>(outcomes_.size());
  size_t size = 0;
  for (size_t row = 0; row < outcomes_.size(); ++row) {
    (*rows)[size] = static_cast<uint32_t>(row);
    size += (outcomes_[row] == Outcome::kMatched) == wanted ? 1 : 0;
  }
  if (size == 0) return std::nullopt;
  if (size == outcomes_.size()) return *probe_;
  rows->resize(size);
  Batch chosen = probe_->WithSelection(std::move(rows));
  if (IsSparse(chosen)) {
    ARROW_ASSIGN_OR_RAISE(chosen, chosen.Compact(pool_));
  }
  return chosen;
}

Result<ArrayPtr> JoinMatcher::Marks() const {
  std::vector<uint8_t> has_key(outcomes_.size(), 0);
  for (uint32_t row : key_rows_) has_key[row] = 1;
  arrow::BooleanBuilder builder(pool_);
  for (size_t row = 0; row < outcomes_.size(); ++row) {
    const bool unknown = terms_->null_aware
                             ? null_keys_.any_row && (null_keys_.any_null_key || has_key[row] == 0)
                             : outcomes_[row] == Outcome::kUnknown;
    const bool matched = outcomes_[row] == Outcome::kMatched;
    ARROW_RETURN_NOT_OK(unknown && !matched ? builder.AppendNull() : builder.Append(matched));
  }
  return builder.Finish();
}

Result<Batch> JoinMatcher::Unmatched(int64_t* next) {
  const std::vector<RowRef> rows = table_.Unmatched(next, batch_rows_);
  const auto count = static_cast<int64_t>(rows.size());
  if (count == 0) return Batch();
  std::vector<ArrayPtr> probe;
  for (const auto& field : terms_->probe->fields()) {
    ARROW_ASSIGN_OR_RAISE(probe.emplace_back(),
                          arrow::MakeArrayOfNull(PlainType(field->type()), count, pool_));
  }
  if (terms_->order_read) {
    const auto position = [&](int64_t i) {
      return table_.PositionOf(rows[static_cast<size_t>(i)]);
    };
    ARROW_ASSIGN_OR_RAISE(probe.emplace_back(), Int64s(count, pool_, [&](int64_t i) {
                            return kUnmatchedSplit + position(i).split;
                          }));
    ARROW_ASSIGN_OR_RAISE(probe.emplace_back(),
                          Int64s(count, pool_, [&](int64_t i) { return position(i).row; }));
  }
  ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> build, table_.rows().Gather(rows, pool_));
  return Arranged(Batch(std::move(probe), count), std::move(build));
}

}  // namespace headrace
