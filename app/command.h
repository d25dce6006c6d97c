// The subcommands of `headrace`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/engine/session.h"
#include "output.h"

namespace headrace::app {

/// Options of every subcommand, by their names in Settings.
using SessionOptions = OptionMap;

struct SqlCommand {
  std::vector<std::string> queries;  // -c
  std::string file;                  // -f; "" and no queries: standard input
  std::string format = "table";
};
Status RunSql(const SqlCommand& command, const SessionOptions& options, Output& output);

struct ConvertCommand {
  std::string input;
  std::string output;
  std::vector<std::string> input_options;   // name=value
  std::vector<std::string> output_options;  // name=value
};
Status RunConvert(const ConvertCommand& command, const SessionOptions& options);

Result<std::shared_ptr<Session>> MakeSession(const SessionOptions& options);

}  // namespace headrace::app
