// Jobs in the background: the thread, waiting, status as dictionaries, results batch by batch.
#include "headrace/python/job.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "arrow/record_batch.h"
#include "headrace/python/error.h"
#include "headrace/python/exchange.h"
#include "headrace/sql/duration.h"

namespace headrace::python {
namespace {

using Dict = nb::typed<nb::dict, nb::str, nb::any>;
constexpr double kMicros = 1e6;

double Seconds(int64_t micros) { return static_cast<double>(micros) / kMicros; }

nb::object SecondsOrNone(std::optional<int64_t> micros) {
  return micros.has_value() ? nb::cast(Seconds(*micros)) : nb::none();
}

Dict TableDict(const std::string& name, const JobTableStatus& table) {
  Dict out;
  out["name"] = name;
  out["state"] = NameOf(table.state);
  out["rows"] = table.rows;
  out["memory_bytes"] = table.memory_bytes;
  out["rows_read"] = table.rows_read;
  out["bytes_read"] = table.bytes_read;
  out["rows_total"] = table.rows_total;
  out["bytes_total"] = table.bytes_total;
  out["rows_per_second"] = table.rows_per_second();
  out["load_seconds"] = Seconds(table.load_micros);
  out["eta_seconds"] = SecondsOrNone(table.eta_micros);
  out["retries"] = table.retries;
  out["rows_skipped"] = table.rows_skipped;
  out["rows_with_defaults"] = table.rows_with_defaults;
  out["rows_with_nulls"] = table.rows_with_nulls;
  return out;
}

Dict QueryDict(const JobQueryStatus& query) {
  Dict out;
  out["name"] = query.name;
  out["state"] = NameOf(query.state);
  out["rows_in"] = query.rows_read;
  out["rows_out"] = query.rows_out;
  out["filtered_rows"] = query.filtered_rows;
  out["late_rows"] = query.late_rows;
  out["untimed_rows"] = query.untimed_rows;
  out["rejected_rows"] = query.rejected_rows;
  return out;
}

Dict AlertDict(const JobAlert& alert) {
  Dict out;
  out["query"] = alert.query;
  out["what"] = alert.what;
  out["value"] = alert.value;
  out["threshold"] = alert.threshold;
  out["text"] = alert.text;
  return out;
}

Dict StatusDict(const JobHandle& self) {
  const JobStatus status = self.status();
  Dict out;
  out["name"] = status.name;
  out["state"] = NameOf(status.state);
  out["error"] = status.error.empty() ? nb::none() : nb::cast(status.error);
  out["epoch"] = status.epoch;
  out["seconds"] = Seconds(status.run_micros);
  out["dead_letters"] = status.dead_letters;
  Dict properties;
  for (const auto& [key, value] : status.properties) properties[key.c_str()] = value;
  out["properties"] = properties;
  nb::list queries;
  nb::list tables;
  for (const JobQueryStatus& query : status.queries) {
    queries.append(QueryDict(query));
    if (query.table.has_value()) tables.append(TableDict(query.name, *query.table));
  }
  out["queries"] = queries;
  out["tables"] = tables;
  nb::list alerts;
  for (const JobAlert& alert : status.alerts) alerts.append(AlertDict(alert));
  out["alerts"] = alerts;
  return out;
}

Result<sql::ApplicationOptions> OptionsOf(const OptionMap& given,
                                          std::vector<std::string> drop_state,
                                          std::vector<std::string> replaceable) {
  sql::ApplicationOptions options;
  OptionReader reader("hr.stream.run", given);
  ARROW_ASSIGN_OR_RAISE(options.job.name, reader.Text("name", ""));
  ARROW_ASSIGN_OR_RAISE(options.default_name, reader.Text("default_name", ""));
  ARROW_ASSIGN_OR_RAISE(options.job.checkpoint_directory, reader.Text("state_dir", ""));
  constexpr int64_t kDayMicros = 86'400'000'000;
  ARROW_ASSIGN_OR_RAISE(
      options.job.checkpoint_interval_micros,
      reader.Integer("checkpoint_micros", options.job.checkpoint_interval_micros, 1, kDayMicros));
  ARROW_ASSIGN_OR_RAISE(options.job.state.allow_rebuild, reader.Flag("allow_rebuild", false));
  ARROW_ASSIGN_OR_RAISE(const int64_t wait, reader.Integer("table_wait_micros", -1, -1, INT64_MAX));
  if (wait >= 0) options.table_wait_micros = wait;
  ARROW_RETURN_NOT_OK(reader.Finish());
  options.job.state.drop = {drop_state.begin(), drop_state.end()};
  options.replaceable = {replaceable.begin(), replaceable.end()};
  options.takes_results = true;
  return options;
}

std::shared_ptr<JobHandle> StartJob(const std::shared_ptr<SessionHandle>& self,
                                    const std::string& text, const std::string& folder,
                                    const std::map<std::string, std::string>& options,
                                    const std::map<std::string, std::string>& alerts,
                                    std::vector<std::string> drop_state,
                                    std::vector<std::string> replaceable) {
  const std::shared_ptr<Session> session = self->Get().shared_from_this();
  return CallEngine([&]() -> Result<std::shared_ptr<JobHandle>> {
    ARROW_ASSIGN_OR_RAISE(auto read, OptionsOf(OptionMap(options.begin(), options.end()),
                                               std::move(drop_state), std::move(replaceable)));
    read.alerts = OptionMap(alerts.begin(), alerts.end());
    ARROW_ASSIGN_OR_RAISE(auto made,
                          sql::MakeApplicationJob(session, text, folder, std::move(read)));
    auto job = std::make_shared<JobHandle>(session, std::move(made));
    job->Start();
    return job;
  });
}

void CheckProcess(const JobHandle& self) {
  if (self.InItsProcess()) return;
  RaiseUnlessOk(Error(ErrorKind::kInvalidArgument, "the job runs in the process that forked"));
}

bool WaitForEnd(JobHandle& self, double seconds) {
  CheckProcess(self);
  return CallEngine([&] { return self.Wait(seconds); });
}

ResultQueue& QueueOf(const JobHandle& self, const std::string& name) {
  CheckProcess(self);
  return *self.made().results.at(name);
}

/// A batch, True where there may be more, False after the last. Never waits.
std::variant<BatchHandle, bool> TakeResult(JobHandle& self, const std::string& name) {
  ResultQueue& queue = QueueOf(self, name);
  ResultQueue::Item item = CallEngine([&] { return queue.Take(); });
  if (auto* batch = std::get_if<ResultQueue::BatchPtr>(&item)) {
    return BatchHandle{std::move(*batch)};
  }
  return std::holds_alternative<Pending>(item);
}

/// Until there is a result to take, or the end; Ctrl-C is heard where the main thread waits.
bool WaitForResult(JobHandle& self, const std::string& name, double seconds) {
  ResultQueue& queue = QueueOf(self, name);
  return CallEngine([&]() -> Result<bool> {
    ARROW_RETURN_NOT_OK(PollSignals());
    return queue.Wait(static_cast<int64_t>(seconds * kMicros));
  });
}

/// Names of results that are full and so hold up the job.
std::vector<std::string> FullResults(const JobHandle& self) {
  std::vector<std::string> names;
  for (const auto& [name, queue] : self.made().results) {
    if (!queue->HasRoom()) names.push_back(name);
  }
  return names;
}

std::vector<std::string> ResultNames(const JobHandle& self) {
  std::vector<std::string> names;
  for (const auto& [name, queue] : self.made().results) names.push_back(name);
  return names;
}

std::map<std::string, TableHandle> TablesOf(const JobHandle& self) {
  std::map<std::string, TableHandle> tables;
  for (const sql::TableDefinition& table : self.made().application.tables) {
    tables.emplace(table.name, TableHandle{table.table});
  }
  return tables;
}

std::vector<std::string> QueryNames(const JobHandle& self) {
  std::vector<std::string> names;
  for (const sql::StreamQuery& query : self.made().application.queries) {
    names.push_back(query.name);
  }
  return names;
}

}  // namespace

JobHandle::JobHandle(std::shared_ptr<Session> session, sql::ApplicationJob made)
    : session_(std::move(session)), made_(std::move(made)), process_(getpid()) {}

JobHandle::~JobHandle() {
  if (!InItsProcess()) {
    // Neither its thread nor its locks are here: left as they are.
    new std::thread(std::move(thread_));
    new sql::ApplicationJob(std::move(made_));
    return;
  }
  made_.job->Stop();
  if (!thread_.joinable()) return;
  if (nb::is_alive() && PyGILState_Check() != 0) {
    nb::gil_scoped_release release;
    thread_.join();
  } else {
    thread_.join();
  }
}

bool JobHandle::InItsProcess() const { return getpid() == process_; }

void JobHandle::Start() {
  thread_ = std::thread([this] {
    Status status;
    try {
      status = made_.job->Run();
    } catch (const InvariantError& bug) {
      status = MakeError(ErrorKind::kInternal, bug.what());
    }
    for (const auto& [name, queue] : made_.results) queue->End(status);
    std::lock_guard lock(mutex_);
    ended_ = true;
    failure_ = std::move(status);
    changed_.notify_all();
  });
}

void JobHandle::Stop() {
  if (InItsProcess()) made_.job->Stop();
}

Result<bool> JobHandle::Wait(double seconds) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds kPoll{50};
  const auto due = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(std::min(seconds, 1e9)));
  std::unique_lock lock(mutex_);
  while (!ended_ && Clock::now() < due) {
    changed_.wait_until(lock, std::min(due, Clock::now() + kPoll));
    lock.unlock();
    ARROW_RETURN_NOT_OK(PollSignals());
    lock.lock();
  }
  return ended_;
}

Status JobHandle::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

void AddJobClass(nb::module_& module) {
  module.def("start_job", &StartJob, nb::arg("session"), nb::arg("text"), nb::arg("folder"),
             nb::arg("options"), nb::arg("alerts"), nb::arg("drop_state"), nb::arg("replaceable"));
  module.def(
      "duration_micros",
      [](const std::string& text) -> std::optional<int64_t> { return sql::ReadDuration(text); },
      nb::arg("text"));
  nb::class_<JobHandle>(module, "Job", nb::is_weak_referenceable())
      .def("status", &StatusDict)
      .def("stop", &JobHandle::Stop, nb::call_guard<nb::gil_scoped_release>())
      .def("wait", &WaitForEnd, nb::arg("seconds"))
      .def("raise_failure", [](const JobHandle& self) { RaiseUnlessOk(self.failure()); })
      .def("take_result", &TakeResult, nb::arg("name"))
      .def("wait_for_result", &WaitForResult, nb::arg("name"), nb::arg("seconds"))
      .def("result_names", &ResultNames)
      .def("full_results", &FullResults)
      .def("query_names", &QueryNames)
      .def("entries", [](const JobHandle& self) { return self.made().entries; })
      .def("tables", &TablesOf);
}

}  // namespace headrace::python
