// Trees: equality, text, walking, folding, names.
#include "headrace/expression/expression.h"

#include <cmath>

#include "headrace/expression/test_binding.h"

namespace headrace {
namespace {

Scope TwoColumns() {
  Scope scope;
  scope.Add("", "a", arrow::int64());
  scope.Add("", "b", arrow::utf8());
  return scope;
}

ExpressionPtr BindToTwo(const UnboundPtr& unbound) {
  return Bind(*unbound, TwoColumns(), Dialect::kSql).ValueOrDie();
}

TEST(ExpressionTest, EqualityIsByStructure) {
  const auto make = [](int64_t number) { return BindToTwo(Fn("+", {Col("a"), Lit(number)})); };
  EXPECT_TRUE(Equals(*make(1), *make(1)));
  EXPECT_FALSE(Equals(*make(1), *make(2)));
  EXPECT_FALSE(Equals(*make(1), *BindToTwo(Col("a"))));
  EXPECT_FALSE(Equals(*BindToTwo(Fn("abs", {Col("a")})), *BindToTwo(Fn("-", {Col("a")}))));
  EXPECT_TRUE(Equals(*BindToTwo(Lit(std::nan(""))), *BindToTwo(Lit(std::nan("")))));
  EXPECT_FALSE(Equals(*BindToTwo(Lit(0.0)), *BindToTwo(Lit(-0.0))));
  EXPECT_FALSE(Equals(*BindToTwo(Unbound::Cast(Col("a"), arrow::int8())),
                      *BindToTwo(Unbound::Cast(Col("a"), arrow::int8(), true))));
}

TEST(ExpressionTest, TextOfEveryForm) {
  const auto text = [](const UnboundPtr& unbound) { return ToString(*BindToTwo(unbound)); };
  EXPECT_EQ(text(Lit("it's")), "'it''s'");
  EXPECT_EQ(text(Lit(1.5)), "1.5");
  EXPECT_EQ(text(Lit(std::nan(""))), "CAST('nan' AS DOUBLE)");
  EXPECT_EQ(text(Null()), "NULL");
  EXPECT_EQ(text(Lit(true)), "true");
  EXPECT_EQ(text(Fn("is_null", {Col("a")})), "(a IS NULL)");
  EXPECT_EQ(text(Fn("is_not_null", {Col("a")})), "(a IS NOT NULL)");
  EXPECT_EQ(text(Fn("-", {Col("a")})), "(-a)");
  EXPECT_EQ(text(Fn("!=", {Col("a"), Lit(int64_t{1})})), "(a <> 1)");
  EXPECT_EQ(text(Fn("and", {Lit(true), Lit(false), Null()})), "(true AND false AND NULL)");
  EXPECT_EQ(text(Fn("||", {Col("b"), Lit("x")})), "(b || 'x')");
}

TEST(ExpressionTest, DefaultNames) {
  EXPECT_EQ(DefaultName(*Unbound::Column({"t", "a"})), "a");
  EXPECT_EQ(DefaultName(*Fn("+", {Col("a"), Fn("*", {Col("b"), Lit(int64_t{2})})})), "a + (b * 2)");
  EXPECT_EQ(DefaultName(*Fn("count", {Unbound::Star()})), "count(*)");
  EXPECT_EQ(DefaultName(*Unbound::Cast(Col("a"), arrow::int64())), "CAST(a AS BIGINT)");
}

TEST(ExpressionTest, WalkingAndReplacing) {
  const ExpressionPtr tree =
      BindToTwo(Fn("and", {Fn("=", {Col("b"), Lit("x")}), Fn(">", {Col("a"), Col("a")})}));
  EXPECT_EQ(ColumnsOf(*tree), (std::vector<int>{0, 1}));
  const ExpressionPtr moved = ReplaceColumns(tree, [](const Expression& column) {
    return Expression::Column(column.column + 10, "c", column.type);
  });
  EXPECT_EQ(ColumnsOf(*moved), (std::vector<int>{10, 11}));
  EXPECT_EQ(ToString(*moved), "((c = 'x') AND (c > c))");
  EXPECT_FALSE(ContainsCall(*tree, FunctionKind::kAggregate));
  EXPECT_TRUE(ContainsCall(*BindToTwo(Fn("+", {Fn("sum", {Col("a")}), Lit(int64_t{1})})),
                           FunctionKind::kAggregate));
}

TEST(ExpressionTest, WindowsAreWalked) {
  auto window = std::make_shared<UnboundWindow>();
  window->order_by = {{Col("b"), false, {}}};
  auto call = std::make_shared<Unbound>(*Fn("lag", {Col("a")}));
  call->window = window;
  const ExpressionPtr bound = BindToTwo(call);
  EXPECT_EQ(ColumnsOf(*bound), (std::vector<int>{0, 1}));
  const ExpressionPtr moved = ReplaceColumns(bound, [](const Expression& column) {
    return Expression::Column(column.column + 10, "c", column.type);
  });
  EXPECT_EQ(ColumnsOf(*moved), (std::vector<int>{10, 11}));
  EXPECT_FALSE(Equals(*bound, *moved));
  EXPECT_TRUE(Equals(*bound, *BindToTwo(call)));
}

TEST(ExpressionTest, ConjunctionsAreSplitFlat) {
  const UnboundPtr p = Fn("=", {Col("a"), Lit(int64_t{1})});
  const UnboundPtr q = Fn("=", {Col("b"), Lit("x")});
  const auto terms = SplitConjunction(BindToTwo(Fn("and", {p, Fn("and", {q, p}), q})));
  EXPECT_EQ(terms.size(), 4U);
  EXPECT_EQ(SplitConjunction(BindToTwo(Fn("or", {p, q}))).size(), 1U);
}

TEST(FoldConstantsTest, FoldsWhatHasOneValue) {
  const auto folded = [](const UnboundPtr& unbound) {
    return ToString(*FoldConstants(BindToTwo(unbound)));
  };
  EXPECT_EQ(folded(Fn("+", {Col("a"), Fn("*", {Lit(int64_t{2}), Lit(int64_t{3})})})), "(a + 6)");
  EXPECT_EQ(folded(Unbound::Cast(Lit("7"), arrow::int64())), "7");
  EXPECT_EQ(folded(Fn("upper", {Lit("aé")})), "'AÉ'");
  EXPECT_EQ(folded(Fn("coalesce", {Null(), Lit(int64_t{2})})), "2");
  EXPECT_EQ(folded(Fn("and", {Lit(true), Fn("=", {Lit("a"), Lit("b")})})), "false");
  EXPECT_EQ(folded(Fn("abs", {Null()})), "NULL");
}

TEST(FoldConstantsTest, LeavesWhatRaisesAndWhatIsNotScalar) {
  const auto unchanged = [](const UnboundPtr& unbound) {
    const ExpressionPtr bound = BindToTwo(unbound);
    return FoldConstants(bound) == bound;
  };
  EXPECT_TRUE(unchanged(Fn("//", {Lit(int64_t{1}), Lit(int64_t{0})})));
  EXPECT_TRUE(unchanged(Unbound::Cast(Lit("x"), arrow::int64())));
  EXPECT_TRUE(unchanged(Fn("sum", {Lit(int64_t{1})})));
  EXPECT_TRUE(unchanged(Fn("+", {Col("a"), Lit(int64_t{1})})));
}

TEST(FoldConstantsTest, KeepsTypeAndSpan) {
  const auto sum = Unbound::Call("+", {Lit(int64_t{1}), Lit(int64_t{2})}, TextSpan{3, 8});
  const ExpressionPtr folded = FoldConstants(BindToTwo(sum));
  EXPECT_EQ(folded->kind, Expression::Kind::kLiteral);
  EXPECT_TRUE(folded->type->Equals(*arrow::int64()));
  EXPECT_EQ(folded->span.begin, 3);
}

}  // namespace
}  // namespace headrace
