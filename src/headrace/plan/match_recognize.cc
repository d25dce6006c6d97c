// What the node of MATCH_RECOGNIZE says of itself.
#include "headrace/plan/match_recognize.h"

#include <fmt/format.h>

#include <algorithm>

#include "arrow/type.h"
#include "headrace/plan/rule/prune_columns.h"
#include "headrace/plan/transform.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

void NeedTerms(const std::vector<MatchTerm>& terms, ColumnMask* needed) {
  for (const MatchTerm& term : terms) {
    if (term.column >= 0) (*needed)[static_cast<size_t>(term.column)] = true;
    for (const ExpressionPtr& arg : term.call.args) Need(*arg, needed);
  }
}

void MoveTerms(const std::vector<int>& places, std::vector<MatchTerm>* terms) {
  for (MatchTerm& term : *terms) {
    if (term.column >= 0) term.column = places[static_cast<size_t>(term.column)];
    for (ExpressionPtr& arg : term.call.args) arg = MoveColumns(arg, places);
  }
}

void NeedAll(const MatchTerms& match, ColumnMask* needed) {
  Need(match.partition_by, needed);
  Need(match.outputs, needed);
  if (match.span.column >= 0) (*needed)[static_cast<size_t>(match.span.column)] = true;
  for (const ShiftedColumn& cell : match.cells) (*needed)[static_cast<size_t>(cell.column)] = true;
  for (const MatchDefinition& definition : match.definitions) NeedTerms(definition.terms, needed);
  NeedTerms(match.terms, needed);
}

void MoveAll(const std::vector<int>& places, MatchTerms* match) {
  match->partition_by = Moved(std::move(match->partition_by), places);
  match->outputs = Moved(std::move(match->outputs), places);
  if (match->span.column >= 0) {
    match->span.column = places[static_cast<size_t>(match->span.column)];
  }
  for (ShiftedColumn& cell : match->cells) cell.column = places[static_cast<size_t>(cell.column)];
  for (MatchDefinition& definition : match->definitions) MoveTerms(places, &definition.terms);
  MoveTerms(places, &match->terms);
}

/// Drops the terms that no measure is over.
void DropUnusedTerms(MatchTerms* match) {
  std::vector<bool> used(match->terms.size(), false);
  for (const ExpressionPtr& measure : match->measures) {
    for (const int term : ColumnsOf(*measure)) used[static_cast<size_t>(term)] = true;
  }
  std::vector<MatchTerm> kept;
  std::vector<int> places(match->terms.size(), -1);
  for (size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    places[i] = static_cast<int>(kept.size());
    kept.push_back(std::move(match->terms[i]));
  }
  match->terms = std::move(kept);
  for (ExpressionPtr& measure : match->measures) measure = MoveColumns(measure, places);
}

/// Whether the rows of a match's first row follow those of the match before it.
bool GivesStarts(const MatchTerms& match) {
  return match.rows == MatchRows::kOne && FirstVariablesOf(match.steps) != kAnyVariable;
}

/// The measure that is column `column` of the first row of the match; −1: none.
int PlaceOfStart(const MatchTerms& match, int column) {
  for (size_t i = 0; i < match.measures.size() && GivesStarts(match); ++i) {
    const Expression& measure = *match.measures[i];
    if (measure.kind != Expression::Kind::kColumn) continue;
    const MatchTerm& term = match.terms[static_cast<size_t>(measure.column)];
    const bool is_start = term.kind == MatchTerm::Kind::kCell && term.column == column &&
                          term.variables == kAnyVariable && term.is_first && term.skip == 0 &&
                          term.shift == 0;
    if (is_start) return static_cast<int>(match.outputs.size() + i);
  }
  return -1;
}

int PlaceOf(const MatchTerms& match, int column) {
  const auto found = std::find(match.outputs.begin(), match.outputs.end(), column);
  if (found != match.outputs.end()) return static_cast<int>(found - match.outputs.begin());
  return PlaceOfStart(match, column);
}

bool StandTogetherIn(const PlanNode& input, const std::vector<int>& columns) {
  return columns.empty() || SatisfiesByGroup(input.properties().ordering, columns, {});
}

/// Of a table whose partitions stand together: its rows are given once, in their order, or matches
/// in that of their first rows.
Ordering OrderingOf(const PlanNode& input, const MatchTerms& match) {
  Ordering ordering;
  if (!StandTogetherIn(input, match.partition_by)) return ordering;
  const bool once = match.rows == MatchRows::kOne
                        ? GivesStarts(match)
                        : match.skip.kind == MatchSkip::Kind::kPastLastRow;
  for (SortKey key : input.properties().ordering) {
    const bool is_key = std::find(match.partition_by.begin(), match.partition_by.end(),
                                  key.column) != match.partition_by.end();
    key.column = PlaceOf(match, key.column);
    if (key.column < 0 || (!is_key && !once)) break;
    ordering.push_back(key);
  }
  return ordering;
}

}  // namespace

std::string MatchRecognizeNode::Describe() const {
  std::string text = fmt::format("pattern ({})", terms.pattern);
  const auto names = input()->schema()->field_names();
  for (size_t i = 0; i < terms.partition_by.size(); ++i) {
    text += (i == 0 ? " partition by " : ", ");
    text += names[static_cast<size_t>(terms.partition_by[i])];
  }
  return text;
}

Result<PlanPtr> MatchRecognizeNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeMatchRecognizeNode(inputs.at(0), terms);
}

Result<PrunedPlan> MatchRecognizeNode::Prune(const ColumnMask& needed) const {
  MatchTerms kept = terms;
  kept.outputs.clear();
  kept.measures.clear();
  kept.names.clear();
  std::vector<int> places(needed.size(), -1);
  int next = 0;
  for (size_t i = 0; i < needed.size(); ++i) {
    if (!needed[i]) continue;
    places[i] = next++;
    if (i < terms.outputs.size()) {
      kept.outputs.push_back(terms.outputs[i]);
      continue;
    }
    kept.measures.push_back(terms.measures[i - terms.outputs.size()]);
    kept.names.push_back(terms.names[i - terms.outputs.size()]);
  }
  DropUnusedTerms(&kept);
  ColumnMask below = NoneOf(*input());
  NeedAll(kept, &below);
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned, input()->Prune(below));
  MoveAll(pruned.places, &kept);
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeMatchRecognizeNode(std::move(pruned.plan), std::move(kept)));
  pruned.places = std::move(places);
  return pruned;
}

/// Whole partitions go or stay by their keys.
std::vector<int> MatchRecognizeNode::FilterPlaces(size_t /*input*/) const {
  std::vector<int> places(static_cast<size_t>(schema()->num_fields()), -1);
  for (size_t i = 0; i < terms.outputs.size(); ++i) {
    const bool is_key = std::find(terms.partition_by.begin(), terms.partition_by.end(),
                                  terms.outputs[i]) != terms.partition_by.end();
    if (is_key) places[i] = terms.outputs[i];
  }
  return places;
}

bool MatchRecognizeNode::partitions_stand_together() const {
  return StandTogetherIn(*input(), terms.partition_by);
}

Result<PlanPtr> MakeMatchRecognizeNode(PlanPtr input, MatchTerms terms) {
  if (IsEndless(*input) || input->properties().change_mode != ChangeMode::kAppend) {
    return Error(ErrorKind::kUnsupported,
                 "MATCH_RECOGNIZE takes rows that end and are only added, not a stream");
  }
  for (const int column : terms.partition_by) {
    const arrow::Field& field = *input->schema()->field(column);
    if (HasTypeFlag(*PlainType(field.type()), kTypeComparable)) continue;
    return Error(ErrorKind::kTypeMismatch,
                 "column {} cannot be a partition key: its type has no order: {}", field.name(),
                 SqlNameOf(*field.type()));
  }
  PlanProperties properties = input->properties();
  properties.ordering = OrderingOf(*input, terms);
  arrow::FieldVector fields;
  for (const int column : terms.outputs) fields.push_back(input->schema()->field(column));
  for (size_t i = 0; i < terms.measures.size(); ++i) {
    fields.push_back(arrow::field(terms.names[i], terms.measures[i]->type));
  }
  properties.schema = arrow::schema(std::move(fields));
  return std::make_shared<MatchRecognizeNode>(std::move(properties), std::move(input),
                                              std::move(terms));
}

}  // namespace headrace
