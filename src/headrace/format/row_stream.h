// RowStream: the rows of one file in order, from any place in it, also while the file grows. What
// streams of files read by; batch queries have DataFile.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arrow/io/interfaces.h"
#include "headrace/io/vfs.h"
#include "headrace/table/options.h"
#include "headrace/types/batch.h"

namespace headrace {

/// Where a row starts. In text: the byte in the (unpacked) text, and the lines before it. In other
/// formats: the part of the file, and the rows of that part before it.
struct RowPlace {
  int64_t offset = 0;
  int64_t row = 0;
  bool operator==(const RowPlace&) const = default;
};

/// A row that cannot be decoded.
struct BadRow {
  RowPlace place;
  Status error;  // "file:line: …"
  std::string_view payload;
};
/// An error that it gives ends the reading.
using OnBadRow = std::function<Status(const BadRow&)>;

/// An open file of a stream.
struct StreamFile {
  Vfs* vfs = nullptr;
  FileInfo info;                                      // when it was opened
  std::shared_ptr<arrow::io::RandomAccessFile> file;  // the path may be another file's by now
};

struct RowRequest {
  std::vector<int> projection;  // of the declared columns; may be empty
  int64_t batch_rows = 0;
  int64_t batch_bytes = 0;
  arrow::MemoryPool* pool = nullptr;
  OnBadRow on_bad_row;
};

/// One thread.
class RowStream {
 public:
  virtual ~RowStream() = default;
  /// The next rows, in the order of the projection: at most batch_rows (none when all that were
  /// looked at are bad). Nothing when there is no whole row now; later there may be.
  virtual Result<std::optional<Batch>> Next() = 0;
  /// Behind the last row that Next returned or called bad.
  virtual RowPlace place() const = 0;
  /// The file does not grow any more: a last line without a line end is a row.
  virtual void EndOfFile() {}
};

/// A format with the columns and the options of one stream. Immutable and thread safe.
class RowFormat {
 public:
  virtual ~RowFormat() = default;
  /// Whether files may be read while they grow; others must be whole when they appear.
  virtual bool is_text() const = 0;
  /// Columns by name: of what the file has besides nothing is decoded, what it lacks is null, or
  /// bad where the column is declared NOT NULL.
  virtual Result<std::unique_ptr<RowStream>> Open(const StreamFile& file, const RowPlace& from,
                                                  const RowRequest& request) const = 0;
};

/// The text of a file from byte `offset` on, to its present end and, when read again, on from
/// there; unpacked when its name says so.
Result<std::shared_ptr<arrow::io::InputStream>> OpenText(const StreamFile& file, int64_t offset,
                                                         arrow::MemoryPool* pool);

}  // namespace headrace
