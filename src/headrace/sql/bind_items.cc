// The items of SELECT: names and expressions.
#include "headrace/sql/lexer.h"
#include "headrace/sql/select_binder.h"

namespace headrace::sql {
namespace {

constexpr size_t kOutputColumnsMax = 65536;

}  // namespace

Status SelectBinder::ExpandItems() {
  for (const SelectItem& item : select_.items) {
    if (item.expression->kind == Unbound::Kind::kStar) {
      ARROW_RETURN_NOT_OK(ExpandStar(item));
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const bool expanded, ExpandColumns(item));
    if (!expanded) items_.push_back({item.expression, item.name, std::nullopt});
  }
  num_items_ = items_.size();
  visible_items_ = num_items_;
  if (num_items_ <= kOutputColumnsMax) return Status::OK();
  return Error(ErrorKind::kUnsupported, "a query gives at most {} columns, got {}",
               kOutputColumnsMax, num_items_);
}

/// An item may use the names of those before it.
Status SelectBinder::BindItems() {
  for (size_t i = 0; i < items_.size(); ++i) {
    const Item& item = items_[i];
    if (item.column.has_value()) {
      const Scope::Entry& entry = scope_.entries()[static_cast<size_t>(*item.column)];
      outputs_.push_back({Expression::Column(*item.column, entry.name, entry.type), item.name});
      continue;
    }
    visible_items_ = i;
    const auto once = once_.find(i);
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound,
                          BindPrepared(once == once_.end() ? item.expression : once->second));
    std::string name = item.name;
    if (name.empty()) {
      const bool is_column = bound->kind == Expression::Kind::kColumn &&
                             item.expression->kind == Unbound::Kind::kColumn;
      // _event_time is another name of a column.
      const bool is_so_called =
          is_column && EqualsIgnoringCase(item.expression->path.back(), bound->name);
      name = is_so_called && item.expression->path.size() <= 2 &&
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
