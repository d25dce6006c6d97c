// headrace convert: a file in one format becomes a file in another.
#include "command.h"
#include "headrace/format/format.h"
#include "headrace/plan/builder.h"
#include "progress.h"

namespace headrace::app {
namespace {

/// REQUIRES: every text is name=value.
OptionMap OptionsFrom(const std::vector<std::string>& texts) {
  OptionMap options;
  for (const std::string& text : texts) {
    const size_t sign = text.find('=');
    options[text.substr(0, sign)] = text.substr(sign + 1);
  }
  return options;
}

}  // namespace

Status RunConvert(const ConvertCommand& command, const Settings& settings) {
  ARROW_ASSIGN_OR_RAISE(const auto session, Session::Make(settings));
  ARROW_ASSIGN_OR_RAISE(SourcePtr source,
                        session->OpenFile(command.input, OptionsFrom(command.input_options)));
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, PlanScan(std::move(source)));
  ARROW_ASSIGN_OR_RAISE(
      auto sink, CreateFile(session->vfs(), command.output, OptionsFrom(command.output_options)));
  Progress progress;
  ARROW_ASSIGN_OR_RAISE(const int64_t rows,
                        session->RunInto(std::move(plan), std::move(sink), progress.Poll()));
  progress.Clear();
  fmt::print(stderr, "{} rows written to {}\n", rows, command.output);
  return Status::OK();
}

}  // namespace headrace::app
