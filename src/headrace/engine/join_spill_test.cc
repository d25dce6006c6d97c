// Joins whose rows nobody wants in order, under budgets that make them spill: against a map of the
// built rows, with what they write counted.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <thread>

#include "arrow/api.h"
#include "headrace/base/fault.h"
#include "headrace/base/hash.h"
#include "headrace/base/rng.h"
#include "headrace/base/test_status.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/engine/session.h"
#include "headrace/engine/test_profile.h"
#include "headrace/plan/test_plans.h"

namespace headrace {
namespace {

using Cell = std::optional<int64_t>;
using Row = std::vector<Cell>;
using Rows = std::vector<Row>;
using KeyOf = std::function<Cell(int64_t)>;

constexpr int64_t kSmall = int64_t{4} << 20;

/// Rows (key, number of the row).
struct Side {
  std::string prefix;
  std::vector<Cell> keys;

  Side(std::string prefix, int64_t count, const KeyOf& key_of) : prefix(std::move(prefix)) {
    for (int64_t row = 0; row < count; ++row) keys.push_back(key_of(row));
  }

  PlanPtr Scan() const {
    const SchemaPtr schema = arrow::schema(
        {arrow::field(prefix + "k", arrow::int64()), arrow::field(prefix + "v", arrow::int64())});
    arrow::Int64Builder k;
    arrow::Int64Builder v;
    for (size_t row = 0; row < keys.size(); ++row) {
      EXPECT_OK(keys[row].has_value() ? k.Append(*keys[row]) : k.AppendNull());
      EXPECT_OK(v.Append(static_cast<int64_t>(row)));
    }
    MemoryTableOptions options;
    options.rows_per_split = 5000;
    const auto batch = arrow::RecordBatch::Make(schema, static_cast<int64_t>(keys.size()),
                                                {k.Finish().ValueOrDie(), v.Finish().ValueOrDie()});
    return PlanScan(MemoryTable::Make(schema, {batch}, options).ValueOrDie()).ValueOrDie();
  }
};

struct SpilledJoin {
  Side left;
  Side right;
  JoinKind kind = JoinKind::kInner;

  PlanPtr Join() const {
    const PlanPtr l = left.Scan();
    const PlanPtr r = right.Scan();
    const ExpressionPtr on = plan_test::Across(
        l, r, plan_test::Call("=", {plan_test::Left("lk"), plan_test::Right("rk")}));
    JoinOptions options;
    if (HasRightColumns(kind)) options.build = JoinSide::kRight;
    return PlanJoin(l, r, kind, on, options).ValueOrDie();
  }
  /// Every row of the join, with how often it comes.
  PlanPtr Counted() const {
    std::vector<UnboundPtr> groups = {plan_test::Col("lk"), plan_test::Col("lv")};
    if (HasRightColumns(kind))
      groups.insert(groups.end(), {plan_test::Col("rk"), plan_test::Col("rv")});
    return plan_test::Aggregate(Join(), groups, {plan_test::CountAll()});
  }

  Rows Expected() const {
    std::multimap<int64_t, int64_t> built;
    for (size_t row = 0; row < right.keys.size(); ++row) {
      if (right.keys[row].has_value()) built.emplace(*right.keys[row], row);
    }
    std::vector<bool> matched(right.keys.size());
    Rows rows;
    for (size_t row = 0; row < left.keys.size(); ++row) {
      const Row own = {left.keys[row], static_cast<int64_t>(row)};
      const auto range =
          own[0].has_value() ? built.equal_range(*own[0]) : std::pair(built.end(), built.end());
      AddRows(own, range.first, range.second, matched, &rows);
    }
    const bool keeps_right = kind == JoinKind::kRight || kind == JoinKind::kFull;
    for (size_t row = 0; keeps_right && row < matched.size(); ++row) {
      if (matched[row]) continue;
      rows.push_back({Cell(), Cell(), right.keys[row], static_cast<int64_t>(row), 1});
    }
    std::sort(rows.begin(), rows.end());
    return rows;
  }

 private:
  using At = std::multimap<int64_t, int64_t>::iterator;
  void AddRows(const Row& own, At first, At last, std::vector<bool>& matched, Rows* rows) const {
    if (!HasRightColumns(kind)) {
      if ((first != last) == (kind == JoinKind::kSemi)) rows->push_back({own[0], own[1], 1});
      return;
    }
    const bool keeps_left = kind == JoinKind::kLeft || kind == JoinKind::kFull;
    if (first == last && keeps_left) rows->push_back({own[0], own[1], Cell(), Cell(), 1});
    for (; first != last; ++first) {
      matched[static_cast<size_t>(first->second)] = true;
      rows->push_back({own[0], own[1], first->first, first->second, 1});
    }
  }
};

Result<Rows> SortedRowsOf(Cursor& cursor) {
  Rows rows;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, cursor.Next());
    if (batch == nullptr) break;
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      Row cells;
      for (const auto& column : batch->columns()) {
        const auto& values = static_cast<const arrow::Int64Array&>(*column);
        cells.push_back(values.IsNull(row) ? Cell() : Cell(values.Value(row)));
      }
      rows.push_back(std::move(cells));
    }
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

struct Ran {
  Rows rows;
  int64_t spilled_bytes = 0;
  std::string profile;
};

Result<Ran> RanWith(const PlanPtr& plan, int threads, int64_t memory) {
  Settings settings;
  settings.threads = threads;
  settings.memory_limit = memory;
  settings.optimizer = false;  // it would choose the side to build
  ARROW_ASSIGN_OR_RAISE(auto session, Session::Make(settings));
  ARROW_ASSIGN_OR_RAISE(Cursor cursor, session->Run(plan));
  Ran ran;
  ARROW_ASSIGN_OR_RAISE(ran.rows, SortedRowsOf(cursor));
  ran.spilled_bytes = cursor.metrics().spilled_bytes;
  ran.profile = cursor.Profile();
  return ran;
}

constexpr JoinKind kKinds[] = {JoinKind::kInner, JoinKind::kLeft, JoinKind::kRight,
                               JoinKind::kFull,  JoinKind::kSemi, JoinKind::kAnti};

/// The rows are the expected ones at any number of threads, and some were written.
void ExpectRows(SpilledJoin join) {
  for (const JoinKind kind : kKinds) {
    join.kind = kind;
    const PlanPtr plan = join.Counted();
    const Rows expected = join.Expected();
    for (const int threads : {1, 2, 4}) {
      SCOPED_TRACE(fmt::format("{} threads, {}", threads, Explain(*plan)));
      ASSERT_OK_AND_ASSIGN(const Ran ran, RanWith(plan, threads, kSmall));
      ASSERT_EQ(ran.rows.size(), expected.size()) << ran.profile;
      const auto differ = std::mismatch(ran.rows.begin(), ran.rows.end(), expected.begin());
      ASSERT_TRUE(differ.first == ran.rows.end())
          << ::testing::PrintToString(*differ.first) << " instead of "
          << ::testing::PrintToString(*differ.second) << ran.profile;
      EXPECT_GT(FigureOf(ran.profile, "hash_join_build", "runs") +
                    FigureOf(ran.profile, "hash_join_evict", "runs"),
                0)
          << ran.profile;
    }
  }
}

KeyOf Random(uint64_t seed, uint64_t distinct, uint64_t nulls_permille) {
  auto rng = std::make_shared<Rng>(seed);
  return [=](int64_t) -> Cell {
    if (rng->Below(1000) < nulls_permille) return std::nullopt;
    return static_cast<int64_t>(HashInteger(rng->Below(distinct)) >> 1);
  };
}

/// Keys of key group 5 alone, each `repeats` times.
KeyOf OfOneKeyGroup(int64_t repeats) {
  auto key = std::make_shared<int64_t>(0);
  return [=](int64_t row) -> Cell {
    if (row % repeats == 0) ++*key;
    while (KeyGroupOf(HashInteger(static_cast<uint64_t>(*key))) != 5) ++*key;
    return *key;
  };
}

TEST(JoinSpillTest, EveryKindGivesItsRowsOnce) {
  ExpectRows({{"l", 30'000, Random(1, 50'000, 20)}, {"r", 60'000, Random(2, 50'000, 20)}});
}

TEST(JoinSpillTest, OneKeyHasMostOfTheRows) {
  const auto skewed = [](int64_t row) -> Cell { return row % 10 == 0 ? row : 7; };
  ExpectRows({{"l", 40, [](int64_t row) -> Cell { return row % 20 == 0 ? 7 : row * 10; }},
              {"r", 60'000, skewed}});
}

TEST(JoinSpillTest, AllKeysAreNull) {
  const auto null = [](int64_t) -> Cell { return std::nullopt; };
  SpilledJoin join{{"l", 1000, null}, {"r", 80'000, null}};
  for (const JoinKind kind : kKinds) {
    join.kind = kind;
    ASSERT_OK_AND_ASSIGN(const Ran ran, RanWith(join.Counted(), 2, kSmall));
    ASSERT_TRUE(ran.rows == join.Expected()) << ran.profile;
  }
}

TEST(JoinSpillTest, ASideIsEmpty) {
  for (const auto& [left, right] : {std::pair{0, 60'000}, {3000, 0}, {0, 0}}) {
    SpilledJoin join{{"l", left, Random(1, 50'000, 20)}, {"r", right, Random(2, 50'000, 20)}};
    for (const JoinKind kind : kKinds) {
      join.kind = kind;
      ASSERT_OK_AND_ASSIGN(const Ran ran, RanWith(join.Counted(), 2, kSmall));
      ASSERT_TRUE(ran.rows == join.Expected()) << ran.profile;
    }
  }
}

// A key group that does not fit is divided; its children do.
TEST(JoinSpillTest, AKeyGroupThatDoesNotFitIsDivided) {
  const SpilledJoin join{{"l", 20'000, OfOneKeyGroup(1)}, {"r", 60'000, OfOneKeyGroup(2)}};
  ExpectRows(join);
  ASSERT_OK_AND_ASSIGN(const Ran ran, RanWith(join.Counted(), 2, kSmall));
  EXPECT_GE(FigureOf(ran.profile, "hash_join_rest", "runs"), 2) << ran.profile;
}

// There is no use in dividing rows of one key: they are divided once at most, and joined in passes.
TEST(JoinSpillTest, RowsOfOneKeyAreNotDividedAgain) {
  const auto one = [](int64_t) -> Cell { return 7; };
  const SpilledJoin join{{"l", 5, one}, {"r", 80'000, one}};
  ASSERT_OK_AND_ASSIGN(const Ran ran, RanWith(join.Counted(), 2, kSmall));
  EXPECT_TRUE(ran.rows == join.Expected()) << ran.profile;
  EXPECT_LE(FigureOf(ran.profile, "hash_join_rest", "runs"), 2) << ran.profile;
}

PlanPtr Summed(const SpilledJoin& join) {
  return plan_test::Aggregate(join.Join(), {}, {plan_test::CountAll()});
}

// What is a little too large for the budget is written for a little part, and so are the rows of
// the probe. Places are written only where the order is read.
TEST(JoinSpillTest, OnlyTheLargestKeyGroupsAreWritten) {
  constexpr int64_t kRows = 150'000;
  const SpilledJoin join{{"l", kRows, Random(3, kRows, 0)}, {"r", kRows, Random(4, kRows, 0)}};
  constexpr int64_t kMemory = int64_t{24} << 20;  // the table wants a little more of it
  constexpr int64_t kBytesOfBoth = 2 * kRows * 16;
  ASSERT_OK_AND_ASSIGN(const Ran some, RanWith(Summed(join), 2, kMemory));
  EXPECT_GT(some.spilled_bytes, 0) << some.profile;
  EXPECT_LT(some.spilled_bytes, kBytesOfBoth * 7 / 10) << some.profile;
  ASSERT_OK_AND_ASSIGN(const Ran all, RanWith(join.Join(), 2, kMemory));
  EXPECT_GT(all.spilled_bytes, 2 * some.spilled_bytes) << all.profile;
}

// The filter answers for rows whose keys were not built, whatever the kind gives for them.
TEST(JoinSpillTest, RowsWithoutAPartnerAreNotWritten) {
  constexpr int64_t kBuilt = 60'000;
  constexpr int64_t kProbed = 300'000;
  SpilledJoin join{{"l", kProbed, [](int64_t row) -> Cell { return row; }},
                   {"r", kBuilt, [](int64_t row) -> Cell { return row * 100; }}};
  for (const JoinKind kind : kKinds) {
    join.kind = kind;
    SCOPED_TRACE(Explain(*join.Join()));
    ASSERT_OK_AND_ASSIGN(const Ran ran, RanWith(Summed(join), 2, kSmall));
    EXPECT_GT(ran.spilled_bytes, kBuilt * 4) << ran.profile;
    EXPECT_LT(ran.spilled_bytes, kBuilt * 20 + kProbed * 16 / 4) << ran.profile;
    EXPECT_EQ(ran.rows[0][0], static_cast<int64_t>(join.Expected().size()));
  }
}

// Every file operation in turn fails: so does the query, and nothing is left of it.
TEST(JoinSpillTest, FaultsFailTheQueryAlone) {
  const SpilledJoin join{{"l", 20'000, OfOneKeyGroup(1)}, {"r", 60'000, OfOneKeyGroup(2)}};
  for (const PlanPtr& plan : {Summed(join), join.Join()}) {
    fault::Count("state_file");
    ASSERT_OK(RanWith(plan, 2, kSmall).status());
    const int64_t passages = fault::Disarm();
    ASSERT_GT(passages, 20);
    Settings settings;
    settings.threads = 2;
    settings.memory_limit = kSmall;
    settings.optimizer = false;
    ASSERT_OK_AND_ASSIGN(auto session, Session::Make(settings));
    for (int64_t k = 1; k <= passages; k += 1 + passages / 40) {
      {
        fault::Arm("state_file", k);
        ASSERT_OK_AND_ASSIGN(Cursor cursor, session->Run(plan));
        const Status status = SortedRowsOf(cursor).status();
        const bool came = fault::Disarm() >= k;  // passages differ a little from run to run
        EXPECT_EQ(status.ok(), !came) << k << ": " << status;
      }
      EXPECT_EQ(session->pool()->bytes_allocated(), 0) << k;
    }
  }
}

}  // namespace
}  // namespace headrace
