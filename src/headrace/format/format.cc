// The registry of file formats: list.inc as a table, and the ways to find a row of it.
#include "headrace/format/format.h"

#include <algorithm>
#include <utility>

#include "headrace/base/ascii_case.h"
#include "headrace/format/file_source.h"
#include "headrace/format/partitioned_sink.h"
#include "headrace/format/path_columns.h"
#include "headrace/format/union_source.h"

namespace headrace {

#define HEADRACE_FORMAT(Name, name, extensions, is_text)                               \
  Result<SourcePtr> Open##Name(Vfs& vfs, std::vector<std::string> paths,               \
                               const OptionMap& options);                              \
  Result<MakeEncoder> Encode##Name(const std::string& path, const OptionMap& options); \
  Result<std::unique_ptr<RowFormat>> Stream##Name(const SchemaPtr& schema,             \
                                                  const OptionMap& options, OptionReader& reader);
#include "headrace/format/list.inc"
#undef HEADRACE_FORMAT

namespace {

constexpr FileFormat kFormats[] = {
#define HEADRACE_FORMAT(Name, name, extensions, is_text) \
  {name, extensions, is_text, Open##Name, Encode##Name, Stream##Name},
#include "headrace/format/list.inc"
#undef HEADRACE_FORMAT
};

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

/// A sink that makes `path`; nothing exists under that name before Commit.
Result<std::unique_ptr<Sink>> MakeSink(const FileFormat& format, Vfs& vfs, std::string path,
                                       const OptionMap& options) {
  ARROW_ASSIGN_OR_RAISE(MakeEncoder make, format.encode(path, options));
  return MakeFileSink(vfs, format.name, std::move(path), std::move(make));
}

enum class Hive { kAuto, kYes, kNo };

/// Options that are about paths, whatever the format.
struct PathOptions {
  std::string filename;  // of the column; "": none
  Hive hive = Hive::kAuto;
  bool union_by_name = false;
};

Result<PathOptions> TakePathOptions(OptionMap* options) {
  OptionReader reader("files", *options);
  PathOptions taken;
  const auto filename = options->find("filename");
  if (filename != options->end()) {
    const Result<bool> flag = reader.Flag("filename", false);
    taken.filename = !flag.ok() ? filename->second : *flag ? "filename" : "";
  }
  const auto hive = options->find("hive_partitioning");
  if (hive != options->end() && hive->second != "auto") {
    ARROW_ASSIGN_OR_RAISE(const bool yes, reader.Flag("hive_partitioning", false));
    taken.hive = yes ? Hive::kYes : Hive::kNo;
  }
  ARROW_ASSIGN_OR_RAISE(taken.union_by_name, reader.Flag("union_by_name", false));
  for (const char* name : {"filename", "hive_partitioning", "union_by_name"}) options->erase(name);
  return taken;
}

/// "a, b, \"c,d\"".
Result<std::vector<std::string>> ParseNames(std::string_view text) {
  std::vector<std::string> names(1);
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      names.emplace_back();
    } else if (quoted || c != ' ') {
      names.back() += c;
    }
  }
  const bool empty = std::find(names.begin(), names.end(), "") != names.end();
  if (!empty && !quoted) return names;
  return Error(ErrorKind::kInvalidArgument,
               "partition_by: expected names of columns with commas between them, got \"{}\"",
               text);
}

/// The files of a pattern, or those in a folder that are of the format, or of any known one.
Result<std::vector<std::string>> PathsOf(Vfs& vfs, const std::string& pattern,
                                         const std::string& format) {
  const Result<FileInfo> info = vfs.Stat(pattern);
  if (!info.ok() && KindOf(info.status()) != ErrorKind::kNotFound) return info.status();
  if (!info.ok() || !info->is_directory) return Glob(vfs, pattern);
  Result<std::vector<std::string>> paths = Glob(vfs, JoinPath(pattern, "**"));
  if (paths.ok() && format.empty()) {
    std::erase_if(*paths, [](const std::string& path) { return !FormatOfPath(path).ok(); });
  }
  if (paths.ok() && !paths->empty()) return paths;
  if (!paths.ok() && KindOf(paths.status()) != ErrorKind::kNotFound) return paths;
  return Error(ErrorKind::kNotFound, "no file of a known format in the folder {}", pattern);
}

/// Every path has an extension of `format`, the format of the first.
Status CheckFormats(const FileFormat& format, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    ARROW_ASSIGN_OR_RAISE(const FileFormat* other, FormatOfPath(path));
    if (other == &format) continue;
    return Error(ErrorKind::kInvalidArgument, "expected {} files, as {} is one, got {}",
                 format.name, paths.front(), path);
  }
  return Status::OK();
}

Result<SourcePtr> OpenPaths(Vfs& vfs, const FileFormat& format,
                            const std::vector<std::string>& paths, const OptionMap& options,
                            bool union_by_name) {
  if (!union_by_name || paths.size() == 1) return format.open(vfs, paths, options);
  std::vector<SourcePtr> sources;
  for (const std::string& path : paths) {
    ARROW_ASSIGN_OR_RAISE(SourcePtr source, format.open(vfs, {path}, options));
    sources.push_back(std::move(source));
  }
  return MakeUnionByName(std::move(sources), paths);
}

}  // namespace

std::span<const FileFormat> AllFormats() { return kFormats; }

Result<const FileFormat*> FindFormat(std::string_view name) {
  const std::string lower = LowerCase(name);
  for (const FileFormat& format : kFormats) {
    if (lower == format.name || HasExtension(format, lower)) return &format;
  }
  return Error(ErrorKind::kUnknownName, "expected one of the formats {}, got \"{}\"",
               Join(FormatNames()), name);
}

Result<const FileFormat*> FormatOfPath(std::string_view path) {
  std::string name = LowerCase(path.substr(path.find_last_of('/') + 1));
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

Result<SourcePtr> OpenFiles(Vfs& vfs, const std::vector<std::string>& patterns, OptionMap options) {
  ARROW_ASSIGN_OR_RAISE(const PathOptions path_options, TakePathOptions(&options));
  const auto given = options.find("format");
  const std::string format_name = given == options.end() ? "" : given->second;
  std::vector<std::string> paths;
  for (const std::string& pattern : patterns) {
    ARROW_ASSIGN_OR_RAISE(std::vector<std::string> some, PathsOf(vfs, pattern, format_name));
    paths.insert(paths.end(), some.begin(), some.end());
  }
  if (paths.empty()) {
    return Error(ErrorKind::kInvalidArgument, "expected at least one file, got an empty list");
  }
  ARROW_ASSIGN_OR_RAISE(const FileFormat* format, ChooseFormat(paths.front(), &options));
  if (format_name.empty()) ARROW_RETURN_NOT_OK(CheckFormats(*format, paths));
  ARROW_ASSIGN_OR_RAISE(SourcePtr source,
                        OpenPaths(vfs, *format, paths, options, path_options.union_by_name));
  std::vector<PathColumn> columns;
  if (path_options.hive != Hive::kNo) {
    ARROW_ASSIGN_OR_RAISE(columns, HiveColumns(paths, path_options.hive == Hive::kYes));
  }
  if (!path_options.filename.empty()) {
    columns.push_back(FilenameColumn(path_options.filename, paths));
  }
  return columns.empty() ? source : WithPathColumns(std::move(source), std::move(columns));
}

Result<SourcePtr> OpenFiles(Vfs& vfs, const std::string& pattern, OptionMap options) {
  return OpenFiles(vfs, std::vector<std::string>{pattern}, std::move(options));
}

Result<std::unique_ptr<Sink>> CreateFile(Vfs& vfs, const std::string& path, OptionMap options) {
  const auto partition_by = options.find("partition_by");
  if (partition_by == options.end()) {
    ARROW_ASSIGN_OR_RAISE(const FileFormat* format, ChooseFormat(path, &options));
    return MakeSink(*format, vfs, path, options);
  }
  ARROW_ASSIGN_OR_RAISE(std::vector<std::string> columns, ParseNames(partition_by->second));
  options.erase(partition_by);
  if (!options.contains("format")) options["format"] = "parquet";
  ARROW_ASSIGN_OR_RAISE(const FileFormat* format, ChooseFormat(path, &options));
  const std::string_view extensions = format->extensions;
  const std::string extension = "." + std::string(extensions.substr(0, extensions.find('|')));
  // Options that do not fit are told before anything is made.
  ARROW_RETURN_NOT_OK(format->encode(JoinPath(path, "data" + extension), options).status());
  return MakePartitionedSink(vfs, path, std::move(columns), extension,
                             [&vfs, format, options](const std::string& file) {
                               return MakeSink(*format, vfs, file, options);
                             });
}

}  // namespace headrace
