// A file of streaming statements becomes a job: connectors are opened by name, tables made, and
// every query gets its sink.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/engine/job.h"
#include "headrace/sql/stream_application.h"

namespace headrace::sql {

struct ApplicationOptions {
  JobOptions job;
  /// Of a job that has no name in `job`, and whose file gives it none.
  std::string default_name;
  /// How long queries wait for a table that does not say; none: as long as it takes.
  std::optional<int64_t> table_wait_micros;
  /// Thresholds by name, see ReadAlerts; instead of those in `job`.
  OptionMap alerts;
  /// Rows of queries without a sink go to queues, not to the standard output.
  bool takes_results = false;
  /// Entries of the catalog that statements may replace without a word: those of jobs that ended.
  std::set<std::string> replaceable;
};

struct ApplicationJob {
  Application application;
  std::unique_ptr<Job> job;
  /// Of queries without a sink, by name.
  std::map<std::string, std::shared_ptr<ResultQueue>> results;
  /// Entries of the catalog that it made.
  std::vector<std::string> entries;
};

/// Binds `text` and makes its job; sinks are created, but nothing is written or read before its
/// Run. Relative paths are those of `base_directory`. Streams, tables and views become entries of
/// the session's catalog: a query of the session sees the tables as they are while the job runs. On
/// a failure those that are new are taken out again.
/// kInvalidArgument when no statement of the file keeps running.
Result<ApplicationJob> MakeApplicationJob(const std::shared_ptr<Session>& session,
                                          std::string_view text, const std::string& base_directory,
                                          ApplicationOptions options);

}  // namespace headrace::sql
