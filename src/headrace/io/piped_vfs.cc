// PipedVfs: the bytes of a pipe go into a file without a name, which is read in its place.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <charconv>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "arrow/buffer.h"
#include "headrace/io/positioned_file.h"
#include "headrace/io/system_error.h"
#include "headrace/io/vfs.h"

namespace headrace {
namespace {

constexpr int64_t kPipeReadBytes = 256 * 1024;
constexpr int kPollMillis = 100;

/// The descriptor that a path stands for: /dev/stdin, /dev/fd/3, /proc/self/fd/3.
std::optional<int> DescriptorOf(std::string_view path) {
  if (path == "/dev/stdin") return 0;
  for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
    if (!path.starts_with(folder)) continue;
    const std::string_view digits = path.substr(folder.size());
    int number = -1;
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), number);
    if (error == std::errc() && end == digits.end() && number >= 0) return number;
  }
  return std::nullopt;
}

/// A pipe, socket, terminal or device open for reading.
class Pipe {
 public:
  static Result<Pipe> Open(const std::string& path) {
    // A named pipe that nobody writes to yet is waited for in Read, where Ctrl-C is heard.
    const int fd =
        Retrying([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); });
    if (fd >= 0) return Pipe(path, fd);
    const int error = errno;
    const std::optional<int> number = DescriptorOf(path);  // sockets cannot be opened by name
    const int copy = number.has_value() ? ::fcntl(*number, F_DUPFD_CLOEXEC, 3) : -1;
    if (copy < 0) return SystemError("open", path, error);
    return Pipe(path, copy);
  }
  Pipe(Pipe&& other) noexcept : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
  ~Pipe() {
    if (fd_ >= 0) ::close(fd_);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  /// Waits for bytes; 0 at the end. `poll` is asked while there are none.
  Result<int64_t> Read(char* out, int64_t bytes_max, const Vfs::Poll& poll) {
    while (true) {
      pollfd wanted{.fd = fd_, .events = POLLIN, .revents = 0};
      const int ready = ::poll(&wanted, 1, kPollMillis);
      if (poll) ARROW_RETURN_NOT_OK(poll());
      if (ready < 0 && errno != EINTR) return SystemError("read", path_, errno);
      if (ready <= 0) continue;
      const ssize_t got = ::read(fd_, out, static_cast<size_t>(bytes_max));
      if (got >= 0) return got;
      if (errno != EINTR && errno != EAGAIN) return SystemError("read", path_, errno);
    }
  }

 private:
  Pipe(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  std::string path_;
  int fd_;
};

/// What has come out of a pipe so far; an interrupted copy goes on when it is asked for again.
struct Spooled {
  FileInfo info;
  std::optional<Pipe> pipe;  // none: it has ended
  std::shared_ptr<WritableFile> out;
  std::shared_ptr<arrow::io::RandomAccessFile> in;
};

/// One reader's view of a file that several readers share.
class SharedFile final : public PositionedFile {
 public:
  SharedFile(std::string path, std::shared_ptr<arrow::io::RandomAccessFile> base)
      : PositionedFile(std::move(path)), base_(std::move(base)) {}
  Status Close() override {
    base_.reset();
    return Status::OK();
  }
  bool closed() const override { return base_ == nullptr; }
  Result<int64_t> GetSize() override { return base_->GetSize(); }
  using PositionedFile::ReadAt;
  Result<int64_t> ReadAt(int64_t position, int64_t nbytes, void* out) override {
    return base_->ReadAt(position, nbytes, out);
  }
  Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t nbytes) override {
    return base_->ReadAt(position, nbytes);
  }

 private:
  std::shared_ptr<arrow::io::RandomAccessFile> base_;
};

class PipedVfs final : public Vfs {
 public:
  PipedVfs(Vfs& base, PipeOptions options) : base_(base), options_(std::move(options)) {}

  Result<FileInfo> Stat(const std::string& path) override {
    ARROW_ASSIGN_OR_RAISE(FileInfo info, base_.Stat(path));
    if (!info.is_stream) return info;
    const std::lock_guard lock(mutex_);
    ARROW_ASSIGN_OR_RAISE(const Spooled* spooled, Spool(path, std::move(info)));
    return spooled->info;
  }

  Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenForRead(
      const std::string& path) override {
    ARROW_ASSIGN_OR_RAISE(FileInfo info, base_.Stat(path));
    if (!info.is_stream) return base_.OpenForRead(path);
    const std::lock_guard lock(mutex_);
    ARROW_ASSIGN_OR_RAISE(const Spooled* spooled, Spool(path, std::move(info)));
    return std::make_shared<SharedFile>(path, spooled->in);
  }

  Result<std::shared_ptr<WritableFile>> OpenForWrite(const std::string& path) override {
    return base_.OpenForWrite(path);
  }
  Result<std::shared_ptr<WritableFile>> OpenForAppend(const std::string& path,
                                                      int64_t size) override {
    return base_.OpenForAppend(path, size);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return base_.Rename(from, to);
  }
  Status Remove(const std::string& path) override { return base_.Remove(path); }
  Status RemoveTree(const std::string& path) override { return base_.RemoveTree(path); }
  Status MakeDirectories(const std::string& path) override { return base_.MakeDirectories(path); }
  Status SyncDirectory(const std::string& path) override { return base_.SyncDirectory(path); }
  Result<std::vector<FileInfo>> List(const std::string& path) override { return base_.List(path); }
  Result<WriteTarget> TargetOf(const std::string& path) override { return base_.TargetOf(path); }
  bool is_local() const override { return base_.is_local(); }

 private:
  Result<const Spooled*> Spool(const std::string& path, FileInfo info) {
    auto found = spooled_.find(path);
    if (found == spooled_.end()) {
      ARROW_ASSIGN_OR_RAISE(Spooled begun, Begin(path, std::move(info)));
      found = spooled_.emplace(path, std::move(begun)).first;
    }
    if (found->second.pipe.has_value()) ARROW_RETURN_NOT_OK(CopyRest(path, found->second));
    return &found->second;
  }

  Result<Spooled> Begin(const std::string& path, FileInfo info) {
    Spooled begun;
    begun.info = std::move(info);
    begun.info.is_stream = false;
    begun.info.size = 0;
    ARROW_ASSIGN_OR_RAISE(Pipe pipe, Pipe::Open(path));
    begun.pipe.emplace(std::move(pipe));
    const std::string name =
        JoinPath(options_.folder, fmt::format("headrace-pipe-{}-{}", ::getpid(), ++count_));
    ARROW_ASSIGN_OR_RAISE(begun.out, base_.OpenForWrite(name));
    auto opened = base_.OpenForRead(name);
    ARROW_RETURN_NOT_OK(base_.Remove(name));
    ARROW_ASSIGN_OR_RAISE(begun.in, std::move(opened));
    return begun;
  }

  Status CopyRest(const std::string& path, Spooled& spooled) const {
    std::string buffer(kPipeReadBytes, '\0');
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const int64_t got,
                            spooled.pipe->Read(buffer.data(), kPipeReadBytes, options_.poll));
      if (got == 0) break;
      spooled.info.size += got;
      if (options_.bytes_max > 0 && spooled.info.size > options_.bytes_max) {
        return Error(ErrorKind::kIo, "{}: more than the {} bytes of spill_limit came out of it",
                     path, options_.bytes_max);
      }
      ARROW_RETURN_NOT_OK(spooled.out->Write(buffer.data(), got));
    }
    ARROW_RETURN_NOT_OK(spooled.out->Close());
    spooled.pipe.reset();
    return Status::OK();
  }

  Vfs& base_;
  const PipeOptions options_;
  std::mutex mutex_;
  std::map<std::string, Spooled> spooled_;
  int count_ = 0;
};

}  // namespace

std::unique_ptr<Vfs> MakePipedVfs(Vfs& base, PipeOptions options) {
  return std::make_unique<PipedVfs>(base, std::move(options));
}

}  // namespace headrace
