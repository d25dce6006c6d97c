// For tests: Status and Result in assertions.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "headrace/base/error.h"

namespace headrace {

inline testing::AssertionResult IsOk(const Status& status) {
  if (status.ok()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << status.ToString();
}

/// Whether `status` is an error of `kind` whose message contains `text`.
inline testing::AssertionResult IsError(const Status& status, ErrorKind kind,
                                        std::string_view text) {
  if (status.ok()) return testing::AssertionFailure() << "expected an error, got OK";
  const bool fits = KindOf(status) == kind && status.message().find(text) != std::string::npos;
  if (fits) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << "expected " << InfoOf(kind).name << " with '" << text << "', got "
         << InfoOf(KindOf(status)).name << " '" << status.message() << "'";
}

}  // namespace headrace

#define ASSERT_OK(expression) ASSERT_TRUE(::headrace::IsOk(::arrow::ToStatus(expression)))
#define EXPECT_OK(expression) EXPECT_TRUE(::headrace::IsOk(::arrow::ToStatus(expression)))

#define HEADRACE_TEST_NAME_(line) result_##line
#define HEADRACE_TEST_ASSIGN_(result, lhs, expression)    \
  auto result = (expression);                             \
  ASSERT_TRUE(result.ok()) << result.status().ToString(); \
  lhs = std::move(result).ValueUnsafe()
#define HEADRACE_TEST_ASSIGN_LINE_(line, lhs, expression) \
  HEADRACE_TEST_ASSIGN_(HEADRACE_TEST_NAME_(line), lhs, expression)
#define ASSERT_OK_AND_ASSIGN(lhs, expression) HEADRACE_TEST_ASSIGN_LINE_(__LINE__, lhs, expression)

#define EXPECT_ERROR(expression, kind, text) \
  EXPECT_TRUE(::headrace::IsError(::arrow::ToStatus(expression), ::headrace::ErrorKind::kind, text))
