// Cursor: the end of a running query, pulled batch by batch.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "headrace/base/error.h"
#include "headrace/types/batch.h"

namespace headrace {

class QueryRun;

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
  /// calls `poll` (if set) at least every 50 ms: a failure of poll cancels the query and is
  /// returned. After an error every later call gives the same error.
  Result<std::shared_ptr<arrow::RecordBatch>> Next();
  void set_poll(std::function<Status()> poll);

  /// Rows come no more; Next then gives kCancelled. Idempotent.
  void Cancel();
  /// Waits until the query has let go of everything. Idempotent.
  void Close();

  /// Rows, bytes, spills and time per operator so far, as EXPLAIN ANALYZE prints them.
  std::string Profile() const;
  struct Metrics {
    int64_t rows_out = 0;
    int64_t spilled_bytes = 0;
    int64_t peak_memory_bytes = 0;
    int64_t elapsed_micros = 0;
  };
  Metrics metrics() const;

 private:
  std::unique_ptr<QueryRun> run_;
};

}  // namespace headrace
