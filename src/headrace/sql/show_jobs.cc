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

Result<PlanPtr> ShowStatus(const Session& session) {
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
  for (const JobStatus& job : session.JobStatuses()) {
    for (const JobQueryStatus& query : job.queries) {
      const std::string alert = AlertsOf(job, query.name);
      rows.push_back({job.name, query.name, std::string(NameOf(query.state)), query.rows_read,
                      query.rows_out, query.filtered_rows, query.late_rows, query.untimed_rows,
                      query.rejected_rows, alert.empty() ? Cell() : Cell(alert)});
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

}  // namespace headrace::sql
