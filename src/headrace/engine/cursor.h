// Cursor: the end of a running query, pulled batch by batch.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "headrace/base/error.h"
#include "headrace/types/batch.h"

namespace headrace {

class QueryRun;

/// What a query has done so far.
struct QueryMetrics {
  int64_t rows_out = 0;
  /// Rows of input that were left out or mended because an option says so (on_error of CSV).
  int64_t rejected_rows = 0;
  /// Rows that came too late for their windows.
  int64_t late_rows = 0;
  int64_t spilled_bytes = 0;
  int64_t peak_memory_bytes = 0;
  int64_t elapsed_micros = 0;
  /// That all scans gave, those of streams too.
  int64_t rows_scanned = 0;
  // Of bounded tables and files. Bytes are those of the columns in memory.
  int64_t rows_read = 0;
  int64_t bytes_read = 0;
  int64_t splits_read = 0;
  int64_t splits = 0;
};

/// Called at least every 50 ms by whoever waits for a query, on the waiting thread, with the
/// query's figures; its failure cancels the query and is what the waiting call returns. A function
/// without parameters does as well.
class Poll {
 public:
  Poll() = default;
  Poll(std::nullptr_t) {}
  template <typename Function>
    requires std::is_invocable_r_v<Status, Function, const QueryMetrics&>
  Poll(Function function) : function_(std::move(function)) {}
  template <typename Function>
    requires std::is_invocable_r_v<Status, Function>
  Poll(Function function) {
    if constexpr (requires { function == nullptr; }) {
      if (function == nullptr) return;
    }
    function_ = [function = std::move(function)](const QueryMetrics&) { return function(); };
  }

  explicit operator bool() const { return function_ != nullptr; }
  Status operator()(const QueryMetrics& metrics) const { return function_(metrics); }

 private:
  std::function<Status(const QueryMetrics&)> function_;
};

/// One consumer thread at a time; Cancel from any. Dropping it cancels the query and returns when
/// no lane works for it any more. Batches have exactly the schema promised at bind time.
class Cursor {
 public:
  explicit Cursor(std::unique_ptr<QueryRun> run);
  ~Cursor();
  Cursor(Cursor&&) noexcept;
  Cursor& operator=(Cursor&&) noexcept;

  const SchemaPtr& schema() const;

  /// The next batch; null after the last. While it waits it serves callbacks of the query, and
  /// calls the poll (if set). After an error every later call gives the same error.
  Result<std::shared_ptr<arrow::RecordBatch>> Next();
  void set_poll(Poll poll);

  /// Rows come no more; Next then gives kCancelled. Idempotent.
  void Cancel();
  /// Waits until the query has let go of everything. Idempotent.
  void Close();

  /// Rows, bytes, spills and time per operator so far, as EXPLAIN ANALYZE prints them.
  std::string Profile() const;
  QueryMetrics metrics() const;

 private:
  std::unique_ptr<QueryRun> run_;
};

}  // namespace headrace
