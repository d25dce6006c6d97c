// MemoryStream: a named stream of rows in the session – what a topic is to a broker. Jobs read it
// and write to it by the connector memory; programs and tests append to it and look at it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "headrace/connect/memory/memory_faults.h"
#include "headrace/table/source.h"

namespace headrace {

/// Rows stay until the stream is cleared. What is prepared and committed outlives the sinks that
/// did it, as the outside world does. Thread safe.
class MemoryStream {
 public:
  using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

  explicit MemoryStream(std::string name) : name_(std::move(name)) {}
  const std::string& name() const { return name_; }

  /// What a reader or writer takes its columns to be: kTypeMismatch when they are others than those
  /// of the first. Which may be null is no part of them.
  Status Declare(const SchemaPtr& schema);
  /// Null before anybody has declared it.
  SchemaPtr schema() const;
  /// Adds rows that readers see at once. Declares their schema.
  Status Append(const arrow::RecordBatch& rows);
  /// No row is appended any more: readers end behind the last.
  void End();
  /// As a new one, for the next writer and reader; kInvalidArgument while somebody reads it.
  Status Clear();
  Batches Rows() const;
  int64_t num_rows() const;

  void AddFaults(const std::vector<MemoryFault>& faults);
  /// How many there were: reads that gave rows, and calls of sinks.
  int64_t calls(MemoryFault::Call call) const;

  // ---- For readers ----

  /// Rows as a broker sends them: perhaps none, perhaps some from before the place asked for.
  struct Fetched {
    Batch rows;  // all columns
    int64_t begin = 0;
  };
  using Fetch = std::variant<Fetched, Pending, EndOfSplit>;
  /// `waker` is called whenever there is more. Gives the reader's number.
  int64_t Subscribe(Waker waker);
  void Unsubscribe(int64_t reader);
  /// Up to `rows_max` rows from row `begin` on, of one batch.
  Result<Fetch> Read(int64_t begin, int64_t rows_max);

  // ---- For writers; all calls but OpenWriter are refused to one that was fenced off ----

  /// Fences off the writer before. Gives the number of the new one.
  Result<int64_t> OpenWriter(const SchemaPtr& schema);
  /// Forgets what is prepared behind `epoch`; −1: it begins anew, and numbers its epochs anew.
  Status BeginAt(int64_t writer, int64_t epoch);
  Status Write(int64_t writer);
  Status Prepare(int64_t writer, int64_t epoch, Batches rows);
  /// Publishes what is prepared up to `epoch`. Idempotent.
  Status Commit(int64_t writer, int64_t epoch);

 private:
  void WakeReaders() const;
  // REQUIRES: mutex_ is held.
  Status DeclareHere(const SchemaPtr& schema);
  void AppendHere(std::shared_ptr<arrow::RecordBatch> rows);
  Status CheckWriter(int64_t writer) const;
  /// Whether the call is to be done, and what it answers.
  Status TakeTurn(int64_t writer, MemoryFault::Call call, const char* name, bool* does_it);
  Fetched FetchFrom(int64_t begin, int64_t rows_max) const;

  const std::string name_;
  mutable std::mutex mutex_;
  SchemaPtr schema_;
  Batches rows_;
  std::vector<int64_t> starts_ = {0};  // of the batches, and the number of rows
  bool ended_ = false;
  MemoryFaultPlan faults_;
  std::map<int64_t, Waker> readers_;
  int64_t next_reader_ = 0;
  int64_t writer_ = 0;       // the only one that may write
  int64_t dead_writer_ = 0;  // one that has died
  std::map<int64_t, Batches> prepared_;
  int64_t committed_epoch_ = -1;  // of this writer and those it goes on for
};

using MemoryStreamPtr = std::shared_ptr<MemoryStream>;

/// The streams of a session. Thread safe.
class MemoryStreams {
 public:
  /// Makes it if there is none.
  MemoryStreamPtr Find(const std::string& name);

 private:
  std::mutex mutex_;
  std::map<std::string, MemoryStreamPtr> streams_;
};

}  // namespace headrace
