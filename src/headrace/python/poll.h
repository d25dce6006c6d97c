// What a query does while Python waits for it: Ctrl-C is heard, progress is shown.
#pragma once

#include <nanobind/nanobind.h>

#include "headrace/engine/cursor.h"

namespace headrace::python {

namespace nb = nanobind;

/// Runs pending signal handlers, then calls `progress` (none: nothing is called) with the rows and
/// bytes read, the splits read and the splits there are. What either raises ends the query.
/// REQUIRES: the GIL; the poll is called without it.
Poll MakePoll(nb::object progress);

}  // namespace headrace::python
