// Arrow data in and out of Python over the C data interface: PyCapsules, never pyarrow's C++.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <vector>

#include "headrace/types/batch.h"

namespace headrace::python {

namespace nb = nanobind;

/// A table that came from outside; every batch was validated in full.
struct ImportedTable {
  SchemaPtr schema;
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
};

/// Reads what offers `__arrow_c_stream__` (to its end) or `__arrow_c_array__`. Raises.
ImportedTable ImportTable(nb::handle data);
/// A new stream of what offers `__arrow_c_stream__`; nothing is read or validated. Raises.
std::shared_ptr<arrow::RecordBatchReader> ImportStream(nb::handle data);
/// What offers `__arrow_c_array__`, validated in full. Raises.
ArrayPtr ImportArray(nb::handle data);
/// What offers `__arrow_c_schema__`. Raises.
TypePtr ImportType(nb::handle data);
SchemaPtr ImportSchema(nb::handle data);

nb::object ExportSchema(const SchemaPtr& schema);
nb::object ExportType(const TypePtr& type);
/// (schema capsule, array capsule), as `__arrow_c_array__` gives them.
nb::object ExportArray(const arrow::Array& array);
nb::object ExportBatch(const arrow::RecordBatch& batch);
nb::object ExportStream(std::shared_ptr<arrow::RecordBatchReader> reader);

/// An object for Python that offers `__arrow_c_array__`.
struct ArrayHandle {
  ArrayPtr array;
};
struct BatchHandle {
  std::shared_ptr<arrow::RecordBatch> batch;
};
/// An object for Python that offers `__arrow_c_schema__`.
struct TypeHandle {
  TypePtr type;
};

void AddExchangeClasses(nb::module_& module);

}  // namespace headrace::python
