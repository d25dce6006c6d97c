// Figures of a query, and the table that it fills.
#include "headrace/engine/running_query.h"

#include <algorithm>

#include "headrace/table/extent.h"

namespace headrace {
namespace {

/// Rows are deleted so much of the retention too late at most, but for short ones.
constexpr int64_t kExpiriesPerRetention = 64;
constexpr int64_t kExpiryMicrosMin = 10'000;

/// Of a plan that gives a row for each that it reads; nothing where its source does not know, or it
/// does more.
ReadExtent ExtentOf(const PlanNode& plan) {
  if (const auto* project = As<ProjectNode>(plan)) return ExtentOf(*project->inputs()[0]);
  const auto* scan = As<ScanNode>(plan);
  if (scan == nullptr) return {};
  const auto* source = dynamic_cast<KnowsExtent*>(scan->source.get());
  ReadExtent extent = source == nullptr ? ReadExtent() : source->extent();
  if (!extent.rows_total.has_value()) extent.rows_total = scan->source->row_count();
  return extent;
}

/// How long reading the rest will take if it goes on as until now.
std::optional<int64_t> RestOf(int64_t micros, int64_t done, std::optional<int64_t> total) {
  if (!total.has_value() || done <= 0 || done > *total) return std::nullopt;
  return static_cast<int64_t>(static_cast<double>(micros) * static_cast<double>(*total - done) /
                              static_cast<double>(done));
}

}  // namespace

RunningQuery::RunningQuery(JobQuery of_query) : query(std::move(of_query)), wait(query.readiness) {}

void RunningQuery::SetLoaded(int64_t now_micros) {
  if (loaded) return;
  loaded = true;
  loaded_micros = now_micros;
  if (query.stand_in != nullptr) query.stand_in->SetReady();
}

JobQueryStatus RunningQuery::status(int64_t now_micros) const {
  using State = JobQueryStatus::State;
  JobQueryStatus status;
  status.name = query.name;
  status.state = ended                              ? State::kEnded
                 : !started                         ? State::kWaiting
                 : loaded && query.table != nullptr ? State::kLoaded
                                                    : State::kRunning;
  status.rows_out = rows_out;
  const QueryMetrics metrics = run == nullptr ? QueryMetrics() : run->metrics();
  status.rows_read = metrics.rows_scanned + metrics.rejected_rows;
  status.late_rows = metrics.late_rows;
  if (run != nullptr && run->started()) {
    status.filtered_rows = run->query().filtered_rows();
    status.untimed_rows = run->query().null_time_rows();
  }
  status.rejected_rows = metrics.rejected_rows;
  if (query.table != nullptr) status.table = TableStatus(now_micros, metrics);
  return status;
}

JobTableStatus RunningQuery::TableStatus(int64_t now_micros, const QueryMetrics& metrics) const {
  using State = JobTableStatus::State;
  JobTableStatus status;
  status.state = loaded ? State::kReady : started ? State::kLoading : State::kWaiting;
  status.rows = query.table->num_rows();
  status.memory_bytes = query.table->bytes();
  status.rows_read = metrics.rows_scanned;
  status.bytes_read = metrics.bytes_read;
  status.retries = wait.retries();
  if (wait.has_begun()) {
    status.load_micros = (loaded ? loaded_micros : now_micros) - wait.begun_micros();
  }
  const ReadExtent extent = ExtentOf(*query.plan);
  status.rows_total = extent.rows_total;
  status.bytes_total = extent.bytes_total;
  if (extent.bytes_total.has_value()) status.bytes_read = extent.bytes_read;
  if (status.state == State::kLoading) {
    status.eta_micros = RestOf(status.load_micros, status.bytes_read, status.bytes_total);
    if (!status.eta_micros.has_value()) {
      status.eta_micros = RestOf(status.load_micros, status.rows_read, status.rows_total);
    }
  }
  if (query.stand_in == nullptr) return status;
  status.rows_skipped = query.stand_in->rows_skipped();
  status.rows_with_defaults = query.stand_in->rows_with_defaults();
  status.rows_with_nulls = query.stand_in->rows_with_nulls();
  return status;
}

Status RunningQuery::ExpireWhenDue(int64_t now_micros) {
  if (query.table == nullptr) return Status::OK();
  const std::optional<int64_t> retention = query.table->retention_micros();
  if (!retention.has_value() || now_micros < next_expiry_micros) return Status::OK();
  next_expiry_micros = now_micros + std::max(kExpiryMicrosMin, *retention / kExpiriesPerRetention);
  return query.table->Expire();
}

}  // namespace headrace
