// Statements other than queries: what they run, and over which table or view.
#include "arrow/array/builder_binary.h"
#include "arrow/record_batch.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/engine/computed_source.h"
#include "headrace/expression/coerce.h"
#include "headrace/function/registry.h"
#include "headrace/plan/make_node.h"
#include "headrace/sql/binder.h"
#include "headrace/sql/lexer.h"
#include "headrace/sql/open_connector.h"
#include "headrace/sql/show_jobs.h"
#include "headrace/sql/stream_definition.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace::sql {
namespace {

using Kind = Statement::Kind;

const char* CommandWordOf(Session::EntryKind kind) {
  switch (kind) {
    case Session::EntryKind::kView:
      return "VIEW";
    case Session::EntryKind::kStream:
      return "STREAM";
    default:
      return "TABLE";
  }
}

/// `text` by a pattern of LIKE, without regard to case.
bool IsLike(const std::string& text, const std::string& pattern) {
  const auto literal = [](const std::string& value) {
    return Unbound::Literal(std::make_shared<arrow::StringScalar>(value));
  };
  const auto bound = headrace::Bind(*Unbound::Call("ilike", {literal(text), literal(pattern)}),
                                    Scope(), Dialect::kSql);
  if (!bound.ok()) return false;
  const ExpressionPtr folded = FoldConstants(*bound);
  return folded->kind == Expression::Kind::kLiteral && folded->literal->is_valid &&
         static_cast<const arrow::BooleanScalar&>(*folded->literal).value;
}

/// Those that the pattern of SHOW … LIKE lets through; none is all.
std::vector<std::string> Matching(std::vector<std::string> names, const std::string& pattern) {
  if (pattern.empty()) return names;
  std::erase_if(names, [&](const std::string& name) { return !IsLike(name, pattern); });
  return names;
}

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
Result<std::vector<int>> PlacesOfColumns(const std::vector<std::string>& named,
                                         const std::string& table, const arrow::Schema& schema,
                                         int given) {
  std::vector<int> places(static_cast<size_t>(schema.num_fields()), -1);
  const Scope scope(schema);
  const int expected = named.empty() ? schema.num_fields() : static_cast<int>(named.size());
  if (given != expected) {
    return Error(ErrorKind::kTypeMismatch, "expected {} columns to insert into {}, got {}",
                 expected, table, given);
  }
  for (int i = 0; i < expected; ++i) {
    int target = i;
    if (!named.empty()) {
      ARROW_ASSIGN_OR_RAISE(target, scope.Resolve({named[static_cast<size_t>(i)]}, Dialect::kSql));
    }
    places[static_cast<size_t>(target)] = i;
  }
  return places;
}

Status AlreadyThere(const Statement& statement, Session::EntryKind kind) {
  return WithSpan(Error(ErrorKind::kInvalidArgument,
                        "there is a {} \"{}\" already; write CREATE OR REPLACE to replace it",
                        Session::NounOf(kind), statement.name),
                  statement.name_span);
}

Status OfJobs(std::string_view what, TextSpan span) {
  return WithSpan(Error(ErrorKind::kUnsupported,
                        "{} is part of a job: put the statements into a file and start it with "
                        "headrace run FILE",
                        what),
                  span);
}

/// What only jobs do.
Status CheckIsOfSessions(const Statement& statement) {
  if (statement.kind == Kind::kCreateSink) return OfJobs("a sink", statement.name_span);
  if (statement.into.has_value()) return OfJobs("SELECT ... INTO", statement.into->span);
  if (KeepsRows(statement)) return OfJobs("a table that is kept by key", statement.name_span);
  const bool takes_options = statement.kind == Kind::kCreateStream && statement.query == nullptr;
  if (statement.with.has_value() && !takes_options) {
    return OfJobs("a query with a connector", statement.with->span);
  }
  return Status::OK();
}

/// SHOW STREAMS: name, event time and its delay, source.
Result<PlanPtr> ShowStreams(const Session& session, const std::string& pattern) {
  std::vector<std::vector<std::string>> columns(3);
  for (const std::string& name : Matching(session.StreamNames(), pattern)) {
    const std::optional<StreamDef> stream = session.FindStream(name);
    if (!stream.has_value()) continue;
    columns[0].push_back(name);
    columns[1].push_back(stream->event_time.has_value()
                             ? stream->source->schema()->field(stream->event_time->column)->name()
                             : "");
    columns[2].push_back(stream->source->name());
  }
  return PlanOfTexts({"name", "event_time", "source"}, columns);
}

/// SHOW FUNCTIONS: the names of SQL, and what each does.
Result<PlanPtr> ShowFunctions(const std::string& pattern) {
  std::vector<std::vector<std::string>> columns(2);
  for (const FunctionDef* function : AllFunctions()) {
    const std::string name = function->names.sql == nullptr ? "" : function->names.sql;
    if (name.empty() || Matching({name}, pattern).empty()) continue;
    columns[0].push_back(name);
    columns[1].emplace_back(function->doc);
  }
  return PlanOfTexts({"name", "description"}, columns);
}

/// An error speaks of the name in the statement.
Result<PlanPtr> Named(Result<PlanPtr> plan, const Statement& statement) {
  return plan.ok() ? plan : WithSpan(plan.status(), statement.name_span);
}

}  // namespace

Result<PlanPtr> PlanForTable(PlanPtr plan, const arrow::Schema& schema,
                             const std::vector<std::string>& named, const std::string& table) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<int> places,
                        PlacesOfColumns(named, table, schema, plan->schema()->num_fields()));
  std::vector<NamedExpression> outputs;
  for (int i = 0; i < schema.num_fields(); ++i) {
    ARROW_ASSIGN_OR_RAISE(outputs.emplace_back(),
                          InsertedColumn(*plan, places[static_cast<size_t>(i)], *schema.field(i)));
  }
  return PlanProject(std::move(plan), std::move(outputs));
}

Result<BoundStatement> Binder::BindStatement(const Statement& statement) {
  BoundStatement bound;
  ARROW_RETURN_NOT_OK(CheckIsOfSessions(statement));
  if (statement.emit.has_value()) terms_.emits_final = statement.emit->is_final;
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
      if (HasJobs(session_)) {
        return ShowTablesOfJobs(session_, Matching(session_.TableNames(), statement.pattern))
            .Value(&bound->plan);
      }
      return PlanOfTexts({"name"}, {Matching(session_.TableNames(), statement.pattern)})
          .Value(&bound->plan);
    case Kind::kShowStreams:
      return ShowStreams(session_, statement.pattern).Value(&bound->plan);
    case Kind::kShowFunctions:
      return ShowFunctions(statement.pattern).Value(&bound->plan);
    case Kind::kCreateStream:
      return BindCreateStream(statement, bound);
    case Kind::kCreateSink:
      break;
    case Kind::kShowStatus:
      return Named(ShowStatus(session_, statement.name), statement).Value(&bound->plan);
    case Kind::kShowMetrics:
      return Named(ShowMetrics(session_, statement.name), statement).Value(&bound->plan);
    case Kind::kShowProperties:
      return Named(ShowProperties(session_, statement.noun, statement.name), statement)
          .Value(&bound->plan);
    case Kind::kShowJobs:
      return ShowJobs(session_).Value(&bound->plan);
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
    return AlreadyThere(statement, *known);
  }
  bound->does_nothing = known.has_value() && statement.if_not_exists;
  if (statement.query == nullptr) {
    for (const ColumnDefinition& column : statement.definitions) {
      if (!column.not_null) continue;
      return WithSpan(
          Error(ErrorKind::kUnsupported, "constraints and defaults of columns are not supported"),
          column.span);
    }
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

/// A stream of a connector, or of a query, which is a view.
Status Binder::BindCreateStream(const Statement& statement, BoundStatement* bound) {
  if (statement.query != nullptr) {
    Statement view = statement;
    view.kind = Kind::kCreateView;
    return BindCreate(view, bound);
  }
  bound->kind = BoundStatement::Kind::kCreateStream;
  const auto known = session_.FindEntry(statement.name);
  if (known.has_value() && !statement.or_replace && !statement.if_not_exists) {
    return AlreadyThere(statement, *known);
  }
  bound->does_nothing = known.has_value() && statement.if_not_exists;
  if (bound->does_nothing) return Status::OK();
  if (!statement.with.has_value()) {
    return WithSpan(Error(ErrorKind::kInvalidArgument,
                          "a stream needs a connector: WITH (connector = 'file', path = '...')"),
                    statement.name_span);
  }
  ConfigFiles files;
  files.vfs = &session_.vfs();
  ARROW_ASSIGN_OR_RAISE(StreamDefinition definition, DefineStream(statement, files));
  const auto open = [&]() -> Result<StreamDef> {
    ARROW_ASSIGN_OR_RAISE(definition.source, OpenStreamSource(session_, definition, ""));
    return CatalogEntryOf(definition);
  };
  Result<StreamDef> stream = open();
  if (!stream.ok()) return WithSpan(stream.status(), statement.with->span);
  bound->stream = *std::move(stream);
  return Status::OK();
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
  const auto wanted = statement.is_view     ? Session::EntryKind::kView
                      : statement.is_stream ? Session::EntryKind::kStream
                                            : Session::EntryKind::kTable;
  bound->entry = wanted;
  const auto known = session_.FindEntry(statement.name);
  bound->does_nothing = statement.if_exists && !known.has_value();
  if (known == wanted || bound->does_nothing) return Status::OK();
  if (known.has_value()) {
    return WithSpan(Error(ErrorKind::kInvalidArgument, "\"{}\" is a {}; write DROP {}",
                          statement.name, Session::NounOf(*known), CommandWordOf(*known)),
                    statement.name_span);
  }
  const std::string nearest = NearestName(statement.name, session_.TableNames());
  return WithSpan(
      Error(ErrorKind::kUnknownName, "no {} is named \"{}\"{}", Session::NounOf(wanted),
            statement.name, nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest)),
      statement.name_span);
}

Status Binder::BindInsert(const Statement& statement, BoundStatement* bound) {
  bound->kind = BoundStatement::Kind::kInsert;
  Result<SourcePtr> found = session_.FindTable(statement.name);
  if (!found.ok()) return WithSpan(found.status(), statement.name_span);
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, BindQuery(*statement.query));
  Result<PlanPtr> rows =
      PlanForTable(std::move(plan), *(*found)->schema(), statement.columns, statement.name);
  if (!rows.ok()) return WithSpan(rows.status(), statement.name_span);
  bound->plan = *std::move(rows);
  return Status::OK();
}

}  // namespace headrace::sql
