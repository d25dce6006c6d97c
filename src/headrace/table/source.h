// Source: what every table-like thing that can be read implements, and its optional capabilities
// Lookup and Changes.
#pragma once

#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "headrace/base/limits.h"
#include "headrace/base/stop.h"
#include "headrace/table/bound.h"
#include "headrace/types/batch.h"
#include "headrace/types/ordering.h"

namespace headrace {

enum class Boundedness { kBounded, kUnbounded };
/// How rows of an edge are to be read; see Batch::change.
enum class ChangeMode { kAppend, kUpsert, kRetract };

/// Wakes whoever waits for a reader, a queue or a callback; may be called from any thread, any
/// number of times, also after the waiter is gone.
class Waker {
 public:
  Waker() = default;
  explicit Waker(std::function<void()> wake)
      : wake_(std::make_shared<std::function<void()>>(std::move(wake))) {}
  void Wake() const {
    if (wake_ != nullptr) (*wake_)();
  }

 private:
  std::shared_ptr<std::function<void()>> wake_;
};

/// Pushdown: what the reader of a source is asked for.
struct ScanRequest {
  /// Columns of schema() in the order wanted; may be empty (only row counts matter).
  std::vector<int> projection;
  /// All must hold: data that cannot match may be skipped; rows that do not match may still come.
  std::vector<ColumnBound> bounds;
  /// Rows that are wanted at most, from the start; more may still come.
  std::optional<int64_t> limit;
  int64_t batch_rows = kBatchRowsDefault;
  int64_t batch_bytes = kBatchBytesMax;
};

/// A part of a source that one lane reads on its own. Indexes run from 0 in row order.
struct Split {
  int64_t index = 0;
  int64_t begin = 0;  // meaning is the source's own: row group, byte offset, partition
  int64_t end = 0;
  std::string name;  // for messages: "flights.parquet row group 3"
};

/// No data now; the reader calls the waker given to Open when there may be some.
struct Pending {};
struct EndOfSplit {};
using ReadResult = std::variant<Batch, Pending, EndOfSplit>;

/// Reads one split. One thread at a time. Next never waits for another party (local files may be
/// read). Batches have the projected columns, 1 … batch_rows rows, no selection and no ordinal.
class SplitReader {
 public:
  virtual ~SplitReader() = default;
  virtual Result<ReadResult> Next() = 0;
  /// Bytes of the context's pool that it holds besides the last batch returned, about.
  virtual int64_t bytes() const { return 0; }
  /// Where a reader opened later goes on after the last batch returned; for unbounded sources.
  virtual Result<std::string> Position() const {
    return Error(ErrorKind::kUnsupported, "this source cannot be resumed");
  }
};

class DeadLetters;

struct ReadContext {
  arrow::MemoryPool* pool = nullptr;
  StopToken stop;
  Waker waker;
  std::string position;  // from Position(); empty: from the start
  /// Where readers count the rows that they leave out or mend because an option says so; may be
  /// null.
  std::shared_ptr<std::atomic<int64_t>> rejected_rows = nullptr;
  /// Where readers put rows that cannot be decoded when an option says so (on_error = dlq); may be
  /// null: such an option is then an error. Counted as rejected too.
  std::shared_ptr<DeadLetters> dead_letters = nullptr;
};

/// What a probe found: row row_ids[i] of the table matches row probe_rows[i] of the probe. In probe
/// order; within a probe row in table order.
struct LookupMatches {
  std::vector<uint32_t> probe_rows;
  std::vector<int64_t> row_ids;
};

/// Reads one index of a table; one thread at a time.
class LookupReader {
 public:
  virtual ~LookupReader() = default;
  /// One array per indexed column, in any encoding of its type. A key with a null is in no match.
  /// `matches` is overwritten. Pins the state of the table that it saw until the next call.
  virtual Status Probe(std::span<const ArrayPtr> keys, LookupMatches* matches) = 0;
  /// Rows as the last Probe saw them, in the columns' plain types; row −1 gathers as null.
  virtual Result<std::vector<ArrayPtr>> Gather(std::span<const int64_t> row_ids,
                                               std::span<const int> columns,
                                               arrow::MemoryPool* pool) = 0;
};

/// Probes by key. Thread safe.
class Lookup {
 public:
  virtual ~Lookup() = default;
  /// Builds the index of `columns` if there is none. The table outlives its readers.
  virtual Result<std::unique_ptr<LookupReader>> OpenReader(std::span<const int> columns) = 0;
};

/// A subscription to the changes of a table.
class Changes {
 public:
  virtual ~Changes() = default;
  /// A reader of retract batches: the rows now in the table as +1 (when `from` is empty), then
  /// every change.
  virtual Result<std::unique_ptr<SplitReader>> Subscribe(const std::string& from,
                                                         const ReadContext& context) = 0;
};

/// Immutable and thread safe; opened readers are independent of each other.
class Source {
 public:
  virtual ~Source() = default;
  /// For messages and EXPLAIN: "csv flights.csv".
  virtual std::string name() const = 0;
  virtual const SchemaPtr& schema() const = 0;
  virtual Boundedness boundedness() const { return Boundedness::kBounded; }
  virtual ChangeMode change_mode() const { return ChangeMode::kAppend; }
  /// Key columns when the mode is upsert.
  virtual std::vector<int> key() const { return {}; }
  /// Order of all rows over all splits in index order.
  virtual Ordering ordering() const { return {}; }
  virtual std::optional<int64_t> row_count() const { return std::nullopt; }

  /// In row order. Splits that `request.bounds` rule out are left out (indexes are then not dense).
  virtual Result<std::vector<Split>> Splits(const ScanRequest& request) = 0;
  virtual Result<std::unique_ptr<SplitReader>> Open(const Split& split, const ScanRequest& request,
                                                    const ReadContext& context) = 0;
  /// An identity of the data: a query whose source has another snapshot than at bind time fails
  /// with kStale.
  virtual Result<std::string> Snapshot() = 0;

  virtual Lookup* lookup() { return nullptr; }
  virtual Changes* changes() { return nullptr; }
};

using SourcePtr = std::shared_ptr<Source>;

}  // namespace headrace
