// Batches are kept whole until all have read their last row.
#include "headrace/connect/memory/change_log.h"

#include <algorithm>

#include "headrace/base/check.h"

namespace headrace {

Result<int64_t> ChangeLog::Subscribe(int64_t begin, Waker waker) {
  std::lock_guard lock(mutex_);
  if (begin < begin_ || begin > end_) {
    return Error(ErrorKind::kStale, "changes {} to {} are kept; asked to go on at {}", begin_, end_,
                 begin);
  }
  subscribers_.emplace(next_subscriber_, Subscriber{begin, std::move(waker)});
  return next_subscriber_++;
}

void ChangeLog::Unsubscribe(int64_t subscriber) {
  std::lock_guard lock(mutex_);
  subscribers_.erase(subscriber);
  Trim();
}

bool ChangeLog::is_wanted() const {
  std::lock_guard lock(mutex_);
  return !subscribers_.empty();
}

void ChangeLog::Append(Batch changes) {
  std::lock_guard lock(mutex_);
  end_ += changes.num_rows();
  bytes_ += changes.num_bytes();
  batches_.push_back(std::move(changes));
  Trim();  // the last subscriber may have left meanwhile
}

void ChangeLog::Skip(int64_t count) {
  std::lock_guard lock(mutex_);
  end_ += count;
  HEADRACE_CHECK(subscribers_.empty() || count == 0, "a subscriber misses changes");
  Trim();
}

void ChangeLog::StartAt(int64_t end) {
  std::lock_guard lock(mutex_);
  HEADRACE_CHECK(subscribers_.empty(), "changes are numbered anew under a subscriber");
  end_ = end;
  Trim();
}

void ChangeLog::Close() {
  {
    std::lock_guard lock(mutex_);
    is_closed_ = true;
  }
  Wake();
}

void ChangeLog::Wake() const {
  std::vector<Waker> wakers;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [number, subscriber] : subscribers_) wakers.push_back(subscriber.waker);
  }
  for (const Waker& waker : wakers) waker.Wake();
}

Result<ReadResult> ChangeLog::Read(int64_t subscriber, std::span<const int> columns,
                                   int64_t rows_max, arrow::MemoryPool* pool) {
  std::vector<Batch> parts;
  int64_t place = 0;
  int64_t wanted = 0;
  {
    std::lock_guard lock(mutex_);
    place = subscribers_.at(subscriber).next;
    wanted = std::min(end_ - place, rows_max);
    if (wanted == 0) return is_closed_ ? ReadResult(EndOfSplit{}) : ReadResult(Pending{});
    int64_t first = begin_;
    for (size_t i = 0; i < batches_.size() && first < place + wanted; ++i) {
      const Batch& batch = batches_[i];
      const int64_t from = std::max(place, first);
      const int64_t to = std::min(place + wanted, first + batch.num_rows());
      if (from < to) {
        std::vector<ArrayPtr> projected;
        for (const int column : columns) projected.push_back(batch.column(column));
        parts.push_back(batch.WithColumns(std::move(projected)).Slice(from - first, to - from));
      }
      first += batch.num_rows();
    }
  }
  ARROW_ASSIGN_OR_RAISE(Batch changes, ConcatenateBatches(parts, pool));
  std::lock_guard lock(mutex_);
  subscribers_.at(subscriber).next = place + wanted;
  Trim();
  return changes;
}

void ChangeLog::Trim() {
  int64_t slowest = end_;
  for (const auto& [number, subscriber] : subscribers_) {
    slowest = std::min(slowest, subscriber.next);
  }
  while (!batches_.empty() && begin_ + batches_.front().num_rows() <= slowest) {
    begin_ += batches_.front().num_rows();
    bytes_ -= batches_.front().num_bytes();
    batches_.pop_front();
  }
  if (batches_.empty()) begin_ = end_;
}

int64_t ChangeLog::PlaceOf(int64_t subscriber) const {
  std::lock_guard lock(mutex_);
  return subscribers_.at(subscriber).next;
}

int64_t ChangeLog::end() const {
  std::lock_guard lock(mutex_);
  return end_;
}

int64_t ChangeLog::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace headrace
