// Bounded queues with parking on both sides. Wakers are called under the lock: they only put a task
// in a run queue.
#include "headrace/exec/channel.h"

#include <algorithm>
#include <utility>

#include "headrace/base/check.h"

namespace headrace {

Channel::Channel(ChannelSpec spec, std::shared_ptr<MemoryBudget> budget)
    : spec_(spec),
      reservation_(std::move(budget)),
      queues_(static_cast<size_t>(spec.readers)),
      writers_(static_cast<size_t>(spec.writers)),
      writers_open_(spec.writers) {
  HEADRACE_CHECK(spec.order == ChannelOrder::kArrival || spec.readers == 1,
                 "order by splits has one reader");
}

void Channel::BeginSplit(int64_t split) {
  if (spec_.order != ChannelOrder::kSplits) return;
  std::lock_guard lock(mutex_);
  split_order_.push_back(split);
  splits_[split];
}

void Channel::EndSplit(int64_t split) {
  if (spec_.order != ChannelOrder::kSplits) return;
  std::lock_guard lock(mutex_);
  splits_[split].ended = true;
  WakeReader(queues_[0]);
}

bool Channel::HasRoom(const Queue& queue, const Batch& batch, int64_t bytes) {
  int64_t held = queue.bytes;
  if (spec_.order == ChannelOrder::kSplits) {
    const int64_t split = batch.ordinal().split;
    if (!split_order_.empty() && split_order_.front() == split) held = splits_[split].bytes;
  }
  if (held == 0) return true;
  return held + bytes <= spec_.bytes_max && reservation_.TryResize(reservation_.bytes() + bytes);
}

void Channel::Charge(int64_t delta) {
  const int64_t held = std::max<int64_t>(0, reservation_.bytes() + delta);
  reservation_.TryResize(held);  // a refused growth leaves it uncharged
}

Flow Channel::Write(int reader, Batch& batch, const Waker& waker) {
  const int64_t bytes = std::max<int64_t>(1, batch.num_bytes());
  std::lock_guard lock(mutex_);
  Queue& queue = queues_[static_cast<size_t>(reader)];
  if (queue.closed) return Flow::Finished();
  if (!HasRoom(queue, batch, bytes)) {
    queue.blocked_writers.push_back(waker);
    return Flow::Blocked();
  }
  Append(queue, std::move(batch), bytes);
  WakeReader(queue);
  return Flow::NeedInput();
}

void Channel::Append(Queue& queue, Batch batch, int64_t bytes) {
  queue.bytes += bytes;
  if (spec_.order == ChannelOrder::kArrival) {
    queue.items.emplace_back(std::move(batch));
    return;
  }
  auto found = splits_.find(batch.ordinal().split);
  HEADRACE_CHECK(found != splits_.end() && !found->second.ended,
                 "a batch came outside of its split");
  found->second.bytes += bytes;
  found->second.batches.push_back(std::move(batch));
}

void Channel::WakeReader(Queue& queue) {
  if (!queue.waiting) return;
  queue.waiting = false;
  queue.waker.Wake();
}

void Channel::Advance(int writer, Watermark watermark) {
  std::lock_guard lock(mutex_);
  Watermark& mark = writers_[static_cast<size_t>(writer)].watermark;
  mark = std::max(mark, watermark);
  SpreadNews();
}

void Channel::SetIdle(int writer, bool is_idle) {
  std::lock_guard lock(mutex_);
  writers_[static_cast<size_t>(writer)].is_idle = is_idle;
  SpreadNews();
}

void Channel::SpreadNews() {
  Watermark least{Watermark::kEnd};  // of those that are waited for
  Watermark greatest;                // of those that are idle
  bool any_idle = false;
  for (const Writer& writer : writers_) {
    Watermark& bound = writer.is_idle ? greatest : least;
    bound = writer.is_idle ? std::max(bound, writer.watermark) : std::min(bound, writer.watermark);
    any_idle = any_idle || writer.is_idle;
  }
  const bool is_idle = any_idle && least.micros == Watermark::kEnd;
  const Watermark watermark = is_idle ? greatest : least;
  if (watermark > spread_ && watermark.micros != Watermark::kEnd) {
    spread_ = watermark;
    Spread(watermark);
  }
  if (is_idle != std::exchange(spread_idle_, is_idle)) Spread(Idleness{is_idle});
}

void Channel::Spread(QueueItem news) {
  for (Queue& queue : queues_) {
    if (queue.closed) continue;
    queue.items.push_back(news);
    WakeReader(queue);
  }
}

void Channel::Finish(int writer) {
  std::lock_guard lock(mutex_);
  writers_[static_cast<size_t>(writer)] = {Watermark{Watermark::kEnd}};
  SpreadNews();
  --writers_open_;
  for (Queue& queue : queues_) WakeReader(queue);
}

std::optional<Batch> Channel::TakeInSplitOrder(Queue& queue) {
  while (!split_order_.empty()) {
    SplitBuffer& front = splits_[split_order_.front()];
    if (!front.batches.empty()) {
      Batch batch = std::move(front.batches.front());
      front.batches.pop_front();
      front.bytes -= std::max<int64_t>(1, batch.num_bytes());
      return batch;
    }
    if (!front.ended) return std::nullopt;
    splits_.erase(split_order_.front());
    split_order_.pop_front();
    for (Waker& waker : queue.blocked_writers) waker.Wake();  // another split is the oldest now
    queue.blocked_writers.clear();
  }
  return std::nullopt;
}

Channel::Item Channel::Read(int reader, const Waker& waker) {
  std::lock_guard lock(mutex_);
  Queue& queue = queues_[static_cast<size_t>(reader)];
  std::optional<Batch> batch;
  if (spec_.order == ChannelOrder::kSplits) {
    batch = TakeInSplitOrder(queue);
  } else if (!queue.items.empty()) {
    auto item = std::move(queue.items.front());
    queue.items.pop_front();
    if (auto* watermark = std::get_if<Watermark>(&item)) return *watermark;
    if (auto* idleness = std::get_if<Idleness>(&item)) return *idleness;
    batch = std::move(std::get<Batch>(item));
  }
  if (batch.has_value()) {
    const int64_t bytes = std::max<int64_t>(1, batch->num_bytes());
    queue.bytes -= bytes;
    Charge(-bytes);
    for (Waker& writer : queue.blocked_writers) writer.Wake();
    queue.blocked_writers.clear();
    return std::move(*batch);
  }
  if (queue.closed || (writers_open_ == 0 && split_order_.empty() && queue.items.empty())) {
    return EndOfSplit{};
  }
  queue.waiting = true;
  queue.waker = waker;
  return Pending{};
}

void Channel::Close(int reader) {
  std::lock_guard lock(mutex_);
  Queue& queue = queues_[static_cast<size_t>(reader)];
  queue.closed = true;
  Charge(-queue.bytes);
  queue.bytes = 0;
  queue.items.clear();
  if (spec_.order == ChannelOrder::kSplits) {
    for (auto& [split, buffer] : splits_) buffer.batches.clear();
  }
  for (Waker& waker : queue.blocked_writers) waker.Wake();
  queue.blocked_writers.clear();
}

bool Channel::empty() const {
  std::lock_guard lock(mutex_);
  for (const Queue& queue : queues_) {
    if (!queue.items.empty() || queue.bytes > 0) return false;
  }
  return true;
}

}  // namespace headrace
