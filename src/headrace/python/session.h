// The session as Python holds it, and tables that queries may name.
#pragma once

#include <nanobind/nanobind.h>
#include <sys/types.h>

#include <memory>
#include <string>

#include "headrace/engine/session.h"

namespace headrace::python {

namespace nb = nanobind;

/// A session and the process it was made in. After a fork the child has none of its threads: there
/// every use is an error, and the engine's objects are left as they are, undestroyed.
class SessionHandle {
 public:
  static std::shared_ptr<SessionHandle> Make(const OptionMap& options);
  explicit SessionHandle(std::shared_ptr<Session> session);
  ~SessionHandle();
  SessionHandle(const SessionHandle&) = delete;
  SessionHandle& operator=(const SessionHandle&) = delete;

  /// Raises when the session was closed, or made before a fork.
  Session& Get() const;
  /// Whether this process is the one that made it.
  bool InItsProcess() const;
  /// No further query starts; those that run go on. Idempotent.
  void Close();

  /// Whether whole runs show a progress bar: "auto", "on", "off"; for the Python side.
  std::string progress_mode = "auto";

 private:
  std::shared_ptr<Session> session_;
  const pid_t process_;
};

/// Something that SQL may name: a file, a table in memory.
struct TableHandle {
  SourcePtr source;
};

void AddSessionClasses(nb::module_& module);

}  // namespace headrace::python
