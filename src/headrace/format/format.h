// File formats: bytes ↔ batches. A format is one row of format/list.inc.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/format/file_sink.h"
#include "headrace/format/row_stream.h"
#include "headrace/io/vfs.h"
#include "headrace/table/options.h"
#include "headrace/table/sink.h"
#include "headrace/table/source.h"

namespace headrace {

struct FileFormat {
  const char* name;        // "csv"
  const char* extensions;  // "csv|tsv"
  /// Files may be put one behind the other (but for a header): text.
  bool is_text;
  /// A bounded source over `paths` (at least one, all of one schema) in the order given.
  Result<SourcePtr> (*open)(Vfs& vfs, std::vector<std::string> paths, const OptionMap& options);
  /// Of files that are, or are to be, called `path`.
  Result<MakeEncoder> (*encode)(const std::string& path, const OptionMap& options);
  /// The rows of files with the columns of `schema` as a stream; takes its options from `reader`,
  /// which reads `options`.
  Result<std::unique_ptr<RowFormat>> (*stream)(const SchemaPtr& schema, const OptionMap& options,
                                               OptionReader& reader);
};

std::span<const FileFormat> AllFormats();
/// kUnknownName lists the formats there are.
Result<const FileFormat*> FindFormat(std::string_view name);
/// By the file's extension (".gz" and ".zst" are not part of it); kInvalidArgument names those
/// known.
Result<const FileFormat*> FormatOfPath(std::string_view path);

/// Opens the files that match the patterns, in the order of the patterns, as one source. A folder
/// stands for all files under it. The format is option "format", else by the extension. For all
/// formats: "filename" (true, or the name of a column with the path), "hive_partitioning" (auto,
/// true, false: columns of folders key=value), "union_by_name"; other options are the format's.
Result<SourcePtr> OpenFiles(Vfs& vfs, const std::string& pattern, OptionMap options);
Result<SourcePtr> OpenFiles(Vfs& vfs, const std::vector<std::string>& patterns, OptionMap options);
/// The sink for `path`: option "format", else the extension. With option "partition_by" (names of
/// columns with commas between them) `path` is a folder of files in folders key=value, by default
/// of Parquet.
Result<std::unique_ptr<Sink>> CreateFile(Vfs& vfs, const std::string& path, OptionMap options);

}  // namespace headrace
