// Statements of an application: streams and tables enter the catalog, queries are gathered by sink.
#include <algorithm>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/ascii_case.h"
#include "headrace/base/check.h"
#include "headrace/expression/bind.h"
#include "headrace/plan/builder.h"
#include "headrace/plan/make_node.h"
#include "headrace/sql/application_binder.h"
#include "headrace/sql/caret.h"
#include "headrace/sql/sink_uri.h"
#include "headrace/sql/sql.h"
#include "headrace/types/type_table.h"

namespace headrace::sql {
namespace {

using Kind = Statement::Kind;

const ExtraTables& NoTables() {
  static const ExtraTables none;
  return none;
}

std::string Quoted(const std::string& name) {
  std::string quoted = "\"";
  for (const char c : name) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

/// The text of the query of a view or stream, with EMIT where that stood elsewhere.
std::string ViewText(const ApplicationStatement& text, const Statement& statement) {
  const TextSpan span = statement.query_span;
  std::string query =
      text.text.substr(static_cast<size_t>(span.begin), static_cast<size_t>(span.end - span.begin));
  std::string names;
  for (const std::string& column : statement.columns) {
    names += (names.empty() ? "" : ", ") + Quoted(column);
  }
  if (statement.emit.has_value() && statement.emit->span.begin >= span.end) {
    query += statement.emit->is_final ? " EMIT FINAL" : " EMIT CHANGES";
  }
  if (names.empty()) return query;
  const bool emits = statement.emit.has_value() && statement.emit->span.begin < span.end;
  if (emits) {
    const auto at = static_cast<size_t>(statement.emit->span.begin - span.begin);
    const auto length = static_cast<size_t>(statement.emit->span.end - statement.emit->span.begin);
    query.erase(at, length);
  }
  std::string text_of_view = fmt::format("SELECT * FROM ({}) AS view ({})", query, names);
  if (emits) text_of_view += statement.emit->is_final ? " EMIT FINAL" : " EMIT CHANGES";
  return text_of_view;
}

Status NotSupported(std::string_view what, TextSpan span) {
  return WithSpan(Error(ErrorKind::kUnsupported, "{}", what), span);
}

Status NeedsKey(const Statement& statement) {
  const char* const how = statement.query == nullptr
                              ? "write it behind a column, or PRIMARY KEY (a, b) behind all"
                              : "mark its columns (SELECT x AS x PRIMARY KEY), or select every "
                                "column of GROUP BY";
  return WithSpan(
      Error(ErrorKind::kInvalidArgument, "table {} needs a PRIMARY KEY: {}", statement.name, how),
      statement.name_span);
}

}  // namespace

ApplicationBinder::ApplicationBinder(Session& session, const ApplicationMakers& makers,
                                     Application* application)
    : session_(session), makers_(makers), application_(application) {
  files_.vfs = &session.vfs();
  files_.base_directory = makers.base_directory;
  files_.variable = makers.environment;
}

Status ApplicationBinder::BindNext(size_t statement) {
  statement_ = statement;
  const Statement& parsed = *here().parsed;
  if (parsed.is_explain) return NotSupported("EXPLAIN is no part of an application", {0, 7});
  if (parsed.query != nullptr) ARROW_RETURN_NOT_OK(OpenNamedSources(parsed));
  switch (parsed.kind) {
    case Kind::kCreateStream:
      return parsed.query == nullptr ? BindStream(parsed) : BindDerivedStream(parsed);
    case Kind::kCreateTable:
      return BindTable(parsed);
    case Kind::kCreateSink:
      return BindSink(parsed);
    case Kind::kInsert:
      return BindInsert(parsed);
    case Kind::kQuery:
      return BindSelect(parsed);
    default:
      return BindOther(parsed);
  }
}

Status ApplicationBinder::Finish() {
  for (auto& [name, stream] : derived_) {
    if (stream.is_read) continue;
    ARROW_RETURN_NOT_OK(AddQuery(std::move(stream.query)));
  }
  derived_.clear();
  return Status::OK();
}

/// Views and settings are those of the session; what shows or changes tables has no place here.
Status ApplicationBinder::BindOther(const Statement& statement) {
  if (statement.kind == Kind::kCreateView) {
    bool does_nothing = false;
    ARROW_RETURN_NOT_OK(CheckIsNew(statement, &does_nothing));
    if (does_nothing) return Status::OK();
    Binder binder(session_, NoTables(), here().text, nullptr);
    ARROW_RETURN_NOT_OK(binder.BindQuery(*statement.query));
    return session_.CreateView(statement.name, ViewText(here(), statement));
  }
  if (statement.kind == Kind::kSet) {
    return WithSpan(session_.Set(statement.name, statement.value), statement.name_span);
  }
  const bool changes_rows = statement.kind == Kind::kUpdate || statement.kind == Kind::kDelete;
  if (changes_rows) {
    return NotSupported(
        "a table of a job changes by the rows that come into it: INSERT INTO it what is to hold "
        "from now on; UPDATE and DELETE are for tables of a session",
        {0, 6});
  }
  return NotSupported(
      "an application holds CREATE STREAM, TABLE, SINK and VIEW, INSERT, SELECT and SET; this "
      "statement is for headrace sql",
      {0, 1});
}

Status ApplicationBinder::CheckIsNew(const Statement& statement, bool* does_nothing) const {
  const std::optional<Session::EntryKind> known = session_.FindEntry(statement.name);
  const bool is_there = known.has_value() || sinks_.contains(LowerCase(statement.name));
  *does_nothing = is_there && statement.if_not_exists;
  if (!is_there || statement.or_replace || statement.if_not_exists) return Status::OK();
  return WithSpan(Error(ErrorKind::kInvalidArgument, "\"{}\" is there already", statement.name),
                  statement.name_span);
}

Status ApplicationBinder::OpenStream(StreamDefinition definition, TextSpan span) {
  definition.statement = statement_;
  const auto open = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(definition.source, makers_.open_source(definition));
    if (definition.schema == nullptr) definition.schema = definition.source->schema();
    ARROW_ASSIGN_OR_RAISE(StreamDef entry, CatalogEntryOf(definition));
    return session_.CreateStream(definition.name, std::move(entry));
  };
  ARROW_RETURN_NOT_OK(WithSpan(open(), span));
  application_->streams.push_back(std::move(definition));
  return Status::OK();
}

Status ApplicationBinder::BindStream(const Statement& statement) {
  bool does_nothing = false;
  ARROW_RETURN_NOT_OK(CheckIsNew(statement, &does_nothing));
  if (does_nothing) return Status::OK();
  if (!statement.with.has_value()) {
    return WithSpan(Error(ErrorKind::kInvalidArgument,
                          "stream {} needs a connector: WITH (connector = 'file', path = '...')",
                          statement.name),
                    statement.name_span);
  }
  ARROW_ASSIGN_OR_RAISE(StreamDefinition definition, DefineStream(statement, files_));
  return OpenStream(std::move(definition), statement.with->span);
}

Status ApplicationBinder::OpenNamedSources(const Statement& statement) {
  if (!statement.with.has_value()) return Status::OK();
  const std::string target = statement.into.has_value() ? statement.into->name : statement.name;
  for (const std::string& name : NamesWithConnectors(*statement.with)) {
    if (EqualsIgnoringCase(name, target) || session_.FindEntry(name).has_value()) continue;
    ARROW_ASSIGN_OR_RAISE(StreamDefinition definition,
                          DefineStreamOf(name, *statement.with, files_));
    ARROW_RETURN_NOT_OK(OpenStream(std::move(definition), statement.with->span));
  }
  return Status::OK();
}

/// The query of a statement, without its sink. `options`, which may be null, may say what becomes
/// of late rows.
Result<StreamQuery> ApplicationBinder::BindQueryOf(const Statement& statement,
                                                   const ConnectorOptions* options) {
  StreamTerms terms;
  if (statement.emit.has_value()) terms.emits_final = statement.emit->is_final;
  if (options != nullptr) {
    OptionMap engine = options->engine_options;
    const Status taken = TakeLatePolicy(&engine, &terms.late, &terms.lateness_micros);
    ARROW_RETURN_NOT_OK(WithSpan(taken, statement.with->span));
  }
  Binder binder(session_, NoTables(), here().text, nullptr);
  binder.set_terms(terms);
  binder.set_versions(&versions_);
  ARROW_ASSIGN_OR_RAISE(KeyedQuery keyed, binder.BindKeyedQuery(*statement.query));
  StreamQuery query;
  query.plan = std::move(keyed.plan);
  query.key = std::move(keyed.key);
  if (!statement.columns.empty() && statement.kind != Kind::kInsert) {
    ARROW_ASSIGN_OR_RAISE(
        query.plan, WithColumnNames(std::move(query.plan), statement.columns, statement.name_span));
  }
  query.statement = statement_;
  query.annotations = here().annotations;
  const bool changes = query.plan->properties().change_mode != ChangeMode::kAppend;
  query.emit = changes ? EmitMode::kChanges : EmitMode::kFinal;
  NoteReads(binder.names_read(), &query);
  return query;
}

void ApplicationBinder::NoteReads(const NamesRead& names, StreamQuery* query) {
  query->streams = names.streams;
  for (const std::string& name : names.tables) {
    if (const std::optional<size_t> table = TableCalled(name)) query->tables.push_back(*table);
  }
  for (const std::string& name : names.views) {
    const auto derived = derived_.find(LowerCase(name));
    if (derived != derived_.end()) derived->second.is_read = true;
  }
}

std::optional<size_t> ApplicationBinder::TableCalled(const std::string& name) const {
  for (size_t i = 0; i < application_->tables.size(); ++i) {
    if (EqualsIgnoringCase(application_->tables[i].name, name)) return i;
  }
  return std::nullopt;
}

/// CREATE STREAM … AS: readers get its query, its connector the rows.
Status ApplicationBinder::BindDerivedStream(const Statement& statement) {
  bool does_nothing = false;
  ARROW_RETURN_NOT_OK(CheckIsNew(statement, &does_nothing));
  if (does_nothing) return Status::OK();
  ConnectorOptions options;
  if (statement.with.has_value()) {
    ARROW_ASSIGN_OR_RAISE(options, OptionsFor(statement.name, *statement.with, files_));
  }
  ARROW_ASSIGN_OR_RAISE(StreamQuery query,
                        BindQueryOf(statement, statement.with ? &options : nullptr));
  query.name = statement.name;
  query.sink = {statement.name, options.connector, options.options, options.engine_options, {}};
  ARROW_RETURN_NOT_OK(session_.CreateView(statement.name, ViewText(here(), statement)));
  if (statement.into.has_value()) {
    return WriteTo(statement.into->name, statement.into->span, {}, std::move(query));
  }
  if (!options.connector.empty()) {
    ARROW_RETURN_NOT_OK(CheckSink(query.sink, statement.with->span));
    return AddQuery(std::move(query));
  }
  if (!options.options.empty()) {
    return WithSpan(Error(ErrorKind::kInvalidArgument,
                          "options of a stream need a connector, such as connector = 'file'"),
                    statement.with->span);
  }
  derived_[LowerCase(statement.name)] = {std::move(query), false};
  return Status::OK();
}

Status ApplicationBinder::MakeTable(TableDefinition table, TextSpan span) {
  table.statement = statement_;
  Result<SourcePtr> made = makers_.make_table(table);
  if (!made.ok()) return WithSpan(made.status(), span);
  table.table = *std::move(made);
  ARROW_RETURN_NOT_OK(WithSpan(session_.CreateTable(table.name, table.table), span));
  application_->tables.push_back(std::move(table));
  return Status::OK();
}

/// Rows of a connector, or of INSERT, without a query.
namespace {

/// A field beside the columns of a table that tells whether the row of the key is gone.
Status AddDeletedField(const std::string& name, StreamDefinition* feed) {
  if (feed->schema == nullptr) {
    return Error(ErrorKind::kInvalidArgument,
                 "option deleted.field: the columns of the table are to be declared, and {} beside "
                 "them",
                 name);
  }
  if (feed->schema->GetFieldIndex(name) >= 0) {
    return Error(ErrorKind::kInvalidArgument,
                 "option deleted.field: {} is a column of the table; it is a field beside them",
                 name);
  }
  const int end = feed->schema->num_fields();
  return feed->schema->AddField(end, arrow::field(name, arrow::boolean())).Value(&feed->schema);
}

/// The last column, which tells whether a row is gone, becomes the column of changes.
Result<PlanPtr> PlanDeletes(PlanPtr rows) {
  const arrow::Schema& schema = *rows->schema();
  const int last = schema.num_fields() - 1;
  std::vector<NamedExpression> outputs;
  for (int i = 0; i < last; ++i) {
    outputs.push_back({ColumnOf(schema, i), schema.field(i)->name()});
  }
  const auto sign = [](int8_t value) {
    return Unbound::Literal(std::make_shared<arrow::Int8Scalar>(value));
  };
  const UnboundPtr change =
      Unbound::Call("case", {Unbound::Column({schema.field(last)->name()}), sign(-1), sign(1)});
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, headrace::Bind(*change, Scope(schema), Dialect::kSql));
  outputs.push_back({std::move(bound), kChangeColumn});
  return PlanProject(std::move(rows), std::move(outputs));
}

}  // namespace

Status ApplicationBinder::BindFeed(const Statement& statement, TableDefinition* table,
                                   StreamQuery* query) {
  if (!statement.with.has_value()) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(StreamDefinition feed, DefineStream(statement, files_));
  feed.feeds_table = true;
  std::string deleted;
  if (const auto found = feed.engine_options.extract("deleted.field"); !found.empty()) {
    deleted = found.mapped();
    ARROW_RETURN_NOT_OK(WithSpan(AddDeletedField(deleted, &feed), statement.with->span));
  }
  const auto open = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(feed.source, makers_.open_source(feed));
    ARROW_ASSIGN_OR_RAISE(const StreamDef entry, CatalogEntryOf(feed));
    ARROW_ASSIGN_OR_RAISE(query->plan, PlanScan(entry.source, entry.event_time));
    return deleted.empty() ? Status::OK() : PlanDeletes(query->plan).Value(&query->plan);
  };
  ARROW_RETURN_NOT_OK(WithSpan(open(), statement.with->span));
  if (table->schema == nullptr) table->schema = feed.source->schema();
  table->engine_options = std::move(feed.engine_options);
  return Status::OK();
}

Status ApplicationBinder::BindTable(const Statement& statement) {
  bool does_nothing = false;
  ARROW_RETURN_NOT_OK(CheckIsNew(statement, &does_nothing));
  if (does_nothing) return Status::OK();
  TableDefinition table;
  table.name = statement.name;
  ARROW_ASSIGN_OR_RAISE(table.schema, SchemaOf(statement));
  StreamQuery query;
  std::optional<SinkDefinition> copy;
  if (statement.query == nullptr) {
    ARROW_RETURN_NOT_OK(BindFeed(statement, &table, &query));
  } else {
    ConnectorOptions options;
    if (statement.with.has_value()) {
      ARROW_ASSIGN_OR_RAISE(options, OptionsFor(statement.name, *statement.with, files_));
    }
    ARROW_ASSIGN_OR_RAISE(query, BindQueryOf(statement, statement.with ? &options : nullptr));
    if (table.schema != nullptr) {
      Result<PlanPtr> rows = PlanForTable(query.plan, *table.schema, {}, statement.name);
      ARROW_RETURN_NOT_OK(WithSpan(rows.status(), statement.name_span));
      query.plan = *std::move(rows);
    }
    table.schema = query.plan->schema();
    table.key = query.key;
    table.engine_options = options.engine_options;
    if (!options.connector.empty()) {
      copy =
          SinkDefinition{statement.name + " changes", options.connector, options.options, {}, {}};
      ARROW_RETURN_NOT_OK(CheckSink(*copy, statement.with->span));
    }
  }
  if (!statement.primary_key.empty()) {
    ARROW_ASSIGN_OR_RAISE(table.key, KeyOf(statement, *table.schema));
  }
  if (table.key.empty()) return NeedsKey(statement);
  const std::vector<int> key = table.key;
  // A row of changes is no version of a table.
  const bool is_fed = statement.query == nullptr && query.plan != nullptr &&
                      query.plan->schema()->GetFieldIndex(kChangeColumn) < 0;
  if (is_fed) versions_[LowerCase(statement.name)] = {query.plan, key};
  ARROW_RETURN_NOT_OK(MakeTable(std::move(table), statement.name_span));
  if (query.plan == nullptr) return Status::OK();
  query.statement = statement_;
  query.annotations = here().annotations;
  query.key = key;
  query.name = statement.name;
  query.sink.name = statement.name;
  query.sink.table = application_->tables.size() - 1;
  if (copy.has_value()) {
    StreamQuery copied = query;
    copied.name = copy->name;
    copied.sink = *std::move(copy);
    ARROW_RETURN_NOT_OK(AddQuery(std::move(copied)));
  }
  return AddQuery(std::move(query));
}

Result<Application> BindApplication(Session& session, std::string_view text,
                                    const ApplicationMakers& makers) {
  ARROW_ASSIGN_OR_RAISE(Application application, ParseApplication(text));
  ApplicationBinder binder(session, makers, &application);
  try {
    for (size_t i = 0; i < application.statements.size(); ++i) {
      const Status bound = binder.BindNext(i);
      const ApplicationStatement& statement = application.statements[i];
      if (!bound.ok()) return WithCaret(bound, statement.text, statement.line);
    }
    ARROW_RETURN_NOT_OK(binder.Finish());
  } catch (const InvariantError& bug) {
    return Error(ErrorKind::kInternal, "{}", bug.what());
  }
  return application;
}

}  // namespace headrace::sql
