// headrace sql: statements from the command line, a file, standard input; the shell on a terminal.
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "arrow/io/interfaces.h"
#include "command.h"
#include "headrace/base/limits.h"
#include "interrupt.h"
#include "shell.h"

namespace headrace::app {

Result<std::string> ReadScript(Session& session, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(auto file, session.vfs().OpenForRead(path));
  ARROW_ASSIGN_OR_RAISE(const int64_t size, file->GetSize());
  if (size > kQueryTextBytesMax) {
    return Error(ErrorKind::kInvalidArgument, "expected a script of at most {} bytes, got {}: {}",
                 kQueryTextBytesMax, size, path);
  }
  std::string text(static_cast<size_t>(size), '\0');
  ARROW_ASSIGN_OR_RAISE(const int64_t read, file->ReadAt(0, size, text.data()));
  text.resize(static_cast<size_t>(read));
  return text;
}

namespace {

Result<std::string> ReadStandardInput() {
  std::string text;
  char part[1 << 16];
  while (static_cast<int64_t>(text.size()) <= kQueryTextBytesMax) {
    const ssize_t count = ::read(STDIN_FILENO, part, sizeof(part));
    if (count == 0) return text;
    if (count > 0) {
      text.append(part, static_cast<size_t>(count));
    } else if (errno != EINTR) {
      return Error(ErrorKind::kIo, "cannot read standard input: {}", std::strerror(errno));
    }
    ARROW_RETURN_NOT_OK(CheckInterrupted());
  }
  return Error(ErrorKind::kInvalidArgument,
               "expected a script of at most {} bytes on standard input", kQueryTextBytesMax);
}

Result<std::vector<std::string>> Scripts(const SqlCommand& command, Session& session) {
  if (!command.queries.empty()) return command.queries;
  std::vector<std::string> scripts(1);
  if (command.file.empty()) {
    ARROW_ASSIGN_OR_RAISE(scripts[0], ReadStandardInput());
  } else {
    ARROW_ASSIGN_OR_RAISE(scripts[0], ReadScript(session, command.file));
  }
  return scripts;
}

bool IsInteractive(const SqlCommand& command, const Output& output) {
  return command.queries.empty() && command.file.empty() && isatty(STDIN_FILENO) == 1 &&
         output.is_terminal();
}

}  // namespace

Status RunSql(const SqlCommand& command, const Settings& settings, Output& output) {
  ARROW_ASSIGN_OR_RAISE(const auto session, Session::Make(settings));
  ScriptRunner runner(command.script, *session, output);
  if (IsInteractive(command, output)) return RunShell(*session, runner, output);
  ARROW_ASSIGN_OR_RAISE(const auto scripts, Scripts(command, *session));
  for (const std::string& script : scripts) ARROW_RETURN_NOT_OK(runner.Run(script));
  return Status::OK();
}

}  // namespace headrace::app
