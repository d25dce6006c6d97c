// JSON lines in and out of a job on one core: `file_stream_micro [rows] [folder]` prints rows per
// second of CPU time for a file stream of 7 flat fields and for a file sink of 8 columns.
#include <fmt/core.h>

#include <cstdlib>
#include <ctime>
#include <memory>
#include <numeric>
#include <string>

#include "arrow/memory_pool.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/connect/connector.h"
#include "headrace/connect/generator/generator.h"
#include "headrace/io/vfs.h"

namespace headrace {
namespace {

constexpr const char* kColumns =
    "trade_id sequence, user_id key(50000), symbol key(500), quantity integer(1, 1000), amount "
    "integer(1, 99999999), price double(1, 500), ts event_time(1700000000000000, 1000)";

double CpuSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// Rows read, and given to `take`.
template <typename Take>
Result<int64_t> ReadAll(Source& source, int64_t batch_rows, Take take) {
  ScanRequest request;
  request.projection.resize(static_cast<size_t>(source.schema()->num_fields()));
  std::iota(request.projection.begin(), request.projection.end(), 0);
  request.batch_rows = batch_rows;
  ReadContext context;
  context.pool = arrow::default_memory_pool();
  ARROW_ASSIGN_OR_RAISE(const auto splits, source.Splits(request));
  ARROW_ASSIGN_OR_RAISE(auto reader, source.Open(splits.front(), request, context));
  int64_t rows = 0;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(ReadResult read, reader->Next());
    const auto* batch = std::get_if<Batch>(&read);
    if (batch == nullptr) return rows;
    rows += batch->num_rows();
    ARROW_RETURN_NOT_OK(take(*batch));
  }
}

Status Run(int64_t rows, const std::string& folder) {
  const ConnectContext context{LocalVfs(), SystemClock(), folder};
  const auto generated = [&](const std::string& columns) {
    return OpenConnector("generator", context,
                         {{"columns", columns}, {"rows", std::to_string(rows)}});
  };
  ARROW_ASSIGN_OR_RAISE(const SourcePtr trades, generated(kColumns));
  ARROW_ASSIGN_OR_RAISE(const SourcePtr eight, generated(std::string(kColumns) + ", n sequence"));
  const auto write = [&](Source& source, const char* path) -> Status {
    std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
    ARROW_RETURN_NOT_OK(ReadAll(source, 4096, [&](const Batch& batch) {
      batches.push_back(batch.ToRecordBatch(source.schema()));
      return Status::OK();
    }));
    ARROW_ASSIGN_OR_RAISE(auto sink, CreateConnectorSink("file", context, {{"path", path}}));
    const double begin = CpuSeconds();
    ARROW_RETURN_NOT_OK(sink->Open(source.schema(), arrow::default_memory_pool()));
    for (const auto& batch : batches) ARROW_RETURN_NOT_OK(sink->Write(*batch));
    ARROW_RETURN_NOT_OK(sink->Prepare(1));
    ARROW_RETURN_NOT_OK(sink->Commit(1));
    fmt::print("sink, {} columns: {:.2f} M rows/s\n", source.schema()->num_fields(),
               static_cast<double>(rows) / (CpuSeconds() - begin) / 1e6);
    return Status::OK();
  };
  ARROW_RETURN_NOT_OK(write(*eight, "eight.jsonl"));
  ARROW_RETURN_NOT_OK(write(*trades, "trades.jsonl"));
  ConnectContext declared = context;
  arrow::FieldVector fields = trades->schema()->fields();
  fields[4] = arrow::field("amount", arrow::decimal128(18, 2));
  declared.schema = arrow::schema(fields);
  ARROW_ASSIGN_OR_RAISE(const SourcePtr stream,
                        OpenConnector("file", declared, {{"path", "trades.jsonl"}}));
  for (const int64_t batch_rows : {1000, 16384}) {
    const double begin = CpuSeconds();
    ARROW_ASSIGN_OR_RAISE(const int64_t read,
                          ReadAll(*stream, batch_rows, [](const Batch&) { return Status::OK(); }));
    fmt::print("stream, 7 fields, batches of {}: {:.2f} M rows/s\n", batch_rows,
               static_cast<double>(read) / (CpuSeconds() - begin) / 1e6);
  }
  return Status::OK();
}

}  // namespace
}  // namespace headrace

int main(int argc, char** argv) {
  const int64_t rows = argc > 1 ? std::atoll(argv[1]) : 1'000'000;
  const arrow::Status status = headrace::Run(rows, argc > 2 ? argv[2] : "/tmp");
  if (!status.ok()) fmt::print(stderr, "{}\n", status.ToString());
  return status.ok() ? 0 : 1;
}
