// The bytes of an input file as they were when its source was bound: a changed file is an error,
// and nothing past the size of that moment is read or allocated for.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "arrow/io/interfaces.h"
#include "arrow/type_fwd.h"
#include "headrace/io/positioned_file.h"
#include "headrace/io/vfs.h"

namespace headrace {

/// What each path is now. A directory is kInvalidArgument.
Result<std::vector<FileInfo>> StatFiles(Vfs& vfs, const std::vector<std::string>& paths);

/// kStale when the file is not the one that `bound` describes.
Status CheckUnchanged(Vfs& vfs, const FileInfo& bound);

/// An open file. One reader at a time may use it.
class BoundFile : public PositionedFile {
 public:
  using PositionedFile::PositionedFile;
  /// The first failure of the system in reading it; decoders may have hidden it in words of theirs.
  virtual const Status& failure() const = 0;
};

/// Opens `bound.path` after CheckUnchanged. Reads past `bound.size` are short, and lengths are cut
/// to it before memory is taken from `pool`, so a hostile length costs nothing.
Result<std::shared_ptr<BoundFile>> OpenBound(Vfs& vfs, const FileInfo& bound,
                                             arrow::MemoryPool* pool);

/// `status` of a library that decodes `path` as one of ours: failures of the system, of memory and
/// of missing features keep their kind, all else says that the file holds bad data. OK stays OK.
Status DecodeError(const Status& status, std::string_view path, std::string_view format);

}  // namespace headrace
