// For tests of formats: files from text, whole tables out of sources and into sinks.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "arrow/array.h"
#include "arrow/memory_pool.h"
#include "arrow/record_batch.h"
#include "arrow/table.h"
#include "arrow/type.h"
#include "headrace/format/format.h"
#include "headrace/types/encoding.h"
#include "headrace/types/format_value.h"
#include "headrace/types/test_arrays.h"

#define ASSERT_ARROW_OK(expression)                             \
  do {                                                          \
    const arrow::Status tested = arrow::ToStatus((expression)); \
    ASSERT_TRUE(tested.ok()) << tested.ToString();              \
  } while (false)

namespace headrace::format_test {

using TablePtr = std::shared_ptr<arrow::Table>;
using RecordBatchPtr = std::shared_ptr<arrow::RecordBatch>;

inline void PutFile(Vfs& vfs, const std::string& path, std::string_view bytes) {
  auto file = vfs.OpenForWrite(path);
  ASSERT_ARROW_OK(file);
  ASSERT_ARROW_OK((*file)->Write(bytes.data(), static_cast<int64_t>(bytes.size())));
  ASSERT_ARROW_OK((*file)->Sync());
  ASSERT_ARROW_OK((*file)->Close());
}

inline std::string GetFile(Vfs& vfs, const std::string& path) {
  auto file = vfs.OpenForRead(path).ValueOrDie();
  const auto bytes = file->ReadAt(0, file->GetSize().ValueOrDie()).ValueOrDie();
  return bytes->ToString();
}

inline ScanRequest Everything(const Source& source) {
  ScanRequest request;
  request.projection.resize(
      static_cast<size_t>(const_cast<Source&>(source).schema()->num_fields()));
  std::iota(request.projection.begin(), request.projection.end(), 0);
  return request;
}

/// The batches of all splits, each checked for what SplitReader promises.
inline Result<std::vector<Batch>> ReadBatches(Source& source, const ScanRequest& request,
                                              arrow::MemoryPool* pool) {
  std::vector<Batch> batches;
  ARROW_ASSIGN_OR_RAISE(const std::vector<Split> splits, source.Splits(request));
  for (const Split& split : splits) {
    ReadContext context;
    context.pool = pool;
    ARROW_ASSIGN_OR_RAISE(auto reader, source.Open(split, request, context));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(ReadResult read, reader->Next());
      if (std::holds_alternative<EndOfSplit>(read)) break;
      Batch batch = std::get<Batch>(std::move(read));
      EXPECT_GE(batch.num_rows(), 1);
      EXPECT_LE(batch.num_rows(), request.batch_rows);
      EXPECT_EQ(batch.columns().size(), request.projection.size());
      EXPECT_EQ(batch.selection(), nullptr);
      batches.push_back(std::move(batch));
    }
  }
  return batches;
}

/// All rows, in the types that the source promises.
inline Result<TablePtr> ReadTable(Source& source, const ScanRequest& request,
                                  arrow::MemoryPool* pool = arrow::default_memory_pool()) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<Batch> batches, ReadBatches(source, request, pool));
  arrow::FieldVector fields;
  for (const int column : request.projection) fields.push_back(source.schema()->field(column));
  const SchemaPtr schema = arrow::schema(fields);
  std::vector<RecordBatchPtr> restored;
  for (const Batch& batch : batches) {
    ARROW_ASSIGN_OR_RAISE(RecordBatchPtr one, RestoreSchema(batch, schema, pool));
    ARROW_RETURN_NOT_OK(one->ValidateFull());
    restored.push_back(std::move(one));
  }
  return arrow::Table::FromRecordBatches(schema, std::move(restored));
}

inline Result<TablePtr> ReadFile(Vfs& vfs, const std::string& pattern, OptionMap options = {}) {
  ARROW_ASSIGN_OR_RAISE(SourcePtr source, OpenFiles(vfs, pattern, std::move(options)));
  return ReadTable(*source, Everything(*source));
}

inline Status WriteFile(Vfs& vfs, const std::string& path, const SchemaPtr& schema,
                        const std::vector<RecordBatchPtr>& batches, OptionMap options = {}) {
  ARROW_ASSIGN_OR_RAISE(auto sink, CreateFile(vfs, path, std::move(options)));
  ARROW_RETURN_NOT_OK(sink->Open(schema, arrow::default_memory_pool()));
  for (const RecordBatchPtr& batch : batches) ARROW_RETURN_NOT_OK(sink->Write(*batch));
  ARROW_RETURN_NOT_OK(sink->Prepare(0));
  return sink->Commit(0);
}

/// "1|x;2|NULL": rows by ';', cells by '|'.
inline std::string Rows(const arrow::Table& table) {
  std::string text;
  arrow::TableBatchReader reader(table);
  for (RecordBatchPtr batch; (batch = reader.Next().ValueOrDie()) != nullptr;) {
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      if (!text.empty()) text += ';';
      for (int column = 0; column < batch->num_columns(); ++column) {
        if (column > 0) text += '|';
        AppendValue(*batch->column(column), row, &text);
      }
    }
  }
  return text;
}

/// "a int64, b string".
inline std::string Columns(const arrow::Schema& schema) {
  std::string text;
  for (const auto& field : schema.fields()) {
    if (!text.empty()) text += ", ";
    text += field->name() + " " + field->type()->ToString();
  }
  return text;
}

}  // namespace headrace::format_test
