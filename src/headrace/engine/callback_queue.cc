// Requests are shared by the poster and the queue: either may go first.
#include "headrace/engine/callback_queue.h"

#include <atomic>

#include "arrow/array.h"
#include "headrace/base/check.h"

namespace headrace {

struct CallbackQueue::Request {
  int64_t callback_id = 0;
  std::vector<ArrayPtr> args;
  int64_t num_rows = 0;
  TypePtr result_type;
  Waker waker;
  Result<ArrayPtr> result = Error(ErrorKind::kInternal, "the callback did not run");
  std::atomic<bool> done{false};
};

class CallbackQueue::Call final : public CallbackCall {
 public:
  explicit Call(std::shared_ptr<Request> request) : request_(std::move(request)) {}
  bool done() const override { return request_->done.load(std::memory_order_acquire); }
  Result<ArrayPtr> Take() override {
    HEADRACE_CHECK(done(), "a callback's result was taken before it ran");
    return std::move(request_->result);
  }

 private:
  const std::shared_ptr<Request> request_;
};

CallbackQueue::CallbackQueue(Session::CallbackFunction function, std::function<void()> notify)
    : function_(std::move(function)), notify_(std::move(notify)) {}

CallbackQueue::~CallbackQueue() = default;

std::unique_ptr<CallbackCall> CallbackQueue::Post(int64_t callback_id, std::vector<ArrayPtr> args,
                                                  int64_t num_rows, TypePtr result_type,
                                                  Waker waker) {
  auto request = std::make_shared<Request>();
  request->callback_id = callback_id;
  request->args = std::move(args);
  request->num_rows = num_rows;
  request->result_type = std::move(result_type);
  request->waker = std::move(waker);
  {
    std::lock_guard lock(mutex_);
    waiting_.push_back(request);
  }
  notify_();
  return std::make_unique<Call>(std::move(request));
}

bool CallbackQueue::ServeOne() {
  std::shared_ptr<Request> request;
  {
    std::lock_guard lock(mutex_);
    if (waiting_.empty()) return false;
    request = std::move(waiting_.front());
    waiting_.pop_front();
  }
  if (function_ == nullptr) {
    request->result = Error(ErrorKind::kUnsupported, "this session evaluates no callbacks");
  } else {
    request->result =
        function_(request->callback_id, request->args, request->num_rows, request->result_type);
  }
  request->done.store(true, std::memory_order_release);
  request->waker.Wake();
  return true;
}

}  // namespace headrace
