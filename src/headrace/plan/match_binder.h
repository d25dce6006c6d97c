// Binding of expressions over matches: they become scalar expressions over terms.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "headrace/expression/bind.h"
#include "headrace/plan/match_recognize.h"

namespace headrace {

/// The variables that expressions may name: those of the pattern and subsets of them.
class MatchVariables {
 public:
  /// kUnknownName where a subset has a part that is no variable, kInvalidArgument where its name is
  /// taken.
  static Result<MatchVariables> Make(
      std::vector<std::string> variables,
      const std::vector<std::pair<std::string, std::vector<std::string>>>& subsets);
  /// 0: there is no such variable.
  uint64_t Find(std::string_view name) const;
  /// kUnknownName with what there is.
  Result<uint64_t> Get(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, uint64_t>> sets_;
};

/// Binds expressions to terms. A column of a term is an index into `values`, expressions over the
/// input that the plan computes below.
class MatchBinder {
 public:
  MatchBinder(const MatchVariables& variables, const Scope& scope,
              std::vector<ExpressionPtr>* values)
      : variables_(variables), scope_(scope), values_(*values) {}

  /// `expression` over `terms`, to which those that it needs are added. In `is_definition` nothing
  /// is FINAL.
  Result<ExpressionPtr> Bind(const UnboundPtr& expression, bool is_definition,
                             std::vector<MatchTerm>* terms);

 private:
  Result<UnboundPtr> Visit(const UnboundPtr& node);
  Result<UnboundPtr> VisitCall(const UnboundPtr& node);
  Result<UnboundPtr> WithEnd(const Unbound& call);
  Result<UnboundPtr> Physical(const Unbound& call, int64_t direction);
  Result<UnboundPtr> Logical(const Unbound& call, bool is_first);
  Result<UnboundPtr> Classifier(const Unbound& call);
  Result<UnboundPtr> Aggregate(const UnboundPtr& call);
  Result<UnboundPtr> Cell(const UnboundPtr& argument, MatchTerm term);
  Result<MatchTerm> FirstOrLast(const Unbound& call, bool is_first) const;
  Result<int64_t> OffsetOf(const Unbound& call) const;
  /// The expression without the variable that qualifies its columns, which goes to `variables`.
  Result<UnboundPtr> Unqualified(const UnboundPtr& expression, uint64_t* variables) const;
  Result<ExpressionPtr> Value(const UnboundPtr& expression) const;
  int AddValue(const ExpressionPtr& value);
  UnboundPtr AddTerm(MatchTerm term, TextSpan span);

  const MatchVariables& variables_;
  const Scope& scope_;
  std::vector<ExpressionPtr>& values_;
  // Of one Bind.
  std::vector<MatchTerm>* terms_ = nullptr;
  bool is_definition_ = false;
  bool is_final_ = false;
};

}  // namespace headrace
