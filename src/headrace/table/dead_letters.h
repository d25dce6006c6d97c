// Dead letters: rows that could not be decoded, on their way from readers to the job, which writes
// them to a file.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "arrow/type_fwd.h"
#include "headrace/table/source.h"

namespace headrace {

struct DeadLetter {
  std::string source;    // "file stream trades.jsonl"
  std::string position;  // "trades.jsonl:17 (byte 1204)"
  std::string error;
  std::string payload;  // the bytes of the row as they came
  /// Tells the record from others of its source, to whatever scan reads it; 0: it has no place.
  uint64_t record = 0;
  int scan = 0;  // the number of its reader's scan in the query, the same at every start
};

/// A bounded box of a query: readers put in, the job takes out. Letters of rows before a reader's
/// Position are in it, or were taken, when Position is asked for: a job that takes all of them
/// before it saves the positions has each exactly once. Thread safe.
class DeadLetters {
 public:
  static constexpr int64_t kBytesMaxDefault = int64_t{16} << 20;
  explicit DeadLetters(int64_t bytes_max = kBytesMaxDefault)
      : box_(std::make_shared<Box>(bytes_max)) {}
  /// The same box, for letters of this scan.
  std::shared_ptr<DeadLetters> OfScan(int scan) const;

  /// False when the box is full: readers then wait, and are woken by Take.
  bool HasRoom(const Waker& waker);
  /// Also when it is full: no more than a batch of rows comes between two calls of HasRoom.
  void Add(DeadLetter letter);
  std::vector<DeadLetter> Take();

 private:
  struct Box {
    explicit Box(int64_t bytes) : bytes_max(bytes) {}
    const int64_t bytes_max;
    std::mutex mutex;
    std::vector<DeadLetter> letters;
    int64_t bytes = 0;
    std::vector<Waker> wakers;
  };
  const std::shared_ptr<Box> box_;
  int scan_ = 0;
};

/// Columns source, position, error, payload, all text.
SchemaPtr DeadLetterSchema();
/// Payloads that are not UTF-8 are written as \x and hexadecimal digits.
Result<std::shared_ptr<arrow::RecordBatch>> DeadLetterRows(std::span<const DeadLetter> letters,
                                                           arrow::MemoryPool* pool);

}  // namespace headrace
