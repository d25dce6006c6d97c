// Making of unbound expressions.
#include "headrace/expression/unbound.h"

#include "arrow/scalar.h"
#include "headrace/base/ascii_case.h"
#include "headrace/expression/sql_text.h"

namespace headrace {
namespace {

std::string TextOf(const Unbound& expression) {
  std::vector<std::string> args;
  for (const UnboundPtr& arg : expression.args) args.push_back(TextOf(*arg));
  switch (expression.kind) {
    case Unbound::Kind::kColumn: {
      return expression.path.empty() ? "" : expression.path.back();
    }
    case Unbound::Kind::kLiteral:
      return LiteralText(*expression.literal);
    case Unbound::Kind::kCall:
      return CallText(expression.name, args, expression.distinct);
    case Unbound::Kind::kCast:
      return CastText(args[0], *expression.type, expression.try_cast);
    case Unbound::Kind::kStar:
      return expression.path.empty() ? "*" : expression.path.back() + ".*";
    case Unbound::Kind::kCallback:
      return CallText("callback", args);
    case Unbound::Kind::kQuery:
      return "subquery";
    case Unbound::Kind::kParameter:
      return expression.name;
    case Unbound::Kind::kLambda: {
      std::string names;
      for (const std::string& name : expression.arg_names) {
        names += (names.empty() ? "" : ", ") + name;
      }
      return (expression.arg_names.size() > 1 ? "(" + names + ")" : names) + " -> " + args[0];
    }
  }
  return "";
}

Result<bool> TransformPart(UnboundPtr* part, const UnboundVisit& visit) {
  if (*part == nullptr) return false;
  ARROW_ASSIGN_OR_RAISE(UnboundPtr transformed, TransformUnbound(*part, visit));
  const bool changed = transformed != *part;
  *part = std::move(transformed);
  return changed;
}

Result<bool> TransformParts(std::vector<UnboundPtr>* parts, const UnboundVisit& visit) {
  bool changed = false;
  for (UnboundPtr& part : *parts) {
    ARROW_ASSIGN_OR_RAISE(const bool part_changed, TransformPart(&part, visit));
    changed |= part_changed;
  }
  return changed;
}

Result<bool> TransformKeys(std::vector<UnboundSortKey>* keys, const UnboundVisit& visit) {
  bool changed = false;
  for (UnboundSortKey& key : *keys) {
    ARROW_ASSIGN_OR_RAISE(const bool part_changed, TransformPart(&key.expression, visit));
    changed |= part_changed;
  }
  return changed;
}

Result<bool> TransformWindow(std::shared_ptr<const UnboundWindow>* window,
                             const UnboundVisit& visit) {
  if (*window == nullptr) return false;
  auto copy = std::make_shared<UnboundWindow>(**window);
  ARROW_ASSIGN_OR_RAISE(bool changed, TransformParts(&copy->partition_by, visit));
  ARROW_ASSIGN_OR_RAISE(const bool keys_changed, TransformKeys(&copy->order_by, visit));
  changed |= keys_changed;
  if (copy->frame.has_value()) {
    ARROW_ASSIGN_OR_RAISE(const bool start, TransformPart(&copy->frame->start.offset, visit));
    ARROW_ASSIGN_OR_RAISE(const bool end, TransformPart(&copy->frame->end.offset, visit));
    changed = changed || start || end;
  }
  if (changed) *window = std::move(copy);
  return changed;
}

std::shared_ptr<Unbound> Make(Unbound::Kind kind, TextSpan span) {
  auto expression = std::make_shared<Unbound>();
  expression->kind = kind;
  expression->span = span;
  return expression;
}

}  // namespace

UnboundPtr Unbound::Column(std::vector<std::string> path, TextSpan span) {
  auto column = Make(Kind::kColumn, span);
  column->path = std::move(path);
  return column;
}

UnboundPtr Unbound::Literal(ScalarPtr value, TextSpan span) {
  auto literal = Make(Kind::kLiteral, span);
  literal->literal = std::move(value);
  return literal;
}

UnboundPtr Unbound::Call(std::string name, std::vector<UnboundPtr> args, TextSpan span) {
  auto call = Make(Kind::kCall, span);
  call->name = std::move(name);
  call->args = std::move(args);
  return call;
}

UnboundPtr Unbound::Cast(UnboundPtr arg, TypePtr type, bool try_cast, TextSpan span) {
  auto cast = Make(Kind::kCast, span);
  cast->args.push_back(std::move(arg));
  cast->type = std::move(type);
  cast->try_cast = try_cast;
  return cast;
}

UnboundPtr Unbound::Star(std::vector<std::string> path, TextSpan span) {
  auto star = Make(Kind::kStar, span);
  star->path = std::move(path);
  return star;
}

UnboundPtr Unbound::Callback(int64_t id, std::vector<UnboundPtr> args, TypePtr type) {
  auto callback = Make(Kind::kCallback, {});
  callback->callback_id = id;
  callback->args = std::move(args);
  callback->type = std::move(type);
  return callback;
}

UnboundPtr MakeLambda(std::vector<std::string> names, const UnboundPtr& body, int64_t id,
                      TextSpan span) {
  const auto parameter = [&](const UnboundPtr& node) -> Result<UnboundPtr> {
    if (node->kind != Unbound::Kind::kColumn) return nullptr;
    for (const std::string& name : names) {
      if (!EqualsIgnoringCase(node->path.front(), name)) continue;
      auto made = Make(Unbound::Kind::kParameter, node->span);
      made->name = name;
      made->lambda_id = id;
      UnboundPtr value = std::move(made);
      for (size_t i = 1; i < node->path.size(); ++i) {
        auto field = std::make_shared<arrow::StringScalar>(node->path[i]);
        value = Unbound::Call("struct_extract",
                              {value, Unbound::Literal(std::move(field), node->span)}, node->span);
      }
      return value;
    }
    return nullptr;
  };
  auto lambda = Make(Unbound::Kind::kLambda, span);
  lambda->args.push_back(TransformUnbound(body, parameter).ValueOrDie());  // it never fails
  lambda->arg_names = std::move(names);
  lambda->lambda_id = id;
  return lambda;
}

Result<UnboundPtr> TransformUnbound(const UnboundPtr& expression, const UnboundVisit& visit) {
  ARROW_ASSIGN_OR_RAISE(UnboundPtr replacement, visit(expression));
  if (replacement != nullptr) return replacement;
  Unbound copy = *expression;
  ARROW_ASSIGN_OR_RAISE(bool changed, TransformParts(&copy.args, visit));
  ARROW_ASSIGN_OR_RAISE(const bool filter_changed, TransformPart(&copy.filter, visit));
  ARROW_ASSIGN_OR_RAISE(const bool keys_changed, TransformKeys(&copy.order_by, visit));
  ARROW_ASSIGN_OR_RAISE(const bool window_changed, TransformWindow(&copy.window, visit));
  changed = changed || filter_changed || keys_changed || window_changed;
  return changed ? std::make_shared<const Unbound>(std::move(copy)) : expression;
}

UnboundPtr TextLiteral(const std::string& text, TextSpan span) {
  return Unbound::Literal(std::make_shared<arrow::StringScalar>(text), span);
}

bool HoldsQuery(const UnboundPtr& expression) {
  bool found = false;
  const auto look = [&](const UnboundPtr& node) -> Result<UnboundPtr> {
    found = found || node->kind == Unbound::Kind::kQuery;
    return nullptr;
  };
  return TransformUnbound(expression, look).ok() && found;
}

std::string DefaultName(const Unbound& expression) {
  std::string text = TextOf(expression);
  const bool is_bracketed = expression.kind == Unbound::Kind::kCall && text.starts_with('(');
  return is_bracketed ? text.substr(1, text.size() - 2) : text;
}

}  // namespace headrace
