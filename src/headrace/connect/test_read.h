// For tests of connectors: all rows of a source as text.
#pragma once

#include <numeric>
#include <string>
#include <variant>
#include <vector>

#include "arrow/array.h"
#include "arrow/memory_pool.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/test_status.h"
#include "headrace/table/source.h"
#include "headrace/types/format_value.h"
#include "headrace/types/test_arrays.h"

namespace headrace::connect_test {

inline std::shared_ptr<arrow::RecordBatch> Rows(const SchemaPtr& schema, const std::string& json) {
  const ArrayPtr rows = FromJson(arrow::struct_(schema->fields()), json);
  const auto& fields = static_cast<const arrow::StructArray&>(*rows).fields();
  return arrow::RecordBatch::Make(schema, rows->length(), fields);
}

inline ScanRequest Everything(Source& source) {
  ScanRequest request;
  request.projection.resize(static_cast<size_t>(source.schema()->num_fields()));
  std::iota(request.projection.begin(), request.projection.end(), 0);
  return request;
}

inline ReadContext Context(std::string position = "") {
  ReadContext context;
  context.pool = arrow::default_memory_pool();
  context.position = std::move(position);
  return context;
}

/// "1|x;" per row, with a leading + or − where there are changes.
inline void AppendRows(const Batch& batch, std::string* text) {
  for (int64_t row = 0; row < batch.num_rows(); ++row) {
    if (batch.change() != nullptr) {
      *text += static_cast<const arrow::Int8Array&>(*batch.change()).Value(row) > 0 ? '+' : '-';
    }
    for (size_t i = 0; i < batch.columns().size(); ++i) {
      if (i > 0) *text += '|';
      AppendValue(*batch.columns()[i], row, text);
    }
    *text += ';';
  }
}

/// Reads until the end, or until `batches` batches came; checks what SplitReader promises.
inline std::string Drain(SplitReader& reader, const ScanRequest& request, int64_t batches = -1) {
  std::string text;
  int64_t pending = 0;
  while (batches != 0) {
    ReadResult read = reader.Next().ValueOrDie();
    if (std::holds_alternative<EndOfSplit>(read)) break;
    if (std::holds_alternative<Pending>(read)) {
      if (++pending > 1'000'000) return "never woken";
      continue;
    }
    const Batch& batch = std::get<Batch>(read);
    EXPECT_GE(batch.num_rows(), 1);
    EXPECT_LE(batch.num_rows(), request.batch_rows);
    EXPECT_EQ(batch.columns().size(), request.projection.size());
    EXPECT_EQ(batch.selection(), nullptr);
    for (const ArrayPtr& column : batch.columns()) {
      EXPECT_EQ(column->length(), batch.num_rows());
      EXPECT_OK(column->ValidateFull());
    }
    AppendRows(batch, &text);
    --batches;
  }
  return text;
}

/// All rows of all splits in order.
inline std::string ReadAll(Source& source, const ScanRequest& request) {
  std::string text;
  for (const Split& split : source.Splits(request).ValueOrDie()) {
    auto reader = source.Open(split, request, Context()).ValueOrDie();
    text += Drain(*reader, request);
  }
  return text;
}

inline std::string ReadAll(Source& source) { return ReadAll(source, Everything(source)); }

}  // namespace headrace::connect_test
