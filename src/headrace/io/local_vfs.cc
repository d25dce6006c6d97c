// LocalVfs: the machine's file system over POSIX calls.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "arrow/buffer.h"
#include "headrace/io/positioned_file.h"
#include "headrace/io/system_error.h"
#include "headrace/io/vfs.h"

namespace headrace {

Status SystemError(const char* what, const std::string& path, int error) {
  const ErrorKind kind = error == ENOENT || error == ENOTDIR ? ErrorKind::kNotFound
                         : error == EPIPE                    ? ErrorKind::kCancelled
                                                             : ErrorKind::kIo;
  return Error(kind, "cannot {} {}: {}", what, path, std::generic_category().message(error));
}

namespace {

constexpr int64_t kWriteBufferBytes = 256 * 1024;

std::atomic<int64_t> bytes_read{0};

const char* OrDot(const std::string& path) { return path.empty() ? "." : path.c_str(); }

// An open descriptor, closed when it dies.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  // An interrupted close has closed the descriptor on Linux: it is never repeated.
  int Close() {
    const int fd = std::exchange(fd_, -1);
    return fd < 0 || ::close(fd) == 0 || errno == EINTR ? 0 : errno;
  }

 private:
  int fd_;
};

class LocalReadFile final : public PositionedFile {
 public:
  LocalReadFile(std::string path, int fd, int64_t size)
      : PositionedFile(std::move(path)), fd_(fd), size_(size) {}

  Status Close() override {
    const int error = fd_.Close();
    return error == 0 ? Status::OK() : SystemError("close", path(), error);
  }
  bool closed() const override { return !fd_.is_open(); }
  Result<int64_t> GetSize() override { return size_; }

  using PositionedFile::ReadAt;
  Result<int64_t> ReadAt(int64_t position, int64_t nbytes, void* out) override {
    if (closed()) return Error(ErrorKind::kIo, "read from a closed file {}", path());
    if (position < 0 || nbytes < 0) return Error(ErrorKind::kIo, "bad range in {}", path());
    int64_t done = 0;
    while (done < nbytes) {
      const ssize_t got = Retrying([&] {
        return ::pread(fd_.get(), static_cast<char*>(out) + done,
                       static_cast<size_t>(nbytes - done), position + done);
      });
      if (got < 0) return SystemError("read", path(), errno);
      if (got == 0) break;
      done += got;
    }
    bytes_read.fetch_add(done, std::memory_order_relaxed);
    return done;
  }
  Result<int64_t> ReadAt(int64_t position, int64_t nbytes, bool allow_short_read,
                         void* out) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t got, ReadAt(position, nbytes, out));
    if (got < nbytes && !allow_short_read) return ShortRead(position, nbytes, got);
    return got;
  }
  Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t nbytes) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t available, AvailableAt(position, nbytes));
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(available));
    ARROW_ASSIGN_OR_RAISE(const int64_t got, ReadAt(position, available, buffer->mutable_data()));
    if (got < available) ARROW_RETURN_NOT_OK(buffer->Resize(got));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }
  Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t nbytes,
                                                bool allow_short_read) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position, nbytes));
    if (buffer->size() < nbytes && !allow_short_read) {
      return ShortRead(position, nbytes, buffer->size());
    }
    return buffer;
  }

 private:
  Status ShortRead(int64_t position, int64_t nbytes, int64_t got) const {
    return Error(ErrorKind::kIo, "cannot read {} bytes at {} of {}: the file ends after {}", nbytes,
                 position, path(), got);
  }

  // A request past the end must not allocate what it asks for; a file may have grown since.
  Result<int64_t> AvailableAt(int64_t position, int64_t nbytes) const {
    if (position < 0 || nbytes < 0) return Error(ErrorKind::kIo, "bad range in {}", path());
    if (nbytes <= size_ - position) return nbytes;
    struct stat info;
    if (::fstat(fd_.get(), &info) != 0) return SystemError("read", path(), errno);
    return std::clamp<int64_t>(info.st_size - position, 0, nbytes);
  }

  Descriptor fd_;
  const int64_t size_;
};

// After a failed write or sync every later call repeats the failure: what is on disk is unknown.
class LocalWriteFile final : public WritableFile {
 public:
  /// Bytes go to where the descriptor stands, which is `position`.
  LocalWriteFile(std::string path, int fd, int64_t position = 0)
      : path_(std::move(path)),
        fd_(fd),
        buffer_(std::make_unique<char[]>(kWriteBufferBytes)),
        position_(position) {
    set_mode(arrow::io::FileMode::WRITE);
  }
  ~LocalWriteFile() override { (void)LocalWriteFile::Close(); }

  using WritableFile::Write;
  Status Write(const void* data, int64_t nbytes) override {
    ARROW_RETURN_NOT_OK(CheckOpen());
    if (nbytes > kWriteBufferBytes - buffered_) ARROW_RETURN_NOT_OK(Flush());
    position_ += nbytes;
    if (nbytes >= kWriteBufferBytes) return WriteThrough(static_cast<const char*>(data), nbytes);
    if (nbytes > 0) std::memcpy(buffer_.get() + buffered_, data, static_cast<size_t>(nbytes));
    buffered_ += nbytes;
    return Status::OK();
  }
  Status Flush() override {
    ARROW_RETURN_NOT_OK(CheckOpen());
    return WriteThrough(buffer_.get(), std::exchange(buffered_, 0));
  }
  Status Sync() override {
    ARROW_RETURN_NOT_OK(Flush());
    // Pipes and terminals cannot be synced and say EINVAL.
    const int synced = Retrying([&] { return ::fdatasync(fd_.get()); });
    return synced == 0 || errno == EINVAL ? Status::OK() : Fail("sync", errno);
  }
  Status Close() override {
    if (closed()) return Status::OK();
    const Status flushed = failure_.ok() ? Flush() : failure_;
    const int error = fd_.Close();
    if (!flushed.ok()) return flushed;
    return error == 0 ? Status::OK() : SystemError("close", path_, error);
  }
  bool closed() const override { return !fd_.is_open(); }
  Result<int64_t> Tell() const override { return position_; }

 private:
  Status CheckOpen() const {
    return closed() ? Error(ErrorKind::kIo, "write to a closed file {}", path_) : failure_;
  }
  Status Fail(const char* what, int error) {
    failure_ = SystemError(what, path_, error);
    return failure_;
  }
  Status WriteThrough(const char* data, int64_t nbytes) {
    while (nbytes > 0) {
      const ssize_t put =
          Retrying([&] { return ::write(fd_.get(), data, static_cast<size_t>(nbytes)); });
      if (put < 0) return Fail("write", errno);
      data += put;
      nbytes -= put;
    }
    return Status::OK();
  }

  const std::string path_;
  Descriptor fd_;
  std::unique_ptr<char[]> buffer_;
  int64_t buffered_ = 0;
  int64_t position_;
  Status failure_;
};

FileInfo InfoFrom(std::string path, const struct stat& info) {
  return {.path = std::move(path),
          .size = info.st_size,
          .modified_nanos = info.st_mtim.tv_sec * int64_t{1'000'000'000} + info.st_mtim.tv_nsec,
          .inode = info.st_ino,
          .is_directory = S_ISDIR(info.st_mode),
          .is_stream = !S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode)};
}

class LocalFileSystem final : public Vfs {
 public:
  Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenForRead(
      const std::string& path) override {
    const int fd = Retrying([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); });
    if (fd < 0) return SystemError("open", path, errno);
    struct stat info;
    const int error = ::fstat(fd, &info) != 0 ? errno : S_ISDIR(info.st_mode) ? EISDIR : 0;
    auto file = std::make_shared<LocalReadFile>(path, fd, error == 0 ? info.st_size : 0);
    if (error != 0) return SystemError("open", path, error);
    return file;
  }

  Result<std::shared_ptr<WritableFile>> OpenForWrite(const std::string& path) override {
    const int fd = Retrying(
        [&] { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666); });
    if (fd < 0) return SystemError("create", path, errno);
    return std::make_shared<LocalWriteFile>(path, fd);
  }

  Result<std::shared_ptr<WritableFile>> OpenForAppend(const std::string& path,
                                                      int64_t size) override {
    const int fd = Retrying([&] { return ::open(path.c_str(), O_WRONLY | O_CLOEXEC); });
    if (fd < 0) return SystemError("open", path, errno);
    auto file = std::make_shared<LocalWriteFile>(path, fd, size);
    struct stat info;
    if (::fstat(fd, &info) != 0) return SystemError("open", path, errno);
    if (info.st_size < size) return TooShort(path, size, info.st_size);
    if (info.st_size > size && Retrying([&] { return ::ftruncate(fd, size); }) != 0) {
      return SystemError("truncate", path, errno);
    }
    if (::lseek(fd, size, SEEK_SET) < 0) return SystemError("seek", path, errno);
    return file;
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (std::rename(from.c_str(), to.c_str()) == 0) return Status::OK();
    return SystemError("rename", from + " to " + to, errno);
  }

  Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) return Status::OK();
    return SystemError("remove", path, errno);
  }

  Status RemoveTree(const std::string& path) override {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    return error ? SystemError("remove", path, error.value()) : Status::OK();
  }

  Status MakeDirectories(const std::string& path) override {
    if (path.empty()) return Status::OK();
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (!error && !std::filesystem::is_directory(path, error)) return MakeFailed(path, ENOTDIR);
    return error ? MakeFailed(path, error.value()) : Status::OK();
  }

  Status SyncDirectory(const std::string& path) override {
    const Descriptor fd(
        Retrying([&] { return ::open(OrDot(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (!fd.is_open()) return SystemError("open", path, errno);
    // Some file systems cannot sync a directory and say EINVAL.
    if (Retrying([&] { return ::fsync(fd.get()); }) == 0 || errno == EINVAL) return Status::OK();
    return SystemError("sync", path, errno);
  }

  Result<FileInfo> Stat(const std::string& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) != 0) return SystemError("open", path, errno);
    return InfoFrom(path, info);
  }

  Result<WriteTarget> TargetOf(const std::string& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) != 0) return WriteTarget{path};  // a new file
    if (InfoFrom(path, info).is_stream) return WriteTarget{path, true};
    if (::lstat(path.c_str(), &info) != 0 || !S_ISLNK(info.st_mode)) return WriteTarget{path};
    std::error_code error;
    const std::filesystem::path target = std::filesystem::canonical(path, error);
    if (error) return SystemError("open", path, error.value());
    return WriteTarget{target.string()};
  }
  bool is_local() const override { return true; }

  Result<std::vector<FileInfo>> List(const std::string& path) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(OrDot(path)), ::closedir);
    if (directory == nullptr) return SystemError("list", path, errno);
    std::vector<FileInfo> entries;
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(directory.get());
      if (entry == nullptr && errno != 0) return SystemError("list", path, errno);
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      struct stat info;
      if (name == "." || name == "..") continue;
      // A file removed meanwhile, or a link to nowhere, is not listed.
      if (::fstatat(::dirfd(directory.get()), entry->d_name, &info, 0) != 0) continue;
      entries.push_back(InfoFrom(JoinPath(path, name), info));
    }
    std::sort(entries.begin(), entries.end(),
              [](const FileInfo& a, const FileInfo& b) { return a.path < b.path; });
    return entries;
  }

 private:
  static Status MakeFailed(const std::string& path, int error) {
    return Error(ErrorKind::kIo, "cannot make directory {}: {}", path,
                 std::generic_category().message(error));
  }
};

}  // namespace

Vfs& LocalVfs() {
  static LocalFileSystem vfs;
  return vfs;
}

int64_t LocalBytesRead() { return bytes_read.load(std::memory_order_relaxed); }

}  // namespace headrace
