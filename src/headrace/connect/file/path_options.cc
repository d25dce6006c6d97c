// Reading of the shared options.
#include "headrace/connect/file/path_options.h"

#include "headrace/base/ascii_case.h"

namespace headrace {

Result<std::string> ReadPath(OptionReader& reader, const std::string& folder, const char* owner) {
  ARROW_ASSIGN_OR_RAISE(std::string path, reader.Text("path", ""));
  if (path.starts_with("file://")) path.erase(0, 7);
  if (path.empty()) {
    return Error(ErrorKind::kInvalidArgument, "{}: expected the option path, got none", owner);
  }
  return folder.empty() || path.starts_with('/') ? path : JoinPath(folder, path);
}

Result<const FileFormat*> ReadFormat(OptionReader& reader, const std::string& path,
                                     OptionMap* options) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, reader.Text("format", ""));
  const std::string name = LowerCase(text);
  if (name.empty()) return FormatOfPath(path);
  if (name == "csv_no_header") {
    (*options)["header"] = "false";
    return FindFormat("csv");
  }
  return FindFormat(name == "jsonlines" ? "json_lines" : name);
}

Result<OptionMap> WithOneSpelling(const OptionMap& options, std::span<const Alias> aliases,
                                  const char* owner) {
  OptionMap known = options;
  for (const auto& [alias, name] : aliases) {
    const auto given = known.find(alias);
    if (given == known.end()) continue;
    if (known.contains(name)) {
      return Error(ErrorKind::kInvalidArgument,
                   "{}: options {} and {} are the same; expected one of them", owner, alias, name);
    }
    std::string value = given->second;
    known.erase(given);
    known.emplace(name, std::move(value));
  }
  return known;
}

}  // namespace headrace
