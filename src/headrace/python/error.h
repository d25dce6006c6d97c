// Errors between the engine and Python: one exception class per error kind, and the door through
// which every engine call goes. Exceptions of user code come out as the objects they were.
#pragma once

#include <nanobind/nanobind.h>

#include <optional>
#include <type_traits>
#include <utility>

#include "headrace/base/check.h"
#include "headrace/base/error.h"

namespace headrace::python {

namespace nb = nanobind;

/// Adds `Error` and the classes of AllErrorKinds() to `module`.
void AddErrorClasses(nb::module_& module);

/// Raises the Python exception of the status's kind with its message unchanged. OK: returns.
void RaiseUnlessOk(const Status& status);

/// Where a Python exception that was raised below an engine call waits until the call is left. One
/// per engine call, on its thread's stack.
class RaisedSlot {
 public:
  RaisedSlot();
  ~RaisedSlot();
  RaisedSlot(const RaisedSlot&) = delete;
  RaisedSlot& operator=(const RaisedSlot&) = delete;
  /// Raises what was kept. REQUIRES: the GIL.
  void Rethrow();

 private:
  friend Status KeepRaised(nb::python_error error, ErrorKind kind);
  friend class NoRaisedSlot;
  RaisedSlot* const outer_;
  std::optional<nb::python_error> error_;
};

/// While it lives, exceptions have no slot on this thread: the caller is not Python.
class NoRaisedSlot {
 public:
  NoRaisedSlot();
  ~NoRaisedSlot();
  NoRaisedSlot(const NoRaisedSlot&) = delete;
  NoRaisedSlot& operator=(const NoRaisedSlot&) = delete;

 private:
  RaisedSlot* const outer_;
};

/// Puts `error` into the thread's slot and gives a status of `kind` with its text. Where there is
/// no slot, a KeyboardInterrupt is posted again for Python to see later. REQUIRES: the GIL.
Status KeepRaised(nb::python_error error, ErrorKind kind);

/// Runs pending signal handlers, as the `poll` of engine calls: kCancelled when one raised.
/// REQUIRES: no GIL.
Status PollSignals();

template <typename Body>
auto WithoutGil(Body&& body) -> std::invoke_result_t<Body> {
  nb::gil_scoped_release release;
  try {
    return std::forward<Body>(body)();
  } catch (const InvariantError& error) {
    return MakeError(ErrorKind::kInternal, error.what());
  }
}

/// Calls `body` (giving a Status or a Result) without the GIL; gives its value or raises.
template <typename Body>
auto CallEngine(Body&& body) {
  RaisedSlot raised;
  auto result = WithoutGil(std::forward<Body>(body));
  raised.Rethrow();
  if constexpr (std::is_same_v<decltype(result), Status>) {
    RaiseUnlessOk(result);
  } else {
    RaiseUnlessOk(result.status());
    return std::move(result).ValueUnsafe();
  }
}

}  // namespace headrace::python
