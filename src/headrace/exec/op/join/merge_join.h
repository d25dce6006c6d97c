// Merge join: both sides come sorted by the keys and are read side by side; nothing is held but
// batches and the rows of one key.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/plan/merge_join.h"

namespace headrace {

/// A join as seen by its operator: rows of `major` set the order, each with those of `minor` that
/// have its key.
struct MergeJoinTerms {
  SchemaPtr major;
  SchemaPtr minor;
  Ordering major_order;  // the keys, pair by pair
  Ordering minor_order;
  std::vector<bool> nulls_match;  // per key
  JoinKind kind = JoinKind::kInner;
  bool major_is_left = true;
  ExpressionPtr residual;   // over major columns, then minor columns; null: none
  std::vector<bool> reads;  // major columns, then minor columns: what is not read is null
  std::string description;

  bool gives_pairs() const { return HasRightColumns(kind); }
  /// Rows of the side without a match are given too, with nulls.
  bool keeps_major() const {
    return kind == JoinKind::kFull || kind == (major_is_left ? JoinKind::kLeft : JoinKind::kRight);
  }
  bool keeps_minor() const {
    return kind == JoinKind::kFull || kind == (major_is_left ? JoinKind::kRight : JoinKind::kLeft);
  }
  /// A row of the major side without a match gives nothing.
  bool drops_unmatched() const { return !keeps_major() && kind != JoinKind::kAnti; }
};
using MergeJoinTermsPtr = std::shared_ptr<const MergeJoinTerms>;

/// Ports kMajor and kMinor. REQUIRES: one lane; each side comes in its order. Rows of the minor
/// side without a match stand where their keys belong. Memory: a batch and its keys per side, and
/// the rows of one key of the minor side, which are written to disk when memory is wanted and read
/// again for each row of the other side.
class MergeJoinSpec final : public OperatorSpec {
 public:
  static constexpr int kMajor = 0;
  static constexpr int kMinor = 1;

  explicit MergeJoinSpec(MergeJoinTermsPtr terms) : terms(std::move(terms)) {}
  std::string name() const override { return "merge_join"; }
  std::string Describe() const override { return terms->description; }
  int num_ports() const override { return 2; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const MergeJoinTermsPtr terms;
};

}  // namespace headrace
