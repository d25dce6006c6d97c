// Predicates of DEFINE: over rows, for many rows at once; over the match so far, one by one.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "headrace/exec/op/match/match_partition.h"
#include "headrace/exec/op/row_store.h"
#include "headrace/exec/op/state_queue.h"
#include "headrace/expression/evaluate.h"

namespace headrace {

/// Which variables rows may be taken by, as far as rows alone say.
class RowPredicates {
 public:
  static Result<RowPredicates> Make(const MatchTerms& terms);

  /// How many rows in front of a row, and behind it, predicates look at.
  int64_t rows_before() const { return rows_before_; }
  int64_t rows_behind() const { return rows_behind_; }

  /// A row of a partition.
  struct Target {
    uint32_t partition = 0;
    int64_t row = 0;
  };
  /// Sets Row::variables of `targets`. `batch`, unless null, has the same rows.
  Status Evaluate(std::span<const Target> targets, std::vector<MatchPartition>& partitions,
                  const Batch* batch, const RowStore& store, arrow::MemoryPool* pool) const;

 private:
  Result<std::vector<ArrayPtr>> Cells(std::span<const Target> targets,
                                      const std::vector<MatchPartition>& partitions,
                                      const Batch* batch, const RowStore& store,
                                      arrow::MemoryPool* pool) const;

  std::vector<ShiftedColumn> cells_;
  std::vector<uint64_t> variables_;  // per predicate
  std::optional<Evaluator> evaluator_;
  uint64_t free_ = kAnyVariable;  // variables without a predicate over rows
  int64_t rows_before_ = 0;
  int64_t rows_behind_ = 0;
};

/// Predicates that look at FIRST, LAST, aggregates or others of the match so far. Aggregates are
/// carried along while the match grows.
class PathPredicates {
 public:
  static Result<PathPredicates> Make(const MatchTerms& terms, arrow::MemoryPool* pool);

  int64_t rows_before() const { return rows_before_; }
  int64_t rows_behind() const { return rows_behind_; }

  /// Whether the last row of the path of the attempt of `partition` may be taken by `variable`.
  Result<bool> IsTaken(MatchPartition& partition, int variable, const RowStore& store,
                       arrow::MemoryPool* pool);
  /// Another attempt, or one of another partition, comes next.
  void Forget();

 private:
  /// An aggregate over the path of the attempt that asked last, but its last row.
  struct Running {
    std::unique_ptr<StateQueue> state;
    int64_t rows = -1;                // of the path; −1: begin anew
    std::vector<ArrayPtr> constants;  // per argument; null: a column
  };
  struct Definition {
    std::optional<Evaluator> evaluator;
    std::vector<Running> running;  // per term
  };

  explicit PathPredicates(const MatchTerms& terms) : terms_(&terms) {}

  Result<ArrayPtr> ValueOf(const MatchPartition& partition, size_t variable, size_t index,
                           const RowStore& store, arrow::MemoryPool* pool);
  Result<ArrayPtr> Aggregate(const MatchPartition& partition, const MatchTerm& term,
                             Running* running, const RowStore& store, arrow::MemoryPool* pool);
  static Status Add(const MatchPartition& partition, const MatchTerm& term, const Running& running,
                    int64_t from, int64_t to, const RowStore& store, arrow::MemoryPool* pool,
                    std::byte* state);

  const MatchTerms* terms_;
  std::vector<Definition> definitions_;
  int64_t rows_before_ = 0;
  int64_t rows_behind_ = 0;
};

}  // namespace headrace
