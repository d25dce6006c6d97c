// Reading under supervision.
#include "file_case.h"

#include <variant>

#include "arrow/array.h"
#include "arrow/chunked_array.h"
#include "arrow/compare.h"
#include "arrow/device.h"
#include "arrow/json/from_string.h"
#include "arrow/memory_pool.h"
#include "arrow/record_batch.h"
#include "arrow/table.h"
#include "arrow/type.h"
#include "arrow/util/utf8.h"
#include "fuzz.h"
#include "headrace/io/memory_vfs.h"
#include "headrace/memory/pool.h"
#include "headrace/types/encoding.h"

namespace headrace::fuzz {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

/// Past this the pool refuses: a little below what a case may use.
constexpr int64_t kPoolLimit = int64_t{32} << 20;
/// Arrow's default pool serves what belongs to no query: schemas, footers, dictionaries at bind
/// time.
constexpr int64_t kDefaultPoolMax = int64_t{32} << 20;

constexpr size_t kBatchesMax = 1000;

struct Column {
  std::string name;
  TypePtr type;
  std::string json;
};

RecordBatchPtr MakeBatch(const std::vector<Column>& columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const Column& column : columns) {
    fields.push_back(arrow::field(column.name, column.type));
    arrays.push_back(arrow::json::ArrayFromJSONString(column.type, column.json).ValueOrDie());
  }
  const int64_t rows = arrays.front()->length();
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows, std::move(arrays));
}

void PutFile(Vfs& vfs, const std::string& path, std::string_view bytes) {
  auto file = vfs.OpenForWrite(path).ValueOrDie();
  Expect(file->Write(bytes.data(), static_cast<int64_t>(bytes.size())).ok(), "memory takes bytes");
  Expect(file->Close().ok(), "a file in memory can be closed");
}

ScanRequest RequestOf(const FileCase& file_case, const arrow::Schema& schema) {
  ScanRequest request;
  for (int i = 0; i < schema.num_fields() && file_case.columns.empty(); ++i) {
    request.projection.push_back(i);
  }
  for (const int column : file_case.columns) {
    if (schema.num_fields() > 0) request.projection.push_back(column % schema.num_fields());
  }
  if (file_case.bounds) request.bounds = file_case.bounds(schema);
  request.limit = file_case.limit;
  request.batch_rows = file_case.batch_rows;
  request.batch_bytes = file_case.batch_bytes;
  return request;
}

Status CheckBatch(const Batch& batch, const ScanRequest& request, const SchemaPtr& schema) {
  Expect(batch.num_rows() >= 1 && batch.num_rows() <= request.batch_rows, "1 … batch_rows rows");
  Expect(batch.selection() == nullptr, "no selection");
  Expect(batch.columns().size() == request.projection.size(), "the projected columns");
  for (size_t i = 0; i < batch.columns().size(); ++i) {
    const arrow::Array& array = *batch.columns()[i];
    Expect(array.length() == batch.num_rows(), "columns of equal length");
    Expect(SameLogicalType(*array.type(), *schema->field(static_cast<int>(i))->type()),
           "the promised type");
    const Status valid = array.ValidateFull();
    Expect(valid.ok(), valid.message());
  }
  return Status::OK();
}

/// Columns without values of their own (nulls) may be as long as a file claims: reading ends early.
Status TooLong() { return Status::Cancelled("too long to be read to the end"); }
bool IsTooLong(const Status& status) { return status.IsCancelled(); }

/// All rows in exactly the promised types.
Result<TablePtr> ReadAll(Source& source, const ScanRequest& request, arrow::MemoryPool* pool) {
  arrow::FieldVector fields;
  for (const int column : request.projection) fields.push_back(source.schema()->field(column));
  const SchemaPtr schema = arrow::schema(std::move(fields));
  std::vector<RecordBatchPtr> batches;
  ARROW_ASSIGN_OR_RAISE(const std::vector<Split> splits, source.Splits(request));
  for (const Split& split : splits) {
    ReadContext context;
    context.pool = pool;
    ARROW_ASSIGN_OR_RAISE(auto reader, source.Open(split, request, context));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const ReadResult read, reader->Next());
      if (std::holds_alternative<EndOfSplit>(read)) break;
      const Batch& batch = std::get<Batch>(read);
      ARROW_RETURN_NOT_OK(CheckBatch(batch, request, schema));
      ARROW_ASSIGN_OR_RAISE(RecordBatchPtr restored, RestoreSchema(batch, schema, pool));
      batches.push_back(std::move(restored));
      if (batches.size() > kBatchesMax) return TooLong();
    }
  }
  return arrow::Table::FromRecordBatches(schema, std::move(batches));
}

/// Where the budgets of cases and copies of their results take memory, apart from Arrow's default
/// pool.
arrow::MemoryPool* CasePool() {
  static const auto pool = arrow::MemoryPool::CreateDefault();
  return pool.get();
}

/// `table` in memory that is not the case's, so that one can see whether it gives all of it back.
TablePtr Copied(const arrow::Table& table) {
  static const auto manager = arrow::CPUDevice::memory_manager(CasePool());
  arrow::ChunkedArrayVector columns;
  for (const auto& column : table.columns()) {
    arrow::ArrayVector chunks;
    for (const auto& chunk : column->chunks()) {
      chunks.push_back(chunk->CopyTo(manager).ValueOrDie());
    }
    columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(chunks), column->type()));
  }
  return arrow::Table::Make(table.schema(), std::move(columns), table.num_rows());
}

}  // namespace

std::vector<std::vector<RecordBatchPtr>> FlatTables() {
  const RecordBatchPtr numbers = MakeBatch({
      {"i", arrow::int64(), "[1, null, -9223372036854775808, 42]"},
      {"x", arrow::float64(), "[0.5, -1e300, null, NaN]"},
      {"b", arrow::boolean(), "[true, false, null, true]"},
      {"d", arrow::date32(), "[0, 15706, null, -1]"},
      {"t", arrow::timestamp(arrow::TimeUnit::MICRO), "[0, null, 1357016400000000, -1]"},
      {"m", arrow::decimal128(10, 2), R"(["1.50", "-99999999.99", null, "0.00"])"},
  });
  const RecordBatchPtr texts = MakeBatch({
      {"s", arrow::utf8(), R"(["plain", "a,b", "say \"x\"", "two\nlines", "", null, "é€😀"])"},
      {"k", arrow::int32(), "[1, 2, 3, 4, 5, 6, 7]"},
  });
  return {{numbers, numbers}, {texts, texts->Slice(2, 3)}, {numbers->Slice(0, 0)}};
}

std::vector<std::vector<RecordBatchPtr>> RichTables() {
  const RecordBatchPtr fixed = MakeBatch({
      {"i8", arrow::int8(), "[1, null, -128]"},
      {"u16", arrow::uint16(), "[1, null, 65535]"},
      {"u64", arrow::uint64(), "[1, null, 18446744073709551615]"},
      {"f", arrow::float32(), "[1.5, null, -0.0]"},
      {"ts", arrow::timestamp(arrow::TimeUnit::SECOND, "UTC"), "[1, null, 2]"},
      {"t32", arrow::time32(arrow::TimeUnit::MILLI), "[1, null, 86399999]"},
      {"t64", arrow::time64(arrow::TimeUnit::NANO), "[1, null, 2]"},
      {"du", arrow::duration(arrow::TimeUnit::NANO), "[1, null, -2]"},
      {"fb", arrow::fixed_size_binary(3), R"(["abc", null, "xyz"])"},
      {"z", arrow::null(), "[null, null, null]"},
  });
  const auto item = arrow::struct_(
      {arrow::field("a", arrow::int64()), arrow::field("b", arrow::list(arrow::utf8()))});
  const RecordBatchPtr nested = MakeBatch({
      {"l", arrow::list(arrow::int32()), "[[1, 2], [], null, [null, 3]]"},
      {"ll", arrow::large_list(arrow::utf8()), R"([["a"], null, [], ["b", "c"]])"},
      {"fl", arrow::fixed_size_list(arrow::int16(), 2), "[[1, 2], null, [3, 4], [5, null]]"},
      {"st", item, R"([{"a": 1, "b": ["x"]}, null, {"a": null, "b": []}, {"a": 2, "b": null}])"},
      {"mp", arrow::map(arrow::utf8(), arrow::int64()), R"([[["k", 1]], [], null, [["l", null]]])"},
  });
  const RecordBatchPtr texts = MakeBatch({
      {"dc", arrow::dictionary(arrow::int8(), arrow::utf8()), R"(["a", "b", null, "a"])"},
      {"ls", arrow::large_utf8(), R"(["one", null, "", "four"])"},
      {"bn", arrow::binary(), R"(["\u0000x", "", null, "y"])"},
      {"sv", arrow::utf8_view(), R"(["short", "longer than twelve bytes", null, ""])"},
  });
  return {{fixed}, {nested, nested->Slice(1, 2)}, {texts, texts->Slice(1)}};
}

std::string WriteBytes(const std::string& path, const std::vector<RecordBatchPtr>& batches,
                       const OptionMap& options) {
  const auto vfs = MakeMemoryVfs();
  const auto write = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(auto sink, CreateFile(*vfs, path, options));
    ARROW_RETURN_NOT_OK(sink->Open(batches.front()->schema(), arrow::default_memory_pool()));
    for (const RecordBatchPtr& batch : batches) ARROW_RETURN_NOT_OK(sink->Write(*batch));
    ARROW_RETURN_NOT_OK(sink->Prepare(0));
    return sink->Commit(0);
  };
  const Status written = write();
  if (!written.ok() && KindOf(written) == ErrorKind::kUnsupported) return "";
  Expect(written.ok(), written.message());
  auto file = vfs->OpenForRead(path).ValueOrDie();
  return file->ReadAt(0, file->GetSize().ValueOrDie()).ValueOrDie()->ToString();
}

Result<TablePtr> ReadCase(const FileCase& file_case, std::string_view bytes) {
  const auto vfs = MakeMemoryVfs();
  PutFile(*vfs, file_case.path, bytes);
  const auto pool = BudgetPool::Make(kPoolLimit);
  Result<TablePtr> result = [&]() -> Result<TablePtr> {
    ARROW_ASSIGN_OR_RAISE(auto source, OpenFiles(*vfs, file_case.path, file_case.options));
    ARROW_ASSIGN_OR_RAISE(const TablePtr table,
                          ReadAll(*source, RequestOf(file_case, *source->schema()), pool.get()));
    return Copied(*table);
  }();
  Expect(pool->bytes_allocated() == 0, "all memory is given back");
  Expect(pool->max_memory() <= file_case.memory_max,
         fmt::format("{} bytes are in proportion to the input", pool->max_memory()));
  const int64_t outside = arrow::default_memory_pool()->max_memory();
  Expect(outside <= kDefaultPoolMax,
         fmt::format("{} bytes outside the budget are but a little", outside));
  if (!result.ok() && !IsTooLong(result.status())) {
    ExpectPresentable(result.status());
    const bool names_the_file = result.status().message().find(file_case.path) != std::string::npos;
    Expect(names_the_file || KindOf(result.status()) != ErrorKind::kBadData,
           "bad data names the file: " + result.status().message());
  }
  return result;
}

namespace {

/// Dictionaries may differ from batch to batch, and so from one size of batches to another.
TablePtr Plain(const arrow::Table& table) {
  arrow::FieldVector fields;
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
  for (int i = 0; i < table.num_columns(); ++i) {
    const TypePtr type = PlainType(table.field(i)->type());
    arrow::ArrayVector chunks;
    for (const auto& chunk : table.column(i)->chunks()) {
      chunks.push_back(Decode(chunk, CasePool()).ValueOrDie());
    }
    fields.push_back(table.field(i)->WithType(type));
    columns.push_back(arrow::ChunkedArray::Make(std::move(chunks), type).ValueOrDie());
  }
  return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), table.num_rows());
}

}  // namespace

bool ExpectSameRows(const FileCase& one, const FileCase& other, std::string_view bytes) {
  const Result<TablePtr> left = ReadCase(one, bytes);
  const Result<TablePtr> right = ReadCase(other, bytes);
  for (const auto& result : {left, right}) {
    const Status& status = result.status();
    if (IsTooLong(status)) return false;
    if (!status.ok() && KindOf(status) == ErrorKind::kMemoryLimit) return false;
  }
  Expect(left.ok() == right.ok(),
         "batch sizes do not matter: " + (left.ok() ? right : left).status().message());
  if (!left.ok()) return false;
  const auto nans_equal = arrow::EqualOptions::Defaults().nans_equal(true);
  Expect(Plain(**left)->Equals(*Plain(**right), nans_equal),
         "the same rows whatever the batch sizes");
  return true;
}

void ExpectSameRowsInAnyBatches(FileCase one, int shape, std::string_view bytes) {
  FileCase other = one;
  other.batch_rows = shape % 2 == 0 ? 1 : 3;
  other.batch_bytes = shape < 4 ? 16 : 1000;
  ExpectSameRows(one, other, bytes);
  one.columns = other.columns = {shape, 0};
  ExpectSameRows(one, other, bytes);
}

void ExpectPresentable(const Status& error) {
  Expect(KindOf(error) != ErrorKind::kInternal, "not our fault: " + error.message());
  Expect(!error.message().empty(), "an error says what is wrong");
  arrow::util::InitializeUTF8();
  Expect(arrow::util::ValidateUTF8(error.message()), "errors are text: " + error.message());
}

}  // namespace headrace::fuzz
