// The builder's MATCH_RECOGNIZE.
#include <algorithm>
#include <numeric>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/expression/bind.h"
#include "headrace/plan/builder.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/match_binder.h"
#include "headrace/plan/match_clause.h"
#include "headrace/plan/transform.h"
#include "headrace/types/encoding.h"
#include "headrace/types/time_scale.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

/// Of PARTITION BY and ORDER BY.
Result<int> ColumnOfClause(const UnboundPtr& expression, const Scope& scope, const char* clause) {
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr bound, Bind(*expression, scope, Dialect::kSql));
  if (bound->kind == Expression::Kind::kColumn) return bound->column;
  return WithSpan(Error(ErrorKind::kUnsupported,
                        "{} of MATCH_RECOGNIZE takes columns; compute {} in a query below", clause,
                        ToString(*bound)),
                  expression->span);
}

/// Cells of the current row and of rows around it need no match.
bool IsOverRow(const MatchTerm& term, size_t variable) {
  return term.kind == MatchTerm::Kind::kCell && !term.is_first && term.skip == 0 &&
         (term.variables >> variable & 1) != 0;
}

class MatchPlanner {
 public:
  MatchPlanner(PlanPtr input, const Scope& scope, const MatchClause& clause)
      : input_(std::move(input)), scope_(scope), clause_(clause) {}

  Result<PlanPtr> Plan() {
    ARROW_ASSIGN_OR_RAISE(const ParsedPattern parsed,
                          ParseRowPattern(clause_.pattern, clause_.pattern_begin));
    match_.pattern = clause_.pattern;
    match_.variables = parsed.variables;
    Result<std::vector<MatchStep>> steps = CompileRowPattern(parsed.pattern);
    if (!steps.ok()) return WithSpan(steps.status(), clause_.span);
    match_.steps = *std::move(steps);
    Result<MatchVariables> variables = MatchVariables::Make(parsed.variables, clause_.subsets);
    if (!variables.ok()) return WithSpan(variables.status(), clause_.span);
    ARROW_RETURN_NOT_OK(BindOrder());
    ARROW_RETURN_NOT_OK(BindSkip(*variables));
    ARROW_RETURN_NOT_OK(BindRows());
    MatchBinder binder(*variables, scope_, &values_);
    ARROW_RETURN_NOT_OK(BindDefinitions(parsed, &binder));
    ARROW_RETURN_NOT_OK(BindMeasures(&binder));
    return Build();
  }

 private:
  Status BindOrder() {
    for (const UnboundPtr& key : clause_.partition_by) {
      ARROW_ASSIGN_OR_RAISE(match_.partition_by.emplace_back(),
                            ColumnOfClause(key, scope_, "PARTITION BY"));
    }
    for (const UnboundSortKey& key : clause_.order_by) {
      ARROW_ASSIGN_OR_RAISE(const int column, ColumnOfClause(key.expression, scope_, "ORDER BY"));
      const auto nulls = key.descending ? NullPlacement::kFirst : NullPlacement::kLast;
      order_.push_back({column, key.descending, key.nulls.value_or(nulls)});
    }
    return BindSpan();
  }

  /// The column that a time span is of: the first key that tells the rows of a partition apart.
  Result<SortKey> KeyOfSpan() const {
    for (const Ordering& order : {order_, input_->properties().ordering}) {
      for (const SortKey& key : order) {
        const auto& by = match_.partition_by;
        if (std::find(by.begin(), by.end(), key.column) == by.end()) return key;
      }
    }
    return Error(ErrorKind::kInvalidArgument,
                 "a span of time needs rows that come in its order: give ORDER BY");
  }

  Status BindSpan() {
    match_.span.rows = clause_.rows_max;
    if (!clause_.span_micros.has_value() && !clause_.span_units.has_value()) return Status::OK();
    Result<SortKey> key = KeyOfSpan();
    if (!key.ok()) return WithSpan(key.status(), clause_.span);
    const TypePtr type = PlainType(input_->schema()->field(key->column)->type());
    const bool is_time = type->id() == arrow::Type::TIMESTAMP;
    const bool fits =
        clause_.span_micros.has_value() ? is_time : is_time || type->id() == arrow::Type::INT64;
    if (!fits || key->descending) {
      return WithSpan(Error(ErrorKind::kTypeMismatch,
                            "WITHIN goes by an ascending {} in ORDER BY, got {} of type {}",
                            clause_.span_micros.has_value() ? "TIMESTAMP" : "BIGINT or TIMESTAMP",
                            input_->schema()->field(key->column)->name(), SqlNameOf(*type)),
                      clause_.span);
    }
    match_.span.column = key->column;
    match_.span.length_max =
        clause_.span_units.has_value() ? *clause_.span_units : UnitsOf(*clause_.span_micros, *type);
    return Status::OK();
  }

  static int64_t UnitsOf(int64_t micros, const arrow::DataType& type) {
    constexpr int64_t kMicrosPerMilli = 1000;
    constexpr int64_t kMicrosPerSecond = 1'000'000;
    constexpr int64_t kNanosPerMicro = 1000;
    switch (static_cast<const arrow::TimestampType&>(type).unit()) {
      case arrow::TimeUnit::SECOND:
        return micros / kMicrosPerSecond;
      case arrow::TimeUnit::MILLI:
        return micros / kMicrosPerMilli;
      case arrow::TimeUnit::MICRO:
        return micros;
      case arrow::TimeUnit::NANO:
        break;
    }
    return micros * kNanosPerMicro;
  }

  Status BindSkip(const MatchVariables& variables) {
    match_.skip.kind = clause_.skip;
    if (clause_.skip_variable.empty()) return Status::OK();
    Result<uint64_t> set = variables.Get(clause_.skip_variable);
    if (!set.ok()) return WithSpan(set.status(), clause_.span);
    match_.skip.variables = *set;
    match_.skip.name = clause_.skip_variable;
    return Status::OK();
  }

  Status BindRows() {
    match_.rows = clause_.rows;
    const bool excludes = std::any_of(match_.steps.begin(), match_.steps.end(),
                                      [](const MatchStep& step) { return step.is_excluded; });
    if (!excludes || match_.rows != MatchRows::kAllWithUnmatched) return Status::OK();
    return WithSpan(Error(ErrorKind::kInvalidArgument,
                          "WITH UNMATCHED ROWS does not go with {{- … -}} in the pattern"),
                    clause_.span);
  }

  Status BindDefinitions(const ParsedPattern& parsed, MatchBinder* binder) {
    match_.definitions.resize(parsed.variables.size());
    std::vector<bool> is_defined(parsed.variables.size(), false);
    for (const auto& [name, predicate] : clause_.definitions) {
      const int variable = parsed.Find(name);
      if (variable < 0) {
        return WithSpan(Error(ErrorKind::kUnknownName,
                              "DEFINE {}: the pattern has no variable of this name", name),
                        predicate->span);
      }
      const auto place = static_cast<size_t>(variable);
      if (is_defined[place]) {
        return WithSpan(Error(ErrorKind::kInvalidArgument, "DEFINE has {} twice", name),
                        predicate->span);
      }
      is_defined[place] = true;
      ARROW_RETURN_NOT_OK(BindDefinition(place, predicate, binder));
    }
    return Status::OK();
  }

  Status BindDefinition(size_t variable, const UnboundPtr& predicate, MatchBinder* binder) {
    MatchDefinition& definition = match_.definitions[variable];
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, binder->Bind(predicate, true, &definition.terms));
    Result<ExpressionPtr> condition = CoerceTo(bound, arrow::boolean());
    if (!condition.ok()) return WithSpan(condition.status(), predicate->span);
    const auto is_over_row = [&](const MatchTerm& term) { return IsOverRow(term, variable); };
    if (!std::all_of(definition.terms.begin(), definition.terms.end(), is_over_row)) {
      definition.over_path = *std::move(condition);
      return Status::OK();
    }
    std::vector<int> places;
    for (const MatchTerm& term : definition.terms) places.push_back(PlaceOfCell(term));
    definition.over_row = MoveColumns(*condition, places);
    definition.terms.clear();
    return Status::OK();
  }

  int PlaceOfCell(const MatchTerm& term) {
    const ShiftedColumn cell{term.column, term.shift};
    const auto found = std::find(match_.cells.begin(), match_.cells.end(), cell);
    const auto place = found - match_.cells.begin();
    if (found == match_.cells.end()) match_.cells.push_back(cell);
    return static_cast<int>(place);
  }

  Status BindMeasures(MatchBinder* binder) {
    for (const auto& [name, value] : clause_.measures) {
      ARROW_ASSIGN_OR_RAISE(match_.measures.emplace_back(),
                            binder->Bind(value, false, &match_.terms));
      match_.names.push_back(name);
    }
    return Status::OK();
  }

  static void MoveColumnsOf(const std::vector<int>& places, std::vector<MatchTerm>* terms) {
    for (MatchTerm& term : *terms) {
      if (term.column >= 0) term.column = places[static_cast<size_t>(term.column)];
      for (ExpressionPtr& arg : term.call.args) arg = MoveColumns(arg, places);
    }
  }

  Result<PlanPtr> Build() {
    std::vector<int> places;
    const int width = input_->schema()->num_fields();
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, AppendColumns(input_, values_, &places));
    for (ShiftedColumn& cell : match_.cells) cell.column = places[static_cast<size_t>(cell.column)];
    for (MatchDefinition& definition : match_.definitions) {
      MoveColumnsOf(places, &definition.terms);
    }
    MoveColumnsOf(places, &match_.terms);
    ARROW_ASSIGN_OR_RAISE(plan, PutInOrder(std::move(plan), match_.partition_by, order_));
    const bool gives_all = match_.rows != MatchRows::kOne;
    match_.outputs = match_.partition_by;
    if (gives_all) {
      match_.outputs.resize(static_cast<size_t>(width));
      std::iota(match_.outputs.begin(), match_.outputs.end(), 0);
    }
    const std::vector<int> partition_by = match_.partition_by;
    ARROW_ASSIGN_OR_RAISE(plan, MakeMatchRecognizeNode(std::move(plan), std::move(match_)));
    return gives_all ? InOrderOfColumns(std::move(plan), partition_by, width) : plan;
  }

  /// PARTITION BY, ORDER BY, measures, the other columns.
  Result<PlanPtr> InOrderOfColumns(PlanPtr plan, const std::vector<int>& partition_by,
                                   int width) const {
    std::vector<int> columns;
    const auto add = [&](int column) {
      if (std::find(columns.begin(), columns.end(), column) == columns.end()) {
        columns.push_back(column);
      }
    };
    for (const int column : partition_by) add(column);
    for (const SortKey& key : order_) add(key.column);
    for (int i = width; i < plan->schema()->num_fields(); ++i) add(i);
    for (int i = 0; i < width; ++i) add(i);
    std::vector<ExpressionPtr> outputs;
    std::vector<std::string> names;
    for (const int column : columns) {
      outputs.push_back(ColumnOf(*plan->schema(), column));
      names.push_back(outputs.back()->name);
    }
    return MakeProjectNode(std::move(plan), std::move(outputs), names);
  }

  const PlanPtr input_;
  const Scope& scope_;
  const MatchClause& clause_;
  MatchTerms match_;
  Ordering order_;
  std::vector<ExpressionPtr> values_;  // over the input: the columns of terms
};

}  // namespace

Result<PlanPtr> PlanMatchRecognize(PlanPtr input, const Scope& scope, const MatchClause& clause) {
  return MatchPlanner(std::move(input), scope, clause).Plan();
}

}  // namespace headrace
