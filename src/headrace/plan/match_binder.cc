// Every column, navigation and aggregate of an expression becomes a term, and its name a column of
// a scope of terms, over which what is left is bound like any expression.
#include "headrace/plan/match_binder.h"

#include <algorithm>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/ascii_case.h"
#include "headrace/function/registry.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

constexpr int64_t kMatchOffsetMax = 100'000;

bool IsNamed(const Unbound& call, std::string_view name) {
  return call.kind == Unbound::Kind::kCall && EqualsIgnoringCase(call.name, name);
}

/// No name of a query begins so.
std::string NameOfTerm(size_t number) { return fmt::format(" term {}", number); }

bool SameValue(const MatchTerm& left, const MatchTerm& right) {
  const bool is_cell = left.kind == right.kind && left.kind == MatchTerm::Kind::kCell;
  return is_cell && left.variables == right.variables && left.is_first == right.is_first &&
         left.skip == right.skip && left.shift == right.shift && left.is_final == right.is_final &&
         left.column == right.column;
}

}  // namespace

Result<MatchVariables> MatchVariables::Make(
    std::vector<std::string> variables,
    const std::vector<std::pair<std::string, std::vector<std::string>>>& subsets) {
  MatchVariables made;
  for (size_t i = 0; i < variables.size(); ++i) {
    made.sets_.emplace_back(std::move(variables[i]), uint64_t{1} << i);
  }
  for (const auto& [name, parts] : subsets) {
    if (made.Find(name) != 0) {
      return Error(ErrorKind::kInvalidArgument, "SUBSET {}: there is a variable of this name",
                   name);
    }
    uint64_t set = 0;
    for (const std::string& part : parts) {
      ARROW_ASSIGN_OR_RAISE(const uint64_t variable, made.Get(part));
      set |= variable;
    }
    made.sets_.emplace_back(name, set);
  }
  return made;
}

uint64_t MatchVariables::Find(std::string_view name) const {
  for (const auto& [known, set] : sets_) {
    if (EqualsIgnoringCase(known, name)) return set;
  }
  return 0;
}

Result<uint64_t> MatchVariables::Get(std::string_view name) const {
  if (const uint64_t set = Find(name); set != 0) return set;
  std::string known;
  for (const auto& [other, set] : sets_) known += (known.empty() ? "" : ", ") + other;
  return Error(ErrorKind::kUnknownName, "the pattern has no variable {}; there are: {}", name,
               known);
}

Result<ExpressionPtr> MatchBinder::Bind(const UnboundPtr& expression, bool is_definition,
                                        std::vector<MatchTerm>* terms) {
  terms_ = terms;
  is_definition_ = is_definition;
  is_final_ = false;
  ARROW_ASSIGN_OR_RAISE(
      const UnboundPtr over_terms,
      TransformUnbound(expression, [&](const UnboundPtr& node) { return Visit(node); }));
  Scope scope;
  for (size_t i = 0; i < terms->size(); ++i) scope.Add("", NameOfTerm(i), (*terms)[i].type);
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, headrace::Bind(*over_terms, scope, Dialect::kSql));
  return FoldConstants(bound);
}

Result<UnboundPtr> MatchBinder::Visit(const UnboundPtr& node) {
  if (node->kind == Unbound::Kind::kColumn) return Cell(node, MatchTerm());
  if (node->kind == Unbound::Kind::kCall) return VisitCall(node);
  if (node->kind != Unbound::Kind::kCallback && node->kind != Unbound::Kind::kQuery) {
    return nullptr;
  }
  return WithSpan(
      Error(ErrorKind::kUnsupported, "MATCH_RECOGNIZE takes no subqueries and no Python functions"),
      node->span);
}

Result<UnboundPtr> MatchBinder::VisitCall(const UnboundPtr& node) {
  if (node->window != nullptr) {
    return WithSpan(
        Error(ErrorKind::kUnsupported,
              "OVER does not stand in MATCH_RECOGNIZE; PREV and NEXT look at the rows around"),
        node->span);
  }
  if (IsNamed(*node, "running") || IsNamed(*node, "final")) return WithEnd(*node);
  if (IsNamed(*node, "prev")) return Physical(*node, -1);
  if (IsNamed(*node, "next")) return Physical(*node, 1);
  if (IsNamed(*node, "first")) return Logical(*node, true);
  if (IsNamed(*node, "last")) return Logical(*node, false);
  if (IsNamed(*node, "classifier")) return Classifier(*node);
  if (IsNamed(*node, "match_number")) {
    MatchTerm term;
    term.kind = MatchTerm::Kind::kMatchNumber;
    term.type = arrow::int64();
    return AddTerm(std::move(term), node->span);
  }
  const FunctionDef* function = FindFunction(Dialect::kSql, node->name);
  if (function == nullptr || function->kind == FunctionKind::kScalar) return nullptr;
  if (function->kind == FunctionKind::kAggregate) return Aggregate(node);
  return WithSpan(Error(ErrorKind::kUnsupported,
                        "{} does not stand in MATCH_RECOGNIZE; PREV and NEXT look at the rows "
                        "around",
                        node->name),
                  node->span);
}

/// RUNNING or FINAL before a navigation or an aggregate.
Result<UnboundPtr> MatchBinder::WithEnd(const Unbound& call) {
  const bool is_final = IsNamed(call, "final");
  if (call.args.size() != 1 || call.args[0]->kind != Unbound::Kind::kCall) {
    return WithSpan(
        Error(ErrorKind::kSyntax, "{} stands before FIRST, LAST or an aggregate: {} LAST(x)",
              call.name, is_final ? "FINAL" : "RUNNING"),
        call.span);
  }
  if (is_final && is_definition_) {
    return WithSpan(Error(ErrorKind::kInvalidArgument,
                          "FINAL stands in MEASURES alone: in DEFINE the match is not yet whole"),
                    call.span);
  }
  is_final_ = is_final;
  Result<UnboundPtr> made = Visit(call.args[0]);
  is_final_ = false;
  if (!made.ok() || *made != nullptr) return made;
  return WithSpan(Error(ErrorKind::kSyntax, "{} stands before FIRST, LAST or an aggregate",
                        is_final ? "FINAL" : "RUNNING"),
                  call.span);
}

/// The second argument of a navigation, a constant.
Result<int64_t> MatchBinder::OffsetOf(const Unbound& call) const {
  if (call.args.size() < 2) return 0;
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, headrace::Bind(*call.args[1], Scope(), Dialect::kSql));
  bound = FoldConstants(bound);
  if (bound->kind == Expression::Kind::kLiteral && bound->type->id() == arrow::Type::INT64 &&
      bound->literal->is_valid) {
    const int64_t rows = static_cast<const arrow::Int64Scalar&>(*bound->literal).value;
    if (rows >= 0 && rows <= kMatchOffsetMax) return rows;
  }
  return WithSpan(
      Error(ErrorKind::kInvalidArgument, "{} counts rows by a constant from 0 to {}, got {}",
            call.name, kMatchOffsetMax, ToString(*bound)),
      call.args[1]->span);
}

Result<MatchTerm> MatchBinder::FirstOrLast(const Unbound& call, bool is_first) const {
  if (call.args.empty() || call.args.size() > 2) {
    return WithSpan(Error(ErrorKind::kSyntax, "{} takes a value and a number of rows: {}(x, 1)",
                          call.name, call.name),
                    call.span);
  }
  MatchTerm term;
  term.is_first = is_first;
  term.is_final = is_final_;
  ARROW_ASSIGN_OR_RAISE(term.skip, OffsetOf(call));
  return term;
}

/// FIRST or LAST of a value, or of CLASSIFIER().
Result<UnboundPtr> MatchBinder::Logical(const Unbound& call, bool is_first) {
  ARROW_ASSIGN_OR_RAISE(MatchTerm term, FirstOrLast(call, is_first));
  if (!IsNamed(*call.args[0], "classifier")) return Cell(call.args[0], std::move(term));
  ARROW_ASSIGN_OR_RAISE(const UnboundPtr made, Classifier(*call.args[0]));
  MatchTerm& classifier = terms_->back();
  classifier.is_first = term.is_first;
  classifier.is_final = term.is_final;
  classifier.skip = term.skip;
  return made;
}

/// PREV or NEXT of a value, or of FIRST or LAST of one.
Result<UnboundPtr> MatchBinder::Physical(const Unbound& call, int64_t direction) {
  if (call.args.empty() || call.args.size() > 2) {
    return WithSpan(Error(ErrorKind::kSyntax, "{} takes a value and a number of rows: {}(x, 1)",
                          call.name, call.name),
                    call.span);
  }
  ARROW_ASSIGN_OR_RAISE(int64_t rows, OffsetOf(call));
  if (call.args.size() < 2) rows = 1;
  const Unbound& inner = *call.args[0];
  const bool is_first = IsNamed(inner, "first");
  if (!is_first && !IsNamed(inner, "last")) {
    MatchTerm term;
    term.is_final = is_final_;
    term.shift = direction * rows;
    return Cell(call.args[0], std::move(term));
  }
  ARROW_ASSIGN_OR_RAISE(MatchTerm term, FirstOrLast(inner, is_first));
  term.shift = direction * rows;
  return Cell(inner.args[0], std::move(term));
}

Result<UnboundPtr> MatchBinder::Classifier(const Unbound& call) {
  MatchTerm term;
  term.kind = MatchTerm::Kind::kClassifier;
  term.type = arrow::utf8();
  term.is_final = is_final_;
  const bool has_variable = call.args.size() == 1 && call.args[0]->kind == Unbound::Kind::kColumn &&
                            call.args[0]->path.size() == 1;
  if (has_variable) {
    Result<uint64_t> set = variables_.Get(call.args[0]->path[0]);
    if (!set.ok()) return WithSpan(set.status(), call.args[0]->span);
    term.variables = *set;
  } else if (!call.args.empty()) {
    return WithSpan(Error(ErrorKind::kSyntax, "CLASSIFIER takes nothing or a variable"), call.span);
  }
  return AddTerm(std::move(term), call.span);
}

Result<UnboundPtr> MatchBinder::Unqualified(const UnboundPtr& expression,
                                            uint64_t* variables) const {
  bool is_mixed = false;
  bool has_any = false;
  const auto note = [&](uint64_t set) {
    is_mixed = is_mixed || (has_any && *variables != set);
    has_any = true;
    *variables = set;
  };
  const auto visit = [&](const UnboundPtr& node) -> Result<UnboundPtr> {
    const bool is_star = node->kind == Unbound::Kind::kStar;
    if (!is_star && node->kind != Unbound::Kind::kColumn) {
      const bool is_outer = node->kind == Unbound::Kind::kCall &&
                            (IsNamed(*node, "classifier") || IsNamed(*node, "match_number") ||
                             IsNamed(*node, "prev") || IsNamed(*node, "next"));
      if (!is_outer) return nullptr;
      return WithSpan(Error(ErrorKind::kUnsupported,
                            "{} does not stand inside a navigation or an aggregate", node->name),
                      node->span);
    }
    const size_t own = is_star ? 1 : 2;
    const uint64_t set = node->path.size() >= own ? variables_.Find(node->path.front()) : 0;
    if (set == 0) {
      note(kAnyVariable);
      return node;
    }
    note(set);
    const std::vector<std::string> rest(node->path.begin() + 1, node->path.end());
    return is_star ? Unbound::Star({}, node->span) : Unbound::Column(rest, node->span);
  };
  ARROW_ASSIGN_OR_RAISE(UnboundPtr made, TransformUnbound(expression, visit));
  if (!is_mixed) return made;
  return WithSpan(Error(ErrorKind::kInvalidArgument,
                        "a navigation or an aggregate takes columns of one variable"),
                  expression->span);
}

Result<ExpressionPtr> MatchBinder::Value(const UnboundPtr& expression) const {
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, headrace::Bind(*expression, scope_, Dialect::kSql));
  ARROW_RETURN_NOT_OK(RefuseAggregates(bound, "a navigation of MATCH_RECOGNIZE"));
  return FoldConstants(bound);
}

int MatchBinder::AddValue(const ExpressionPtr& value) {
  for (size_t i = 0; i < values_.size(); ++i) {
    if (Equals(*values_[i], *value)) return static_cast<int>(i);
  }
  values_.push_back(value);
  return static_cast<int>(values_.size()) - 1;
}

UnboundPtr MatchBinder::AddTerm(MatchTerm term, TextSpan span) {
  size_t number = 0;
  while (number < terms_->size() && !SameValue((*terms_)[number], term)) ++number;
  if (number == terms_->size()) terms_->push_back(std::move(term));
  return Unbound::Column({NameOfTerm(number)}, span);
}

Result<UnboundPtr> MatchBinder::Cell(const UnboundPtr& argument, MatchTerm term) {
  ARROW_ASSIGN_OR_RAISE(const UnboundPtr value, Unqualified(argument, &term.variables));
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr bound, Value(value));
  term.kind = MatchTerm::Kind::kCell;
  term.column = AddValue(bound);
  term.type = bound->type;
  return AddTerm(std::move(term), argument->span);
}

Result<UnboundPtr> MatchBinder::Aggregate(const UnboundPtr& call) {
  MatchTerm term;
  term.kind = MatchTerm::Kind::kAggregate;
  term.is_final = is_final_;
  if (call->distinct || call->filter != nullptr || !call->order_by.empty()) {
    return WithSpan(Error(ErrorKind::kUnsupported,
                          "aggregates of MATCH_RECOGNIZE take no DISTINCT, FILTER or ORDER BY"),
                    call->span);
  }
  ARROW_ASSIGN_OR_RAISE(const UnboundPtr plain, Unqualified(call, &term.variables));
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr bound, headrace::Bind(*plain, scope_, Dialect::kSql));
  std::vector<ExpressionPtr> args = FoldedArgs(*bound);
  for (ExpressionPtr& arg : args) {
    ARROW_RETURN_NOT_OK(RefuseAggregates(arg, "an aggregate of MATCH_RECOGNIZE"));
    if (arg->kind == Expression::Kind::kLiteral) continue;
    const int place = AddValue(arg);
    arg = Expression::Column(place, "", arg->type);
  }
  term.call = MakeFunctionCall(*bound, std::move(args));
  term.type = bound->type;
  return AddTerm(std::move(term), call->span);
}

}  // namespace headrace
