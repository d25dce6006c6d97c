// JoinTable: the built side of a hash join – its rows, and which of them have a key.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "headrace/exec/key/group_table.h"
#include "headrace/exec/op/row_store.h"
#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"

namespace headrace {

/// Rows that one lane built, charged by `reservation`.
struct JoinPieces {
  int lane = 0;
  std::vector<Batch> batches;  // decoded; without rows that can never match
  Reservation reservation;
};

/// What Seal needs per row beside the rows and the keys: references in input order and by key, the
/// group of the row and the end of its group.
inline constexpr int64_t kSealBytesPerRow = 2 * sizeof(RowRef) + 2 * sizeof(uint32_t);

/// Keys map to dense groups; the rows of a group stand together, in RowPosition order:
///
///   groups:  key → g      ends_:  end of g in matches_      matches_:  | rows of 0 | rows of 1 | …
///
/// Collects pieces until Seal; immutable and thread safe after it.
class JoinTable final : public GlobalState {
 public:
  JoinTable(SchemaPtr schema, std::vector<int> keys, NullMatching nulls);

  void Add(JoinPieces pieces);
  Status Seal(const OperatorContext& context) override;

  bool sealed() const { return groups_.has_value(); }
  int64_t num_rows() const { return num_rows_; }
  const GroupTable& groups() const { return *groups_; }
  const RowStore& rows() const { return rows_; }
  /// Rows of a group, in right order. None for kNoGroup.
  std::span<const RowRef> Matches(uint32_t group) const {
    if (group == GroupTable::kNoGroup) return {};
    const uint32_t begin = group == 0 ? 0 : ends_[group - 1];
    return {matches_.data() + begin, ends_[group] - begin};
  }
  void PrefetchMatches(uint32_t group) const {
    if (group != GroupTable::kNoGroup) __builtin_prefetch(ends_.data() + group);
  }

 private:
  struct Builder;

  int64_t claimed_bytes() const;
  Status Claim(int64_t bytes);

  const SchemaPtr schema_;
  const std::vector<int> keys_;
  const NullMatching nulls_;
  std::vector<JoinPieces> pieces_;
  std::vector<Reservation> lane_claims_;
  Reservation reservation_;  // beyond those
  RowStore rows_;
  int64_t num_rows_ = 0;
  std::optional<GroupTable> groups_;
  std::vector<uint32_t> ends_;
  std::vector<RowRef> matches_;
};

/// Rows of `keys` that may match anything: all, or those without a null.
void RowsThatMayMatch(const EncodedKeys& keys, NullMatching nulls, std::vector<uint32_t>* rows);

}  // namespace headrace
