// JoinBuiltRows: built rows read back from disk, and the table over them.
#pragma once

#include <memory>
#include <vector>

#include "headrace/exec/op/join/hash_join.h"
#include "headrace/exec/op/join/hash_join_table.h"
#include "headrace/types/key/key_encoder.h"

namespace headrace {

/// The rows of one pass. One lane.
class JoinBuiltRows {
 public:
  /// `encoder` is that of the built keys, null where there are none; it outlives the rows.
  JoinBuiltRows(HashJoinTermsPtr terms, const KeyEncoder* encoder, const OperatorContext& context);

  void Clear();
  int64_t num_rows() const { return num_rows_; }
  int64_t claimed_bytes() const { return reservation_.bytes(); }
  /// So many rows like those of `first` may be loaded.
  int64_t RowsThatFit(const Batch& first) const;
  /// 0, and the rows are kept, or the bytes that were not granted.
  int64_t TryAdd(const Batch& rows);
  /// Works on the table for some rows; false: it is complete. Nothing is added any more.
  Result<bool> BuildStep();
  /// Null: it was not begun.
  JoinTable* table() const { return table_.get(); }

 private:
  int64_t ClaimOf(const Batch& rows) const;
  Status StartTable();

  const HashJoinTermsPtr terms_;
  const KeyEncoder* const encoder_;
  const OperatorContext& context_;
  std::vector<Batch> loaded_;
  int64_t num_rows_ = 0;
  Reservation reservation_;
  std::shared_ptr<JoinTable> table_;
};

}  // namespace headrace
