// The options of the reader.
#include "headrace/format/json_lines/options.h"

#include <utility>
#include <vector>

#include "headrace/format/csv/column_list.h"

namespace headrace::json_lines {
namespace {

template <typename Value>
using Choices = std::vector<std::pair<const char*, Value>>;

template <typename Value>
Result<Value> Choose(OptionReader& reader, const char* name, const Choices<Value>& choices) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, reader.Text(name, choices.front().first));
  std::string words;
  for (const auto& [word, value] : choices) {
    if (text == word) return value;
    words += (words.empty() ? "" : ", ") + std::string(word);
  }
  return Error(ErrorKind::kInvalidArgument, "json_lines reader: expected {} {}, got \"{}\"", name,
               words, text);
}

}  // namespace

Result<Options> ReadOptions(const OptionMap& options) {
  OptionReader reader("json_lines reader", options);
  Options read;
  ARROW_ASSIGN_OR_RAISE(read.layout, Choose<Layout>(reader, "layout",
                                                    {{"auto", Layout::kAuto},
                                                     {"lines", Layout::kLines},
                                                     {"array", Layout::kArray}}));
  ARROW_ASSIGN_OR_RAISE(read.on_error, Choose<OnError>(reader, "on_error",
                                                       {{"fail", OnError::kFail},
                                                        {"null", OnError::kNull},
                                                        {"skip_row", OnError::kSkipRow}}));
  ARROW_ASSIGN_OR_RAISE(const std::string columns, reader.Text("columns", ""));
  if (!columns.empty()) {
    ARROW_ASSIGN_OR_RAISE(read.columns, csv::ParseColumnList(columns));
  }
  const bool ignore = read.columns != nullptr;
  ARROW_ASSIGN_OR_RAISE(
      read.unknown_keys_fail,
      ignore ? Choose<bool>(reader, "unknown_keys", {{"ignore", false}, {"fail", true}})
             : Choose<bool>(reader, "unknown_keys", {{"fail", true}, {"ignore", false}}));
  ARROW_ASSIGN_OR_RAISE(read.infer_times, reader.Flag("infer_times", true));
  ARROW_ASSIGN_OR_RAISE(read.sample_rows,
                        reader.Integer("sample_rows", read.sample_rows, 1, int64_t{1} << 40));
  if (options.contains("sample_rows")) read.sample_bytes = std::numeric_limits<int64_t>::max();
  ARROW_RETURN_NOT_OK(reader.Finish());
  return read;
}

}  // namespace headrace::json_lines
