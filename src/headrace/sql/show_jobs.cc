// Statuses of jobs as rows.
#include "headrace/sql/show_jobs.h"

#include <algorithm>
#include <optional>
#include <variant>

#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/ascii_case.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/engine/job_status.h"
#include "headrace/plan/builder.h"

namespace headrace::sql {
namespace {

using Cell = std::variant<std::monostate, std::string, int64_t, double>;
using Rows = std::vector<std::vector<Cell>>;

struct Column {
  const char* name;
  TypePtr type;
};

double Seconds(int64_t micros) {
  constexpr double kMicros = 1e6;
  return static_cast<double>(micros) / kMicros;
}

Status Append(const Cell& cell, arrow::ArrayBuilder* builder) {
  if (const auto* text = std::get_if<std::string>(&cell)) {
    return static_cast<arrow::StringBuilder*>(builder)->Append(*text);
  }
  if (const auto* number = std::get_if<int64_t>(&cell)) {
    return static_cast<arrow::Int64Builder*>(builder)->Append(*number);
  }
  if (const auto* number = std::get_if<double>(&cell)) {
    return static_cast<arrow::DoubleBuilder*>(builder)->Append(*number);
  }
  return builder->AppendNull();
}

Result<PlanPtr> PlanOf(const std::vector<Column>& columns, const Rows& rows) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (size_t i = 0; i < columns.size(); ++i) {
    fields.push_back(arrow::field(columns[i].name, columns[i].type));
    std::unique_ptr<arrow::ArrayBuilder> builder;
    ARROW_RETURN_NOT_OK(
        arrow::MakeBuilder(arrow::default_memory_pool(), columns[i].type, &builder));
    for (const std::vector<Cell>& row : rows) ARROW_RETURN_NOT_OK(Append(row[i], builder.get()));
    ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(), builder->Finish());
  }
  const SchemaPtr schema = arrow::schema(std::move(fields));
  const auto batch =
      arrow::RecordBatch::Make(schema, static_cast<int64_t>(rows.size()), std::move(arrays));
  ARROW_ASSIGN_OR_RAISE(SourcePtr table, MemoryTable::Make(schema, {batch}));
  return PlanScan(std::move(table));
}

/// How much of the input is read; nothing where nobody knows.
Cell PercentOf(const JobTableStatus& table) {
  constexpr double kWhole = 100;
  if (table.state == JobTableStatus::State::kReady) return kWhole;
  const auto part = [&](int64_t done, std::optional<int64_t> total) -> Cell {
    if (total.value_or(0) <= 0) return {};
    return std::min(kWhole, kWhole * static_cast<double>(done) / static_cast<double>(*total));
  };
  const Cell of_bytes = part(table.bytes_read, table.bytes_total);
  return of_bytes.index() == 0 ? part(table.rows_read, table.rows_total) : of_bytes;
}

/// The table of the latest job that fills one of this name.
std::optional<JobTableStatus> TableCalled(const std::vector<JobStatus>& jobs,
                                          const std::string& name) {
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    for (const JobQueryStatus& query : job->queries) {
      if (query.table.has_value() && EqualsIgnoringCase(query.name, name)) return query.table;
    }
  }
  return std::nullopt;
}

/// Jobs called so, whole, and others with those of their queries that are; "": all.
Result<std::vector<JobStatus>> JobsCalled(const Session& session, const std::string& name) {
  std::vector<JobStatus> found;
  std::vector<std::string> known;
  for (JobStatus& job : session.JobStatuses()) {
    known.push_back(job.name);
    const bool is_whole = name.empty() || EqualsIgnoringCase(job.name, name);
    std::erase_if(job.queries, [&](const JobQueryStatus& query) {
      known.push_back(query.name);
      return !is_whole && !EqualsIgnoringCase(query.name, name);
    });
    if (is_whole || !job.queries.empty()) found.push_back(std::move(job));
  }
  if (!found.empty() || name.empty()) return found;
  const std::string nearest = NearestName(name, known);
  return Error(ErrorKind::kUnknownName, "no job or query is called \"{}\"{}", name,
               nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest));
}

using Metrics = std::vector<std::pair<std::string, double>>;

double AsMetric(int64_t count) { return static_cast<double>(count); }

Metrics MetricsOf(const JobStatus& job) {
  return {{"epoch", AsMetric(job.epoch)},
          {"seconds", Seconds(job.run_micros)},
          {"commit_age_seconds", Seconds(job.commit_age_micros)},
          {"dead_letters", AsMetric(job.dead_letters)},
          {"alerts", static_cast<double>(job.alerts.size())}};
}

Metrics MetricsOf(const JobQueryStatus& query) {
  return {{"rows_in", AsMetric(query.rows_read)},
          {"rows_out", AsMetric(query.rows_out)},
          {"filtered_rows", AsMetric(query.filtered_rows)},
          {"late_rows", AsMetric(query.late_rows)},
          {"untimed_rows", AsMetric(query.untimed_rows)},
          {"rejected_rows", AsMetric(query.rejected_rows)}};
}

Metrics MetricsOf(const JobTableStatus& table) {
  return {{"table_rows", AsMetric(table.rows)},
          {"memory_bytes", AsMetric(table.memory_bytes)},
          {"bytes_read", AsMetric(table.bytes_read)},
          {"rows_per_second", table.rows_per_second()},
          {"load_seconds", Seconds(table.load_micros)},
          {"retries", AsMetric(table.retries)},
          {"rows_skipped", AsMetric(table.rows_skipped)},
          {"rows_with_defaults", AsMetric(table.rows_with_defaults)},
          {"rows_with_nulls", AsMetric(table.rows_with_nulls)}};
}

std::string AlertsOf(const JobStatus& job, const std::string& query) {
  std::string text;
  for (const JobAlert& alert : job.alerts) {
    if (alert.query == query) text += (text.empty() ? "" : "; ") + alert.text;
  }
  return text;
}

}  // namespace

bool HasJobs(const Session& session) { return !session.JobStatuses().empty(); }

Result<PlanPtr> ShowTablesOfJobs(const Session& session, const std::vector<std::string>& names) {
  const std::vector<JobStatus> jobs = session.JobStatuses();
  const std::vector<Column> columns = {{"name", arrow::utf8()},
                                       {"state", arrow::utf8()},
                                       {"rows", arrow::int64()},
                                       {"memory_bytes", arrow::int64()},
                                       {"rows_read", arrow::int64()},
                                       {"bytes_read", arrow::int64()},
                                       {"rows_per_second", arrow::float64()},
                                       {"percent", arrow::float64()},
                                       {"eta_seconds", arrow::float64()}};
  Rows rows;
  for (const std::string& name : names) {
    std::vector<Cell>& row = rows.emplace_back(columns.size());
    row[0] = name;
    const std::optional<JobTableStatus> table = TableCalled(jobs, name);
    if (!table.has_value()) continue;
    row = {name,
           std::string(NameOf(table->state)),
           table->rows,
           table->memory_bytes,
           table->rows_read,
           table->bytes_read,
           table->rows_per_second(),
           PercentOf(*table),
           table->eta_micros.has_value() ? Cell(Seconds(*table->eta_micros)) : Cell()};
  }
  return PlanOf(columns, rows);
}

Result<PlanPtr> ShowStatus(const Session& session, const std::string& name) {
  const std::vector<Column> columns = {{"job", arrow::utf8()},
                                       {"query", arrow::utf8()},
                                       {"state", arrow::utf8()},
                                       {"rows_in", arrow::int64()},
                                       {"rows_out", arrow::int64()},
                                       {"filtered_rows", arrow::int64()},
                                       {"late_rows", arrow::int64()},
                                       {"untimed_rows", arrow::int64()},
                                       {"rejected_rows", arrow::int64()},
                                       {"alert", arrow::utf8()}};
  Rows rows;
  ARROW_ASSIGN_OR_RAISE(const std::vector<JobStatus> jobs, JobsCalled(session, name));
  for (const JobStatus& job : jobs) {
    for (const JobQueryStatus& query : job.queries) {
      const std::string alert = AlertsOf(job, query.name);
      rows.push_back({job.name, query.name, std::string(NameOf(query.state)), query.rows_read,
                      query.rows_out, query.filtered_rows, query.late_rows, query.untimed_rows,
                      query.rejected_rows, alert.empty() ? Cell() : Cell(alert)});
    }
  }
  return PlanOf(columns, rows);
}

Result<PlanPtr> ShowMetrics(const Session& session, const std::string& name) {
  const std::vector<Column> columns = {{"job", arrow::utf8()},
                                       {"query", arrow::utf8()},
                                       {"metric", arrow::utf8()},
                                       {"value", arrow::float64()}};
  Rows rows;
  ARROW_ASSIGN_OR_RAISE(const std::vector<JobStatus> jobs, JobsCalled(session, name));
  for (const JobStatus& job : jobs) {
    const auto add = [&](const Cell& query, const Metrics& metrics) {
      for (const auto& [metric, value] : metrics) rows.push_back({job.name, query, metric, value});
    };
    const bool is_asked_for = name.empty() || EqualsIgnoringCase(job.name, name);
    if (is_asked_for) add({}, MetricsOf(job));
    for (const JobQueryStatus& query : job.queries) {
      add(query.name, MetricsOf(query));
      if (query.table.has_value()) add(query.name, MetricsOf(*query.table));
    }
  }
  return PlanOf(columns, rows);
}

Result<PlanPtr> ShowJobs(const Session& session) {
  const std::vector<Column> columns = {
      {"name", arrow::utf8()},    {"state", arrow::utf8()},      {"queries", arrow::int64()},
      {"epoch", arrow::int64()},  {"seconds", arrow::float64()}, {"dead_letters", arrow::int64()},
      {"alerts", arrow::int64()}, {"error", arrow::utf8()}};
  Rows rows;
  for (const JobStatus& job : session.JobStatuses()) {
    rows.push_back({job.name, std::string(NameOf(job.state)),
                    static_cast<int64_t>(job.queries.size()), job.epoch, Seconds(job.run_micros),
                    job.dead_letters, static_cast<int64_t>(job.alerts.size()),
                    job.error.empty() ? Cell() : Cell(job.error)});
  }
  return PlanOf(columns, rows);
}

namespace {

using Properties = JobProperties;

Properties PropertiesOf(const StreamDef& stream) {
  Properties properties = {{"type", "stream"},
                           {"source", stream.source->name()},
                           {"columns", std::to_string(stream.source->schema()->num_fields())}};
  if (!stream.event_time.has_value()) return properties;
  const EventTime& time = *stream.event_time;
  const auto seconds = [](int64_t micros) { return fmt::format("{} s", Seconds(micros)); };
  properties.emplace_back("event_time", stream.source->schema()->field(time.column)->name());
  properties.emplace_back("watermark_delay", seconds(time.delay_micros));
  properties.emplace_back("idle_timeout", seconds(time.idle_micros));
  properties.emplace_back("max_future_skew", seconds(time.skew_micros));
  properties.emplace_back("late_rows", stream.late == LatePolicy::kDrop    ? "drop"
                                       : stream.late == LatePolicy::kAside ? "dead_letter"
                                                                           : "update");
  properties.emplace_back("allowed_lateness", seconds(stream.lateness_micros));
  return properties;
}

/// The latest job that has a query of this name, and what the query does.
void AddJobOf(const std::vector<JobStatus>& jobs, const std::string& name, Properties* properties) {
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    for (const JobQueryStatus& query : job->queries) {
      if (!EqualsIgnoringCase(query.name, name)) continue;
      properties->emplace_back("job", job->name);
      properties->emplace_back(
          "state", query.table.has_value() ? NameOf(query.table->state) : NameOf(query.state));
      return;
    }
  }
}

Properties PropertiesOf(const std::vector<JobStatus>& jobs, const std::string& name,
                        Source& table) {
  Properties properties = {{"type", "table"},
                           {"source", table.name()},
                           {"columns", std::to_string(table.schema()->num_fields())}};
  std::string key;
  for (const int column : table.key()) {
    key += (key.empty() ? "" : ", ") + table.schema()->field(column)->name();
  }
  if (!key.empty()) properties.emplace_back("key", key);
  AddJobOf(jobs, name, &properties);
  return properties;
}

/// Of a view, or of a stream that is a query.
Properties PropertiesOf(const std::vector<JobStatus>& jobs, const std::string& name,
                        const std::string& query) {
  Properties properties = {{"type", "view"}, {"query", query}};
  AddJobOf(jobs, name, &properties);
  return properties;
}

Properties PropertiesOf(const JobStatus& job) {
  std::string queries;
  for (const JobQueryStatus& query : job.queries) {
    queries += (queries.empty() ? "" : ", ") + query.name;
  }
  Properties properties = {{"type", "job"}, {"state", NameOf(job.state)}, {"queries", queries}};
  properties.insert(properties.end(), job.properties.begin(), job.properties.end());
  return properties;
}

/// Of the latest job of this name; nothing when there is none.
std::optional<Properties> PropertiesOfJob(const std::vector<JobStatus>& jobs,
                                          const std::string& name) {
  const auto found = std::find_if(jobs.rbegin(), jobs.rend(), [&](const JobStatus& job) {
    return EqualsIgnoringCase(job.name, name);
  });
  if (found == jobs.rend()) return std::nullopt;
  return PropertiesOf(*found);
}

Status NothingCalled(const Session& session, const std::vector<JobStatus>& jobs,
                     const std::string& noun, const std::string& name) {
  std::vector<std::string> known;
  for (const JobStatus& job : jobs) known.push_back(job.name);
  for (const auto& names : {session.StreamNames(), session.TableNames()}) {
    known.insert(known.end(), names.begin(), names.end());
  }
  const std::string nearest = NearestName(name, known);
  return Error(ErrorKind::kUnknownName, "no {} is called \"{}\"{}",
               noun.empty() ? "stream, table or job" : noun, name,
               nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest));
}

}  // namespace

Result<PlanPtr> ShowProperties(const Session& session, const std::string& noun,
                               const std::string& name) {
  const std::vector<JobStatus> jobs = session.JobStatuses();
  const auto may_be = [&](const char* what) { return noun.empty() || noun == what; };
  const auto entry = session.FindEntry(name);
  std::optional<Properties> properties;
  if (may_be("stream") && entry == Session::EntryKind::kStream) {
    properties = PropertiesOf(*session.FindStream(name));
  } else if (may_be("table") && entry == Session::EntryKind::kTable) {
    ARROW_ASSIGN_OR_RAISE(const SourcePtr table, session.FindTable(name));
    properties = PropertiesOf(jobs, name, *table);
  } else if (noun != "job" && entry == Session::EntryKind::kView) {
    ARROW_ASSIGN_OR_RAISE(const std::optional<std::string> query, session.FindView(name));
    properties = PropertiesOf(jobs, name, *query);
  } else if (may_be("job")) {
    properties = PropertiesOfJob(jobs, name);
  }
  if (!properties.has_value()) return NothingCalled(session, jobs, noun, name);
  Rows rows;
  for (const auto& [property, value] : *properties) rows.push_back({property, value});
  return PlanOf({{"property", arrow::utf8()}, {"value", arrow::utf8()}}, rows);
}

}  // namespace headrace::sql
