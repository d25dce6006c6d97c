// Where the rows of an application go: sinks, streams and tables that queries write to.
#include <algorithm>

#include "headrace/base/ascii_case.h"
#include "headrace/sql/application_binder.h"
#include "headrace/sql/sink_uri.h"
#include "headrace/sql/sql.h"

namespace headrace::sql {

Status ApplicationBinder::CheckSink(const SinkDefinition& sink, TextSpan span) const {
  if (makers_.check_sink == nullptr) return Status::OK();
  return WithSpan(makers_.check_sink(sink), span);
}

Result<SinkDefinition> ApplicationBinder::SinkOf(const std::string& name,
                                                 const StreamOptions& with) {
  ARROW_ASSIGN_OR_RAISE(ConnectorOptions options, OptionsFor(name, with, files_));
  if (options.connector.empty()) {
    return WithSpan(Error(ErrorKind::kInvalidArgument,
                          "a sink needs a connector: WITH (connector = 'file', path = '...')"),
                    with.span);
  }
  SinkDefinition sink{name, options.connector, options.options, options.engine_options, {}};
  ARROW_RETURN_NOT_OK(CheckSink(sink, with.span));
  return sink;
}

Status ApplicationBinder::BindSink(const Statement& statement) {
  bool does_nothing = false;
  ARROW_RETURN_NOT_OK(CheckIsNew(statement, &does_nothing));
  if (does_nothing) return Status::OK();
  if (!statement.with.has_value()) {
    return WithSpan(
        Error(ErrorKind::kInvalidArgument,
              "sink {} needs a connector: WITH (connector = 'file', path = '...')", statement.name),
        statement.name_span);
  }
  DeclaredSink declared;
  ARROW_ASSIGN_OR_RAISE(declared.sink, SinkOf(statement.name, *statement.with));
  ARROW_ASSIGN_OR_RAISE(declared.schema, SchemaOf(statement));
  if (declared.schema != nullptr) {
    ARROW_ASSIGN_OR_RAISE(declared.key, KeyOf(statement, *declared.schema));
  }
  sinks_[LowerCase(statement.name)] = std::move(declared);
  if (statement.query == nullptr) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const ConnectorOptions options,
                        OptionsFor(statement.name, *statement.with, files_));
  ARROW_ASSIGN_OR_RAISE(StreamQuery query, BindQueryOf(statement, &options));
  return WriteTo(statement.name, statement.name_span, {}, std::move(query));
}

Status ApplicationBinder::CheckNoOptions(const std::string& name,
                                         const Statement& statement) const {
  if (!statement.with.has_value()) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const ConnectorOptions options, OptionsFor(name, *statement.with, files_));
  if (options.connector.empty() && options.options.empty() && options.engine_options.empty()) {
    return Status::OK();
  }
  return WithSpan(Error(ErrorKind::kInvalidArgument,
                        "{} is declared with its options; WITH says no more of it here", name),
                  statement.with->span);
}

Status ApplicationBinder::BindInsert(const Statement& statement) {
  ARROW_RETURN_NOT_OK(CheckNoOptions(statement.name, statement));
  ARROW_ASSIGN_OR_RAISE(StreamQuery query, BindQueryOf(statement, nullptr));
  return WriteTo(statement.name, statement.name_span, statement.columns, std::move(query));
}

/// SELECT … INTO sink, or to the standard output.
Status ApplicationBinder::BindSelect(const Statement& statement) {
  if (statement.into.has_value()) {
    const IntoClause& into = *statement.into;
    const std::string key = LowerCase(into.name);
    if (into.is_uri) {
      Result<SinkDefinition> sink = SinkOfUri(into.name);
      if (!sink.ok()) return WithSpan(sink.status(), into.span);
      ARROW_RETURN_NOT_OK(CheckSink(*sink, into.span));
      sinks_[key] = {*std::move(sink), nullptr, {}};
    } else if (sinks_.contains(key) || TableCalled(into.name).has_value()) {
      ARROW_RETURN_NOT_OK(CheckNoOptions(into.name, statement));
    } else if (statement.with.has_value()) {
      ARROW_ASSIGN_OR_RAISE(sinks_[key].sink, SinkOf(into.name, *statement.with));
    }
    ARROW_ASSIGN_OR_RAISE(StreamQuery query, BindQueryOf(statement, nullptr));
    return WriteTo(into.name, into.span, {}, std::move(query));
  }
  SinkDefinition sink;
  sink.name = fmt::format("query {}", statement_ + 1);
  if (statement.with.has_value()) {
    ARROW_ASSIGN_OR_RAISE(ConnectorOptions options, OptionsFor(sink.name, *statement.with, files_));
    sink.connector = options.connector.empty() ? "stdout" : options.connector;
    sink.options = std::move(options.options);
    sink.engine_options = std::move(options.engine_options);
    ARROW_RETURN_NOT_OK(CheckSink(sink, statement.with->span));
  }
  ARROW_ASSIGN_OR_RAISE(StreamQuery query, BindQueryOf(statement, nullptr));
  query.name = sink.name;
  query.sink = std::move(sink);
  return AddQuery(std::move(query));
}

/// A stream that is written to: its connector takes rows as well as it gives them.
Status ApplicationBinder::DeclareStreamAsSink(const std::string& name, TextSpan span) {
  if (sinks_.contains(LowerCase(name))) return Status::OK();
  for (const StreamDefinition& stream : application_->streams) {
    if (!EqualsIgnoringCase(stream.name, name)) continue;
    DeclaredSink declared;
    declared.sink = {stream.name, stream.connector, stream.options, stream.engine_options, {}};
    declared.schema = stream.schema != nullptr ? stream.schema : stream.source->schema();
    ARROW_RETURN_NOT_OK(CheckSink(declared.sink, span));
    sinks_[LowerCase(name)] = std::move(declared);
  }
  return Status::OK();
}

/// Rows for the sink, stream or table called `name`; `columns` as INSERT names them.
Status ApplicationBinder::WriteTo(const std::string& name, TextSpan span,
                                  const std::vector<std::string>& columns, StreamQuery query) {
  ARROW_RETURN_NOT_OK(DeclareStreamAsSink(name, span));
  const auto declared = sinks_.find(LowerCase(name));
  const std::optional<size_t> table = TableCalled(name);
  if (declared == sinks_.end() && !table.has_value()) {
    std::vector<std::string> names;
    for (const auto& [known, sink] : sinks_) names.push_back(sink.sink.name);
    for (const TableDefinition& known : application_->tables) names.push_back(known.name);
    for (const StreamDefinition& known : application_->streams) names.push_back(known.name);
    const std::string nearest = NearestName(name, names);
    return WithSpan(
        Error(ErrorKind::kUnknownName, "no sink, stream or table is named \"{}\"{}", name,
              nearest.empty() ? ": CREATE SINK declares one"
                              : fmt::format("; did you mean {}?", nearest)),
        span);
  }
  const bool is_sink = declared != sinks_.end();
  SchemaPtr schema = is_sink ? declared->second.schema : application_->tables[*table].schema;
  if (schema == nullptr && !columns.empty()) {
    return WithSpan(Error(ErrorKind::kUnsupported,
                          "a list of columns goes with a sink whose columns are declared"),
                    span);
  }
  if (schema != nullptr) {
    Result<PlanPtr> rows = PlanForTable(query.plan, *schema, columns, name);
    ARROW_RETURN_NOT_OK(WithSpan(rows.status(), span));
    query.plan = *std::move(rows);
    if (!columns.empty()) query.key.clear();
  }
  if (is_sink) {
    query.sink = declared->second.sink;
    if (!declared->second.key.empty()) query.key = declared->second.key;
    if (schema == nullptr) declared->second.schema = query.plan->schema();
  } else {
    query.sink.name = application_->tables[*table].name;
    query.sink.table = table;
    query.key = application_->tables[*table].key;
  }
  query.name = query.sink.name;
  Status added = AddQuery(std::move(query));
  return WithSpan(added, span);
}

/// A stream that the application reads is not written by it: its files would be both.
Status ApplicationBinder::CheckNotRead(const StreamQuery& query) const {
  for (const std::string& stream : query.streams) {
    const auto written = sinks_.find(LowerCase(stream));
    if (written == sinks_.end()) continue;
    return Error(ErrorKind::kUnsupported,
                 "stream {} is read and written by one application; read what goes into it: CREATE "
                 "STREAM … AS SELECT … WITH (connector = …) is both",
                 written->second.sink.name);
  }
  return Status::OK();
}

/// The queries into one sink are one.
Status ApplicationBinder::AddQuery(StreamQuery query) {
  ARROW_RETURN_NOT_OK(CheckNotRead(query));
  for (const StreamQuery& known : application_->queries) ARROW_RETURN_NOT_OK(CheckNotRead(known));
  for (StreamQuery& known : application_->queries) {
    if (!EqualsIgnoringCase(known.name, query.name)) continue;
    ARROW_ASSIGN_OR_RAISE(known.plan, PlanUnion({known.plan, query.plan}));
    if (known.key != query.key) known.key.clear();
    if (query.emit == EmitMode::kChanges) known.emit = query.emit;
    for (const size_t table : query.tables) {
      if (std::count(known.tables.begin(), known.tables.end(), table) == 0) {
        known.tables.push_back(table);
      }
    }
    for (const std::string& stream : query.streams) {
      if (std::count(known.streams.begin(), known.streams.end(), stream) == 0) {
        known.streams.push_back(stream);
      }
    }
    return Status::OK();
  }
  application_->queries.push_back(std::move(query));
  return Status::OK();
}

}  // namespace headrace::sql
