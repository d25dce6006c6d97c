// MatchedKeys: which rows of a table a lookup join has matched, and those that it has not.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "headrace/exec/op/key_numbering.h"
#include "headrace/exec/op/stream/lookup_join.h"

namespace headrace {

/// A row of the table is known by its key and by the columns that the residual reads: these decide
/// what matches it. Columns of the table's schema, keys first.
std::vector<int> IdentityOf(const LookupJoinSpec& spec);

/// One lane's.
class MatchedKeys {
 public:
  static Result<std::shared_ptr<MatchedKeys>> Make(const LookupJoinSpec& spec,
                                                   const OperatorContext& context);

  /// Takes rows of plain identity columns; 0, or the bytes that were refused: then nothing is kept.
  Result<int64_t> Add(std::vector<ArrayPtr> identity, int64_t num_rows);
  /// Clears `unmatched[i]` of the rows that are there.
  Status Find(std::vector<ArrayPtr> identity, std::vector<bool>* unmatched);

  Status Save(StateWriter& writer);
  /// Key groups [first, last).
  Status Load(const StateReader& reader, int first, int last);

 private:
  MatchedKeys(KeyNumbering keys, const OperatorContext& context);

  KeyNumbering keys_;
  Reservation reservation_;
  const std::shared_ptr<MemoryBudget> budget_;
  arrow::MemoryPool* const pool_;
};

/// What the lanes of a right or full lookup join share: the keys of those that have ended.
class LookupJoinState final : public GlobalState {
 public:
  /// True for the last of `lanes`: every lane ends once.
  bool End(std::shared_ptr<MatchedKeys> keys, int lanes);
  /// REQUIRES: the last lane has ended.
  const std::vector<std::shared_ptr<MatchedKeys>>& keys() const { return keys_; }

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<MatchedKeys>> keys_;
};

/// Reads a table for the rows that no lane has matched, with nulls for the stream.
class UnmatchedRows {
 public:
  UnmatchedRows(const LookupJoinSpec& spec, const OperatorContext& context,
                const std::vector<std::shared_ptr<MatchedKeys>>& matched)
      : spec_(spec), context_(context), matched_(matched) {}

  Status Open();
  /// One batch of the table at a time. kNeedInput: all is given.
  Result<Flow> Step(Out& out);

 private:
  Result<std::vector<bool>> FindUnmatched(const Batch& batch) const;
  Result<Batch> Filtered(Batch batch) const;
  Result<Batch> Arranged(const Batch& batch) const;

  const LookupJoinSpec& spec_;
  const OperatorContext& context_;
  const std::vector<std::shared_ptr<MatchedKeys>>& matched_;
  ScanRequest request_;        // terms.columns, then the identity
  std::vector<Split> splits_;  // taken from the end
  std::unique_ptr<SplitReader> reader_;
};

}  // namespace headrace
