// The binder: syntax trees → plans over a session's tables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "headrace/expression/bind.h"
#include "headrace/plan/builder.h"
#include "headrace/sql/ast.h"
#include "headrace/sql/sql.h"

namespace headrace::sql {

/// Rows with the names by which an expression may speak of their columns. Entry i of the scope is
/// column i of the plan.
struct Relation {
  PlanPtr plan;
  Scope scope;
};

/// A query used inside an expression, bound.
struct BoundSubquery {
  PlanPtr plan;  // the items of the query, then what `condition` needs
  size_t num_items = 0;
  size_t outer_width = 0;  // of the outer scope
  /// Which rows belong to a row of the outer query: over the columns of the outer scope, then those
  /// of `plan`. Null: all of them.
  ExpressionPtr condition;
  bool is_single = false;  // at most one row belongs to a row of the outer query
  /// The value where no row belongs to a row of the outer query; null: NULL.
  ExpressionPtr value_of_none;
};

/// Errors carry spans. One statement, of `text`; all references must outlive the binder.
class Binder {
 public:
  Binder(Session& session, const ExtraTables& tables, std::string_view text)
      : session_(session), tables_(tables), text_(text) {}

  Result<BoundStatement> BindStatement(const Statement& statement);
  Result<PlanPtr> BindQuery(const Query& query);
  /// `outer`: the names of the query around it.
  Result<BoundSubquery> BindSubquery(const Query& query, const Scope& outer);

 private:
  friend class SelectBinder;
  struct KnownQuery {
    std::string name;
    PlanPtr plan;
  };

  // bind_statement.cc
  Status BindKind(const Statement& statement, BoundStatement* bound);
  Status BindCreate(const Statement& statement, BoundStatement* bound);
  Status BindViewColumns(const Statement& statement, BoundStatement* bound);
  Status BindInsert(const Statement& statement, BoundStatement* bound);
  Status BindDrop(const Statement& statement, BoundStatement* bound);
  Result<PlanPtr> BindSummary(const Statement& statement);

  // bind_query.cc
  Status BindWith(const Query& query);
  Result<PlanPtr> BindCommonTable(const CommonTable& table);
  Result<PlanPtr> BindRecursive(const CommonTable& table);
  Result<PlanPtr> BindBody(const Query& query);
  Result<PlanPtr> BindSetOperation(const SetOperation& set);
  Result<PlanPtr> BindValues(const Query& query);

  // bind_from.cc
  /// Conditions of joins that hold subqueries go to `conditions`: they filter the rows of all.
  Result<Relation> BindFrom(const Select& select, std::vector<UnboundPtr>* conditions);
  Result<Relation> BindTable(const TableReference& table);
  Result<Relation> BindJoin(Relation left, const JoinClause& join,
                            std::vector<UnboundPtr>* conditions);
  Result<Relation> BindJoinUsing(Relation left, Relation right, const JoinClause& join);
  Result<PlanPtr> FindTable(const TableReference& table);
  Result<PlanPtr> FindNamed(const std::string& name);
  Result<PlanPtr> BindView(const std::string& name, const std::string& text);

  // bind_table_function.cc
  Result<PlanPtr> BindTableFunction(const TableReference& table);
  Result<PlanPtr> ReadFiles(const TableReference& table, const char* format);
  Result<PlanPtr> RangeOf(const TableReference& table, bool inclusive);
  Result<PlanPtr> UnnestConstants(const TableReference& table);
  Result<Relation> BindUnnest(Relation left, const JoinClause& join);

  Session& session_;
  const ExtraTables& tables_;
  const std::string_view text_;
  std::vector<KnownQuery> known_;  // WITH, innermost last
  int64_t nodes_ = 0;              // of the plans of WITH that were put in
  int views_ = 0;                  // nested
};

/// `plan` with its columns called `names`; fewer names leave the rest as they are.
Result<PlanPtr> WithColumnNames(PlanPtr plan, const std::vector<std::string>& names, TextSpan span);
/// LIMIT and OFFSET of `query`, which are constants.
Result<PlanPtr> WithLimit(PlanPtr plan, const Query& query);
/// TABLESAMPLE, USING SAMPLE; without a seed the rows are others each time.
Result<PlanPtr> WithSample(PlanPtr plan, const std::optional<SampleClause>& sample);
/// `name`(args…) with the conversions that it needs.
Result<ExpressionPtr> CallOf(const char* name, const std::vector<ExpressionPtr>& args);
/// column.field… or table.column.field… as an expression over `scope`; null: no such column.
UnboundPtr FieldOf(const Unbound& column, const Scope& scope);

}  // namespace headrace::sql
