// A job as Python holds it: it runs on a thread of its own while Python does other things.
#pragma once

#include <nanobind/nanobind.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "headrace/python/session.h"
#include "headrace/sql/run_application.h"

namespace headrace::python {

/// Runs from its making until its inputs end, it fails, or it is stopped. After a fork the child
/// has none of it.
class JobHandle {
 public:
  JobHandle(std::shared_ptr<Session> session, sql::ApplicationJob made);
  /// Stops the job and waits for its end.
  ~JobHandle();
  JobHandle(const JobHandle&) = delete;
  JobHandle& operator=(const JobHandle&) = delete;

  void Start();
  /// Soon, after one more epoch. Does not wait.
  void Stop();
  /// Until it has ended, for so long at most; whether it has. REQUIRES: no GIL.
  Result<bool> Wait(double seconds);
  /// Of a job that has ended.
  Status failure() const;

  JobStatus status() const { return made_.job->status(); }
  const sql::ApplicationJob& made() const { return made_; }
  Session& session() const { return *session_; }
  bool InItsProcess() const;

 private:
  const std::shared_ptr<Session> session_;
  sql::ApplicationJob made_;
  const pid_t process_;
  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  bool ended_ = false;
  Status failure_;
  std::thread thread_;
};

void AddJobClass(nb::module_& module);

}  // namespace headrace::python
