// The budget tree and reservations: what is granted never exceeds a limit and all of it comes back.
#include "headrace/memory/budget.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "headrace/base/rng.h"
#include "headrace/base/test_status.h"

namespace headrace {
namespace {

TEST(BudgetTest, GrantsCountAtEveryAncestor) {
  auto session = MemoryBudget::MakeRoot("session", 100);
  auto query = session->MakeChild("query", 60);
  auto sort = query->MakeChild("sort");
  EXPECT_TRUE(sort->TryReserve(50));
  EXPECT_EQ(session->used_bytes(), 50);
  EXPECT_EQ(query->used_bytes(), 50);
  EXPECT_EQ(sort->limit_bytes(), 60);
  EXPECT_FALSE(sort->TryReserve(11));
  EXPECT_TRUE(session->TryReserve(50));
  EXPECT_FALSE(sort->TryReserve(1)) << "the root is full";
  EXPECT_EQ(sort->used_bytes(), 50) << "a refusal leaves nothing behind";
  EXPECT_EQ(query->used_bytes(), 50);
  sort->Release(50);
  EXPECT_EQ(session->used_bytes(), 50);
  EXPECT_EQ(session->peak_bytes(), 100);
  session->Release(50);
}

TEST(BudgetTest, TheErrorNamesWhoHowMuchAndTheSetting) {
  auto session = MemoryBudget::MakeRoot("session", 1000, "memory_limit");
  auto sort = session->MakeChild("query 1")->MakeChild("sort");
  ASSERT_OK(sort->Reserve(900));
  const Status status = sort->Reserve(101);
  EXPECT_ERROR(status, kMemoryLimit, "sort wants 101 bytes");
  EXPECT_ERROR(status, kMemoryLimit, "900 of the limit of 1000");
  EXPECT_ERROR(status, kMemoryLimit, "raise memory_limit");
  sort->Release(900);
}

TEST(BudgetTest, SomeLeaveAShareToOthers) {
  auto query = MemoryBudget::MakeRoot("session", 1000)->MakeChild("query");
  auto breakers = query->MakeChildLeaving("breakers", 100);
  auto sort = breakers->MakeChild("sort");
  auto join = breakers->MakeChild("join");
  auto filter = query->MakeChild("filter");
  EXPECT_EQ(sort->limit_bytes(), 900);
  ASSERT_OK(sort->Reserve(500));
  ASSERT_OK(join->Reserve(400));
  EXPECT_ERROR(join->Reserve(1), kMemoryLimit, "join wants 1 bytes");
  EXPECT_ERROR(join->Reserve(1), kMemoryLimit, "900 of the limit of 1000");
  EXPECT_TRUE(filter->TryReserve(100));
  EXPECT_FALSE(filter->TryReserve(1));
  filter->Release(100);
  join->Release(400);
  sort->Release(500);
}

// Batches and decoders hold memory of the pool that nobody reserved: past the floors it leaves less
// to reserve. What is reserved of the pool is not counted twice.
TEST(BudgetTest, WhatThePoolHoldsUnclaimedCountsPastTheFloors) {
  constexpr int64_t kFloors = kFloorBytes + kSpillReserveBytes;
  const auto ledger = std::make_shared<MemoryLedger>();
  auto session = MemoryBudget::MakeRoot("session", 1000, "memory_limit", ledger);
  Reservation columns(session);
  Reservation table(session, Backing::kOwn);
  ASSERT_OK(columns.Resize(300));
  ASSERT_OK(table.Resize(200));
  EXPECT_EQ(ledger->own_bytes(), 200);
  ledger->AddPool(300 + kFloors);
  EXPECT_TRUE(columns.TryGrow(500)) << "all of the pool is claimed or within the floors";
  ASSERT_OK(columns.Resize(300));
  ledger->AddPool(400);
  EXPECT_FALSE(table.TryGrow(101)) << "200 + 101 + 700 in the pool past the floors";
  EXPECT_ERROR(table.Resize(301), kMemoryLimit, "session wants 101 bytes");
  EXPECT_ERROR(table.Resize(301), kMemoryLimit, "900 of the limit of 1000");
  EXPECT_TRUE(table.TryGrow(100)) << "not in the pool: it claims nothing of it";
  table.Clear();
  EXPECT_TRUE(columns.TryResize(1000)) << "what was unclaimed is claimed now";
  EXPECT_EQ(ledger->own_bytes(), 0);
}

TEST(BudgetTest, HugeRequestsDoNotOverflow) {
  auto session = MemoryBudget::MakeRoot("session", 100);
  EXPECT_TRUE(session->TryReserve(1));
  EXPECT_FALSE(session->TryReserve(MemoryBudget::kUnlimited));
  auto endless = MemoryBudget::MakeRoot("endless", MemoryBudget::kUnlimited);
  EXPECT_TRUE(endless->TryReserve(MemoryBudget::kUnlimited - 1));
  EXPECT_FALSE(endless->TryReserve(2));
  endless->Release(MemoryBudget::kUnlimited - 1);
  session->Release(1);
}

TEST(ReservationTest, GrowsShrinksMovesAndGivesBack) {
  auto session = MemoryBudget::MakeRoot("session", 100);
  {
    Reservation a(session);
    EXPECT_TRUE(a.TryResize(70));
    EXPECT_FALSE(a.TryGrow(31));
    EXPECT_EQ(a.bytes(), 70);
    EXPECT_ERROR(a.Resize(101), kMemoryLimit, "session wants 31 bytes");
    ASSERT_OK(a.Resize(20));
    EXPECT_EQ(session->used_bytes(), 20);
    Reservation b = std::move(a);
    EXPECT_EQ(b.bytes(), 20);
    EXPECT_EQ(a.bytes(), 0);
    Reservation c(session);
    ASSERT_OK(c.Resize(30));
    c = std::move(b);
    EXPECT_EQ(session->used_bytes(), 20) << "what c had is given back";
  }
  EXPECT_EQ(session->used_bytes(), 0);
  Reservation none;
  none.Clear();
  EXPECT_EQ(none.bytes(), 0);
}

// Invariants under random use: no node exceeds its limit, a parent holds what its children hold.
TEST(ReservationTest, RandomResizesKeepTheTreeConsistent) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Rng rng(seed);
    auto session = MemoryBudget::MakeRoot("session", 1000);
    std::vector<std::shared_ptr<MemoryBudget>> queries = {
        session->MakeChild("a", 700), session->MakeChild("b", 600), session->MakeChild("c")};
    std::vector<Reservation> claims;
    for (int i = 0; i < 9; ++i) claims.emplace_back(queries[static_cast<size_t>(i % 3)]);
    for (int step = 0; step < 2000; ++step) {
      Reservation& claim = claims[rng.Below(claims.size())];
      const int64_t before = claim.bytes();
      const auto wanted = static_cast<int64_t>(rng.Below(500));
      const bool granted = claim.TryResize(wanted);
      EXPECT_EQ(claim.bytes(), granted ? wanted : before);
      EXPECT_TRUE(granted || wanted > before) << "shrinking never fails";
      int64_t total = 0;
      for (size_t q = 0; q < queries.size(); ++q) {
        int64_t used = 0;
        for (size_t i = q; i < claims.size(); i += 3) used += claims[i].bytes();
        ASSERT_EQ(queries[q]->used_bytes(), used) << "seed " << seed;
        ASSERT_LE(used, queries[q]->limit_bytes());
        total += used;
      }
      ASSERT_EQ(session->used_bytes(), total) << "seed " << seed;
    }
    claims.clear();
    EXPECT_EQ(session->used_bytes(), 0);
    EXPECT_LE(session->peak_bytes(), 1000);
  }
}

TEST(BudgetTest, ManyThreadsNeverExceedTheLimit) {
  auto session = MemoryBudget::MakeRoot("session", 100);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&session, t] {
      Rng rng(t);
      auto query = session->MakeChild("query");
      for (int i = 0; i < 20'000; ++i) {
        const auto bytes = static_cast<int64_t>(rng.Below(60));
        if (query->TryReserve(bytes)) query->Release(bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(session->used_bytes(), 0);
  EXPECT_LE(session->peak_bytes(), 100);
}

TEST(MemoryBudgetTest, ErrorsNameThoseWhoHoldMost) {
  auto session = MemoryBudget::MakeRoot("session", 1000);
  auto query = session->MakeChild("query");
  std::vector<std::shared_ptr<MemoryBudget>> operators;
  std::vector<Reservation> held;
  for (const auto& [name, bytes] : std::vector<std::pair<std::string, int64_t>>{
           {"scan", 100}, {"sort", 400}, {"window", 0}, {"join", 300}, {"limit", 1}}) {
    operators.push_back(query->MakeChild(name));
    held.emplace_back(operators.back());
    ASSERT_OK(held.back().Resize(bytes));
  }
  const Status refused = operators[2]->Reserve(200);
  EXPECT_ERROR(refused, kMemoryLimit,
               "801 of the limit of 1000 bytes are in use (sort 400, join 300, scan 100); raise");
}

}  // namespace
}  // namespace headrace
