// A running query as Python holds it, and the same as an Arrow stream for any consumer.
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "headrace/engine/cursor.h"
#include "headrace/python/callback.h"
#include "headrace/python/session.h"

namespace headrace::python {

/// Owns an engine cursor with all it needs. One consumer at a time: a second one gets an error.
class RunHandle {
 public:
  RunHandle(std::shared_ptr<SessionHandle> session, Cursor cursor, Callbacks callbacks, Poll poll);
  ~RunHandle();
  RunHandle(const RunHandle&) = delete;
  RunHandle& operator=(const RunHandle&) = delete;

  /// REQUIRES: no GIL, so for all but Profile and metrics.
  Result<std::shared_ptr<arrow::RecordBatch>> Next();
  void Cancel();
  /// Cancels; when nobody waits for a batch, waits until the query has let go of everything.
  void Close();
  std::string Profile() const { return cursor_->Profile(); }
  QueryMetrics metrics() const { return cursor_->metrics(); }

 private:
  const std::shared_ptr<SessionHandle> session_;
  std::optional<Cursor> cursor_;
  const Callbacks callbacks_;
  std::atomic<bool> busy_{false};
};

void AddRunClass(nb::module_& module);

}  // namespace headrace::python
