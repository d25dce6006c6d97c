// User functions by id: the plan holds ids, Python objects stay here as long as someone holds them.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "headrace/types/batch.h"

namespace headrace::python {

namespace nb = nanobind;

/// A Python function known by its id while this object lives. Made with the GIL; may die anywhere.
class Callback {
 public:
  explicit Callback(nb::object function);
  ~Callback();
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;

  int64_t id() const { return id_; }

 private:
  const int64_t id_;
  PyObject* const function_;
};

using Callbacks = std::vector<std::shared_ptr<const Callback>>;

/// Appends the members of `more` that are not yet in `into`.
void Merge(const Callbacks& more, Callbacks* into);

/// Session::CallbackFunction: takes the GIL and calls the function with a list of Array objects and
/// the number of rows; it gives something with `__arrow_c_array__`. What it raises is kept.
Result<ArrayPtr> EvaluateCallback(int64_t id, const std::vector<ArrayPtr>& args, int64_t num_rows,
                                  const TypePtr& type);

}  // namespace headrace::python
