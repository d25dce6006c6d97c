// The thread that takes batches from Python, and the reader that waits for it.
#include "headrace/python/stream_table.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>

#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/connect/memory/slice_reader.h"
#include "headrace/python/error.h"
#include "headrace/python/exchange.h"
#include "headrace/types/encoding.h"

namespace headrace::python {
namespace {

using ReaderPtr = std::shared_ptr<arrow::RecordBatchReader>;

constexpr size_t kBatchesWaiting = 1;
constexpr std::chrono::seconds kStopSecondsMax{2};

Status CheckBatch(const arrow::RecordBatch& batch, const arrow::Schema& schema) {
  const Status valid = batch.ValidateFull();
  if (!valid.ok()) return Error(ErrorKind::kBadData, "invalid Arrow data: {}", valid.message());
  for (int i = 0; i < schema.num_fields(); ++i) {
    if (SameLogicalType(*schema.field(i)->type(), *batch.column(i)->type())) continue;
    return Error(ErrorKind::kTypeMismatch, "column {}: expected type {}, got {}",
                 schema.field(i)->name(), schema.field(i)->type()->ToString(),
                 batch.column(i)->type()->ToString());
  }
  return Status::OK();
}

/// What a reader and its thread share.
struct Pump {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::shared_ptr<arrow::RecordBatch>> waiting;
  bool ended = false;    // nothing comes after what waits; `status` says why
  bool stopped = false;  // nobody wants more
  Status status;
  Waker waker;

  void Stop() {
    std::lock_guard lock(mutex);
    stopped = true;
    changed.notify_all();
  }
  /// Waits for room; false when nobody wants more.
  bool Push(std::shared_ptr<arrow::RecordBatch> batch) {
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return stopped || waiting.size() < kBatchesWaiting; });
      if (stopped) return false;
      waiting.push_back(std::move(batch));
    }
    waker.Wake();
    return true;
  }
  void End(Status why) {
    {
      std::lock_guard lock(mutex);
      ended = true;
      status = std::move(why);
    }
    waker.Wake();
  }
};

/// The pumps whose threads have not ended.
struct RunningPumps {
  std::mutex mutex;
  std::condition_variable changed;
  std::set<Pump*> pumps;
  const pid_t process = getpid();
};
RunningPumps& Running() {
  static auto* running = new RunningPumps();  // threads may outlive static objects
  return *running;
}

Status RunPump(Pump& pump, arrow::RecordBatchReader& reader) {
  const SchemaPtr schema = reader.schema();
  while (true) {
    std::shared_ptr<arrow::RecordBatch> batch;
    const Status status = reader.ReadNext(&batch);
    if (!status.ok()) {
      return Error(ErrorKind::kBadData, "the table given from Python failed: {}", status.message());
    }
    if (batch == nullptr) return Status::OK();
    ARROW_RETURN_NOT_OK(CheckBatch(*batch, *schema));
    if (batch->num_rows() > 0 && !pump.Push(std::move(batch))) return Status::OK();
  }
}

/// `open` gives the stream; it may take long as well.
void StartPump(std::shared_ptr<Pump> pump, std::function<Result<ReaderPtr>()> open) {
  {
    std::lock_guard lock(Running().mutex);
    Running().pumps.insert(pump.get());
  }
  // Detached: a thread that stands inside the object ends when the object lets it go.
  std::thread([pump = std::move(pump), open = std::move(open)]() mutable {
    {
      const Result<ReaderPtr> reader = open();
      pump->End(reader.ok() ? RunPump(*pump, **reader) : reader.status());
    }
    open = nullptr;
    std::lock_guard lock(Running().mutex);
    Running().pumps.erase(pump.get());
    Running().changed.notify_all();
  }).detach();
}

class PumpReader final : public SplitReader {
 public:
  using CountRows = std::function<Status(int64_t rows)>;
  PumpReader(std::shared_ptr<Pump> pump, const ScanRequest& request, const ReadContext& context,
             CountRows at_end)
      : pump_(std::move(pump)), request_(request), context_(context), at_end_(std::move(at_end)) {
    request_.limit.reset();
  }
  ~PumpReader() override { pump_->Stop(); }

  Result<ReadResult> Next() override {
    while (true) {
      if (slices_ != nullptr) {
        ARROW_ASSIGN_OR_RAISE(ReadResult result, slices_->Next());
        if (!std::holds_alternative<EndOfSplit>(result)) return result;
        slices_.reset();
      }
      std::shared_ptr<arrow::RecordBatch> batch;
      {
        std::lock_guard lock(pump_->mutex);
        if (!pump_->waiting.empty()) {
          batch = std::move(pump_->waiting.front());
          pump_->waiting.pop_front();
          pump_->changed.notify_all();
        } else if (!pump_->ended) {
          return Pending{};
        } else {
          ARROW_RETURN_NOT_OK(pump_->status);
        }
      }
      if (batch == nullptr) {
        ARROW_RETURN_NOT_OK(at_end_(rows_));
        return EndOfSplit{};
      }
      ARROW_RETURN_NOT_OK(Slice(*batch));
    }
  }

 private:
  Status Slice(const arrow::RecordBatch& batch) {
    RowRange range;
    range.batches = std::make_shared<const std::vector<Batch>>(
        std::vector<Batch>{Batch::FromRecordBatch(batch)});
    range.starts =
        std::make_shared<const std::vector<int64_t>>(std::vector<int64_t>{0, batch.num_rows()});
    range.end = batch.num_rows();
    rows_ += batch.num_rows();
    return OpenRowRange(std::move(range), request_, context_).Value(&slices_);
  }

  const std::shared_ptr<Pump> pump_;
  ScanRequest request_;
  const ReadContext context_;
  const CountRows at_end_;
  std::unique_ptr<SplitReader> slices_;
  int64_t rows_ = 0;
};

class StreamTable final : public Source, public std::enable_shared_from_this<StreamTable> {
 public:
  /// `first`, which may be null, is the stream that told the schema: the first read takes it.
  StreamTable(nb::object data, bool reads_once, SchemaPtr schema, ReaderPtr first)
      : name_(nb::type_name(data.type()).c_str()),
        reads_once_(reads_once),
        schema_(std::move(schema)),
        data_(data.release().ptr()),
        told_by_stream_(first != nullptr),
        first_(std::move(first)) {}

  ~StreamTable() override {
    first_.reset();
    if (nb::detail::cleanup_guard guard{}) Py_DECREF(data_);
  }

  std::string name() const override { return "stream " + name_; }
  const SchemaPtr& schema() const override { return schema_; }
  Result<std::string> Snapshot() override { return name_; }

  Result<std::vector<Split>> Splits(const ScanRequest& request) override {
    if (request.limit.has_value() && *request.limit == 0) return std::vector<Split>{};
    return std::vector<Split>{{.index = 0, .begin = 0, .end = 0, .name = name()}};
  }

  Result<std::unique_ptr<SplitReader>> Open(const Split&, const ScanRequest& request,
                                            const ReadContext& context) override {
    auto pump = std::make_shared<Pump>();
    pump->waker = context.waker;
    StartPump(pump, [self = shared_from_this()] { return self->TakeStream(); });
    return std::make_unique<PumpReader>(
        std::move(pump), request, context,
        [self = shared_from_this()](int64_t rows) { return self->CheckRows(rows); });
  }

 private:
  Result<ReaderPtr> TakeStream() {
    {
      std::lock_guard lock(mutex_);
      if (first_ != nullptr) return std::exchange(first_, nullptr);
    }
    if (reads_once_) return ReadTwice();
    return OpenAgain();
  }

  Status ReadTwice() const {
    return Error(ErrorKind::kInvalidArgument,
                 "a {} gives its rows once and was read already; to read them several times make "
                 "a table of it first, as pyarrow.table(reader)",
                 name_);
  }

  Result<ReaderPtr> OpenAgain() {
    nb::gil_scoped_acquire gil;
    const NoRaisedSlot no_slot;
    try {
      ReaderPtr stream = ImportStream(nb::handle(data_));
      if (stream->schema()->Equals(*schema_)) return stream;
      return Error(ErrorKind::kStale, "the columns of a {} have changed since the query was bound",
                   name_);
    } catch (nb::python_error& error) {
      return KeepRaised(std::move(error), ErrorKind::kCallback);
    }
  }

  /// An object whose rows are gone at a later read is a reader behind other clothes. Those that
  /// tell their schema without a stream are tables that may well be empty now.
  Status CheckRows(int64_t rows) {
    std::lock_guard lock(mutex_);
    if (!told_by_stream_) return Status::OK();
    if (rows == 0 && rows_ > 0) return ReadTwice();
    rows_ = std::max(rows_, rows);
    return Status::OK();
  }

  const std::string name_;
  const bool reads_once_;
  const SchemaPtr schema_;
  PyObject* const data_;
  const bool told_by_stream_;
  std::mutex mutex_;
  ReaderPtr first_;
  int64_t rows_ = 0;  // of a read to the end
};

}  // namespace

SourcePtr MakeStreamTable(nb::object data, bool reads_once, nb::object schema) {
  SchemaPtr columns = schema.is_none() ? nullptr : ImportSchema(schema);
  ReaderPtr first = columns == nullptr ? ImportStream(data) : nullptr;
  if (columns == nullptr) columns = first->schema();
  return std::make_shared<StreamTable>(std::move(data), reads_once, std::move(columns),
                                       std::move(first));
}

void StopStreamReaders() {
  RunningPumps& running = Running();
  if (running.process != getpid()) return;  // the threads are not in this fork
  const nb::gil_scoped_release release;
  std::unique_lock lock(running.mutex);
  for (Pump* pump : running.pumps) pump->Stop();
  running.changed.wait_for(lock, kStopSecondsMax, [&] { return running.pumps.empty(); });
}

}  // namespace headrace::python
