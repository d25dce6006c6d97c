// TextFile: a CSV file as the stream of its text, compressed or not.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "arrow/io/interfaces.h"
#include "arrow/type_fwd.h"
#include "arrow/util/type_fwd.h"
#include "headrace/io/vfs.h"

namespace headrace::csv {

/// Bytes read at a time where the whole text is read in order.
inline constexpr int64_t kReadBytes = int64_t{1} << 20;
/// Where only its first lines are wanted.
inline constexpr int64_t kHeaderReadBytes = int64_t{64} << 10;

/// A file as it was when it was bound: a changed file is kStale. Immutable and thread safe.
class TextFile {
 public:
  /// Gzip and zstd are known by ".gz" and ".zst" and by the first bytes. `vfs` must outlive it.
  static Result<TextFile> Bind(Vfs& vfs, const FileInfo& info);

  const std::string& path() const { return info_.path; }
  /// Bytes of the file.
  int64_t size() const { return info_.size; }
  bool is_compressed() const { return compression_ != arrow::Compression::UNCOMPRESSED; }
  /// How many bytes to read at a time, at most `wanted`: no more than a small file has.
  int64_t ReadBytes(int64_t offset, int64_t wanted) const;

  /// The text from byte `offset` of it on. Compressed text before is decompressed and dropped.
  Result<std::shared_ptr<arrow::io::InputStream>> Open(int64_t offset,
                                                       arrow::MemoryPool* pool) const;

 private:
  TextFile(Vfs& vfs, const FileInfo& info, arrow::Compression::type compression)
      : vfs_(&vfs), info_(info), compression_(compression) {}

  Vfs* vfs_;
  FileInfo info_;
  arrow::Compression::type compression_;
};

}  // namespace headrace::csv
