// The subcommands of `headrace`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/engine/session.h"
#include "output.h"

namespace headrace::app {

struct SqlCommand {
  std::vector<std::string> queries;  // -c
  std::string file;                  // -f; "" and no queries: standard input
  std::string format = "table";
};
Status RunSql(const SqlCommand& command, const Settings& settings, Output& output);

struct ConvertCommand {
  std::string input;
  std::string output;
  std::vector<std::string> input_options;   // name=value
  std::vector<std::string> output_options;  // name=value
};
Status RunConvert(const ConvertCommand& command, const Settings& settings);

}  // namespace headrace::app
