// TrackedFile: a file of a stream, where it was read to, and how to know it again when its name has
// changed or its bytes are others.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/format/row_stream.h"
#include "headrace/io/vfs.h"

namespace headrace {

/// The first bytes of a file, as far as they were read.
struct FileHead {
  static constexpr int64_t kBytesMax = 256;
  int64_t bytes = 0;
  uint64_t hash = 0;
  bool operator==(const FileHead&) const = default;
};
/// Of the first `bytes` bytes; fewer when the file is shorter.
Result<FileHead> HeadOf(arrow::io::RandomAccessFile& file, int64_t bytes);

struct TrackedFile {
  std::string path;  // where it was seen last
  uint64_t inode = 0;
  RowPlace place;  // of the next row
  FileHead head;
  bool finished = false;  // read to its end, which is the end

  // Of this process only.
  StreamFile open;                  // open.file is null while it is closed
  std::unique_ptr<RowStream> rows;  // goes on at `place`
  int64_t size = 0;                 // when it was looked at last
  int64_t modified_nanos = 0;
  bool fresh = true;             // not read to its end since it was opened
  int64_t caught_up_micros = 0;  // when it was last read to its end
  int64_t detached_micros = -1;  // when its name was found to be another file's; −1: it is its
  int64_t bytes_counted = 0;     // in the counts of the stream: its size, and what was read of it
  int64_t bytes_read_counted = 0;
  bool renamed = false;  // to a name that does not match, and found there
};

/// A position: counts, and what is saved of the files.
struct FilePosition {
  int64_t rows = 0;
  int64_t errors = 0;
  std::vector<std::unique_ptr<TrackedFile>> files;
};
std::string WritePosition(const FilePosition& position);
/// kInvalidArgument for what WritePosition did not write.
Result<FilePosition> ReadPosition(std::string_view text);

}  // namespace headrace
