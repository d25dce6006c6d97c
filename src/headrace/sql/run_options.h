// Options of WITH that say how a job runs its tables: waiting, standing in, alerts.
#pragma once

#include <memory>
#include <string>

#include "headrace/engine/job.h"
#include "headrace/sql/stream_application.h"

namespace headrace::sql {

/// Reads table.wait.timeout (ready.timeout), on_not_ready, on_not_ready.retries and
/// on_not_ready.delay. `wait_micros`: of the job, where the table says nothing.
Result<ReadinessTerms> ReadReadiness(const TableDefinition& table,
                                     std::optional<int64_t> wait_micros);
/// What streams read of `table` before it is loaded, by on_not_ready and on_not_ready.defaults
/// ("tier = bronze, risk_score = 0"); null: nothing, they wait.
Result<std::shared_ptr<StandInTable>> MakeStandIn(const TableDefinition& definition,
                                                  std::shared_ptr<KeyedTable> table);
/// Reads alert.rate_min and alert.memory_max.
Result<TableAlertTerms> ReadTableAlerts(const TableDefinition& table);
/// Whether these and MakeStandIn would take the options of `table`.
Status CheckTableOptions(const TableDefinition& table);
/// Reads load_time, late_ratio, late_rows, dead_letters and commit_age.
Result<AlertTerms> ReadAlerts(const OptionMap& options);

}  // namespace headrace::sql
