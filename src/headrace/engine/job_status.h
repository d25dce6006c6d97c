// JobStatus: what a job tells of itself while it runs and after it has ended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace headrace {

/// A table that a query of a job fills.
struct JobTableStatus {
  enum class State {
    kWaiting,  // for tables that it is made of
    kLoading,
    kReady,  // its queries may read it
    kFailed,
  };
  State state = State::kWaiting;
  int64_t rows = 0;  // in it now
  int64_t memory_bytes = 0;
  /// Since loading began, or as long as it took.
  int64_t load_micros = 0;
  /// Of the input while it loads: rows and bytes read, and how many there were to read, where the
  /// sources know.
  int64_t rows_read = 0;
  int64_t bytes_read = 0;
  std::optional<int64_t> rows_total;
  std::optional<int64_t> bytes_total;
  /// While it loads; none: nobody knows how much there is.
  std::optional<int64_t> eta_micros;
  /// Waits begun anew because the table was not ready in time (wait_and_retry).
  int64_t retries = 0;
  /// Rows that came before it was ready, by what became of them: left out, joined with the declared
  /// defaults, joined with nulls.
  int64_t rows_skipped = 0;
  int64_t rows_with_defaults = 0;
  int64_t rows_with_nulls = 0;

  /// Rows read per second of loading.
  double rows_per_second() const {
    constexpr double kMicros = 1e6;
    return load_micros <= 0
               ? 0
               : static_cast<double>(rows_read) * kMicros / static_cast<double>(load_micros);
  }
};

/// How far a query of a job is.
struct JobQueryStatus {
  enum class State {
    kWaiting,  // for tables
    kRunning,
    kLoaded,  // its table is ready, and it runs on
    kEnded,
    kFailed,
  };
  std::string name;
  State state = State::kWaiting;
  // Since the start of the process. Of a query that gives a row for each that it takes: read =
  // out + filtered + late + untimed + rejected.
  int64_t rows_read = 0;
  int64_t rows_out = 0;
  int64_t filtered_rows = 0;  // left out by conditions and joins, see Query::filtered_rows
  int64_t late_rows = 0;
  int64_t untimed_rows = 0;   // without a time, which no window takes
  int64_t rejected_rows = 0;  // could not be decoded
  std::optional<JobTableStatus> table;
};

/// A figure of a job that is beyond its threshold.
struct JobAlert {
  std::string query;
  std::string what;  // "late rows"
  double value = 0;
  double threshold = 0;
  std::string text;  // for people
};

/// Names and values.
using JobProperties = std::vector<std::pair<std::string, std::string>>;

struct JobStatus {
  enum class State {
    kStarting,
    kRunning,
    kStopping,
    kStopped,  // a later start goes on, where there is a checkpoint
    kEnded,    // all input was read
    kFailed,
  };
  std::string name;
  State state = State::kStarting;
  std::string error;  // of a failed job
  JobProperties properties;
  std::vector<JobQueryStatus> queries;
  int64_t epoch = 0;  // committed
  int64_t run_micros = 0;
  int64_t commit_age_micros = 0;  // since the last commit, or the start
  int64_t dead_letters = 0;
  std::vector<JobAlert> alerts;  // of now
};

/// "waiting", "loading", …
const char* NameOf(JobTableStatus::State state);
const char* NameOf(JobQueryStatus::State state);
const char* NameOf(JobStatus::State state);

}  // namespace headrace
