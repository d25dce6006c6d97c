// Sessions, tables and SQL for Python.
#include "headrace/python/session.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <unistd.h>

#include <map>
#include <utility>
#include <vector>

#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "arrow/scalar.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/engine/result_cache.h"
#include "headrace/engine/stored_table.h"
#include "headrace/plan/builder.h"
#include "headrace/python/callback.h"
#include "headrace/python/error.h"
#include "headrace/python/exchange.h"
#include "headrace/python/plan.h"
#include "headrace/python/poll.h"
#include "headrace/python/stream_table.h"
#include "headrace/sql/sql.h"

namespace headrace::python {
namespace {

using Tables = std::map<std::string, PlanHandle>;

/// Runs a statement that is done when it returns (COPY, EXPLAIN); a plan over the rows it gave.
Result<PlanPtr> RunAtOnce(Session& session, sql::BoundStatement statement, const Poll& poll) {
  ARROW_ASSIGN_OR_RAISE(Cursor cursor, sql::Run(session, std::move(statement), poll));
  cursor.set_poll(poll);
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, cursor.Next());
    if (batch == nullptr) break;
    batches.push_back(std::move(batch));
  }
  ARROW_ASSIGN_OR_RAISE(auto table, MemoryTable::Make(cursor.schema(), std::move(batches)));
  return PlanScan(std::move(table));
}

/// Arrays of one cell each, as literals.
sql::Parameters ParametersOf(const std::vector<nb::object>& positional,
                             const std::map<std::string, nb::object>& named) {
  sql::Parameters parameters;
  const auto value_of = [](const nb::object& cell) {
    ArrayPtr array = ImportArray(cell);
    return CallEngine([&] { return array->GetScalar(0); });
  };
  for (const nb::object& cell : positional) parameters.positional.push_back(value_of(cell));
  for (const auto& [name, cell] : named) parameters.named.emplace(name, value_of(cell));
  return parameters;
}

/// All statements of `text`; those before the last run now.
PlanHandle Sql(const std::shared_ptr<SessionHandle>& self, const std::string& text,
               const Tables& tables, nb::object progress, const std::vector<nb::object>& positional,
               const std::map<std::string, nb::object>& named) {
  Session& session = self->Get();
  const Poll poll = MakePoll(std::move(progress));
  sql::ExtraTables plans;
  Callbacks callbacks;
  for (const auto& [name, table] : tables) {
    plans.emplace(name, table.plan);
    Merge(table.callbacks, &callbacks);
  }
  const sql::Parameters parameters = ParametersOf(positional, named);
  PlanPtr plan = CallEngine([&]() -> Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(std::vector<sql::ScriptStatement> script, sql::SplitScript(text));
    if (script.size() <= 1) script = {{text, 1}};
    for (size_t i = 0;; ++i) {
      ARROW_ASSIGN_OR_RAISE(
          sql::BoundStatement statement,
          sql::Bind(session, script[i].text, plans, script[i].line, parameters, poll));
      const bool is_last = i + 1 == script.size();
      if (is_last && statement.kind == sql::BoundStatement::Kind::kQuery) return statement.plan;
      ARROW_ASSIGN_OR_RAISE(PlanPtr rows, RunAtOnce(session, std::move(statement), poll));
      if (is_last) return rows;
    }
  });
  return {self, std::move(plan), std::move(callbacks)};
}

PlanHandle Scan(const std::shared_ptr<SessionHandle>& self, const std::vector<std::string>& paths,
                const std::map<std::string, std::string>& options) {
  Session& session = self->Get();
  const OptionMap option_map(options.begin(), options.end());
  PlanPtr plan = CallEngine([&]() -> Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(SourcePtr source, session.OpenFiles(paths, option_map));
    return PlanScan(std::move(source));
  });
  return {self, std::move(plan), {}};
}

PlanHandle ScanTable(const std::shared_ptr<SessionHandle>& self, const TableHandle& table) {
  self->Get();
  return {self, CallEngine([&] { return PlanScan(table.source); }), {}};
}

TableHandle FindTable(const SessionHandle& self, const std::string& name) {
  Session& session = self.Get();
  return {CallEngine([&] { return session.FindTable(name); })};
}

/// The rows of a plan of this session as a table of it.
TableHandle Store(const SessionHandle& self, const PlanHandle& plan, const std::string& name,
                  nb::object progress) {
  Session& session = self.Get();
  const Poll poll = MakePoll(std::move(progress));
  return {CallEngine(
      [&]() -> Result<SourcePtr> { return StoreTable(session, plan.plan, name, poll); })};
}

void Register(const SessionHandle& self, const std::string& name, const TableHandle& table) {
  Session& session = self.Get();
  CallEngine([&] { return session.Register(name, table.source); });
}

void Unregister(const SessionHandle& self, const std::string& name) {
  Session& session = self.Get();
  CallEngine([&] { return session.Unregister(name); });
}

nb::typed<nb::dict, nb::str, nb::any> SettingsOf(const SessionHandle& self) {
  const Settings settings = self.Get().settings();
  nb::typed<nb::dict, nb::str, nb::any> out;
  for (const Setting& setting : AllSettings()) {
    std::visit([&](auto field) { out[setting.name] = settings.*field; }, setting.field);
  }
  return out;
}

nb::typed<nb::dict, nb::str, nb::int_> SessionMetricsOf(const SessionHandle& self) {
  const SessionMetrics metrics = self.Get().metrics();
  nb::typed<nb::dict, nb::str, nb::int_> out;
  out["queries_started"] = metrics.queries_started;
  out["queries_running"] = metrics.queries_running;
  out["memory_limit"] = metrics.memory_limit;
  out["memory_bytes"] = metrics.memory_bytes;
  out["peak_memory_bytes"] = metrics.peak_memory_bytes;
  out["pool_bytes"] = metrics.pool_bytes;
  out["table_bytes"] = metrics.table_bytes;
  out["table_disk_bytes"] = metrics.table_disk_bytes;
  out["spilled_bytes"] = metrics.spilled_bytes;
  out["cached_results"] = metrics.cached_results;
  out["cached_bytes"] = metrics.cached_bytes;
  out["cache_hits"] = metrics.cache_hits;
  out["cache_misses"] = metrics.cache_misses;
  out["cache_evictions"] = metrics.cache_evictions;
  return out;
}

/// A table in memory from what offers Arrow data, which is not copied.
TableHandle MakeTable(nb::handle data) {
  ImportedTable imported = ImportTable(data);
  return {
      CallEngine([&] { return MemoryTable::Make(imported.schema, std::move(imported.batches)); })};
}

}  // namespace

std::shared_ptr<SessionHandle> SessionHandle::Make(const OptionMap& options) {
  auto session = CallEngine([&]() -> Result<std::shared_ptr<Session>> {
    ARROW_ASSIGN_OR_RAISE(Settings settings, Settings::FromOptions(options));
    settings.poll = PollSignals;
    ARROW_ASSIGN_OR_RAISE(auto made, Session::Make(settings));
    made->SetCallbackFunction(EvaluateCallback);
    return made;
  });
  return std::make_shared<SessionHandle>(std::move(session));
}

SessionHandle::SessionHandle(std::shared_ptr<Session> session)
    : session_(std::move(session)), process_(getpid()) {}

SessionHandle::~SessionHandle() {
  if (!InItsProcess()) {
    new std::shared_ptr<Session>(std::move(session_));  // its threads are not here: left as it is
    return;
  }
  Close();
}

Session& SessionHandle::Get() const {
  if (!InItsProcess()) {
    RaiseUnlessOk(Error(ErrorKind::kInvalidArgument,
                        "the session was made before this process forked; make one in the child"));
  }
  if (session_ == nullptr) {
    RaiseUnlessOk(
        Error(ErrorKind::kInvalidArgument,
              "the session is closed: read its cursors before, or make another hr.Session(…)"));
  }
  return *session_;
}

bool SessionHandle::InItsProcess() const { return getpid() == process_; }

void SessionHandle::Close() {
  std::shared_ptr<Session> last = std::move(session_);
  session_ = nullptr;
  if (last == nullptr || !InItsProcess()) return;
  if (nb::is_alive() && PyGILState_Check() != 0) {
    nb::gil_scoped_release release;
    last.reset();
  }
}

void AddSessionClasses(nb::module_& module) {
  nb::class_<TableHandle>(module, "Table");
  module.def("make_table", &MakeTable, nb::arg("data"));
  module.def(
      "make_stream_table",
      [](nb::object data, bool reads_once, nb::object schema) {
        return TableHandle{MakeStreamTable(std::move(data), reads_once, std::move(schema))};
      },
      nb::arg("data"), nb::arg("reads_once"), nb::arg("schema").none());
  module.def("stop_stream_readers", &StopStreamReaders);
  nb::class_<SessionHandle>(module, "Session")
      .def("sql", &Sql, nb::arg("text"), nb::arg("tables"), nb::arg("progress") = nb::none(),
           nb::arg("positional") = std::vector<nb::object>(),
           nb::arg("named") = std::map<std::string, nb::object>())
      .def(
          "set_progress_mode",
          [](SessionHandle& self, std::string mode) { self.progress_mode = std::move(mode); },
          nb::arg("mode"))
      .def("progress_mode", [](const SessionHandle& self) { return self.progress_mode; })
      .def("scan", &Scan, nb::arg("paths"), nb::arg("options"))
      .def("scan_table", &ScanTable, nb::arg("table"))
      .def("find_table", &FindTable, nb::arg("name"))
      .def("store", &Store, nb::arg("plan"), nb::arg("name"), nb::arg("progress") = nb::none())
      .def("owns", [](const SessionHandle& self,
                      const PlanHandle& plan) { return plan.session.get() == &self; })
      .def("register", &Register, nb::arg("name"), nb::arg("table"))
      .def("unregister", &Unregister, nb::arg("name"))
      .def("table_names", [](const SessionHandle& self) { return self.Get().TableNames(); })
      .def("settings", &SettingsOf)
      .def("metrics", &SessionMetricsOf)
      .def("clear_cache", [](const SessionHandle& self) { self.Get().result_cache()->Clear(); })
      .def("close", &SessionHandle::Close);
  module.def(
      "open_session",
      [](const std::map<std::string, std::string>& options) {
        return SessionHandle::Make(OptionMap(options.begin(), options.end()));
      },
      nb::arg("options"));
}

}  // namespace headrace::python
