// The seam to user code: operators post a call and park; whoever waits for the query serves it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "headrace/table/source.h"
#include "headrace/types/batch.h"

namespace headrace {

/// One posted call. `state` moves kPosted → kDone once; then `waker` is woken.
class CallbackCall {
 public:
  virtual ~CallbackCall() = default;
  virtual bool done() const = 0;
  /// The value (one cell per row, of the promised type) or the error: kCallback when user code
  /// raised.
  virtual Result<ArrayPtr> Take() = 0;
};

/// Evaluates callbacks by id. Thread safe. Calls of one operator are posted one at a time and in
/// row order, at most kCallbackRowsMax rows each.
class CallbackEvaluator {
 public:
  virtual ~CallbackEvaluator() = default;
  virtual std::unique_ptr<CallbackCall> Post(int64_t callback_id, std::vector<ArrayPtr> args,
                                             int64_t num_rows, TypePtr result_type,
                                             Waker waker) = 0;
};

}  // namespace headrace
