// Items that stand for several columns: *, table.*, and expressions with COLUMNS(…).
#include <algorithm>

#include "arrow/array/array_nested.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/sql/lexer.h"
#include "headrace/sql/select_binder.h"

namespace headrace::sql {
namespace {

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& candidate) {
    return EqualsIgnoringCase(candidate, name);
  });
}

/// The part of `list` that belongs to the column `name`; null when none does.
template <typename Change, typename NameOf>
const Change* Find(const std::vector<Change>& list, std::string_view name, NameOf name_of) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const Change& candidate) {
    return EqualsIgnoringCase(name_of(candidate), name);
  });
  return found == list.end() ? nullptr : &*found;
}

std::string NewName(const SelectItem& item, const std::string& name) {
  const auto* renamed =
      Find(item.rename, name, [](const auto& change) -> std::string_view { return change.first; });
  return renamed == nullptr ? name : renamed->second;
}

/// The one COLUMNS(…) of an item; null when there is none.
Result<const SelectItem*> ColumnsOf(const UnboundPtr& expression) {
  const SelectItem* found = nullptr;
  const UnboundVisit visit = [&](const UnboundPtr& node) -> Result<UnboundPtr> {
    const auto* operand = dynamic_cast<const ColumnsOperand*>(node->query.get());
    if (operand == nullptr) return nullptr;
    if (found != nullptr && found->expression != operand->columns.expression) {
      return WithSpan(
          Error(ErrorKind::kUnsupported, "an item of SELECT takes one COLUMNS(...), got two"),
          node->span);
    }
    found = &operand->columns;
    return node;
  };
  ARROW_RETURN_NOT_OK(TransformUnbound(expression, visit));
  return found;
}

/// `expression` with COLUMNS(…) replaced by `column`.
Result<UnboundPtr> WithColumn(const UnboundPtr& expression, const UnboundPtr& column) {
  return TransformUnbound(expression, [&](const UnboundPtr& node) -> Result<UnboundPtr> {
    const bool is_here = dynamic_cast<const ColumnsOperand*>(node->query.get()) != nullptr;
    return is_here ? column : nullptr;
  });
}

/// The strings of a constant list; one for a text.
Result<std::vector<std::string>> TextsOf(const Unbound& expression) {
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, headrace::Bind(expression, Scope(), Dialect::kSql));
  bound = FoldConstants(bound);
  const bool is_constant = bound->kind == Expression::Kind::kLiteral && bound->literal->is_valid;
  std::vector<std::string> texts;
  if (is_constant && arrow::is_base_binary_like(bound->type->id())) {
    return std::vector<std::string>{bound->literal->ToString()};
  }
  if (is_constant && arrow::is_list_like(bound->type->id())) {
    const arrow::Array& items = *static_cast<const arrow::BaseListScalar&>(*bound->literal).value;
    for (int64_t i = 0; i < items.length(); ++i) {
      ARROW_ASSIGN_OR_RAISE(const ScalarPtr item, items.GetScalar(i));
      texts.push_back(item->ToString());
    }
    return texts;
  }
  return WithSpan(
      Error(ErrorKind::kInvalidArgument,
            "COLUMNS takes *, a regular expression or a list of names, got {}", ToString(*bound)),
      expression.span);
}

Result<bool> Matches(const std::string& name, const std::string& pattern, TextSpan span) {
  const auto text = [&](const std::string& value) {
    return Unbound::Literal(std::make_shared<arrow::StringScalar>(value), span);
  };
  const auto call = Unbound::Call("regexp_matches", {text(name), text(pattern)}, span);
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, headrace::Bind(*call, Scope(), Dialect::kSql));
  bound = FoldConstants(bound);
  if (bound->kind != Expression::Kind::kLiteral) {
    return WithSpan(
        Error(ErrorKind::kInvalidArgument, "COLUMNS takes a regular expression, got '{}'", pattern),
        span);
  }
  return static_cast<const arrow::BooleanScalar&>(*bound->literal).value;
}

}  // namespace

Status SelectBinder::ExpandStar(const SelectItem& item) {
  ARROW_RETURN_NOT_OK(CheckStarChanges(item));
  ARROW_ASSIGN_OR_RAISE(std::vector<Item> items, StarItems(item));
  items_.insert(items_.end(), items.begin(), items.end());
  return Status::OK();
}

Result<std::vector<SelectBinder::Item>> SelectBinder::StarItems(const SelectItem& item) const {
  const Unbound& star = *item.expression;
  const auto& entries = relation_.scope.entries();
  std::vector<Item> items;
  bool found = false;
  for (size_t i = 0; i < entries.size(); ++i) {
    const Scope::Entry& entry = entries[i];
    const bool is_here = star.path.empty() ? !entry.qualified_only
                                           : EqualsIgnoringCase(entry.qualifier, star.path.front());
    if (!is_here) continue;
    found = true;
    if (Contains(item.exclude, entry.name)) continue;
    const SelectItem* replaced =
        Find(item.replace, entry.name, [](const SelectItem& change) { return change.name; });
    const std::string name = NewName(item, entry.name);
    if (replaced != nullptr) {
      items.push_back({replaced->expression, name, std::nullopt});
    } else {
      items.push_back({nullptr, name, static_cast<int>(i)});
    }
  }
  if (found || (star.path.empty() && select_.from.has_value())) return items;
  if (star.path.empty()) {
    return WithSpan(Error(ErrorKind::kInvalidArgument, "* needs a table (FROM)"), star.span);
  }
  return WithSpan(Error(ErrorKind::kUnknownName, "unknown table \"{}\"", star.path.front()),
                  star.span);
}

/// Whether all columns that EXCLUDE, REPLACE and RENAME speak of are there.
Status SelectBinder::CheckStarChanges(const SelectItem& item) const {
  std::vector<std::string> names = item.exclude;
  for (const SelectItem& replaced : item.replace) names.push_back(replaced.name);
  for (const auto& renamed : item.rename) names.push_back(renamed.first);
  for (const std::string& name : names) {
    const Result<int> resolved = relation_.scope.Resolve({name}, Dialect::kSql);
    if (!resolved.ok() && !relation_.scope.Knows({name}, Dialect::kSql)) {
      return WithSpan(resolved.status(), item.expression->span);
    }
  }
  return Status::OK();
}

/// The columns that COLUMNS(…) stands for.
Result<std::vector<SelectBinder::Item>> SelectBinder::ColumnsItems(
    const SelectItem& columns) const {
  if (columns.expression->kind == Unbound::Kind::kStar) {
    ARROW_RETURN_NOT_OK(CheckStarChanges(columns));
    return StarItems(columns);
  }
  const TextSpan span = columns.expression->span;
  const bool is_list = columns.expression->kind == Unbound::Kind::kCall;
  ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> texts, TextsOf(*columns.expression));
  SelectItem star;
  star.expression = Unbound::Star({}, span);
  ARROW_ASSIGN_OR_RAISE(const std::vector<Item> all, StarItems(star));
  std::vector<Item> items;
  std::vector<std::string> names;
  for (const Item& item : all) {
    names.push_back(item.name);
    bool is_here = is_list && Contains(texts, item.name);
    if (!is_list) {
      ARROW_ASSIGN_OR_RAISE(is_here, Matches(item.name, texts.front(), span));
    }
    if (is_here) items.push_back(item);
  }
  for (const std::string& text : texts) {
    if (is_list ? Contains(names, text) : !items.empty()) continue;
    const std::string nearest = NearestName(text, names);
    return WithSpan(
        Error(ErrorKind::kUnknownName, "no column {} '{}'{}", is_list ? "is called" : "matches",
              text, nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest)),
        span);
  }
  return items;
}

/// An item with COLUMNS(…) is there once for each of its columns, by their names.
Result<bool> SelectBinder::ExpandColumns(const SelectItem& item) {
  ARROW_ASSIGN_OR_RAISE(const SelectItem* columns, ColumnsOf(item.expression));
  if (columns == nullptr) return false;
  ARROW_ASSIGN_OR_RAISE(const std::vector<Item> expanded, ColumnsItems(*columns));
  for (const Item& column : expanded) {
    UnboundPtr value = column.expression;
    if (value == nullptr) {
      const auto& entry = relation_.scope.entries()[static_cast<size_t>(*column.column)];
      std::vector<std::string> path = {entry.name};
      if (!entry.qualifier.empty()) path.insert(path.begin(), entry.qualifier);
      value = Unbound::Column(std::move(path), columns->expression->span);
    }
    ARROW_ASSIGN_OR_RAISE(UnboundPtr expression, WithColumn(item.expression, value));
    const std::string& name = item.name.empty() ? column.name : item.name;
    items_.push_back({std::move(expression), name, std::nullopt});
  }
  return true;
}

}  // namespace headrace::sql
