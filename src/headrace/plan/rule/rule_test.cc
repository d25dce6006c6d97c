// Each rule: the plan before and after.
#include "headrace/plan/rule/rule.h"

#include "headrace/plan/row_buffer.h"
#include "headrace/plan/temporal_join.h"
#include "headrace/plan/test_plans.h"

namespace headrace {
namespace {

using namespace plan_test;

std::string After(Rule rule, const PlanPtr& plan) { return Explain(*rule(plan).ValueOrDie()); }

UnboundPtr GreaterThan(const std::string& column, int64_t value) {
  return Call(">", {Col(column), Int(value)});
}
UnboundPtr Quotient() { return Call("//", {Col("a"), Col("b")}); }

TEST(FoldPlanConstants, FoldsFiltersAndProjections) {
  const PlanPtr plan = Project(Filter(Scan(), GreaterThan("a", 1)), {Call("+", {Int(1), Int(2)})});
  EXPECT_EQ(After(FoldPlanConstants, plan),
            "project 3 AS 1 + 2\n"
            "  filter (a > 1)\n"
            "    scan t [a, b, s, x]\n");
}

TEST(FoldPlanConstants, DropsFiltersThatAreTrue) {
  const PlanPtr plan = Filter(Scan(), Call("<", {Int(1), Int(2)}));
  EXPECT_EQ(After(FoldPlanConstants, plan), "scan t [a, b, s, x]\n");
}

TEST(FoldPlanConstants, LeavesWhatRaises) {
  const PlanPtr plan = Project(Scan(), {Call("//", {Int(1), Int(0)})});
  EXPECT_EQ(After(FoldPlanConstants, plan), Explain(*plan));
}

TEST(PushFiltersDown, BelowProjectionsAndSorts) {
  PlanPtr plan = Sort(Project(Scan(), {Col("b"), Quotient()}), Col("b"));
  plan = Filter(plan, Call("and", {GreaterThan("b", 1), GreaterThan("a // b", 2)}));
  EXPECT_EQ(Explain(*plan),
            "filter ((b > 1) AND (a // b > 2))\n"
            "  sort b ASC NULLS LAST\n"
            "    project b, (a // b) AS a // b\n"
            "      scan t [a, b, s, x]\n");
  EXPECT_EQ(After(PushFiltersDown, plan),
            "sort b ASC NULLS LAST\n"
            "  filter (a // b > 2)\n"
            "    project b, (a // b) AS a // b\n"
            "      filter (b > 1)\n"
            "        scan t [a, b, s, x]\n");
}

TEST(PushFiltersDown, WhatMayRaiseStays) {
  const PlanPtr plan = Filter(Sort(Scan(), Col("a")), Call(">", {Quotient(), Int(2)}));
  EXPECT_EQ(After(PushFiltersDown, plan), Explain(*plan));
}

TEST(PushFiltersDown, NotBelowLimitsAndWindows) {
  const PlanPtr limited = Filter(PlanLimit(Scan(), 3).ValueOrDie(), GreaterThan("a", 1));
  EXPECT_EQ(After(PushFiltersDown, limited), Explain(*limited));
  const PlanPtr windowed =
      Filter(Project(Scan(), {Col("a"), Call("lag", {Col("a"), Int(1)})}), GreaterThan("a", 1));
  EXPECT_EQ(After(PushFiltersDown, windowed),
            "project a, lag(a, 1)\n"
            "  filter (a > 1)\n"
            "    window lag(a, 1)\n"
            "      scan t [a, b, s, x]\n");
}

PlanPtr Joined(JoinKind kind) {
  const PlanPtr left = Scan();
  const PlanPtr right =
      Scan(Table("r", {arrow::field("k", arrow::int64()), arrow::field("v", arrow::int64())}));
  return PlanJoin(left, right, kind, Across(left, right, Call("=", {Left("a"), Right("k")})))
      .ValueOrDie();
}

TEST(PushFiltersDown, IntoTheSidesOfJoins) {
  const UnboundPtr predicate = Call("and", {GreaterThan("b", 1), GreaterThan("v", 2)});
  EXPECT_EQ(After(PushFiltersDown, Filter(Joined(JoinKind::kInner), predicate)),
            "join inner on a = k\n"
            "  filter (b > 1)\n"
            "    scan t [a, b, s, x]\n"
            "  filter (v > 2)\n"
            "    scan r [k, v]\n");
  EXPECT_EQ(After(PushFiltersDown, Filter(Joined(JoinKind::kLeft), predicate)),
            "filter (v > 2)\n"
            "  join left on a = k\n"
            "    filter (b > 1)\n"
            "      scan t [a, b, s, x]\n"
            "    scan r [k, v]\n");
}

TEST(PushFiltersDown, EqualitiesBecomeKeysOfTheJoin) {
  const PlanPtr right =
      Scan(Table("r", {arrow::field("k", arrow::int64()), arrow::field("v", arrow::int64())}));
  const PlanPtr pairs = PlanJoin(Scan(), right, JoinKind::kInner, nullptr).ValueOrDie();
  const UnboundPtr predicate = Call("and", {Call("=", {Col("a"), Col("k")}), GreaterThan("v", 2)});
  EXPECT_EQ(After(PushFiltersDown, Filter(pairs, predicate)),
            "join inner on a = k\n"
            "  scan t [a, b, s, x]\n"
            "  filter (v > 2)\n"
            "    scan r [k, v]\n");
}

TEST(PushFiltersDown, BelowAggregatesByTheirKeys) {
  const PlanPtr counts = Aggregate(Scan(), {Col("a")}, {CountAll()});
  const PlanPtr plan =
      Filter(counts, Call("and", {GreaterThan("a", 1), GreaterThan("count(*)", 2)}));
  EXPECT_EQ(After(PushFiltersDown, plan),
            "project a, count(*)\n"
            "  filter (count(*) > 2)\n"
            "    aggregate count(*) by a\n"
            "      filter (a > 1)\n"
            "        scan t [a, b, s, x]\n");
}

TEST(PushFiltersDown, IntoEveryInputOfAUnion) {
  const PlanPtr plan = PlanUnion({Scan(), Scan()}).ValueOrDie();
  EXPECT_EQ(After(PushFiltersDown, Filter(plan, GreaterThan("a", 1))),
            "union\n"
            "  filter (a > 1)\n"
            "    scan t [a, b, s, x]\n"
            "  filter (a > 1)\n"
            "    scan t [a, b, s, x]\n");
}

TEST(PushFiltersDown, MergesFiltersInOrder) {
  const PlanPtr plan = Filter(Filter(Scan(), GreaterThan("a", 1)), GreaterThan("b", 2));
  EXPECT_EQ(After(PushFiltersDown, plan),
            "filter ((a > 1) AND (b > 2))\n"
            "  scan t [a, b, s, x]\n");
}

TEST(PushLimitsDown, BelowProjectionsIntoScans) {
  const PlanPtr plan = PlanLimit(Project(Scan(), {Quotient()}), 10, 5).ValueOrDie();
  EXPECT_EQ(After(PushLimitsDown, plan),
            "project (a // b) AS a // b\n"
            "  limit 10 offset 5\n"
            "    scan t [a, b, s, x] limit 15\n");
}

TEST(PushLimitsDown, NotBelowFilters) {
  const PlanPtr plan = PlanLimit(Filter(Scan(), GreaterThan("a", 1)), 10).ValueOrDie();
  EXPECT_EQ(After(PushLimitsDown, plan), Explain(*plan));
}

TEST(PushLimitsDown, OverflowIsNoLimit) {
  const int64_t most = std::numeric_limits<int64_t>::max();
  const PlanPtr plan = PlanLimit(Scan(), most, 5).ValueOrDie();
  EXPECT_EQ(After(PushLimitsDown, plan),
            "limit 9223372036854775807 offset 5\n"
            "  scan t [a, b, s, x]\n");
}

TEST(RemoveSorts, BelowAggregatesThatIgnoreOrder) {
  EXPECT_EQ(After(RemoveSorts, Aggregate(Sort(Scan(), Col("a")), {Col("b")}, {CountAll()})),
            "project b, count(*)\n"
            "  aggregate count(*) by b\n"
            "    scan t [a, b, s, x]\n");
  const PlanPtr first = Aggregate(Sort(Scan(), Col("a")), {Col("b")}, {Call("first", {Col("a")})});
  EXPECT_EQ(After(RemoveSorts, first), Explain(*first));
}

TEST(RemoveSorts, OfSortedInput) {
  const PlanPtr sort = Sort(Scan(), Col("a"));
  MemoryTableOptions options;
  options.ordering = {{0, false, NullPlacement::kLast}};
  const PlanPtr plan = sort->WithInputs({Scan(Numbers(options))}).ValueOrDie();
  EXPECT_EQ(After(RemoveSorts, plan), "scan t [a, b, s, x]\n");
}

TEST(PruneColumns, ReadsOnlyWhatIsUsed) {
  const PlanPtr plan = Project(Sort(Filter(Scan(), GreaterThan("x", 1)), Col("b")), {Col("s")});
  EXPECT_EQ(After(PruneColumns, plan),
            "project s\n"
            "  sort b ASC NULLS LAST\n"
            "    project b, s\n"
            "      filter (x > 1.0)\n"
            "        scan t [b, s, x]\n");
}

TEST(PruneColumns, CountReadsNothing) {
  EXPECT_EQ(After(PruneColumns, Aggregate(Scan(), {}, {CountAll()})),
            "project count(*)\n"
            "  aggregate count(*)\n"
            "    scan t []\n");
}

TEST(PruneColumns, DropsUnusedCallsAndColumns) {
  const PlanPtr wide =
      Aggregate(Scan(), {Col("a")}, {Call("sum", {Col("b")}), Call("max", {Col("x")})});
  EXPECT_EQ(After(PruneColumns, Project(wide, {Col("max(x)")})),
            "project max(x)\n"
            "  project max(x)\n"
            "    aggregate max(x) by a\n"
            "      scan t [a, x]\n");
  const PlanPtr lags = Project(Scan(), {Col("s"), Call("lag", {Col("a"), Int(1)})});
  EXPECT_EQ(After(PruneColumns, Project(lags, {Col("s")})),
            "project s\n"
            "  project s\n"
            "    scan t [s]\n");
}

TEST(PruneColumns, MovesKeysOfJoins) {
  EXPECT_EQ(After(PruneColumns, Project(Joined(JoinKind::kInner), {Col("v"), Col("x")})),
            "project v, x\n"
            "  join inner on a = k\n"
            "    scan t [a, x]\n"
            "    scan r [k, v]\n");
}

PlanPtr Timed(const std::string& name) {
  const TypePtr time = arrow::timestamp(arrow::TimeUnit::MICRO);
  return Scan(Table(
      name,
      {arrow::field(name + "_k", arrow::int64()), arrow::field(name + "_ts", time),
       arrow::field(name + "_v", arrow::int64()), arrow::field(name + "_w", arrow::int64())}));
}

TEST(PruneColumns, MovesKeysAndTimesOfTemporalJoins) {
  TemporalTerms terms;
  terms.left_keys = {0};
  terms.right_keys = {0};
  terms.left_time = 1;
  terms.right_time = 1;
  const PlanPtr joined =
      MakeTemporalJoinNode(Timed("l"), Timed("r"), JoinKind::kLeft, terms).ValueOrDie();
  EXPECT_EQ(After(PruneColumns, Project(joined, {Col("r_w"), Col("l_v")})),
            "project r_w, l_v\n"
            "  temporal_join left on l_k = r_k, versions of r_ts as of l_ts\n"
            "    scan l [l_k, l_ts, l_v]\n"
            "    scan r [r_k, r_ts, r_w]\n");
}

TEST(PruneColumns, MovesPartitionsAndOrdersOfRowBuffers) {
  RowBufferTerms terms;
  terms.partition_by = {0};
  terms.rows = 3;
  terms.order = {SortKey{.column = 2}};
  terms.expire_micros = 5;
  terms.clock = 1;
  const PlanPtr buffer = MakeRowBufferNode(Timed("l"), terms, {}).ValueOrDie();
  EXPECT_EQ(After(PruneColumns, Project(buffer, {Col("l_k")})),
            "project l_k\n"
            "  row_buffer by l_k last 3 rows expire 5 us\n"
            "    scan l [l_k, l_ts, l_v]\n");
  terms.expire_micros.reset();
  terms.clock = -1;
  const PlanPtr without_clock = MakeRowBufferNode(Timed("l"), terms, {}).ValueOrDie();
  EXPECT_EQ(After(PruneColumns, Project(without_clock, {Col("l_w")})),
            "project l_w\n"
            "  row_buffer by l_k last 3 rows\n"
            "    scan l [l_k, l_v, l_w]\n");
}

TEST(PruneColumns, KeepsCallbacks) {
  const UnboundPtr callback = Unbound::Callback(7, {Col("b")}, arrow::utf8());
  EXPECT_EQ(After(PruneColumns, Project(Project(Scan(), {Col("a"), callback}), {Col("a")})),
            "project a\n"
            "  project a\n"
            "    callback callback(b)\n"
            "      scan t [a, b]\n");
}

TEST(MergeProjects, SelectionsOfSelections) {
  const PlanPtr inner = Project(Scan(), {Col("b"), Quotient()});
  EXPECT_EQ(After(MergeProjects, Project(inner, {Col("a // b"), Col("b")})),
            "project (a // b) AS a // b, b\n"
            "  scan t [a, b, s, x]\n");
  const PlanPtr twice = Project(inner, {Col("a // b"), Col("a // b")});
  EXPECT_EQ(After(MergeProjects, twice), Explain(*twice));
}

TEST(MergeProjects, DropsThoseThatChangeNothing) {
  const PlanPtr plan = Project(Scan(), {Col("a"), Col("b"), Col("s"), Col("x")});
  EXPECT_EQ(After(MergeProjects, plan), "scan t [a, b, s, x]\n");
}

TEST(ExtractBounds, FromComparisonsWithLiterals) {
  const UnboundPtr predicate =
      Call("and", {Call(">=", {Col("a"), Int(5)}), Call("=", {Text("x"), Col("s")}),
                   Call(">", {Int(9), Col("b")}), Call("is_not_null", {Col("b")}),
                   Call("=", {Col("a"), Col("b")})});
  EXPECT_EQ(After(ExtractBounds, Filter(Scan(), predicate)),
            "filter ((a >= 5) AND ('x' = s) AND (9 > b) AND (b IS NOT NULL) AND (a = b))\n"
            "  scan t [a, b, s, x] where a >= 5, s = 'x', b < 9, b IS NOT NULL\n");
}

TEST(ExtractBounds, NotFromAlternatives) {
  const PlanPtr plan = Filter(Scan(), Call("or", {GreaterThan("a", 1), GreaterThan("b", 1)}));
  EXPECT_EQ(After(ExtractBounds, plan), Explain(*plan));
}

TEST(Optimize, AllRulesTogether) {
  PlanPtr plan = Project(Joined(JoinKind::kInner), {Col("v"), Col("x"), Col("b")});
  plan = Project(Filter(plan, GreaterThan("b", 4)), {Col("v"), Call("+", {Col("x"), Int(1)})});
  plan = PlanLimit(plan, 3).ValueOrDie();
  EXPECT_EQ(Explain(*Optimize(plan).ValueOrDie()),
            "project v, (x + 1.0) AS x + 1\n"
            "  limit 3\n"
            "    join inner on a = k\n"
            "      project a, x\n"
            "        filter (b > 4)\n"
            "          scan t [a, b, x] where b > 4\n"
            "      scan r [k, v]\n");
}

}  // namespace
}  // namespace headrace
