// Thresholds on the figures of a job.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "headrace/engine/job_status.h"

namespace headrace {

/// None: no alert.
struct AlertTerms {
  std::optional<int64_t> load_micros;        // a table loads for longer
  std::optional<double> late_ratio;          // more of the rows that a query has read came too late
  std::optional<int64_t> late_rows;          // of a query
  std::optional<int64_t> dead_letters;       // of the job
  std::optional<int64_t> commit_age_micros;  // the last commit, or the start, is longer ago
};

/// Those of one table.
struct TableAlertTerms {
  std::optional<double> rate_min;       // rows a second while it loads, after 5 s
  std::optional<int64_t> memory_bytes;  // held
};

/// What is beyond its threshold in `status`. `tables`: by the place of the query.
std::vector<JobAlert> AlertsOf(const JobStatus& status, const AlertTerms& terms,
                               const std::vector<TableAlertTerms>& tables);

}  // namespace headrace
