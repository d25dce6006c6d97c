// Streaming SQL over record batches in memory: the statements of an application, whose connector
// `arrow` replays Arrow files in micro-batches, run as a job; its one sink keeps what it is given.
// `stream_micro APPLICATION FOLDER THREADS BATCH_ROWS REPEATS OUT` prints a line of JSON per repeat
// (seconds and processor seconds from the first batch of the streams to the end, rows in and out)
// and writes the rows of the last one to the Arrow file OUT.
#include <fmt/core.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <numeric>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "arrow/compute/initialize.h"
#include "arrow/io/file.h"
#include "arrow/ipc/writer.h"
#include "arrow/memory_pool.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/connect/memory/keyed_table.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/connect/memory/table_sink.h"
#include "headrace/engine/job.h"
#include "headrace/sql/stream_application.h"

namespace headrace {
namespace {

using Rows = std::vector<std::shared_ptr<arrow::RecordBatch>>;

struct Times {
  double wall = 0;
  double cpu = 0;
};

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

Times Now() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return {std::chrono::duration<double>(now).count(),
          Seconds(usage.ru_utime) + Seconds(usage.ru_stime)};
}

/// When the first reader of a stream was opened.
struct Start {
  std::once_flag once;
  Times times;
};

/// A stream over rows in memory that tells when it starts.
class Replay final : public Source {
 public:
  Replay(std::shared_ptr<MemoryTable> rows, std::shared_ptr<Start> start)
      : rows_(std::move(rows)), start_(std::move(start)) {}
  std::string name() const override { return rows_->name(); }
  const SchemaPtr& schema() const override { return rows_->schema(); }
  Boundedness boundedness() const override { return Boundedness::kUnbounded; }
  Result<std::vector<Split>> Splits(const ScanRequest& request) override {
    return rows_->Splits(request);
  }
  Result<std::unique_ptr<SplitReader>> Open(const Split& split, const ScanRequest& request,
                                            const ReadContext& context) override {
    std::call_once(start_->once, [&] { start_->times = Now(); });
    return rows_->Open(split, request, context);
  }
  Result<std::string> Snapshot() override { return rows_->Snapshot(); }

 private:
  const std::shared_ptr<MemoryTable> rows_;
  const std::shared_ptr<Start> start_;
};

class KeepingSink final : public Sink {
 public:
  explicit KeepingSink(Rows* rows) : rows_(*rows) {}
  std::string name() const override { return "rows"; }
  bool Accepts(ChangeMode) const override { return true; }
  Status Open(const SchemaPtr&, arrow::MemoryPool*) override { return Status::OK(); }
  Status Write(const arrow::RecordBatch& batch) override {
    rows_.push_back(batch.Slice(0));
    return Status::OK();
  }
  Status Prepare(int64_t) override { return Status::OK(); }
  Status Commit(int64_t) override { return Status::OK(); }
  Status Abort() override { return Status::OK(); }

 private:
  Rows& rows_;
};

Result<Rows> ReadFile(Session& session, const std::string& path, int64_t batch_rows) {
  ARROW_ASSIGN_OR_RAISE(const SourcePtr source, session.OpenFile(path, {}));
  ScanRequest request;
  request.batch_rows = batch_rows;
  request.projection.resize(static_cast<size_t>(source->schema()->num_fields()));
  std::iota(request.projection.begin(), request.projection.end(), 0);
  ReadContext context;
  context.pool = arrow::default_memory_pool();
  ARROW_ASSIGN_OR_RAISE(const auto splits, source->Splits(request));
  Rows rows;
  for (const Split& split : splits) {
    ARROW_ASSIGN_OR_RAISE(auto reader, source->Open(split, request, context));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(ReadResult read, reader->Next());
      const auto* batch = std::get_if<Batch>(&read);
      if (batch == nullptr) break;
      rows.push_back(batch->ToRecordBatch(source->schema()));
    }
  }
  return rows;
}

/// Batches of one length, dealt out to `splits` in turns, as to the partitions of a topic; those of
/// a split stand one after the other.
Rows Dealt(const Rows& rows, int64_t batch_rows, int splits) {
  const size_t step = static_cast<size_t>(splits);
  Rows whole;
  for (const auto& batch : rows) {
    if (batch->num_rows() == batch_rows) whole.push_back(batch);
  }
  whole.resize(whole.size() / step * step);
  Rows dealt;
  for (size_t split = 0; split < step; ++split) {
    for (size_t i = split; i < whole.size(); i += step) dealt.push_back(whole[i]);
  }
  return dealt;
}

struct Options {
  std::string application;
  std::string folder;
  int threads = 2;
  int64_t batch_rows = 1000;
};

class Run {
 public:
  explicit Run(const Options& options) : options_(options) {}

  Status Measure() {
    Settings settings;
    settings.threads = options_.threads;
    settings.batch_rows = options_.batch_rows;
    ARROW_ASSIGN_OR_RAISE(session_, Session::Make(settings));
    sql::ApplicationMakers makers;
    makers.open_source = [this](const sql::StreamDefinition& stream) { return OpenSource(stream); };
    makers.make_table = [this](const sql::TableDefinition& table) { return MakeTable(table); };
    ARROW_ASSIGN_OR_RAISE(const sql::Application application,
                          sql::BindApplication(*session_, options_.application, makers));
    ARROW_ASSIGN_OR_RAISE(auto job, Job::Make(session_, QueriesOf(application), {}));
    ARROW_RETURN_NOT_OK(job->Run());
    const Times end = Now();
    int64_t rows_out = 0;
    for (const auto& batch : out_) rows_out += batch->num_rows();
    fmt::print("{{\"seconds\": {:.6f}, \"cpu_seconds\": {:.6f}, \"rows\": {}, \"out\": {}}}\n",
               end.wall - start_->times.wall, end.cpu - start_->times.cpu, rows_in_, rows_out);
    return Status::OK();
  }

  Status WriteOut(const std::string& path) const {
    if (out_.empty()) return Error(ErrorKind::kBadData, "the application gave no rows");
    ARROW_ASSIGN_OR_RAISE(const auto file, arrow::io::FileOutputStream::Open(path));
    ARROW_ASSIGN_OR_RAISE(const auto writer,
                          arrow::ipc::MakeFileWriter(file, out_.front()->schema()));
    for (const auto& batch : out_) ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(*batch));
    ARROW_RETURN_NOT_OK(writer->Close());
    return file->Close();
  }

 private:
  Result<SourcePtr> OpenSource(const sql::StreamDefinition& stream) {
    ARROW_ASSIGN_OR_RAISE(Rows rows,
                          ReadFile(*session_, JoinPath(options_.folder, stream.options.at("path")),
                                   options_.batch_rows));
    MemoryTableOptions options;
    options.name = stream.name;
    if (stream.feeds_table) return MemoryTable::Make(stream.schema, std::move(rows), options);
    rows = Dealt(rows, options_.batch_rows, options_.threads);
    const auto count = static_cast<int64_t>(rows.size()) * options_.batch_rows;
    rows_in_ += count;
    options.boundedness = Boundedness::kUnbounded;
    options.rows_per_split = count / options_.threads;
    ARROW_ASSIGN_OR_RAISE(auto table, MemoryTable::Make(stream.schema, std::move(rows), options));
    return std::make_shared<Replay>(std::move(table), start_);
  }

  Result<SourcePtr> MakeTable(const sql::TableDefinition& definition) {
    ARROW_ASSIGN_OR_RAISE(auto table,
                          KeyedTable::Make(definition.name, definition.schema, definition.key));
    tables_.push_back(table);
    return table;
  }

  std::vector<JobQuery> QueriesOf(const sql::Application& application) {
    std::vector<JobQuery> queries;
    for (const sql::StreamQuery& query : application.queries) {
      JobQuery& made = queries.emplace_back();
      made.name = query.name;
      made.plan = query.plan;
      for (const size_t table : query.tables) {
        made.waits_for.push_back(application.tables[table].name);
      }
      if (query.sink.table.has_value()) {
        made.table = tables_[*query.sink.table];
        made.sink = std::make_unique<TableSink>(made.table);
      } else {
        made.sink = std::make_unique<KeepingSink>(&out_);
      }
    }
    return queries;
  }

  const Options& options_;
  const std::shared_ptr<Start> start_ = std::make_shared<Start>();
  std::shared_ptr<Session> session_;
  std::vector<std::shared_ptr<KeyedTable>> tables_;
  Rows out_;
  int64_t rows_in_ = 0;
};

Status Main(char** argv) {
  ARROW_RETURN_NOT_OK(arrow::compute::Initialize());
  Options options;
  std::ifstream file(argv[1]);
  std::stringstream text;
  text << file.rdbuf();
  options.application = text.str();
  options.folder = argv[2];
  options.threads = std::atoi(argv[3]);
  options.batch_rows = std::atoll(argv[4]);
  const int repeats = std::atoi(argv[5]);
  for (int i = 1; i <= repeats; ++i) {
    Run run(options);
    ARROW_RETURN_NOT_OK(run.Measure());
    if (i == repeats) ARROW_RETURN_NOT_OK(run.WriteOut(argv[6]));
  }
  return Status::OK();
}

}  // namespace
}  // namespace headrace

int main(int argc, char** argv) {
  if (argc != 7) {
    fmt::print(stderr, "expected APPLICATION FOLDER THREADS BATCH_ROWS REPEATS OUT\n");
    return 2;
  }
  const arrow::Status status = headrace::Main(argv);
  if (!status.ok()) fmt::print(stderr, "Error: {}\n", status.ToString());
  return status.ok() ? 0 : 1;
}
