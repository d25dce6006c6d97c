// AtomicFile: a file that appears whole under its name, or not at all.
#pragma once

#include <memory>
#include <string>

#include "headrace/io/vfs.h"

namespace headrace {

/// A hidden sibling of `path` that no other writer uses: ".out.parquet.<host>-<process>-7.part". On
/// the machine's own files, siblings that processes of this host left when they were killed are
/// removed, once per folder.
std::string TemporaryPath(Vfs& vfs, const std::string& path);

/// Writes to a hidden sibling of `path`; Commit flushes, syncs, renames and syncs the folder.
/// Abort, and dropping it, remove the sibling. One thread. After a failed call only Abort is
/// allowed. A stream (a pipe, a terminal, /dev/null) takes the bytes as they are written. Behind a
/// symbolic link it is the file that is replaced.
class AtomicFile {
 public:
  static Result<std::unique_ptr<AtomicFile>> Make(Vfs& vfs, std::string path);
  ~AtomicFile();

  const std::shared_ptr<WritableFile>& stream() const { return stream_; }
  const std::string& path() const { return path_; }
  /// Flushes, syncs and closes: after it Commit is only the rename. Idempotent.
  Status Prepare();
  /// Prepares if need be, then publishes. Idempotent.
  Status Commit();
  Status Abort();

 private:
  AtomicFile(Vfs& vfs, std::string path, std::string temporary,
             std::shared_ptr<WritableFile> stream);

  Vfs& vfs_;
  const std::string path_;
  const std::string temporary_;
  std::shared_ptr<WritableFile> stream_;
  bool prepared_ = false;
  bool done_ = false;
};

}  // namespace headrace
