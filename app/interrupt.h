// Ctrl-C and its kin: the first one asks the query to stop, the second ends the process.
#pragma once

#include "headrace/base/error.h"

namespace headrace::app {

/// Catches SIGINT and SIGTERM, ignores SIGPIPE and SIGXFSZ: writes fail instead. Call once, before
/// threads start.
void CatchSignals();
/// The signal that came, 0 when none did.
int CaughtSignal();
/// Forgets a Ctrl-C that was dealt with; other signals stay.
void ForgetInterrupt();
/// kCancelled once a signal came.
Status CheckInterrupted();

}  // namespace headrace::app
