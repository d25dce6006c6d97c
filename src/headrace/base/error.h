// The one table of error kinds: every failure that a user can see has a kind, and the kind decides
// the Arrow status code, the q signal, the Python class and the SQLSTATE it is shown as.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "arrow/result.h"
#include "arrow/status.h"

namespace headrace {

using arrow::Result;
using arrow::Status;

enum class ErrorKind : uint8_t {
  kInvalidArgument,  // an option or value outside what is allowed
  kSyntax,           // text that does not parse
  kUnknownName,      // no such table, column, function, option
  kTypeMismatch,     // types that do not fit a function, a join, a promised schema
  kOverflow,         // a number that does not fit its type
  kDivisionByZero,
  kBadData,      // outside bytes that are not what they claim to be (file:row:column)
  kIo,           // the operating system said no
  kNotFound,     // missing file or directory
  kStale,        // an input changed after the query was bound to it
  kMemoryLimit,  // over the memory budget
  kCancelled,    // stopped by the user
  kCallback,     // a user's callback raised
  kUnsupported,  // understood, not done here
  kInternal,     // our bug
};

/// One row of the table of kinds. `name` is the stable spelling used by script tests.
struct ErrorKindInfo {
  ErrorKind kind;
  const char* name;
  arrow::StatusCode code;
  const char* q_signal;
  const char* python_class;
  const char* sqlstate;
};

/// The row of `kind`. Cost: an array index.
const ErrorKindInfo& InfoOf(ErrorKind kind);
/// All rows, in enum order.
std::span<const ErrorKindInfo> AllErrorKinds();

/// A Status that carries `kind`. By convention `message` says what was expected, what came, where,
/// with the offending value last.
Status MakeError(ErrorKind kind, std::string message);

template <typename... Args>
Status Error(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  return MakeError(kind, fmt::format(format, std::forward<Args>(args)...));
}

/// The kind carried by `status`; for a status made by Arrow the nearest kind to its code.
/// REQUIRES: !status.ok().
ErrorKind KindOf(const Status& status);

/// A range of bytes in the text of a query.
struct TextSpan {
  int64_t begin = 0;
  int64_t end = 0;
};

/// `status` with the place in the query text that it speaks of; the front end that owns the text
/// draws the caret. A span that is already there is kept (the innermost wins). OK stays OK.
Status WithSpan(const Status& status, TextSpan span);
std::optional<TextSpan> SpanOf(const Status& status);

/// `status` with `prefix` put before its message; kind and code are kept. OK stays OK.
Status WithContext(const Status& status, std::string_view prefix);

}  // namespace headrace
