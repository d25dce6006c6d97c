// File formats: bytes ↔ batches. A format is one row of format/list.inc.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/io/vfs.h"
#include "headrace/table/options.h"
#include "headrace/table/sink.h"
#include "headrace/table/source.h"

namespace headrace {

struct FileFormat {
  const char* name;        // "csv"
  const char* extensions;  // "csv|tsv"
  /// A bounded source over `paths` (at least one, all of one schema) in the order given.
  Result<SourcePtr> (*open)(Vfs& vfs, std::vector<std::string> paths, const OptionMap& options);
  /// A sink that makes `path`; nothing exists under that name before Commit.
  Result<std::unique_ptr<Sink>> (*create)(Vfs& vfs, std::string path, const OptionMap& options);
};

std::span<const FileFormat> AllFormats();
/// kUnknownName lists the formats there are.
Result<const FileFormat*> FindFormat(std::string_view name);
/// By the file's extension (".gz" and ".zst" are not part of it); kInvalidArgument names those
/// known.
Result<const FileFormat*> FormatOfPath(std::string_view path);

/// Globs every pattern, finds the format (option "format", else the extension, which must be of one
/// format) and opens the files as one source, pattern after pattern.
Result<SourcePtr> OpenFiles(Vfs& vfs, const std::string& pattern, OptionMap options);
Result<SourcePtr> OpenFiles(Vfs& vfs, const std::vector<std::string>& patterns, OptionMap options);
/// The sink for `path`: option "format", else the extension.
Result<std::unique_ptr<Sink>> CreateFile(Vfs& vfs, const std::string& path, OptionMap options);

}  // namespace headrace
