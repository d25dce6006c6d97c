// Prompt, dot commands, statements over several lines.
#include "shell.h"

#include <fmt/ranges.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <limits>

#include "arrow/type.h"
#include "command.h"
#include "completion.h"
#include "headrace/base/check.h"
#include "headrace/sql/lexer.h"
#include "headrace/table/options.h"
#include "headrace/types/type_table.h"
#include "interrupt.h"
#include "line_editor.h"
#include "terminal.h"

namespace headrace::app {
namespace {

constexpr const char* kPrompt = "headrace> ";
constexpr const char* kPromptGoesOn = "     ...> ";

constexpr const char* kHelp =
    "Statements end with ';' and may go over several lines. Files are tables: FROM 'flights.csv'.\n"
    ".format NAME    how rows are shown: table, csv, json, jsonl, markdown\n"
    ".help           this text\n"
    ".maxrows N      rows of a table that are shown; 0: all\n"
    ".quit           leave (also Ctrl-D)\n"
    ".read FILE      runs the statements of a file\n"
    ".schema [NAME]  columns of a table or file; without a name, of all tables\n"
    ".tables         names of the tables\n"
    ".timer [on|off] say how long each statement takes\n"
    "Tab completes words and file names, Ctrl-R searches the history, Ctrl-C stops a query.\n";

const std::vector<std::string>& DotCommands() {
  static const std::vector<std::string> names = {".format", ".help",   ".maxrows", ".quit",
                                                 ".read",   ".schema", ".tables",  ".timer"};
  return names;
}

std::string HistoryPath() {
  const char* chosen = std::getenv("HEADRACE_HISTORY");
  if (chosen != nullptr) return chosen;
  const char* home = std::getenv("HOME");
  return home == nullptr ? "" : std::string(home) + "/.headrace_history";
}

std::string Trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

/// Whether `text` ends with ';' outside of literals and comments, or has nothing to run.
bool IsComplete(const std::string& text) {
  sql::Lexer lexer(text);
  bool has_words = false;
  bool ended = false;
  while (true) {
    const sql::Token token = lexer.Next();
    if (token.kind == sql::Token::Kind::kError) {
      // What is open at the end goes on in the next line; anything else is for the parser to tell.
      const std::string_view open = token.text.substr(0, 2);
      const bool is_open =
          open.starts_with('\'') || open.starts_with('"') || open.ends_with('\'') || open == "/*";
      return !is_open;
    }
    if (token.kind == sql::Token::Kind::kEnd) return ended || !has_words;
    has_words = true;
    ended = token.IsSymbol(";");
  }
}

/// A dot command as other shells spell it.
struct OtherSpelling {
  const char* word;
  const char* command;
};

constexpr std::array<OtherSpelling, 7> kBareWords = {{{"help", ".help"},
                                                      {"?", ".help"},
                                                      {"\\?", ".help"},
                                                      {"quit", ".quit"},
                                                      {"exit", ".quit"},
                                                      {"\\d", ".tables"},
                                                      {"\\dt", ".tables"}}};
/// With an argument, too.
constexpr std::array<OtherSpelling, 13> kCommands = {{{".exit", ".quit"},
                                                      {".q", ".quit"},
                                                      {"\\q", ".quit"},
                                                      {"\\quit", ".quit"},
                                                      {".h", ".help"},
                                                      {"\\h", ".help"},
                                                      {"\\help", ".help"},
                                                      {".mode", ".format"},
                                                      {"\\d", ".schema"},
                                                      {"\\d+", ".schema"},
                                                      {"\\i", ".read"},
                                                      {"\\timing", ".timer"},
                                                      {".rows", ".maxrows"}}};
/// What to do in place of a command that there is not.
constexpr std::array<OtherSpelling, 6> kInstead = {
    {{".open", "files are tables by their names: FROM 'file.parquet'"},
     {".import", "CREATE TABLE name AS FROM 'file.csv'"},
     {".output", "COPY (query) TO 'file.csv'"},
     {".once", "COPY (query) TO 'file.csv'"},
     {".databases", "there is one session, .tables lists what is in it"},
     {".nullvalue", "a null is shown as NULL"}}};

template <typename Spellings>
const char* Find(const Spellings& spellings, std::string_view word) {
  for (const OtherSpelling& spelling : spellings) {
    if (EqualsIgnoringCase(word, spelling.word)) return spelling.command;
  }
  return nullptr;
}

/// The dot command that `line` is, also as other shells spell it (\\q, help); "": it is none.
std::string DotCommandOf(const std::string& line) {
  std::string word = line;
  if (word.back() == ';') word.pop_back();
  if (const char* command = Find(kBareWords, word)) return command;
  if (line[0] != '.' && line[0] != '\\') return "";
  const size_t end = std::min(word.find_first_of(" \t"), word.size());
  const char* command = Find(kCommands, word.substr(0, end));
  return command == nullptr ? word : command + word.substr(end);
}

Status UnknownCommand(const std::string& name) {
  if (const char* instead = Find(kInstead, name)) {
    return Error(ErrorKind::kUnknownName, "there is no command {}; {}", name, instead);
  }
  const std::string nearest = NearestName(name, DotCommands());
  return Error(ErrorKind::kUnknownName, "there is no command {}; {}.help lists them", name,
               nearest.empty() ? "" : fmt::format("did you mean {}? ", nearest));
}

/// `text` without the single quotes around it.
std::string Unquoted(const std::string& text) {
  const bool quoted = text.size() > 1 && text.front() == '\'' && text.back() == '\'';
  return quoted ? text.substr(1, text.size() - 2) : text;
}

class Shell {
 public:
  Shell(Session& session, ScriptRunner& runner, Output& output)
      : session_(session),
        runner_(runner),
        output_(output),
        completion_(session, DotCommands()),
        editor_(HistoryPath(), [this](std::string_view before, size_t* begin) {
          return completion_.Candidates(before, begin);
        }) {}

  Status Run() {
    fmt::print(stderr, "headrace: .help for help, Ctrl-D to leave\n");
    while (!done_ && CaughtSignal() == 0) ReadAndRun();
    return Status::OK();
  }

 private:
  void ReadAndRun() {
    completion_.set_earlier_lines(pending_);
    std::string line;
    switch (editor_.Read(pending_.empty() ? kPrompt : kPromptGoesOn, &line)) {
      case LineEditor::Outcome::kInterrupted:
        ForgetInterrupt();
        pending_.clear();
        fmt::print(stderr, "^C\n");
        return;
      case LineEditor::Outcome::kEnd:
        fmt::print(stderr, "\n");
        done_ = true;
        return;
      case LineEditor::Outcome::kLine:
        break;
    }
    if (pending_.empty() && Trimmed(line).empty()) return;
    if (pending_.empty()) {
      const std::string command = DotCommandOf(Trimmed(line));
      if (!command.empty()) return RunDotCommand(command);
    }
    pending_ += line + "\n";
    if (IsComplete(pending_)) RunPending();
  }

  void RunPending() {
    const std::string script = Trimmed(pending_);
    pending_.clear();
    Remember(script);
    Show([&] { return runner_.Run(script); });
  }

  /// One line of history, unless a comment would swallow what follows it.
  void Remember(std::string script) {
    if (script.find("--") == std::string::npos) {
      for (char& c : script) c = c == '\n' ? ' ' : c;
    }
    editor_.Remember(script);
  }

  /// Runs `work`; its failure is told and the shell goes on.
  template <typename Work>
  void Show(const Work& work) {
    Status status;
    try {
      status = work();
    } catch (const InvariantError& bug) {
      status = Error(ErrorKind::kInternal, "{}", bug.what());
    }
    const bool stopped = CaughtSignal() != 0;
    if (stopped) {
      output_.Drop();
      ForgetInterrupt();
      fmt::print(stderr, "stopped\n");
    } else if (const Status flushed = output_.Flush(); status.ok()) {
      status = flushed;
    }
    if (!status.ok() && !stopped) SayError(status);
    if (output_.reader_is_gone()) done_ = true;
  }

  static void SayError(const Status& status) {
    const bool color = ShowsColor(STDERR_FILENO);
    fmt::print(stderr, "{}error:{} {}\n", color ? "\x1b[31m" : "", color ? "\x1b[0m" : "",
               status.message());
  }

  void RunDotCommand(const std::string& line) {
    editor_.Remember(line);
    const size_t blank = line.find_first_of(" \t");
    const std::string name = line.substr(0, blank);
    std::string argument = blank == std::string::npos ? "" : Trimmed(line.substr(blank));
    while (!argument.empty() && argument.back() == ';') argument.pop_back();
    Show([&] { return Dot(name, argument); });
  }

  Status Dot(const std::string& name, const std::string& argument) {
    if (name == ".quit") {
      done_ = true;
      return Status::OK();
    }
    if (name == ".help") return output_.Write(kHelp);
    if (name == ".tables") return Tables();
    if (name == ".schema") return Schema(argument);
    if (name == ".timer") return Timer(argument);
    if (name == ".format") return Format(argument);
    if (name == ".maxrows") return MaxRows(argument);
    if (name == ".read") return Read(argument);
    return UnknownCommand(name);
  }

  Status MaxRows(const std::string& argument) {
    const OptionMap options = {{".maxrows", argument}};
    return OptionReader("shell", options)
        .Integer(".maxrows", 0, 0, std::numeric_limits<int64_t>::max())
        .Value(&runner_.options().rows_max);
  }

  Status Read(const std::string& argument) {
    if (argument.empty()) {
      return Error(ErrorKind::kInvalidArgument, "expected .read FILE, got no file");
    }
    ARROW_ASSIGN_OR_RAISE(const std::string script, ReadScript(session_, Unquoted(argument)));
    return runner_.Run(script);
  }

  Status Tables() {
    const std::vector<std::string> names = session_.TableNames();
    if (names.empty()) fmt::print(stderr, "no tables; files are read by name: FROM 'file.csv'\n");
    for (const std::string& name : names) ARROW_RETURN_NOT_OK(output_.Write(name + "\n"));
    return Status::OK();
  }

  Status Schema(std::string name) {
    if (name.empty()) {
      for (const std::string& table : session_.TableNames()) {
        ARROW_ASSIGN_OR_RAISE(const SourcePtr source, session_.FindTable(table));
        ARROW_RETURN_NOT_OK(WriteSchema(table, *source->schema()));
      }
      return Status::OK();
    }
    const bool quoted = Unquoted(name) != name;
    name = Unquoted(name);
    auto source = session_.FindTable(name);
    const bool is_path = quoted || name.find_first_of("./*") != std::string::npos;
    if (!source.ok() && is_path) source = session_.OpenFile(name, {});
    ARROW_RETURN_NOT_OK(source.status());
    return WriteSchema(name, *(*source)->schema());
  }

  Status WriteSchema(const std::string& name, const arrow::Schema& schema) {
    std::string text = EscapeControls(name) + "\n";
    for (const auto& field : schema.fields()) {
      text += fmt::format("  {} {}\n", EscapeControls(field->name()), SqlNameOf(*field->type()));
    }
    return output_.Write(text);
  }

  Status Timer(const std::string& argument) {
    bool& timer = runner_.options().timer;
    if (argument != "" && argument != "on" && argument != "off") {
      return Error(ErrorKind::kInvalidArgument, "expected .timer on or .timer off, got {}",
                   argument);
    }
    timer = argument.empty() ? !timer : argument == "on";
    fmt::print(stderr, "timer is {}\n", timer ? "on" : "off");
    return Status::OK();
  }

  Status Format(const std::string& argument) {
    for (const std::string& name : RowFormats()) {
      if (name != argument) continue;
      runner_.options().format = name;
      return Status::OK();
    }
    return Error(ErrorKind::kInvalidArgument, "expected .format {}, got \"{}\"",
                 fmt::join(RowFormats(), "|"), argument);
  }

  Session& session_;
  ScriptRunner& runner_;
  Output& output_;
  Completion completion_;
  LineEditor editor_;
  std::string pending_;  // lines of a statement without its end
  bool done_ = false;
};

}  // namespace

Status RunShell(Session& session, ScriptRunner& runner, Output& output) {
  return Shell(session, runner, output).Run();
}

}  // namespace headrace::app
