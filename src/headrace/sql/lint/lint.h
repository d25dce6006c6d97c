// The validator: what is wrong with an application, or may be, found without running it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/error.h"

namespace headrace::sql {

enum class Severity { kError, kWarning };

/// `code` is stable: "stream-join-without-bound". Line and column count from 1, columns in
/// characters. `hint` says what to do; may be empty.
struct Diagnostic {
  Severity severity = Severity::kError;
  std::string code;
  std::string message;
  std::string hint;
  TextSpan span;  // in the text
  int64_t line = 1;
  int64_t column = 1;
};

struct LintOptions {
  std::string base_directory;  // of config files and schemas
  std::function<std::optional<std::string>(const std::string&)> environment;
};

/// In the order of the text. Sources are opened where their columns are not declared, never read;
/// sinks are not touched. Every statement is looked at, also behind one with errors.
std::vector<Diagnostic> Lint(std::string_view text, const LintOptions& options = {});

bool HasErrors(const std::vector<Diagnostic>& diagnostics);
/// For people: "app.sql:3:7: warning: …", the line with a caret, the hint; then how many.
std::string LintText(const std::vector<Diagnostic>& diagnostics, std::string_view text,
                     std::string_view path);
/// {"path", "errors", "warnings", "diagnostics": [{"severity", "code", "message", "hint", "line",
/// "column"}]}
std::string LintJson(const std::vector<Diagnostic>& diagnostics, std::string_view path);

}  // namespace headrace::sql
