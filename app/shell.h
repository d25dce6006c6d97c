// The interactive shell of `headrace sql`.
#pragma once

#include "script_runner.h"

namespace headrace::app {

/// Reads statements and dot commands from the terminal until .quit or Ctrl-D. Ctrl-C at the prompt
/// drops what was typed, during a query it stops the query; the session lives on.
Status RunShell(Session& session, ScriptRunner& runner, Output& output);

}  // namespace headrace::app
