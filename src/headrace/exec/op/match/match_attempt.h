// MatchAttempt: the search for a match that begins at one row, which can wait for rows to come.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "headrace/exec/op/match/match_path.h"
#include "headrace/plan/match_recognize.h"

namespace headrace {

/// What is fixed for all attempts of a query.
struct MatchProgram {
  explicit MatchProgram(const MatchTerms& terms);

  const MatchTerms& terms;
  uint64_t first_variables;  // see FirstVariablesOf
  uint64_t over_path = 0;    // variables whose definition looks at the match
  std::vector<int> memo;     // per step: the number of a split whose failures are kept; −1: none
  int memo_splits = 0;       // of them
  int marks = 0;             // registers
  // Per step: the registers of the loops around it whose rounds may take no row.
  std::vector<std::vector<int>> loops;
  bool may_loop_empty = false;
};

/// The rows of a partition as an attempt sees them, by their numbers in the partition.
class MatchRowsView {
 public:
  virtual ~MatchRowsView() = default;
  /// Whether row `row`, what its predicates look at and `behind` rows more have come.
  virtual bool HasCome(int64_t row, int64_t behind) const = 0;
  /// No more rows come, and this is behind the last.
  virtual bool IsBehindLast(int64_t row) const = 0;
  /// Variables whose predicates over rows are true; all others that may still take it too.
  virtual uint64_t VariablesOf(int64_t row) const = 0;
  /// The value of the span's column; REQUIRES: it has one.
  virtual int64_t SpanValueOf(int64_t row) const = 0;
  /// Whether the last row of the path, taken by `variable`, satisfies its predicate over the match.
  virtual Result<bool> IsTaken(int variable) = 0;
};

/// Backtracks in the order of preferment, with an explicit stack, so that it stops anywhere and
/// goes on. A split that has failed at a row fails there again, whatever came before, unless what
/// follows looks at the match: those splits are noted, so the rows of a partition are passed once
/// per split. One in a round that took no row yet is not noted: whether the round may end depends
/// on where it began.
class MatchAttempt {
 public:
  enum class State : uint8_t { kNeedsRow, kPaused, kFailed, kMatched };

  explicit MatchAttempt(const MatchProgram& program);

  bool is_running() const { return is_running_; }
  const MatchPath& path() const { return path_; }
  int64_t start() const { return start_; }

  /// Begins at row `start`; what failed in attempts before it stays known.
  void Start(int64_t start);
  /// Goes on for `budget` steps, which it counts down. `rows_behind` must have come behind a match.
  Result<State> Run(MatchRowsView& rows, int64_t rows_behind, int64_t* budget);
  /// Forgets what has failed: for another partition.
  void Forget();
  /// The path is never longer than this once it was asked for, until it is asked for again.
  int64_t TakeShortest();

  int64_t bytes() const;

 private:
  using Kind = MatchStep::Kind;

  /// Where to go on when what is tried fails; or what a register held.
  struct Frame {
    int32_t step = 0;
    int32_t mark = -1;  // −1: a branch
    int64_t value = 0;  // rows taken, or of the register
    int64_t trail = 0;
  };
  struct Visit {
    int split = 0;
    int64_t row = 0;
  };
  enum class Step : uint8_t { kOn, kFail, kWait };

  int64_t row() const { return start_ + path_.size(); }
  Result<Step> TakeRow(const MatchStep& step, MatchRowsView& rows);
  bool IsInSpan(const MatchRowsView& rows);
  /// True where it has failed here before.
  bool Visited(int32_t step);
  /// A round of a loop around the step has taken no row.
  bool IsInEmptyRound(int32_t step) const;
  bool Backtrack();
  void ForgetBefore(int64_t start);
  void Succeed();
  size_t BitOf(int split, int64_t row) const;

  const MatchProgram& program_;
  bool is_running_ = false;
  int64_t start_ = 0;
  int32_t step_ = 0;
  MatchPath path_;
  int64_t shortest_ = 0;
  std::vector<int64_t> marks_;
  std::vector<Frame> frames_;
  std::vector<Visit> trail_;      // the splits on the way to here
  std::vector<uint64_t> failed_;  // bits: per row from memo_row_, per split
  int64_t memo_row_ = 0;
  bool hit_span_ = false;
};

}  // namespace headrace
