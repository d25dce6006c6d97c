// The handle of a stream in memory.
#include "headrace/python/memory_stream.h"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <vector>

#include "arrow/record_batch.h"
#include "headrace/connect/memory/memory_stream.h"
#include "headrace/python/error.h"
#include "headrace/python/exchange.h"
#include "headrace/python/session.h"

namespace headrace::python {
namespace {

struct MemoryStreamHandle {
  MemoryStreamPtr stream;
};

MemoryStreamHandle Find(const SessionHandle& session, const std::string& name) {
  return {session.Get().memory_streams().Find(name)};
}

void Append(const MemoryStreamHandle& self, nb::handle data) {
  const ImportedTable rows = ImportTable(data);
  CallEngine([&]() -> Status {
    ARROW_RETURN_NOT_OK(self.stream->Declare(rows.schema));
    for (const auto& batch : rows.batches) ARROW_RETURN_NOT_OK(self.stream->Append(*batch));
    return Status::OK();
  });
}

nb::object SchemaOf(const MemoryStreamHandle& self) {
  const SchemaPtr schema = self.stream->schema();
  return schema == nullptr ? nb::none() : ExportSchema(schema);
}

std::vector<BatchHandle> RowsOf(const MemoryStreamHandle& self) {
  std::vector<BatchHandle> rows;
  for (auto& batch : self.stream->Rows()) rows.push_back({std::move(batch)});
  return rows;
}

}  // namespace

void AddMemoryStreamClass(nb::module_& module) {
  nb::class_<MemoryStreamHandle>(module, "MemoryStream")
      .def("append", &Append, nb::arg("data"))
      .def(
          "end", [](const MemoryStreamHandle& self) { self.stream->End(); },
          nb::call_guard<nb::gil_scoped_release>())
      .def("clear",
           [](const MemoryStreamHandle& self) { CallEngine([&] { return self.stream->Clear(); }); })
      .def("is_declared",
           [](const MemoryStreamHandle& self) { return self.stream->schema() != nullptr; })
      .def("__arrow_c_schema__", &SchemaOf)
      .def("rows", &RowsOf)
      .def("num_rows", [](const MemoryStreamHandle& self) { return self.stream->num_rows(); });
  module.def("memory_stream", &Find, nb::arg("session"), nb::arg("name"));
}

}  // namespace headrace::python
