// Builders of unbound expressions.
#include "headrace/python/expression.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "arrow/array.h"
#include "arrow/scalar.h"
#include "headrace/expression/bind.h"
#include "headrace/function/registry.h"
#include "headrace/python/error.h"
#include "headrace/python/exchange.h"
#include "headrace/sql/caret.h"
#include "headrace/sql/sql.h"

namespace headrace::python {
namespace {

using Handles = std::vector<ExpressionHandle>;
/// Expression, descending, "first", "last" or none.
using KeyTuple = std::tuple<ExpressionHandle, bool, std::optional<std::string>>;

void MergeInto(const ExpressionHandle& part, ExpressionHandle* whole) {
  Merge(part.callbacks, &whole->callbacks);
  whole->exact_paths.insert(part.exact_paths.begin(), part.exact_paths.end());
}

std::vector<UnboundPtr> TreesOf(const Handles& parts, ExpressionHandle* whole) {
  std::vector<UnboundPtr> trees;
  for (const ExpressionHandle& part : parts) {
    MergeInto(part, whole);
    trees.push_back(part.tree);
  }
  return trees;
}

ExpressionHandle Column(const std::vector<std::string>& path) {
  ExpressionHandle made{Unbound::Column(path), {}, {}, ""};
  made.exact_paths.insert(path);
  return made;
}

/// The literal in an array of one cell.
ExpressionHandle Literal(nb::handle array) {
  ArrayPtr cell = ImportArray(array);
  ScalarPtr value = CallEngine([&] { return cell->GetScalar(0); });
  return {Unbound::Literal(std::move(value)), {}, {}, ""};
}

ExpressionHandle Call(const std::string& name, const Handles& args, bool distinct) {
  ExpressionHandle made;
  auto tree = std::make_shared<Unbound>(*Unbound::Call(name, TreesOf(args, &made)));
  tree->distinct = distinct;
  made.tree = std::move(tree);
  return made;
}

ExpressionHandle Cast(const ExpressionHandle& arg, nb::handle type, bool try_cast) {
  ExpressionHandle made;
  MergeInto(arg, &made);
  made.tree = Unbound::Cast(arg.tree, ImportType(type), try_cast);
  return made;
}

ExpressionHandle Star() { return {Unbound::Star(), {}, {}, ""}; }

ExpressionHandle CallBack(nb::object function, const Handles& args, nb::handle type) {
  ExpressionHandle made;
  std::vector<UnboundPtr> trees = TreesOf(args, &made);
  auto callback = std::make_shared<const Callback>(std::move(function));
  made.tree = Unbound::Callback(callback->id(), std::move(trees), ImportType(type));
  made.callbacks.push_back(std::move(callback));
  return made;
}

std::optional<NullPlacement> PlacementOf(const std::optional<std::string>& name) {
  if (!name.has_value()) return std::nullopt;
  if (*name == "first") return NullPlacement::kFirst;
  if (*name == "last") return NullPlacement::kLast;
  RaiseUnlessOk(Error(ErrorKind::kInvalidArgument,
                      "expected nulls to be \"first\" or \"last\", got \"{}\"", *name));
  return std::nullopt;
}

/// The number of `name` among `names`.
template <typename Enum, size_t kCount>
Enum EnumOf(const std::string& name, const std::array<const char*, kCount>& names) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    RaiseUnlessOk(Error(ErrorKind::kInvalidArgument, "no part of a frame is called {}", name));
  }
  return static_cast<Enum>(found - names.begin());
}

/// "unbounded_preceding", "preceding", …, and the offset where there is one.
using BoundTuple = std::tuple<std::string, std::optional<ExpressionHandle>>;
/// "rows", "range", "groups" or "trailing", from and to.
using FrameTuple = std::tuple<std::string, BoundTuple, BoundTuple>;

UnboundFrameBound FrameBoundOf(const BoundTuple& bound, ExpressionHandle* made) {
  static constexpr std::array kKinds = {"unbounded_preceding", "preceding", "current_row",
                                        "following", "unbounded_following"};
  const auto& [kind, offset] = bound;
  if (offset.has_value()) MergeInto(*offset, made);
  return {EnumOf<FrameBound::Kind>(kind, kKinds), offset.has_value() ? offset->tree : nullptr};
}

UnboundFrame FrameOf(const FrameTuple& given, ExpressionHandle* made) {
  static constexpr std::array kUnits = {"rows", "range", "groups", "trailing"};
  const auto& [unit, start, end] = given;
  UnboundFrame frame;
  frame.unit = EnumOf<FrameUnit>(unit, kUnits);
  frame.start = FrameBoundOf(start, made);
  frame.end = FrameBoundOf(end, made);
  return frame;
}

ExpressionHandle Over(const ExpressionHandle& call, const Handles& partition_by,
                      const std::vector<KeyTuple>& order_by, const std::optional<FrameTuple>& frame,
                      bool ignore_nulls) {
  ExpressionHandle made;
  MergeInto(call, &made);
  auto window = std::make_shared<UnboundWindow>();
  window->partition_by = TreesOf(partition_by, &made);
  if (frame.has_value()) window->frame = FrameOf(*frame, &made);
  for (const auto& [expression, descending, nulls] : order_by) {
    MergeInto(expression, &made);
    window->order_by.push_back({expression.tree, descending, PlacementOf(nulls)});
  }
  auto tree = std::make_shared<Unbound>(*call.tree);
  tree->window = std::move(window);
  tree->ignore_nulls = tree->ignore_nulls || ignore_nulls;
  made.tree = std::move(tree);
  return made;
}

/// An aggregate over the rows of `condition` alone; the others must not count for it.
Result<std::shared_ptr<Unbound>> OfRowsWhere(const Unbound& call, const FunctionDef& function,
                                             const UnboundPtr& condition) {
  auto made = std::make_shared<Unbound>(call);
  if (call.args.empty() || call.args[0]->kind == Unbound::Kind::kStar) {
    made->args = {Unbound::Literal(std::make_shared<arrow::BooleanScalar>(true))};
  } else if (function.nulls != NullRule::kSkip) {
    return Error(ErrorKind::kUnsupported, "{} keeps nulls, so it does not go with window_join",
                 call.name);
  }
  made->args[0] = Unbound::Call("case", {condition, made->args[0]}, call.span);
  return made;
}

/// `expression` with its aggregates over a frame of the rows of `condition`.
ExpressionHandle OverWhere(const ExpressionHandle& expression, const ExpressionHandle& condition,
                           const Handles& partition_by, const std::vector<KeyTuple>& order_by,
                           const FrameTuple& frame) {
  ExpressionHandle made;
  MergeInto(expression, &made);
  made.text = expression.text;
  const ExpressionHandle window = Over(condition, partition_by, order_by, frame, false);
  const auto visit = [&](const UnboundPtr& node) -> Result<UnboundPtr> {
    if (node->kind != Unbound::Kind::kCall) return nullptr;
    const FunctionDef* function = FindFunction(Dialect::kSql, node->name);
    if (function == nullptr || function->kind != FunctionKind::kAggregate) return nullptr;
    ARROW_ASSIGN_OR_RAISE(auto call, OfRowsWhere(*node, *function, condition.tree));
    call->window = window.tree->window;
    return call;
  };
  made.tree = CallEngine([&] { return TransformUnbound(expression.tree, visit); });
  return made;
}

ExpressionHandle Parse(const std::string& text) {
  return {CallEngine([&] { return sql::ParseExpression(text); }), {}, {}, text};
}

ExpressionHandle ParseMatch(const std::string& text) {
  return {CallEngine([&] { return sql::ParseMatchExpression(text); }), {}, {}, text};
}

/// Expressions with the names that the text gives them, or those of their own.
std::vector<std::tuple<ExpressionHandle, std::string>> ParseItems(const std::string& text) {
  std::vector<std::tuple<ExpressionHandle, std::string>> items;
  for (auto& [tree, name] : CallEngine([&] { return sql::ParseItems(text); })) {
    std::string shown = name.empty() ? DefaultName(*tree) : std::move(name);
    items.emplace_back(ExpressionHandle{std::move(tree), {}, {}, text}, std::move(shown));
  }
  return items;
}

std::vector<KeyTuple> ParseSortKeys(const std::string& text) {
  std::vector<KeyTuple> keys;
  for (auto& [tree, descending, nulls] : CallEngine([&] { return sql::ParseSortKeys(text); })) {
    const char* const place = nulls == NullPlacement::kFirst ? "first" : "last";
    keys.emplace_back(ExpressionHandle{std::move(tree), {}, {}, text}, descending, place);
  }
  return keys;
}

/// Types have no grammar of their own outside SQL: the type of a cast.
TypeHandle ParseType(const std::string& text) {
  UnboundPtr cast = CallEngine([&] { return sql::ParseExpression("CAST(NULL AS " + text + ")"); });
  if (cast->kind != Unbound::Kind::kCast) {
    RaiseUnlessOk(Error(ErrorKind::kSyntax, "expected a type, got \"{}\"", text));
  }
  return {cast->type};
}

}  // namespace

Result<ExpressionPtr> BindHandle(const ExpressionHandle& expression, const Scope& scope) {
  for (const std::vector<std::string>& path : expression.exact_paths) {
    ARROW_RETURN_NOT_OK(scope.Resolve(path, Dialect::kSFrame).status());
  }
  Result<ExpressionPtr> bound = Bind(*expression.tree, scope, Dialect::kSql);
  if (bound.ok() || expression.text.empty()) return bound;
  return sql::WithCaret(bound.status(), expression.text);
}

void AddExpressionClasses(nb::module_& module) {
  nb::class_<ExpressionHandle>(module, "Expression").def("name", [](const ExpressionHandle& self) {
    return DefaultName(*self.tree);
  });
  module.def("column", &Column, nb::arg("path"));
  module.def("literal", &Literal, nb::arg("array"));
  module.def("call", &Call, nb::arg("name"), nb::arg("args"), nb::arg("distinct") = false);
  module.def("cast", &Cast, nb::arg("arg"), nb::arg("type"), nb::arg("try_cast") = false);
  module.def("star", &Star);
  module.def("callback", &CallBack, nb::arg("function"), nb::arg("args"), nb::arg("type"));
  module.def("over", &Over, nb::arg("call"), nb::arg("partition_by"), nb::arg("order_by"),
             nb::arg("frame") = nb::none(), nb::arg("ignore_nulls") = false);
  module.def("over_where", &OverWhere, nb::arg("expression"), nb::arg("condition"),
             nb::arg("partition_by"), nb::arg("order_by"), nb::arg("frame"));
  module.def("parse", &Parse, nb::arg("text"));
  module.def("parse_match", &ParseMatch, nb::arg("text"));
  module.def("parse_items", &ParseItems, nb::arg("text"));
  module.def("parse_sort_keys", &ParseSortKeys, nb::arg("text"));
  module.def("parse_type", &ParseType, nb::arg("text"));
}

}  // namespace headrace::python
