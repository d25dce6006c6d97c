// Joins whose rows may come in any order, because an aggregate or a semi join above does not look
// at it, are put into an order that keeps intermediate results and hash tables small, by estimates
// of rows: all orders are compared for a few tables, greedily for many. The smaller side of each
// join is kept in memory.
#include <algorithm>
#include <bit>
#include <map>
#include <numeric>
#include <optional>

#include "arrow/type.h"
#include "headrace/plan/estimate.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/rule.h"
#include "headrace/plan/transform.h"

namespace headrace {
namespace {

/// All orders of so many tables are compared.
constexpr size_t kTablesMax = 10;
/// Another order must cost less than this share of the order that was written.
constexpr double kWorthwhile = 0.8;

/// Columns of all tables are numbered one after the other.
struct Table {
  PlanPtr plan;
  int first = 0;  // its first column
  double rows = 0;
  double rows_unfiltered = 0;
};

/// Two columns of different tables that are equal. `group`: which equalities follow from others.
struct Edge {
  int left = 0;
  int right = 0;
  NullMatching nulls = NullMatching::kNeverMatch;
  size_t group = 0;
};

using TableSet = uint64_t;

/// A tree of inner joins taken apart.
struct JoinGraph {
  std::vector<Table> tables;
  std::vector<Edge> edges;
  std::vector<ExpressionPtr> residuals;  // over the columns of all tables
  bool is_known = true;                  // the rows of every table

  size_t TableOf(int column) const {
    size_t table = tables.size() - 1;
    while (tables[table].first > column) --table;
    return table;
  }
  TableSet TablesOf(const Expression& expression) const {
    TableSet set = 0;
    for (const int column : ColumnsOf(expression)) set |= TableSet{1} << TableOf(column);
    return set;
  }
};

/// The rows before filters: how many values a key has at most.
double RowsUnfiltered(const PlanNode& plan, double fallback) {
  const PlanNode* node = &plan;
  while (As<FilterNode>(*node) != nullptr || As<ProjectNode>(*node) != nullptr) {
    node = node->input().get();
  }
  const std::optional<int64_t> rows = EstimatedRows(*node);
  return rows.has_value() ? std::max<double>(static_cast<double>(*rows), 1) : fallback;
}

bool IsInner(const PlanNode& plan) {
  const auto* join = As<JoinNode>(plan);
  return join != nullptr && join->kind == JoinKind::kInner;
}

bool OnlyColumns(const ProjectNode& project) {
  return std::all_of(
      project.expressions.begin(), project.expressions.end(),
      [](const ExpressionPtr& part) { return part->kind == Expression::Kind::kColumn; });
}

/// Whether projections that only choose columns stand above an inner join.
bool ChoosesFromJoin(const PlanNode& plan) {
  const auto* project = As<ProjectNode>(plan);
  if (project == nullptr) return IsInner(plan);
  return OnlyColumns(*project) && ChoosesFromJoin(*project->input());
}

/// `any_order`: nobody looks at the order of the rows of `plan`.
Result<PlanPtr> Order(const PlanPtr& plan, bool any_order);

/// Whether `plan`, whose rows may come in any order or not, gives the same whatever the order of
/// its input number `index`.
bool IgnoresOrder(const PlanNode& plan, size_t index, bool any_order) {
  if (const auto* aggregate = As<AggregateNode>(plan)) {
    return aggregate->order != GroupOrder::kFirstAppearance &&
           aggregate->emit == EmitPolicy::kAtEnd &&
           std::none_of(aggregate->calls.begin(), aggregate->calls.end(),
                        [](const FunctionCall& call) {
                          return call.function->Has(function_flag::kOrderSensitive);
                        });
  }
  if (const auto* join = As<JoinNode>(plan)) {
    return any_order || (index == 1 && !HasRightColumns(join->kind));
  }
  const bool is_plain = As<FilterNode>(plan) != nullptr || As<ProjectNode>(plan) != nullptr ||
                        As<UnionNode>(plan) != nullptr || As<UnnestNode>(plan) != nullptr;
  return is_plain && any_order;
}

Result<PlanPtr> OrderInputs(const PlanPtr& plan, bool any_order) {
  size_t index = 0;
  return RewriteInputs(plan, [&](const PlanPtr& input) {
    return Order(input, IgnoresOrder(*plan, index++, any_order));
  });
}

/// Adds the tables of `plan`; gives the column of the graph for each of its columns.
Result<std::vector<int>> TakeApart(const PlanPtr& plan, JoinGraph* graph) {
  if (!ChoosesFromJoin(*plan)) {
    Table table;
    ARROW_ASSIGN_OR_RAISE(table.plan, OrderInputs(plan, /*any_order=*/true));
    if (!graph->tables.empty()) {
      const Table& last = graph->tables.back();
      table.first = last.first + last.plan->schema()->num_fields();
    }
    const std::optional<int64_t> rows = EstimatedRows(*table.plan);
    graph->is_known = graph->is_known && rows.has_value();
    table.rows = std::max(static_cast<double>(rows.value_or(1)), 1.0);
    table.rows_unfiltered = std::max(RowsUnfiltered(*table.plan, table.rows), table.rows);
    std::vector<int> columns(static_cast<size_t>(plan->schema()->num_fields()));
    std::iota(columns.begin(), columns.end(), table.first);
    graph->tables.push_back(std::move(table));
    return columns;
  }
  if (const auto* project = As<ProjectNode>(*plan)) {
    ARROW_ASSIGN_OR_RAISE(const std::vector<int> below, TakeApart(project->input(), graph));
    std::vector<int> columns;
    for (const ExpressionPtr& part : project->expressions) {
      columns.push_back(below[static_cast<size_t>(part->column)]);
    }
    return columns;
  }
  const auto& join = static_cast<const JoinNode&>(*plan);
  ARROW_ASSIGN_OR_RAISE(std::vector<int> columns, TakeApart(join.inputs()[0], graph));
  ARROW_ASSIGN_OR_RAISE(const std::vector<int> right, TakeApart(join.inputs()[1], graph));
  for (size_t i = 0; i < join.terms.left_keys.size(); ++i) {
    graph->edges.push_back({columns[static_cast<size_t>(join.terms.left_keys[i])],
                            right[static_cast<size_t>(join.terms.right_keys[i])],
                            join.terms.nulls[i]});
  }
  columns.insert(columns.end(), right.begin(), right.end());
  if (join.terms.residual != nullptr) {
    for (const ExpressionPtr& term : SplitConjunction(join.terms.residual)) {
      graph->residuals.push_back(MoveColumns(term, columns));
    }
  }
  return columns;
}

/// Numbers the groups of equal columns, and adds the equalities that follow within each.
void CloseEdges(JoinGraph* graph) {
  std::map<int, int> leaders;
  const auto leader = [&](int column) {
    auto found = leaders.try_emplace(column, column).first;
    while (found->second != found->first) found = leaders.find(found->second);
    return found->first;
  };
  for (const Edge& edge : graph->edges) {
    if (edge.nulls == NullMatching::kNeverMatch) leaders[leader(edge.left)] = leader(edge.right);
  }
  std::map<int, std::vector<int>> groups;
  for (const auto& [column, unused] : std::map<int, int>(leaders)) {
    groups[leader(column)].push_back(column);
  }
  std::vector<Edge> edges;
  size_t group = 0;
  for (const auto& [unused, columns] : groups) {
    for (size_t i = 0; i < columns.size(); ++i) {
      for (size_t j = i + 1; j < columns.size(); ++j) {
        if (graph->TableOf(columns[i]) == graph->TableOf(columns[j])) continue;
        edges.push_back({columns[i], columns[j], NullMatching::kNeverMatch, group});
      }
    }
    ++group;
  }
  for (Edge edge : graph->edges) {
    if (edge.nulls == NullMatching::kNeverMatch) continue;
    edge.group = group++;
    edges.push_back(edge);
  }
  graph->edges = std::move(edges);
}

/// Tables that were joined: what they cost, how many rows they give, and how they were joined.
struct Joined {
  TableSet tables = 0;
  TableSet left = 0;  // 0: one table
  TableSet right = 0;
  double rows = 0;
  double cost = 0;
};

class Orders {
 public:
  explicit Orders(const JoinGraph& graph) : graph_(graph) {}

  Joined One(size_t table) const {
    return {TableSet{1} << table, 0, 0, graph_.tables[table].rows, 0};
  }

  bool AreConnected(TableSet left, TableSet right) const {
    return std::any_of(graph_.edges.begin(), graph_.edges.end(),
                       [&](const Edge& edge) { return Crosses(edge, left, right); });
  }

  /// Of the equalities the most selective one counts in full: a key with as many values as the
  /// smaller table has rows.
  Joined Join(const Joined& left, const Joined& right) const {
    double share = 1;
    for (const Edge& edge : graph_.edges) {
      if (!Crosses(edge, left.tables, right.tables)) continue;
      const double values = std::min(RowsOf(edge.left), RowsOf(edge.right));
      share = std::min(share, 1 / values);
    }
    Joined joined{left.tables | right.tables, left.tables, right.tables};
    joined.rows = std::max(left.rows * right.rows * share, 1.0);
    const double built = std::min(left.rows, right.rows);
    joined.cost =
        left.cost + right.cost + joined.rows + 2 * built + std::max(left.rows, right.rows);
    return joined;
  }

  /// The cheapest ways to join all tables and the sets of them on the way there.
  std::map<TableSet, Joined> Best() const {
    return graph_.tables.size() <= kTablesMax ? BestOfAll() : Greedy();
  }

  bool Crosses(const Edge& edge, TableSet left, TableSet right) const {
    const TableSet first = TableSet{1} << graph_.TableOf(edge.left);
    const TableSet second = TableSet{1} << graph_.TableOf(edge.right);
    return ((first & left) != 0 && (second & right) != 0) ||
           ((first & right) != 0 && (second & left) != 0);
  }

 private:
  double RowsOf(int column) const { return graph_.tables[graph_.TableOf(column)].rows_unfiltered; }

  std::map<TableSet, Joined> BestOfAll() const {
    std::map<TableSet, Joined> best;
    const size_t count = graph_.tables.size();
    for (TableSet set = 1; set < TableSet{1} << count; ++set) {
      if (std::has_single_bit(set)) {
        best[set] = One(static_cast<size_t>(std::countr_zero(set)));
        continue;
      }
      for (const bool across : {false, true}) {
        for (TableSet left = (set - 1) & set; left != 0; left = (left - 1) & set) {
          const TableSet right = set & ~left;
          if (left < right || (!across && !AreConnected(left, right))) continue;
          const Joined joined = Join(best[left], best[right]);
          if (!best.contains(set) || joined.cost < best[set].cost) best[set] = joined;
        }
        if (best.contains(set)) break;
      }
    }
    return best;
  }

  /// From the largest table on, the table that leaves the fewest rows.
  std::map<TableSet, Joined> Greedy() const {
    std::map<TableSet, Joined> parts;
    size_t largest = 0;
    for (size_t i = 0; i < graph_.tables.size(); ++i) {
      parts[TableSet{1} << i] = One(i);
      if (graph_.tables[i].rows > graph_.tables[largest].rows) largest = i;
    }
    Joined now = One(largest);
    for (size_t step = 1; step < graph_.tables.size(); ++step) {
      std::optional<Joined> next;
      bool is_connected = false;
      for (size_t i = 0; i < graph_.tables.size(); ++i) {
        const TableSet table = TableSet{1} << i;
        if ((now.tables & table) != 0) continue;
        const bool connected = AreConnected(now.tables, table);
        const Joined joined = Join(now, parts[table]);
        const bool better = !next.has_value() || (connected && !is_connected) ||
                            (connected == is_connected && joined.rows < next->rows);
        if (!better) continue;
        next = joined;
        is_connected = connected;
      }
      now = *next;
      parts[now.tables] = now;
    }
    return parts;
  }

  const JoinGraph& graph_;
};

/// A plan of some tables and where the columns of the graph stand in it (−1: not there).
struct Built {
  PlanPtr plan;
  std::vector<int> places;
  TableSet tables = 0;
};

class JoinBuilder {
 public:
  JoinBuilder(const JoinGraph& graph, const Orders& orders, const std::map<TableSet, Joined>& parts)
      : graph_(graph), orders_(orders), parts_(parts), is_done_(graph.residuals.size(), false) {}

  Result<Built> Build(TableSet set) {
    const Joined& joined = parts_.at(set);
    if (joined.left == 0) return One(static_cast<size_t>(std::countr_zero(set)));
    ARROW_ASSIGN_OR_RAISE(Built left, Build(joined.left));
    ARROW_ASSIGN_OR_RAISE(const Built right, Build(joined.right));
    JoinTerms terms;
    std::vector<size_t> groups;
    for (const Edge& edge : graph_.edges) {
      if (!orders_.Crosses(edge, left.tables, right.tables)) continue;
      if (std::count(groups.begin(), groups.end(), edge.group) > 0) continue;
      groups.push_back(edge.group);
      const bool swapped = left.places[static_cast<size_t>(edge.left)] < 0;
      const auto from_left = static_cast<size_t>(swapped ? edge.right : edge.left);
      const auto from_right = static_cast<size_t>(swapped ? edge.left : edge.right);
      terms.left_keys.push_back(left.places[from_left]);
      terms.right_keys.push_back(right.places[from_right]);
      terms.nulls.push_back(edge.nulls);
    }
    const bool builds_left = parts_.at(joined.left).rows < parts_.at(joined.right).rows;
    terms.build = builds_left ? JoinSide::kLeft : JoinSide::kRight;
    Built both;
    both.tables = set;
    both.places = left.places;
    const int width = left.plan->schema()->num_fields();
    for (size_t i = 0; i < right.places.size(); ++i) {
      if (right.places[i] >= 0) both.places[i] = width + right.places[i];
    }
    terms.residual = ResidualOf(both);
    ARROW_ASSIGN_OR_RAISE(both.plan,
                          MakeJoinNode(left.plan, right.plan, JoinKind::kInner, std::move(terms)));
    return both;
  }

 private:
  Result<Built> One(size_t index) const {
    const Table& table = graph_.tables[index];
    const Table& last = graph_.tables.back();
    Built one;
    one.plan = table.plan;
    one.tables = TableSet{1} << index;
    one.places.resize(static_cast<size_t>(last.first + last.plan->schema()->num_fields()), -1);
    for (int i = 0; i < table.plan->schema()->num_fields(); ++i) {
      one.places[static_cast<size_t>(table.first + i)] = i;
    }
    return one;
  }

  /// The terms whose columns are all there now. Terms that may fail wait for the last join: they
  /// must not see pairs that another join leaves out.
  ExpressionPtr ResidualOf(const Built& built) {
    std::vector<ExpressionPtr> terms;
    const bool is_last = std::popcount(built.tables) == static_cast<int>(graph_.tables.size());
    for (size_t i = 0; i < graph_.residuals.size(); ++i) {
      const ExpressionPtr& term = graph_.residuals[i];
      const bool is_here = (graph_.TablesOf(*term) & ~built.tables) == 0;
      if (is_done_[i] || !is_here || (!is_last && !NeverRaises(*term))) continue;
      is_done_[i] = true;
      terms.push_back(MoveColumns(term, built.places));
    }
    return terms.empty() ? nullptr : MakeConjunction(std::move(terms));
  }

  const JoinGraph& graph_;
  const Orders& orders_;
  const std::map<TableSet, Joined>& parts_;
  std::vector<bool> is_done_;
};

/// What the joins cost as they are written.
double CostAsWritten(const PlanNode& plan, const Orders& orders, size_t* table, Joined* joined) {
  if (!ChoosesFromJoin(plan)) {
    *joined = orders.One((*table)++);
    return 0;
  }
  if (As<ProjectNode>(plan) != nullptr) return CostAsWritten(*plan.input(), orders, table, joined);
  Joined left;
  Joined right;
  CostAsWritten(*plan.inputs()[0], orders, table, &left);
  CostAsWritten(*plan.inputs()[1], orders, table, &right);
  *joined = orders.Join(left, right);
  return joined->cost;
}

/// The node as it is over ordered inputs; a join keeps its smaller side in memory.
Result<PlanPtr> ChooseSide(const PlanPtr& plan, bool any_order) {
  ARROW_ASSIGN_OR_RAISE(const PlanPtr rewritten, OrderInputs(plan, any_order));
  const auto* join = As<JoinNode>(*rewritten);
  if (join == nullptr || !any_order) return rewritten;
  JoinTerms terms = join->terms;
  const PlanPtr& left = join->inputs()[0];
  const PlanPtr& right = join->inputs()[1];
  const auto left_rows = EstimatedRows(*left);
  const auto right_rows = EstimatedRows(*right);
  const bool may_choose = join->kind == JoinKind::kInner || join->kind == JoinKind::kLeft ||
                          join->kind == JoinKind::kRight || join->kind == JoinKind::kFull;
  const bool are_bounded = left->properties().boundedness == Boundedness::kBounded &&
                           right->properties().boundedness == Boundedness::kBounded;
  if (may_choose && are_bounded && left_rows.has_value() && right_rows.has_value()) {
    if (*left_rows * 2 < *right_rows) terms.build = JoinSide::kLeft;
    if (*right_rows * 2 < *left_rows) terms.build = JoinSide::kRight;
  }
  if (terms.build == join->terms.build) return rewritten;
  return MakeJoinNode(left, right, join->kind, std::move(terms));
}

/// The columns of `plan` out of `built`, by their names.
Result<PlanPtr> Chosen(const PlanNode& plan, const std::vector<int>& columns, Built built) {
  std::vector<ExpressionPtr> outputs;
  for (const int column : columns) {
    outputs.push_back(ColumnOf(*built.plan->schema(), built.places[static_cast<size_t>(column)]));
  }
  return MakeProjectNode(std::move(built.plan), std::move(outputs), plan.schema()->field_names());
}

Result<PlanPtr> Order(const PlanPtr& plan, bool any_order) {
  if (!any_order || !ChoosesFromJoin(*plan)) return ChooseSide(plan, any_order);
  JoinGraph graph;
  ARROW_ASSIGN_OR_RAISE(const std::vector<int> columns, TakeApart(plan, &graph));
  const size_t count = graph.tables.size();
  const bool is_bounded = plan->properties().boundedness == Boundedness::kBounded;
  if (count < 3 || count > 64 || !graph.is_known || !is_bounded) {
    return ChooseSide(plan, any_order);
  }
  CloseEdges(&graph);
  const Orders orders(graph);
  const std::map<TableSet, Joined> parts = orders.Best();
  const TableSet all = count == 64 ? ~TableSet{0} : (TableSet{1} << count) - 1;
  size_t table = 0;
  Joined written;
  const double cost = CostAsWritten(*plan, orders, &table, &written);
  if (parts.at(all).cost >= kWorthwhile * cost) return ChooseSide(plan, any_order);
  ARROW_ASSIGN_OR_RAISE(Built built, JoinBuilder(graph, orders, parts).Build(all));
  return Chosen(*plan, columns, std::move(built));
}

}  // namespace

Result<PlanPtr> OrderJoins(const PlanPtr& plan) { return Order(plan, /*any_order=*/false); }

}  // namespace headrace
