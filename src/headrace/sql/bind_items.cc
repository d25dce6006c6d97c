// The items of SELECT: stars written out, names, expressions.
#include <algorithm>

#include "headrace/sql/lexer.h"
#include "headrace/sql/select_binder.h"

namespace headrace::sql {
namespace {

constexpr size_t kOutputColumnsMax = 65536;

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& candidate) {
    return EqualsIgnoringCase(candidate, name);
  });
}

}  // namespace

Status SelectBinder::ExpandItems() {
  for (const SelectItem& item : select_.items) {
    if (item.expression->kind == Unbound::Kind::kStar) {
      ARROW_RETURN_NOT_OK(ExpandStar(item));
    } else {
      items_.push_back({item.expression, item.name, std::nullopt});
    }
  }
  num_items_ = items_.size();
  visible_items_ = num_items_;
  if (num_items_ <= kOutputColumnsMax) return Status::OK();
  return Error(ErrorKind::kUnsupported, "a query gives at most {} columns, got {}",
               kOutputColumnsMax, num_items_);
}

Status SelectBinder::ExpandStar(const SelectItem& item) {
  const Unbound& star = *item.expression;
  ARROW_RETURN_NOT_OK(CheckStarChanges(item));
  const auto& entries = relation_.scope.entries();
  bool found = false;
  for (size_t i = 0; i < entries.size() && items_.size() <= kOutputColumnsMax; ++i) {
    const Scope::Entry& entry = entries[i];
    const bool is_here = star.path.empty() ? !entry.qualified_only
                                           : EqualsIgnoringCase(entry.qualifier, star.path.front());
    if (!is_here) continue;
    found = true;
    if (Contains(item.exclude, entry.name)) continue;
    const auto replaced =
        std::find_if(item.replace.begin(), item.replace.end(), [&](const SelectItem& candidate) {
          return EqualsIgnoringCase(candidate.name, entry.name);
        });
    if (replaced != item.replace.end()) {
      items_.push_back({replaced->expression, entry.name, std::nullopt});
    } else {
      items_.push_back({nullptr, entry.name, static_cast<int>(i)});
    }
  }
  if (found || (star.path.empty() && select_.from.has_value())) return Status::OK();
  if (star.path.empty()) {
    return WithSpan(Error(ErrorKind::kInvalidArgument, "* needs a table (FROM)"), star.span);
  }
  return WithSpan(Error(ErrorKind::kUnknownName, "unknown table \"{}\"", star.path.front()),
                  star.span);
}

/// Whether all columns that EXCLUDE and REPLACE name are there.
Status SelectBinder::CheckStarChanges(const SelectItem& item) const {
  std::vector<std::string> names = item.exclude;
  for (const SelectItem& replaced : item.replace) names.push_back(replaced.name);
  for (const std::string& name : names) {
    const Result<int> resolved = relation_.scope.Resolve({name}, Dialect::kSql);
    if (!resolved.ok() && !relation_.scope.Knows({name}, Dialect::kSql)) {
      return WithSpan(resolved.status(), item.expression->span);
    }
  }
  return Status::OK();
}

/// An item may use the names of those before it.
Status SelectBinder::BindItems() {
  for (size_t i = 0; i < items_.size(); ++i) {
    const Item& item = items_[i];
    if (item.column.has_value()) {
      const Scope::Entry& entry = scope_.entries()[static_cast<size_t>(*item.column)];
      outputs_.push_back({Expression::Column(*item.column, entry.name, entry.type), entry.name});
      continue;
    }
    visible_items_ = i;
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, BindPrepared(item.expression));
    std::string name = item.name;
    if (name.empty()) {
      const bool is_column = bound->kind == Expression::Kind::kColumn &&
                             item.expression->kind == Unbound::Kind::kColumn;
      name = is_column && item.expression->path.size() <= 2 &&
                     static_cast<size_t>(bound->column) < relation_.scope.entries().size()
                 ? bound->name
                 : DefaultName(*item.expression);
    }
    outputs_.push_back({std::move(bound), std::move(name)});
  }
  visible_items_ = items_.size();
  return Status::OK();
}

}  // namespace headrace::sql
