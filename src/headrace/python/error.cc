// The classes of Python exceptions and the slot in which raised ones wait.
#include "headrace/python/error.h"

#include <array>
#include <csignal>
#include <string>

namespace headrace::python {
namespace {

constexpr size_t kKinds = static_cast<size_t>(ErrorKind::kInternal) + 1;

std::array<PyObject*, kKinds> classes{};
thread_local RaisedSlot* current_slot = nullptr;

/// The builtin class that an error of `kind` also is, so that ordinary handlers catch it.
PyObject* BuiltinOf(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidArgument:
    case ErrorKind::kSyntax:
    case ErrorKind::kBadData:
      return PyExc_ValueError;
    case ErrorKind::kUnknownName:
      return PyExc_LookupError;
    case ErrorKind::kTypeMismatch:
      return PyExc_TypeError;
    case ErrorKind::kOverflow:
      return PyExc_OverflowError;
    case ErrorKind::kDivisionByZero:
      return PyExc_ZeroDivisionError;
    case ErrorKind::kIo:
    case ErrorKind::kStale:
      return PyExc_OSError;
    case ErrorKind::kNotFound:
      return PyExc_FileNotFoundError;
    case ErrorKind::kMemoryLimit:
      return PyExc_MemoryError;
    case ErrorKind::kUnsupported:
      return PyExc_NotImplementedError;
    case ErrorKind::kCancelled:
    case ErrorKind::kCallback:
    case ErrorKind::kInternal:
      return PyExc_RuntimeError;
  }
  return PyExc_RuntimeError;
}

nb::object MakeClass(const std::string& name, nb::handle bases, nb::dict attributes,
                     const std::string& doc) {
  PyObject* made = PyErr_NewExceptionWithDoc(("headrace." + name).c_str(), doc.c_str(), bases.ptr(),
                                             attributes.ptr());
  if (made == nullptr) throw nb::python_error();
  return nb::steal(made);
}

}  // namespace

void AddErrorClasses(nb::module_& module) {
  nb::object base = MakeClass("Error", nb::handle(PyExc_Exception), nb::dict(),
                              "Whatever the engine refuses or fails to do.");
  module.attr("Error") = base;
  for (const ErrorKindInfo& info : AllErrorKinds()) {
    nb::dict attributes;
    attributes["kind"] = info.name;
    attributes["sqlstate"] = info.sqlstate;
    nb::object made =
        MakeClass(info.python_class, nb::make_tuple(base, nb::handle(BuiltinOf(info.kind))),
                  attributes, fmt::format("Errors of kind {}.", info.name));
    module.attr(info.python_class) = made;
    classes[static_cast<size_t>(info.kind)] = made.release().ptr();
  }
}

void RaiseUnlessOk(const Status& status) {
  if (status.ok()) return;
  const std::string message = status.message();
  PyObject* text = PyUnicode_DecodeUTF8(message.data(), static_cast<Py_ssize_t>(message.size()),
                                        "backslashreplace");
  if (text != nullptr) {
    PyErr_SetObject(classes[static_cast<size_t>(KindOf(status))], text);
    Py_DECREF(text);
  }
  throw nb::python_error();
}

RaisedSlot::RaisedSlot() : outer_(current_slot) { current_slot = this; }
RaisedSlot::~RaisedSlot() { current_slot = outer_; }

void RaisedSlot::Rethrow() {
  if (!error_.has_value()) return;
  nb::python_error error = *std::move(error_);
  error_.reset();
  throw error;
}

NoRaisedSlot::NoRaisedSlot() : outer_(current_slot) { current_slot = nullptr; }
NoRaisedSlot::~NoRaisedSlot() { current_slot = outer_; }

Status KeepRaised(nb::python_error error, ErrorKind kind) {
  const std::string text =
      fmt::format("{}: {}", nb::type_name(error.type()).c_str(), nb::str(error.value()).c_str());
  if (current_slot != nullptr) {
    current_slot->error_.emplace(std::move(error));
  } else if (error.matches(PyExc_KeyboardInterrupt)) {
    PyErr_SetInterruptEx(SIGINT);
  }
  return MakeError(kind, text);
}

Status PollSignals() {
  if (!nb::is_alive()) return MakeError(ErrorKind::kCancelled, "the interpreter is shutting down");
  nb::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() == 0) return Status::OK();
  return KeepRaised(nb::python_error(), ErrorKind::kCancelled);
}

}  // namespace headrace::python
