// The binder of one SELECT: items, groups, conditions and order over the rows of FROM.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "headrace/sql/binder.h"

namespace headrace::sql {

/// Expressions are bound over a scope: the columns of FROM, then entries for what is attached to
/// the plan only where it is used: results of subqueries, and columns of the query around. `outer`
/// may be null. Sort keys that are no items are computed as hidden columns and dropped at the end.
class SelectBinder {
 public:
  SelectBinder(Binder& binder, const Select& select, const Query& query, const Scope* outer)
      : binder_(binder), select_(select), query_(query), outer_(outer) {}

  Result<PlanPtr> Bind();
  /// After Bind: see KeyedQuery.
  Result<std::vector<int>> KeyColumns() const;
  /// The items, then the columns of the domain; the rows of each of its values.
  Result<PlanPtr> BindFor(const Domain& domain);
  /// `relation` with the values of `expression`, which holds subqueries, as a column called `name`
  /// that only [kValueQualifier, name] means.
  Result<Relation> BindBeside(Relation relation, const UnboundPtr& expression,
                              const std::string& name);
  /// The same as part of an expression of the outer query.
  Result<BoundSubquery> BindAsSubquery(std::string_view use);

 private:
  /// An entry of the scope that is no column of FROM.
  struct Extra {
    bool is_outer = false;
    int outer_column = 0;    // is_outer
    BoundSubquery subquery;  // else
    /// As in QueryOperand, or what is no query: "aggregate" (of rows of its own, see below),
    /// "grouping", "unnest", "once" (an item whose value is another at every call), "window_start"
    /// and "window_end".
    std::string use;
    std::vector<ExpressionPtr> operands;
    TypePtr type;
    /// "aggregate": the rows that it sees, and in which order.
    std::vector<SortExpression> order;
    ExpressionPtr filter;
  };
  struct Item {
    UnboundPtr expression;
    std::string name;
    std::optional<int> column;  // from a star
  };
  /// Aggregates that see the same rows in the same order.
  struct AggregatePass {
    std::vector<SortExpression> order;
    ExpressionPtr filter;
    std::vector<NamedExpression> calls;
    std::vector<size_t> places;  // of the calls, behind the groups
  };
  struct Key {
    size_t output;
    bool descending;
    NullPlacement nulls;
  };

  Status BindFromAndWhere();
  Status BindClauses();

  // bind_items.cc
  Status ExpandItems();
  Status BindItems();

  // bind_star.cc
  Status ExpandStar(const SelectItem& item);
  Status CheckStarChanges(const SelectItem& item) const;
  Result<std::vector<Item>> StarItems(const SelectItem& item) const;
  Result<std::vector<Item>> ColumnsItems(const SelectItem& columns) const;
  Result<bool> ExpandColumns(const SelectItem& item);

  // bind_group.cc
  Status BindGroups();
  Status SameGroupingSets();
  bool IsAggregate() const;
  bool HoldsAggregate(const Expression& expression) const;
  void CollectAggregates(const ExpressionPtr& expression);
  std::vector<AggregatePass> Passes() const;
  Result<PlanPtr> PlanGroups(PlanPtr plan);
  Result<PlanPtr> PlanGroupingSet(const PlanPtr& plan, const std::vector<NamedExpression>& groups,
                                  const std::vector<AggregatePass>& passes,
                                  const std::vector<size_t>& set) const;
  Result<ExpressionPtr> GroupingOf(const Extra& extra, const std::vector<size_t>& set) const;

  // bind_window.cc
  void ChooseTimeWindow();
  bool GroupsByWindow() const;
  bool IsWindowBound(const Unbound& expression) const;
  Status BindTimeWindow();
  Status AddWindowPartitions();
  UnboundPtr WindowBoundOf(const Unbound& name);
  UnboundPtr EventTimeOf(const Unbound& name) const;
  Result<PlanPtr> PlanWindowPass(PlanPtr plan, std::vector<NamedExpression> groups,
                                 const AggregatePass& pass) const;

  // prepare.cc
  /// Names, named windows, filters and subqueries of `expression` put in terms of the scope.
  Result<UnboundPtr> Prepare(const UnboundPtr& expression);
  Result<UnboundPtr> PrepareNode(const UnboundPtr& node);
  Result<UnboundPtr> PrepareColumn(const UnboundPtr& column);
  Result<UnboundPtr> PrepareAlias(size_t item, TextSpan span);
  Result<UnboundPtr> ComputedOnce(size_t item, TextSpan span);
  Result<UnboundPtr> PrepareCall(const UnboundPtr& call);
  Result<UnboundPtr> PrepareQuery(const Unbound& node);
  Result<UnboundPtr> PrepareAggregate(const Unbound& call);
  Result<UnboundPtr> PrepareGrouping(const Unbound& call);
  Result<UnboundPtr> PrepareUnnest(const Unbound& call);
  Result<std::shared_ptr<const UnboundWindow>> NamedWindowOf(const UnboundWindow& window,
                                                             TextSpan span) const;
  UnboundPtr AddExtra(Extra extra, TextSpan span);
  Result<ExpressionPtr> BindPrepared(const UnboundPtr& expression);

  // attach.cc
  bool HasOuter(const Expression& expression) const;
  Status AddCondition(const UnboundPtr& term);
  Result<bool> JoinBySubquery(const UnboundPtr& term);
  /// `expression` over the columns of `*plan`, which gains the results of its subqueries.
  Result<ExpressionPtr> Attached(const ExpressionPtr& expression, PlanPtr* plan);
  Result<int> Attach(size_t extra, PlanPtr* plan);
  Result<int> AttachScalar(size_t extra, PlanPtr* plan);
  Result<int> AttachValue(ExpressionPtr value, PlanPtr* plan);
  Status AttachUnnested(PlanPtr* plan);
  Result<ExpressionPtr> ConditionOf(size_t extra, bool with_operand, PlanPtr* plan);
  Result<ExpressionPtr> OperandComparison(size_t extra, PlanPtr* plan);
  Result<ExpressionPtr> OverPlan(const ExpressionPtr& expression, const PlanNode& plan) const;

  // bind_dependent.cc
  Result<BoundSubquery> BindOperand(const Query& query, std::string_view use);
  void AddDomainGroups();
  void AddDomainOutputs();
  ExpressionPtr WithDomainPartitions(const ExpressionPtr& expression) const;
  Result<PlanPtr> WithEmptyGroups(PlanPtr groups) const;

  // bind_subquery.cc
  Result<ExpressionPtr> Tie(const ExpressionPtr& term, bool aggregates);
  Result<ExpressionPtr> TieGroup(const Expression& term);
  const Extra* ExtraOf(const Expression& column) const;
  bool AllOuter(const Expression& expression) const;
  Result<ExpressionPtr> OuterColumn(const Expression& column, const Extra& extra) const;
  ExpressionPtr OutputColumn(const ExpressionPtr& expression);
  ExpressionPtr ValueOfNone() const;

  // bind_select.cc
  Result<PlanPtr> PlanAll();
  /// Every output, those of ORDER BY too; distinct and sorted.
  Result<PlanPtr> PlanSortedOutputs();
  Result<std::optional<size_t>> Position(const Unbound& expression, const char* clause) const;
  Status BindSortKeys();
  Result<size_t> OutputOf(const UnboundPtr& sort_key);
  Result<std::optional<size_t>> OutputNamed(const Unbound& name) const;
  Result<PlanPtr> PlanOutputs();
  Result<PlanPtr> Distinct(PlanPtr plan) const;
  Result<PlanPtr> FirstOfEach(PlanPtr plan) const;
  Result<PlanPtr> Sorted(PlanPtr plan) const;
  Result<PlanPtr> OnlyItems(PlanPtr plan) const;

  Binder& binder_;
  const Select& select_;
  const Query& query_;
  const Scope* const outer_;

  const Domain* domain_ = nullptr;
  bool is_single_ = false;  // of each value of the domain: aggregates of all its rows
  Relation relation_;
  Scope scope_;
  std::vector<Extra> extras_;              // entries of the scope behind the columns of FROM
  std::map<size_t, int> attached_;         // extra → column of the plan
  std::map<size_t, UnboundPtr> once_;      // item → what stands for its "once"
  std::set<size_t> below_groups_;          // extras "once" that rows have, and groups have not
  bool grouped_ = false;                   // the plan is that of the groups
  std::vector<ExpressionPtr> correlated_;  // terms of WHERE over columns of the query around
  std::vector<Item> items_;
  size_t visible_items_ = 0;  // items that an alias may mean now
  int64_t prepared_nodes_ = 0;
  std::vector<NamedExpression> outputs_;  // the items, then hidden sort keys
  size_t num_items_ = 0;
  std::vector<NamedExpression> groups_;
  std::vector<std::vector<size_t>> sets_;  // of groups; none: all of them
  std::vector<NamedExpression> calls_;     // of aggregates
  std::vector<size_t> distinct_on_;        // outputs
  ExpressionPtr having_;
  ExpressionPtr qualify_;
  std::shared_ptr<const WindowClause> time_window_;
  std::optional<StreamWindowSpec> window_;  // its time over the scope; over the plan of PlanGroups
  size_t first_stream_ = 0;                 // of those that FROM reads, in Binder::names_read_
  std::vector<Key> keys_;
};

/// No name of a query can be this: quoted names are not empty, and this starts with a blank.
inline constexpr const char* kValueQualifier = " value";
inline constexpr const char* kExtraQualifier = " extra";

/// Whether an aggregate gives 0, not null, without rows.
bool CountsRows(const Expression& call);

}  // namespace headrace::sql
