// What a session is made of; seen only inside the engine.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "headrace/connect/memory/memory_stream.h"
#include "headrace/engine/result_cache.h"
#include "headrace/engine/session.h"
#include "headrace/exec/executor.h"
#include "headrace/memory/pool.h"
#include "headrace/memory/spill_space.h"

namespace headrace {

struct Session::State {
  Settings settings_at_start;
  std::unique_ptr<Vfs> own_vfs;
  Vfs* vfs = nullptr;
  Clock* clock = nullptr;
  std::shared_ptr<MemoryBudget> budget;
  std::shared_ptr<MemoryBudget> table_budget;  // of tables that outlive queries
  std::shared_ptr<SpillSpace> table_spill;
  std::shared_ptr<BudgetPool> pool;
  std::unique_ptr<Executor> executor;
  MemoryStreams memory_streams;
  std::shared_ptr<ResultCache> cache = std::make_shared<ResultCache>();
  std::atomic<int64_t> queries_started{0};
  std::atomic<int64_t> spilled_bytes{0};  // of queries that have ended

  mutable std::mutex mutex;  // of what follows, and of changes of the budget, pool and executor
  Settings settings;
  int running = 0;  // queries

  /// Budget, pool and executor for the settings.
  void MakeResources();
  std::map<std::string, SourcePtr> tables;
  std::map<std::string, std::string> views;  // name → query
  std::map<std::string, StreamDef> streams;
  std::vector<const Job*> jobs;  // in the order in which they were made

  /// Takes the entry of that name out; false when there is none.
  bool EraseEntry(const std::string& name, std::optional<Session::EntryKind> kind);
  CallbackFunction callback_function;

  CallbackFunction callback() const {
    std::lock_guard lock(mutex);
    return callback_function;
  }
};

}  // namespace headrace
