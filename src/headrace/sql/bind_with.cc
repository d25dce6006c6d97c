// WITH: queries with names, each bound once; recursive ones.
#include "arrow/type.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/plan/make_node.h"
#include "headrace/sql/binder.h"
#include "headrace/sql/recursive_query.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace::sql {
namespace {

/// Nodes that the queries of WITH may put into one plan, where each reference counts.
constexpr int64_t kKnownNodesMax = 10'000;
/// The same of queries whose rows are a domain: each is there twice, so they double as they nest.
constexpr int64_t kDomainNodesMax = 200;

int64_t CountNodes(const PlanNode& plan) {
  int64_t count = 1;
  if (const auto* scan = As<ScanNode>(plan)) {
    const auto* shared = dynamic_cast<const SharedQuery*>(scan->source.get());
    if (shared != nullptr) count += CountNodes(*shared->plan());
  }
  for (const PlanPtr& input : plan.inputs()) count += CountNodes(*input);
  return count;
}

bool Scans(const PlanNode& plan, const Source* source) {
  if (const auto* scan = As<ScanNode>(plan)) {
    const auto* shared = dynamic_cast<const SharedQuery*>(scan->source.get());
    return scan->source.get() == source || (shared != nullptr && Scans(*shared->plan(), source));
  }
  for (const PlanPtr& input : plan.inputs()) {
    if (Scans(*input, source)) return true;
  }
  return false;
}

/// `step` with the names and types of `like`.
Result<PlanPtr> InTypesOf(PlanPtr step, const arrow::Schema& like) {
  if (step->schema()->num_fields() != like.num_fields()) {
    return Error(ErrorKind::kTypeMismatch,
                 "both parts of a recursive query give the same columns, got {} and {}",
                 like.num_fields(), step->schema()->num_fields());
  }
  std::vector<NamedExpression> outputs;
  for (int i = 0; i < like.num_fields(); ++i) {
    ExpressionPtr column = ColumnOf(*step->schema(), i);
    const TypePtr type = PlainType(like.field(i)->type());
    if (!PlainType(column->type)->Equals(*type)) {
      const Result<ExpressionPtr> converted = CoerceTo(column, type);
      if (!converted.ok()) {
        return Error(ErrorKind::kTypeMismatch,
                     "column {} of a recursive query is a {} in the first part and a {} in the "
                     "second; CAST the first to the wider type",
                     like.field(i)->name(), SqlNameOf(*type), SqlNameOf(*column->type));
      }
      column = *converted;
    }
    outputs.push_back({std::move(column), like.field(i)->name()});
  }
  return PlanProject(std::move(step), std::move(outputs));
}

/// `plan` with columns in their plain types that may all be null: what a round may give.
SchemaPtr WorkingSchema(const arrow::Schema& schema) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) {
    fields.push_back(arrow::field(field->name(), PlainType(field->type())));
  }
  return arrow::schema(std::move(fields));
}

}  // namespace

/// Each query of WITH sees those before it.
Status Binder::BindWith(const Query& query) {
  for (const CommonTable& table : query.with) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan,
                          table.recursive ? BindRecursive(table) : BindCommonTable(table));
    nodes_ += CountNodes(*plan);
    if (nodes_ > kKnownNodesMax) {
      return WithSpan(
          Error(ErrorKind::kUnsupported, "the queries of WITH make a plan of more than {} nodes",
                kKnownNodesMax),
          table.query->span);
    }
    const bool is_shared = plan->properties().boundedness == Boundedness::kBounded &&
                           plan->properties().change_mode == ChangeMode::kAppend;
    if (is_shared) {
      ARROW_ASSIGN_OR_RAISE(
          plan, PlanScan(std::make_shared<SharedQuery>("query " + table.name, std::move(plan))));
    }
    known_.push_back({table.name, std::move(plan)});
  }
  return Status::OK();
}

Status Binder::CountDomain(const PlanNode& plan, TextSpan span) {
  domain_nodes_ += CountNodes(plan);
  if (domain_nodes_ <= kDomainNodesMax) return Status::OK();
  return WithSpan(Error(ErrorKind::kUnsupported,
                        "queries that use columns of the query around nest too deep, or there are "
                        "too many: their plan has more than {} nodes; compute a part in CREATE "
                        "TABLE first",
                        kDomainNodesMax),
                  span);
}

Result<PlanPtr> Binder::BindCommonTable(const CommonTable& table) {
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, BindQuery(*table.query));
  return WithColumnNames(std::move(plan), table.columns, table.query->span);
}

/// first UNION [ALL] step, where `step` reads the rows of the round before by the query's name. A
/// query that does not name itself is bound like any other.
Result<PlanPtr> Binder::BindRecursive(const CommonTable& table) {
  const SetOperation* const set = table.query->set.get();
  const bool is_union = set != nullptr && set->kind == SetOperation::Kind::kUnion && !set->by_name;
  if (!is_union) return BindCommonTable(table);
  const size_t known = known_.size();
  ARROW_RETURN_NOT_OK(BindWith(*table.query));
  RecursiveQuery::Parts parts;
  ARROW_ASSIGN_OR_RAISE(parts.first, BindQuery(*set->left));
  ARROW_ASSIGN_OR_RAISE(parts.first,
                        WithColumnNames(std::move(parts.first), table.columns, table.query->span));
  const SchemaPtr schema = WorkingSchema(*parts.first->schema());
  MemoryTableOptions options;
  options.name = "rows of the round before";
  ARROW_ASSIGN_OR_RAISE(parts.working, MemoryTable::Make(schema, {}, std::move(options)));
  ARROW_ASSIGN_OR_RAISE(PlanPtr working, PlanScan(parts.working));
  known_.push_back({table.name, std::move(working)});
  Result<PlanPtr> step = BindQuery(*set->right);
  known_.resize(known);
  ARROW_ASSIGN_OR_RAISE(parts.step, std::move(step));
  if (!Scans(*parts.step, parts.working.get())) return BindCommonTable(table);
  if (!table.query->order_by.empty() || table.query->limit != nullptr ||
      table.query->offset != nullptr) {
    return WithSpan(Error(ErrorKind::kUnsupported,
                          "ORDER BY and LIMIT go to the query that reads a recursive query, not "
                          "into it"),
                    table.query->span);
  }
  Result<PlanPtr> typed = InTypesOf(std::move(parts.step), *schema);
  if (!typed.ok()) return WithSpan(typed.status(), set->span);
  ARROW_ASSIGN_OR_RAISE(parts.step, WithQueriesInlined(*typed));
  ARROW_ASSIGN_OR_RAISE(parts.first, InTypesOf(std::move(parts.first), *schema));
  ARROW_ASSIGN_OR_RAISE(parts.first, WithQueriesInlined(parts.first));
  parts.all = set->all;
  return PlanScan(
      std::make_shared<RecursiveQuery>("recursive query " + table.name, schema, std::move(parts)));
}

}  // namespace headrace::sql
