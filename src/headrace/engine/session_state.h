// What a session is made of; seen only inside the engine.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "headrace/engine/session.h"
#include "headrace/exec/executor.h"
#include "headrace/memory/pool.h"

namespace headrace {

struct Session::State {
  Settings settings_at_start;
  std::unique_ptr<Vfs> own_vfs;
  Vfs* vfs = nullptr;
  const Clock* clock = nullptr;
  std::shared_ptr<MemoryBudget> budget;
  std::shared_ptr<BudgetPool> pool;
  std::unique_ptr<Executor> executor;

  mutable std::mutex mutex;  // of what follows, and of changes of the budget, pool and executor
  Settings settings;
  int running = 0;  // queries

  /// Budget, pool and executor for the settings.
  void MakeResources();
  std::map<std::string, SourcePtr> tables;
  std::map<std::string, std::string> views;  // name → query
  CallbackFunction callback_function;

  CallbackFunction callback() const {
    std::lock_guard lock(mutex);
    return callback_function;
  }
};

}  // namespace headrace
