// Streams in memory as Python holds them: rows go in and come out.
#pragma once

#include <nanobind/nanobind.h>

namespace headrace::python {

namespace nb = nanobind;

void AddMemoryStreamClass(nb::module_& module);

}  // namespace headrace::python
