// DISTINCT in aggregates: the values are made distinct by a group of their own, below.
#include "headrace/plan/distinct_calls.h"

#include <algorithm>
#include <numeric>
#include <string_view>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/function/registry.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/plan/make_node.h"

namespace headrace {
namespace {

/// Calls that read the same rows, and which calls of the query they are.
struct Pass {
  std::vector<int> arguments;  // columns to be made distinct; none: all rows count
  std::vector<FunctionCall> calls;
  std::vector<size_t> places;
};

/// Repeats do not change the least and the greatest value.
bool NeedsDistinct(const FunctionCall& call) {
  const std::string_view id = call.function->id;
  return call.distinct && id != "min" && id != "max";
}

std::vector<int> ArgumentColumns(const FunctionCall& call) {
  std::vector<int> columns;
  for (const ExpressionPtr& arg : call.args) {
    if (arg->kind == Expression::Kind::kColumn) columns.push_back(arg->column);
  }
  return columns;
}

std::vector<Pass> PassesOf(const std::vector<FunctionCall>& calls) {
  std::vector<Pass> passes;
  for (size_t i = 0; i < calls.size(); ++i) {
    std::vector<int> arguments;
    if (NeedsDistinct(calls[i])) arguments = ArgumentColumns(calls[i]);
    auto pass = std::find_if(passes.begin(), passes.end(), [&](const Pass& candidate) {
      return candidate.arguments == arguments;
    });
    if (pass == passes.end()) {
      pass = passes.insert(passes.end(), Pass{std::move(arguments), {}, {}});
    }
    pass->calls.push_back(calls[i]);
    pass->calls.back().distinct = false;
    pass->places.push_back(i);
  }
  return passes;
}

std::vector<int> FirstColumns(size_t count) {
  std::vector<int> columns(count);
  std::iota(columns.begin(), columns.end(), 0);
  return columns;
}

Result<PlanPtr> RunPass(PlanPtr input, std::vector<int> keys, Pass pass, GroupOrder order) {
  if (!pass.arguments.empty()) {
    std::vector<int> groups = keys;
    groups.insert(groups.end(), pass.arguments.begin(), pass.arguments.end());
    ARROW_ASSIGN_OR_RAISE(
        input, MakeAggregateNode(std::move(input), groups, {}, order, EmitPolicy::kAtEnd));
    for (FunctionCall& call : pass.calls) {
      auto next = static_cast<int>(keys.size());
      for (ExpressionPtr& arg : call.args) {
        if (arg->kind == Expression::Kind::kColumn) arg = ColumnOf(*input->schema(), next++);
      }
    }
    keys = FirstColumns(keys.size());
  }
  return MakeAggregateNode(std::move(input), std::move(keys), std::move(pass.calls), order,
                           EmitPolicy::kAtEnd);
}

/// Both sides have the same groups, once each, in their first columns.
Result<PlanPtr> JoinGroups(PlanPtr left, PlanPtr right, size_t num_keys) {
  JoinTerms terms;
  terms.left_keys = terms.right_keys = FirstColumns(num_keys);
  if (num_keys == 0) {
    const auto one = Expression::Literal(std::make_shared<arrow::Int64Scalar>(1));
    ARROW_ASSIGN_OR_RAISE(left, AppendColumns(std::move(left), {one}, &terms.left_keys));
    ARROW_ASSIGN_OR_RAISE(right, AppendColumns(std::move(right), {one}, &terms.right_keys));
  }
  terms.nulls.assign(terms.left_keys.size(), NullMatching::kMatch);
  return MakeJoinNode(std::move(left), std::move(right), JoinKind::kInner, std::move(terms));
}

}  // namespace

bool HasDistinctCall(const std::vector<FunctionCall>& calls) {
  return std::any_of(calls.begin(), calls.end(),
                     [](const FunctionCall& call) { return call.distinct; });
}

Result<PlanPtr> MakeDistinctAggregate(const PlanPtr& input, const std::vector<int>& keys,
                                      const std::vector<FunctionCall>& calls, GroupOrder order) {
  PlanPtr plan;
  std::vector<int> places(calls.size());
  for (const Pass& pass : PassesOf(calls)) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr groups, RunPass(input, keys, pass, order));
    int first = static_cast<int>(keys.size());
    if (plan == nullptr) {
      plan = std::move(groups);
    } else {
      const int right_width = groups->schema()->num_fields();
      ARROW_ASSIGN_OR_RAISE(plan, JoinGroups(std::move(plan), std::move(groups), keys.size()));
      const int appended = keys.empty() ? 1 : 0;
      first += plan->schema()->num_fields() - right_width - appended;
    }
    for (size_t i = 0; i < pass.places.size(); ++i) {
      places[pass.places[i]] = first + static_cast<int>(i);
    }
  }
  std::vector<int> columns = FirstColumns(keys.size());
  columns.insert(columns.end(), places.begin(), places.end());
  std::vector<ExpressionPtr> outputs;
  std::vector<std::string> names;
  for (const int column : columns) {
    outputs.push_back(ColumnOf(*plan->schema(), column));
    names.push_back(outputs.back()->name);
  }
  return MakeProjectNode(std::move(plan), std::move(outputs), names);
}

Status KeepDistinctInStates(std::vector<FunctionCall>* calls) {
  static const FunctionDef* const count_distinct = FindFunctionById("count_distinct");
  for (FunctionCall& call : *calls) {
    const bool counts = std::string_view(call.function->id) == "count" && call.args.size() == 1;
    if (NeedsDistinct(call) && !counts) {
      return Error(
          ErrorKind::kUnsupported,
          "{0}(DISTINCT ...) needs an input that comes to an end, and groups that are given "
          "then; count, min and max of DISTINCT values are there over streams and in windows",
          call.function->names.sql);
    }
    if (NeedsDistinct(call)) {
      call.function = count_distinct;
      call.overload = count_distinct->overloads.data();
    }
    call.distinct = false;
  }
  return Status::OK();
}

}  // namespace headrace
