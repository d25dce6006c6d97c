// Session: catalog, settings, budget and lanes. The only door of the engine: front ends make plans
// with the plan builder and run them here.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/engine/cursor.h"
#include "headrace/engine/settings.h"
#include "headrace/exec/callback.h"
#include "headrace/io/vfs.h"
#include "headrace/memory/budget.h"
#include "headrace/plan/node.h"
#include "headrace/table/options.h"

namespace headrace {

class MemoryStreams;
class SpillSpace;
class StoredRows;

/// A stream of the catalog: a source that says it has no end, and its event time.
struct StreamDef {
  SourcePtr source;
  std::optional<EventTime> event_time;
  /// What windows over it do with rows that come late, unless a query says otherwise.
  LatePolicy late = LatePolicy::kDrop;
  int64_t lateness_micros = 0;
};

/// Of one session. Bytes, but for counts.
struct SessionMetrics {
  int64_t queries_started = 0;
  int64_t queries_running = 0;
  int64_t memory_limit = 0;
  int64_t memory_bytes = 0;  // claimed by operators, queues and tables
  int64_t peak_memory_bytes = 0;
  int64_t pool_bytes = 0;   // of Arrow buffers, claimed or not
  int64_t table_bytes = 0;  // of tables, in memory
  int64_t table_disk_bytes = 0;
  int64_t spilled_bytes = 0;  // by queries that have ended
  int64_t cached_results = 0;
  int64_t cached_bytes = 0;  // in memory and on disk
  int64_t cache_hits = 0;
  int64_t cache_misses = 0;
  int64_t cache_evictions = 0;
};

class Job;
class ResultCache;
struct JobStatus;

/// Thread safe; many queries run at once, round robin over the lanes. Lives until its last cursor.
class Session : public std::enable_shared_from_this<Session> {
 public:
  /// `vfs`, `clock`: null for the machine's. They must outlive the session.
  static Result<std::shared_ptr<Session>> Make(const Settings& settings, Vfs* vfs = nullptr,
                                               Clock* clock = nullptr);
  ~Session();

  Settings settings() const;
  /// SET, or RESET without a value: the setting as the session began. Queries that start later see
  /// it; memory_limit and threads are refused while a query runs.
  Status Set(const std::string& name, const std::optional<std::string>& value);
  Vfs& vfs() const;
  Clock& clock() const;
  arrow::MemoryPool* pool() const;
  /// Bytes that queries and tables have reserved.
  int64_t reserved_bytes() const;
  /// A node of the session's budget for a table that outlives queries: such tables have half of it
  /// together at most, so that queries over them have room.
  std::shared_ptr<MemoryBudget> MakeTableBudget(std::string name) const;
  /// Where such tables put what does not fit.
  std::shared_ptr<SpillSpace> table_spill() const;

  /// A scan of the rows of `plan`, which are computed at the first use, kept (settings.cache_limit)
  /// for the next ones, and computed anew when a table that the plan reads has changed.
  /// kUnsupported for a stream.
  Result<PlanPtr> Cache(PlanPtr plan);
  std::shared_ptr<ResultCache> result_cache() const;
  /// What the session holds now and has done so far.
  SessionMetrics metrics() const;

  /// What the connector memory reads and writes.
  MemoryStreams& memory_streams() const;

  /// Names are case-insensitive in SQL. Replaces a table of that name.
  Status Register(const std::string& name, SourcePtr source);
  Status Unregister(const std::string& name);
  /// Of tables, views and streams, sorted.
  std::vector<std::string> TableNames() const;
  std::vector<std::string> StreamNames() const;
  /// A registered table, exact name first, then without case; kUnknownName with the nearest names.
  Result<SourcePtr> FindTable(const std::string& name) const;
  /// SQL's view of the catalog: names without regard to case. A view is the text of a query.
  enum class EntryKind { kTable, kView, kStream };
  /// "table", "view", "stream"
  static const char* NounOf(EntryKind kind);
  std::optional<EntryKind> FindEntry(const std::string& name) const;
  /// The query of a view, if `name` is one.
  Result<std::optional<std::string>> FindView(const std::string& name) const;
  /// The stream called `name`, if there is one.
  std::optional<StreamDef> FindStream(const std::string& name) const;
  /// Replaces any entry of that name.
  Status CreateTable(const std::string& name, SourcePtr source);
  Status CreateView(const std::string& name, std::string query);
  /// kInvalidArgument when the event time is no timestamp column of the source.
  Status CreateStream(const std::string& name, StreamDef stream);
  /// kUnknownName with the nearest names.
  Status Drop(const std::string& name, EntryKind kind);
  /// kUnsupported unless `table` is one that Append and ReplaceRows change: made by CreateTable of
  /// stored rows, or a plain table in memory.
  static Status CheckTakesRows(const Source& table);
  /// Adds rows to a table, all or none; queries that run see the rows of before.
  Status Append(const std::string& name, std::shared_ptr<const StoredRows> rows);
  /// Puts `rows` in the place of the rows of a table, where they were made of its rows as they were
  /// in `read`; kInvalidArgument when the table is another one by now.
  Status ReplaceRows(const std::string& name, const SourcePtr& read,
                     std::shared_ptr<const StoredRows> rows);
  /// A job is known to its session while it lives.
  void AddJob(const Job* job);
  void RemoveJob(const Job* job);
  /// Of the jobs of this session, those that have ended too.
  std::vector<JobStatus> JobStatuses() const;
  /// A file or glob as a source, by extension or the option "format".
  Result<SourcePtr> OpenFile(const std::string& path, const OptionMap& options) const;
  /// The files of several paths and globs as one source, in this order.
  Result<SourcePtr> OpenFiles(const std::vector<std::string>& paths,
                              const OptionMap& options) const;

  /// `plan` rewritten by the optimizer's rules, unless the session leaves them out.
  Result<PlanPtr> ByRules(PlanPtr plan) const;
  /// `plan` as it will run: the time of the query (now() and its kin) fixed, then ByRules.
  Result<PlanPtr> Prepare(PlanPtr plan) const;
  /// Prepares and starts `plan`. Nothing is read before the first Next… of the cursor.
  Result<Cursor> Run(PlanPtr plan);
  /// Runs `plan` into `sink` and commits epoch 0; on any failure the sink is aborted. Gives the
  /// rows written. Waits as Cursor::Next does, with `poll`.
  Result<int64_t> RunInto(PlanPtr plan, std::unique_ptr<Sink> sink, Poll poll = nullptr);
  /// The plan after optimization, as text; with `analyze` runs it and adds the figures.
  Result<std::string> ExplainPlan(PlanPtr plan, bool analyze, Poll poll = nullptr);

  /// Who evaluates callback nodes; set once, before queries with callbacks. Called on the thread
  /// that waits in Cursor::Next. A failure of user code is a Status of kind kCallback.
  using CallbackFunction = std::function<Result<ArrayPtr>(
      int64_t id, const std::vector<ArrayPtr>& args, int64_t num_rows, const TypePtr& type)>;
  void SetCallbackFunction(CallbackFunction function);

 private:
  friend class QueryRun;
  struct State;
  explicit Session(std::unique_ptr<State> state);
  /// Puts `after` in the place of the table `before`; false when another one is called `name` now.
  bool Exchange(const std::string& name, const SourcePtr& before, SourcePtr after);
  std::unique_ptr<State> state_;
};

}  // namespace headrace
