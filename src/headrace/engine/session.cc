// Sessions: making, catalog, running.
#include "headrace/engine/session.h"

#include <algorithm>

#include "arrow/compute/initialize.h"
#include "arrow/memory_pool.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/ascii_case.h"
#include "headrace/base/limits.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/engine/computed_source.h"
#include "headrace/engine/explain_shared.h"
#include "headrace/engine/job.h"
#include "headrace/engine/query_run.h"
#include "headrace/engine/result_cache.h"
#include "headrace/engine/session_state.h"
#include "headrace/engine/stored_table.h"
#include "headrace/format/format.h"
#include "headrace/format/sink_threads.h"
#include "headrace/memory/spill_space.h"
#include "headrace/plan/builder.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

/// The threads of a sink have this part of the memory at most.
constexpr int64_t kSinkMemoryFraction = 4;
/// And all materialized tables this.
constexpr int64_t kTableMemoryFraction = 2;

/// The entry of `path`'s folder whose name is nearest to its own; "" when there is none.
std::string NearestEntry(Vfs& vfs, const std::string& path) {
  const auto entries = vfs.List(ParentPath(path));
  if (!entries.ok()) return "";
  const auto base = [](const std::string& entry) { return entry.substr(entry.rfind('/') + 1); };
  std::vector<std::string> names;
  for (const FileInfo& entry : *entries) names.push_back(base(entry.path));
  const std::string nearest = NearestName(base(path), names);
  return nearest.empty() ? "" : path.substr(0, path.rfind('/') + 1) + nearest;
}

/// `status`, that one of `paths` does not exist, with the first folder of it that does not, and
/// what there is instead.
Status WithNearestFile(Vfs& vfs, const std::vector<std::string>& paths, const Status& status) {
  for (std::string path : paths) {
    if (path.empty() || vfs.Stat(path).ok()) continue;
    std::string hint;
    for (std::string folder = ParentPath(path); !vfs.Stat(folder).ok(); folder = ParentPath(path)) {
      if (folder == path) break;
      hint = fmt::format("; there is no folder {}", folder);
      path = folder;
    }
    const std::string nearest = NearestEntry(vfs, path);
    if (!nearest.empty()) hint += fmt::format("; did you mean {}?", nearest);
    if (!hint.empty()) return status.WithMessage(status.message(), hint);
  }
  return status;
}

/// The entry called `name`: exactly, else without regard to case, else the end.
template <typename Entries>
auto Find(Entries& entries, const std::string& name) {
  const auto exact = entries.find(name);
  if (exact != entries.end()) return exact;
  return std::find_if(entries.begin(), entries.end(),
                      [&](const auto& entry) { return EqualsIgnoringCase(entry.first, name); });
}

template <typename Entries>
bool Erase(Entries& entries, const std::string& name) {
  const auto found = Find(entries, name);
  if (found == entries.end()) return false;
  entries.erase(found);
  return true;
}

/// Threads that a sink may use beside the lanes, with their memory.
int ThreadsOfSink(const Settings& settings, Reservation* memory) {
  if (settings.deterministic) return 0;
  const int64_t most = settings.memory_limit / kSinkMemoryFraction;
  int threads = 0;
  while (threads < settings.threads && memory->bytes() + kSinkThreadBytes <= most &&
         memory->TryGrow(kSinkThreadBytes)) {
    ++threads;
  }
  return threads;
}

}  // namespace

const char* Session::NounOf(EntryKind kind) {
  switch (kind) {
    case EntryKind::kView:
      return "view";
    case EntryKind::kStream:
      return "stream";
    default:
      return "table";
  }
}

void Session::State::MakeResources() {
  const auto ledger = std::make_shared<MemoryLedger>();
  budget = MemoryBudget::MakeRoot("session", settings.memory_limit, "memory_limit", ledger);
  table_budget = budget->MakeChild("tables", settings.memory_limit / kTableMemoryFraction);
  if (pool != nullptr) BudgetPool::KeepUntilEmpty(std::move(pool));
  pool = BudgetPool::Make(settings.memory_limit, ledger);
  executor = settings.deterministic ? Executor::MakeDeterministic(settings.seed)
                                    : Executor::MakeThreaded(settings.threads);
}

bool Session::State::EraseEntry(const std::string& name, std::optional<EntryKind> kind) {
  bool erased = false;
  const auto is_meant = [&](EntryKind entry) { return kind.value_or(entry) == entry; };
  if (is_meant(EntryKind::kTable)) erased = Erase(tables, name);
  if (is_meant(EntryKind::kView)) erased = Erase(views, name) || erased;
  if (is_meant(EntryKind::kStream)) erased = Erase(streams, name) || erased;
  return erased;
}

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}

Session::~Session() {
  state_->executor.reset();
  state_->cache->Clear();
  state_->tables.clear();
  state_->streams.clear();
  BudgetPool::KeepUntilEmpty(std::move(state_->pool));
}

Result<std::shared_ptr<Session>> Session::Make(const Settings& settings, Vfs* vfs, Clock* clock) {
  ARROW_RETURN_NOT_OK(arrow::compute::Initialize());
  auto state = std::make_unique<State>();
  ARROW_ASSIGN_OR_RAISE(state->settings, settings.Resolve());
  if (vfs == nullptr) {
    const Settings& resolved = state->settings;
    const PipeOptions pipes{TempDirectory(resolved.temp_dir), resolved.spill_limit, resolved.poll};
    state->own_vfs = MakePipedVfs(LocalVfs(), pipes);
    vfs = state->own_vfs.get();
  }
  state->vfs = vfs;
  state->clock = clock == nullptr ? &SystemClock() : clock;
  state->settings_at_start = state->settings;
  ARROW_ASSIGN_OR_RAISE(state->table_spill,
                        SpillSpace::Make(state->settings.temp_dir, state->settings.spill_limit,
                                         state->settings.spill_compression));
  state->MakeResources();
  return std::shared_ptr<Session>(new Session(std::move(state)));
}

Settings Session::settings() const {
  std::lock_guard lock(state_->mutex);
  return state_->settings;
}

Status Session::Set(const std::string& name, const std::optional<std::string>& value) {
  Settings given = state_->settings_at_start;
  ARROW_RETURN_NOT_OK(given.Value(name).status());
  if (value.has_value()) {
    ARROW_ASSIGN_OR_RAISE(given, Settings::FromOptions({{name, *value}}));
    ARROW_ASSIGN_OR_RAISE(given, given.Resolve());
  }
  std::lock_guard lock(state_->mutex);
  Settings wanted = state_->settings;
  wanted.Take(name, given);
  const bool same_resources = wanted.memory_limit == state_->settings.memory_limit &&
                              wanted.threads == state_->settings.threads;
  if (!same_resources && state_->running > 0) {
    return Error(ErrorKind::kUnsupported,
                 "{} is set while no query runs, and {} run; read them to the end or close them",
                 name, state_->running);
  }
  state_->settings = wanted;
  if (!same_resources) state_->MakeResources();
  return Status::OK();
}

Vfs& Session::vfs() const { return *state_->vfs; }
Clock& Session::clock() const { return *state_->clock; }
std::shared_ptr<MemoryBudget> Session::MakeTableBudget(std::string name) const {
  std::lock_guard lock(state_->mutex);
  return state_->table_budget->MakeChild(std::move(name));
}
std::shared_ptr<SpillSpace> Session::table_spill() const { return state_->table_spill; }
Result<PlanPtr> Session::Cache(PlanPtr plan) {
  if (plan->properties().boundedness == Boundedness::kUnbounded ||
      plan->properties().change_mode != ChangeMode::kAppend) {
    return Error(ErrorKind::kUnsupported, "rows are cached that come to an end, not a stream");
  }
  return PlanScan(std::make_shared<CachedQuery>(*this, std::move(plan)));
}

std::shared_ptr<ResultCache> Session::result_cache() const { return state_->cache; }

SessionMetrics Session::metrics() const {
  SessionMetrics metrics;
  metrics.queries_started = state_->queries_started.load();
  metrics.spilled_bytes = state_->spilled_bytes.load();
  metrics.table_disk_bytes = state_->table_spill->used_bytes();
  const ResultCache::Figures cache = state_->cache->figures();
  metrics.cached_results = cache.entries;
  metrics.cached_bytes = cache.bytes;
  metrics.cache_hits = cache.hits;
  metrics.cache_misses = cache.misses;
  metrics.cache_evictions = cache.evictions;
  std::lock_guard lock(state_->mutex);
  metrics.queries_running = state_->running;
  metrics.memory_limit = state_->settings.memory_limit;
  metrics.memory_bytes = state_->budget->used_bytes();
  metrics.peak_memory_bytes = state_->budget->peak_bytes();
  metrics.pool_bytes = state_->pool->bytes_allocated();
  metrics.table_bytes = state_->table_budget->used_bytes();
  return metrics;
}

MemoryStreams& Session::memory_streams() const { return state_->memory_streams; }
arrow::MemoryPool* Session::pool() const { return state_->pool.get(); }
int64_t Session::reserved_bytes() const { return state_->budget->used_bytes(); }

Status Session::Register(const std::string& name, SourcePtr source) {
  if (name.empty()) return Error(ErrorKind::kInvalidArgument, "a table needs a name, got \"\"");
  std::lock_guard lock(state_->mutex);
  state_->EraseEntry(name, EntryKind::kView);
  state_->EraseEntry(name, EntryKind::kStream);
  state_->tables[name] = std::move(source);
  return Status::OK();
}

Status Session::Unregister(const std::string& name) {
  std::lock_guard lock(state_->mutex);
  if (state_->tables.erase(name) == 1) return Status::OK();
  return Error(ErrorKind::kUnknownName, "no table is registered as \"{}\"", name);
}

std::vector<std::string> Session::TableNames() const {
  std::lock_guard lock(state_->mutex);
  std::vector<std::string> names;
  for (const auto& [name, source] : state_->tables) names.push_back(name);
  for (const auto& [name, query] : state_->views) names.push_back(name);
  for (const auto& [name, stream] : state_->streams) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> Session::StreamNames() const {
  std::lock_guard lock(state_->mutex);
  std::vector<std::string> names;
  for (const auto& [name, stream] : state_->streams) names.push_back(name);
  return names;
}

Result<SourcePtr> Session::FindTable(const std::string& name) const {
  {
    std::lock_guard lock(state_->mutex);
    const auto found = Find(state_->tables, name);
    if (found != state_->tables.end()) return found->second;
  }
  const std::string nearest = NearestName(name, TableNames());
  if (nearest.empty()) {
    return Error(
        ErrorKind::kUnknownName,
        "no table is named \"{}\": register it, give it with the query, or put the name of a "
        "file in quotes: '{}.csv'",
        name, name);
  }
  return Error(ErrorKind::kUnknownName, "no table is named \"{}\"; did you mean {}?", name,
               nearest);
}

std::optional<Session::EntryKind> Session::FindEntry(const std::string& name) const {
  std::lock_guard lock(state_->mutex);
  if (Find(state_->tables, name) != state_->tables.end()) return EntryKind::kTable;
  if (Find(state_->views, name) != state_->views.end()) return EntryKind::kView;
  if (Find(state_->streams, name) != state_->streams.end()) return EntryKind::kStream;
  return std::nullopt;
}

std::optional<StreamDef> Session::FindStream(const std::string& name) const {
  std::lock_guard lock(state_->mutex);
  const auto found = Find(state_->streams, name);
  if (found == state_->streams.end()) return std::nullopt;
  return found->second;
}

Result<std::optional<std::string>> Session::FindView(const std::string& name) const {
  std::lock_guard lock(state_->mutex);
  const auto found = Find(state_->views, name);
  if (found == state_->views.end()) return std::nullopt;
  return found->second;
}

Status Session::CreateTable(const std::string& name, SourcePtr source) {
  if (name.empty()) return Error(ErrorKind::kInvalidArgument, "a table needs a name, got \"\"");
  std::lock_guard lock(state_->mutex);
  state_->EraseEntry(name, std::nullopt);
  state_->tables[name] = std::move(source);
  return Status::OK();
}

Status Session::CreateView(const std::string& name, std::string query) {
  if (name.empty()) return Error(ErrorKind::kInvalidArgument, "a view needs a name, got \"\"");
  std::lock_guard lock(state_->mutex);
  state_->EraseEntry(name, std::nullopt);
  state_->views[name] = std::move(query);
  return Status::OK();
}

Status Session::CreateStream(const std::string& name, StreamDef stream) {
  if (name.empty()) return Error(ErrorKind::kInvalidArgument, "a stream needs a name, got \"\"");
  if (stream.event_time.has_value()) {
    const arrow::Field& column = *stream.source->schema()->field(stream.event_time->column);
    if (column.type()->id() != arrow::Type::TIMESTAMP) {
      return Error(ErrorKind::kInvalidArgument,
                   "the event time of a stream is a TIMESTAMP; column \"{}\" is {}", column.name(),
                   SqlNameOf(*column.type()));
    }
  }
  std::lock_guard lock(state_->mutex);
  state_->EraseEntry(name, std::nullopt);
  state_->streams[name] = std::move(stream);
  return Status::OK();
}

Status Session::Drop(const std::string& name, EntryKind kind) {
  {
    std::lock_guard lock(state_->mutex);
    if (state_->EraseEntry(name, kind)) return Status::OK();
  }
  const std::string nearest = NearestName(name, TableNames());
  return Error(ErrorKind::kUnknownName, "no {} is named \"{}\"{}", NounOf(kind), name,
               nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest));
}

namespace {

/// `source` with `rows` behind its own, when its rows may change.
Result<SourcePtr> WithRowsBehind(Session& session, const Source& source, StoredRowsPtr rows) {
  if (const auto* stored = dynamic_cast<const StoredTable*>(&source)) {
    return stored->WithRows(session, std::move(rows));
  }
  const auto& table = dynamic_cast<const MemoryTable&>(source);
  auto before = std::make_shared<const StoredRows>(table.RecordBatches());
  return StoredTable::Make(session, table.name(), table.schema(),
                           {std::move(before), std::move(rows)});
}

}  // namespace

Status Session::CheckTakesRows(const Source& table) {
  if (dynamic_cast<const StoredTable*>(&table) != nullptr) return Status::OK();
  const bool takes_rows = dynamic_cast<const MemoryTable*>(&table) != nullptr &&
                          table.change_mode() == ChangeMode::kAppend &&
                          table.boundedness() == Boundedness::kBounded;
  if (takes_rows) return Status::OK();
  return Error(ErrorKind::kUnsupported, "only tables in memory take rows, not {}", table.name());
}

Status Session::Append(const std::string& name, StoredRowsPtr rows) {
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const SourcePtr before, FindTable(name));
    ARROW_RETURN_NOT_OK(CheckTakesRows(*before));
    ARROW_ASSIGN_OR_RAISE(SourcePtr after, WithRowsBehind(*this, *before, rows));
    if (Exchange(name, before, std::move(after))) return Status::OK();
  }
}

Status Session::ReplaceRows(const std::string& name, const SourcePtr& read, StoredRowsPtr rows) {
  ARROW_RETURN_NOT_OK(CheckTakesRows(*read));
  ARROW_ASSIGN_OR_RAISE(SourcePtr table,
                        StoredTable::Make(*this, read->name(), read->schema(), {std::move(rows)}));
  if (Exchange(name, read, std::move(table))) return Status::OK();
  return Error(ErrorKind::kInvalidArgument,
               "another statement changed table \"{}\" meanwhile; run this one again", name);
}

bool Session::Exchange(const std::string& name, const SourcePtr& before, SourcePtr after) {
  std::lock_guard lock(state_->mutex);
  const auto found = Find(state_->tables, name);
  if (found == state_->tables.end() || found->second != before) return false;
  found->second = std::move(after);
  return true;
}

void Session::AddJob(const Job* job) {
  std::lock_guard lock(state_->mutex);
  state_->jobs.push_back(job);
}

void Session::RemoveJob(const Job* job) {
  std::lock_guard lock(state_->mutex);
  std::erase(state_->jobs, job);
}

std::vector<JobStatus> Session::JobStatuses() const {
  std::lock_guard lock(state_->mutex);
  std::vector<JobStatus> statuses;
  for (const Job* job : state_->jobs) statuses.push_back(job->status());
  return statuses;
}

Result<SourcePtr> Session::OpenFile(const std::string& path, const OptionMap& options) const {
  return OpenFiles({path}, options);
}

Result<SourcePtr> Session::OpenFiles(const std::vector<std::string>& paths,
                                     const OptionMap& options) const {
  Result<SourcePtr> opened = headrace::OpenFiles(*state_->vfs, paths, options);
  if (opened.ok() || KindOf(opened.status()) != ErrorKind::kNotFound) return opened;
  return WithNearestFile(*state_->vfs, paths, opened.status());
}

Result<PlanPtr> Session::ByRules(PlanPtr plan) const {
  return settings().optimizer ? Optimize(std::move(plan)) : plan;
}

Result<PlanPtr> Session::Prepare(PlanPtr plan) const {
  if (settings().optimizer) {
    ARROW_ASSIGN_OR_RAISE(plan, WithNodesShared(plan));
  }
  ARROW_ASSIGN_OR_RAISE(plan, WithTimeOfQuery(plan, clock().WallMicros()));
  return ByRules(std::move(plan));
}

Result<Cursor> Session::Run(PlanPtr plan) {
  ARROW_ASSIGN_OR_RAISE(PlanPtr optimized, Prepare(std::move(plan)));
  ARROW_ASSIGN_OR_RAISE(auto run, QueryRun::Make(shared_from_this(), std::move(optimized)));
  return Cursor(std::move(run));
}

Result<int64_t> Session::RunInto(PlanPtr plan, std::unique_ptr<Sink> sink, Poll poll) {
  if (!sink->Accepts(plan->properties().change_mode)) {
    return Error(ErrorKind::kUnsupported, "{} takes no changes of rows, only new rows",
                 sink->name());
  }
  ARROW_ASSIGN_OR_RAISE(Cursor cursor, Run(std::move(plan)));
  cursor.set_poll(std::move(poll));
  Reservation sink_memory(state_->budget);
  if (auto* threads = dynamic_cast<SinkThreads*>(sink.get()); threads != nullptr) {
    threads->UseThreads(ThreadsOfSink(settings(), &sink_memory));
  }
  const auto write = [&]() -> Result<int64_t> {
    ARROW_RETURN_NOT_OK(sink->Open(cursor.schema(), pool()));
    int64_t rows = 0;
    while (true) {
      ARROW_ASSIGN_OR_RAISE(auto batch, cursor.Next());
      if (batch == nullptr) break;
      ARROW_RETURN_NOT_OK(sink->Write(*batch));
      rows += batch->num_rows();
    }
    ARROW_RETURN_NOT_OK(sink->Prepare(0));
    ARROW_RETURN_NOT_OK(sink->Commit(0));
    return rows;
  };
  Result<int64_t> rows = write();
  if (!rows.ok()) (void)sink->Abort();  // the first failure is the one to report
  return rows;
}

Result<std::string> Session::ExplainPlan(PlanPtr plan, bool analyze, Poll poll) {
  ARROW_ASSIGN_OR_RAISE(PlanPtr optimized, Prepare(std::move(plan)));
  const PlanRewrite prepare = [this](const PlanPtr& part) { return Prepare(part); };
  ARROW_ASSIGN_OR_RAISE(std::string text, ExplainWithShared(*optimized, prepare));
  if (!analyze) return text;
  ARROW_ASSIGN_OR_RAISE(auto run, QueryRun::Make(shared_from_this(), std::move(optimized)));
  Cursor cursor(std::move(run));
  cursor.set_poll(std::move(poll));
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, cursor.Next());
    if (batch == nullptr) break;
  }
  const QueryMetrics metrics = cursor.metrics();
  const std::string rejected =
      metrics.rejected_rows == 0 ? "" : fmt::format(" rejected={}", metrics.rejected_rows);
  return fmt::format("{}\n{}rows={} elapsed={:.3f}s peak_memory={} spilled={}{}\n", text,
                     cursor.Profile(), metrics.rows_out,
                     static_cast<double>(metrics.elapsed_micros) / 1e6, metrics.peak_memory_bytes,
                     metrics.spilled_bytes, rejected);
}

void Session::SetCallbackFunction(CallbackFunction function) {
  std::lock_guard lock(state_->mutex);
  state_->callback_function = std::move(function);
}

}  // namespace headrace
