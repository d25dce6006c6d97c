// The builder: what nodes it makes, what it knows of their rows, what it refuses.
#include "headrace/plan/builder.h"

#include "headrace/plan/test_plans.h"

namespace headrace {
namespace {

using namespace plan_test;

constexpr ChangeMode kRetract = ChangeMode::kRetract;

MemoryTableOptions SortedByA() {
  MemoryTableOptions options;
  options.ordering = {{0, false, NullPlacement::kLast}};
  return options;
}

MemoryTableOptions Endless() {
  MemoryTableOptions options;
  options.boundedness = Boundedness::kUnbounded;
  return options;
}

MemoryTableOptions Changing(ChangeMode mode) {
  MemoryTableOptions options;
  options.change_mode = mode;
  if (mode == ChangeMode::kUpsert) options.key = {0};
  return options;
}

TEST(Builder, ExplainIndentsInputs) {
  const PlanPtr plan = Project(Filter(Scan(), Call(">", {Col("a"), Int(5)})), {Col("b")});
  EXPECT_EQ(Explain(*plan),
            "project b\n"
            "  filter (a > 5)\n"
            "    scan t [a, b, s, x]\n");
}

TEST(Builder, ProjectNamesAndTypes) {
  const PlanPtr plan = Project(Scan(), {Col("s"), Call("+", {Col("a"), Int(1)}), Int(7)});
  EXPECT_EQ(plan->schema()->ToString(), "s: string\na + 1: int64\n7: int64");
}

TEST(Builder, OrderSurvivesFiltersProjectionsAndLimits) {
  PlanPtr plan = Filter(Scan(Numbers(SortedByA())), Call("<", {Col("b"), Int(3)}));
  plan = Project(plan, {Col("b"), Col("a")});
  plan = PlanLimit(plan, 3).ValueOrDie();
  EXPECT_EQ(plan->properties().ordering, (Ordering{{1, false, NullPlacement::kLast}}));
  EXPECT_EQ(Project(plan, {Col("b")})->properties().ordering, Ordering{});
}

TEST(Builder, SortOfSortedRowsIsNoNode) {
  const PlanPtr scan = Scan(Numbers(SortedByA()));
  EXPECT_EQ(Sort(scan, Col("a")), scan);
  EXPECT_EQ(Explain(*Sort(scan, Col("b"))),
            "sort b ASC NULLS LAST\n"
            "  scan t [a, b, s, x]\n");
}

TEST(Builder, SortByExpressionDropsItsColumn) {
  EXPECT_EQ(Explain(*Sort(Scan(), Call("+", {Col("a"), Col("b")}))),
            "project a, b, s, x\n"
            "  sort (a + b) ASC NULLS LAST\n"
            "    project a, b, s, x, (a + b)\n"
            "      scan t [a, b, s, x]\n");
}

TEST(Builder, SortNeedsAnEnd) {
  EXPECT_ERROR(TrySort(Scan(Numbers(Endless())), Col("a")), kUnsupported,
               "and this input does not end: t");
  const PlanPtr limited = PlanLimit(Scan(Numbers(Endless())), 10).ValueOrDie();
  EXPECT_OK(TrySort(limited, Col("a")));
}

TEST(Builder, LimitRefusesNegativeCounts) {
  EXPECT_ERROR(PlanLimit(Scan(), 1, -2), kInvalidArgument, "-2");
}

TEST(Builder, FilterWantsBoolean) {
  const PlanPtr scan = Scan();
  EXPECT_ERROR(PlanFilter(scan, Over(scan, Col("a"))), kTypeMismatch,
               "a filter takes a BOOLEAN, and a is a BIGINT");
  const auto null = Unbound::Literal(arrow::MakeNullScalar(arrow::null()));
  EXPECT_OK(PlanFilter(scan, Over(scan, null)));
}

TEST(Builder, AggregatesStandOnlyWhereGroupsAre) {
  const PlanPtr scan = Scan();
  const UnboundPtr sum = Call("sum", {Col("a")});
  EXPECT_ERROR(PlanFilter(scan, Over(scan, Call(">", {sum, Int(1)}))), kInvalidArgument,
               "a filter (WHERE): sum(a)");
  EXPECT_ERROR(TryProject(scan, {sum}), kInvalidArgument, "a row-wise projection");
  EXPECT_ERROR(TryAggregate(scan, {sum}, {sum}), kInvalidArgument, "a group (GROUP BY)");
  EXPECT_ERROR(TryAggregate(scan, {}, {Call("max", {sum})}), kInvalidArgument,
               "the argument of another");
}

TEST(Builder, AggregateComputesKeysAndArgumentsBelow) {
  const UnboundPtr key = Call("+", {Col("a"), Int(1)});
  const UnboundPtr sum = Call("sum", {Call("*", {Col("a"), Col("b")})});
  const PlanPtr plan =
      Aggregate(Scan(), {key}, {Call("-", {sum, key}), Call("-", {sum, CountAll()})},
                Call(">", {sum, Int(3)}));
  EXPECT_EQ(Explain(*plan),
            "project (a + 1) AS a + 1, (sum((a * b)) - (a + 1)) AS sum((a * b)) - (a + 1), "
            "(sum((a * b)) - count(*)) AS sum((a * b)) - count(*)\n"
            "  filter (sum((a * b)) > 3)\n"
            "    aggregate sum((a * b)), count(*) by (a + 1)\n"
            "      project (a + 1), (a * b)\n"
            "        scan t [a, b, s, x]\n");
}

TEST(Builder, ColumnBesideAggregatesMustBeAGroup) {
  EXPECT_ERROR(TryAggregate(Scan(), {Col("a")}, {Col("b"), CountAll()}), kInvalidArgument,
               "must be one of the groups (GROUP BY) or stand inside an aggregate: b");
}

TEST(Builder, GlobalAggregateHasNoKeys) {
  EXPECT_EQ(Explain(*Aggregate(Scan(), {}, {CountAll(), CountAll()})),
            "project count(*), count(*)\n"
            "  aggregate count(*)\n"
            "    scan t [a, b, s, x]\n");
}

TEST(Builder, EndlessGroupsNeedChangesOrAWindow) {
  const PlanPtr scan = Scan(Numbers(Endless()));
  EXPECT_ERROR(TryAggregate(scan, {Col("a")}, {CountAll()}), kUnsupported,
               "groups without a time window are complete only when the input ends");
  AggregateOptions options;
  options.emit = EmitPolicy::kChanges;
  ASSERT_OK_AND_ASSIGN(const PlanPtr plan,
                       TryAggregate(scan, {Col("a")}, {CountAll()}, nullptr, options));
  EXPECT_EQ(plan->properties().change_mode, kRetract);
  EXPECT_EQ(plan->properties().boundedness, Boundedness::kUnbounded);
}

PlanPtr Timed() {
  return Scan(Table("t", {arrow::field("at", arrow::timestamp(arrow::TimeUnit::MILLI)),
                          arrow::field("a", arrow::int64()), arrow::field("b", arrow::int64())}));
}

Result<PlanPtr> TryWindow(const PlanPtr& plan, StreamWindowSpec window, const UnboundPtr& time,
                          const UnboundPtr& having = nullptr) {
  window.time = Over(plan, time);
  return PlanWindowAggregate(plan, window, {Named(plan, Col("a"))},
                             {Named(plan, Call("+", {CountAll(), Int(1)}))},
                             having == nullptr ? nullptr : Over(plan, having));
}

StreamWindowSpec WindowOf(WindowKind kind, int64_t size_micros, int64_t advance_micros = 0,
                          int64_t lateness_micros = 0, LatePolicy late = LatePolicy::kDrop) {
  StreamWindowSpec window;
  window.kind = kind;
  window.size_micros = size_micros;
  window.advance_micros = advance_micros;
  window.lateness_micros = lateness_micros;
  window.late = late;
  return window;
}

TEST(Builder, WindowsStandBetweenGroupsAndResults) {
  const StreamWindowSpec window =
      WindowOf(WindowKind::kSliding, 60'000'000, 10'000'000, 5'000'000, LatePolicy::kUpdate);
  ASSERT_OK_AND_ASSIGN(const PlanPtr plan,
                       TryWindow(Timed(), window, Col("at"), Call(">", {CountAll(), Int(2)})));
  EXPECT_EQ(Explain(*plan),
            "project a, _window_start, _window_end, (count(*) + 1) AS count(*) + 1\n"
            "  filter (count(*) > 2)\n"
            "    window_aggregate count(*) by a window sliding at 60000000 us by 10000000 us "
            "lateness 5000000 us late rows update\n"
            "      scan t [at, a, b]\n");
  EXPECT_EQ(plan->properties().change_mode, kRetract);
  EXPECT_TRUE(plan->schema()->field(1)->type()->Equals(arrow::timestamp(arrow::TimeUnit::MILLI)));
}

TEST(Builder, WindowsAreChecked) {
  const auto refused = [](const StreamWindowSpec& window, ErrorKind kind, const char* text,
                          const char* time = "at") {
    return IsError(TryWindow(Timed(), window, Col(time)).status(), kind, text);
  };
  const auto kInvalid = ErrorKind::kInvalidArgument;
  EXPECT_TRUE(refused(WindowOf(WindowKind::kTumbling, 0), kInvalid, "longer than 0"));
  EXPECT_TRUE(refused(WindowOf(WindowKind::kTumbling, 1500), kInvalid, "whole steps"));
  EXPECT_TRUE(
      refused(WindowOf(WindowKind::kTumbling, 1000), ErrorKind::kTypeMismatch, "TIMESTAMP", "b"));
  EXPECT_TRUE(
      refused(WindowOf(WindowKind::kSliding, 1000, 2000), kInvalid, "no more than their size"));
  EXPECT_TRUE(
      refused(WindowOf(WindowKind::kCumulate, 5000, 2000), kInvalid, "a multiple of their step"));
  EXPECT_TRUE(refused(WindowOf(WindowKind::kTumbling, 1000, 0, 0, LatePolicy::kUpdate), kInvalid,
                      "allowed lateness"));
  EXPECT_TRUE(refused(WindowOf(WindowKind::kTumbling, 1000, 0, -1000), kInvalid, "0 or more"));
}

TEST(Builder, ChangesPassOnlyWhereTheyCan) {
  const PlanPtr changing = Scan(Numbers(Changing(kRetract)));
  EXPECT_EQ(Filter(changing, Call(">", {Col("a"), Int(1)}))->properties().change_mode, kRetract);
  EXPECT_OK(TryAggregate(changing, {Col("a")}, {CountAll()}));
  EXPECT_ERROR(TrySort(changing, Col("a")), kUnsupported, "sort takes rows that are only added");
  EXPECT_ERROR(PlanLimit(changing, 1), kUnsupported, "limit takes rows");
  EXPECT_ERROR(TryProject(changing, {Call("lag", {Col("a")})}), kUnsupported, "window takes rows");
  const PlanPtr upserts = Scan(Numbers(Changing(ChangeMode::kUpsert)));
  EXPECT_ERROR(TryAggregate(upserts, {Col("a")}, {CountAll()}), kUnsupported, "upsert");
}

TEST(Builder, OrderedCallsBecomeWindows) {
  const UnboundPtr lag = Over("lag", {Col("a"), Int(1)}, {Col("s")}, {Col("b")});
  EXPECT_EQ(Explain(*Project(Scan(), {Call("-", {Col("a"), lag}), lag})),
            "project (a - lag(a, 1) OVER (PARTITION BY s ORDER BY b NULLS LAST)) AS "
            "a - lag(a, 1), lag(a, 1) OVER (PARTITION BY s ORDER BY b NULLS LAST) AS lag(a, 1)\n"
            "  window lag(a, 1) AS lag(a, 1) OVER (PARTITION BY s ORDER BY b NULLS LAST) by s\n"
            "    sort s ASC NULLS LAST, b ASC NULLS LAST\n"
            "      scan t [a, b, s, x]\n");
}

TEST(Builder, NestedOrderedCallsAreLiftedInnermostFirst) {
  const UnboundPtr inner = Call("lag", {Col("a"), Int(1)});
  const UnboundPtr outer = Call("cumsum", {Call("+", {inner, Int(1)})});
  const PlanPtr plan = Filter(Scan(), Call(">", {outer, Int(5)}));
  EXPECT_EQ(Explain(*plan),
            "project a, b, s, x\n"
            "  filter (cumulative_sum((lag(a, 1) + 1)) > 5)\n"
            "    window cumulative_sum((lag(a, 1) + 1))\n"
            "      project a, b, s, x, lag(a, 1), (lag(a, 1) + 1)\n"
            "        window lag(a, 1)\n"
            "          scan t [a, b, s, x]\n");
}

TEST(Builder, OrderedCallsOverAggregates) {
  const UnboundPtr change = Call(
      "-",
      {Call("sum", {Col("b")}), Over("lag", {Call("sum", {Col("b")}), Int(1)}, {}, {Col("a")})});
  const PlanPtr plan = Aggregate(Scan(), {Col("a")}, {change});
  EXPECT_EQ(Explain(*plan->input()),
            "window lag(sum(b), 1) AS lag(sum(b), 1) OVER (ORDER BY a NULLS LAST)\n"
            "  sort a ASC NULLS LAST\n"
            "    aggregate sum(b) by a\n"
            "      scan t [a, b, s, x]\n");
}

TEST(Builder, CallbacksBecomeNodes) {
  const UnboundPtr callback = Unbound::Callback(7, {Call("+", {Col("a"), Int(1)})}, arrow::utf8());
  EXPECT_EQ(Explain(*Project(Scan(), {Call("upper", {callback})})),
            "project upper(callback) AS upper(callback((a + 1)))\n"
            "  callback callback((a + 1))\n"
            "    project a, b, s, x, (a + 1)\n"
            "      scan t [a, b, s, x]\n");
}

PlanPtr Planes() {
  return Scan(Table("r", {arrow::field("a", arrow::int32()), arrow::field("y", arrow::utf8())}));
}

TEST(Builder, JoinTakesItsConditionApart) {
  const PlanPtr left = Scan();
  const PlanPtr right = Planes();
  const auto condition =
      Across(left, right,
             Call("and", {Call("=", {Right("y"), Left("s")}), Call("<", {Left("b"), Right("a")})}));
  ASSERT_OK_AND_ASSIGN(const PlanPtr plan, PlanJoin(left, right, JoinKind::kLeft, condition));
  EXPECT_EQ(Explain(*plan),
            "join left on s = y and (b < CAST(a AS BIGINT))\n"
            "  scan t [a, b, s, x]\n"
            "  scan r [a, y]\n");
  EXPECT_EQ(plan->schema()->field_names(),
            (std::vector<std::string>{"a", "b", "s", "x", "a", "y"}));
}

TEST(Builder, ComputedJoinKeysAreDroppedAbove) {
  const PlanPtr left = Scan();
  const PlanPtr right = Planes();
  const auto condition = Across(left, right, Call("=", {Left("a"), Right("a")}));
  ASSERT_OK_AND_ASSIGN(const PlanPtr plan, PlanJoin(left, right, JoinKind::kInner, condition));
  EXPECT_EQ(Explain(*plan),
            "project a, b, s, x, a, y\n"
            "  join inner on a = CAST(a AS BIGINT)\n"
            "    scan t [a, b, s, x]\n"
            "    project a, y, CAST(a AS BIGINT)\n"
            "      scan r [a, y]\n");
}

TEST(Builder, JoinsOfEveryKind) {
  const PlanPtr left = Scan();
  const PlanPtr right = Planes();
  const auto less = Across(left, right, Call("<", {Left("a"), Right("a")}));
  const auto equal = Across(left, right, Call("=", {Left("a"), Right("a")}));
  const auto plan = [&](JoinKind kind, const ExpressionPtr& condition) {
    return Explain(*PlanJoin(left, right, kind, condition).ValueOrDie());
  };
  const std::string scans = "  scan t [a, b, s, x]\n  scan r [a, y]\n";
  EXPECT_EQ(plan(JoinKind::kInner, nullptr), "join inner\n" + scans);
  EXPECT_EQ(plan(JoinKind::kFull, less), "join full on (a < CAST(a AS BIGINT))\n" + scans);
  EXPECT_TRUE(plan(JoinKind::kSemi, equal).starts_with("join semi on a = CAST(a AS"));
  ASSERT_OK_AND_ASSIGN(const PlanPtr in, PlanMarkJoin(left, right, nullptr, equal, "is_in"));
  EXPECT_TRUE(Explain(*in).starts_with("join mark on a = CAST(a AS"));
  EXPECT_NE(Explain(*in).find("null aware"), std::string::npos);
  ASSERT_OK_AND_ASSIGN(const PlanPtr both, PlanMarkJoin(left, right, less, equal, "is_in"));
  EXPECT_NE(Explain(*both).find("coalesce((a < CAST(a AS BIGINT)), false)"), std::string::npos);
}

TEST(Builder, JoinsReadTheirBuiltSideToItsEnd) {
  const PlanPtr left = Scan();
  const PlanPtr endless = Scan(Numbers(Endless()));
  const auto equal = Across(left, endless, Call("=", {Left("a"), Right("a")}));
  JoinOptions options;
  options.build = JoinSide::kRight;
  EXPECT_ERROR(PlanJoin(left, endless, JoinKind::kInner, equal, options), kUnsupported,
               "the right side of a join is read to its end first");
  ASSERT_OK_AND_ASSIGN(const PlanPtr plan, PlanJoin(left, endless, JoinKind::kInner, equal));
  EXPECT_TRUE(Explain(*plan).starts_with("join inner building left"));
  const PlanPtr limited = PlanLimit(left, 5).ValueOrDie();
  EXPECT_ERROR(PlanJoin(limited, endless, JoinKind::kLeft, equal), kUnsupported,
               "rows without a match are known when the other side ends");
  EXPECT_OK(PlanJoin(endless, left, JoinKind::kInner,
                     Across(endless, left, Call("=", {Left("a"), Right("a")}))));
}

TEST(Builder, SetOperationsAlignColumns) {
  const PlanPtr left = Scan();
  const PlanPtr right = Planes();
  EXPECT_ERROR(PlanUnion({left, right}), kInvalidArgument, "give 4 and 2");
  ASSERT_OK_AND_ASSIGN(const PlanPtr by_name, PlanUnion({left, right}, /*by_name=*/true));
  EXPECT_EQ(by_name->schema()->field_names(), (std::vector<std::string>{"a", "b", "s", "x", "y"}));
  ASSERT_OK_AND_ASSIGN(const PlanPtr except,
                       PlanSetOperation(left, left, SetOperation::kExcept, false));
  EXPECT_TRUE(Explain(*except).starts_with("join anti on a = a, b = b, s = s, x = x"));
}

TEST(Builder, AggregatesOverFrames) {
  const PlanPtr plan = Project(Scan(), {Col("a"), Over("sum", {Col("b")}, {Col("s")}, {Col("a")})});
  EXPECT_EQ(Explain(*plan).substr(0, 24), "project a, sum(b) OVER (");
  EXPECT_NE(Explain(*plan).find("    sort s ASC NULLS LAST, a ASC NULLS LAST\n"), std::string::npos)
      << Explain(*plan);
}

TEST(Builder, AsofJoinSortsByTime) {
  const PlanPtr left = Scan(Numbers(SortedByA()));
  const PlanPtr right = Scan();
  const auto condition = Across(
      left, right,
      Call("and", {Call("<=", {Right("b"), Left("a")}), Call("=", {Left("s"), Right("s")})}));
  ASSERT_OK_AND_ASSIGN(const PlanPtr plan, PlanAsofJoin(left, right, JoinKind::kLeft, condition));
  EXPECT_EQ(Explain(*plan),
            "asof_join on a >= b, s = s\n"
            "  scan t [a, b, s, x]\n"
            "  sort b ASC NULLS LAST\n"
            "    filter (s IS NOT NULL)\n"
            "      scan t [a, b, s, x]\n");
  EXPECT_EQ(plan->properties().ordering, left->properties().ordering);
  ASSERT_OK_AND_ASSIGN(const PlanPtr inner, PlanAsofJoin(left, right, JoinKind::kInner, condition));
  EXPECT_EQ(inner->Describe(), "(b IS NOT NULL)");
}

TEST(Builder, AsofJoinByColumns) {
  const PlanPtr left = Scan();
  const PlanPtr right = Planes();
  AsofOptions options;
  options.direction = AsofDirection::kForward;
  options.strict = true;
  options.tolerance = 9;
  options.left_by = {2};
  options.right_by = {1};
  ASSERT_OK_AND_ASSIGN(const PlanPtr plan, PlanAsofJoin(left, right, 0, 0, options));
  EXPECT_EQ(plan->name(), std::string("project"));
  EXPECT_EQ(plan->input()->Describe(), "on a < CAST(a AS BIGINT), s = y within 9");
}

TEST(Builder, AsofJoinWantsOneInequality) {
  const PlanPtr left = Scan();
  const PlanPtr right = Scan();
  EXPECT_ERROR(PlanAsofJoin(left, right, JoinKind::kLeft,
                            Across(left, right, Call("=", {Left("a"), Right("a")}))),
               kUnsupported, "an as-of join needs an inequality");
  const auto two =
      Across(left, right,
             Call("and", {Call(">", {Left("a"), Right("a")}), Call(">", {Left("b"), Right("b")})}));
  EXPECT_ERROR(PlanAsofJoin(left, right, JoinKind::kLeft, two), kUnsupported, "one inequality");
}

TEST(Builder, WithInputsComputesPropertiesAnew) {
  const PlanPtr sorted = Scan(Numbers(SortedByA()));
  const PlanPtr plan = Filter(Scan(), Call("=", {Col("a"), Int(1)}));
  ASSERT_OK_AND_ASSIGN(const PlanPtr over_sorted, plan->WithInputs({sorted}));
  EXPECT_EQ(over_sorted->properties().ordering, sorted->properties().ordering);
  EXPECT_EQ(over_sorted->Describe(), plan->Describe());
}

}  // namespace
}  // namespace headrace
