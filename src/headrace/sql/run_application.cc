// What statements name, made by the registry of connectors and as tables in memory.
#include "headrace/sql/run_application.h"

#include <algorithm>
#include <map>
#include <utility>

#include "arrow/type.h"
#include "headrace/base/ascii_case.h"
#include "headrace/connect/memory/keyed_table.h"
#include "headrace/connect/memory/table_sink.h"
#include "headrace/sql/annotations.h"
#include "headrace/sql/ast.h"
#include "headrace/sql/duration.h"
#include "headrace/sql/open_connector.h"
#include "headrace/sql/run_options.h"

namespace headrace::sql {
namespace {

class JobMaker {
 public:
  JobMaker(std::shared_ptr<Session> session, const std::string& base_directory,
           const ApplicationOptions& options)
      : session_(std::move(session)), base_directory_(base_directory), options_(options) {}

  ApplicationMakers Makers() {
    ApplicationMakers makers;
    makers.open_source = [this](const StreamDefinition& stream) {
      return OpenStreamSource(*session_, stream, base_directory_);
    };
    makers.make_table = [this](const TableDefinition& table) { return MakeTable(table); };
    makers.base_directory = base_directory_;
    return makers;
  }

  /// `results` gets the queues of queries without a sink.
  Result<std::vector<JobQuery>> QueriesOf(
      const Application& application,
      std::map<std::string, std::shared_ptr<ResultQueue>>* results) {
    std::map<size_t, std::string> fillers;  // of the tables: the query that writes each
    for (const StreamQuery& query : application.queries) {
      if (query.sink.table.has_value()) fillers[*query.sink.table] = query.name;
    }
    std::vector<JobQuery> queries;
    for (const StreamQuery& query : application.queries) {
      JobQuery& made = queries.emplace_back();
      made.name = query.name;
      made.plan = query.plan;
      for (const size_t table : query.tables) {
        if (const auto filler = fillers.find(table); filler != fillers.end()) {
          made.waits_for.push_back(filler->second);
        }
      }
      if (query.sink.table.has_value()) {
        FillTable(application.tables[*query.sink.table].name, &made);
        continue;
      }
      if (query.sink.connector.empty() && options_.takes_results) {
        made.results = (*results)[query.name] = std::make_shared<ResultQueue>();
        made.sink = MakeResultSink(made.results);
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(made.sink, CreateSink(query));
    }
    return queries;
  }

  /// The file of rows that cannot be decoded; null where no source puts any aside.
  Result<std::unique_ptr<Sink>> DeadLetterSinkOf(const Application& application) const {
    constexpr const char* kDefaultPath = "dead_letters.jsonl";
    std::optional<OptionMap> file;
    for (const StreamDefinition& stream : application.streams) {
      const bool puts_aside =
          Value(stream.options, "on_error", "fail") == "dlq" || stream.late == LatePolicy::kAside;
      if (!puts_aside) continue;
      const OptionMap options = {{"path", Value(stream.engine_options, "dlq.path", kDefaultPath)},
                                 {"format", Value(stream.engine_options, "dlq.format", "json")}};
      if (file.has_value() && *file != options) {
        return Error(ErrorKind::kUnsupported,
                     "a job has one file of dead letters, got dlq.path = '{}' and '{}'",
                     file->at("path"), options.at("path"));
      }
      file = options;
    }
    if (!file.has_value()) return nullptr;
    SinkDefinition sink;
    sink.name = "dead letters";
    sink.connector = "file";
    sink.options = *file;
    return CreateStreamSink(*session_, sink, {}, base_directory_);
  }

 private:
  static std::string Value(const OptionMap& options, const std::string& name,
                           const char* fallback) {
    const auto found = options.find(name);
    return found == options.end() ? fallback : found->second;
  }

  Result<SourcePtr> MakeTable(const TableDefinition& definition) {
    KeyedTableOptions options;
    options.budget = session_->MakeTableBudget("table " + definition.name);
    options.spill = session_->table_spill();
    options.pool = session_->pool();
    options.clock = &session_->clock();
    if (const auto found = definition.engine_options.find("retention");
        found != definition.engine_options.end()) {
      options.retention_micros = ReadDuration(found->second);
      if (!options.retention_micros.has_value()) {
        return Error(ErrorKind::kInvalidArgument,
                     "the retention of table {} is a length of time such as '7 days', got '{}'",
                     definition.name, found->second);
      }
    }
    ARROW_ASSIGN_OR_RAISE(auto table, KeyedTable::Make(definition.name, definition.schema,
                                                       definition.key, std::move(options)));
    Table& made = tables_[definition.name];
    made.table = table;
    ARROW_ASSIGN_OR_RAISE(made.stand_in, MakeStandIn(definition, table));
    ARROW_ASSIGN_OR_RAISE(made.readiness, ReadReadiness(definition, options_.table_wait_micros));
    ARROW_ASSIGN_OR_RAISE(made.alerts, ReadTableAlerts(definition));
    if (made.stand_in != nullptr) return made.stand_in;
    return table;
  }

  void FillTable(const std::string& name, JobQuery* query) const {
    const Table& made = tables_.at(name);
    query->table = made.table;
    query->stand_in = made.stand_in;
    query->readiness = made.readiness;
    query->alerts = made.alerts;
    query->sink = std::make_unique<TableSink>(made.table);
  }

  Result<std::unique_ptr<Sink>> CreateSink(const StreamQuery& query) const {
    std::vector<std::string> key;
    for (const int column : query.key) key.push_back(query.plan->schema()->field(column)->name());
    SinkDefinition sink = query.sink;
    if (sink.connector.empty()) sink.connector = "stdout";
    return CreateStreamSink(*session_, sink, std::move(key), base_directory_);
  }

  struct Table {
    std::shared_ptr<KeyedTable> table;
    std::shared_ptr<StandInTable> stand_in;
    ReadinessTerms readiness;
    TableAlertTerms alerts;
  };

  const std::shared_ptr<Session> session_;
  const std::string base_directory_;
  const ApplicationOptions& options_;
  std::map<std::string, Table> tables_;
};

/// Takes the entries that are new out of the catalog again, unless they are kept.
class NewEntries {
 public:
  explicit NewEntries(Session& session) : session_(session), before_(session.TableNames()) {}
  ~NewEntries() {
    if (keep_) return;
    for (const std::string& name : Names()) Forget(session_, name);
  }
  NewEntries(const NewEntries&) = delete;
  NewEntries& operator=(const NewEntries&) = delete;

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    const std::vector<std::string> now = session_.TableNames();
    std::set_difference(now.begin(), now.end(), before_.begin(), before_.end(),
                        std::back_inserter(names));
    return names;
  }
  std::vector<std::string> Keep() {
    keep_ = true;
    return Names();
  }
  static void Forget(Session& session, const std::string& name) {
    if (const auto kind = session.FindEntry(name)) (void)session.Drop(name, *kind);
  }

 private:
  Session& session_;
  const std::vector<std::string> before_;
  bool keep_ = false;
};

/// Entries of jobs that have ended make room for those that the statements create.
Status MakeRoom(Session& session, std::string_view text, const std::set<std::string>& replaceable) {
  if (replaceable.empty()) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const Application parsed, ParseApplication(text));
  for (const ApplicationStatement& statement : parsed.statements) {
    for (const std::string& name : replaceable) {
      if (EqualsIgnoringCase(name, statement.parsed->name)) NewEntries::Forget(session, name);
    }
  }
  return Status::OK();
}

}  // namespace

Result<ApplicationJob> MakeApplicationJob(const std::shared_ptr<Session>& session,
                                          std::string_view text, const std::string& base_directory,
                                          ApplicationOptions options) {
  ARROW_RETURN_NOT_OK(MakeRoom(*session, text, options.replaceable));
  NewEntries entries(*session);
  JobMaker maker(session, base_directory, options);
  ApplicationJob made;
  ARROW_ASSIGN_OR_RAISE(made.application, BindApplication(*session, text, maker.Makers()));
  if (made.application.queries.empty()) {
    return Error(
        ErrorKind::kInvalidArgument,
        "no statement of the file keeps running: write CREATE SINK … AS SELECT, INSERT INTO "
        "… SELECT or CREATE TABLE … WITH (connector = …)");
  }
  ARROW_ASSIGN_OR_RAISE(auto queries, maker.QueriesOf(made.application, &made.results));
  ARROW_ASSIGN_OR_RAISE(options.job.dead_letters, maker.DeadLetterSinkOf(made.application));
  ARROW_ASSIGN_OR_RAISE(options.job.alerts, ReadAlerts(options.alerts));
  if (options.job.name.empty()) options.job.name = JobNameOf(made.application);
  if (options.job.name.empty()) options.job.name = options.default_name;
  options.job.properties = PropertiesOf(made.application);
  ARROW_ASSIGN_OR_RAISE(made.job, Job::Make(session, std::move(queries), std::move(options.job)));
  made.entries = entries.Keep();
  return made;
}

}  // namespace headrace::sql
