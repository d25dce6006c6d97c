// The table of user functions and the call into Python.
#include "headrace/python/callback.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/python/error.h"
#include "headrace/python/exchange.h"
#include "headrace/types/encoding.h"

namespace headrace::python {
namespace {

/// Functions by id. Lock order: the GIL, then the mutex.
struct FunctionTable {
  std::mutex mutex;
  std::map<int64_t, PyObject*> functions;
  int64_t next_id = 1;

  int64_t Add(PyObject* function) {
    const std::lock_guard lock(mutex);
    functions.emplace(next_id, function);
    return next_id++;
  }
  void Remove(int64_t id) {
    const std::lock_guard lock(mutex);
    functions.erase(id);
  }
  PyObject* Find(int64_t id) {
    const std::lock_guard lock(mutex);
    const auto found = functions.find(id);
    return found == functions.end() ? nullptr : found->second;
  }
};

FunctionTable& Table() {
  static auto* table = new FunctionTable();  // outlives every Callback, whoever drops the last one
  return *table;
}

nb::object CallFunction(PyObject* function, const std::vector<ArrayPtr>& args, int64_t num_rows) {
  nb::list columns;
  for (const ArrayPtr& array : args) columns.append(nb::cast(ArrayHandle{array}));
  return nb::borrow(function)(columns, num_rows);
}

Status CheckResult(const arrow::Array& array, int64_t num_rows, const arrow::DataType& type) {
  if (array.length() != num_rows) {
    return Error(ErrorKind::kCallback, "the callback gave {} values for {} rows", array.length(),
                 num_rows);
  }
  if (!SameLogicalType(*array.type(), type)) {
    return Error(ErrorKind::kCallback, "the callback promised {}, it gave {}", type.ToString(),
                 array.type()->ToString());
  }
  return Status::OK();
}

}  // namespace

Callback::Callback(nb::object function)
    : id_(Table().Add(function.ptr())), function_(function.release().ptr()) {}

Callback::~Callback() {
  if (nb::detail::cleanup_guard guard{}) {
    Table().Remove(id_);
    Py_DECREF(function_);
  }
}

void Merge(const Callbacks& more, Callbacks* into) {
  for (const auto& callback : more) {
    if (std::find(into->begin(), into->end(), callback) == into->end()) into->push_back(callback);
  }
}

Result<ArrayPtr> EvaluateCallback(int64_t id, const std::vector<ArrayPtr>& args, int64_t num_rows,
                                  const TypePtr& type) {
  nb::gil_scoped_acquire gil;
  PyObject* function = Table().Find(id);
  HEADRACE_CHECK(function != nullptr, "a callback outlived its plan");
  try {
    ArrayPtr array = ImportArray(CallFunction(function, args, num_rows));
    ARROW_RETURN_NOT_OK(CheckResult(*array, num_rows, *type));
    return array;
  } catch (nb::python_error& error) {
    return KeepRaised(std::move(error), ErrorKind::kCallback);
  }
}

}  // namespace headrace::python
