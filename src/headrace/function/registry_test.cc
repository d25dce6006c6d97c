// The registry and what every row of it must have.
#include "headrace/function/registry.h"

#include <gtest/gtest.h>

#include <set>

namespace headrace {
namespace {

int CountKernels(const Overload& overload) {
  return (overload.scalar != nullptr) + (overload.lazy != nullptr) +
         (overload.ordered != nullptr || overload.window != nullptr) +
         (overload.aggregate != nullptr);
}

TEST(RegistryTest, EveryRowIsComplete) {
  std::set<std::string> ids;
  for (const FunctionDef* function : AllFunctions()) {
    SCOPED_TRACE(function->id);
    EXPECT_TRUE(ids.insert(function->id).second) << "used twice";
    EXPECT_FALSE(std::string(function->doc).empty());
    const bool takes_nothing =
        function->overloads.size() == 1 && function->overloads[0].args.empty();
    EXPECT_EQ(std::string(function->arguments).empty(), takes_nothing);
    EXPECT_FALSE(NamesIn(*function, Dialect::kSql).empty());
    EXPECT_GE(function->examples.size(), 2U);
    bool has_null = false;
    for (const Example& example : function->examples) {
      const std::string all = std::string(example.expression) + example.input + example.result;
      has_null = has_null || all.find("NULL") != std::string::npos;
      EXPECT_EQ(function->kind != FunctionKind::kScalar, *example.input != '\0');
    }
    EXPECT_TRUE(has_null) << "no example with a null";
    EXPECT_EQ(function->parallel != ParallelClass::kNone, function->kind == FunctionKind::kOrdered);
    for (const Overload& overload : function->overloads) {
      EXPECT_EQ(CountKernels(overload), 1);
      EXPECT_EQ((overload.result != nullptr) + (overload.result_of_literals != nullptr), 1);
      EXPECT_EQ(overload.ordered != nullptr || overload.window != nullptr,
                function->kind == FunctionKind::kOrdered);
      EXPECT_EQ(overload.aggregate != nullptr, function->kind == FunctionKind::kAggregate);
    }
  }
}

TEST(RegistryTest, NamesAreUniqueWithinADialect) {
  for (const Dialect dialect : {Dialect::kSql, Dialect::kQ, Dialect::kSFrame, Dialect::kLtseq}) {
    std::set<std::string> seen;
    for (const FunctionDef* function : AllFunctions()) {
      for (const std::string& name : NamesIn(*function, dialect)) {
        EXPECT_TRUE(seen.insert(name).second) << name;
        EXPECT_EQ(FindFunction(dialect, name), function) << name;
      }
    }
    EXPECT_EQ(AllNames(dialect).size(), seen.size());
  }
}

TEST(RegistryTest, NamesAreSplitAtBars) {
  const FunctionDef* not_equal = FindFunctionById("not_equal");
  ASSERT_NE(not_equal, nullptr);
  EXPECT_EQ(NamesIn(*not_equal, Dialect::kSql), (std::vector<std::string>{"<>", "!="}));
  EXPECT_TRUE(NamesIn(*not_equal, Dialect::kQ).empty());
}

TEST(RegistryTest, TheConcatOperatorIsOneName) {
  const FunctionDef* concat = FindFunctionById("concat_operator");
  ASSERT_NE(concat, nullptr);
  EXPECT_EQ(NamesIn(*concat, Dialect::kSql), std::vector<std::string>{"||"});
  EXPECT_EQ(FindFunction(Dialect::kSql, "||"), concat);
}

TEST(RegistryTest, OnlySqlIgnoresCase) {
  const FunctionDef* shift = FindFunction(Dialect::kLtseq, "shift");
  EXPECT_EQ(FindFunction(Dialect::kSql, "LAG"), shift);
  EXPECT_NE(shift, nullptr);
  EXPECT_EQ(FindFunction(Dialect::kLtseq, "SHIFT"), nullptr);
  EXPECT_EQ(FindFunction(Dialect::kSql, "no_such_function"), nullptr);
  EXPECT_EQ(FindFunctionById("no_such_id"), nullptr);
}

}  // namespace
}  // namespace headrace
