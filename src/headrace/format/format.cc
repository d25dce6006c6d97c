// The registry of file formats: list.inc as a table, and the ways to find a row of it.
#include "headrace/format/format.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "headrace/format/file_source.h"

namespace headrace {

#define HEADRACE_FORMAT(Name, name, extensions)                          \
  Result<SourcePtr> Open##Name(Vfs& vfs, std::vector<std::string> paths, \
                               const OptionMap& options);                \
  Result<std::unique_ptr<Sink>> Create##Name(Vfs& vfs, std::string path, const OptionMap& options);
#include "headrace/format/list.inc"
#undef HEADRACE_FORMAT

namespace {

constexpr FileFormat kFormats[] = {
#define HEADRACE_FORMAT(Name, name, extensions) {name, extensions, Open##Name, Create##Name},
#include "headrace/format/list.inc"
#undef HEADRACE_FORMAT
};

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

std::vector<std::string> FormatNames() {
  std::vector<std::string> names;
  for (const FileFormat& format : kFormats) names.emplace_back(format.name);
  return names;
}

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

bool HasExtension(const FileFormat& format, std::string_view extension) {
  std::string_view rest = format.extensions;
  while (!rest.empty()) {
    const size_t bar = rest.find('|');
    if (rest.substr(0, bar) == extension) return true;
    rest = bar == std::string_view::npos ? std::string_view() : rest.substr(bar + 1);
  }
  return false;
}

std::string AllExtensions() {
  std::vector<std::string> extensions;
  for (const FileFormat& format : kFormats) {
    std::string text = std::string(".") + format.extensions;
    for (size_t bar; (bar = text.find('|')) != std::string::npos;) text.replace(bar, 1, ", .");
    extensions.push_back(std::move(text));
  }
  return Join(extensions);
}

/// Option "format" taken out of `options`, else by the extension of `path`.
Result<const FileFormat*> ChooseFormat(std::string_view path, OptionMap* options) {
  const auto given = options->find("format");
  if (given == options->end()) return FormatOfPath(path);
  const std::string name = given->second;
  options->erase(given);
  return FindFormat(name);
}

}  // namespace

std::span<const FileFormat> AllFormats() { return kFormats; }

Result<const FileFormat*> FindFormat(std::string_view name) {
  const std::string lower = Lower(name);
  for (const FileFormat& format : kFormats) {
    if (lower == format.name || HasExtension(format, lower)) return &format;
  }
  return Error(ErrorKind::kUnknownName, "expected one of the formats {}, got \"{}\"",
               Join(FormatNames()), name);
}

Result<const FileFormat*> FormatOfPath(std::string_view path) {
  std::string name = Lower(path.substr(path.find_last_of('/') + 1));
  for (const char* compressed : {".gz", ".zst"}) {
    if (name.ends_with(compressed)) name.resize(name.rfind('.'));
  }
  const size_t dot = name.rfind('.');
  if (dot != std::string::npos) {
    for (const FileFormat& format : kFormats) {
      if (HasExtension(format, std::string_view(name).substr(dot + 1))) return &format;
    }
  }
  return Error(
      ErrorKind::kInvalidArgument,
      "expected a file name with one of the extensions {} or the option format, got \"{}\"",
      AllExtensions(), path);
}

Result<SourcePtr> OpenFiles(Vfs& vfs, const std::string& pattern, OptionMap options) {
  return OpenFiles(vfs, std::vector<std::string>{pattern}, std::move(options));
}

Result<SourcePtr> OpenFiles(Vfs& vfs, const std::vector<std::string>& patterns, OptionMap options) {
  std::vector<std::string> paths;
  for (const std::string& pattern : patterns) {
    ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> found, Glob(vfs, pattern));
    paths.insert(paths.end(), found.begin(), found.end());
  }
  if (paths.empty()) {
    return Error(ErrorKind::kInvalidArgument, "expected at least one file, got an empty list");
  }
  const bool chosen = options.contains("format");
  ARROW_ASSIGN_OR_RAISE(const FileFormat* format, ChooseFormat(paths.front(), &options));
  for (const std::string& path : paths) {
    if (chosen) break;
    ARROW_ASSIGN_OR_RAISE(const FileFormat* other, FormatOfPath(path));
    if (other == format) continue;
    return Error(ErrorKind::kInvalidArgument, "expected {} files, as {} is one, got {}",
                 format->name, paths.front(), path);
  }
  return format->open(vfs, std::move(paths), options);
}

Result<std::unique_ptr<Sink>> CreateFile(Vfs& vfs, const std::string& path, OptionMap options) {
  ARROW_ASSIGN_OR_RAISE(const FileFormat* format, ChooseFormat(path, &options));
  return format->create(vfs, path, options);
}

}  // namespace headrace
