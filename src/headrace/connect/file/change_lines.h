// Change lines: rows that may be taken back as JSON lines – what is in the table now as its row,
// what is gone as its key with "_deleted": true.
#pragma once

#include <string>
#include <vector>

#include "headrace/format/file_sink.h"

namespace headrace {

/// For batches with the column `_change` behind the others, or without it (all are insertions). A
/// row that is taken back becomes a tombstone unless a later row of the batch has its key. `path`
/// tells of compression. kUnknownName for keys that are no columns.
MakeEncoder ChangeLines(std::string path, std::vector<std::string> key);

}  // namespace headrace
