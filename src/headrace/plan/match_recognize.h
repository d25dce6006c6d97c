// The node of MATCH_RECOGNIZE: matches of a pattern over the rows of each partition, in order.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "headrace/plan/node.h"
#include "headrace/plan/row_pattern.h"

namespace headrace {

/// Every variable of a pattern.
inline constexpr uint64_t kAnyVariable = ~uint64_t{0};

/// A value of a match so far: what expressions of MEASURES and DEFINE are made of.
struct MatchTerm {
  enum class Kind : uint8_t { kCell, kAggregate, kClassifier, kMatchNumber };
  Kind kind = Kind::kCell;
  uint64_t variables = kAnyVariable;  // whose rows count
  bool is_first = false;              // kCell, kClassifier: of the first of them, else of the last
  int64_t skip = 0;                   // so many rows of them further inside
  int64_t shift = 0;                  // kCell: of the row so far behind that one (before: < 0)
  bool is_final = false;              // over the whole match, else up to the current row
  int column = -1;                    // kCell
  FunctionCall call;                  // kAggregate: over columns and literals
  TypePtr type;
};

/// A column of the row `shift` behind the current one in its partition (before it: < 0).
struct ShiftedColumn {
  int column = 0;
  int64_t shift = 0;
  bool operator==(const ShiftedColumn&) const = default;
};

/// When a row may be taken by a variable; neither: always.
struct MatchDefinition {
  ExpressionPtr over_row;   // over MatchTerms::cells
  ExpressionPtr over_path;  // over `terms`, the row counting as taken
  std::vector<MatchTerm> terms;
};

enum class MatchRows : uint8_t { kOne, kAll, kAllOmitEmpty, kAllWithUnmatched };

/// AFTER MATCH SKIP …
struct MatchSkip {
  enum class Kind : uint8_t { kPastLastRow, kToNextRow, kToFirst, kToLast };
  Kind kind = Kind::kPastLastRow;
  uint64_t variables = 0;  // of kToFirst, kToLast
  std::string name;        // of them
};

/// How far the last row of a match may be from its first.
struct MatchSpan {
  int64_t rows = 0;        // a match has at most so many; 0: any number
  int column = -1;         // of 64-bit integers or timestamps, ascending; −1: none
  int64_t length_max = 0;  // of `column`, in its units
};

struct MatchTerms {
  std::vector<int> partition_by;
  std::string pattern;  // as written, for EXPLAIN
  std::vector<std::string> variables;
  std::vector<MatchStep> steps;
  std::vector<ShiftedColumn> cells;
  std::vector<MatchDefinition> definitions;  // per variable
  std::vector<MatchTerm> terms;              // of the measures
  std::vector<ExpressionPtr> measures;       // over `terms`; null where a row is in no match
  std::vector<std::string> names;            // beside them
  std::vector<int> outputs;                  // columns that are given in front of the measures
  MatchRows rows = MatchRows::kOne;
  MatchSkip skip;
  MatchSpan span;
};

/// Output: the columns `outputs` of the rows that are given (kOne: of the row where the match
/// begins), then the measures. Rows come in the order in which they are decided: a match at the row
/// that ends all other ways to go on. REQUIRES: the rows of each partition come in their order.
class MatchRecognizeNode final : public PlanNode {
 public:
  MatchRecognizeNode(PlanProperties properties, PlanPtr input, MatchTerms terms)
      : PlanNode(std::move(properties), {std::move(input)}), terms(std::move(terms)) {}
  const char* name() const override { return "match_recognize"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> FilterPlaces(size_t input) const override;
  bool partitions_stand_together() const;

  const MatchTerms terms;
};

Result<PlanPtr> MakeMatchRecognizeNode(PlanPtr input, MatchTerms terms);

}  // namespace headrace
