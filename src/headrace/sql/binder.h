// The binder: syntax trees → plans over a session's tables.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
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
  /// Of a query that is computed once per value of a domain: the names of its first columns, which
  /// mean them where nothing nearer has the name. May be null.
  std::shared_ptr<const Scope> around;
};

/// Values of the columns of the query around that a query depends on, without repeats: the query is
/// computed for all of them at once.
struct Domain {
  PlanPtr plan;
  std::shared_ptr<const Scope> names;
  std::vector<int> outer_columns;  // of the query around, beside the columns of the plan
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

/// What a statement says of the results of its streams. Not given: each stream's own way.
struct StreamTerms {
  std::optional<bool> emits_final;
  std::optional<LatePolicy> late;
  std::optional<int64_t> lateness_micros;
};

/// A table as the rows that filled it, which have an event time where it has versions.
struct VersionedTable {
  PlanPtr versions;
  std::vector<int> key;
};
/// By name in lower case.
using VersionedTables = std::map<std::string, VersionedTable>;

/// Names of the catalog that a statement read, also through views; each once.
struct NamesRead {
  std::vector<std::string> streams;
  std::vector<std::string> tables;
  std::vector<std::string> views;
};

/// A query as a whole, and the columns by which its rows are told apart: those marked PRIMARY KEY,
/// else the groups, if all are selected; else none.
struct KeyedQuery {
  PlanPtr plan;
  std::vector<int> key;
};

/// Errors carry spans. One statement, of `text`; all references must outlive the binder.
class Binder {
 public:
  /// `poll`, which may be null, is called while the values of a PIVOT are found.
  Binder(Session& session, const ExtraTables& tables, std::string_view text, Poll poll)
      : session_(session), tables_(tables), text_(text), poll_(std::move(poll)) {}

  Result<BoundStatement> BindStatement(const Statement& statement);
  Result<PlanPtr> BindQuery(const Query& query);
  Result<KeyedQuery> BindKeyedQuery(const Query& query);
  void set_terms(StreamTerms terms) { terms_ = terms; }
  /// What FOR SYSTEM_TIME AS OF may name; null: nothing. Must outlive the binder.
  void set_versions(const VersionedTables* versions) { versions_ = versions; }
  const NamesRead& names_read() const { return names_read_; }
  /// `outer`: the rows of the query around it; `use` as in QueryOperand.
  Result<BoundSubquery> BindSubquery(const Query& query, const Relation& outer,
                                     std::string_view use);

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
  Status BindCreateStream(const Statement& statement, BoundStatement* bound);
  Status BindDrop(const Statement& statement, BoundStatement* bound);
  Status BindChange(const Statement& statement, BoundStatement* bound);  // bind_change.cc
  Result<PlanPtr> BindSummary(const Statement& statement);

  // bind_query.cc
  Status BindWith(const Query& query);
  /// Refuses domains over domains whose plans would not end.
  Status CountDomain(const PlanNode& plan, TextSpan span);
  Result<PlanPtr> BindCommonTable(const CommonTable& table);
  Result<PlanPtr> BindRecursive(const CommonTable& table);
  Result<PlanPtr> BindBody(const Query& query);
  Result<PlanPtr> BindSetOperation(const SetOperation& set);

  // bind_values.cc
  Result<PlanPtr> BindValues(const Query& query);
  Result<PlanPtr> BindRowsOfQueries(const Query& query);

  // bind_dependent.cc
  Result<BoundSubquery> BindTied(const Query& query, const Scope& outer, std::string_view use);
  Result<BoundSubquery> BindDependentSubquery(const Query& query, const Relation& outer,
                                              const std::vector<int>& columns);
  template <typename Bound>
  Result<Bound> WithColumnsMeant(const Query& query, const Scope& outer,
                                 const std::function<Result<Bound>(const std::vector<int>&)>& bind);
  Result<Domain> MakeDomain(const Relation& outer, const std::vector<int>& columns, TextSpan span);
  /// The columns of `query`, then those of the domain.
  Result<PlanPtr> BindDependentQuery(const Query& query, const Domain& domain);
  Result<PlanPtr> BindDependentBody(const Query& query, const Domain& domain);
  Result<PlanPtr> BindDependentSet(const SetOperation& set, const Domain& domain);
  Result<PlanPtr> BindDependentValues(const Query& query, const Domain& domain);
  Result<Relation> BindDependentFrom(const Select& select, const Domain& domain,
                                     std::vector<UnboundPtr>* conditions);
  Result<Relation> BindLateral(const Relation& left, const JoinClause& join);
  Result<Relation> BindLateralFor(const Relation& left, const JoinClause& join,
                                  const std::vector<int>& columns);

  // bind_from.cc
  /// Conditions of joins that hold subqueries go to `conditions`: they filter the rows of all.
  Result<Relation> BindFrom(const Select& select, std::vector<UnboundPtr>* conditions);
  Result<Relation> BindTable(const TableReference& table);
  Result<Relation> BindJoin(Relation left, const JoinClause& join,
                            std::vector<UnboundPtr>* conditions);
  Result<Relation> BindJoinOn(Relation left, Relation right, const JoinClause& join,
                              std::vector<UnboundPtr>* conditions, ExpressionPtr tie = nullptr);
  Result<UnboundPtr> AttachToSides(const UnboundPtr& condition, Relation* left, Relation* right);
  Result<Relation> BindJoinUsing(Relation left, Relation right, const JoinClause& join);
  Result<PlanPtr> FindTable(const TableReference& table);
  Result<PlanPtr> FindNamed(const std::string& name);
  Result<PlanPtr> BindView(const std::string& name, const std::string& text);

  // bind_temporal.cc
  Result<const VersionedTable*> VersionsOf(const TableReference& table) const;
  Result<int> TimeAsOf(const Relation& left, const Unbound& time) const;
  Result<Relation> BindTemporalJoin(Relation left, const JoinClause& join);

  // bind_window.cc
  /// The rows of TUMBLE(table, …), each with the bounds of its window.
  Result<PlanPtr> WithWindowBounds(PlanPtr plan, const WindowClause& window);
  /// The column of time of a window over `relation`, as written or the event time.
  Result<UnboundPtr> TimeOfWindow(const WindowClause& window, const Relation& relation) const;

  // bind_pivot.cc
  /// `qualifier`: by which expressions may call the input.
  Result<PlanPtr> BindPivot(PlanPtr input, const std::string& qualifier, const Pivot& pivot);
  Result<Select> SelectOfPivot(const Pivot& pivot, const std::string& qualifier);
  std::vector<UnboundPtr> OtherColumns(const Pivot& pivot,
                                       const std::vector<SelectItem>& aggregates,
                                       const std::string& qualifier) const;
  Result<std::vector<SelectItem>> ValuesOf(const PivotColumn& column, const std::string& qualifier);
  Result<std::vector<std::string>> NamesOfItems(const std::vector<SelectItem>& items);
  Result<Select> SelectOfUnpivot(const Pivot& pivot, const std::string& qualifier);

  // bind_table_function.cc
  Result<PlanPtr> BindTableFunction(const TableReference& table);
  Result<PlanPtr> ReadFiles(const TableReference& table, const char* format);
  Result<PlanPtr> RangeOf(const TableReference& table, bool inclusive);
  Result<PlanPtr> RangeOfTimes(const TableReference& table);
  Result<PlanPtr> UnnestConstants(const TableReference& table);
  Result<Relation> BindUnnest(Relation left, const JoinClause& join);

  Session& session_;
  const ExtraTables& tables_;
  const std::string_view text_;
  const Poll poll_;
  std::vector<KnownQuery> known_;  // WITH, innermost last
  /// Queries that use columns of the query around, and those that name them without their table.
  std::set<const Query*> dependent_;
  std::set<const Query*> loosely_named_;
  int64_t nodes_ = 0;  // of the plans of WITH that were put in
  int views_ = 0;      // nested
  int64_t domain_nodes_ = 0;
  int values_ = 0;  // of subqueries in ON
  StreamTerms terms_;
  const VersionedTables* versions_ = nullptr;
  NamesRead names_read_;
  const TableReference* grouped_table_ = nullptr;  // TUMBLE(…) whose windows are the groups
};

/// The names by which expressions speak of the columns of `relation`.
Scope NamesOf(const Relation& relation);
/// Entries of `scope` that `query` may mean by a name, wherever it stands; `qualified`: by a name
/// with its table.
std::vector<int> ColumnsMeant(const Query& query, const Scope& scope, bool qualified = false);
Result<PlanPtr> PlanOfSet(const SetOperation& set, PlanPtr left, PlanPtr right);
/// `plan` as rows of a table of `schema`: its columns by place, or those called `named` in their
/// order, the rest null; values are converted.
Result<PlanPtr> PlanForTable(PlanPtr plan, const arrow::Schema& schema,
                             const std::vector<std::string>& named, const std::string& table);
/// The rows of one plan after those of the other. REQUIRES: there are plans.
Result<PlanPtr> PlanOfAll(std::vector<PlanPtr> plans);
/// The number of a row among those with its values of `columns`, from 1, in the order of rows.
Result<ExpressionPtr> NumberOfRow(const PlanNode& plan, const std::vector<size_t>& columns);
/// ORDER BY of a query that is no SELECT.
Result<PlanPtr> OrderedOutput(PlanPtr plan, const Query& query);
struct RowLimit {
  std::optional<int64_t> count;
  int64_t offset = 0;
};
Result<RowLimit> LimitOf(const Query& query);
/// The rows of LIMIT and OFFSET of each value of the last `domain` columns.
Result<PlanPtr> WithLimitOfEach(PlanPtr plan, const Query& query, size_t domain);
/// `plan` with its columns called `names`; fewer names leave the rest as they are.
Result<PlanPtr> WithColumnNames(PlanPtr plan, const std::vector<std::string>& names, TextSpan span);
/// LIMIT and OFFSET of `query`, which are constants.
Result<PlanPtr> WithLimit(PlanPtr plan, const Query& query);
/// TABLESAMPLE, USING SAMPLE; without a seed the rows are others each time.
Result<PlanPtr> WithSample(PlanPtr plan, const std::optional<SampleClause>& sample);
/// `name`(args…) with the conversions that it needs.
Result<ExpressionPtr> CallOf(const char* name, const std::vector<ExpressionPtr>& args);
/// Whether FOR SYSTEM_TIME AS OF such a time means the rows of now.
bool IsNow(const Unbound& time);
/// column.field… or table.column.field… as an expression over `scope`; null: no such column.
UnboundPtr FieldOf(const Unbound& column, const Scope& scope);

}  // namespace headrace::sql
