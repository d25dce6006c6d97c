// Hash join: the built side ends a pipeline, its table is made in parts, the other side streams
// past it. What did not fit in memory is joined after, partition by partition.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"

namespace headrace {

/// A join as seen by its operators: rows of `probe` stream past those of `build`.
struct HashJoinTerms {
  SchemaPtr probe;
  SchemaPtr build;
  std::vector<int> probe_keys;  // none: every pair is a candidate (nested loops)
  std::vector<int> build_keys;
  std::vector<NullMatching> nulls;  // per key
  JoinKind kind = JoinKind::kInner;
  bool probe_is_left = true;
  ExpressionPtr residual;  // over probe columns, then build columns; null: none
  bool null_aware = false;
  bool may_spill = true;  // not past a probe without an end, behind which nothing is joined
  /// So many cells of the built side stay in memory, over all lanes, when it may spill.
  int64_t build_cells_max = MemoryBudget::kUnlimited;
  /// Of pairs, by probe columns, then build columns: what is not read is null in the output.
  std::vector<bool> reads;
  /// Rows come in the order of the probe, and matches of a row in that of the built side.
  bool order_read = true;

  /// Rows of the side without a match are given too, with nulls.
  bool keeps_probe() const {
    return kind == JoinKind::kFull || kind == JoinKind::kSingle ||
           kind == (probe_is_left ? JoinKind::kLeft : JoinKind::kRight);
  }
  bool keeps_build() const {
    return kind == JoinKind::kFull || kind == (probe_is_left ? JoinKind::kRight : JoinKind::kLeft);
  }
  bool gives_pairs() const { return HasRightColumns(kind); }
  /// Of a row of the probe only whether its key is there is asked, not how often, nor where.
  bool asks_for_keys_only() const { return !gives_pairs() && residual == nullptr && !null_aware; }
  /// A row of the probe without a match gives nothing.
  bool drops_unmatched() const {
    return !keeps_probe() && (gives_pairs() || kind == JoinKind::kSemi);
  }
  /// Of the wider side.
  int columns_max() const;
  std::string Describe() const;
};
using HashJoinTermsPtr = std::shared_ptr<const HashJoinTerms>;

class HashJoinPieces;
class JoinTable;
class HashJoinRest;

/// Ends the pipeline of the built side: any number of lanes keep their rows with their keys, and
/// claim what the table over them needs; past the budget they write the largest key groups.
class HashJoinBuildSpec final : public OperatorSpec {
 public:
  /// `pieces` is also the global state.
  HashJoinBuildSpec(HashJoinTermsPtr terms, std::shared_ptr<HashJoinPieces> pieces)
      : terms(std::move(terms)), pieces(std::move(pieces)) {}
  std::string name() const override { return "hash_join_build"; }
  std::string Describe() const override { return terms->Describe(); }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const HashJoinTermsPtr terms;
  const std::shared_ptr<HashJoinPieces> pieces;
};

/// Over the parts of HashJoinPieces, into HashJoinResidents: writes the rows that lanes still have
/// of key groups that others, or Seal, chose to write.
class HashJoinEvictSpec final : public OperatorSpec {
 public:
  HashJoinEvictSpec(HashJoinTermsPtr terms, std::shared_ptr<HashJoinPieces> pieces)
      : terms(std::move(terms)), pieces(std::move(pieces)) {}
  std::string name() const override { return "hash_join_evict"; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const HashJoinTermsPtr terms;
  const std::shared_ptr<HashJoinPieces> pieces;
};

/// Over the parts of HashJoinResidents, into a JoinTable: makes a part of the table each.
class HashJoinTableSpec final : public OperatorSpec {
 public:
  explicit HashJoinTableSpec(std::shared_ptr<JoinTable> table) : table(std::move(table)) {}
  std::string name() const override { return "hash_join_table"; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const std::shared_ptr<JoinTable> table;
};

/// Streams the probe side, on any number of lanes. Rows keep their order; matches of one row come
/// in the order of the built side; a row with many matches comes in several batches
/// (kMoreOutput). Rows of key groups that were written are written too, but for those that the
/// filter refuses.
class HashJoinProbeSpec final : public OperatorSpec {
 public:
  explicit HashJoinProbeSpec(HashJoinTermsPtr terms) : terms(std::move(terms)) {}
  std::string name() const override { return "hash_join"; }
  std::string Describe() const override { return terms->Describe(); }
  /// `global` is a HashJoinRest.
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const HashJoinTermsPtr terms;
};

/// Over the parts of HashJoinRest, when the probe has ended: joins what was written, and gives the
/// rows of the built side that matched nothing. Output: that of the join; where the order is read,
/// then the place (split, row; int64) by which it is to be sorted.
class HashJoinRestSpec final : public OperatorSpec {
 public:
  explicit HashJoinRestSpec(HashJoinTermsPtr terms) : terms(std::move(terms)) {}
  std::string name() const override { return "hash_join_rest"; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const HashJoinTermsPtr terms;
};

}  // namespace headrace
