// StreamTable: a Python object that offers `__arrow_c_stream__` as a source, read while the query
// runs and never kept: one batch waits while another one is worked on.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <string>

#include "headrace/table/source.h"

namespace headrace::python {

namespace nb = nanobind;

/// A thread per opened reader takes batches from the object, so that a slow object holds no lane.
/// `reads_once`: the object gives its rows once (a reader, a generator); a second read is an error.
/// Others are asked for a new stream by every query. `schema` offers `__arrow_c_schema__`; none:
/// the object is asked for its first stream at once. Raises.
SourcePtr MakeStreamTable(nb::object data, bool reads_once, nb::object schema);

/// Ends the threads of all readers, and waits for them for a moment; when the process ends. They
/// may stand inside Python. REQUIRES: the GIL.
void StopStreamReaders();

}  // namespace headrace::python
