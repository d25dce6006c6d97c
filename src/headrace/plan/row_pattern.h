// Row patterns: what PATTERN of MATCH_RECOGNIZE says, as a tree and as the steps of a matcher.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/error.h"

namespace headrace {

/// Variables of one pattern: sets of them are bits of a number.
inline constexpr size_t kMatchVariablesMax = 63;
/// Steps of one pattern, bounds of quantifiers written out.
inline constexpr size_t kMatchStepsMax = 20'000;
/// Parts of PERMUTE, which stands for all their orders.
inline constexpr size_t kPermutedMax = 6;

/// A pattern, in the order of preferment of SQL:2016.
struct RowPattern {
  enum class Kind : uint8_t {
    kRow,       // a row that `variable` takes
    kSequence,  // parts one after the other; none: the empty pattern
    kChoice,    // the first of the parts that goes
    kRepeat,    // parts[0], min to max times; more are rather taken than fewer
    kExclude,   // parts[0], whose rows are not given
    kStart,     // before the first row of the partition
    kEnd,       // behind the last one
  };
  static constexpr int64_t kNoMax = -1;

  Kind kind = Kind::kSequence;
  size_t variable = 0;
  std::vector<RowPattern> parts;
  int64_t min = 0;
  int64_t max = kNoMax;
  bool is_reluctant = false;  // of kRepeat: fewer are rather taken than more
};

/// Variables are told apart without their case, and called as they are written first.
struct ParsedPattern {
  RowPattern pattern;
  std::vector<std::string> variables;

  /// The number of a variable; −1: there is none.
  int Find(std::string_view name) const;
};

/// Reads "A (B | C)+? D{2,3}", with ^, $, {- … -} and PERMUTE(…). `text` stands at `begin` of the
/// query, for spans of errors: kSyntax, and kUnsupported for what is too large.
Result<ParsedPattern> ParseRowPattern(std::string_view text, int64_t begin = 0);

/// One step of a matcher that backtracks.
struct MatchStep {
  enum class Kind : uint8_t {
    kRow,       // takes a row as `variable`, and goes on with the next step
    kSplit,     // goes on at `target`; when that fails, at `other`
    kJump,      // goes on at `target`
    kMark,      // notes in register `target` where it stands
    kProgress,  // fails where it stands at the place noted in register `target`
    kStart,     // fails but before the first row
    kEnd,       // fails but behind the last row
    kMatch,     // done
  };
  Kind kind = Kind::kMatch;
  bool is_excluded = false;  // of kRow
  int32_t target = 0;        // of kRow: the variable
  int32_t other = 0;
  bool operator==(const MatchStep&) const = default;
};

/// The last step is kMatch. A round of a loop that takes no row is none.
Result<std::vector<MatchStep>> CompileRowPattern(const RowPattern& pattern);

/// Variables that the first row of a match may be taken by; all bits where a match may have no row.
uint64_t FirstVariablesOf(const std::vector<MatchStep>& steps);

}  // namespace headrace
