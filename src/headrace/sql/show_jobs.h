// SHOW TABLES, STATUS, METRICS, JOBS and PROPERTIES of a session in which jobs run.
#pragma once

#include <string>
#include <vector>

#include "headrace/engine/session.h"

namespace headrace::sql {

/// Whether jobs belong to the session.
bool HasJobs(const Session& session);
/// name, and of tables that jobs fill state, rows, memory_bytes, rows_read, bytes_read,
/// rows_per_second, percent and eta_seconds; null for others.
Result<PlanPtr> ShowTablesOfJobs(const Session& session, const std::vector<std::string>& names);
/// A row per query of the jobs: job, query, state, rows_in, rows_out, filtered_rows, late_rows,
/// untimed_rows, rejected_rows, alert.
/// `name`: of a job or query, or "" for all; kUnknownName when there is none.
Result<PlanPtr> ShowStatus(const Session& session, const std::string& name);
/// A row per figure of the jobs and their queries and tables: job, query (null: of the job),
/// metric, value (a double). `name` as of ShowStatus.
Result<PlanPtr> ShowMetrics(const Session& session, const std::string& name);
/// Rows property, value, as texts. `noun`: "stream", "table", "job", or "" for whichever there is,
/// in this order; kUnknownName with the nearest names.
Result<PlanPtr> ShowProperties(const Session& session, const std::string& noun,
                               const std::string& name);
/// A row per job: name, state, queries, epoch, seconds, dead_letters, alerts, error.
Result<PlanPtr> ShowJobs(const Session& session);

}  // namespace headrace::sql
