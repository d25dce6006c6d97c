// The consumer's loop: rows, callbacks, steps of a deterministic executor, polls, sleep.
#include "headrace/engine/query_run.h"

#include <algorithm>
#include <chrono>

#include "arrow/array/util.h"
#include "arrow/record_batch.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/engine/computed_source.h"
#include "headrace/engine/session_state.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

/// With a deterministic executor nothing may be waited for but timers of sources.
constexpr int64_t kDeadlockMicros = 10'000'000;

void CollectScans(const PlanNode& node, std::vector<const ScanNode*>* scans) {
  if (const auto* scan = As<ScanNode>(node)) scans->push_back(scan);
  for (const PlanPtr& input : node.inputs()) CollectScans(*input, scans);
}

Status CheckSnapshots(const PlanNode& plan) {
  std::vector<const ScanNode*> scans;
  CollectScans(plan, &scans);
  for (const ScanNode* scan : scans) {
    ARROW_ASSIGN_OR_RAISE(std::string now, scan->source->Snapshot());
    if (now != scan->snapshot) {
      return Error(ErrorKind::kStale, "{} has changed since the query was bound; bind it again",
                   scan->source->name());
    }
  }
  return Status::OK();
}

}  // namespace

QueryRun::QueryRun(std::shared_ptr<Session> session, PlanPtr plan)
    : session_(std::move(session)), plan_(std::move(plan)), schema_(plan_->schema()) {
  if (plan_->properties().change_mode == ChangeMode::kAppend) return;
  arrow::FieldVector fields = schema_->fields();
  fields.push_back(arrow::field(kChangeColumn, arrow::int8(), /*nullable=*/false));
  schema_ = arrow::schema(std::move(fields));
}

Result<std::unique_ptr<QueryRun>> QueryRun::Make(std::shared_ptr<Session> session, PlanPtr plan,
                                                 const QueryCheckpoint* restore) {
  std::unique_ptr<QueryRun> run(new QueryRun(std::move(session), std::move(plan)));
  run->restore_ = restore;
  return run;
}

QueryRun::~QueryRun() {
  Close();
  if (query_ != nullptr) session_->state_->spilled_bytes += query_->spilled_bytes();
  query_.reset();
  callbacks_.reset();
  budget_.reset();
  if (!is_counted_) return;
  std::lock_guard lock(session_->state_->mutex);
  --session_->state_->running;
}

arrow::MemoryPool* QueryRun::pool() const { return session_->pool(); }

/// From now on budget, pool and executor of the session stay what they are.
Settings QueryRun::Count() {
  std::lock_guard lock(session_->state_->mutex);
  ++session_->state_->running;
  ++session_->state_->queries_started;
  is_counted_ = true;
  return session_->state_->settings;
}

Status QueryRun::Start() {
  if (started_) return failure_;
  started_ = true;
  const Status status = StartQuery();
  return status.ok() ? status : Fail(status).status();
}

Status QueryRun::StartQuery() {
  ARROW_RETURN_NOT_OK(CheckSnapshots(*plan_));
  ARROW_ASSIGN_OR_RAISE(const PlanPtr plan, WithComputedSources(plan_, *session_, poll_));
  Session::State& state = *session_->state_;
  const Settings settings = Count();
  LoweringOptions options;
  options.lanes = settings.threads;
  options.batch_rows = settings.batch_rows;
  options.batch_bytes = std::min(kBatchBytesMax, settings.memory_limit / kBatchBudgetFraction);
  options.memory_bytes = settings.memory_limit;
  options.queue_bytes = std::min(kQueueBytesMax, settings.memory_limit / kBatchBudgetFraction);
  if (settings.groupby_buffer_num_rows > 0) options.groupby_rows = settings.groupby_buffer_num_rows;
  if (settings.join_buffer_num_cells > 0) options.join_cells = settings.join_buffer_num_cells;
  ARROW_ASSIGN_OR_RAISE(PhysicalPlan physical, LowerPlan(plan, options));

  ARROW_ASSIGN_OR_RAISE(spill_, SpillSpace::Make(settings.temp_dir, settings.spill_limit,
                                                 settings.spill_compression));
  budget_ = state.budget->MakeChild("query");
  callbacks_ = std::make_unique<CallbackQueue>(state.callback(), [this] { Notify(); });
  QueryContext context;
  context.executor = state.executor.get();
  context.budget = budget_;
  context.pool = session_->pool();
  context.spill = spill_.get();
  context.vfs = state.vfs;
  context.clock = state.clock;
  context.callbacks = callbacks_.get();
  context.dead_letters = dead_letters_;
  context.aside = aside_.get();
  if (settings.sort_memory_budget > 0) context.sort_bytes = settings.sort_memory_budget;
  context.batch_rows = options.batch_rows;
  context.batch_bytes = options.batch_bytes;
  context.notify = [this] { Notify(); };
  start_micros_ = SystemClock().MonotonicMicros();
  ARROW_ASSIGN_OR_RAISE(query_, Query::Make(std::move(physical), std::move(context)));
  return query_->Start(restore_);
}

void QueryRun::Notify() {
  if (on_notify_) on_notify_();
  std::lock_guard lock(mutex_);
  notified_ = true;
  changed_.notify_all();
}

Status QueryRun::PollIfDue() {
  if (!poll_) return Status::OK();
  const int64_t now = SystemClock().MonotonicMicros();
  if (now - polled_micros_ < kPollMicros) return Status::OK();
  polled_micros_ = now;
  return poll_(metrics());
}

bool QueryRun::Step() { return callbacks_->ServeOne() || session_->state_->executor->Drive(); }

Status QueryRun::Wait() {
  int64_t waited = 0;
  while (true) {
    ARROW_RETURN_NOT_OK(PollIfDue());
    if (Step()) return Status::OK();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::microseconds(kPollMicros), [this] { return notified_; });
    if (std::exchange(notified_, false) || cancelled_) return Status::OK();
    waited += kPollMicros;
    if (session_->state_->executor->deterministic() && waited > kDeadlockMicros) {
      return Error(ErrorKind::kInternal, "nothing can run and the query has not ended: deadlock");
    }
  }
}

Result<Channel::Item> QueryRun::Fail(Status status) {
  failure_ = std::move(status);
  if (query_ != nullptr) query_->Stop(failure_);
  return failure_;
}

Result<Channel::Item> QueryRun::TryNext() {
  ARROW_RETURN_NOT_OK(failure_);
  ARROW_RETURN_NOT_OK(Start());
  Result<Channel::Item> item = query_->Read();
  if (!item.ok()) return Fail(item.status());
  if (std::holds_alternative<EndOfSplit>(*item)) ARROW_RETURN_NOT_OK(Finish());
  return item;
}

/// All rows are out: waits for the lanes.
Status QueryRun::Finish() {
  query_->Join();
  ARROW_RETURN_NOT_OK(query_->status());
  if (elapsed_micros_ < 0) elapsed_micros_ = SystemClock().MonotonicMicros() - start_micros_;
  return Status::OK();
}

Result<Channel::Item> QueryRun::Next() {
  ARROW_RETURN_NOT_OK(failure_);
  while (true) {
    {
      std::lock_guard lock(mutex_);
      if (cancelled_) return Error(ErrorKind::kCancelled, "the query was cancelled");
    }
    const Status polled = PollIfDue();
    if (!polled.ok()) return Fail(polled);
    ARROW_ASSIGN_OR_RAISE(Channel::Item item, TryNext());
    if (!std::holds_alternative<Pending>(item)) return item;
    const Status status = Wait();
    if (!status.ok()) return Fail(status);
  }
}

Result<std::shared_ptr<arrow::RecordBatch>> QueryRun::Restore(const Batch& batch) const {
  ARROW_ASSIGN_OR_RAISE(auto rows, RestoreSchema(batch, plan_->schema(), session_->pool()));
  if (schema_ == plan_->schema()) return rows;
  ArrayPtr change = batch.change();
  if (change == nullptr) {
    ARROW_ASSIGN_OR_RAISE(change, arrow::MakeArrayFromScalar(arrow::Int8Scalar(1), rows->num_rows(),
                                                             session_->pool()));
  }
  return rows->AddColumn(rows->num_columns(), schema_->fields().back(), change);
}

Result<std::shared_ptr<arrow::RecordBatch>> QueryRun::NextBatch() {
  while (true) {
    ARROW_ASSIGN_OR_RAISE(Channel::Item item, Next());
    if (auto* batch = std::get_if<Batch>(&item)) {
      Result<std::shared_ptr<arrow::RecordBatch>> restored = Restore(*batch);
      if (!restored.ok()) return Fail(restored.status()).status();
      rows_out_ += (*restored)->num_rows();
      return restored;
    }
    if (std::holds_alternative<EndOfSplit>(item)) return nullptr;
  }
}

void QueryRun::Pause(bool paused) { query_->Pause(paused); }

void QueryRun::Cancel() {
  {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    changed_.notify_all();
  }
}

void QueryRun::Close() {
  if (query_ == nullptr) return;
  query_->Stop();
  query_->Join();
}

std::string QueryRun::Profile() const { return query_ == nullptr ? "" : query_->Profile(); }

QueryMetrics QueryRun::metrics() const {
  QueryMetrics metrics;
  metrics.rows_out = rows_out_;
  if (query_ == nullptr) return metrics;
  metrics.rejected_rows = query_->rejected_rows();
  metrics.late_rows = query_->late_rows();
  metrics.rows_scanned = query_->rows_scanned();
  metrics.spilled_bytes = query_->spilled_bytes();
  metrics.peak_memory_bytes = budget_->peak_bytes();
  const ReadProgress& progress = query_->progress();
  metrics.rows_read = progress.rows;
  metrics.bytes_read = progress.bytes;
  metrics.splits_read = progress.splits_done;
  metrics.splits = progress.splits;
  metrics.elapsed_micros =
      elapsed_micros_ >= 0 ? elapsed_micros_ : SystemClock().MonotonicMicros() - start_micros_;
  return metrics;
}

}  // namespace headrace
