// The `headrace` command: options, subcommands and exit codes: 0 done, 1 failed, 2 wrong usage,
// 3 lint found errors, 128 + n after signal n.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "command.h"
#include "headrace/base/check.h"
#include "interrupt.h"

namespace headrace::app {
namespace {

#ifndef HEADRACE_VERSION
#define HEADRACE_VERSION "0.1.0"
#endif

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kExitFound = 3;
constexpr int kExitSignal = 128;

struct CommandLine {
  OptionMap session;  // by their names in Settings
  SqlCommand sql;
  ConvertCommand convert;
  DescribeCommand describe;
  LintCommand lint;
  RunCommand run;
  CheckpointCommand checkpoint;
};

void AddSessionOptions(CLI::App* command, OptionMap* options) {
  const auto add = [&](const char* flag, const char* name, const char* text) {
    command->add_option_function<std::string>(
        flag, [options, name](const std::string& value) { (*options)[name] = value; }, text);
  };
  add("--memory-limit", "memory_limit",
      "Memory for all queries, e.g. 512MB (60 % of the machine's)");
  add("--threads", "threads", "Threads that run queries (one per core)");
  add("--temp-dir", "temp_dir", "Directory for what does not fit in memory ($TMPDIR or /tmp)");
}

void AddFormat(CLI::App* command, std::string* format) {
  command->add_option("--format", *format, "How rows are written")
      ->check(CLI::IsMember(RowFormats()))
      ->option_text("table|csv|json|jsonl|markdown|arrow");
}

/// What is wrong with `text` as a number of rows; "" when nothing is.
std::string IsCount(const std::string& text) {
  const bool is_count = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  return is_count ? "" : "expected a whole number from 0, got " + text;
}

CLI::App* AddSql(CLI::App* app, CommandLine* line) {
  CLI::App* command =
      app->add_subcommand("sql", "Run SQL from -c, -f or standard input; a shell on a terminal");
  CLI::Option* query = command->add_option("-c,--command", line->sql.queries, "Statements to run");
  query->expected(1)->take_all()->allow_extra_args(false);
  command->add_option("-f,--file", line->sql.file, "A file of statements")->excludes(query);
  AddFormat(command, &line->sql.script.format);
  command
      ->add_option("--max-rows", line->sql.script.rows_max,
                   "Rows of a table shown at most, 0 for all (40 on a terminal, else all)")
      ->check(IsCount);
  AddSessionOptions(command, &line->session);
  return command;
}

/// What is wrong with `text` as name=value; "" when nothing is.
std::string IsPair(const std::string& text) {
  const size_t sign = text.find('=');
  return sign == std::string::npos || sign == 0 ? "expected name=value, got " + text : "";
}

CLI::App* AddConvert(CLI::App* app, CommandLine* line) {
  CLI::App* command = app->add_subcommand("convert", "Write a file in another format");
  command->add_option("INPUT", line->convert.input, "A file or pattern, or - for standard input")
      ->required();
  command->add_option("OUTPUT", line->convert.output, "The file to make, or - for standard output")
      ->required();
  command->add_option("--option", line->convert.output_options, "name=value for the output")
      ->allow_extra_args(false)
      ->check(IsPair);
  command->add_option("--input-option", line->convert.input_options, "name=value for the input")
      ->allow_extra_args(false)
      ->check(IsPair);
  AddSessionOptions(command, &line->session);
  return command;
}

CLI::App* AddDescribe(CLI::App* app, CommandLine* line) {
  CLI::App* command = app->add_subcommand("describe", "Show the columns of a file");
  command->add_option("FILE", line->describe.input, "A file or pattern, or - for standard input")
      ->required();
  command->add_option("--input-option", line->describe.input_options, "name=value for the file")
      ->allow_extra_args(false)
      ->check(IsPair);
  AddFormat(command, &line->describe.format);
  AddSessionOptions(command, &line->session);
  return command;
}

CLI::App* AddRun(CLI::App* app, CommandLine* line) {
  CLI::App* command = app->add_subcommand("run", "Keep the streaming statements of a file running");
  command->add_option("FILE", line->run.file, "A file of statements")->required();
  command->add_option("--state-dir", line->run.state_directory,
                      "Where checkpoints live (FILE with .state for .sql)");
  command
      ->add_option("--checkpoint-interval", line->run.checkpoint_millis,
                   "Milliseconds between checkpoints, and so until rows are published (1000)")
      ->check(CLI::PositiveNumber);
  command->add_option("--drop-state", line->run.drop_state,
                      "Query whose saved state is given up, because it has changed or is gone");
  command->add_flag("--allow-rebuild", line->run.allow_rebuild,
                    "Start queries that have changed anew, instead of refusing");
  command->add_option("--table-wait", line->run.table_wait,
                      "How long queries wait for their tables, as 60s (as long as it takes)");
  command->add_option("--alert", line->run.alerts,
                      "Threshold, as load_time=60s, late_ratio=0.01, late_rows=100, "
                      "dead_letters=10, commit_age=1m");
  AddSessionOptions(command, &line->session);
  return command;
}

/// headrace checkpoint ls | inspect | rm DIRECTORY
CLI::App* AddCheckpoint(CLI::App* app, CommandLine* line) {
  using What = CheckpointCommand::What;
  CLI::App* command = app->add_subcommand("checkpoint", "What a state directory of a job holds");
  command->require_subcommand(1);
  const auto add = [&](const char* name, const char* text, What what) {
    CLI::App* sub = command->add_subcommand(name, text);
    sub->add_option("DIRECTORY", line->checkpoint.directory, "A state directory, as app.state")
        ->required();
    sub->callback([line, what] { line->checkpoint.what = what; });
    return sub;
  };
  CLI::App* list = add("ls", "Epoch, queries, tables and their sizes", What::kList);
  AddFormat(list, &line->checkpoint.format);
  CLI::App* inspect =
      add("inspect", "Also files, schemas of tables and positions of sources", What::kInspect);
  inspect->add_option("--query", line->checkpoint.query, "Only this query");
  AddFormat(inspect, &line->checkpoint.format);
  add("rm", "Remove the checkpoint: the next run starts anew", What::kRemove);
  return command;
}

CLI::App* AddLint(CLI::App* app, CommandLine* line) {
  CLI::App* command =
      app->add_subcommand("lint", "Check an application of streams without running it");
  command->add_option("FILE", line->lint.file, "A file of statements, or - for standard input")
      ->required();
  command->add_flag("--json", line->lint.json, "One JSON object instead of lines");
  command->add_flag("--strict", line->lint.strict, "Warnings count as errors");
  return command;
}

/// Errors of our own making are errors like others here.
template <typename Work>
Status Guarded(const Work& work) {
  try {
    return work();
  } catch (const InvariantError& bug) {
    return Error(ErrorKind::kInternal, "{}", bug.what());
  }
}

int ExitCode(const Status& status, const Output& output) {
  if (CaughtSignal() != 0) return kExitSignal + CaughtSignal();
  if (status.ok()) return 0;
  if (output.reader_is_gone() || KindOf(status) == ErrorKind::kCancelled)
    return kExitSignal + SIGPIPE;
  fmt::print(stderr, "error: {}\n", status.message());
  return kExitFailed;
}

/// What to do about words that `command` does not take; "" when it is the parser that knows.
std::string HintOnRest(const CLI::App& command) {
  const std::vector<std::string> remaining = command.remaining();
  for (const std::string& rest : remaining) {
    if (!rest.starts_with("-")) continue;
    const bool is_format = rest == "--format" && command.get_name() == "convert";
    return fmt::format("There is no option {}; {}headrace {} --help lists them.\n", rest,
                       is_format ? "the output's format is --option format=csv; " : "",
                       command.get_name());
  }
  if (remaining.empty() || command.get_name() != "sql") return "";
  return fmt::format("{} was not expected; SQL text goes behind -c: headrace sql -c \"SELECT 1\"\n",
                     remaining.front());
}

/// What to do about a command line that was not understood; "" when the parser's words are enough.
std::string UsageHint(const CLI::App& app, int argc, char** argv) {
  const std::vector<CLI::App*> commands = app.get_subcommands();
  if (!commands.empty()) return HintOnRest(*commands.front());
  constexpr const char* kThere =
      "headrace sql (a shell), headrace sql -c \"SELECT 1\", headrace convert INPUT OUTPUT, "
      "headrace describe FILE, headrace lint FILE, headrace run FILE, headrace checkpoint ls DIR";
  if (argc < 2) return fmt::format("A subcommand is missing: {}\n", kThere);
  const std::string word = argv[1];
  if (word == "-c" || word == "-f") {
    return fmt::format("{} goes behind a subcommand: headrace sql {} …\n", word, word);
  }
  if (word.starts_with("-")) return "";
  const bool is_file = word.find('.') != std::string::npos;
  return fmt::format(
      "There is no subcommand {}; there are sql, convert, describe, lint, run and checkpoint.{}\n",
      word, is_file ? fmt::format(" A file: headrace describe {}", word) : "");
}

int Run(int argc, char** argv) {
  CLI::App app("Tables larger than memory, and streams: SQL over CSV, Parquet and Arrow files");
  app.name("headrace");
  app.set_version_flag("--version", "headrace " HEADRACE_VERSION);
  app.require_subcommand(1);
  CommandLine line;
  const CLI::App* sql = AddSql(&app, &line);
  const CLI::App* convert = AddConvert(&app, &line);
  const CLI::App* lint = AddLint(&app, &line);
  AddDescribe(&app, &line);
  const CLI::App* run = AddRun(&app, &line);
  const CLI::App* checkpoint = AddCheckpoint(&app, &line);
  AddSessionOptions(&app, &line.session);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const std::string hint = UsageHint(app, argc, argv);
    if (hint.empty() || error.get_exit_code() == 0) {
      return app.exit(error) == 0 ? 0 : kExitUsage;
    }
    fmt::print(stderr, "{}", hint);
    return kExitUsage;
  }
  Result<Settings> settings = Settings::FromOptions(line.session);
  if (!settings.ok()) {
    fmt::print(stderr, "error: {}\n", settings.status().message());
    return kExitUsage;
  }
  settings->poll = CheckInterrupted;
  CatchSignals();
  Output output(STDOUT_FILENO);
  bool is_clean = true;
  Status status = Guarded([&] {
    if (lint->parsed()) return RunLint(line.lint, *settings, output).Value(&is_clean);
    if (sql->parsed()) return RunSql(line.sql, *settings, output);
    if (convert->parsed()) return RunConvert(line.convert, *settings);
    if (run->parsed()) return RunApplication(line.run, *settings);
    if (checkpoint->parsed()) return RunCheckpoint(line.checkpoint, output);
    return RunDescribe(line.describe, *settings, output);
  });
  if (CaughtSignal() == 0 && !output.reader_is_gone()) {
    const Status flushed = output.Flush();  // what came before an error is shown
    if (status.ok()) status = flushed;
  }
  // A job that was told to end has ended as it should.
  if (run->parsed() && CaughtSignal() == SIGTERM && status.ok()) return 0;
  const int code = ExitCode(status, output);
  return code == 0 && !is_clean ? kExitFound : code;
}

}  // namespace
}  // namespace headrace::app

int main(int argc, char** argv) { return headrace::app::Run(argc, argv); }
