// PyCapsules of the Arrow C data interface.
#include "headrace/python/exchange.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <utility>

#include "arrow/array.h"
#include "arrow/c/bridge.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/python/error.h"
#include "headrace/types/format_value.h"
#include "headrace/types/type_table.h"

namespace headrace::python {
namespace {

template <typename Struct>
constexpr const char* kCapsuleName = nullptr;
template <>
constexpr const char* kCapsuleName<ArrowSchema> = "arrow_schema";
template <>
constexpr const char* kCapsuleName<ArrowArray> = "arrow_array";
template <>
constexpr const char* kCapsuleName<ArrowArrayStream> = "arrow_array_stream";

/// A struct of the C data interface that releases what it still owns when it dies.
template <typename Struct>
struct Releasing final {
  Struct value{};
  Releasing() = default;
  Releasing(const Releasing&) = delete;
  Releasing& operator=(const Releasing&) = delete;
  ~Releasing() {
    if (value.release != nullptr) value.release(&value);
  }
};

template <typename Struct>
nb::object MakeCapsule(std::unique_ptr<Releasing<Struct>> owned) {
  PyObject* capsule = PyCapsule_New(&owned->value, kCapsuleName<Struct>, [](PyObject* object) {
    void* value = PyCapsule_GetPointer(object, kCapsuleName<Struct>);
    delete reinterpret_cast<Releasing<Struct>*>(value);  // `value` is its first member
  });
  if (capsule == nullptr) throw nb::python_error();
  owned.release();
  return nb::steal(capsule);
}

template <typename Struct>
Struct* StructIn(nb::handle capsule) {
  void* value = PyCapsule_GetPointer(capsule.ptr(), kCapsuleName<Struct>);
  if (value == nullptr) throw nb::python_error();
  return static_cast<Struct*>(value);
}

Status Check(const arrow::RecordBatch& batch) {
  const Status valid = batch.ValidateFull();
  return valid.ok() ? valid : Error(ErrorKind::kBadData, "invalid Arrow data: {}", valid.message());
}

Result<ImportedTable> ReadStream(arrow::RecordBatchReader& reader) {
  ImportedTable table{reader.schema(), {}};
  while (true) {
    ARROW_RETURN_NOT_OK(PollSignals());
    ARROW_ASSIGN_OR_RAISE(auto batch, reader.Next());
    if (batch == nullptr) return table;
    ARROW_RETURN_NOT_OK(Check(*batch));
    table.batches.push_back(std::move(batch));
  }
}

/// The two capsules that `__arrow_c_array__` gives.
std::pair<nb::object, nb::object> ArrayCapsules(nb::handle data) {
  nb::object pair = data.attr("__arrow_c_array__")();
  return {pair[0], pair[1]};
}

ImportedTable ImportRecordBatch(nb::handle data) {
  const auto [schema, array] = ArrayCapsules(data);
  ArrowSchema* c_schema = StructIn<ArrowSchema>(schema);
  ArrowArray* c_array = StructIn<ArrowArray>(array);
  return CallEngine([&]() -> Result<ImportedTable> {
    ARROW_ASSIGN_OR_RAISE(auto batch, arrow::ImportRecordBatch(c_array, c_schema));
    ARROW_RETURN_NOT_OK(Check(*batch));
    return ImportedTable{batch->schema(), {batch}};
  });
}

std::vector<std::vector<std::string>> FormatRows(const BatchHandle& self) {
  std::vector<std::vector<std::string>> rows(static_cast<size_t>(self.batch->num_rows()));
  for (size_t row = 0; row < rows.size(); ++row) {
    for (const ArrayPtr& column : self.batch->columns()) {
      rows[row].push_back(FormatValue(*column, static_cast<int64_t>(row)));
    }
  }
  return rows;
}

}  // namespace

ImportedTable ImportTable(nb::handle data) {
  if (nb::hasattr(data, "__arrow_c_stream__")) {
    const auto stream = ImportStream(data);
    return CallEngine([&] { return ReadStream(*stream); });
  }
  if (nb::hasattr(data, "__arrow_c_array__")) return ImportRecordBatch(data);
  RaiseUnlessOk(
      Error(ErrorKind::kTypeMismatch,
            "expected a table that offers __arrow_c_stream__ or __arrow_c_array__, got {}",
            nb::type_name(data.type()).c_str()));
  return {};
}

std::shared_ptr<arrow::RecordBatchReader> ImportStream(nb::handle data) {
  nb::object capsule = data.attr("__arrow_c_stream__")();
  ArrowArrayStream* stream = StructIn<ArrowArrayStream>(capsule);
  return CallEngine([&]() -> Result<std::shared_ptr<arrow::RecordBatchReader>> {
    const auto imported = arrow::ImportRecordBatchReader(stream);
    if (imported.ok()) return *imported;
    return Error(ErrorKind::kTypeMismatch, "expected a table with columns: {}",
                 imported.status().message());
  });
}

ArrayPtr ImportArray(nb::handle data) {
  const auto [schema, array] = ArrayCapsules(data);
  ArrowSchema* c_schema = StructIn<ArrowSchema>(schema);
  ArrowArray* c_array = StructIn<ArrowArray>(array);
  return CallEngine([&]() -> Result<ArrayPtr> {
    ARROW_ASSIGN_OR_RAISE(ArrayPtr imported, arrow::ImportArray(c_array, c_schema));
    ARROW_RETURN_NOT_OK(imported->ValidateFull());
    return imported;
  });
}

TypePtr ImportType(nb::handle data) {
  nb::object capsule = data.attr("__arrow_c_schema__")();
  ArrowSchema* schema = StructIn<ArrowSchema>(capsule);
  return CallEngine([&] { return arrow::ImportType(schema); });
}

SchemaPtr ImportSchema(nb::handle data) {
  nb::object capsule = data.attr("__arrow_c_schema__")();
  ArrowSchema* schema = StructIn<ArrowSchema>(capsule);
  return CallEngine([&] { return arrow::ImportSchema(schema); });
}

nb::object ExportSchema(const SchemaPtr& schema) {
  auto out = std::make_unique<Releasing<ArrowSchema>>();
  RaiseUnlessOk(arrow::ExportSchema(*schema, &out->value));
  return MakeCapsule(std::move(out));
}

nb::object ExportType(const TypePtr& type) {
  auto out = std::make_unique<Releasing<ArrowSchema>>();
  RaiseUnlessOk(arrow::ExportType(*type, &out->value));
  return MakeCapsule(std::move(out));
}

nb::object ExportArray(const arrow::Array& array) {
  auto schema = std::make_unique<Releasing<ArrowSchema>>();
  auto out = std::make_unique<Releasing<ArrowArray>>();
  RaiseUnlessOk(arrow::ExportArray(array, &out->value, &schema->value));
  return nb::make_tuple(MakeCapsule(std::move(schema)), MakeCapsule(std::move(out)));
}

nb::object ExportBatch(const arrow::RecordBatch& batch) {
  auto schema = std::make_unique<Releasing<ArrowSchema>>();
  auto out = std::make_unique<Releasing<ArrowArray>>();
  RaiseUnlessOk(arrow::ExportRecordBatch(batch, &out->value, &schema->value));
  return nb::make_tuple(MakeCapsule(std::move(schema)), MakeCapsule(std::move(out)));
}

nb::object ExportStream(std::shared_ptr<arrow::RecordBatchReader> reader) {
  auto out = std::make_unique<Releasing<ArrowArrayStream>>();
  RaiseUnlessOk(arrow::ExportRecordBatchReader(std::move(reader), &out->value));
  return MakeCapsule(std::move(out));
}

void AddExchangeClasses(nb::module_& module) {
  // The schema or type asked for is a wish of the protocol that need not be granted.
  nb::class_<ArrayHandle>(module, "Array")
      .def(
          "__arrow_c_array__",
          [](const ArrayHandle& self, nb::object) { return ExportArray(*self.array); },
          nb::arg("requested_schema") = nb::none());
  nb::class_<BatchHandle>(module, "Batch")
      .def(
          "__arrow_c_array__",
          [](const BatchHandle& self, nb::object) { return ExportBatch(*self.batch); },
          nb::arg("requested_schema") = nb::none())
      .def("format_rows", &FormatRows);
  nb::class_<TypeHandle>(module, "Type").def("__arrow_c_schema__", [](const TypeHandle& self) {
    return ExportType(self.type);
  });
  module.def(
      "type_name", [](nb::handle type) { return SqlNameOf(*ImportType(type)); }, nb::arg("type"));
}

}  // namespace headrace::python
