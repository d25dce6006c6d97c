// The binder: names, overloads, coercions, errors.
#include "headrace/expression/bind.h"

#include "headrace/base/limits.h"
#include "headrace/expression/test_binding.h"

namespace headrace {
namespace {

Scope Tables() {
  Scope scope;
  scope.Add("flights", "carrier", arrow::utf8());
  scope.Add("flights", "dep_delay", arrow::int32());
  scope.Add("flights", "day", arrow::date32());
  scope.Add("planes", "year", arrow::int16());
  scope.Add("planes", "carrier", arrow::utf8());
  scope.Add("planes", "Seats", arrow::uint64());
  scope.Add("planes", "speed", arrow::float32());
  scope.Add("planes", "price", arrow::decimal128(10, 2));
  scope.Add("planes", "made", arrow::timestamp(arrow::TimeUnit::NANO));
  scope.Add("planes", "parts", arrow::list(arrow::utf8()));
  scope.Add("planes", "code", arrow::dictionary(arrow::int32(), arrow::utf8()));
  return scope;
}

Result<ExpressionPtr> BindHere(const UnboundPtr& unbound, Dialect dialect = Dialect::kSql) {
  return Bind(*unbound, Tables(), dialect);
}

/// The bound tree in SQL with its type, or the error.
std::string Bound(const UnboundPtr& unbound) {
  const auto bound = BindHere(unbound);
  return bound.ok() ? ToString(**bound) + " : " + (*bound)->type->ToString()
                    : bound.status().message();
}

// ---- names ----

TEST(ScopeTest, SqlIgnoresCaseAndExactMatchesWin) {
  EXPECT_EQ(Tables().Resolve({"SEATS"}, Dialect::kSql).ValueOrDie(), 5);
  EXPECT_EQ(Tables().Resolve({"PLANES", "carrier"}, Dialect::kSql).ValueOrDie(), 4);
  EXPECT_FALSE(Tables().Resolve({"seats"}, Dialect::kLtseq).ok());
  Scope both;
  both.Add("", "a", arrow::int32());
  both.Add("", "A", arrow::int32());
  EXPECT_EQ(both.Resolve({"A"}, Dialect::kSql).ValueOrDie(), 1);
}

TEST(ScopeTest, UnknownAndAmbiguousNames) {
  const Scope scope = Tables();
  EXPECT_ERROR(scope.Resolve({"dep_dely"}, Dialect::kSql), kUnknownName,
               "there is no column \"dep_dely\"; did you mean \"dep_delay\"?");
  EXPECT_ERROR(scope.Resolve({"zzzzzzzzz"}, Dialect::kSql), kUnknownName,
               "there are: carrier, dep_delay, day");
  EXPECT_ERROR(scope.Resolve({"carrier"}, Dialect::kSql), kUnknownName,
               "ambiguous; it may mean: flights.carrier, planes.carrier");
  EXPECT_ERROR(scope.Resolve({"plane", "year"}, Dialect::kSql), kUnknownName,
               "there is no table \"plane\" here; did you mean \"planes\"?");
  EXPECT_ERROR(scope.Resolve({"a", "b", "c"}, Dialect::kSql), kUnknownName, "\"a.b.c\"");
  EXPECT_ERROR(Scope().Resolve({"a"}, Dialect::kSql), kUnknownName, "no columns here");
}

TEST(BindTest, UnknownFunctionsNameTheNearest) {
  const auto call = Unbound::Call("uper", {Col("code")}, TextSpan{7, 11});
  const auto bound = BindHere(call);
  EXPECT_ERROR(bound, kUnknownName, "there is no function \"uper\"; did you mean \"upper\"?");
  ASSERT_TRUE(SpanOf(bound.status()).has_value());
  EXPECT_EQ(SpanOf(bound.status())->begin, 7);
}

TEST(BindTest, TheInnermostSpanIsKept) {
  const auto inner = Unbound::Column({"no_such"}, TextSpan{4, 11});
  const auto outer = Unbound::Call("+", {inner, Lit(int64_t{1})}, TextSpan{4, 15});
  const auto bound = BindHere(outer);
  ASSERT_FALSE(bound.ok());
  EXPECT_EQ(SpanOf(bound.status())->end, 11);
}

TEST(BindTest, TreesWithoutTextHaveErrorsWithoutPlaces) {
  EXPECT_FALSE(SpanOf(BindHere(Fn("+", {Col("no_such"), Null()})).status()).has_value());
}

// ---- overloads ----

TEST(BindTest, ArithmeticTakesTheCheapestOverload) {
  const auto plus = [](UnboundPtr a, UnboundPtr b) { return Bound(Fn("+", {a, b})); };
  const UnboundPtr one = Lit(int64_t{1});
  EXPECT_EQ(plus(Col("year"), Col("year")),
            "(CAST(year AS INTEGER) + CAST(year AS INTEGER)) : int32");
  EXPECT_EQ(plus(Col("dep_delay"), one), "(CAST(dep_delay AS BIGINT) + 1) : int64");
  EXPECT_EQ(plus(Col("seats"), one), "(Seats + 1) : uint64");
  EXPECT_EQ(plus(Col("seats"), Lit(int64_t{-1})),
            "(CAST(Seats AS DECIMAL(20, 0)) + -1) : decimal128(21, 0)");
  EXPECT_EQ(plus(Col("speed"), one), "(speed + 1.0) : float");
  EXPECT_EQ(plus(Col("speed"), Col("dep_delay")),
            "(CAST(speed AS DOUBLE) + CAST(dep_delay AS DOUBLE)) : double");
  EXPECT_EQ(plus(Col("price"), one), "(price + 1) : decimal128(11, 2)");
  EXPECT_EQ(plus(Col("price"), Col("dep_delay")),
            "(price + CAST(dep_delay AS DECIMAL(10, 0))) : decimal128(13, 2)");
  EXPECT_EQ(plus(Col("price"), Lit(0.5)), "(CAST(price AS DOUBLE) + 0.5) : double");
  EXPECT_EQ(plus(Null(), one), "(NULL + 1) : int64");
  EXPECT_EQ(plus(Null(), Null()), "(NULL + NULL) : int32");
}

TEST(BindTest, DecimalTypesFollowTheRules) {
  const auto type = [](const char* name, UnboundPtr a, UnboundPtr b) {
    return BindHere(Fn(name, {a, b})).ValueOrDie()->type->ToString();
  };
  const UnboundPtr small = Decimal("1.25", 3, 2);
  const UnboundPtr large = Decimal("1.5", 38, 1);
  EXPECT_EQ(type("+", small, small), "decimal128(4, 2)");
  EXPECT_EQ(type("-", small, large), "decimal128(38, 2)");
  EXPECT_EQ(type("*", small, small), "decimal128(6, 4)");
  EXPECT_EQ(type("*", small, large), "decimal128(38, 3)");
  EXPECT_EQ(type("/", small, large), "decimal128(38, 6)");
  EXPECT_EQ(type("%", small, large), "decimal128(38, 2)");
  const UnboundPtr fine = Decimal("0.00000000000000000001", 20, 20);
  EXPECT_ERROR(BindHere(Fn("*", {fine, fine})), kTypeMismatch, "scale of at most 38, not 40");
}

TEST(BindTest, DivisionOfIntegersIsFloat) {
  EXPECT_EQ(BindHere(Fn("/", {Col("dep_delay"), Col("dep_delay")})).ValueOrDie()->type->id(),
            arrow::Type::DOUBLE);
  EXPECT_EQ(BindHere(Fn("//", {Col("dep_delay"), Col("year")})).ValueOrDie()->type->id(),
            arrow::Type::INT32);
}

TEST(BindTest, CallsThatFitNoOverloadSayWhatIsTaken) {
  EXPECT_EQ(Bound(Fn("//", {Col("speed"), Lit(int64_t{2})})),
            "\"//\" takes (INTEGER, INTEGER), (BIGINT, BIGINT), (UBIGINT, UBIGINT); got (REAL, "
            "BIGINT)");
  EXPECT_ERROR(BindHere(Fn("upper", {Col("dep_delay")})), kTypeMismatch,
               "\"upper\" takes (VARCHAR); got (INTEGER)");
  EXPECT_ERROR(BindHere(Fn("upper", {})), kTypeMismatch, "got ()");
  EXPECT_ERROR(BindHere(Fn("and", {Lit(true), Col("dep_delay")})), kTypeMismatch, "BOOLEAN");
}

// ---- common types ----

TEST(BindTest, LiteralsTakeTheTypeOfWhatTheyStandBeside) {
  EXPECT_EQ(Bound(Fn("=", {Col("year"), Lit(int64_t{2013})})), "(year = 2013) : bool");
  EXPECT_EQ(Bound(Fn("=", {Col("year"), Lit(int64_t{70000})})),
            "(CAST(year AS BIGINT) = 70000) : bool");
  EXPECT_EQ(Bound(Fn("<", {Col("day"), Lit("2013-01-02")})), "(day < DATE '2013-01-02') : bool");
  EXPECT_EQ(Bound(Fn(">", {Lit("2013-01-02 10:00:00.5"), Col("made")})),
            "(TIMESTAMP '2013-01-02 10:00:00.5' > made) : bool");
  EXPECT_EQ(Bound(Fn("=", {Col("dep_delay"), Lit("17")})), "(dep_delay = 17) : bool");
  EXPECT_EQ(Bound(Fn("=", {Col("price"), Decimal("1.5", 2, 1)})), "(price = 1.50) : bool");
  EXPECT_EQ(Bound(Fn("=", {Col("price"), Decimal("1.505", 4, 3)})),
            "(CAST(price AS DECIMAL(11, 3)) = 1.505) : bool");
  EXPECT_EQ(Bound(Fn("=", {Col("dep_delay"), Decimal("2.0", 2, 1)})), "(dep_delay = 2) : bool");
  EXPECT_EQ(Bound(Fn("<", {Col("dep_delay"), Fn("-", {Lit(int64_t{5})})})),
            "(dep_delay < -5) : bool");
  EXPECT_EQ(Bound(Fn("=", {Col("code"), Lit("AA")})), "(code = 'AA') : bool");
  EXPECT_EQ(Bound(Fn("=", {Col("day"), Null()})), "(day = NULL) : bool");
  EXPECT_EQ(Bound(Fn("=", {Lit("a"), Lit("b")})), "('a' = 'b') : bool");
}

TEST(BindTest, TextThatIsNoDateIsAnErrorAtItsPlace) {
  const auto text = Unbound::Literal(arrow::MakeScalar(std::string("soon")), TextSpan{12, 18});
  const auto bound = BindHere(Unbound::Call("<", {Col("day"), text}, TextSpan{6, 18}));
  EXPECT_ERROR(bound, kBadData, "cannot cast 'soon' to date32[day]");
  EXPECT_EQ(SpanOf(bound.status())->begin, 12);
}

TEST(BindTest, ColumnsMeetAtTheirCommonType) {
  EXPECT_EQ(Bound(Fn("=", {Col("seats"), Col("dep_delay")})),
            "(CAST(Seats AS DECIMAL(20, 0)) = CAST(dep_delay AS DECIMAL(20, 0))) : bool");
  EXPECT_EQ(Bound(Fn("<", {Col("day"), Col("made")})), "(CAST(day AS TIMESTAMP_NS) < made) : bool");
  EXPECT_EQ(Bound(Fn("coalesce", {Null(), Col("year"), Lit(int64_t{0})})),
            "coalesce(NULL, year, 0) : int16");
  EXPECT_ERROR(BindHere(Fn("=", {Col("code"), Col("dep_delay")})), kTypeMismatch,
               "no common type of VARCHAR and INTEGER");
  EXPECT_EQ(Bound(Fn("<", {Col("parts"), Col("parts")})),
            "(sort_key(parts) < sort_key(parts)) : bool");
}

TEST(CommonTypeTest, NumbersGoUpTheLadder) {
  const auto common = [](const TypePtr& a, const TypePtr& b) {
    EXPECT_TRUE(CommonType(a, b).ValueOrDie()->Equals(*CommonType(b, a).ValueOrDie()));
    return CommonType(a, b).ValueOrDie()->ToString();
  };
  EXPECT_EQ(common(arrow::int8(), arrow::int32()), "int32");
  EXPECT_EQ(common(arrow::uint8(), arrow::int8()), "int16");
  EXPECT_EQ(common(arrow::uint32(), arrow::int8()), "int64");
  EXPECT_EQ(common(arrow::uint64(), arrow::int8()), "decimal128(20, 0)");
  EXPECT_EQ(common(arrow::uint64(), arrow::uint8()), "uint64");
  EXPECT_EQ(common(arrow::int16(), arrow::float32()), "float");
  EXPECT_EQ(common(arrow::int32(), arrow::float32()), "double");
  EXPECT_EQ(common(arrow::float16(), arrow::float32()), "float");
  EXPECT_EQ(common(arrow::decimal128(5, 2), arrow::float32()), "double");
  EXPECT_EQ(common(arrow::decimal128(5, 2), arrow::int8()), "decimal128(5, 2)");
  EXPECT_EQ(common(arrow::decimal128(5, 2), arrow::decimal128(4, 3)), "decimal128(6, 3)");
  EXPECT_EQ(common(arrow::decimal128(38, 30), arrow::int64()), "decimal128(38, 30)");
  EXPECT_EQ(common(arrow::null(), arrow::utf8()), "string");
  EXPECT_EQ(common(arrow::large_utf8(), arrow::utf8()), "string");
  EXPECT_EQ(common(arrow::fixed_size_binary(2), arrow::fixed_size_binary(3)), "binary");
}

TEST(CommonTypeTest, TimesTakeTheFinerUnit) {
  using arrow::TimeUnit;
  const auto common = [](const TypePtr& a, const TypePtr& b) {
    return CommonType(a, b).ValueOrDie()->ToString();
  };
  EXPECT_EQ(common(arrow::timestamp(TimeUnit::SECOND), arrow::timestamp(TimeUnit::MICRO)),
            "timestamp[us]");
  EXPECT_EQ(common(arrow::date32(), arrow::timestamp(TimeUnit::SECOND, "UTC")),
            "timestamp[s, tz=UTC]");
  EXPECT_EQ(common(arrow::date32(), arrow::date64()), "date64[ms]");
  EXPECT_EQ(common(arrow::time32(TimeUnit::SECOND), arrow::time64(TimeUnit::NANO)), "time64[ns]");
  EXPECT_EQ(common(arrow::duration(TimeUnit::MILLI), arrow::duration(TimeUnit::NANO)),
            "duration[ns]");
  EXPECT_FALSE(
      CommonType(arrow::timestamp(TimeUnit::SECOND), arrow::timestamp(TimeUnit::SECOND, "UTC"))
          .ok());
  EXPECT_FALSE(CommonType(arrow::date32(), arrow::time32(TimeUnit::SECOND)).ok());
  EXPECT_FALSE(CommonType(arrow::boolean(), arrow::int32()).ok());
  EXPECT_FALSE(CommonType(arrow::utf8(), arrow::binary()).ok());
}

TEST(CommonTypeTest, NestedTypesMeetInTheirParts) {
  EXPECT_EQ(CommonType(arrow::list(arrow::int8()), arrow::list(arrow::float64()))
                .ValueOrDie()
                ->ToString(),
            "list<item: double>");
  const auto a = arrow::struct_({arrow::field("p", arrow::int8())});
  const auto b = arrow::struct_({arrow::field("p", arrow::int64())});
  const auto c = arrow::struct_({arrow::field("q", arrow::int64())});
  EXPECT_TRUE(CommonType(a, b).ValueOrDie()->Equals(*b));
  EXPECT_FALSE(CommonType(a, c).ok());
  EXPECT_FALSE(CommonType(a, arrow::list(arrow::int8())).ok());
}

TEST(CoerceToTest, OnlyWidens) {
  const ExpressionPtr year = BindHere(Col("year")).ValueOrDie();
  EXPECT_EQ(ToString(*CoerceTo(year, arrow::int64()).ValueOrDie()), "CAST(year AS BIGINT)");
  EXPECT_EQ(CoerceTo(year, arrow::int16()).ValueOrDie(), year);
  EXPECT_ERROR(CoerceTo(year, arrow::int8()), kTypeMismatch, "expected TINYINT, got SMALLINT");
  EXPECT_ERROR(CoerceTo(year, arrow::boolean()), kTypeMismatch, "expected BOOLEAN");
  const ExpressionPtr five = BindHere(Lit(int64_t{5})).ValueOrDie();
  EXPECT_TRUE(CoerceTo(five, arrow::int8()).ValueOrDie()->type->Equals(*arrow::int8()));
  EXPECT_FALSE(CoerceTo(BindHere(Lit(int64_t{500})).ValueOrDie(), arrow::int8()).ok());
  const ExpressionPtr null = BindHere(Null()).ValueOrDie();
  EXPECT_TRUE(CoerceTo(null, arrow::boolean()).ValueOrDie()->type->Equals(*arrow::boolean()));
}

// ---- forms ----

TEST(BindTest, CaseTakesPairsAndAnElse) {
  const UnboundPtr late = Fn(">", {Col("dep_delay"), Lit(int64_t{15})});
  EXPECT_EQ(Bound(Fn("case", {late, Lit("late"), Lit("in time")})),
            "CASE WHEN (dep_delay > 15) THEN 'late' ELSE 'in time' END : string");
  EXPECT_EQ(Bound(Fn("case", {late, Col("year"), Fn("not", {late}), Lit(int64_t{0})})),
            "CASE WHEN (dep_delay > 15) THEN year WHEN (NOT (dep_delay > 15)) THEN 0 END : int16");
  EXPECT_ERROR(BindHere(Fn("case", {late})), kTypeMismatch, "got (BOOLEAN)");
  EXPECT_ERROR(BindHere(Fn("case", {late, Lit("a"), Col("dep_delay")})), kBadData, "'a'");
}

TEST(BindTest, CountTakesAStar) {
  EXPECT_EQ(Bound(Fn("count", {Unbound::Star()})), "count(*) : int64");
  EXPECT_EQ(Bound(Fn("COUNT", {Col("year")})), "count(year) : int64");
  EXPECT_ERROR(BindHere(Fn("sum", {Unbound::Star()})), kSyntax, "*");
  EXPECT_ERROR(BindHere(Unbound::Star()), kSyntax, "*");
}

TEST(BindTest, DistinctBelongsToAggregates) {
  auto call = std::make_shared<Unbound>(*Fn("count", {Col("year")}));
  call->distinct = true;
  EXPECT_EQ(Bound(call), "count(DISTINCT year) : int64");
  call->name = "abs";
  EXPECT_ERROR(BindHere(call), kTypeMismatch, "DISTINCT");
}

TEST(BindTest, Windows) {
  auto window = std::make_shared<UnboundWindow>();
  window->partition_by = {Col("year")};
  window->order_by = {{Col("day"), true, {}}, {Col("made"), false, NullPlacement::kFirst}};
  auto call = std::make_shared<Unbound>(*Fn("lag", {Col("dep_delay")}));
  call->window = window;
  EXPECT_EQ(Bound(call),
            "lag(dep_delay) OVER (PARTITION BY year ORDER BY day DESC NULLS FIRST, made NULLS "
            "FIRST) : int32");
  call->name = "abs";
  EXPECT_ERROR(BindHere(call), kTypeMismatch, "OVER needs an ordered function");
}

TEST(BindTest, ExtentsAreConstants) {
  EXPECT_EQ(Bound(Fn("lag", {Col("code"), Fn("+", {Lit(int64_t{1}), Lit(int64_t{1})})})),
            "lag(code, 2) : string");
  EXPECT_ERROR(BindHere(Fn("lag", {Col("code"), Col("year")})), kTypeMismatch, "constant BIGINT");
  EXPECT_ERROR(BindHere(Fn("lag", {Col("code"), Fn("-", {Lit(int64_t{1})})})), kInvalidArgument,
               "0 to 65536 rows, not -1");
  EXPECT_ERROR(BindHere(Fn("lag", {Col("code"), Lit(kBatchRowsMax + 1)})), kInvalidArgument,
               "65537");
}

TEST(BindTest, CastsThatDoNotExistAreRefused) {
  EXPECT_EQ(Bound(Unbound::Cast(Col("year"), arrow::utf8())), "CAST(year AS VARCHAR) : string");
  EXPECT_EQ(Bound(Unbound::Cast(Col("year"), arrow::int8(), true)),
            "TRY_CAST(year AS TINYINT) : int8");
  EXPECT_ERROR(BindHere(Unbound::Cast(Col("day"), arrow::int32())), kTypeMismatch,
               "there is no cast from date32[day] to int32");
  EXPECT_ERROR(BindHere(Unbound::Cast(Col("parts"), arrow::int32())), kTypeMismatch, "no cast");
}

TEST(BindTest, CallbacksKeepTheirIdAndType) {
  const auto bound = BindHere(Unbound::Callback(7, {Col("year")}, arrow::utf8())).ValueOrDie();
  EXPECT_EQ(bound->callback_id, 7);
  EXPECT_TRUE(ContainsCallback(*bound));
  EXPECT_EQ(ToString(*bound), "callback(year)");
}

TEST(BindTest, DeepNestingIsAnError) {
  UnboundPtr deep = Col("dep_delay");
  for (int i = 0; i < kNestingDepthMax + 1; ++i) deep = Fn("-", {deep});
  EXPECT_ERROR(BindHere(deep), kSyntax, "deeper than");
}

}  // namespace
}  // namespace headrace
