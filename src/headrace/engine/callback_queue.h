// CallbackQueue: brings callback calls from the lanes to the thread that waits for the query, where
// user code may run, raise and be interrupted as if it had been called from there.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "headrace/engine/session.h"
#include "headrace/exec/callback.h"

namespace headrace {

/// Thread safe. Posted calls wait until ServeOne runs them.
class CallbackQueue final : public CallbackEvaluator {
 public:
  /// `notify` is called after every post.
  CallbackQueue(Session::CallbackFunction function, std::function<void()> notify);
  ~CallbackQueue() override;

  std::unique_ptr<CallbackCall> Post(int64_t callback_id, std::vector<ArrayPtr> args,
                                     int64_t num_rows, TypePtr result_type, Waker waker) override;
  /// Runs the oldest waiting call on this thread; false when none waits.
  bool ServeOne();

 private:
  struct Request;
  class Call;
  const Session::CallbackFunction function_;
  const std::function<void()> notify_;
  std::mutex mutex_;
  std::deque<std::shared_ptr<Request>> waiting_;
};

}  // namespace headrace
