// MergePairs: the output of a merge join, by references to rows of both sides.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "headrace/exec/op/join/merge_join.h"
#include "headrace/exec/op/row_store.h"
#include "headrace/exec/op/stream/pair_condition.h"
#include "headrace/exec/operator.h"

namespace headrace {

/// Collects what a batch is made of, in the order of the output. With a condition, pairs are
/// candidates until the batch is given. One thread.
class MergePairs {
 public:
  MergePairs(MergeJoinTermsPtr terms, const RowStore& major, const RowStore& minor,
             const OperatorContext& context);

  bool has_condition() const { return condition_.has_value(); }
  bool empty() const { return major_.empty(); }
  bool is_full() const { return room() <= 0; }
  /// How many rows may be added.
  int64_t room() const { return rows_max_ - static_cast<int64_t>(major_.size()); }

  /// Rows that match. REQUIRES: !has_condition().
  void AddPair(RowRef major, RowRef minor) { Add(major, minor); }
  /// Rows that match, where there is a condition if it is true: row `place` of the run.
  void AddCandidate(RowRef major, RowRef minor, int64_t place);
  /// No more candidates for a row follow: it is given where its kind wants that. `is_matched`:
  /// without a condition, whether the row has matched.
  void AddEndOfMajor(RowRef major, bool is_matched);
  /// A row of the minor side that matched nothing.
  void AddMinor(RowRef minor) { AddFlagged(RowRef(), minor, kNone); }
  /// The same for row `place` of the run, unless it matched.
  void AddEndOfMinor(RowRef minor, int64_t place);

  /// A run of so many rows of the minor side begins, or has ended.
  void StartRun(int64_t num_rows);
  void EndRun() { run_is_open_ = false; }
  /// Whether a candidate of the row in work is known to have passed.
  bool is_matched() const { return is_matched_ && !has_end_; }

  /// Gives the rows, if there are any, and is empty then.
  Status Give(Out& out);

 private:
  static constexpr int64_t kNone = -1;

  void Add(RowRef major, RowRef minor);
  void AddFlagged(RowRef major, RowRef minor, int64_t flag);
  Result<std::vector<uint8_t>> Passing() const;
  Status KeepThosePassing();
  bool KeepsMajor(bool is_matched) const;
  void DropFlags();
  Result<Batch> Rows() const;
  Status AppendColumns(const RowStore& store, const std::vector<RowRef>& rows, size_t first_place,
                       const arrow::Schema& schema, std::vector<ArrayPtr>* columns) const;

  const MergeJoinTermsPtr terms_;
  const RowStore& major_rows_;
  const RowStore& minor_rows_;
  const int64_t batch_rows_;
  const int64_t batch_bytes_;
  arrow::MemoryPool* const pool_;
  std::optional<PairCondition> condition_;
  const int64_t pair_bytes_;  // −1: rows differ
  int64_t rows_max_ = 0;      // falls to what was added when the batch has its bytes
  int64_t bytes_ = 0;

  std::vector<RowRef> major_;   // beside each other; none: a row of the minor side alone
  std::vector<RowRef> minor_;   // none: the end of a row of the major side, or that row alone
  std::vector<int64_t> flags_;  // with a condition, beside them: places in minor_matched_
  std::vector<uint8_t> minor_matched_;  // of rows of runs
  int64_t run_begin_ = 0;               // in minor_matched_
  bool run_is_open_ = false;
  bool is_matched_ = false;  // the row of the major side of the candidate looked at last
  bool has_end_ = false;     // the end of a row is among those not looked at
};

}  // namespace headrace
