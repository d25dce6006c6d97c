// What becomes of the state of an earlier run when a job starts again, perhaps with other queries.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "headrace/base/error.h"
#include "headrace/exec/checkpoint/checkpoint.h"

namespace headrace {

/// What the starter of a job allows to be given up. Nothing is given up without.
struct StateTerms {
  /// Names of queries whose state is dropped: they start anew if the job still has them.
  std::set<std::string> drop;
  /// Queries that have changed start anew.
  bool allow_rebuild = false;
};

/// Names of queries, sorted.
struct KeptState {
  int64_t epoch = 0;
  std::vector<std::string> kept;
  std::vector<std::string> rebuilt;  // start anew
  std::vector<std::string> added;    // had no state
  std::vector<std::string> dropped;  // the job has them no more
  /// "epoch 7: goes on with a, b; starts anew: c; gave up: d".
  std::string Text() const;
};

/// `plans`: the queries of the job, with the hashes of their plans. kStale names every query that
/// has changed or is gone without leave, and how to give it; kUnknownName for a name in `terms`
/// that has no state.
Result<KeptState> DecideState(const CheckpointReader& saved, const std::string& directory,
                              const std::map<std::string, uint64_t>& plans,
                              const StateTerms& terms);

}  // namespace headrace
