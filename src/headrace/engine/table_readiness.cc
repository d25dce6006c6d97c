// Waits with back-off.
#include "headrace/engine/table_readiness.h"

#include <algorithm>

namespace headrace {

void TableWait::Begin(int64_t now_micros) {
  begun_micros_ = now_micros;
  due_micros_ = now_micros + terms_.wait_micros.value_or(0);
}

TableWait::Answer TableWait::At(int64_t now_micros) {
  if (!has_begun() || !terms_.wait_micros.has_value() || now_micros < due_micros_) {
    return Answer::kWait;
  }
  if (terms_.then == NotReady::kGoOn) return Answer::kGoOn;
  if (terms_.then == NotReady::kFail || retries_ >= terms_.retries) return Answer::kFail;
  constexpr int64_t kDoublingsMax = 30;
  const int64_t factor = int64_t{1} << std::min(retries_, kDoublingsMax);
  const int64_t longest = ReadinessTerms::kDelayMicrosMax;
  const int64_t delay =
      terms_.delay_micros > longest / factor ? longest : terms_.delay_micros * factor;
  due_micros_ = now_micros + delay;
  ++retries_;
  return Answer::kWait;
}

}  // namespace headrace
