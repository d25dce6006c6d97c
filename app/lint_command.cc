// headrace lint: what is wrong with an application of streams, without running it.
#include "command.h"
#include "headrace/sql/lint/lint.h"

namespace headrace::app {

Result<bool> RunLint(const LintCommand& command, const Settings& settings, Output& output) {
  ARROW_ASSIGN_OR_RAISE(const auto session, Session::Make(settings));
  ARROW_ASSIGN_OR_RAISE(const std::string text,
                        ReadScript(*session, PathOf(command.file, "/dev/stdin")));
  sql::LintOptions options;
  const size_t slash = command.file.rfind('/');
  if (slash != std::string::npos) options.base_directory = command.file.substr(0, slash + 1);
  const std::vector<sql::Diagnostic> found = sql::Lint(text, options);
  ARROW_RETURN_NOT_OK(output.Write(command.json ? sql::LintJson(found, command.file)
                                                : sql::LintText(found, text, command.file)));
  return !sql::HasErrors(found) && (found.empty() || !command.strict);
}

}  // namespace headrace::app
