// One lane of the probe. Each call collects some pairs (left row, right row), keeps those that pass
// the residual, and gathers them; a cursor (row, match) remembers where the next call goes on.
#include <algorithm>

#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/exec/op/hash_join.h"
#include "headrace/exec/op/hash_join_table.h"
#include "headrace/expression/evaluate.h"

namespace headrace {
namespace {

constexpr size_t kPrefetchAhead = 16;

/// Pairs in output order. A pair without a right row stands for a left row that matched nothing;
/// left rows do not descend.
struct Pairs {
  std::vector<uint32_t> left;
  std::vector<RowRef> right;

  size_t size() const { return left.size(); }
  void Clear() {
    left.clear();
    right.clear();
  }
  void Add(uint32_t left_row, RowRef right_row) {
    left.push_back(left_row);
    right.push_back(right_row);
  }
};

bool IsRange(const std::vector<uint32_t>& rows) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] != rows[0] + i) return false;
  }
  return true;
}

Result<Batch> TakeRows(const Batch& batch, const std::vector<uint32_t>& rows,
                       arrow::MemoryPool* pool) {
  const auto count = static_cast<int64_t>(rows.size());
  if (IsRange(rows)) return batch.Slice(rows[0], count);
  const arrow::UInt32Array indices(count, arrow::Buffer::Wrap(rows.data(), rows.size()));
  return batch.Take(indices, pool);
}

/// The residual over those output columns that it reads.
class Residual {
 public:
  Residual(const ExpressionPtr& predicate, size_t left_columns) : left_columns_(left_columns) {
    columns_ = ColumnsOf(*predicate);
    predicate_ = ReplaceColumns(predicate, [this](const Expression& column) {
      const auto place = std::find(columns_.begin(), columns_.end(), column.column);
      return Expression::Column(static_cast<int>(place - columns_.begin()), column.name,
                                column.type);
    });
  }

  /// passes[i] = whether pair i has a right row and is true under the predicate.
  Status Evaluate(const Batch& left, const RowStore& right, const Pairs& pairs,
                  arrow::MemoryPool* pool, std::vector<uint8_t>* passes) const {
    ARROW_ASSIGN_OR_RAISE(Batch batch, Columns(left, right, pairs, pool));
    passes->assign(pairs.size(), 0);
    Selection candidates = Candidates(pairs);
    if (candidates->empty()) return Status::OK();
    const bool all_candidates = candidates->size() == pairs.size();
    if (!all_candidates) batch = batch.WithSelection(candidates);
    bool all_pass = false;
    ARROW_ASSIGN_OR_RAISE(Selection kept, EvaluatePredicate(*predicate_, batch, pool, &all_pass));
    for (uint32_t pair : all_pass ? *candidates : *kept) (*passes)[pair] = 1;
    return Status::OK();
  }

 private:
  static Selection Candidates(const Pairs& pairs) {
    auto rows = std::make_shared<std::vector<uint32_t>>();
    for (size_t i = 0; i < pairs.size(); ++i) {
      if (!pairs.right[i].none()) rows->push_back(static_cast<uint32_t>(i));
    }
    return rows;
  }

  Result<Batch> Columns(const Batch& left, const RowStore& right, const Pairs& pairs,
                        arrow::MemoryPool* pool) const {
    std::vector<ArrayPtr> from_left;
    std::vector<ArrayPtr> from_right;
    for (int column : columns_) {  // sorted: left columns come first
      const auto index = static_cast<size_t>(column);
      if (index < left_columns_) {
        from_left.push_back(left.columns()[index]);
      } else {
        ARROW_ASSIGN_OR_RAISE(from_right.emplace_back(),
                              right.Gather(index - left_columns_, pairs.right, pool));
      }
    }
    Batch narrow(std::move(from_left), left.num_rows());
    ARROW_ASSIGN_OR_RAISE(narrow, TakeRows(narrow, pairs.left, pool));
    std::vector<ArrayPtr> columns = narrow.columns();
    columns.insert(columns.end(), from_right.begin(), from_right.end());
    return narrow.WithColumns(std::move(columns));
  }

  const size_t left_columns_;
  std::vector<int> columns_;
  ExpressionPtr predicate_;
};

class HashJoinProbe final : public Operator {
 public:
  HashJoinProbe(const HashJoinProbeSpec& spec, std::shared_ptr<const JoinTable> table)
      : schema_(spec.schema),
        keys_of_left_(spec.keys),
        is_left_join_(spec.kind == JoinKind::kLeft),
        nulls_(spec.nulls),
        table_(std::move(table)) {
    if (spec.residual == nullptr) return;
    residual_.emplace(spec.residual, static_cast<size_t>(schema_->num_fields()));
  }

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    ARROW_ASSIGN_OR_RAISE(encoder_, KeyEncoder::Make(KeyColumnsOf(*schema_, keys_of_left_)));
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (table_->num_rows() == 0 && !is_left_join_) return Flow::Finished();
    if (!left_.has_value()) {
      ARROW_RETURN_NOT_OK(Begin(batch));
    }
    CollectPairs();
    if (residual_.has_value() && pairs_.size() > 0) {
      ARROW_RETURN_NOT_OK(KeepThosePassing());
    }
    if (pairs_.size() > 0) {
      ARROW_ASSIGN_OR_RAISE(Batch joined, Join());
      out.Emit(std::move(joined));
    }
    if (row_ < groups_.size()) return Flow::MoreOutput();
    left_.reset();
    return Flow::NeedInput();
  }

 private:
  Status Begin(const Batch& batch) {
    HEADRACE_CHECK(table_->sealed(), "a join is probed before its table is built");
    ARROW_ASSIGN_OR_RAISE(Batch left, batch.Compact(context().pool));
    ARROW_RETURN_NOT_OK(encoder_->Encode(left, context().pool, &keys_));
    RowsThatMayMatch(keys_, nulls_, &key_rows_);
    found_.resize(key_rows_.size());
    table_->groups().Find(keys_, key_rows_.data(), static_cast<int64_t>(key_rows_.size()),
                          found_.data());
    groups_.assign(static_cast<size_t>(left.num_rows()), GroupTable::kNoGroup);
    for (size_t i = 0; i < found_.size(); ++i) groups_[key_rows_[i]] = found_[i];
    left_bytes_ = RowBytes(left);
    left_ = std::move(left);
    row_ = 0;
    match_ = 0;
    return Status::OK();
  }

  // Fills pairs_ from the cursor on. A row of a left join without a match gives a pair without a
  // right row; with a residual every row does, after its matches, for the case that none passes.
  void CollectPairs() {
    pairs_.Clear();
    output_rows_ = 0;
    output_bytes_ = 0;
    for (; row_ < groups_.size(); ++row_, match_ = 0) {
      if (row_ + kPrefetchAhead < groups_.size()) {
        table_->PrefetchMatches(groups_[row_ + kPrefetchAhead]);
      }
      const std::span<const RowRef> matches = table_->Matches(groups_[row_]);
      for (; match_ < matches.size(); ++match_) {
        if (!HasRoomFor(matches[match_])) return;
        pairs_.Add(static_cast<uint32_t>(row_), matches[match_]);
      }
      if (!is_left_join_) continue;
      if (matches.empty() && !HasRoomFor(RowRef())) return;
      if (matches.empty() || residual_.has_value()) {
        pairs_.Add(static_cast<uint32_t>(row_), RowRef());
      }
    }
  }

  bool HasRoomFor(RowRef right) {
    const int64_t bytes = left_bytes_[row_] + table_->rows().BytesOf(right);
    const bool fits =
        output_rows_ < context().batch_rows && output_bytes_ + bytes <= context().batch_bytes;
    if (!fits && output_rows_ > 0) return false;
    ++output_rows_;
    output_bytes_ += bytes;
    return true;
  }

  Status KeepThosePassing() {
    ARROW_RETURN_NOT_OK(
        residual_->Evaluate(*left_, table_->rows(), pairs_, context().pool, &passes_));
    size_t kept = 0;
    for (size_t i = 0; i < pairs_.size(); ++i) {
      const bool ends_row = pairs_.right[i].none();
      const bool keep = ends_row ? !row_has_passed_ : passes_[i] != 0;
      row_has_passed_ = !ends_row && (row_has_passed_ || keep);
      pairs_.left[kept] = pairs_.left[i];
      pairs_.right[kept] = pairs_.right[i];
      kept += keep ? 1 : 0;
    }
    pairs_.left.resize(kept);
    pairs_.right.resize(kept);
    return Status::OK();
  }

  Result<Batch> Join() const {
    ARROW_ASSIGN_OR_RAISE(Batch joined, TakeRows(*left_, pairs_.left, context().pool));
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> right,
                          table_->rows().Gather(pairs_.right, context().pool));
    std::vector<ArrayPtr> columns = joined.columns();
    columns.insert(columns.end(), right.begin(), right.end());
    return joined.WithColumns(std::move(columns));
  }

  const SchemaPtr schema_;
  const std::vector<int> keys_of_left_;
  const bool is_left_join_;
  const NullMatching nulls_;
  const std::shared_ptr<const JoinTable> table_;
  std::optional<Residual> residual_;
  std::optional<KeyEncoder> encoder_;

  // The left batch in work, and the cursor in it.
  std::optional<Batch> left_;
  std::vector<uint32_t> groups_;  // per left row
  std::vector<int64_t> left_bytes_;
  size_t row_ = 0;
  size_t match_ = 0;
  bool row_has_passed_ = false;  // left join: a match of the row in work passed the residual

  // Of one call.
  Pairs pairs_;
  int64_t output_rows_ = 0;
  int64_t output_bytes_ = 0;
  std::vector<uint8_t> passes_;
  EncodedKeys keys_;
  std::vector<uint32_t> key_rows_;
  std::vector<uint32_t> found_;
};

}  // namespace

std::string HashJoinProbeSpec::Describe() const {
  std::string text = kind == JoinKind::kLeft ? "left, keys=" : "inner, keys=";
  for (size_t i = 0; i < keys.size(); ++i) {
    text += (i == 0 ? "" : ", ") + schema->field(keys[i])->name();
  }
  if (residual != nullptr) text += ", residual=" + ToString(*residual);
  return text;
}

std::unique_ptr<Operator> HashJoinProbeSpec::Make(std::shared_ptr<GlobalState> global) const {
  return std::make_unique<HashJoinProbe>(*this, std::static_pointer_cast<JoinTable>(global));
}

}  // namespace headrace
