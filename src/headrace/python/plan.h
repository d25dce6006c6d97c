// Plans as Python holds them: each method gives a new plan; nothing runs before it is asked to.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>

#include "headrace/plan/node.h"
#include "headrace/python/callback.h"
#include "headrace/python/session.h"

namespace headrace::python {

/// Immutable.
struct PlanHandle {
  std::shared_ptr<SessionHandle> session;
  PlanPtr plan;
  Callbacks callbacks;
};

void AddPlanClass(nb::module_& module);

}  // namespace headrace::python
