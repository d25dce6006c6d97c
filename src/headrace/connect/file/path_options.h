// Options that file streams and file sinks share: where the file is, and of which format.
#pragma once

#include <span>
#include <string>
#include <utility>

#include "headrace/format/format.h"
#include "headrace/table/options.h"

namespace headrace {

/// Option "path", in `folder` unless absolute; "file://" before it is left out. kInvalidArgument
/// when there is none, named for `owner`.
Result<std::string> ReadPath(OptionReader& reader, const std::string& folder, const char* owner);

/// By option "format", else by the path. The spelling csv_no_header becomes option header of
/// `options`.
Result<const FileFormat*> ReadFormat(OptionReader& reader, const std::string& path,
                                     OptionMap* options);

/// An other spelling of an option, and the one that is read.
using Alias = std::pair<const char*, const char*>;
/// `options` with one spelling each; kInvalidArgument where both are given.
Result<OptionMap> WithOneSpelling(const OptionMap& options, std::span<const Alias> aliases,
                                  const char* owner);

}  // namespace headrace
