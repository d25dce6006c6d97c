// Statements other than queries: what they run, and over which table or view.
#include "arrow/array/builder_binary.h"
#include "arrow/record_batch.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/engine/computed_source.h"
#include "headrace/expression/coerce.h"
#include "headrace/plan/make_node.h"
#include "headrace/sql/binder.h"
#include "headrace/sql/lexer.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace::sql {
namespace {

using Kind = Statement::Kind;

/// Columns of texts as a plan.
Result<PlanPtr> PlanOfTexts(const std::vector<std::string>& names,
                            const std::vector<std::vector<std::string>>& columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (size_t i = 0; i < names.size(); ++i) {
    arrow::StringBuilder builder;
    ARROW_RETURN_NOT_OK(builder.AppendValues(columns[i]));
    ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(), builder.Finish());
    fields.push_back(arrow::field(names[i], arrow::utf8()));
  }
  const SchemaPtr schema = arrow::schema(std::move(fields));
  const auto rows = static_cast<int64_t>(columns.front().size());
  ARROW_ASSIGN_OR_RAISE(
      SourcePtr table, MemoryTable::Make(schema, {arrow::RecordBatch::Make(schema, rows, arrays)}));
  return PlanScan(std::move(table));
}

Result<PlanPtr> Describe(const arrow::Schema& schema) {
  std::vector<std::vector<std::string>> columns(3);
  for (const auto& field : schema.fields()) {
    columns[0].push_back(field->name());
    columns[1].push_back(SqlNameOf(*field->type()));
    columns[2].emplace_back(field->nullable() ? "YES" : "NO");
  }
  return PlanOfTexts({"column_name", "column_type", "null"}, columns);
}

/// SHOW ALL, or SHOW name.
Result<PlanPtr> ShowSettings(const Session& session, const Statement& statement) {
  const Settings settings = session.settings();
  if (!statement.name.empty()) {
    Result<std::string> value = settings.Value(statement.name);
    if (!value.ok()) return WithSpan(value.status(), statement.name_span);
    return PlanOfTexts({statement.name}, {{*std::move(value)}});
  }
  std::vector<std::vector<std::string>> columns(2);
  columns[0] = Settings::Names();
  for (const std::string& name : columns[0]) {
    ARROW_ASSIGN_OR_RAISE(columns[1].emplace_back(), settings.Value(name));
  }
  return PlanOfTexts({"name", "value"}, columns);
}

/// A table without rows.
Result<PlanPtr> EmptyTable(const std::vector<ColumnDefinition>& definitions) {
  arrow::FieldVector fields;
  for (const ColumnDefinition& column : definitions) {
    for (const auto& known : fields) {
      if (!EqualsIgnoringCase(known->name(), column.name)) continue;
      return Error(ErrorKind::kInvalidArgument, "column \"{}\" is defined twice", column.name);
    }
    fields.push_back(arrow::field(column.name, column.type));
  }
  ARROW_ASSIGN_OR_RAISE(SourcePtr table, MemoryTable::Make(arrow::schema(fields), {}));
  return PlanScan(std::move(table));
}

/// Column `name` of `plan` as a `type`, null when it has none.
Result<NamedExpression> InsertedColumn(const PlanNode& plan, int place,
                                       const arrow::Field& target) {
  const TypePtr type = PlainType(target.type());
  if (place < 0) {
    return NamedExpression{Expression::Literal(arrow::MakeNullScalar(type)), target.name()};
  }
  ExpressionPtr column = ColumnOf(*plan.schema(), place);
  if (!PlainType(column->type)->Equals(*type)) {
    Result<ExpressionPtr> widened = CoerceTo(column, type);
    column = widened.ok() ? *widened : Expression::Cast(std::move(column), type);
  }
  return NamedExpression{std::move(column), target.name()};
}

/// Where each column of the table stands among the columns that INSERT names; −1: nowhere.
Result<std::vector<int>> PlacesOfColumns(const Statement& statement, const arrow::Schema& schema,
                                         int given) {
  std::vector<int> places(static_cast<size_t>(schema.num_fields()), -1);
  const Scope scope(schema);
  const auto named = static_cast<int>(statement.columns.size());
  const int expected = named > 0 ? named : schema.num_fields();
  if (given != expected) {
    return Error(ErrorKind::kTypeMismatch, "expected {} columns to insert into {}, got {}",
                 expected, statement.name, given);
  }
  for (int i = 0; i < expected; ++i) {
    int target = i;
    if (named > 0) {
      ARROW_ASSIGN_OR_RAISE(
          target, scope.Resolve({statement.columns[static_cast<size_t>(i)]}, Dialect::kSql));
    }
    places[static_cast<size_t>(target)] = i;
  }
  return places;
}

Status AlreadyThere(const Statement& statement, bool is_view) {
  return WithSpan(Error(ErrorKind::kInvalidArgument,
                        "there is a {} \"{}\" already; write CREATE OR REPLACE to replace it",
                        is_view ? "view" : "table", statement.name),
                  statement.name_span);
}

}  // namespace

Result<BoundStatement> Binder::BindStatement(const Statement& statement) {
  BoundStatement bound;
  ARROW_RETURN_NOT_OK(BindKind(statement, &bound));
  if (bound.plan != nullptr) {
    ARROW_ASSIGN_OR_RAISE(bound.plan, WithQueriesInlined(bound.plan));
  }
  if (statement.is_explain) {
    bound.kind = BoundStatement::Kind::kExplain;
    bound.analyze = statement.analyze;
  }
  return bound;
}

Status Binder::BindKind(const Statement& statement, BoundStatement* bound) {
  bound->name = statement.name;
  switch (statement.kind) {
    case Kind::kQuery:
      return BindQuery(*statement.query).Value(&bound->plan);
    case Kind::kCopy:
      bound->kind = BoundStatement::Kind::kCopy;
      bound->path = statement.path;
      bound->options = statement.options;
      return BindQuery(*statement.query).Value(&bound->plan);
    case Kind::kCreateTable:
    case Kind::kCreateView:
      return BindCreate(statement, bound);
    case Kind::kInsert:
      return BindInsert(statement, bound);
    case Kind::kUpdate:
    case Kind::kDelete:
      return BindChange(statement, bound);
    case Kind::kDrop:
      return BindDrop(statement, bound);
    case Kind::kDescribe: {
      ARROW_ASSIGN_OR_RAISE(const PlanPtr plan, BindQuery(*statement.query));
      return headrace::sql::Describe(*plan->schema()).Value(&bound->plan);
    }
    case Kind::kShowTables:
      return PlanOfTexts({"name"}, {session_.TableNames()}).Value(&bound->plan);
    case Kind::kShowSettings:
      return ShowSettings(session_, statement).Value(&bound->plan);
    case Kind::kSet: {
      bound->kind = BoundStatement::Kind::kSet;
      bound->value = statement.value;
      const Result<std::string> known = session_.settings().Value(statement.name);
      return known.ok() ? Status::OK() : WithSpan(known.status(), statement.name_span);
    }
    case Kind::kSummarize:
      return BindSummary(statement).Value(&bound->plan);
  }
  return Error(ErrorKind::kInternal, "unknown kind of statement");
}

Status Binder::BindCreate(const Statement& statement, BoundStatement* bound) {
  const bool is_view = statement.kind == Kind::kCreateView;
  bound->kind = is_view ? BoundStatement::Kind::kCreateView : BoundStatement::Kind::kCreateTable;
  const auto known = session_.FindEntry(statement.name);
  if (known.has_value() && !statement.or_replace && !statement.if_not_exists) {
    return AlreadyThere(statement, *known == Session::EntryKind::kView);
  }
  bound->does_nothing = known.has_value() && statement.if_not_exists;
  if (statement.query == nullptr) {
    return WithSpan(EmptyTable(statement.definitions).Value(&bound->plan), statement.name_span);
  }
  ARROW_ASSIGN_OR_RAISE(bound->plan, BindQuery(*statement.query));
  if (is_view) {
    const TextSpan span = statement.query_span;
    bound->view_query =
        text_.substr(static_cast<size_t>(span.begin), static_cast<size_t>(span.end - span.begin));
    return BindViewColumns(statement, bound);
  }
  return WithColumnNames(std::move(bound->plan), statement.columns, statement.name_span)
      .Value(&bound->plan);
}

/// The columns of a view are given to its query as a query of WITH.
Status Binder::BindViewColumns(const Statement& statement, BoundStatement* bound) {
  if (statement.columns.empty()) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(bound->plan,
                        WithColumnNames(bound->plan, statement.columns, statement.name_span));
  std::string names;
  for (const std::string& column : statement.columns) {
    names += (names.empty() ? "\"" : ", \"") + column + "\"";
  }
  bound->view_query = fmt::format("SELECT * FROM ({}) AS view ({})", bound->view_query, names);
  return Status::OK();
}

Status Binder::BindDrop(const Statement& statement, BoundStatement* bound) {
  bound->kind = BoundStatement::Kind::kDrop;
  bound->is_view = statement.is_view;
  const auto wanted = statement.is_view ? Session::EntryKind::kView : Session::EntryKind::kTable;
  const auto known = session_.FindEntry(statement.name);
  bound->does_nothing = statement.if_exists && !known.has_value();
  if (known == wanted || bound->does_nothing) return Status::OK();
  if (known.has_value()) {
    return WithSpan(
        Error(ErrorKind::kInvalidArgument, "\"{}\" is a {}; write DROP {}", statement.name,
              statement.is_view ? "table" : "view", statement.is_view ? "TABLE" : "VIEW"),
        statement.name_span);
  }
  const std::string nearest = NearestName(statement.name, session_.TableNames());
  return WithSpan(Error(ErrorKind::kUnknownName, "no {} is named \"{}\"{}",
                        statement.is_view ? "view" : "table", statement.name,
                        nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest)),
                  statement.name_span);
}

Status Binder::BindInsert(const Statement& statement, BoundStatement* bound) {
  bound->kind = BoundStatement::Kind::kInsert;
  Result<SourcePtr> found = session_.FindTable(statement.name);
  if (!found.ok()) return WithSpan(found.status(), statement.name_span);
  const SchemaPtr& schema = (*found)->schema();
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, BindQuery(*statement.query));
  Result<std::vector<int>> places =
      PlacesOfColumns(statement, *schema, plan->schema()->num_fields());
  if (!places.ok()) return WithSpan(places.status(), statement.name_span);
  std::vector<NamedExpression> outputs;
  for (int i = 0; i < schema->num_fields(); ++i) {
    Result<NamedExpression> column =
        InsertedColumn(*plan, (*places)[static_cast<size_t>(i)], *schema->field(i));
    if (!column.ok()) return WithSpan(column.status(), statement.name_span);
    outputs.push_back(*std::move(column));
  }
  return PlanProject(std::move(plan), std::move(outputs)).Value(&bound->plan);
}

}  // namespace headrace::sql
