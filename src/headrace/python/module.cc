// The Python module `headrace._headrace`: thin; python/headrace makes it pleasant.
#include <nanobind/nanobind.h>

#include "headrace/python/error.h"
#include "headrace/python/exchange.h"
#include "headrace/python/expression.h"
#include "headrace/python/job.h"
#include "headrace/python/memory_stream.h"
#include "headrace/python/plan.h"
#include "headrace/python/run.h"
#include "headrace/python/session.h"

NB_MODULE(_headrace, module) {
  // The default session lives as long as the process.
  nanobind::set_leak_warnings(false);
  headrace::python::AddErrorClasses(module);
  headrace::python::AddExchangeClasses(module);
  headrace::python::AddExpressionClasses(module);
  headrace::python::AddSessionClasses(module);
  headrace::python::AddRunClass(module);
  headrace::python::AddPlanClass(module);
  headrace::python::AddJobClass(module);
  headrace::python::AddMemoryStreamClass(module);
}
