// Vfs: the only way to the file system. LocalVfs is the machine's; MemoryVfs keeps files in memory
// and can lose what was not synced; FaultyVfs makes the k-th call fail.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "arrow/io/interfaces.h"
#include "headrace/base/error.h"

namespace headrace {

/// What tells whether a file is still the one that was bound.
struct FileInfo {
  std::string path;
  int64_t size = 0;
  int64_t modified_nanos = 0;
  uint64_t inode = 0;
  bool is_directory = false;
  bool is_stream = false;  // a pipe, socket, terminal or device: bytes come once, in order
  bool operator==(const FileInfo&) const = default;
};

/// An output file. Bytes are durable only after Sync.
class WritableFile : public arrow::io::OutputStream {
 public:
  virtual Status Sync() = 0;
};

/// Where the bytes written for a path go.
struct WriteTarget {
  std::string path;        // behind symbolic links
  bool is_stream = false;  // nothing can be renamed over it
};

/// Paths are as the operating system spells them. Errors are kNotFound or kIo and end with the path
/// and the system's reason. Thread safe.
class Vfs {
 public:
  /// Asked now and then by calls that wait for another process; an error ends the call.
  using Poll = std::function<Status()>;

  virtual ~Vfs() = default;
  /// ReadAt may be called from many threads; Read from one.
  virtual Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenForRead(
      const std::string& path) = 0;
  /// Creates or truncates.
  virtual Result<std::shared_ptr<WritableFile>> OpenForWrite(const std::string& path) = 0;
  /// Opens an existing file, cut to its first `size` bytes, to write behind them; Tell counts from
  /// the start of the file. kIo when it has fewer.
  virtual Result<std::shared_ptr<WritableFile>> OpenForAppend(const std::string& path,
                                                              int64_t size) = 0;
  /// Atomic; replaces `to`. Durable after SyncDirectory of its folder.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  /// OK when there is no such file.
  virtual Status Remove(const std::string& path) = 0;
  virtual Status RemoveTree(const std::string& path) = 0;
  virtual Status MakeDirectories(const std::string& path) = 0;
  virtual Status SyncDirectory(const std::string& path) = 0;
  virtual Result<FileInfo> Stat(const std::string& path) = 0;
  /// Entries of a directory by name, sorted.
  virtual Result<std::vector<FileInfo>> List(const std::string& path) = 0;
  virtual Result<WriteTarget> TargetOf(const std::string& path) { return WriteTarget{path}; }
  /// Files are on this machine's disks, where other processes see them.
  virtual bool is_local() const { return false; }
};

/// The machine's file system; lives as long as the process.
Vfs& LocalVfs();
/// Bytes read by LocalVfs since the process started; for tests and metrics.
int64_t LocalBytesRead();
std::unique_ptr<Vfs> MakeMemoryVfs();
/// A view of `base` (which must outlive it) that passes fault point "vfs.<call>" on every call and
/// on every read, write, sync and close of its files.
std::unique_ptr<Vfs> MakeFaultyVfs(Vfs& base);

struct PipeOptions {
  std::string folder;     // of the files that hold what came
  int64_t bytes_max = 0;  // per pipe; 0: no limit
  Vfs::Poll poll;         // asked while a pipe has nothing to give
};
/// A view of `base` (which must outlive it) in which streams are files: the first Stat or
/// OpenForRead of one reads it to its end into a file without a name. Later calls with the same
/// path see the same bytes.
std::unique_ptr<Vfs> MakePipedVfs(Vfs& base, PipeOptions options);

/// Files that match a pattern (*, ?, [...] in names, ** for any folders, but hidden ones),
/// sorted: or the pattern itself when something has that very name. kNotFound when nothing matches.
Result<std::vector<std::string>> Glob(Vfs& vfs, const std::string& pattern);

std::string ParentPath(std::string_view path);
std::string JoinPath(std::string_view directory, std::string_view name);

}  // namespace headrace
