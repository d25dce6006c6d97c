// The folder of spill files: made lazily, locked while it lives, swept when its owner died.
#include "headrace/memory/spill_space.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "headrace/base/check.h"
#include "headrace/base/fault.h"

namespace headrace {
namespace {

constexpr int kMakeTriesMax = 8;
/// A folder without a lock file may be one that is being made.
constexpr int64_t kUnlockedAgeSeconds = 3600;

Status SystemError(const char* what, const std::string& path, int error) {
  return Error(ErrorKind::kIo, "cannot {} {}: {}", what, path,
               std::generic_category().message(error));
}

std::string LockPath(const std::string& directory) { return directory + "/lock"; }

bool SameFile(int fd, const std::string& path) {
  struct stat ours, named;
  return ::fstat(fd, &ours) == 0 && ::stat(path.c_str(), &named) == 0 &&
         ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

// Whether the process that made `directory` is gone. Leaves the lock held in `*lock_fd`, so that
// two sweepers never remove the same folder.
bool IsAbandoned(const std::string& directory, int* lock_fd) {
  struct stat info;
  if (::lstat(directory.c_str(), &info) != 0) return false;
  if (!S_ISDIR(info.st_mode) || info.st_uid != ::geteuid()) return false;
  *lock_fd = ::open(LockPath(directory).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (*lock_fd < 0) {
    return errno == ENOENT && info.st_mtime + kUnlockedAgeSeconds < std::time(nullptr);
  }
  return ::flock(*lock_fd, LOCK_EX | LOCK_NB) == 0;
}

void RemoveTree(const std::string& directory) {
  std::error_code ignored;  // What cannot be removed now is removed by a later sweep.
  std::filesystem::remove_all(directory, ignored);
}

void SweepAbandoned(const std::string& temp_directory) {
  std::error_code error;
  std::filesystem::directory_iterator entries(temp_directory, error);
  while (!error && entries != std::filesystem::directory_iterator()) {
    const std::string path = entries->path().string();
    if (entries->path().filename().string().starts_with(SpillSpace::kPrefix)) {
      int lock_fd = -1;
      if (IsAbandoned(path, &lock_fd)) RemoveTree(path);
      if (lock_fd >= 0) ::close(lock_fd);
    }
    entries.increment(error);
  }
}

}  // namespace

std::string TempDirectory(std::string given) {
  if (!given.empty()) return given;
  const char* environment = std::getenv("TMPDIR");
  return environment == nullptr || *environment == '\0' ? "/tmp" : environment;
}

SpillSpace::SpillSpace(std::string temp_directory, int64_t limit_bytes, std::string compression)
    : temp_directory_(std::move(temp_directory)),
      limit_bytes_(limit_bytes),
      compression_(std::move(compression)),
      owner_pid_(::getpid()) {}

Result<std::unique_ptr<SpillSpace>> SpillSpace::Make(std::string temp_directory,
                                                     int64_t limit_bytes, std::string compression) {
  if (limit_bytes < 0) {
    return Error(ErrorKind::kInvalidArgument, "spill_limit expects bytes, got {}", limit_bytes);
  }
  std::string directory = TempDirectory(std::move(temp_directory));
  SweepAbandoned(directory);
  return std::unique_ptr<SpillSpace>(
      new SpillSpace(std::move(directory), limit_bytes, std::move(compression)));
}

// A forked child has a copy of this object; the folder is its parent's.
SpillSpace::~SpillSpace() {
  if (!directory_.empty() && owner_pid_ == ::getpid()) RemoveTree(directory_);
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

// Between the making of the lock file and its locking a sweeper may take the folder for abandoned:
// then the lock file is gone afterwards, and another folder is made.
Status SpillSpace::MakeDirectory() {
  HEADRACE_FAULT_POINT("spill_space.make");
  std::error_code error;
  std::filesystem::create_directories(temp_directory_, error);
  if (error) return SystemError("make directory", temp_directory_, error.value());
  const std::string pattern = fmt::format("{}/{}{}-XXXXXX", temp_directory_, kPrefix, owner_pid_);
  for (int i = 0; i < kMakeTriesMax; ++i) {
    std::string directory = pattern;
    if (::mkdtemp(directory.data()) == nullptr) {
      return SystemError("make a spill directory in", temp_directory_, errno);
    }
    const std::string lock = LockPath(directory);
    const int fd = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 && errno != ENOENT) {
      const Status failed = SystemError("create", lock, errno);
      RemoveTree(directory);
      return failed;
    }
    if (fd >= 0 && (::flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) &&
        SameFile(fd, lock)) {
      directory_ = std::move(directory);
      lock_fd_ = fd;
      return Status::OK();
    }
    if (fd >= 0) ::close(fd);
  }
  return Error(ErrorKind::kIo, "cannot make a spill directory in {}: others remove it",
               temp_directory_);
}

Result<std::string> SpillSpace::NewPath(std::string_view stem) {
  std::lock_guard lock(mutex_);
  if (directory_.empty()) ARROW_RETURN_NOT_OK(MakeDirectory());
  return fmt::format("{}/{}-{}", directory_, stem, ++paths_);
}

Status SpillSpace::Charge(int64_t bytes) {
  HEADRACE_DCHECK(bytes >= 0, "negative charge");
  int64_t used = used_.load(std::memory_order_relaxed);
  do {
    if (bytes > limit_bytes_ - used) {
      return Error(ErrorKind::kMemoryLimit,
                   "cannot spill {} bytes more to disk: {} of the limit of {} bytes are in use; "
                   "raise spill_limit",
                   bytes, used, limit_bytes_);
    }
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  int64_t peak = peak_.load(std::memory_order_relaxed);
  while (used + bytes > peak &&
         !peak_.compare_exchange_weak(peak, used + bytes, std::memory_order_relaxed)) {
  }
  return Status::OK();
}

void SpillSpace::Release(int64_t bytes) {
  const int64_t before = used_.fetch_sub(bytes, std::memory_order_relaxed);
  HEADRACE_DCHECK(before >= bytes, "released more than was charged");
  (void)before;
}

std::string SpillSpace::directory() const {
  std::lock_guard lock(mutex_);
  return directory_;
}

}  // namespace headrace
