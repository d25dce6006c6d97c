// MatchPath: the rows that a match has taken so far, and by which variables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace headrace {

/// Rows count from 0, that of the first row of the match. One thread.
class MatchPath {
 public:
  explicit MatchPath(size_t variables) : first_(variables, -1), last_(variables, -1) {}

  int64_t size() const { return static_cast<int64_t>(rows_.size()); }
  int32_t step(int64_t row) const { return rows_[static_cast<size_t>(row)].step; }
  int variable(int64_t row) const { return rows_[static_cast<size_t>(row)].variable; }

  void Push(int32_t step, int variable);
  /// The first `size` rows alone.
  void Truncate(int64_t size);
  void Clear();

  /// The last row of `variables` but `skip`, or the first behind `skip`; −1: there is none.
  int64_t Last(uint64_t variables, int64_t skip) const;
  int64_t First(uint64_t variables, int64_t skip) const;

  int64_t bytes() const {
    return static_cast<int64_t>(rows_.capacity() * sizeof(Row) +
                                2 * first_.capacity() * sizeof(int64_t));
  }

 private:
  struct Row {
    int32_t step = 0;
    int32_t variable = 0;
    int64_t before = -1;  // the row before it of the same variable
  };

  std::vector<Row> rows_;
  std::vector<int64_t> first_;  // per variable; −1: none
  std::vector<int64_t> last_;
};

}  // namespace headrace
