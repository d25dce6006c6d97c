// FileSet: the files of a stream – which there are, which are new, and what happened to those that
// are known: growth, rotation, truncation.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "headrace/connect/file/file_stream.h"
#include "headrace/connect/file/tracked_file.h"

namespace headrace {

/// One thread. Files are in the order in which they were found, those found together by name.
class FileSet {
 public:
  FileSet(Vfs& vfs, const FileStreamOptions& options, std::shared_ptr<const RowFormat> format,
          std::shared_ptr<FileStreamCounts> counts)
      : vfs_(vfs), options_(options), format_(std::move(format)), counts_(std::move(counts)) {}

  std::vector<std::unique_ptr<TrackedFile>>& files() { return files_; }
  const std::vector<std::unique_ptr<TrackedFile>>& files() const { return files_; }

  /// Adds files that match and are not known; finds known ones under new names. kNotFound when
  /// there is none and the stream does not watch.
  Status Discover();
  /// A name has come to another file: there may be new ones.
  bool wants_discovery() const { return wants_discovery_; }

  /// Whether a file is read on when it grows.
  bool Grows(const TrackedFile& file) const;
  enum class News {
    kNothing,
    kBytes,     // there may be more to read
    kLingers,   // there is more, but little, and it was read to its end only just now
    kDeparted,  // its name is another file's, nothing came for a while: it is at its end
  };
  /// What happened to a file that grows. A file that was cut begins anew.
  Result<News> LookAt(TrackedFile& file, int64_t now_micros);

  /// Opens `file.rows` at its place. False when the file is gone; then it is finished.
  Result<bool> OpenRows(TrackedFile& file, const RowRequest& request);
  /// The file was read to the end it had when it was looked at last.
  void CaughtUp(TrackedFile& file, int64_t now_micros) const;
  /// How far `file` was read goes into the counts. A file that is packed, or no text, counts as a
  /// whole once it is finished.
  void CountBytes(TrackedFile& file) const;
  /// Notes how the file begins, as far as it was read.
  Status NoteHead(TrackedFile& file) const;
  static void Finish(TrackedFile& file);
  /// Forgets finished files that do not exist any more; of a stream that watches.
  void ForgetDeparted();

 private:
  TrackedFile* Find(uint64_t inode);
  Status AddOrRename(const FileInfo& info);
  Result<bool> OpenHandle(TrackedFile& file);
  /// The file in the folder of `file` that is the same, under whatever name.
  Result<bool> FindRenamed(TrackedFile& file);
  void BeginAnew(TrackedFile& file) const;
  void CloseIdle(const TrackedFile& kept);

  Vfs& vfs_;
  const FileStreamOptions options_;
  const std::shared_ptr<const RowFormat> format_;
  const std::shared_ptr<FileStreamCounts> counts_;
  std::vector<std::unique_ptr<TrackedFile>> files_;
  bool wants_discovery_ = true;
};

}  // namespace headrace
