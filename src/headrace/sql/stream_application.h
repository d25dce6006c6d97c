// A file of streaming statements as plain data: what it declares, and which queries keep running.
// Whoever runs it (engine/job.h) opens sinks and starts the queries; nothing is started here.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/engine/session.h"

namespace headrace::sql {

struct Statement;

/// `-- @name: value` or `-- @name value`, in a comment of its own line; the name in lower case.
struct Annotation {
  std::string name;
  std::string value;
  TextSpan span;  // in the file
};

/// One statement of the file. `text` is that of the file at `span`; it begins in line `line`, from
/// 1. Its annotations are those between the statement before and this one.
struct ApplicationStatement {
  std::string text;
  TextSpan span;
  int64_t line = 1;
  std::vector<Annotation> annotations;
  std::shared_ptr<const Statement> parsed;
};

/// How the event time of a stream goes on; from WATERMARK FOR or from options (watermark.…).
struct WatermarkDefinition {
  std::string column;
  int64_t delay_micros = 0;  // 0: times ascend
  std::string punctuation;   // a boolean column; "": every row moves the watermark
  /// Not given: the engine's own.
  std::optional<int64_t> idle_timeout_micros;
  std::optional<int64_t> future_skew_max_micros;
};

/// CREATE STREAM | SOURCE name (…) WITH (…), or the connector of a table. A stream with a query is
/// no definition of this kind: whoever names it gets its query.
struct StreamDefinition {
  std::string name;
  /// As declared; null: the connector tells.
  SchemaPtr schema;
  std::optional<WatermarkDefinition> watermark;
  LatePolicy late = LatePolicy::kDrop;
  int64_t lateness_micros = 0;
  std::string connector;
  /// For the connector: without those that are the engine's (below, and those of the watermark).
  OptionMap options;
  /// Options of the engine, by name: on_error, max_errors, dlq.path …; see IsEngineOption.
  OptionMap engine_options;
  bool feeds_table = false;  // it is read to fill a table: its end, if it has one, loads the table
  SourcePtr source;          // as opened
  size_t statement = 0;
};

/// CREATE TABLE | MATERIALIZED VIEW with a primary key: the latest row of each key.
struct TableDefinition {
  std::string name;
  SchemaPtr schema;
  std::vector<int> key;  // columns of the schema, at least one
  /// retention, table.wait.timeout, on_not_ready …; see IsEngineOption.
  OptionMap engine_options;
  SourcePtr table;  // as made; readable, with a Lookup
  size_t statement = 0;
};

/// What a query writes to.
struct SinkDefinition {
  std::string name;
  /// "" where the rows go to a table, or to whoever runs the query: the standard output.
  std::string connector;
  OptionMap options;
  OptionMap engine_options;
  std::optional<size_t> table;  // index in Application::tables
};

enum class EmitMode {
  kChanges,  // every change of a result, at once
  kFinal,    // results that do not change again: of closed windows, or at the end
};

/// A query that runs until its inputs end. All queries into one sink are one, by UNION ALL.
struct StreamQuery {
  std::string name;  // that of its sink; no other query has it
  PlanPtr plan;      // gives the columns of the sink, in its order and types
  SinkDefinition sink;
  EmitMode emit = EmitMode::kChanges;
  /// Columns of the plan that tell results apart: those marked PRIMARY KEY, else the groups; empty
  /// where rows are only added.
  std::vector<int> key;
  /// What it reads, also through views and subqueries: indexes in Application::tables, and names of
  /// streams.
  std::vector<size_t> tables;
  std::vector<std::string> streams;
  std::vector<Annotation> annotations;
  size_t statement = 0;  // the first that made it
};

/// In the order of the file. Bound in that order too: what a statement names stands before it.
struct Application {
  std::vector<Annotation>
      annotations;  // of the file: before the first statement, after a blank line
  std::vector<ApplicationStatement> statements;
  std::vector<StreamDefinition> streams;
  std::vector<TableDefinition> tables;
  /// One per table and one per sink. That of a table with a connector is a scan of its source.
  std::vector<StreamQuery> queries;
};

/// Who makes what the statements name.
struct ApplicationMakers {
  /// The source of a stream, or of a table with a connector (`name`, `schema`, `connector` and
  /// `options` are set). It says that it has no end, if it is to be read as a stream.
  std::function<Result<SourcePtr>(const StreamDefinition&)> open_source;
  /// An empty table of this schema and key, which the queries read through its Lookup.
  std::function<Result<SourcePtr>(const TableDefinition&)> make_table;
  /// Whether there is such a sink and it takes these options; nothing is written yet. May be null.
  std::function<Status(const SinkDefinition&)> check_sink;
  /// The folder of the file: `config_file` and `extends` are read from there.
  std::string base_directory;
  /// The value of an environment variable for ${NAME} in those; null: those of the process.
  std::function<std::optional<std::string>(const std::string&)> environment;
};

/// The statements of `text` with their annotations, not parsed.
Result<Application> SplitApplication(std::string_view text);
/// Splits and parses; nothing is bound. Errors quote the line with a caret.
Result<Application> ParseApplication(std::string_view text);

/// Parses and binds `text`. Streams and tables become entries of the session's catalog, views too;
/// SET changes the session's settings. Errors quote the line with a caret.
Result<Application> BindApplication(Session& session, std::string_view text,
                                    const ApplicationMakers& makers);

/// Whether an option of WITH is the engine's, not the connector's.
bool IsEngineOption(std::string_view name);

}  // namespace headrace::sql
