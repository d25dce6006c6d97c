// headrace convert: a file in one format becomes a file in another.
#include "command.h"
#include "headrace/format/format.h"
#include "headrace/plan/builder.h"
#include "progress.h"

namespace headrace::app {
Result<OptionMap> OptionsFrom(const std::vector<std::string>& texts) {
  OptionMap options;
  for (const std::string& text : texts) {
    const size_t sign = text.find('=');
    if (sign == std::string::npos || sign == 0) {
      return Error(ErrorKind::kInvalidArgument, "expected name=value, got \"{}\"", text);
    }
    options[text.substr(0, sign)] = text.substr(sign + 1);
  }
  return options;
}

Status CheckFormatGiven(const std::string& argument, const OptionMap& options, const char* flag) {
  if (argument != "-" || options.contains("format")) return Status::OK();
  return Error(ErrorKind::kInvalidArgument,
               "- has no extension to tell its format by: say {} format=csv (or parquet, arrow, "
               "jsonl)",
               flag);
}

std::string PathOf(const std::string& argument, const char* standard) {
  return argument == "-" ? standard : argument;
}

Status RunConvert(const ConvertCommand& command, const Settings& settings) {
  ARROW_ASSIGN_OR_RAISE(const auto session, Session::Make(settings));
  ARROW_ASSIGN_OR_RAISE(const OptionMap input_options, OptionsFrom(command.input_options));
  ARROW_ASSIGN_OR_RAISE(const OptionMap output_options, OptionsFrom(command.output_options));
  ARROW_RETURN_NOT_OK(CheckFormatGiven(command.input, input_options, "--input-option"));
  ARROW_RETURN_NOT_OK(CheckFormatGiven(command.output, output_options, "--option"));
  ARROW_ASSIGN_OR_RAISE(SourcePtr source,
                        session->OpenFile(PathOf(command.input, "/dev/stdin"), input_options));
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, PlanScan(std::move(source)));
  const std::string output = PathOf(command.output, "/dev/stdout");
  ARROW_ASSIGN_OR_RAISE(auto sink, CreateFile(session->vfs(), output, output_options));
  Progress progress;
  ARROW_ASSIGN_OR_RAISE(const int64_t rows,
                        session->RunInto(std::move(plan), std::move(sink), progress.poll()));
  progress.Clear();
  fmt::print(stderr, "{} row{} written to {}\n", rows, rows == 1 ? "" : "s", output);
  return Status::OK();
}

}  // namespace headrace::app
