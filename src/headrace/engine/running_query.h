// RunningQuery: a query of a job from its start to its end – how far it is, and its table in
// checkpoints.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/engine/job.h"
#include "headrace/engine/query_run.h"
#include "headrace/exec/checkpoint/saved_table.h"

namespace headrace {

/// Of the thread of its job.
struct RunningQuery {
  explicit RunningQuery(JobQuery of_query);

  JobQuery query;
  uint64_t plan_hash = 0;
  const QueryCheckpoint* restore = nullptr;
  std::unique_ptr<QueryRun> run;
  std::shared_ptr<DeadLetters> dead_letters;  // null when nobody takes them
  TableWait wait;
  bool started = false;
  bool loaded = false;
  bool ended = false;
  bool paused = false;  // since the last checkpoint, because its results have no room
  int64_t rows_out = 0;
  int64_t loaded_micros = -1;  // when it was loaded
  int64_t next_expiry_micros = 0;
  SavedTable saved_table;

  bool active() const { return started && !ended; }
  bool has_room() const { return query.results == nullptr || query.results->HasRoom(); }
  void SetLoaded(int64_t now_micros);

  JobQueryStatus status(int64_t now_micros) const;
  /// Deletes rows that are older than the retention, when it is time.
  Status ExpireWhenDue(int64_t now_micros);

 private:
  JobTableStatus TableStatus(int64_t now_micros, const QueryMetrics& metrics) const;
};

}  // namespace headrace
