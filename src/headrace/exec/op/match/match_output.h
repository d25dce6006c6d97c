// MatchOutput: matches on their way to rows – which cells their measures are over – and the batches
// made of them.
#pragma once

#include <optional>
#include <vector>

#include "headrace/exec/op/match/match_partition.h"
#include "headrace/exec/op/row_store.h"
#include "headrace/expression/evaluate.h"

namespace headrace {

/// Matches are noted as references to rows and become columns all at once. One thread.
class MatchOutput {
 public:
  static Result<MatchOutput> Make(const MatchTerms& terms, arrow::MemoryPool* pool);

  /// Notes the rows that are given for a match of `path` from row `start` of `partition`.
  void AddMatch(const MatchPartition& partition, int64_t start, const MatchPath& path,
                int64_t match_number);
  /// A row in no match.
  void AddUnmatched(const MatchPartition& partition, int64_t row);

  int64_t num_rows() const { return static_cast<int64_t>(given_.size()); }
  int64_t bytes() const;
  /// The rows noted, and forgets them.
  Result<Batch> Take(const RowStore& store, arrow::MemoryPool* pool);

 private:
  /// A term's share of the rows noted; which vector counts depends on its kind.
  struct Column {
    std::vector<RowRef> cells;
    std::vector<int16_t> variables;  // −1: none
    std::vector<int64_t> numbers;
    std::vector<RowRef> members;  // rows that an aggregate may be over
    std::vector<int64_t> begin;   // per row: its aggregate is over members [begin, end)
    std::vector<int64_t> end;
    std::vector<ArrayPtr> constants;  // per argument; null: a column
  };
  /// The rows of a match that count for a term.
  struct TermRows {
    std::vector<int64_t> places;
    int64_t so_far = 0;
  };

  explicit MatchOutput(const MatchTerms& terms) : terms_(&terms), columns_(terms.terms.size()) {}

  void AddRow(const MatchPartition& partition, int64_t start, const MatchPath& path, int64_t row,
              int64_t match_number);
  void AddTerm(const MatchPartition& partition, int64_t start, const MatchPath& path,
               int64_t match_number, size_t index);
  void AddNothing(size_t index);
  void FindTermRows(const MatchPartition& partition, int64_t start, const MatchPath& path);
  Result<ArrayPtr> ColumnOf(size_t index, const RowStore& store, arrow::MemoryPool* pool) const;
  Result<ArrayPtr> Aggregates(size_t index, const RowStore& store, arrow::MemoryPool* pool) const;
  Result<ArrayPtr> Classifiers(const Column& column, arrow::MemoryPool* pool) const;
  Result<ArrayPtr> WithoutUnmatched(const ArrayPtr& measure, arrow::MemoryPool* pool) const;

  const MatchTerms* terms_;
  std::optional<Evaluator> measures_;
  std::vector<RowRef> given_;
  std::vector<int64_t> unmatched_;   // among them
  std::vector<Column> columns_;      // per term
  std::vector<TermRows> term_rows_;  // of one match, per term
};

}  // namespace headrace
