// The poll of queries that Python waits for.
#include "headrace/python/poll.h"

#include <memory>

#include "headrace/python/error.h"

namespace headrace::python {
namespace {

/// A reference that may be dropped on any thread.
class Reference {
 public:
  explicit Reference(nb::object object) : object_(object.release().ptr()) {}
  ~Reference() {
    if (nb::detail::cleanup_guard guard{}) Py_DECREF(object_);
  }
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;
  nb::handle get() const { return object_; }

 private:
  PyObject* const object_;
};

Status ShowProgress(nb::handle progress, const QueryMetrics& metrics) {
  nb::gil_scoped_acquire gil;
  try {
    progress(metrics.rows_read, metrics.bytes_read, metrics.splits_read, metrics.splits);
    return Status::OK();
  } catch (nb::python_error& error) {
    return KeepRaised(std::move(error), ErrorKind::kCallback);
  }
}

}  // namespace

Poll MakePoll(nb::object progress) {
  if (progress.is_none()) return PollSignals;
  auto reference = std::make_shared<const Reference>(std::move(progress));
  return [reference](const QueryMetrics& metrics) {
    ARROW_RETURN_NOT_OK(PollSignals());
    return ShowProgress(reference->get(), metrics);
  };
}

}  // namespace headrace::python
