// FROM s JOIN t FOR SYSTEM_TIME AS OF s.ts: rows with the version of a table that was valid then.
#include <algorithm>
#include <array>

#include "arrow/type.h"
#include "headrace/base/ascii_case.h"
#include "headrace/plan/join_keys.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/temporal_join.h"
#include "headrace/sql/binder.h"
#include "headrace/sql/sql.h"

namespace headrace::sql {
namespace {

/// The columns of `key` that no equality of `condition` compares with the other side.
std::vector<int> NotCompared(const ExpressionPtr& condition, int left_width, std::vector<int> key) {
  for (const ExpressionPtr& term : SplitConjunction(condition)) {
    const std::optional<SidePair> pair = SplitTerm(term, left_width);
    const bool is_equality = pair.has_value() && pair->op == Comparison::kEqual &&
                             pair->right->kind == Expression::Kind::kColumn;
    if (is_equality) std::erase(key, pair->right->column);
  }
  return key;
}

/// a.x = b.x AND …, of JOIN … USING (x, …).
UnboundPtr ConditionOfUsing(const std::vector<std::string>& names, const std::string& table,
                            const Scope& left, TextSpan span) {
  UnboundPtr condition;
  for (const std::string& name : names) {
    std::vector<std::string> path = {name};
    for (const Scope::Entry& entry : left.entries()) {
      if (!EqualsIgnoringCase(entry.name, name) || entry.qualifier.empty()) continue;
      path = {entry.qualifier, entry.name};
      break;
    }
    UnboundPtr term = Unbound::Call(
        "=", {Unbound::Column(path, span), Unbound::Column({table, name}, span)}, span);
    condition = condition == nullptr ? term : Unbound::Call("and", {condition, term}, span);
  }
  return condition;
}

}  // namespace

bool IsNow(const Unbound& time) {
  constexpr std::array<std::string_view, 4> kNames = {"proctime", "now", "current_timestamp",
                                                      "processing_time"};
  const bool is_call = time.kind == Unbound::Kind::kCall && time.args.empty();
  return is_call && std::any_of(kNames.begin(), kNames.end(), [&](std::string_view name) {
           return EqualsIgnoringCase(time.name, name);
         });
}

/// The rows of `table` as they came, with their times and the key that tells them apart.
Result<const VersionedTable*> Binder::VersionsOf(const TableReference& table) const {
  if (versions_ != nullptr) {
    const auto found = versions_->find(LowerCase(table.name));
    if (found != versions_->end() && !found->second.versions->EventTimes().empty()) {
      return &found->second;
    }
  }
  return WithSpan(
      Error(
          ErrorKind::kUnsupported,
          "\"{}\" has no versions: FOR SYSTEM_TIME AS OF goes with a table of an application that "
          "says PRIMARY KEY, WATERMARK FOR its time, and a connector; the row of a time in any "
          "other table is found by ASOF JOIN, that of now by a join without it",
          table.name),
      table.as_of->span);
}

/// The column of `left` that AS OF names, which holds its event time.
Result<int> Binder::TimeAsOf(const Relation& left, const Unbound& time) const {
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr bound, headrace::Bind(time, left.scope, Dialect::kSql));
  const std::vector<int> times = left.plan->EventTimes();
  const bool is_event_time = bound->kind == Expression::Kind::kColumn &&
                             std::count(times.begin(), times.end(), bound->column) > 0;
  if (is_event_time) return bound->column;
  return WithSpan(Error(ErrorKind::kInvalidArgument,
                        "FOR SYSTEM_TIME AS OF takes the event time of the stream on the left{}",
                        times.empty() ? ", and it has none: declare it with WATERMARK FOR"
                                      : ": " + left.plan->schema()->field(times.front())->name()),
                  time.span);
}

Result<Relation> Binder::BindTemporalJoin(Relation left, const JoinClause& join) {
  const TableReference& table = join.right;
  ARROW_ASSIGN_OR_RAISE(const VersionedTable* const versioned, VersionsOf(table));
  ARROW_ASSIGN_OR_RAISE(const int time, TimeAsOf(left, *table.as_of));
  const std::string name = table.alias.empty() ? table.name : table.alias;
  ARROW_ASSIGN_OR_RAISE(const PlanPtr right,
                        WithColumnNames(versioned->versions, table.columns, table.span));
  const Scope of_right(*right->schema(), name);
  Relation joined{nullptr, left.scope, left.around};
  for (const Scope::Entry& entry : of_right.entries()) {
    joined.scope.Add(entry.qualifier, entry.name, entry.type, entry.qualified_only);
  }
  const UnboundPtr written =
      join.condition != nullptr ? join.condition
                                : ConditionOfUsing(join.using_columns, name, left.scope, join.span);
  if (written == nullptr) {
    return WithSpan(Error(ErrorKind::kUnsupported,
                          "a join FOR SYSTEM_TIME AS OF says ON or USING which row is meant"),
                    join.span);
  }
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr condition,
                        headrace::Bind(*written, joined.scope, Dialect::kSql));
  const int width = left.plan->schema()->num_fields();
  for (const int missing : NotCompared(condition, width, versioned->key)) {
    return WithSpan(
        Error(ErrorKind::kUnsupported,
              "a join FOR SYSTEM_TIME AS OF compares every column of the primary key of "
              "{}; there is no equality with {}",
              table.name, right->schema()->field(missing)->name()),
        join.span);
  }
  const JoinKind kind = join.kind == JoinClause::Kind::kInner  ? JoinKind::kInner
                        : join.kind == JoinClause::Kind::kLeft ? JoinKind::kLeft
                                                               : JoinKind::kFull;
  Result<PlanPtr> plan = PlanTemporalJoin(std::move(left.plan), right, kind, condition, time);
  if (!plan.ok()) return WithSpan(plan.status(), join.span);
  joined.plan = *std::move(plan);
  return joined;
}

}  // namespace headrace::sql
