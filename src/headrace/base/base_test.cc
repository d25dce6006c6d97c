// Errors, fault points, clocks, hashing, division.
#include <gtest/gtest.h>

#include <condition_variable>
#include <limits>
#include <mutex>
#include <set>
#include <vector>

#include "headrace/base/check.h"
#include "headrace/base/clock.h"
#include "headrace/base/fault.h"
#include "headrace/base/floor_divide.h"
#include "headrace/base/hash.h"
#include "headrace/base/rng.h"
#include "headrace/base/set_bits.h"
#include "headrace/base/test_status.h"

namespace headrace {
namespace {

TEST(ErrorTest, RowsStandInEnumOrderWithDistinctNames) {
  std::set<std::string_view> names;
  std::set<std::string_view> classes;
  int next = 0;
  for (const ErrorKindInfo& info : AllErrorKinds()) {
    EXPECT_EQ(static_cast<int>(info.kind), next++);
    EXPECT_EQ(&InfoOf(info.kind), &info);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_TRUE(classes.insert(info.python_class).second) << info.python_class;
    EXPECT_EQ(std::string_view(info.sqlstate).size(), 5u);
  }
}

TEST(ErrorTest, KindSurvivesAndDecidesTheCode) {
  for (const ErrorKindInfo& info : AllErrorKinds()) {
    const Status status = MakeError(info.kind, "text");
    EXPECT_EQ(KindOf(status), info.kind);
    EXPECT_EQ(status.code(), info.code);
    const Status longer = WithContext(status, "a.csv:3: ");
    EXPECT_EQ(KindOf(longer), info.kind);
    EXPECT_EQ(longer.message(), "a.csv:3: text");
  }
  EXPECT_TRUE(WithContext(Status::OK(), "x").ok());
}

TEST(ErrorTest, ErrorsOfArrowGetTheNearestKind) {
  EXPECT_EQ(KindOf(Status::OutOfMemory("x")), ErrorKind::kMemoryLimit);
  EXPECT_EQ(KindOf(Status::IOError("x")), ErrorKind::kIo);
  EXPECT_EQ(KindOf(Status::Invalid("x")), ErrorKind::kBadData);
  EXPECT_EQ(KindOf(WithContext(Status::TypeError("x"), "y")), ErrorKind::kTypeMismatch);
}

TEST(CheckTest, FailureThrowsWithPlaceAndMessage) {
  try {
    HEADRACE_CHECK(1 > 2, std::string("numbers"));
    FAIL();
  } catch (const InvariantError& error) {
    EXPECT_NE(std::string(error.what()).find("numbers"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("1 > 2"), std::string::npos);
  }
}

Status PassTwoPoints() {
  HEADRACE_FAULT_POINT("test.first");
  HEADRACE_FAULT_POINT("test.second");
  return Status::OK();
}

TEST(FaultTest, CountsByPrefix) {
  fault::Count("test.");
  EXPECT_OK(PassTwoPoints());
  EXPECT_EQ(fault::Disarm(), 2);
  fault::Count("test.second");
  EXPECT_OK(PassTwoPoints());
  EXPECT_EQ(fault::Disarm(), 1);
}

TEST(FaultTest, TheKthPassageFails) {
  for (int64_t k = 1; k <= 4; ++k) {
    fault::Arm("test.", k);
    Status first = PassTwoPoints();
    Status second = PassTwoPoints();
    fault::Disarm();
    EXPECT_EQ(first.ok(), k > 2) << k;
    EXPECT_EQ(second.ok(), k <= 2) << k;
    EXPECT_ERROR(first.ok() ? second : first, kIo, k % 2 == 1 ? "test.first" : "test.second");
  }
  EXPECT_OK(PassTwoPoints());
}

TEST(SimulatedClockTest, CallsRunInOrderWhenDue) {
  SimulatedClock clock(100);
  std::vector<int64_t> at;
  clock.CallAt(130, [&] { at.push_back(clock.MonotonicMicros()); });
  clock.CallAt(110, [&] {
    at.push_back(clock.MonotonicMicros());
    clock.CallAt(115, [&] { at.push_back(clock.MonotonicMicros()); });
  });
  EXPECT_EQ(clock.NextCallMicros(), 110);
  clock.AdvanceMicros(9);
  EXPECT_TRUE(at.empty());
  clock.AdvanceMicros(11);
  EXPECT_EQ(at, (std::vector<int64_t>{110, 115}));
  EXPECT_EQ(clock.MonotonicMicros(), 120);
  clock.AdvanceMicros(10);
  EXPECT_EQ(at.back(), 130);
  EXPECT_EQ(clock.NextCallMicros(), std::nullopt);
}

TEST(SystemClockTest, CallsRunNotBeforeTheirTimeAndEarliestFirst) {
  Clock& clock = SystemClock();
  std::mutex mutex;
  std::condition_variable done;
  std::vector<int> order;
  const int64_t start = clock.MonotonicMicros();
  int64_t last_ran = 0;
  const auto record = [&](int number) {
    std::lock_guard lock(mutex);
    order.push_back(number);
    last_ran = clock.MonotonicMicros();
    done.notify_one();
  };
  // Far enough away that all three are known before one is due, also on a busy machine.
  clock.CallAt(start + 440'000, [&] { record(2); });
  clock.CallAt(start + 400'000, [&] { record(1); });
  clock.CallAt(start - 1, [&] { record(0); });
  std::unique_lock lock(mutex);
  ASSERT_TRUE(done.wait_for(lock, std::chrono::seconds(20), [&] { return order.size() == 3; }));
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
  EXPECT_GE(last_ran, start + 440'000);
}

// Persisted in checkpoints: these values may never change.
TEST(HashTest, ValuesAreStable) {
  EXPECT_EQ(HashBytes(""), 0x2d06800538d394c2ULL);
  EXPECT_EQ(HashInteger(1), HashInteger(1));
  EXPECT_NE(CombineHash(1, 2), CombineHash(2, 1));
}

TEST(HashTest, KeyGroupsAreEvenlyUsed) {
  std::vector<int> counts(128);
  for (uint64_t i = 0; i < 128'000; ++i) ++counts[static_cast<size_t>(KeyGroupOf(HashInteger(i)))];
  for (const int count : counts) EXPECT_NEAR(count, 1000, 200);
}

TEST(RngTest, SameSeedSameNumbersWithinBounds) {
  Rng a(7);
  Rng b(7);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t bound = 1 + a.Below(100);
    EXPECT_EQ(bound, 1 + b.Below(100));
    EXPECT_LE(bound, 100u);
    const double unit = a.Unit();
    EXPECT_EQ(unit, b.Unit());
    EXPECT_TRUE(unit >= 0 && unit < 1);
  }
}

TEST(SetBitsTest, WritesThePlacesOfWordsOfEveryDensity) {
  Rng rng(11);
  for (uint64_t round = 0; round < 650; ++round) {
    uint64_t word = 0;
    std::vector<uint32_t> expected;
    for (uint32_t bit = 0; bit < 64; ++bit) {
      if (rng.Below(64) >= round % 65) continue;
      word |= uint64_t{1} << bit;
      expected.push_back(1000 + bit);
    }
    std::vector<uint32_t> places(expected.size() + kSetBitsSlack);
    const uint32_t* const end = WriteSetBits(word, 1000, places.data());
    ASSERT_EQ(end - places.data(), static_cast<int64_t>(expected.size())) << word;
    places.resize(expected.size());
    ASSERT_EQ(places, expected) << word;
  }
}

TEST(FloorDividerTest, EqualsDivisionForEveryDivisorAndValue) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  Rng rng(11);
  std::vector<int64_t> divisors = {1, 2, 3, 5, 7, 10, 1'000'000, 86'400'000'000, kMax - 1, kMax};
  for (int bit = 1; bit < 63; ++bit) {
    for (const int64_t near : {-1, 0, 1}) divisors.push_back((int64_t{1} << bit) + near);
    divisors.push_back(1 + static_cast<int64_t>(rng.Below(uint64_t{1} << bit)));
  }
  for (const int64_t divisor : divisors) {
    const FloorDivider divide(divisor);
    std::vector<int64_t> values = {kMin, kMin + 1, -1, 0, 1, kMax - 1, kMax};
    for (int i = 0; i < 200; ++i) {
      const auto value = static_cast<int64_t>(rng.Next() >> rng.Below(64));
      const int64_t multiple = value / divisor * divisor;
      values.insert(values.end(), {value, multiple, multiple == kMin ? kMin : multiple - 1});
    }
    for (const int64_t value : values) {
      ASSERT_EQ(divide(value), FloorDivide(value, divisor)) << value << " / " << divisor;
    }
  }
}

}  // namespace
}  // namespace headrace
