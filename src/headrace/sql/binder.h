// The binder: syntax trees → plans over a session's tables.
#pragma once

#include <string>
#include <vector>

#include "headrace/expression/bind.h"
#include "headrace/plan/builder.h"
#include "headrace/sql/ast.h"
#include "headrace/sql/sql.h"

namespace headrace::sql {

/// Rows with the names by which an expression may speak of their columns.
struct Relation {
  PlanPtr plan;
  Scope scope;
};

/// Errors carry spans. One statement; both references must outlive the binder.
class Binder {
 public:
  Binder(Session& session, const ExtraTables& tables) : session_(session), tables_(tables) {}

  Result<BoundStatement> BindStatement(const Statement& statement);
  Result<PlanPtr> BindQuery(const Select& select);

 private:
  // bind_from.cc
  Result<Relation> BindFrom(const Select& select);
  Result<Relation> BindTable(const TableReference& table);
  Result<Relation> BindJoin(Relation left, const JoinClause& join);
  Result<PlanPtr> FindTable(const TableReference& table);

  Session& session_;
  const ExtraTables& tables_;
};

}  // namespace headrace::sql
