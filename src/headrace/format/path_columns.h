// Columns that the paths of files tell: their names, and the folders "year=2024/month=01" of Hive.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "headrace/table/source.h"

namespace headrace {

/// One value per file.
struct PathColumn {
  std::string name;
  TypePtr type;
  std::vector<ScalarPtr> values;
};

/// What stands for null in the name of a folder.
inline constexpr std::string_view kHiveNull = "__HIVE_DEFAULT_PARTITION__";

/// The columns of the folders "key=value" of `paths` (values may be %-encoded): int64 or date32
/// when all values are, else string. None when the paths do not all have the same keys in the same
/// order; kInvalidArgument then, or when they have none, if they are `required`.
Result<std::vector<PathColumn>> HiveColumns(const std::vector<std::string>& paths, bool required);
/// "key=value" as HiveColumns reads it; `value` is null for a null.
std::string HiveFolder(std::string_view key, const std::string* value);

PathColumn FilenameColumn(std::string name, const std::vector<std::string>& paths);

/// `source`, which is a FileSplits, with `columns` behind its own; a column of `source` that
/// has the name of one of them is hidden. Bounds on them leave out files.
SourcePtr WithPathColumns(SourcePtr source, std::vector<PathColumn> columns);

}  // namespace headrace
