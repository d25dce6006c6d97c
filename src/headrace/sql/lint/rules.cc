// One function per rule; a walk hands them every SELECT and every expression of a statement.
#include "headrace/sql/lint/rules.h"

#include <algorithm>
#include <array>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/ascii_case.h"
#include "headrace/engine/session.h"
#include "headrace/function/registry.h"
#include "headrace/sql/duration.h"
#include "headrace/sql/parser.h"
#include "headrace/sql/stream_definition.h"

namespace headrace::sql {
namespace {

constexpr int kViewsMax = 32;

class Rules {
 public:
  Rules(const Session& session, const Statement& statement)
      : session_(session), statement_(statement) {}

  std::vector<Diagnostic> Check() {
    CheckKey();
    CheckRetention();
    if (statement_.query == nullptr) return std::move(found_);
    VisitQuery(*statement_.query);
    CheckEmit();
    return std::move(found_);
  }

 private:
  void Add(Severity severity, const char* code, std::string message, std::string hint,
           TextSpan span) {
    Diagnostic diagnostic;
    diagnostic.severity = severity;
    diagnostic.code = code;
    diagnostic.message = std::move(message);
    diagnostic.hint = std::move(hint);
    diagnostic.span = span;
    found_.push_back(std::move(diagnostic));
  }
  void Warn(const char* code, std::string message, std::string hint, TextSpan span) {
    Add(Severity::kWarning, code, std::move(message), std::move(hint), span);
  }

  /// CREATE TABLE (columns) without a key.
  void CheckKey() {
    const bool is_plain = statement_.kind == Statement::Kind::kCreateTable &&
                          statement_.query == nullptr && statement_.primary_key.empty();
    if (!is_plain) return;
    Add(Severity::kError, "table-without-key",
        fmt::format("table {} has no PRIMARY KEY", statement_.name),
        "write PRIMARY KEY behind the column that tells its rows apart", statement_.name_span);
  }

  /// Rows of a table that are kept for longer than a month.
  void CheckRetention() {
    if (!statement_.with.has_value()) return;
    const auto option = statement_.with->values.find("retention");
    if (option == statement_.with->values.end()) return;
    constexpr int64_t kMonthMicros = int64_t{30} * 24 * 3600 * 1'000'000;
    const std::optional<int64_t> micros = ReadDuration(option->second);
    if (micros.value_or(0) <= kMonthMicros) return;
    Warn("long-retention",
         fmt::format("rows are kept in memory for {}, longer than 30 days", option->second),
         "a shorter retention, or none where every key is to stay",
         statement_.with->spans.at("retention"));
  }

  /// EMIT FINAL needs something that becomes final before the end of the stream.
  void CheckEmit() {
    const bool waits =
        statement_.emit.has_value() && statement_.emit->is_final && groups_stream_ && !has_window_;
    if (!waits) return;
    Warn("emit-final-without-window",
         "EMIT FINAL without a window: results come when the stream ends, which may be never",
         "add WINDOW TUMBLING (…), or write EMIT CHANGES", statement_.emit->span);
  }

  // What a name means.

  bool ReadsStream(const Query& query, int depth) const {
    if (query.set != nullptr) {
      return ReadsStream(*query.set->left, depth) || ReadsStream(*query.set->right, depth);
    }
    return query.select != nullptr && FromStream(*query.select, depth);
  }
  bool FromStream(const Select& select, int depth = 0) const {
    if (select.from.has_value() && IsStream(*select.from, depth)) return true;
    return std::any_of(select.joins.begin(), select.joins.end(), [&](const JoinClause& join) {
      return HasRightRows(join) && IsStream(join.right, depth);
    });
  }
  static bool HasRightRows(const JoinClause& join) {
    return join.kind != JoinClause::Kind::kSemi && join.kind != JoinClause::Kind::kAnti;
  }

  bool IsStream(const TableReference& table, int depth = 0) const {
    if (depth > kViewsMax) return false;
    if (table.kind == TableReference::Kind::kQuery) return ReadsStream(*table.query, depth + 1);
    if (table.kind != TableReference::Kind::kName) return false;
    for (auto known = with_.rbegin(); known != with_.rend(); ++known) {
      if (EqualsIgnoringCase((*known)->name, table.name)) {
        return ReadsStream(*(*known)->query, depth + 1);
      }
    }
    if (session_.FindStream(table.name).has_value()) return true;
    const auto view = session_.FindView(table.name);
    if (!view.ok() || !view->has_value()) return false;
    const Result<Statement> parsed = Parser(**view).ParseStatement();
    return parsed.ok() && parsed->query != nullptr && ReadsStream(*parsed->query, depth + 1);
  }

  bool HasWatermark(const TableReference& table) const {
    if (table.kind != TableReference::Kind::kName) return true;  // what is below says it
    const std::optional<StreamDef> stream = session_.FindStream(table.name);
    return !stream.has_value() || stream->event_time.has_value();
  }

  // The walk.

  void VisitQuery(const Query& query) {
    const size_t known = with_.size();
    for (const CommonTable& table : query.with) {
      VisitQuery(*table.query);
      with_.push_back(&table);
    }
    if (query.set != nullptr) {
      CheckUnion(*query.set);
      VisitQuery(*query.set->left);
      VisitQuery(*query.set->right);
    }
    if (query.select != nullptr) VisitSelect(*query.select, query);
    with_.resize(known);
  }

  void VisitSelect(const Select& select, const Query& query) {
    if (select.from.has_value() && select.from->query != nullptr) VisitQuery(*select.from->query);
    for (const JoinClause& join : select.joins) {
      if (join.right.query != nullptr) VisitQuery(*join.right.query);
    }
    for (const SelectItem& item : select.items) VisitExpression(item.expression);
    VisitExpression(select.where);
    VisitExpression(select.having);
    for (const JoinClause& join : select.joins) VisitExpression(join.condition);
    CheckWhere(select);
    CheckJoins(select);
    CheckWindow(select);
    CheckOrder(select, query);
    CheckDistinct(select, query);
    CheckTotal(select);
    NoteGroups(select);
  }

  void VisitExpression(const UnboundPtr& expression) {
    if (expression == nullptr) return;
    const UnboundVisit visit = [&](const UnboundPtr& node) -> Result<UnboundPtr> {
      CheckLike(*node);
      CheckNotIn(*node);
      const auto* operand = dynamic_cast<const QueryOperand*>(node->query.get());
      if (operand != nullptr) VisitOperand(*operand->query, node->span);
      return nullptr;
    };
    (void)TransformUnbound(expression, visit);  // it changes nothing, so it cannot fail
  }

  void VisitOperand(const Query& query, TextSpan span) {
    constexpr int kLevelsMax = 3;
    ++levels_;
    if (levels_ == kLevelsMax + 1) {
      Warn("deep-subquery",
           fmt::format("subqueries nest deeper than {} levels: each level is a join", kLevelsMax),
           "a join, or WITH name AS (…), says the same", span);
    }
    VisitQuery(query);
    --levels_;
  }

  // The rules.

  static bool IsAggregate(const Unbound& node) {
    if (node.kind != Unbound::Kind::kCall || node.window != nullptr) return false;
    const FunctionDef* function = FindFunction(Dialect::kSql, node.name);
    return function != nullptr && function->kind == FunctionKind::kAggregate;
  }

  /// The first aggregate of `expression`; null: there is none. Subqueries are their own.
  static UnboundPtr AggregateIn(const UnboundPtr& expression) {
    UnboundPtr found;
    if (expression == nullptr) return found;
    const UnboundVisit visit = [&](const UnboundPtr& node) -> Result<UnboundPtr> {
      if (found == nullptr && IsAggregate(*node)) found = node;
      return nullptr;
    };
    (void)TransformUnbound(expression, visit);
    return found;
  }

  void CheckWhere(const Select& select) {
    const UnboundPtr aggregate = AggregateIn(select.where);
    if (aggregate == nullptr) return;
    Add(Severity::kError, "aggregate-in-where",
        fmt::format("WHERE sees rows before they are grouped, so {} cannot stand there",
                    DefaultName(*aggregate)),
        "put the condition into HAVING", aggregate->span);
  }

  void CheckJoins(const Select& select) {
    bool left_is_stream = select.from.has_value() && IsStream(*select.from);
    const bool is_windowed = select.from.has_value() && select.from->window != nullptr;
    for (const JoinClause& join : select.joins) {
      const bool right_is_stream = IsStream(join.right);
      if (left_is_stream && right_is_stream && !is_windowed) CheckStreamJoin(select, join);
      if (left_is_stream && !right_is_stream) CheckTableJoin(join);
      left_is_stream = left_is_stream || right_is_stream;
    }
  }

  void CheckStreamJoin(const Select& select, const JoinClause& join) {
    const bool is_bounded = join.bounds.within_micros.has_value() || join.bounds.allow_unbounded ||
                            BoundsTime(join.condition);
    if (!is_bounded) {
      Warn("stream-join-without-bound",
           "a join of two streams without a bound in time keeps every row of both",
           "add WITHIN INTERVAL '10' MINUTE, or compare the event times in ON; ALLOW UNBOUNDED "
           "STATE keeps all",
           join.span);
    }
    const bool has_watermarks = HasWatermark(join.right) && HasWatermark(*select.from);
    if (has_watermarks) return;
    Warn("missing-watermark",
         "a join of streams forgets rows by their watermarks, and one of the streams has none",
         "declare WATERMARK FOR ts AS ts - INTERVAL '5' SECOND", join.span);
  }

  /// Whether `condition` compares something with an added or subtracted length of time.
  static bool BoundsTime(const UnboundPtr& condition) {
    bool found = false;
    if (condition == nullptr) return found;
    const UnboundVisit visit = [&](const UnboundPtr& node) -> Result<UnboundPtr> {
      constexpr std::array<std::string_view, 4> kOrders = {"<", "<=", ">", ">="};
      const bool compares = node->kind == Unbound::Kind::kCall &&
                            std::find(kOrders.begin(), kOrders.end(), node->name) != kOrders.end();
      if (!compares) return nullptr;
      for (const UnboundPtr& side : node->args) {
        const bool moves =
            side->kind == Unbound::Kind::kCall && (side->name == "+" || side->name == "-");
        for (const UnboundPtr& part : side->args) {
          found = found || (moves && part->kind == Unbound::Kind::kLiteral &&
                            part->literal->type->id() == arrow::Type::DURATION);
        }
      }
      return nullptr;
    };
    (void)TransformUnbound(condition, visit);
    return found;
  }

  /// A join without an equality looks at every row of the table for each row of the stream.
  void CheckTableJoin(const JoinClause& join) {
    const bool has_key = join.natural || !join.using_columns.empty() || HasEquality(join.condition);
    if (has_key || join.kind == JoinClause::Kind::kCross) return;
    if (join.right.kind != TableReference::Kind::kName) return;
    Warn("join-without-key",
         fmt::format("no equality in ON: every row of the stream is compared with every row of {}",
                     join.right.name),
         "join by a column: ON stream.x = table.x AND …", join.span);
  }

  /// column = column among the terms of AND.
  static bool HasEquality(const UnboundPtr& condition) {
    if (condition == nullptr || condition->kind != Unbound::Kind::kCall) return false;
    if (condition->name == "and") {
      return std::any_of(condition->args.begin(), condition->args.end(), HasEquality);
    }
    const bool is_equality = condition->name == "=" || condition->name == "is_not_distinct_from";
    return is_equality &&
           std::none_of(condition->args.begin(), condition->args.end(), [](const UnboundPtr& side) {
             return side->kind == Unbound::Kind::kLiteral;
           });
  }

  void CheckWindow(const Select& select) {
    const WindowClause* window = select.time_window.get();
    if (window == nullptr && select.from.has_value()) window = select.from->window.get();
    if (window == nullptr) return;
    has_window_ = true;
    const bool lacks =
        select.from.has_value() && IsStream(*select.from) && !HasWatermark(*select.from);
    if (!lacks) return;
    Warn("missing-watermark",
         fmt::format("stream {} has no watermark, so its windows close only when it ends",
                     select.from->name),
         "declare WATERMARK FOR ts AS ts - INTERVAL '5' SECOND", window->span);
  }

  void CheckOrder(const Select& select, const Query& query) {
    const bool sorts = !query.order_by.empty() && query.limit == nullptr;
    if (!sorts || !FromStream(select)) return;
    const UnboundPtr& key = query.order_by.front().expression;
    Warn("order-by-without-limit", "ORDER BY of a stream: the first row would come after the last",
         "leave ORDER BY out, or sort what is read from the sink",
         key == nullptr ? query.span : key->span);
  }

  void WarnOfDistinct(TextSpan span) {
    Warn("distinct-keeps-all", "distinct rows of a stream: every one is remembered for ever",
         "group by a window, or leave repeats in: UNION ALL", span);
  }
  void CheckDistinct(const Select& select, const Query& query) {
    if (select.distinct && FromStream(select)) WarnOfDistinct(query.span);
  }
  void CheckUnion(const SetOperation& set) {
    const bool is_distinct = set.kind == SetOperation::Kind::kUnion && !set.all;
    if (is_distinct && (ReadsStream(*set.left, 0) || ReadsStream(*set.right, 0))) {
      WarnOfDistinct(set.span);
    }
  }

  /// Aggregates of a whole stream.
  void CheckTotal(const Select& select) {
    const bool is_total = select.group_by.empty() && !select.group_by_all &&
                          select.grouping_sets.empty() && select.time_window == nullptr &&
                          FromStream(select);
    const bool is_final = statement_.emit.has_value() && statement_.emit->is_final;
    if (!is_total || is_final) return;
    for (const SelectItem& item : select.items) {
      const UnboundPtr aggregate = AggregateIn(item.expression);
      if (aggregate == nullptr) continue;
      Warn("total-of-stream",
           "an aggregate of a whole stream, without GROUP BY: its one row is given anew with every "
           "change",
           "add GROUP BY or WINDOW TUMBLING (…)", aggregate->span);
      return;
    }
  }

  void NoteGroups(const Select& select) {
    const bool groups =
        select.group_by_all || !select.group_by.empty() ||
        std::any_of(select.items.begin(), select.items.end(),
                    [](const SelectItem& item) { return AggregateIn(item.expression) != nullptr; });
    groups_stream_ = groups_stream_ || (groups && FromStream(select));
  }

  void CheckLike(const Unbound& node) {
    const bool is_like = node.kind == Unbound::Kind::kCall &&
                         (node.name == "like" || node.name == "ilike") && node.args.size() >= 2;
    if (!is_like) return;
    const Unbound& pattern = *node.args[1];
    if (pattern.kind != Unbound::Kind::kLiteral || !pattern.literal->is_valid) return;
    if (!pattern.literal->ToString().starts_with("%")) return;
    Warn("leading-wildcard", "a pattern that begins with % looks at the whole of every text",
         "contains(x, 'text') says the same, and is faster", pattern.span);
  }

  /// NOT IN (SELECT …): the parser makes it not(= any).
  void CheckNotIn(const Unbound& node) {
    const bool is_not_in = node.kind == Unbound::Kind::kCall && node.name == "not" &&
                           node.args.size() == 1 && node.args[0]->kind == Unbound::Kind::kQuery &&
                           node.args[0]->name == "= any";
    if (!is_not_in) return;
    Warn("not-in-with-nulls",
         "NOT IN (SELECT …) lets no row through once the subquery gives a null",
         "NOT EXISTS, or WHERE x IS NOT NULL in the subquery", node.args[0]->span);
  }

  const Session& session_;
  const Statement& statement_;
  std::vector<const CommonTable*> with_;
  std::vector<Diagnostic> found_;
  bool groups_stream_ = false;
  bool has_window_ = false;
  int levels_ = 0;  // of subqueries
};

}  // namespace

std::vector<Diagnostic> CheckStatement(const Session& session, const Statement& statement) {
  return Rules(session, statement).Check();
}

bool MayBeRefused(std::string_view code) {
  constexpr std::array<std::string_view, 7> kCodes = {
      "stream-join-without-bound", "order-by-without-limit", "emit-final-without-window",
      "table-without-key",         "aggregate-in-where",     "missing-watermark",
      "join-without-key"};
  return std::find(kCodes.begin(), kCodes.end(), code) != kCodes.end();
}

}  // namespace headrace::sql
