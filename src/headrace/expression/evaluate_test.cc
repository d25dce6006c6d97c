// Evaluation: laziness, active rows, nulls, constants, encodings, predicates, eager calls.
#include "headrace/expression/evaluate.h"

#include <atomic>

#include "arrow/array/array_dict.h"
#include "arrow/array/array_primitive.h"
#include "arrow/array/builder_primitive.h"
#include "headrace/expression/test_binding.h"
#include "headrace/function/view.h"

namespace headrace {
namespace {

const TypePtr& Int64() {
  static const TypePtr type = arrow::int64();
  return type;
}

void ExpectRows(const Result<ArrayPtr>& result, const TypePtr& type, const std::string& json) {
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  const ArrayPtr plain = Decode(*result, TestPool()).ValueOrDie();
  EXPECT_TRUE(plain->Equals(*FromJson(type, json))) << plain->ToString();
}

UnboundPtr Inverse(const UnboundPtr& value) { return Fn("//", {Lit(int64_t{1}), value}); }

// ---- laziness ----

TEST(EvaluateTest, CaseGuardsItsBranches) {
  const Batch batch = Columns({FromJson(Int64(), "[1, 0, null, -1]")});
  const UnboundPtr guard = Fn("<>", {Col("x"), Lit(int64_t{0})});
  ExpectRows(Eval(Fn("case", {guard, Inverse(Col("x"))}), batch), Int64(), "[1, null, null, -1]");
  ExpectRows(Eval(Fn("case", {guard, Inverse(Col("x")), Lit(int64_t{7})}), batch), Int64(),
             "[1, 7, 7, -1]");
  EXPECT_ERROR(Eval(Inverse(Col("x")), batch), kDivisionByZero, "1 // 0");
}

TEST(EvaluateTest, AndAndOrGuardTheirLaterArguments) {
  const Batch batch = Columns({FromJson(Int64(), "[1, 0, null, 2]")});
  const UnboundPtr zero = Lit(int64_t{0});
  const UnboundPtr one = Lit(int64_t{1});
  ExpectRows(
      Eval(Fn("and", {Fn("<>", {Col("x"), zero}), Fn("=", {Inverse(Col("x")), one})}), batch),
      arrow::boolean(), "[true, false, null, false]");
  ExpectRows(Eval(Fn("or", {Fn("=", {Col("x"), zero}), Fn("=", {Inverse(Col("x")), one})}), batch),
             arrow::boolean(), "[true, true, null, false]");
}

TEST(EvaluateTest, CoalesceGuardsItsLaterArguments) {
  const Batch batch = Columns({FromJson(Int64(), "[5, null, 6]"), FromJson(Int64(), "[0, 1, 0]")});
  ExpectRows(Eval(Fn("coalesce", {Col("x"), Inverse(Col("y"))}), batch), Int64(), "[5, 1, 6]");
}

TEST(EvaluateTest, ThreeValuedTruthTables) {
  const Batch batch = Columns(
      {FromJson(arrow::boolean(), "[true, true, true, false, false, false, null, null, null]"),
       FromJson(arrow::boolean(), "[true, false, null, true, false, null, true, false, null]")});
  ExpectRows(Eval(Fn("and", {Col("x"), Col("y")}), batch), arrow::boolean(),
             "[true, false, null, false, false, false, null, false, null]");
  ExpectRows(Eval(Fn("or", {Col("x"), Col("y")}), batch), arrow::boolean(),
             "[true, true, true, true, false, null, true, null, null]");
  ExpectRows(Eval(Fn("not", {Col("x")}), batch), arrow::boolean(),
             "[false, false, false, true, true, true, null, null, null]");
}

TEST(EvaluateTest, OnlySelectedRowsRaise) {
  Batch batch = Columns({FromJson(Int64(), "[1, 0, 9223372036854775807]")});
  const auto select = [&](std::vector<uint32_t> rows) {
    return batch.WithSelection(std::make_shared<const std::vector<uint32_t>>(std::move(rows)));
  };
  EXPECT_OK(Eval(Inverse(Col("x")), select({0, 2})));
  EXPECT_ERROR(Eval(Inverse(Col("x")), select({0, 1})), kDivisionByZero, "1 // 0");
  const UnboundPtr next = Fn("+", {Col("x"), Lit(int64_t{1})});
  EXPECT_OK(Eval(next, select({0, 1})));
  EXPECT_ERROR(Eval(next, select({2})), kOverflow, "int64 overflow in 9223372036854775807 + 1");
  EXPECT_OK(Eval(next, select({})));
  EXPECT_OK(Eval(Unbound::Cast(Col("x"), arrow::int8()), select({0, 1})));
  EXPECT_ERROR(Eval(Unbound::Cast(Col("x"), arrow::int8()), select({0, 2})), kOverflow,
               "cannot cast 9223372036854775807 to int8");
}

TEST(EvaluateTest, ErrorsSayWhichExpressionTheyAreIn) {
  const Batch batch = Columns({FromJson(Int64(), "[0]"), FromJson(arrow::utf8(), R"(["abc"])")});
  EXPECT_ERROR(Eval(Fn("+", {Lit(int64_t{1}), Inverse(Col("x"))}), batch), kDivisionByZero,
               "in (1 // x): division by zero in 1 // 0");
  EXPECT_ERROR(Eval(Unbound::Cast(Col("y"), Int64()), batch), kBadData,
               "in CAST(y AS BIGINT): cannot cast 'abc' to int64");
  EXPECT_ERROR(
      Eval(Inverse(Unbound::Cast(Fn("||", {Col("y"), Lit(std::string(99, 'e').c_str())}), Int64())),
           batch),
      kBadData, "e…: cannot cast 'abce");
}

TEST(EvaluateTest, ConstantsRaiseOnlyWhenARowAsks) {
  const UnboundPtr bad = Inverse(Lit(int64_t{0}));
  const Batch batch = Columns({FromJson(Int64(), "[1, 2]")});
  EXPECT_ERROR(Eval(bad, batch), kDivisionByZero, "1 // 0");
  EXPECT_OK(Eval(bad, Columns({FromJson(Int64(), "[]")})));
  ExpectRows(Eval(Fn("case", {Fn(">", {Col("x"), Lit(int64_t{5})}), bad, Col("x")}), batch),
             Int64(), "[1, 2]");
}

// ---- nulls ----

TEST(EvaluateTest, ValuesUnderNullsDoNotRaise) {
  // The null row's value is 0: what stands under a null is not the kernel's business.
  const ArrayPtr valid = FromJson(Int64(), "[4, 0, 2]");
  auto data = valid->data()->Copy();
  data->buffers[0] = FromJson(Int64(), "[1, null, 1]")->data()->buffers[0];
  data->null_count = 1;
  const Batch batch = Columns({arrow::MakeArray(data)});
  ExpectRows(Eval(Fn("//", {Lit(int64_t{8}), Col("x")}), batch), Int64(), "[2, null, 4]");
  const Batch sliced = Columns({Sliced(arrow::MakeArray(data))});
  ExpectRows(Eval(Fn("//", {Lit(int64_t{8}), Col("x")}), sliced), Int64(), "[2, null, 4]");
}

TEST(EvaluateTest, NullsOfAllArgumentsArePropagated) {
  const Batch batch = Columns(
      {Sliced(FromJson(Int64(), "[1, null, 3, null]")), FromJson(Int64(), "[1, 2, null, null]")});
  ExpectRows(Eval(Fn("+", {Col("x"), Col("y")}), batch), Int64(), "[2, null, null, null]");
  ExpectRows(Eval(Fn("+", {Col("x"), Null()}), batch), Int64(), "[null, null, null, null]");
  ExpectRows(Eval(Fn("=", {Null(), Null()}), batch), arrow::boolean(), "[null, null, null, null]");
}

TEST(EvaluateTest, ColumnsOfTheNullType) {
  const Batch batch = Columns({FromJson(arrow::null(), "[null, null]")});
  ExpectRows(Eval(Fn("is_null", {Col("x")}), batch), arrow::boolean(), "[true, true]");
  ExpectRows(Eval(Fn("+", {Col("x"), Lit(int64_t{1})}), batch), Int64(), "[null, null]");
  ExpectRows(Eval(Fn("coalesce", {Col("x"), Lit(int64_t{1})}), batch), Int64(), "[1, 1]");
  ExpectRows(Eval(Fn("concat", {Col("x"), Lit("a")}), batch), arrow::utf8(), R"(["a", "a"])");
}

// ---- encodings ----

TEST(EvaluateTest, EveryRepresentationGivesTheSame) {
  const ArrayPtr words = FromJson(arrow::utf8(), R"(["aé", "b", null, "aé", ""])");
  const ArrayPtr others = FromJson(arrow::utf8(), R"(["b", "b", "b", null, ""])");
  for (const auto& [name, x] : Representations(words)) {
    for (const auto& [other_name, y] : Representations(others)) {
      SCOPED_TRACE(name + " with " + other_name);
      const Batch batch = Columns({x, y});
      ExpectRows(Eval(Fn("upper", {Col("x")}), batch), arrow::utf8(),
                 R"(["AÉ", "B", null, "AÉ", ""])");
      ExpectRows(Eval(Fn("length", {Col("x")}), batch), Int64(), "[2, 1, null, 2, 0]");
      ExpectRows(Eval(Fn("=", {Col("x"), Lit("b")}), batch), arrow::boolean(),
                 "[false, true, null, false, false]");
      ExpectRows(Eval(Fn("<", {Col("x"), Col("y")}), batch), arrow::boolean(),
                 "[true, false, null, null, false]");
      ExpectRows(Eval(Fn("||", {Col("x"), Col("y")}), batch), arrow::utf8(),
                 R"(["aéb", "bb", null, null, ""])");
      ExpectRows(Eval(Fn("coalesce", {Col("x"), Col("y")}), batch), arrow::utf8(),
                 R"(["aé", "b", "b", "aé", ""])");
      ExpectRows(Eval(Fn("case", {Fn("=", {Col("x"), Lit("b")}), Col("x"), Col("y")}), batch),
                 arrow::utf8(), R"(["b", "b", "b", null, ""])");
    }
  }
}

TEST(EvaluateTest, ColumnsPassThroughAsTheyAre) {
  const ArrayPtr coded =
      FromJson(arrow::dictionary(arrow::int8(), arrow::utf8()), R"(["a", null, "a"])");
  EXPECT_EQ(Eval(Col("x"), Columns({coded})).ValueOrDie(), coded);
  EXPECT_EQ(Eval(Unbound::Cast(Col("x"), arrow::utf8()), Columns({coded})).ValueOrDie(), coded);
}

TEST(EvaluateTest, CastsLookIntoDictionaries) {
  const ArrayPtr coded =
      FromJson(arrow::dictionary(arrow::int8(), arrow::utf8()), R"(["12", null, "7", "12"])");
  ExpectRows(Eval(Unbound::Cast(Col("x"), Int64()), Columns({coded})), Int64(),
             "[12, null, 7, 12]");
}

std::atomic<int64_t> rows_seen{0};

Result<ArrayPtr> CountRows(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  rows_seen += rows.length;
  const BytesView text(args[0]);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  for (int64_t row = 0; row < rows.length; ++row) {
    if (text[row] == "never used") return Error(ErrorKind::kInternal, "an unused value was seen");
    out.data()[row] = static_cast<int64_t>(text[row].size());
  }
  return out.Finish(ctx.result_type);
}

TEST(EvaluateTest, ElementwiseKernelsRunOncePerUsedValue) {
  static constexpr ArgPattern kArgs[] = {ArgPattern::kString};
  const Overload overload{.args = kArgs, .scalar = CountRows};
  const FunctionDef function{.id = "count_rows", .flags = function_flag::kElementwise};
  const ArrayPtr codes = FromJson(arrow::int8(), "[2, 0, null, 2, 0, 2, 0, 0]");
  const ArrayPtr values = FromJson(arrow::utf8(), R"(["bc", "never used", "a", null])");
  const TypePtr type = arrow::dictionary(arrow::int8(), arrow::utf8());
  const ArrayPtr coded = arrow::DictionaryArray::FromArrays(type, codes, values).ValueOrDie();
  const auto call =
      Expression::Call(&function, &overload, {Expression::Column(0, "x", type)}, Int64());
  const Evaluator evaluator = Evaluator::Make({call}).ValueOrDie();
  rows_seen = 0;
  ExpectRows(evaluator.Evaluate(Columns({coded}), TestPool()).ValueOrDie()[0], Int64(),
             "[1, 2, null, 1, 2, 1, 2, 2]");
  EXPECT_EQ(rows_seen, 2);
  // A selection narrows what is used.
  rows_seen = 0;
  const Batch narrowed = Columns({coded}).WithSelection(
      std::make_shared<const std::vector<uint32_t>>(std::vector<uint32_t>{1, 4}));
  EXPECT_OK(evaluator.Evaluate(narrowed, TestPool()));
  EXPECT_EQ(rows_seen, 1);
}

TEST(EvaluateTest, NullsInsideDictionariesAreNulls) {
  const ArrayPtr codes = FromJson(arrow::int32(), "[0, 1, 0, null]");
  const ArrayPtr values = FromJson(arrow::utf8(), R"([null, "a"])");
  const TypePtr type = arrow::dictionary(arrow::int32(), arrow::utf8());
  const Batch batch =
      Columns({arrow::DictionaryArray::FromArrays(type, codes, values).ValueOrDie()});
  ExpectRows(Eval(Fn("upper", {Col("x")}), batch), arrow::utf8(), R"([null, "A", null, null])");
  ExpectRows(Eval(Fn("is_null", {Col("x")}), batch), arrow::boolean(), "[true, false, true, true]");
}

TEST(EvaluateTest, ChosenBranchesOfEveryType) {
  const std::vector<std::pair<TypePtr, std::string>> cases = {
      {arrow::boolean(), "[true, false, null, true]"},
      {arrow::int8(), "[1, 2, null, 4]"},
      {arrow::uint16(), "[1, 2, null, 4]"},
      {arrow::float32(), "[1, 2, null, 4]"},
      {arrow::decimal128(4, 1), R"(["1.0", "2.0", null, "4.0"])"},
      {arrow::decimal256(50, 1), R"(["1.0", "2.0", null, "4.0"])"},
      {arrow::date64(), "[86400000, 0, null, 0]"},
      {arrow::fixed_size_binary(1), R"(["a", "b", null, "c"])"},
      {arrow::list(Int64()), "[[1], [], null, [2, null]]"},
      {arrow::struct_({arrow::field("a", Int64())}), R"([{"a": 1}, {"a": null}, null, {"a": 2}])"},
      {arrow::map(arrow::utf8(), Int64()), R"([[["k", 1]], [], null, [["l", null]]])"},
  };
  for (const auto& [type, json] : cases) {
    SCOPED_TRACE(type->ToString());
    const ArrayPtr x = Sliced(FromJson(type, json));
    const ArrayPtr reversed =
        arrow::Concatenate({x->Slice(3), x->Slice(2, 1), x->Slice(1, 1), x->Slice(0, 1)})
            .ValueOrDie();
    const Batch batch =
        Columns({x, reversed, FromJson(arrow::boolean(), "[true, false, false, null]")});
    const auto expected =
        arrow::Concatenate({x->Slice(0, 1), x->Slice(2, 1), x->Slice(1, 1), x->Slice(0, 1)})
            .ValueOrDie();
    ASSERT_OK_AND_ASSIGN(const ArrayPtr chosen,
                         Eval(Fn("case", {Col("z"), Col("x"), Col("y")}), batch));
    EXPECT_TRUE(chosen->Equals(*expected)) << chosen->ToString();
  }
}

// ---- whole batches ----

TEST(EvaluateTest, LiteralsAreSpreadOverTheBatch) {
  const Batch batch = Columns({FromJson(Int64(), "[1, 2, 3]")});
  ExpectRows(Eval(Lit("a"), batch), arrow::utf8(), R"(["a", "a", "a"])");
  ExpectRows(Eval(Null(), batch), arrow::null(), "[null, null, null]");
  ExpectRows(Eval(Fn("+", {Lit(int64_t{1}), Lit(int64_t{2})}), batch), Int64(), "[3, 3, 3]");
}

TEST(EvaluateTest, EmptyBatches) {
  const Batch batch = Columns({FromJson(Int64(), "[]"), FromJson(arrow::utf8(), "[]")});
  ExpectRows(Eval(Fn("/", {Col("x"), Col("x")}), batch), arrow::float64(), "[]");
  ExpectRows(Eval(Fn("upper", {Col("y")}), batch), arrow::utf8(), "[]");
  ExpectRows(Eval(Fn("concat", {Col("y"), Col("y")}), batch), arrow::utf8(), "[]");
  ExpectRows(Eval(Fn("case", {Fn("=", {Col("x"), Col("x")}), Col("y")}), batch), arrow::utf8(),
             "[]");
  ExpectRows(Eval(Unbound::Cast(Col("x"), arrow::utf8()), batch), arrow::utf8(), "[]");
}

TEST(EvaluateTest, TreesWithAggregatesAreRefused) {
  const auto sum = Bind(*Fn("sum", {Lit(int64_t{1})}), Scope(), Dialect::kSql).ValueOrDie();
  EXPECT_ERROR(Evaluator::Make({sum}).status(), kInternal, "sum(1)");
}

TEST(EvaluatePredicateTest, SelectsWhatIsTrue) {
  const Batch batch = Columns({FromJson(Int64(), "[1, 5, null, 7]")});
  const auto run = [&](const UnboundPtr& unbound, const Batch& over, bool* all) {
    const auto bound = Bind(*unbound, ScopeOf(over), Dialect::kSql).ValueOrDie();
    return EvaluatePredicate(*bound, over, TestPool(), all).ValueOrDie();
  };
  bool all = false;
  const UnboundPtr large = Fn(">", {Col("x"), Lit(int64_t{4})});
  EXPECT_EQ(*run(large, batch, &all), (std::vector<uint32_t>{1, 3}));
  EXPECT_FALSE(all);
  EXPECT_EQ(run(Lit(true), batch, &all), nullptr);
  EXPECT_TRUE(all);
  EXPECT_TRUE(run(Null(), batch, &all)->empty());
  EXPECT_FALSE(all);
  const Batch some = batch.WithSelection(
      std::make_shared<const std::vector<uint32_t>>(std::vector<uint32_t>{0, 3}));
  EXPECT_EQ(*run(large, some, &all), (std::vector<uint32_t>{3}));
  const Batch both = batch.WithSelection(
      std::make_shared<const std::vector<uint32_t>>(std::vector<uint32_t>{1, 3}));
  EXPECT_EQ(run(large, both, &all), nullptr);
  EXPECT_TRUE(all);
}

// A boolean column with nulls, from any row of a larger one on.
TEST(EvaluatePredicateTest, TakesBitsFromAnywhere) {
  arrow::BooleanBuilder builder;
  for (int64_t row = 0; row < 300; ++row) {
    ASSERT_OK(row % 7 == 3 ? builder.AppendNull() : builder.Append(row * row % 5 != 1));
  }
  const ArrayPtr flags = builder.Finish().ValueOrDie();
  for (int64_t offset = 0; offset < 70; ++offset) {
    const Batch batch = Columns({flags->Slice(offset, 130 + offset)});
    std::vector<uint32_t> expected;
    for (int64_t row = offset; row < 130 + 2 * offset; ++row) {
      if (row % 7 != 3 && row * row % 5 != 1)
        expected.push_back(static_cast<uint32_t>(row - offset));
    }
    const auto bound = Bind(*Col("x"), ScopeOf(batch), Dialect::kSql).ValueOrDie();
    bool all = true;
    EXPECT_EQ(*EvaluatePredicate(*bound, batch, TestPool(), &all).ValueOrDie(), expected);
    EXPECT_FALSE(all);
  }
}

TEST(EvaluateCallTest, EagerCallsCoerce) {
  const Argument column{FromJson(arrow::int32(), "[1, null, 3]"), false};
  const Argument one{FromJson(Int64(), "[1]"), true};
  const std::vector<Argument> args = {column, one};
  ExpectRows(EvaluateCall(Dialect::kSql, "+", args, TestPool()), Int64(), "[2, null, 4]");
  EXPECT_ERROR(EvaluateCall(Dialect::kSql, "sum", {&column, 1}, TestPool()), kInternal, "sum");
  EXPECT_ERROR(EvaluateCall(Dialect::kSql, "nope", {&column, 1}, TestPool()), kUnknownName, "nope");
}

}  // namespace
}  // namespace headrace
