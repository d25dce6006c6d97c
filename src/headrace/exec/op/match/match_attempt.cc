// The steps of a pattern over the rows of a partition.
#include "headrace/exec/op/match/match_attempt.h"

#include <algorithm>

namespace headrace {
namespace {

constexpr size_t kBitsPerWord = 64;
constexpr int64_t kPathPredicateSteps = 64;  // what evaluating one costs

/// Whether a step whose predicate looks at the match can be reached from each step.
std::vector<bool> LeadsToPath(const std::vector<MatchStep>& steps, uint64_t over_path) {
  std::vector<bool> leads(steps.size(), false);
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = steps.size(); i-- > 0;) {
      const MatchStep& step = steps[i];
      bool does = false;
      switch (step.kind) {
        case MatchStep::Kind::kMatch:
          break;
        case MatchStep::Kind::kJump:
          does = leads[static_cast<size_t>(step.target)];
          break;
        case MatchStep::Kind::kSplit:
          does = leads[static_cast<size_t>(step.target)] || leads[static_cast<size_t>(step.other)];
          break;
        case MatchStep::Kind::kRow:
          does = leads[i + 1] || (over_path >> step.target & 1) != 0;
          break;
        default:
          does = leads[i + 1];
      }
      changed = changed || does != leads[i];
      leads[i] = does;
    }
  }
  return leads;
}

/// Per step the targets of the marks before it whose progress is behind it.
std::vector<std::vector<int>> LoopsAround(const std::vector<MatchStep>& steps) {
  std::vector<std::vector<int>> loops(steps.size());
  std::vector<int> open;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].kind == MatchStep::Kind::kProgress) std::erase(open, steps[i].target);
    loops[i] = open;
    if (steps[i].kind == MatchStep::Kind::kMark) open.push_back(steps[i].target);
  }
  return loops;
}

}  // namespace

MatchProgram::MatchProgram(const MatchTerms& match)
    : terms(match),
      first_variables(FirstVariablesOf(match.steps)),
      loops(LoopsAround(match.steps)) {
  for (size_t i = 0; i < match.definitions.size(); ++i) {
    if (match.definitions[i].over_path != nullptr) over_path |= uint64_t{1} << i;
  }
  const std::vector<bool> leads = LeadsToPath(match.steps, over_path);
  for (size_t i = 0; i < match.steps.size(); ++i) {
    const MatchStep& step = match.steps[i];
    const bool is_kept = step.kind == MatchStep::Kind::kSplit && !leads[i];
    memo.push_back(is_kept ? memo_splits++ : -1);
    if (step.kind != MatchStep::Kind::kMark) continue;
    marks = std::max(marks, step.target + 1);
    may_loop_empty = true;
  }
}

MatchAttempt::MatchAttempt(const MatchProgram& program)
    : program_(program),
      path_(program.terms.variables.size()),
      marks_(static_cast<size_t>(program.marks), -1) {}

void MatchAttempt::Start(int64_t start) {
  if (hit_span_) Forget();
  ForgetBefore(start);
  is_running_ = true;
  start_ = start;
  step_ = 0;
  path_.Clear();
  shortest_ = 0;
  frames_.clear();
  trail_.clear();
  std::fill(marks_.begin(), marks_.end(), -1);
}

void MatchAttempt::Forget() {
  failed_.clear();
  hit_span_ = false;
}

/// In whole words, once they are many.
void MatchAttempt::ForgetBefore(int64_t start) {
  constexpr size_t kWordsMin = 64;
  const auto groups = static_cast<size_t>(std::max<int64_t>(start - memo_row_, 0)) / kBitsPerWord;
  const size_t words = groups * static_cast<size_t>(program_.memo_splits);
  if (words >= failed_.size()) return failed_.clear();
  if (words < std::max(kWordsMin, failed_.size() / 2)) return;
  failed_.erase(failed_.begin(), failed_.begin() + static_cast<int64_t>(words));
  memo_row_ += static_cast<int64_t>(groups * kBitsPerWord);
}

int64_t MatchAttempt::TakeShortest() {
  const int64_t shortest = shortest_;
  shortest_ = path_.size();
  return shortest;
}

int64_t MatchAttempt::bytes() const {
  return static_cast<int64_t>(sizeof(MatchAttempt) + marks_.capacity() * sizeof(int64_t) +
                              frames_.capacity() * sizeof(Frame) +
                              trail_.capacity() * sizeof(Visit) +
                              failed_.capacity() * sizeof(uint64_t)) +
         path_.bytes();
}

size_t MatchAttempt::BitOf(int split, int64_t row) const {
  return static_cast<size_t>(row - memo_row_) * static_cast<size_t>(program_.memo_splits) +
         static_cast<size_t>(split);
}

bool MatchAttempt::IsInEmptyRound(int32_t step) const {
  const std::vector<int>& loops = program_.loops[static_cast<size_t>(step)];
  return std::any_of(loops.begin(), loops.end(),
                     [&](int mark) { return marks_[static_cast<size_t>(mark)] == row(); });
}

bool MatchAttempt::Visited(int32_t step) {
  const int split = program_.memo[static_cast<size_t>(step)];
  if (split < 0 || IsInEmptyRound(step)) return false;
  if (failed_.empty()) memo_row_ = start_;
  const size_t bit = BitOf(split, row());
  const size_t word = bit / kBitsPerWord;
  if (word >= failed_.size()) failed_.resize(std::max(word + 1, failed_.size() * 3 / 2), 0);
  const uint64_t mask = uint64_t{1} << bit % kBitsPerWord;
  if ((failed_[word] & mask) != 0) return true;
  failed_[word] |= mask;
  trail_.push_back({split, row()});
  return false;
}

/// False: all ways have failed.
bool MatchAttempt::Backtrack() {
  while (!frames_.empty()) {
    const Frame frame = frames_.back();
    frames_.pop_back();
    if (frame.mark >= 0) {
      marks_[static_cast<size_t>(frame.mark)] = frame.value;
      continue;
    }
    step_ = frame.step;
    path_.Truncate(frame.value);
    shortest_ = std::min(shortest_, frame.value);
    trail_.resize(static_cast<size_t>(frame.trail));
    return true;
  }
  is_running_ = false;
  return false;
}

/// The splits on the way to a match have not failed.
void MatchAttempt::Succeed() {
  is_running_ = false;
  if (program_.may_loop_empty) return Forget();
  for (const Visit& visit : trail_) {
    const size_t bit = BitOf(visit.split, visit.row);
    failed_[bit / kBitsPerWord] &= ~(uint64_t{1} << bit % kBitsPerWord);
  }
}

bool MatchAttempt::IsInSpan(const MatchRowsView& rows) {
  const MatchSpan& span = program_.terms.span;
  bool fits = span.rows == 0 || path_.size() < span.rows;
  if (fits && span.column >= 0) {
    int64_t length = 0;
    fits = !__builtin_sub_overflow(rows.SpanValueOf(row()), rows.SpanValueOf(start_), &length) &&
           length <= span.length_max;
  }
  hit_span_ = hit_span_ || !fits;
  return fits;
}

Result<MatchAttempt::Step> MatchAttempt::TakeRow(const MatchStep& step, MatchRowsView& rows) {
  if (!rows.HasCome(row(), 0)) return rows.IsBehindLast(row()) ? Step::kFail : Step::kWait;
  if ((rows.VariablesOf(row()) >> step.target & 1) == 0) return Step::kFail;
  const MatchSpan& span = program_.terms.span;
  if ((span.rows > 0 || span.column >= 0) && !IsInSpan(rows)) return Step::kFail;
  path_.Push(step_, step.target);
  if ((program_.over_path >> step.target & 1) != 0) {
    ARROW_ASSIGN_OR_RAISE(const bool is_taken, rows.IsTaken(step.target));
    if (!is_taken) return Step::kFail;
  }
  ++step_;
  return Step::kOn;
}

Result<MatchAttempt::State> MatchAttempt::Run(MatchRowsView& rows, int64_t rows_behind,
                                              int64_t* budget) {
  const std::vector<MatchStep>& steps = program_.terms.steps;
  while (--*budget > 0) {
    const MatchStep& step = steps[static_cast<size_t>(step_)];
    Step next = Step::kOn;
    switch (step.kind) {
      case Kind::kRow: {
        ARROW_ASSIGN_OR_RAISE(next, TakeRow(step, rows));
        if ((program_.over_path >> step.target & 1) != 0) *budget -= kPathPredicateSteps;
        break;
      }
      case Kind::kSplit:
        if (Visited(step_)) {
          next = Step::kFail;
          break;
        }
        frames_.push_back({step.other, -1, path_.size(), static_cast<int64_t>(trail_.size())});
        step_ = step.target;
        break;
      case Kind::kJump:
        step_ = step.target;
        break;
      case Kind::kMark: {
        int64_t& mark = marks_[static_cast<size_t>(step.target)];
        frames_.push_back({0, step.target, mark, 0});
        mark = row();
        ++step_;
        break;
      }
      case Kind::kProgress:
        next = marks_[static_cast<size_t>(step.target)] == row() ? Step::kFail : Step::kOn;
        ++step_;
        break;
      case Kind::kStart:
        next = row() == 0 ? Step::kOn : Step::kFail;
        ++step_;
        break;
      case Kind::kEnd:
        if (rows.HasCome(row(), 0)) {
          next = Step::kFail;
        } else if (!rows.IsBehindLast(row())) {
          next = Step::kWait;
        } else {
          ++step_;
        }
        break;
      case Kind::kMatch:
        if (!rows.HasCome(row() - 1, rows_behind)) return State::kNeedsRow;
        Succeed();
        return State::kMatched;
    }
    if (next == Step::kWait) return State::kNeedsRow;
    if (next == Step::kFail && !Backtrack()) return State::kFailed;
  }
  return State::kPaused;
}

}  // namespace headrace
