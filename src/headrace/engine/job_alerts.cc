// Figures beyond their thresholds.
#include "headrace/engine/job_alerts.h"

#include <fmt/format.h>

#include <utility>

namespace headrace {
namespace {

/// A rate is judged once it has been measured for so long.
constexpr int64_t kRateMicros = 5'000'000;

double Seconds(int64_t micros) {
  constexpr double kMicros = 1e6;
  return static_cast<double>(micros) / kMicros;
}

class Alerts {
 public:
  /// An alert where `value` is above `threshold`, if there is one.
  void Above(const std::string& query, const char* what, const char* unit, double value,
             std::optional<double> threshold) {
    if (threshold.has_value() && value > *threshold) Add(query, what, unit, value, *threshold);
  }
  void Add(const std::string& query, const char* what, const char* unit, double value,
           double threshold) {
    std::string text = fmt::format("{}{}{} {:.6g}{}, the threshold is {:.6g}{}", query,
                                   query.empty() ? "" : ": ", what, value, unit, threshold, unit);
    alerts_.push_back({query, what, value, threshold, std::move(text)});
  }
  std::vector<JobAlert> Take() { return std::move(alerts_); }

 private:
  std::vector<JobAlert> alerts_;
};

std::optional<double> AsSeconds(std::optional<int64_t> micros) {
  if (!micros.has_value()) return std::nullopt;
  return Seconds(*micros);
}

std::optional<double> AsNumber(std::optional<int64_t> count) {
  if (!count.has_value()) return std::nullopt;
  return static_cast<double>(*count);
}

void JudgeTable(const JobQueryStatus& query, const AlertTerms& terms,
                const TableAlertTerms& of_table, Alerts* alerts) {
  const JobTableStatus& table = *query.table;
  if (table.state == JobTableStatus::State::kLoading) {
    alerts->Above(query.name, "load time", " s", Seconds(table.load_micros),
                  AsSeconds(terms.load_micros));
    const bool is_slow = of_table.rate_min.has_value() && table.load_micros >= kRateMicros &&
                         table.rows_per_second() < *of_table.rate_min;
    if (is_slow) {
      alerts->Add(query.name, "load rate", " rows/s", table.rows_per_second(), *of_table.rate_min);
    }
  }
  alerts->Above(query.name, "memory", " bytes", static_cast<double>(table.memory_bytes),
                AsNumber(of_table.memory_bytes));
}

}  // namespace

std::vector<JobAlert> AlertsOf(const JobStatus& status, const AlertTerms& terms,
                               const std::vector<TableAlertTerms>& tables) {
  Alerts alerts;
  for (size_t i = 0; i < status.queries.size(); ++i) {
    const JobQueryStatus& query = status.queries[i];
    const auto late = static_cast<double>(query.late_rows);
    alerts.Above(query.name, "late rows", "", late, AsNumber(terms.late_rows));
    if (query.rows_read > 0) {
      alerts.Above(query.name, "ratio of late rows", "",
                   late / static_cast<double>(query.rows_read), terms.late_ratio);
    }
    if (query.table.has_value()) JudgeTable(query, terms, tables[i], &alerts);
  }
  alerts.Above("", "dead letters", "", static_cast<double>(status.dead_letters),
               AsNumber(terms.dead_letters));
  alerts.Above("", "time since the last commit", " s", Seconds(status.commit_age_micros),
               AsSeconds(terms.commit_age_micros));
  return alerts.Take();
}

}  // namespace headrace
