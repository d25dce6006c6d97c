// Calls that stand for others, written out before they are bound.
#include "headrace/sql/call_in_other_words.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/function/registry.h"
#include "headrace/sql/lexer.h"

namespace headrace::sql {
namespace {

template <size_t kCount>
bool IsOneOf(std::string_view name, const std::array<std::string_view, kCount>& names) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view known) { return EqualsIgnoringCase(known, name); });
}

bool IsText(const Unbound& expression) {
  return expression.kind == Unbound::Kind::kLiteral && expression.literal->is_valid &&
         expression.literal->type->id() == arrow::Type::STRING;
}

/// struct_pack(a := 1, b := 2), also written {'a': 1, 'b': 2}, is named_struct('a', 1, 'b', 2).
UnboundPtr StructOf(const Unbound& call) {
  std::vector<UnboundPtr> args;
  for (size_t i = 0; i < call.args.size(); ++i) {
    std::string name = i < call.arg_names.size() ? call.arg_names[i] : "";
    const UnboundPtr& arg = call.args[i];
    if (name.empty()) name = DefaultName(*arg);
    args.push_back(
        Unbound::Literal(std::make_shared<arrow::StringScalar>(std::move(name)), arg->span));
    args.push_back(arg);
  }
  return Unbound::Call("named_struct", std::move(args), call.span);
}

/// struct('a', 1, 'b', 2): names and values in turns if all names are written out, else values of
/// fields named field0, field1 …
UnboundPtr StructInTurns(const Unbound& call) {
  bool has_names = !call.args.empty() && call.args.size() % 2 == 0;
  for (size_t i = 0; has_names && i < call.args.size(); i += 2) has_names = IsText(*call.args[i]);
  if (has_names) return Unbound::Call("named_struct", call.args, call.span);
  std::vector<UnboundPtr> args;
  for (const UnboundPtr& value : call.args) {
    args.push_back(Unbound::Literal(
        std::make_shared<arrow::StringScalar>(fmt::format("field{}", args.size() / 2)),
        value->span));
    args.push_back(value);
  }
  return Unbound::Call("named_struct", std::move(args), call.span);
}

/// map('a', 1, 'b', 2) is map(['a', 'b'], [1, 2]); null of what is none.
UnboundPtr MapInTurns(const Unbound& call) {
  const size_t count = call.args.size();
  const bool is_pair = count == 2 && call.args[0]->kind == Unbound::Kind::kLiteral &&
                       call.args[0]->literal->is_valid;
  if (!is_pair && (count < 4 || count % 2 != 0)) return nullptr;
  std::vector<UnboundPtr> parts[2];
  for (size_t i = 0; i < count; ++i) parts[i % 2].push_back(call.args[i]);
  return Unbound::Call("map",
                       {Unbound::Call("list_value", std::move(parts[0]), call.span),
                        Unbound::Call("list_value", std::move(parts[1]), call.span)},
                       call.span);
}

/// Calls that are columns, casts or others in another order; null of what is none.
UnboundPtr CallWithoutFunction(const Unbound& call) {
  if (call.args.size() >= 2 && EqualsIgnoringCase(call.name, "position")) {
    return Unbound::Call("locate", call.args, call.span);
  }
  if (call.args.empty() && EqualsIgnoringCase(call.name, "timestamp")) {
    return Unbound::Column({"_timestamp"}, call.span);
  }
  if (call.args.empty() && EqualsIgnoringCase(call.name, "unix_timestamp")) {
    return Unbound::Call("unix_timestamp", {Unbound::Call("now", {}, call.span)}, call.span);
  }
  if (call.args.size() == 1 && EqualsIgnoringCase(call.name, "date")) {
    return Unbound::Cast(call.args.front(), arrow::date32(), false, call.span);
  }
  return nullptr;
}

/// Headers belong to messages of brokers.
Status RefuseHeaders(const Unbound& call) {
  constexpr std::array<std::string_view, 5> kNames = {"header", "header_keys", "has_header",
                                                      "set_header", "remove_header"};
  if (!IsOneOf(call.name, kNames)) return Status::OK();
  return WithSpan(
      Error(ErrorKind::kUnsupported,
            "{} is about the headers of messages, and no connector here has any", call.name),
      call.span);
}

/// quantile_cont(x, [0.25, 0.5])
bool IsListOfQuantiles(const Unbound& call) {
  constexpr std::array<std::string_view, 6> kQuantiles = {"quantile",        "quantile_cont",
                                                          "quantile_disc",   "approx_quantile",
                                                          "percentile_cont", "percentile_disc"};
  const bool has_list = call.args.size() == 2 && call.args[1]->kind == Unbound::Kind::kCall &&
                        call.args[1]->name == "list_value" && !call.args[1]->args.empty();
  return has_list && IsOneOf(call.name, kQuantiles);
}

/// A list of one call per fraction; null where the first is, because there are no values.
UnboundPtr QuantilesOf(const Unbound& call) {
  std::vector<UnboundPtr> quantiles;
  for (const UnboundPtr& fraction : call.args[1]->args) {
    Unbound one = call;
    one.args[1] = fraction;
    quantiles.push_back(std::make_shared<const Unbound>(std::move(one)));
  }
  const UnboundPtr has_values = Unbound::Call("is_not_null", {quantiles.front()}, call.span);
  return Unbound::Call("case",
                       {has_values, Unbound::Call("list_value", std::move(quantiles), call.span)},
                       call.span);
}

/// arg_min(x, y, 3), min(x, 3): the last argument is a whole number.
bool IsListOfFirst(const Unbound& call) {
  const FunctionDef* function = FindFunction(Dialect::kSql, call.name);
  if (function == nullptr || call.args.empty()) return false;
  const std::string_view id = function->id;
  const size_t values = id == "arg_min" || id == "arg_max" ? 2 : id == "min" || id == "max" ? 1 : 0;
  const Unbound& count = *call.args.back();
  return values > 0 && call.args.size() == values + 1 && count.kind == Unbound::Kind::kLiteral &&
         count.literal->type->id() == arrow::Type::INT64 && count.literal->is_valid;
}

/// The first n values of a list in the order of the keys; rows with a null do not count.
Result<UnboundPtr> FirstOf(const Unbound& call) {
  const UnboundPtr& value = call.args.front();
  const UnboundPtr& key = call.args[call.args.size() - 2];
  const UnboundPtr& count = call.args.back();
  if (static_cast<const arrow::Int64Scalar&>(*count->literal).value < 1) {
    return WithSpan(Error(ErrorKind::kInvalidArgument, "{} takes a number of rows above 0, got {}",
                          call.name, count->literal->ToString()),
                    count->span);
  }
  const std::string_view id = FindFunction(Dialect::kSql, call.name)->id;
  Unbound list = call;
  list.name = "list";
  list.args = {value};
  list.order_by.insert(list.order_by.begin(),
                       UnboundSortKey{key, id == "max" || id == "arg_max", NullPlacement::kLast});
  for (const UnboundPtr& part : {value, key}) {
    const UnboundPtr is_there = Unbound::Call("is_not_null", {part}, part->span);
    list.filter = list.filter == nullptr ? is_there
                                         : Unbound::Call("and", {list.filter, is_there}, call.span);
  }
  const UnboundPtr one = Unbound::Literal(std::make_shared<arrow::Int64Scalar>(1), call.span);
  return Unbound::Call("list_slice", {std::make_shared<const Unbound>(std::move(list)), one, count},
                       call.span);
}

/// Calls of one argument that are others with a constant.
UnboundPtr CallWithConstants(const Unbound& call) {
  const auto integer = [&](int64_t value) {
    return Unbound::Literal(std::make_shared<arrow::Int64Scalar>(value), call.span);
  };
  const UnboundPtr& arg = call.args.front();
  if (EqualsIgnoringCase(call.name, "array_pop_back")) {
    return Unbound::Call("list_slice", {arg, integer(1), integer(-2)}, call.span);
  }
  if (EqualsIgnoringCase(call.name, "array_pop_front")) {
    return Unbound::Call("list_slice", {arg, integer(2), integer(-1)}, call.span);
  }
  if (EqualsIgnoringCase(call.name, "to_weeks")) {
    return Unbound::Call("to_days", {Unbound::Call("*", {arg, integer(7)}, call.span)}, call.span);
  }
  return nullptr;
}

/// list_aggregate(l, 'sum') is list_sum(l).
UnboundPtr ListAggregate(const Unbound& call) {
  if (!IsOneOf(call.name, std::array<std::string_view, 4>{"list_aggregate", "array_aggregate",
                                                          "list_aggr", "aggregate"})) {
    return nullptr;
  }
  const Unbound& name = *call.args[1];
  return IsText(name) ? Unbound::Call("list_" + name.literal->ToString(), {call.args[0]}, call.span)
                      : nullptr;
}

/// Sums that are exact here in any case.
UnboundPtr ExactSum(const Unbound& call) {
  const bool is_sum =
      IsOneOf(call.name, std::array<std::string_view, 3>{"fsum", "kahan_sum", "sumkahan"});
  if (!is_sum && !EqualsIgnoringCase(call.name, "favg")) return nullptr;
  Unbound other = call;
  other.name = is_sum ? "sum" : "avg";
  other.args = {Unbound::Cast(call.args.front(), arrow::float64(), false, call.span)};
  return std::make_shared<const Unbound>(std::move(other));
}

/// The scalar functions that the registry does not know.
bool IsSyntax(std::string_view name) {
  return IsOneOf(name, std::array<std::string_view, 3>{"struct_pack", "grouping", "unnest"});
}

}  // namespace

Result<UnboundPtr> CallInOtherWords(const Unbound& call) {
  if (call.args.empty() && EqualsIgnoringCase(call.name, "count_star")) {
    Unbound count = call;
    count.name = "count";
    count.args = {Unbound::Star({}, call.span)};
    return std::make_shared<const Unbound>(std::move(count));
  }
  if (call.args.size() == 1) {
    if (UnboundPtr other = CallWithConstants(call)) return other;
    if (UnboundPtr other = ExactSum(call)) return other;
  }
  if (call.args.size() == 2) {
    if (UnboundPtr other = ListAggregate(call)) return other;
  }
  ARROW_RETURN_NOT_OK(RefuseHeaders(call));
  if (UnboundPtr other = CallWithoutFunction(call)) return other;
  if (EqualsIgnoringCase(call.name, "struct_pack")) return StructOf(call);
  if (EqualsIgnoringCase(call.name, "struct")) return StructInTurns(call);
  if (EqualsIgnoringCase(call.name, "map")) {
    if (UnboundPtr other = MapInTurns(call)) return other;
  }
  if (EqualsIgnoringCase(call.name, "list_prepend") && call.args.size() == 2) {
    return Unbound::Call("array_push_front", {call.args[1], call.args[0]}, call.span);
  }
  if (EqualsIgnoringCase(call.name, "date_add") && call.args.size() == 2) {
    return Unbound::Call("+", call.args, call.span);
  }
  if (EqualsIgnoringCase(call.name, "age") && call.args.size() == 1) {
    return Unbound::Call("age", {Unbound::Call("today", {}, call.span), call.args[0]}, call.span);
  }
  if (IsListOfQuantiles(call)) return QuantilesOf(call);
  if (IsListOfFirst(call)) return FirstOf(call);
  return nullptr;
}

Result<UnboundPtr> InOtherWords(const UnboundPtr& expression) {
  return TransformUnbound(expression, [](const UnboundPtr& node) -> Result<UnboundPtr> {
    if (node->kind != Unbound::Kind::kCall) return nullptr;
    ARROW_ASSIGN_OR_RAISE(const UnboundPtr other, CallInOtherWords(*node));
    return other == nullptr ? other : InOtherWords(other);
  });
}

Status RefuseRowsOfItsOwn(const Unbound& call) {
  const char* clause = nullptr;
  if (call.distinct && IsSyntax(call.name)) clause = "DISTINCT";  // else the binder refuses it
  if (!call.order_by.empty()) clause = "ORDER BY";
  if (call.filter != nullptr) clause = "FILTER";
  if (clause == nullptr) return Status::OK();
  const FunctionDef* function = FindFunction(Dialect::kSql, call.name);
  const bool is_known = function != nullptr || IsSyntax(call.name);
  if (!is_known || (function != nullptr && function->kind == FunctionKind::kAggregate)) {
    return Status::OK();
  }
  return WithSpan(Error(ErrorKind::kTypeMismatch, "{} belongs to an aggregate, not to \"{}\"",
                        clause, call.name),
                  call.span);
}

}  // namespace headrace::sql
