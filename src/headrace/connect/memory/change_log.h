// ChangeLog: the changes of a table in their order, as far as someone has still to read them.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <span>

#include "headrace/table/source.h"

namespace headrace {

/// Changes are numbered from the first one of the table; only those from the slowest subscriber's
/// place on are kept, and none when there is no subscriber. Thread safe.
class ChangeLog {
 public:
  /// Takes part from change `begin` on, which is kept or end(); kStale when it is neither. Gives
  /// the subscriber's number.
  Result<int64_t> Subscribe(int64_t begin, Waker waker);
  void Unsubscribe(int64_t subscriber);
  bool is_wanted() const;

  /// A batch with changes. REQUIRES: is_wanted().
  void Append(Batch changes);
  /// Changes that nobody was there for.
  void Skip(int64_t count);
  /// Numbers the next change `end`. REQUIRES: no subscriber.
  void StartAt(int64_t end);
  /// Readers end after the changes there are.
  void Close();
  void Wake() const;

  /// The next changes, at most `rows_max`, or why there are none.
  Result<ReadResult> Read(int64_t subscriber, std::span<const int> columns, int64_t rows_max,
                          arrow::MemoryPool* pool);
  /// The number of the subscriber's next change.
  int64_t PlaceOf(int64_t subscriber) const;
  /// The number of the next change of the table.
  int64_t end() const;
  /// Memory held.
  int64_t bytes() const;

 private:
  struct Subscriber {
    int64_t next;
    Waker waker;
  };
  void Trim();

  mutable std::mutex mutex_;
  std::deque<Batch> batches_;
  int64_t begin_ = 0;  // number of the first change kept
  int64_t end_ = 0;
  int64_t bytes_ = 0;
  bool is_closed_ = false;
  std::map<int64_t, Subscriber> subscribers_;
  int64_t next_subscriber_ = 0;
};

}  // namespace headrace
