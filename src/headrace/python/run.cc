// Running queries: batches one by one for Python, streams for everyone else.
#include "headrace/python/run.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include "arrow/record_batch.h"
#include "headrace/python/error.h"
#include "headrace/python/exchange.h"

namespace headrace::python {
namespace {

/// Clears a flag when it dies.
class BusyMark {
 public:
  explicit BusyMark(std::atomic<bool>* flag) : flag_(flag) {}
  ~BusyMark() { flag_->store(false, std::memory_order_release); }
  BusyMark(const BusyMark&) = delete;
  BusyMark& operator=(const BusyMark&) = delete;

 private:
  std::atomic<bool>* const flag_;
};

using IntegersByName = nb::typed<nb::dict, nb::str, int64_t>;

std::optional<BatchHandle> NextBatch(RunHandle& self) {
  auto batch = CallEngine([&] { return self.Next(); });
  if (batch == nullptr) return std::nullopt;
  return BatchHandle{std::move(batch)};
}

IntegersByName MetricsOf(const RunHandle& self) {
  const QueryMetrics metrics = self.metrics();
  IntegersByName out;
  out["rows_out"] = metrics.rows_out;
  out["rows_read"] = metrics.rows_read;
  out["bytes_read"] = metrics.bytes_read;
  out["rejected_rows"] = metrics.rejected_rows;
  out["spilled_bytes"] = metrics.spilled_bytes;
  out["peak_memory_bytes"] = metrics.peak_memory_bytes;
  out["elapsed_micros"] = metrics.elapsed_micros;
  return out;
}

}  // namespace

RunHandle::RunHandle(std::shared_ptr<SessionHandle> session, Cursor cursor, Callbacks callbacks,
                     Poll poll)
    : session_(std::move(session)), cursor_(std::move(cursor)), callbacks_(std::move(callbacks)) {
  cursor_->set_poll(std::move(poll));
}

RunHandle::~RunHandle() {
  if (!session_->InItsProcess()) {
    new Cursor(std::move(*cursor_));  // its threads are not here: left as it is
    return;
  }
  if (nb::is_alive() && PyGILState_Check() != 0) {
    nb::gil_scoped_release release;
    cursor_.reset();
  } else {
    cursor_.reset();
  }
}

Result<std::shared_ptr<arrow::RecordBatch>> RunHandle::Next() {
  if (!session_->InItsProcess()) {
    return Error(ErrorKind::kInvalidArgument, "the query was started before this process forked");
  }
  if (busy_.exchange(true, std::memory_order_acquire)) {
    return Error(ErrorKind::kInvalidArgument, "the query is being read by another call");
  }
  const BusyMark mark(&busy_);
  return cursor_->Next();
}

void RunHandle::Cancel() {
  if (session_->InItsProcess()) cursor_->Cancel();
}

void RunHandle::Close() {
  Cancel();
  if (!session_->InItsProcess() || busy_.exchange(true, std::memory_order_acquire)) return;
  const BusyMark mark(&busy_);
  cursor_->Close();
}

void AddRunClass(nb::module_& module) {
  nb::class_<RunHandle>(module, "Run", nb::is_weak_referenceable())
      .def("next", &NextBatch)
      .def("cancel", &RunHandle::Cancel, nb::call_guard<nb::gil_scoped_release>())
      .def("close", &RunHandle::Close, nb::call_guard<nb::gil_scoped_release>())
      .def("profile", &RunHandle::Profile)
      .def("metrics", &MetricsOf);
}

}  // namespace headrace::python
