// FROM and JOIN: files, tables, views, queries and what names they bring.
#include <algorithm>

#include "arrow/record_batch.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/match_clause.h"
#include "headrace/plan/transform.h"
#include "headrace/sql/binder.h"
#include "headrace/sql/lexer.h"
#include "headrace/sql/parser.h"
#include "headrace/sql/select_binder.h"
#include "headrace/sql/sink_uri.h"

namespace headrace::sql {
namespace {

constexpr int kNestedViewsMax = 32;

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

Scope Concatenate(const Scope& left, const Scope& right) {
  Scope both = left;
  for (const Scope::Entry& entry : right.entries()) {
    both.Add(entry.qualifier, entry.name, entry.type, entry.qualified_only);
  }
  return both;
}

/// The alias, else the table's own name.
std::string QualifierOf(const TableReference& table) {
  if (!table.alias.empty()) return table.alias;
  return table.kind == TableReference::Kind::kFile ? StemOf(table.name) : table.name;
}

JoinKind PlanKindOf(JoinClause::Kind kind) {
  switch (kind) {
    case JoinClause::Kind::kLeft:
    case JoinClause::Kind::kAsofLeft:
      return JoinKind::kLeft;
    case JoinClause::Kind::kRight:
      return JoinKind::kRight;
    case JoinClause::Kind::kFull:
      return JoinKind::kFull;
    case JoinClause::Kind::kSemi:
      return JoinKind::kSemi;
    case JoinClause::Kind::kAnti:
      return JoinKind::kAnti;
    default:
      return JoinKind::kInner;
  }
}

/// Names that both sides have, for NATURAL.
std::vector<std::string> SharedNames(const Scope& left, const Scope& right) {
  std::vector<std::string> names;
  for (const Scope::Entry& entry : left.entries()) {
    if (!entry.qualified_only && right.Knows({entry.name}, Dialect::kSql)) {
      names.push_back(entry.name);
    }
  }
  return names;
}

/// Columns that JOIN … USING takes from both sides.
struct SharedColumns {
  std::vector<int> left;
  std::vector<int> right;
};

Result<SharedColumns> FindShared(const Scope& left, const Scope& right,
                                 const std::vector<std::string>& names, TextSpan span) {
  SharedColumns shared;
  for (const std::string& name : names) {
    Result<int> from_left = left.Resolve({name}, Dialect::kSql);
    if (!from_left.ok()) return WithSpan(from_left.status(), span);
    Result<int> from_right = right.Resolve({name}, Dialect::kSql);
    if (!from_right.ok()) return WithSpan(from_right.status(), span);
    shared.left.push_back(*from_left);
    shared.right.push_back(*from_right);
  }
  return shared;
}

bool IsShared(const std::vector<int>& columns, size_t index) {
  return std::find(columns.begin(), columns.end(), static_cast<int>(index)) != columns.end();
}

UnboundPtr PlaceOf(size_t index) { return Unbound::Column({"", std::to_string(index)}); }

/// Entries by their places: PlaceOf(i) means entry i.
Scope ScopeOfPlaces(const Scope& scope) {
  Scope places;
  for (const Scope::Entry& entry : scope.entries()) {
    places.Add("", std::to_string(places.entries().size()), entry.type);
  }
  return places;
}

/// Right and full joins: each shared column is the value of the side that has one; the left side's
/// own column is there by its qualified name alone.
Result<Relation> MergeShared(Relation joined, const SharedColumns& shared, size_t left_width) {
  const auto& entries = joined.scope.entries();
  const Scope places = ScopeOfPlaces(joined.scope);
  std::vector<NamedExpression> outputs;
  Relation merged;
  for (size_t i = 0; i < entries.size(); ++i) {
    const Scope::Entry& entry = entries[i];
    const auto found = std::find(shared.left.begin(), shared.left.end(), static_cast<int>(i));
    const bool is_left = i < left_width && found != shared.left.end();
    ExpressionPtr column = ColumnOf(*joined.plan->schema(), static_cast<int>(i));
    if (is_left) {
      const auto other =
          static_cast<size_t>(shared.right[static_cast<size_t>(found - shared.left.begin())]) +
          left_width;
      ARROW_ASSIGN_OR_RAISE(
          column, headrace::Bind(*Unbound::Call("coalesce", {PlaceOf(i), PlaceOf(other)}), places,
                                 Dialect::kSql));
    }
    merged.scope.Add(is_left ? "" : entry.qualifier, entry.name, column->type,
                     entry.qualified_only);
    outputs.push_back({std::move(column), entry.name});
  }
  for (const int left : shared.left) {
    const Scope::Entry& entry = entries[static_cast<size_t>(left)];
    merged.scope.Add(entry.qualifier, entry.name, entry.type, /*qualified_only=*/true);
    outputs.push_back({ColumnOf(*joined.plan->schema(), left), entry.name});
  }
  ARROW_ASSIGN_OR_RAISE(merged.plan, PlanProject(std::move(joined.plan), std::move(outputs)));
  return merged;
}

bool HasRightSide(JoinClause::Kind kind) {
  return kind != JoinClause::Kind::kSemi && kind != JoinClause::Kind::kAnti;
}

bool IsAsof(JoinClause::Kind kind) {
  return kind == JoinClause::Kind::kAsof || kind == JoinClause::Kind::kAsofLeft;
}

Result<PlanPtr> PlanOfJoin(const JoinClause& join, PlanPtr left, PlanPtr right,
                           ExpressionPtr condition) {
  const JoinKind kind = PlanKindOf(join.kind);
  JoinOptions options;
  options.grace_micros = join.bounds.grace_micros.value_or(0);
  options.allow_unbounded_state = join.bounds.allow_unbounded;
  Result<PlanPtr> plan =
      IsAsof(join.kind)
          ? PlanAsofJoin(std::move(left), std::move(right), kind, std::move(condition))
          : PlanJoin(std::move(left), std::move(right), kind, std::move(condition), options);
  if (!plan.ok()) return WithSpan(plan.status(), join.span);
  return plan;
}

/// `condition` with fields of structs in terms of `scope`.
Result<UnboundPtr> WithFields(const UnboundPtr& condition, const Scope& scope) {
  return TransformUnbound(condition, [&](const UnboundPtr& node) -> Result<UnboundPtr> {
    if (node->kind != Unbound::Kind::kColumn || scope.Knows(node->path, Dialect::kSql)) {
      return nullptr;
    }
    return FieldOf(*node, scope);
  });
}

void AddName(const std::string& name, std::vector<std::string>* names) {
  const auto is_it = [&](const std::string& known) { return EqualsIgnoringCase(known, name); };
  if (std::none_of(names->begin(), names->end(), is_it)) names->push_back(name);
}

/// WITHIN (before, after) of a join: event times of the right side between those of the left side
/// − before and + after. Over the columns of both.
Result<ExpressionPtr> WithinTerm(const JoinBounds& bounds, const Relation& left,
                                 const Relation& right, const Scope& both) {
  const std::vector<int> left_times = left.plan->EventTimes();
  const std::vector<int> right_times = right.plan->EventTimes();
  if (left_times.empty() || right_times.empty()) {
    return WithSpan(Error(ErrorKind::kInvalidArgument,
                          "WITHIN compares event times, and the {} side has none: declare it with "
                          "WATERMARK FOR, or compare columns in ON",
                          left_times.empty() ? "left" : "right"),
                    bounds.span);
  }
  const auto length = [&](int64_t micros) {
    return Unbound::Literal(
        std::make_shared<arrow::DurationScalar>(micros, arrow::duration(arrow::TimeUnit::MICRO)));
  };
  const UnboundPtr left_time = PlaceOf(static_cast<size_t>(left_times.front()));
  const UnboundPtr right_time =
      PlaceOf(left.scope.entries().size() + static_cast<size_t>(right_times.front()));
  const auto& [before, after] = *bounds.within_micros;
  const auto earliest = Unbound::Call("-", {left_time, length(before)}, bounds.span);
  const auto latest = Unbound::Call("+", {left_time, length(after)}, bounds.span);
  const auto term = Unbound::Call("and",
                                  {Unbound::Call(">=", {right_time, earliest}, bounds.span),
                                   Unbound::Call("<=", {right_time, latest}, bounds.span)},
                                  bounds.span);
  return headrace::Bind(*term, ScopeOfPlaces(both), Dialect::kSql);
}

/// Takes the terms with subqueries out of the condition of a join; null: nothing is left.
Result<UnboundPtr> TakeQueries(const JoinClause& join, const UnboundPtr& condition,
                               std::vector<UnboundPtr>* terms) {
  if (condition->kind == Unbound::Kind::kCall && condition->name == "and") {
    UnboundPtr rest;
    for (const UnboundPtr& part : condition->args) {
      ARROW_ASSIGN_OR_RAISE(UnboundPtr kept, TakeQueries(join, part, terms));
      if (kept == nullptr) continue;
      rest = rest == nullptr ? kept : Unbound::Call("and", {rest, kept}, condition->span);
    }
    return rest;
  }
  if (!HoldsQuery(condition)) return condition;
  if (join.kind != JoinClause::Kind::kInner) {
    return WithSpan(Error(ErrorKind::kUnsupported,
                          "a subquery in ON that uses columns of both sides works in inner joins; "
                          "put it in WHERE or in a query that is joined"),
                    condition->span);
  }
  terms->push_back(condition);
  return nullptr;
}

}  // namespace

Result<Relation> Binder::BindFrom(const Select& select, std::vector<UnboundPtr>* conditions) {
  if (!select.from.has_value()) {
    ARROW_ASSIGN_OR_RAISE(SourcePtr source, OneRow());
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, PlanScan(std::move(source)));
    return Relation{std::move(plan), Scope(), nullptr};
  }
  ARROW_ASSIGN_OR_RAISE(Relation relation, BindTable(*select.from));
  for (const JoinClause& join : select.joins) {
    ARROW_ASSIGN_OR_RAISE(relation, BindJoin(std::move(relation), join, conditions));
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
  if (table.as_of != nullptr && !IsNow(*table.as_of)) {
    return WithSpan(Error(ErrorKind::kUnsupported,
                          "FOR SYSTEM_TIME AS OF stands behind the table that a stream is joined "
                          "with: FROM s JOIN t FOR SYSTEM_TIME AS OF s.ts ON s.id = t.id"),
                    table.as_of->span);
  }
  if (table.window != nullptr && &table != grouped_table_) {
    Result<PlanPtr> windowed = WithWindowBounds(std::move(plan), *table.window);
    if (!windowed.ok()) return WithSpan(windowed.status(), table.window->span);
    plan = *std::move(windowed);
  }
  for (const auto& pivot : table.pivots) {
    Result<PlanPtr> pivoted = BindPivot(std::move(plan), QualifierOf(table), *pivot);
    if (!pivoted.ok()) return WithSpan(pivoted.status(), pivot->span);
    plan = *std::move(pivoted);
  }
  if (table.match != nullptr) {
    const Scope scope(*plan->schema(), table.match_alias);
    ARROW_ASSIGN_OR_RAISE(plan, PlanMatchRecognize(std::move(plan), scope, *table.match));
  }
  ARROW_ASSIGN_OR_RAISE(plan, WithSample(std::move(plan), table.sample));
  ARROW_ASSIGN_OR_RAISE(plan, WithColumnNames(std::move(plan), table.columns, table.span));
  Scope scope(*plan->schema(), QualifierOf(table));
  return Relation{std::move(plan), std::move(scope), nullptr};
}

Result<PlanPtr> Binder::FindTable(const TableReference& table) {
  if (table.kind == TableReference::Kind::kFunction) return BindTableFunction(table);
  if (table.kind == TableReference::Kind::kName) return FindNamed(table.name);
  std::string path = table.name;
  OptionMap options = table.options;
  if (LowerCase(path).starts_with("file://")) {
    ARROW_ASSIGN_OR_RAISE(SinkDefinition uri, SinkOfUri(path));
    path = uri.options.at("path");
    uri.options.erase("path");
    options.insert(uri.options.begin(), uri.options.end());
  }
  ARROW_ASSIGN_OR_RAISE(SourcePtr file, session_.OpenFile(path, options));
  return PlanScan(std::move(file));
}

/// A query of WITH, the innermost first, a table of this query alone, a view or a table.
Result<PlanPtr> Binder::FindNamed(const std::string& name) {
  std::vector<std::string> names = session_.TableNames();
  for (auto known = known_.rbegin(); known != known_.rend(); ++known) {
    if (EqualsIgnoringCase(known->name, name)) return known->plan;
    names.push_back(known->name);
  }
  const auto exact = tables_.find(name);
  if (exact != tables_.end()) return exact->second;
  for (const auto& [other, plan] : tables_) {
    if (EqualsIgnoringCase(other, name)) return plan;
    names.push_back(other);
  }
  ARROW_ASSIGN_OR_RAISE(const std::optional<std::string> view, session_.FindView(name));
  if (view.has_value()) return BindView(name, *view);
  if (const std::optional<StreamDef> stream = session_.FindStream(name); stream.has_value()) {
    AddName(name, &names_read_.streams);
    return PlanScan(stream->source, stream->event_time);
  }
  Result<SourcePtr> source = session_.FindTable(name);
  if (source.ok()) {
    AddName(name, &names_read_.tables);
    return PlanScan(*std::move(source));
  }
  const std::string nearest = NearestName(name, names);
  if (nearest.empty()) return source.status();
  return Error(ErrorKind::kUnknownName, "no table is named \"{}\"; did you mean {}?", name,
               nearest);
}

/// The query of a view, which sees the tables of the session alone.
Result<PlanPtr> Binder::BindView(const std::string& name, const std::string& text) {
  if (views_ >= kNestedViewsMax) {
    return Error(ErrorKind::kUnsupported, "views nest deeper than {} levels: {}", kNestedViewsMax,
                 name);
  }
  const ExtraTables none;
  const auto bind = [&]() -> Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(const Statement statement, Parser(text).ParseStatement());
    Binder binder(session_, none, text, poll_);
    binder.views_ = views_ + 1;
    binder.versions_ = versions_;
    if (statement.emit.has_value()) binder.terms_.emits_final = statement.emit->is_final;
    Result<PlanPtr> plan = binder.BindQuery(*statement.query);
    const NamesRead& read = binder.names_read_;
    for (const std::string& stream : read.streams) AddName(stream, &names_read_.streams);
    for (const std::string& table : read.tables) AddName(table, &names_read_.tables);
    for (const std::string& other : read.views) AddName(other, &names_read_.views);
    AddName(name, &names_read_.views);
    return plan;
  };

  const Result<PlanPtr> plan = bind();
  if (plan.ok()) return plan;
  return Error(KindOf(plan.status()), "view {}: {}", name, plan.status().message());
}

Result<Relation> Binder::BindJoin(Relation left, const JoinClause& join,
                                  std::vector<UnboundPtr>* conditions) {
  const bool keeps_right =
      join.kind == JoinClause::Kind::kRight || join.kind == JoinClause::Kind::kFull;
  if (keeps_right && !conditions->empty()) {
    return WithSpan(Error(ErrorKind::kUnsupported,
                          "a subquery in ON does not work before a right or full join"),
                    join.span);
  }
  if (join.right.kind == TableReference::Kind::kFunction && join.right.name == "unnest") {
    return BindUnnest(std::move(left), join);
  }
  const bool is_temporal = join.right.as_of != nullptr && !IsNow(*join.right.as_of);
  if (is_temporal) return BindTemporalJoin(std::move(left), join);
  const bool is_query = join.right.kind == TableReference::Kind::kQuery;
  const bool may_use_left = is_query && !ColumnsMeant(*join.right.query, NamesOf(left)).empty();
  if (may_use_left && dependent_.contains(join.right.query.get())) return BindLateral(left, join);
  Result<Relation> right = BindTable(join.right);
  if (!right.ok() && may_use_left && KindOf(right.status()) == ErrorKind::kUnknownName) {
    dependent_.insert(join.right.query.get());
    return BindLateral(left, join);
  }
  ARROW_RETURN_NOT_OK(right);
  if (join.natural || !join.using_columns.empty()) {
    return BindJoinUsing(std::move(left), *std::move(right), join);
  }
  return BindJoinOn(std::move(left), *std::move(right), join, conditions);
}

/// Subqueries of the condition of a join that speak of one side, or of none, are values of a side.
Result<UnboundPtr> Binder::AttachToSides(const UnboundPtr& condition, Relation* left,
                                         Relation* right) {
  return TransformUnbound(condition, [&](const UnboundPtr& node) -> Result<UnboundPtr> {
    const auto* operand = dynamic_cast<const QueryOperand*>(node->query.get());
    if (operand == nullptr) return nullptr;
    const Select nothing;
    const Query no_query;
    const std::string name = std::to_string(values_++);
    for (Relation* const side : {right, left}) {
      Result<Relation> with_value =
          SelectBinder(*this, nothing, no_query, nullptr).BindBeside(*side, node, name);
      if (with_value.ok()) {
        *side = *std::move(with_value);
        return Unbound::Column({kValueQualifier, name}, node->span);
      }
      if (KindOf(with_value.status()) != ErrorKind::kUnknownName) return with_value.status();
    }
    return node;
  });
}

/// `tie`, which may be null, goes beside the condition that is written.
Result<Relation> Binder::BindJoinOn(Relation left, Relation right, const JoinClause& join,
                                    std::vector<UnboundPtr>* conditions, ExpressionPtr tie) {
  Relation joined{nullptr, Concatenate(left.scope, right.scope), left.around};
  std::vector<ExpressionPtr> bound;
  if (tie != nullptr) bound.push_back(std::move(tie));
  UnboundPtr terms = join.condition;
  if (terms != nullptr) {
    if (join.kind != JoinClause::Kind::kInner) {
      ARROW_ASSIGN_OR_RAISE(terms, AttachToSides(terms, &left, &right));
      joined.scope = Concatenate(left.scope, right.scope);
    }
    const Scope names = NamesOf(joined);
    ARROW_ASSIGN_OR_RAISE(terms, WithFields(terms, names));
    ARROW_ASSIGN_OR_RAISE(terms, TakeQueries(join, terms, conditions));
    if (terms != nullptr) {
      ARROW_ASSIGN_OR_RAISE(bound.emplace_back(), headrace::Bind(*terms, names, Dialect::kSql));
    }
  }
  if (join.bounds.within_micros.has_value()) {
    ARROW_ASSIGN_OR_RAISE(bound.emplace_back(), WithinTerm(join.bounds, left, right, joined.scope));
  }
  if (!HasRightSide(join.kind)) joined.scope = left.scope;
  ExpressionPtr condition = bound.empty() ? nullptr : MakeConjunction(std::move(bound));
  ARROW_ASSIGN_OR_RAISE(joined.plan, PlanOfJoin(join, std::move(left.plan), std::move(right.plan),
                                                std::move(condition)));
  return joined;
}

/// The last column of USING is the time of an as-of join.
Result<Relation> Binder::BindJoinUsing(Relation left, Relation right, const JoinClause& join) {
  const std::vector<std::string> names =
      join.natural ? SharedNames(left.scope, right.scope) : join.using_columns;
  if (names.empty()) {
    return WithSpan(Error(ErrorKind::kInvalidArgument,
                          "the sides of a NATURAL join have no column of the same name"),
                    join.span);
  }
  ARROW_ASSIGN_OR_RAISE(const SharedColumns shared,
                        FindShared(left.scope, right.scope, names, join.span));
  const size_t left_width = left.scope.entries().size();
  const Scope places = ScopeOfPlaces(Concatenate(left.scope, right.scope));
  std::vector<ExpressionPtr> terms;
  for (size_t i = 0; i < names.size(); ++i) {
    const char* op = IsAsof(join.kind) && i + 1 == names.size() ? ">=" : "=";
    const auto term =
        Unbound::Call(op, {PlaceOf(static_cast<size_t>(shared.left[i])),
                           PlaceOf(static_cast<size_t>(shared.right[i]) + left_width)});
    Result<ExpressionPtr> bound = headrace::Bind(*term, places, Dialect::kSql);
    if (!bound.ok()) return WithSpan(bound.status(), join.span);
    terms.push_back(*std::move(bound));
  }
  if (join.bounds.within_micros.has_value()) {
    ARROW_ASSIGN_OR_RAISE(terms.emplace_back(), WithinTerm(join.bounds, left, right,
                                                           Concatenate(left.scope, right.scope)));
  }
  Relation joined{nullptr, left.scope, left.around};
  if (HasRightSide(join.kind)) {
    const auto& entries = right.scope.entries();
    for (size_t i = 0; i < entries.size(); ++i) {
      joined.scope.Add(entries[i].qualifier, entries[i].name, entries[i].type,
                       entries[i].qualified_only || IsShared(shared.right, i));
    }
  }
  ARROW_ASSIGN_OR_RAISE(joined.plan, PlanOfJoin(join, std::move(left.plan), std::move(right.plan),
                                                MakeConjunction(std::move(terms))));
  const bool merges = join.kind == JoinClause::Kind::kRight || join.kind == JoinClause::Kind::kFull;
  return merges ? MergeShared(std::move(joined), shared, left_width) : joined;
}

}  // namespace headrace::sql
