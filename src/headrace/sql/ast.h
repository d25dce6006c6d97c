// The syntax tree of a statement. Expressions are `Unbound`; spans point into the query text.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/expression/unbound.h"
#include "headrace/table/options.h"

namespace headrace::sql {

struct Select;

/// expression [AS name]; a star has no name.
struct SelectItem {
  UnboundPtr expression;
  std::string name;
};

/// 'file' [(option value, …)], name or (query), with its alias.
struct TableReference {
  enum class Kind { kFile, kName, kQuery };
  Kind kind = Kind::kName;
  std::string name;  // or path
  std::string alias;
  OptionMap options;  // of the file
  std::shared_ptr<const Select> query;
  TextSpan span;
};

struct JoinClause {
  enum class Kind { kInner, kLeft, kAsof, kAsofLeft };
  Kind kind = Kind::kInner;
  TableReference right;
  UnboundPtr condition;
  TextSpan span;
};

struct Select {
  std::vector<SelectItem> items;
  std::optional<TableReference> from;
  std::vector<JoinClause> joins;
  UnboundPtr where;
  std::vector<UnboundPtr> group_by;
  UnboundPtr having;
  std::vector<UnboundSortKey> order_by;
  std::optional<int64_t> limit;
  int64_t offset = 0;
};

struct Statement {
  Select query;
  bool is_explain = false;
  bool analyze = false;
  /// COPY (query) TO copy_path.
  std::optional<std::string> copy_path;
  OptionMap copy_options;
  TextSpan copy_span;  // of the path
};

}  // namespace headrace::sql
