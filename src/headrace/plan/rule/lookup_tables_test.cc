// Which joins of streams become lookups, and what of their terms are keys.
#include "headrace/connect/memory/keyed_table.h"
#include "headrace/plan/rule/rule.h"
#include "headrace/plan/test_plans.h"

namespace headrace {
namespace {

using namespace plan_test;

PlanPtr Stream(ChangeMode mode = ChangeMode::kAppend) {
  MemoryTableOptions options;
  options.boundedness = Boundedness::kUnbounded;
  options.change_mode = mode;
  return Scan(Numbers(options));
}

PlanPtr Users() {
  return Scan(
      Table("users", {arrow::field("id", arrow::int32()), arrow::field("big", arrow::int64()),
                      arrow::field("name", arrow::utf8()), arrow::field("age", arrow::int64())}));
}

PlanPtr Changing() {
  const SchemaPtr schema =
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("age", arrow::int64())});
  return Scan(KeyedTable::Make("live", schema, {0}).ValueOrDie());
}

PlanPtr Joined(const PlanPtr& left, const PlanPtr& right, const UnboundPtr& condition,
               JoinKind kind = JoinKind::kInner) {
  return PlanJoin(left, right, kind, Across(left, right, condition)).ValueOrDie();
}

std::string After(const PlanPtr& plan) { return Explain(*LookUpTables(plan).ValueOrDie()); }
std::string Optimized(const PlanPtr& plan) { return Explain(*Optimize(plan).ValueOrDie()); }

TEST(LookUpTables, EqualitiesAreKeysAndTheRestIsResidual) {
  const auto condition =
      Call("and", {Call("=", {Left("a"), Right("big")}), Call("<", {Left("b"), Right("age")})});
  EXPECT_EQ(Optimized(Project(Joined(Stream(), Users(), condition), {Col("s"), Col("name")})),
            "project s, name\n"
            "  lookup_join inner on a = big and (b < age) in users [age, name]\n"
            "    scan t [a, b, s]\n");
}

TEST(LookUpTables, TypesAreMadeEqualOnTheSideOfTheStream) {
  const auto condition = Call("=", {Left("a"), Right("id")});
  EXPECT_EQ(Optimized(Project(Joined(Stream(), Users(), condition), {Col("name")})),
            "project name\n"
            "  lookup_join inner on TRY_CAST(a AS INTEGER) = id in users [name]\n"
            "    project TRY_CAST(a AS INTEGER)\n"
            "      scan t [a]\n");
  // A floating point key is compared row by row.
  const auto both =
      Call("and", {Call("=", {Left("x"), Right("age")}), Call("=", {Left("a"), Right("big")})});
  EXPECT_NE(
      Optimized(Joined(Stream(), Users(), both)).find("lookup_join inner on a = big and (x ="),
      std::string::npos);
}

TEST(LookUpTables, FiltersAndColumnsOfTheTableMoveIntoTheLookup) {
  const PlanPtr old =
      Project(Filter(Users(), Call(">", {Col("age"), Int(60)})), {Col("name"), Col("big")});
  EXPECT_EQ(Optimized(Joined(Stream(), old, Call("=", {Left("a"), Right("big")}), JoinKind::kLeft)),
            "project a, b, s, x, name, big\n"
            "  lookup_join left on a = big in users [age, name, big] where (age > 60)\n"
            "    scan t [a, b, s, x]\n");
}

TEST(LookUpTables, TheTableMayBeOnEitherSide) {
  EXPECT_EQ(Optimized(Project(
                Joined(Users(), Stream(), Call("=", {Left("big"), Right("a")}), JoinKind::kLeft),
                {Col("name"), Col("b")})),
            "project name, b\n"
            "  lookup_join right on a = big in users [name]\n"
            "    scan t [a, b]\n");
}

TEST(LookUpTables, ChainsAreOnePass) {
  PlanPtr plan = Joined(Stream(), Users(), Call("=", {Left("a"), Right("big")}));
  plan = Joined(plan, Changing(), Call("=", {Left("b"), Right("id")}), JoinKind::kLeft);
  plan = Filter(plan, Call(">", {Col("x"), Int(1)}));
  EXPECT_EQ(Optimized(Project(plan, {Col("s"), Col("name")})),
            "project s, name\n"
            "  lookup_join left on b = id in live []\n"
            "    project b, s, name\n"
            "      lookup_join inner on a = big in users [name]\n"
            "        project a, b, s\n"
            "          filter (x > 1.0)\n"
            "            scan t [a, b, s, x] where x > 1.0\n");
}

TEST(LookUpTables, BatchQueriesAndComputedSidesAreLeft) {
  const auto condition = Call("=", {Left("a"), Right("big")});
  const PlanPtr batch = Joined(Scan(), Users(), condition);
  EXPECT_EQ(After(batch), Explain(*batch));
  const PlanPtr limited = Joined(Stream(), PlanLimit(Users(), 5).ValueOrDie(), condition);
  EXPECT_EQ(After(limited), Explain(*limited));
  const PlanPtr product = PlanJoin(Stream(), Users(), JoinKind::kInner, nullptr).ValueOrDie();
  EXPECT_EQ(After(product), Explain(*product));
}

TEST(LookUpTables, ATableThatChangesNeedsAKey) {
  const PlanPtr less = Joined(Stream(), Changing(), Call("<", {Left("a"), Right("id")}));
  EXPECT_ERROR(LookUpTables(less), kUnsupported, "live looks rows up by key");
  const PlanPtr rest =
      Joined(Stream(), Users(), Call("<", {Left("a"), Right("big")}), JoinKind::kRight);
  EXPECT_ERROR(LookUpTables(rest), kUnsupported, "users looks rows up by key");
}

TEST(LookUpTables, ChangesOfTheStreamAreKept) {
  const auto condition = Call("=", {Left("a"), Right("big")});
  const PlanPtr plan = Joined(Stream(ChangeMode::kRetract), Users(), condition, JoinKind::kLeft);
  ASSERT_OK_AND_ASSIGN(const PlanPtr looked_up, LookUpTables(plan));
  EXPECT_EQ(looked_up->properties().change_mode, ChangeMode::kRetract);
  const PlanPtr full = Joined(Stream(ChangeMode::kRetract), Users(), condition, JoinKind::kFull);
  EXPECT_ERROR(LookUpTables(full), kUnsupported, "right or full lookup_join takes rows");
}

}  // namespace
}  // namespace headrace
