// Whole files as streams of rows: formats whose files can only be read when they are complete.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/format/row_stream.h"
#include "headrace/table/source.h"

namespace headrace {

using OpenSource = Result<SourcePtr> (*)(Vfs& vfs, std::vector<std::string> paths,
                                         const OptionMap& options);

/// Reads each file as `open` opens it. Columns of another type than declared are cast where that
/// loses nothing.
std::unique_ptr<RowFormat> MakeWholeFileFormat(OpenSource open, SchemaPtr schema);

}  // namespace headrace
