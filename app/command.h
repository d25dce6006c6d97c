// The subcommands of `headrace`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/engine/session.h"
#include "output.h"
#include "script_runner.h"

namespace headrace::app {

struct SqlCommand {
  std::vector<std::string> queries;  // -c
  std::string file;                  // -f; "" and no queries: standard input
  ScriptOptions script;
};
/// The text of a file of statements.
Result<std::string> ReadScript(Session& session, const std::string& path);
Status RunSql(const SqlCommand& command, const Settings& settings, Output& output);

struct ConvertCommand {
  std::string input;
  std::string output;
  std::vector<std::string> input_options;   // name=value
  std::vector<std::string> output_options;  // name=value
};
Status RunConvert(const ConvertCommand& command, const Settings& settings);

struct DescribeCommand {
  std::string input;
  std::vector<std::string> input_options;  // name=value
  std::string format = "table";
};
Status RunDescribe(const DescribeCommand& command, const Settings& settings, Output& output);

struct LintCommand {
  std::string file;
  bool json = false;
  bool strict = false;  // warnings count as errors
};
/// Whether nothing is wrong.
Result<bool> RunLint(const LintCommand& command, const Settings& settings, Output& output);

struct RunCommand {
  std::string file;
  std::string state_directory;  // "": beside the file
  int64_t checkpoint_millis = 1'000;
  std::vector<std::string> drop_state;  // names of queries
  bool allow_rebuild = false;
  std::string table_wait;           // a length of time; "": as long as it takes
  std::vector<std::string> alerts;  // name=threshold
};
/// Ends when the inputs end, or at a signal after one more checkpoint.
Status RunApplication(const RunCommand& command, const Settings& settings);

struct CheckpointCommand {
  enum class What { kList, kInspect, kRemove };
  What what = What::kList;
  std::string directory;
  std::string query;  // inspect: only this one; "": all
  std::string format = "table";
};
/// What a state directory holds, or its end. kIo while a job has it, kNotFound where there is none.
Status RunCheckpoint(const CheckpointCommand& command, Output& output);

/// An error that says what to do where `argument` is - and no format is given.
Status CheckFormatGiven(const std::string& argument, const OptionMap& options, const char* flag);
/// A file as the command line names it; "-" is the `standard` stream.
std::string PathOf(const std::string& argument, const char* standard);
/// The options in "name=value" texts.
Result<OptionMap> OptionsFrom(const std::vector<std::string>& texts);

}  // namespace headrace::app
