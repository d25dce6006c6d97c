// The builder's UNION, INTERSECT, EXCEPT and DISTINCT.
#include <algorithm>
#include <numeric>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/ascii_case.h"
#include "headrace/base/check.h"
#include "headrace/expression/bind.h"
#include "headrace/expression/key_expression.h"
#include "headrace/function/registry.h"
#include "headrace/plan/builder.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/merge_union.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

/// The columns of a set operation: their names, and where each input has them (−1: nowhere).
struct Columns {
  std::vector<std::string> names;
  std::vector<std::vector<int>> places;  // per input
};

Result<Columns> ByPlace(const std::vector<PlanPtr>& inputs) {
  Columns columns;
  columns.names = inputs.front()->schema()->field_names();
  std::vector<int> all(columns.names.size());
  std::iota(all.begin(), all.end(), 0);
  for (const PlanPtr& input : inputs) {
    const int width = input->schema()->num_fields();
    if (static_cast<size_t>(width) != all.size()) {
      return Error(ErrorKind::kInvalidArgument,
                   "the queries of a set operation give equally many columns, and these give {} "
                   "and {}",
                   all.size(), width);
    }
    columns.places.push_back(all);
  }
  return columns;
}

Result<Columns> ByName(const std::vector<PlanPtr>& inputs) {
  Columns columns;
  std::vector<std::string> known;
  for (const PlanPtr& input : inputs) {
    std::vector<int> places(known.size(), -1);
    for (int i = 0; i < input->schema()->num_fields(); ++i) {
      const std::string& name = input->schema()->field(i)->name();
      const auto found = std::find(known.begin(), known.end(), LowerCase(name));
      const auto at = static_cast<size_t>(found - known.begin());
      if (found == known.end()) {
        known.push_back(LowerCase(name));
        columns.names.push_back(name);
        places.push_back(-1);
      }
      if (places[at] >= 0) {
        return Error(ErrorKind::kInvalidArgument,
                     "columns are matched by name, and one input has two called \"{}\"", name);
      }
      places[at] = i;
    }
    columns.places.push_back(std::move(places));
  }
  for (std::vector<int>& places : columns.places) places.resize(known.size(), -1);
  return columns;
}

Result<TypePtr> TypeOf(const std::vector<PlanPtr>& inputs, const Columns& columns, size_t column) {
  TypePtr type;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int place = columns.places[i][column];
    if (place < 0) continue;
    const TypePtr here = inputs[i]->schema()->field(place)->type();
    if (type == nullptr) {
      type = here;
    } else if (!PlainType(type)->Equals(*PlainType(here))) {
      ARROW_ASSIGN_OR_RAISE(type, CommonType(PlainType(type), PlainType(here)));
    }
  }
  return type;
}

/// `input` with exactly the columns of a set operation.
Result<PlanPtr> Aligned(PlanPtr input, const std::vector<int>& places,
                        const std::vector<std::string>& names, const std::vector<TypePtr>& types) {
  std::vector<ExpressionPtr> outputs;
  bool changed = input->schema()->num_fields() != static_cast<int>(names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    ExpressionPtr output = places[i] < 0 ? Expression::Literal(arrow::MakeNullScalar(types[i]))
                                         : ColumnOf(*input->schema(), places[i]);
    if (!PlainType(output->type)->Equals(*PlainType(types[i]))) {
      ARROW_ASSIGN_OR_RAISE(output, CoerceTo(output, PlainType(types[i])));
    }
    changed = changed || output->kind != Expression::Kind::kColumn ||
              output->column != static_cast<int>(i) || output->name != names[i];
    outputs.push_back(std::move(output));
  }
  if (!changed) return input;
  return MakeProjectNode(std::move(input), std::move(outputs), names);
}

Result<std::vector<PlanPtr>> AlignedAll(std::vector<PlanPtr> inputs, bool by_name) {
  ARROW_ASSIGN_OR_RAISE(const Columns columns, by_name ? ByName(inputs) : ByPlace(inputs));
  std::vector<TypePtr> types;
  for (size_t i = 0; i < columns.names.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(types.emplace_back(), TypeOf(inputs, columns, i));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(inputs[i],
                          Aligned(std::move(inputs[i]), columns.places[i], columns.names, types));
  }
  return inputs;
}

/// `input` and a last column: which repeat of its row each row is, from 1.
Result<PlanPtr> WithRepeatNumber(PlanPtr input) {
  static const FunctionDef* const row_number = FindFunctionById("row_number");
  HEADRACE_CHECK(row_number != nullptr, "row_number is a function");
  auto window = std::make_shared<WindowSpec>();
  for (const ExpressionPtr& column : AllColumnsOf(*input->schema())) {
    window->partition_by.push_back(AsKey(column));
  }
  auto number = std::make_shared<Expression>(
      *Expression::Call(row_number, row_number->overloads.data(), {}, arrow::int64()));
  number->window = std::move(window);
  std::vector<NamedExpression> outputs;
  for (const ExpressionPtr& column : AllColumnsOf(*input->schema())) {
    outputs.push_back({column, column->name});
  }
  outputs.push_back({std::move(number), "repeat"});
  return PlanProject(std::move(input), std::move(outputs));
}

std::vector<ExpressionPtr> AllAsKeys(std::vector<ExpressionPtr> columns) {
  for (ExpressionPtr& column : columns) column = AsKey(column);
  return columns;
}

/// Rows of `left` that are, or are not, among those of `right`, over all columns.
Result<PlanPtr> Among(PlanPtr left, PlanPtr right, JoinKind kind) {
  std::vector<ExpressionPtr> columns = AllColumnsOf(*left->schema());
  const std::vector<std::string> names = left->schema()->field_names();
  JoinTerms terms;
  terms.nulls.assign(columns.size(), NullMatching::kMatch);
  ARROW_ASSIGN_OR_RAISE(left, AppendColumns(left, AllAsKeys(columns), &terms.left_keys));
  ARROW_ASSIGN_OR_RAISE(
      right, AppendColumns(right, AllAsKeys(AllColumnsOf(*right->schema())), &terms.right_keys));
  const bool has_keys = left->schema()->num_fields() > static_cast<int>(columns.size());
  ARROW_ASSIGN_OR_RAISE(PlanPtr joined,
                        MakeJoinNode(std::move(left), std::move(right), kind, std::move(terms)));
  if (!has_keys) return joined;
  return MakeProjectNode(std::move(joined), std::move(columns), names);
}

Result<PlanPtr> WithoutLast(PlanPtr input) {
  std::vector<ExpressionPtr> columns = AllColumnsOf(*input->schema());
  std::vector<std::string> names = input->schema()->field_names();
  columns.pop_back();
  names.pop_back();
  return MakeProjectNode(std::move(input), std::move(columns), names);
}

/// INTERSECT ALL or EXCEPT ALL of a stream: its rows come as they are met, by their numbers.
Result<PlanPtr> RepeatsAmong(std::vector<PlanPtr> sides, JoinKind kind) {
  for (PlanPtr& side : sides) {
    ARROW_ASSIGN_OR_RAISE(side, WithRepeatNumber(std::move(side)));
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, Among(std::move(sides[0]), std::move(sides[1]), kind));
  return WithoutLast(std::move(plan));
}

/// `input` and the numbers `left` and `right`, which say what side its rows are of.
Result<PlanPtr> WithSide(PlanPtr input, bool is_left) {
  std::vector<ExpressionPtr> columns = AllColumnsOf(*input->schema());
  std::vector<std::string> names = input->schema()->field_names();
  for (const bool here : {is_left, !is_left}) {
    columns.push_back(Expression::Literal(arrow::MakeScalar(int64_t{here ? 1 : 0})));
  }
  names.insert(names.end(), {"left", "right"});
  return MakeProjectNode(std::move(input), std::move(columns), std::move(names));
}

/// INTERSECT ALL or EXCEPT ALL of what ends: each different row once, counted on both sides.
Result<PlanPtr> CountedRepeats(std::vector<PlanPtr> sides, SetOperation operation) {
  std::vector<NamedExpression> groups;
  Scope scope;
  for (const ExpressionPtr& column : AllColumnsOf(*sides[0]->schema())) {
    groups.push_back({column, column->name});
    scope.Add("", "", column->type);
  }
  for (const char* side : {"left", "right"}) scope.Add("", side, arrow::int64());
  const auto count_of = [](const char* side) {
    return Unbound::Call("sum", {Unbound::Column({side})});
  };
  const UnboundPtr repeats = Unbound::Call(operation == SetOperation::kIntersect ? "least" : "-",
                                           {count_of("left"), count_of("right")});
  const UnboundPtr zero = Unbound::Literal(arrow::MakeScalar(int64_t{0}));
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, Bind(*repeats, scope, Dialect::kSql));
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr having,
                        Bind(*Unbound::Call(">", {repeats, zero}), scope, Dialect::kSql));
  ARROW_ASSIGN_OR_RAISE(PlanPtr left, WithSide(std::move(sides[0]), true));
  ARROW_ASSIGN_OR_RAISE(PlanPtr right, WithSide(std::move(sides[1]), false));
  ARROW_ASSIGN_OR_RAISE(PlanPtr rows, MakeUnionNode({std::move(left), std::move(right)}));
  ARROW_ASSIGN_OR_RAISE(rows, PlanAggregate(std::move(rows), std::move(groups),
                                            {{std::move(bound), "repeats"}}, std::move(having)));
  return MakeRepeatNode(std::move(rows));
}

}  // namespace

Result<PlanPtr> PlanUnion(std::vector<PlanPtr> inputs, bool by_name) {
  ARROW_ASSIGN_OR_RAISE(inputs, AlignedAll(std::move(inputs), by_name));
  return MakeUnionNode(std::move(inputs));
}

Result<PlanPtr> PlanMergeUnion(std::vector<PlanPtr> inputs, Ordering keys, bool by_name) {
  ARROW_ASSIGN_OR_RAISE(inputs, AlignedAll(std::move(inputs), by_name));
  for (PlanPtr& input : inputs) {
    if (Satisfies(input->properties().ordering, keys)) continue;
    ARROW_ASSIGN_OR_RAISE(input, MakeSortNode(std::move(input), keys));
  }
  return MakeMergeUnionNode(std::move(inputs), std::move(keys));
}

Result<PlanPtr> PlanDistinct(PlanPtr input) {
  std::vector<NamedExpression> groups;
  for (const ExpressionPtr& column : AllColumnsOf(*input->schema())) {
    groups.push_back({column, column->name});
  }
  AggregateOptions options;
  const bool is_endless = input->properties().boundedness == Boundedness::kUnbounded;
  if (is_endless) options.emit = EmitPolicy::kChanges;
  return PlanAggregate(std::move(input), std::move(groups), {}, nullptr, options);
}

Result<PlanPtr> PlanSetOperation(PlanPtr left, PlanPtr right, SetOperation operation, bool all,
                                 bool by_name) {
  if (operation == SetOperation::kUnion) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, PlanUnion({std::move(left), std::move(right)}, by_name));
    return all ? plan : PlanDistinct(std::move(plan));
  }
  const JoinKind kind = operation == SetOperation::kIntersect ? JoinKind::kSemi : JoinKind::kAnti;
  ARROW_ASSIGN_OR_RAISE(std::vector<PlanPtr> sides,
                        AlignedAll({std::move(left), std::move(right)}, by_name));
  if (!all) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr distinct, PlanDistinct(std::move(sides[0])));
    return Among(std::move(distinct), std::move(sides[1]), kind);
  }
  if (IsEndless(*sides[0]) || IsEndless(*sides[1])) return RepeatsAmong(std::move(sides), kind);
  return CountedRepeats(std::move(sides), operation);
}

}  // namespace headrace
