// Union by name: sources whose columns come in other orders, or are missing in some, as one table.
#pragma once

#include <vector>

#include "headrace/table/source.h"

namespace headrace {

/// The rows of `sources`, one after the other, with the columns of all of them in the order in
/// which their names come first; what a source does not have is null. Number types of one name are
/// widened to one that takes both; other types that differ are kTypeMismatch. `labels` name the
/// sources in errors. It is a FileSplits too: files
/// are the numbers of the sources.
Result<SourcePtr> MakeUnionByName(std::vector<SourcePtr> sources, std::vector<std::string> labels);

}  // namespace headrace
