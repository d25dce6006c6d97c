// Job: a streaming query that keeps running – rows go to a sink, state goes to checkpoints, and
// after a kill it goes on from the last one.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "headrace/engine/session.h"
#include "headrace/table/sink.h"

namespace headrace {

struct JobOptions {
  /// Where checkpoints live; "": none are made, everything is committed at the end.
  std::string checkpoint_directory;
  int64_t checkpoint_interval_micros = 1'000'000;
  /// Called between items, at least every 50 ms; a failure ends the job with it.
  Poll poll;
  /// Called after each commit with its epoch.
  std::function<void(int64_t)> on_commit;
};

/// Runs `plan` into `sink` until its input ends, resuming from the directory's checkpoint when it
/// has one of this plan. Per epoch: quiesce, save every state, Prepare the sink, publish the
/// manifest (the commit point), Commit the sink. After a crash the sink's Commit is called again
/// for the manifest's epoch. Gives the rows written by this run. Blocks; one thread.
Result<int64_t> RunJob(Session& session, PlanPtr plan, Sink& sink, const JobOptions& options);

}  // namespace headrace
