// FROM and JOIN: files, tables, queries and what names they bring.
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/sql/binder.h"
#include "headrace/sql/lexer.h"

namespace headrace::sql {
namespace {

/// The name of a file without folders and extensions; "" when it is a pattern.
std::string StemOf(std::string_view path) {
  const size_t slash = path.find_last_of('/');
  if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
  const std::string_view stem = path.substr(0, path.find('.'));
  return stem.find_first_of("*?[") == std::string_view::npos ? std::string(stem) : "";
}

/// One row without columns, for SELECT without FROM.
Result<SourcePtr> OneRow() {
  const SchemaPtr schema = arrow::schema({});
  MemoryTableOptions options;
  options.name = "one row";
  const auto batch = arrow::RecordBatch::Make(schema, 1, arrow::ArrayVector{});
  return MemoryTable::Make(schema, {batch}, std::move(options));
}

std::vector<std::string> NamesOf(const ExtraTables& tables) {
  std::vector<std::string> names;
  for (const auto& [name, plan] : tables) names.push_back(name);
  return names;
}

Scope Concatenate(const Scope& left, const Scope& right) {
  Scope both = left;
  for (const Scope::Entry& entry : right.entries())
    both.Add(entry.qualifier, entry.name, entry.type);
  return both;
}

/// The alias, else the table's own name.
std::string QualifierOf(const TableReference& table) {
  if (!table.alias.empty()) return table.alias;
  return table.kind == TableReference::Kind::kFile ? StemOf(table.name) : table.name;
}

}  // namespace

Result<Relation> Binder::BindFrom(const Select& select) {
  if (!select.from.has_value()) {
    ARROW_ASSIGN_OR_RAISE(SourcePtr source, OneRow());
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, PlanScan(std::move(source)));
    return Relation{std::move(plan), Scope()};
  }
  ARROW_ASSIGN_OR_RAISE(Relation relation, BindTable(*select.from));
  for (const JoinClause& join : select.joins) {
    ARROW_ASSIGN_OR_RAISE(relation, BindJoin(std::move(relation), join));
  }
  return relation;
}

Result<Relation> Binder::BindTable(const TableReference& table) {
  PlanPtr plan;
  if (table.kind == TableReference::Kind::kQuery) {
    ARROW_ASSIGN_OR_RAISE(plan, BindQuery(*table.query));
  } else {
    Result<PlanPtr> found = FindTable(table);
    if (!found.ok()) return WithSpan(found.status(), table.span);
    plan = *std::move(found);
  }
  Scope scope(*plan->schema(), QualifierOf(table));
  return Relation{std::move(plan), std::move(scope)};
}

Result<PlanPtr> Binder::FindTable(const TableReference& table) {
  if (table.kind == TableReference::Kind::kFile) {
    ARROW_ASSIGN_OR_RAISE(SourcePtr file, session_.OpenFile(table.name, table.options));
    return PlanScan(std::move(file));
  }
  const auto exact = tables_.find(table.name);
  if (exact != tables_.end()) return exact->second;
  for (const auto& [name, plan] : tables_) {
    if (EqualsIgnoringCase(name, table.name)) return plan;
  }
  Result<SourcePtr> source = session_.FindTable(table.name);
  if (source.ok()) return PlanScan(*std::move(source));
  const std::string nearest = NearestName(table.name, NamesOf(tables_));
  if (nearest.empty()) return source.status();
  return Error(ErrorKind::kUnknownName, "no table is named \"{}\"; did you mean {}?", table.name,
               nearest);
}

Result<Relation> Binder::BindJoin(Relation left, const JoinClause& join) {
  ARROW_ASSIGN_OR_RAISE(Relation right, BindTable(join.right));
  Relation joined;
  joined.scope = Concatenate(left.scope, right.scope);
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr condition,
                        headrace::Bind(*join.condition, joined.scope, Dialect::kSql));
  const bool inner = join.kind == JoinClause::Kind::kInner || join.kind == JoinClause::Kind::kAsof;
  const bool asof =
      join.kind == JoinClause::Kind::kAsof || join.kind == JoinClause::Kind::kAsofLeft;
  const JoinKind kind = inner ? JoinKind::kInner : JoinKind::kLeft;
  Result<PlanPtr> plan =
      asof ? PlanAsofJoin(std::move(left.plan), std::move(right.plan), kind, std::move(condition))
           : PlanJoin(std::move(left.plan), std::move(right.plan), kind, std::move(condition));
  if (!plan.ok()) return WithSpan(plan.status(), join.span);
  joined.plan = *std::move(plan);
  return joined;
}

}  // namespace headrace::sql
