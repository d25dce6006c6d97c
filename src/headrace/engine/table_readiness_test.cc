// Waits for tables on a clock that the test moves.
#include "headrace/engine/table_readiness.h"

#include <gtest/gtest.h>

#include <vector>

namespace headrace {
namespace {

using Answer = TableWait::Answer;
constexpr int64_t kSecondMicros = 1'000'000;

TEST(TableWait, WithoutALimitItIsWaitedFor) {
  TableWait wait({});
  wait.Begin(0);
  EXPECT_EQ(wait.At(1'000'000 * kSecondMicros), Answer::kWait);
}

TEST(TableWait, TheTimeBeginsWithLoading) {
  TableWait wait({.wait_micros = 5 * kSecondMicros});
  EXPECT_EQ(wait.At(100 * kSecondMicros), Answer::kWait);
  wait.Begin(100 * kSecondMicros);
  EXPECT_EQ(wait.At(105 * kSecondMicros - 1), Answer::kWait);
  EXPECT_EQ(wait.At(105 * kSecondMicros), Answer::kFail);
}

TEST(TableWait, AStandInLetsThemGoOn) {
  TableWait wait({.wait_micros = kSecondMicros, .then = NotReady::kGoOn});
  wait.Begin(0);
  EXPECT_EQ(wait.At(kSecondMicros - 1), Answer::kWait);
  EXPECT_EQ(wait.At(kSecondMicros), Answer::kGoOn);
}

TEST(TableWait, RetriesWaitLongerEachTimeUpToALimit) {
  TableWait wait({.wait_micros = kSecondMicros,
                  .then = NotReady::kRetry,
                  .retries = 5,
                  .delay_micros = 4 * kSecondMicros});
  wait.Begin(0);
  std::vector<int64_t> seconds;  // at which a wait begins anew
  int64_t now = 0;
  while (true) {
    const int64_t before = wait.retries();
    const Answer answer = wait.At(now);
    if (answer == Answer::kFail) break;
    ASSERT_EQ(answer, Answer::kWait);
    if (wait.retries() > before) seconds.push_back(now / kSecondMicros);
    now += kSecondMicros;
  }
  // 1 + 4, + 8, + 16, + 30, + 30.
  EXPECT_EQ(seconds, (std::vector<int64_t>{1, 5, 13, 29, 59}));
  EXPECT_EQ(now / kSecondMicros, 89);
}

}  // namespace
}  // namespace headrace
