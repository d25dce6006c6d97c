// PartitionedSink: rows into a folder of files, one folder "key=value" per value of the partition
// columns, as HiveColumns reads them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "headrace/io/vfs.h"
#include "headrace/table/sink.h"

namespace headrace {

/// Makes the sink of one file.
using CreateSink = std::function<Result<std::unique_ptr<Sink>>(const std::string& path)>;

/// `columns` are not written into the files. All files are made in a hidden folder beside
/// `directory`, which takes its name at Commit: nothing or all of it is seen. `directory` must not
/// exist, or be empty. `extension` begins with a dot.
std::unique_ptr<Sink> MakePartitionedSink(Vfs& vfs, std::string directory,
                                          std::vector<std::string> columns, std::string extension,
                                          CreateSink create);

}  // namespace headrace
