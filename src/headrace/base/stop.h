// The stop token of a query: set once by cancel, Ctrl-C or a failure; checked between steps.
#pragma once

#include <atomic>
#include <memory>

namespace headrace {

/// Shared by all drivers of a query. Thread safe, async-signal safe.
class StopToken {
 public:
  StopToken() : stopped_(std::make_shared<std::atomic<bool>>(false)) {}
  void RequestStop() const { stopped_->store(true, std::memory_order_release); }
  bool stop_requested() const { return stopped_->load(std::memory_order_acquire); }

 private:
  std::shared_ptr<std::atomic<bool>> stopped_;
};

}  // namespace headrace
