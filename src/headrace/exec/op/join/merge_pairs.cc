// Columns of rows that follow one another are slices; others are gathered.
#include "headrace/exec/op/join/merge_pairs.h"

#include <algorithm>
#include <utility>

#include "arrow/type.h"
#include "headrace/base/limits.h"
#include "headrace/function/view.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

/// Bytes of every row of both stores, −1 where they differ.
int64_t FixedPairBytes(const RowStore& major, const RowStore& minor) {
  if (major.bytes_per_row() < 0 || minor.bytes_per_row() < 0) return -1;
  return major.bytes_per_row() + minor.bytes_per_row();
}

bool FollowOneAnother(std::span<const RowRef> rows) {
  const RowRef first = rows.front();
  if (first.none()) return false;
  for (size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].chunk != first.chunk || rows[i].row != first.row + static_cast<int32_t>(i)) {
      return false;
    }
  }
  return true;
}

}  // namespace

MergePairs::MergePairs(MergeJoinTermsPtr terms, const RowStore& major, const RowStore& minor,
                       const OperatorContext& context)
    : terms_(std::move(terms)),
      major_rows_(major),
      minor_rows_(minor),
      batch_rows_(std::min(context.batch_rows, kBatchRowsMax)),
      batch_bytes_(context.batch_bytes),
      pool_(context.pool),
      pair_bytes_(FixedPairBytes(major, minor)),
      rows_max_(batch_rows_) {
  if (terms_->residual != nullptr) {
    condition_.emplace(terms_->residual, terms_->major->num_fields());
  }
  if (pair_bytes_ > 0) rows_max_ = std::clamp<int64_t>(batch_bytes_ / pair_bytes_, 1, batch_rows_);
}

void MergePairs::Add(RowRef major, RowRef minor) {
  major_.push_back(major);
  minor_.push_back(minor);
  if (pair_bytes_ >= 0) return;
  if (!major.none()) bytes_ += major_rows_.BytesOf(major);
  if (!minor.none()) bytes_ += minor_rows_.BytesOf(minor);
  if (bytes_ >= batch_bytes_) rows_max_ = static_cast<int64_t>(major_.size());
}

void MergePairs::AddFlagged(RowRef major, RowRef minor, int64_t flag) {
  Add(major, minor);
  if (has_condition()) flags_.push_back(flag);
}

void MergePairs::AddCandidate(RowRef major, RowRef minor, int64_t place) {
  AddFlagged(major, minor, terms_->keeps_minor() ? run_begin_ + place : kNone);
}

void MergePairs::AddEndOfMajor(RowRef major, bool is_matched) {
  if (has_condition() || KeepsMajor(is_matched)) AddFlagged(major, RowRef(), kNone);
  has_end_ = true;
}

void MergePairs::AddEndOfMinor(RowRef minor, int64_t place) {
  AddFlagged(RowRef(), minor, run_begin_ + place);
}

void MergePairs::StartRun(int64_t num_rows) {
  run_is_open_ = true;
  run_begin_ = static_cast<int64_t>(minor_matched_.size());
  if (!has_condition() || !terms_->keeps_minor()) return;
  minor_matched_.resize(static_cast<size_t>(run_begin_ + num_rows), 0);
}

Status MergePairs::Give(Out& out) {
  if (empty()) return Status::OK();
  if (has_condition()) ARROW_RETURN_NOT_OK(KeepThosePassing());
  if (!major_.empty()) {
    ARROW_ASSIGN_OR_RAISE(Batch rows, Rows());
    out.Emit(std::move(rows));
  }
  major_.clear();
  minor_.clear();
  flags_.clear();
  has_end_ = false;
  DropFlags();
  bytes_ = 0;
  rows_max_ = pair_bytes_ > 0 ? std::clamp<int64_t>(batch_bytes_ / pair_bytes_, 1, batch_rows_)
                              : batch_rows_;
  return Status::OK();
}

void MergePairs::DropFlags() {
  if (!run_is_open_) {
    minor_matched_.clear();
    return;
  }
  minor_matched_.erase(minor_matched_.begin(), minor_matched_.begin() + run_begin_);
  run_begin_ = 0;
}

bool MergePairs::KeepsMajor(bool is_matched) const {
  if (terms_->gives_pairs()) return !is_matched && terms_->keeps_major();
  return is_matched == (terms_->kind == JoinKind::kSemi);
}

/// 1 for candidates that match.
Result<std::vector<uint8_t>> MergePairs::Passing() const {
  auto candidates = std::make_shared<std::vector<uint32_t>>();
  for (size_t i = 0; i < major_.size(); ++i) {
    if (!major_[i].none() && !minor_[i].none()) candidates->push_back(static_cast<uint32_t>(i));
  }
  std::vector<uint8_t> passing(major_.size(), 0);
  if (candidates->empty()) return passing;
  std::vector<ArrayPtr> columns;
  for (const int column : condition_->first_columns()) {
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                          major_rows_.Gather(static_cast<size_t>(column), major_, pool_));
  }
  for (const int column : condition_->second_columns()) {
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                          minor_rows_.Gather(static_cast<size_t>(column), minor_, pool_));
  }
  ARROW_ASSIGN_OR_RAISE(const Selection selected,
                        condition_->Passing(std::move(columns), static_cast<int64_t>(major_.size()),
                                            candidates, pool_));
  for (const uint32_t row : *selected) passing[row] = 1;
  return passing;
}

Status MergePairs::KeepThosePassing() {
  ARROW_ASSIGN_OR_RAISE(const std::vector<uint8_t> passing, Passing());
  size_t kept = 0;
  for (size_t i = 0; i < major_.size(); ++i) {
    const auto flag = static_cast<size_t>(flags_[i]);
    bool keeps = false;
    if (major_[i].none()) {
      keeps = flags_[i] == kNone || minor_matched_[flag] == 0;
    } else if (minor_[i].none()) {
      keeps = KeepsMajor(std::exchange(is_matched_, false));
    } else if (passing[i] != 0) {
      is_matched_ = true;
      if (flags_[i] != kNone) minor_matched_[flag] = 1;
      keeps = terms_->gives_pairs();
    }
    if (!keeps) continue;
    major_[kept] = major_[i];
    minor_[kept++] = minor_[i];
  }
  major_.resize(kept);
  minor_.resize(kept);
  return Status::OK();
}

Result<Batch> MergePairs::Rows() const {
  const auto width = static_cast<size_t>(terms_->major->num_fields());
  std::vector<ArrayPtr> of_major;
  ARROW_RETURN_NOT_OK(AppendColumns(major_rows_, major_, 0, *terms_->major, &of_major));
  std::vector<ArrayPtr> of_minor;
  if (terms_->gives_pairs()) {
    ARROW_RETURN_NOT_OK(AppendColumns(minor_rows_, minor_, width, *terms_->minor, &of_minor));
  }
  std::vector<ArrayPtr>& left = terms_->major_is_left ? of_major : of_minor;
  const std::vector<ArrayPtr>& right = terms_->major_is_left ? of_minor : of_major;
  left.insert(left.end(), right.begin(), right.end());
  return Batch(std::move(left), static_cast<int64_t>(major_.size()));
}

Status MergePairs::AppendColumns(const RowStore& store, const std::vector<RowRef>& rows,
                                 size_t first_place, const arrow::Schema& schema,
                                 std::vector<ArrayPtr>* columns) const {
  const auto count = static_cast<int64_t>(rows.size());
  std::vector<ArrayPtr> chunk;
  if (FollowOneAnother(rows)) chunk = store.ColumnsOf(rows.front().chunk);
  for (size_t column = 0; column < store.num_columns(); ++column) {
    ArrayPtr& out = columns->emplace_back();
    if (!terms_->reads[first_place + column]) {
      const TypePtr type = PlainType(schema.field(static_cast<int>(column))->type());
      ARROW_ASSIGN_OR_RAISE(out, MakeNulls(type, count, pool_));
    } else if (!chunk.empty()) {
      out = chunk[column]->Slice(rows.front().row, count);
    } else {
      ARROW_ASSIGN_OR_RAISE(out, store.Gather(column, rows, pool_));
    }
  }
  return Status::OK();
}

}  // namespace headrace
