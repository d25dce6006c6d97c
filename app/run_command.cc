// headrace run: a file of streaming statements runs until its inputs end or a signal comes.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "command.h"
#include "headrace/base/fault.h"
#include "headrace/sql/duration.h"
#include "headrace/sql/lint/lint.h"
#include "headrace/sql/run_application.h"
#include "interrupt.h"

namespace headrace::app {
namespace {

/// "app.sql" → "app.state", beside the file.
std::string StateDirectoryOf(const std::string& file) {
  constexpr std::string_view kExtension = ".sql";
  std::string_view stem = file;
  if (stem.ends_with(kExtension)) stem.remove_suffix(kExtension.size());
  return std::string(stem) + ".state";
}

/// The folder of a file; "" for one of the working directory.
std::string FolderOf(const std::string& file) {
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? "" : file.substr(0, slash + 1);
}

/// " loading 41 %, 120,000 rows/s, 12 s left"
std::string LoadText(const JobTableStatus& table) {
  std::string text = " loading";
  if (table.bytes_total.value_or(0) > 0) {
    text += fmt::format(" {} %", 100 * table.bytes_read / *table.bytes_total);
  } else if (table.rows_total.value_or(0) > 0) {
    text += fmt::format(" {} %", 100 * table.rows_read / *table.rows_total);
  }
  text += fmt::format(", {:.0f} rows/s", table.rows_per_second());
  if (table.eta_micros.has_value()) {
    text += fmt::format(", {:.0f} s left", static_cast<double>(*table.eta_micros) / 1e6);
  }
  return text;
}

std::string Line(const JobStatus& status, double seconds) {
  std::string line;
  for (const JobQueryStatus& query : status.queries) {
    const bool loads =
        query.table.has_value() && query.table->state == JobTableStatus::State::kLoading;
    const bool is_plain = query.state == JobQueryStatus::State::kRunning;
    line += fmt::format("{}{}{} {} rows", line.empty() ? "" : ", ", query.name,
                        loads      ? LoadText(*query.table)
                        : is_plain ? ""
                                   : std::string(" ") + NameOf(query.state),
                        query.rows_out);
  }
  return fmt::format("{} | epoch {}, {:.0f} s", line, status.epoch, seconds);
}

/// Shows where the job is, on a terminal.
class JobLine {
 public:
  ~JobLine() { Clear(); }
  void Tick(const JobStatus& status) {
    if (isatty(STDERR_FILENO) != 1) return;
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    if (seconds < 1) return;
    shown_ = true;
    fmt::print(stderr, "\r\x1b[K{}", Line(status, seconds));
    std::fflush(stderr);
  }
  void Clear() {
    if (shown_) fmt::print(stderr, "\r\x1b[K");
    shown_ = false;
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  bool shown_ = false;
};

/// Tells each alert when it is raised.
class AlertLines {
 public:
  /// Whether there is something to tell.
  bool HasNews(const JobStatus& status) const {
    return !std::all_of(status.alerts.begin(), status.alerts.end(),
                        [&](const JobAlert& alert) { return raised_.contains(KeyOf(alert)); });
  }
  void Tell(const JobStatus& status) {
    std::set<std::string> now;
    for (const JobAlert& alert : status.alerts) {
      now.insert(KeyOf(alert));
      if (!raised_.contains(KeyOf(alert))) fmt::print(stderr, "alert: {}\n", alert.text);
    }
    raised_ = std::move(now);
  }

 private:
  static std::string KeyOf(const JobAlert& alert) { return alert.query + "\n" + alert.what; }
  std::set<std::string> raised_;
};

void Tell(const JobStatus& status, bool stopped, const std::string& state_directory) {
  for (const JobQueryStatus& query : status.queries) {
    std::string aside;
    const auto add = [&](int64_t rows, const char* what) {
      if (rows > 0) aside += fmt::format(", {} {}", rows, what);
    };
    add(query.filtered_rows, "filtered");
    add(query.late_rows, "late");
    add(query.untimed_rows, "untimed");
    add(query.rejected_rows, "rejected");
    if (query.table.has_value()) {
      add(query.table->rows_skipped, "rows of streams skipped before it was ready");
      add(query.table->rows_with_defaults, "joined with defaults before it was ready");
      add(query.table->rows_with_nulls, "joined with nulls before it was ready");
    }
    fmt::print(stderr, "{}: {} rows in, {} out{}\n", query.name, query.rows_read, query.rows_out,
               aside);
  }
  if (stopped) fmt::print(stderr, "stopped; the next run goes on from {}\n", state_directory);
}

/// What `headrace lint` warns of. Errors come from the job itself.
void TellWarnings(const std::string& text, const std::string& file) {
  const std::vector<sql::Diagnostic> found = sql::Lint(text, {.base_directory = FolderOf(file)});
  if (found.empty() || sql::HasErrors(found)) return;
  fmt::print(stderr, "{}", sql::LintText(found, text, file));
}

/// What the command line says of the job.
Result<sql::ApplicationOptions> OptionsOf(const RunCommand& command) {
  sql::ApplicationOptions options;
  options.default_name = command.file;
  options.job.checkpoint_directory =
      command.state_directory.empty() ? StateDirectoryOf(command.file) : command.state_directory;
  options.job.checkpoint_interval_micros = command.checkpoint_millis * 1'000;
  options.job.state.drop = {command.drop_state.begin(), command.drop_state.end()};
  options.job.state.allow_rebuild = command.allow_rebuild;
  options.job.on_restore = [directory = options.job.checkpoint_directory](const KeptState& kept) {
    fmt::print(stderr, "{}: {}\n", directory, kept.Text());
  };
  ARROW_ASSIGN_OR_RAISE(options.alerts, OptionsFrom(command.alerts));
  if (command.table_wait.empty()) return options;
  options.table_wait_micros = sql::ReadDuration(command.table_wait);
  if (options.table_wait_micros.has_value()) return options;
  return Error(ErrorKind::kInvalidArgument,
               "--table-wait: expected a length of time such as 60s, got '{}'", command.table_wait);
}

}  // namespace

Status RunApplication(const RunCommand& command, const Settings& settings) {
  fault::ArmFromEnvironment();
  Settings own = settings;
  own.poll = nullptr;  // a signal ends the job in order, see below
  ARROW_ASSIGN_OR_RAISE(const auto session, Session::Make(own));
  ARROW_ASSIGN_OR_RAISE(const std::string text, ReadScript(*session, command.file));
  ARROW_ASSIGN_OR_RAISE(sql::ApplicationOptions options, OptionsOf(command));
  const std::string state_directory = options.job.checkpoint_directory;
  TellWarnings(text, command.file);
  JobLine line;
  AlertLines alerts;
  Job* job = nullptr;
  options.job.poll = [&](const JobStatus& status) {
    if (alerts.HasNews(status)) line.Clear();
    alerts.Tell(status);
    line.Tick(status);
    if (CaughtSignal() != 0) job->Stop();
    return Status::OK();
  };
  ARROW_ASSIGN_OR_RAISE(auto made, sql::MakeApplicationJob(session, text, FolderOf(command.file),
                                                           std::move(options)));
  job = made.job.get();
  const Status status = job->Run();
  line.Clear();
  const JobStatus end = job->status();
  if (status.ok()) Tell(end, end.state == JobStatus::State::kStopped, state_directory);
  return status;
}

}  // namespace headrace::app
