// flock on a file in the directory: gone with its holder, however that ends.
#include "headrace/io/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>

#include "headrace/io/system_error.h"
#include "headrace/io/vfs.h"

namespace headrace {
namespace {

constexpr const char* kLockName = "LOCK";

/// What the holder wrote; "" when that is nothing.
std::string HolderOf(int file) {
  std::array<char, 32> text{};
  const ssize_t length = pread(file, text.data(), text.size(), 0);
  std::string holder(text.data(), length > 0 ? static_cast<size_t>(length) : 0);
  return holder.empty() ? "" : fmt::format(" (process {})", holder);
}

}  // namespace

Result<std::unique_ptr<DirectoryLock>> DirectoryLock::Take(const std::string& directory) {
  const std::string path = JoinPath(directory, kLockName);
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) return SystemError("open", path, errno);
  std::unique_ptr<DirectoryLock> lock(new DirectoryLock(file));
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    return Error(ErrorKind::kIo, "{} is in use by a job that runs{}", directory, HolderOf(file));
  }
  const std::string holder = std::to_string(getpid());
  if (ftruncate(file, 0) != 0 ||
      pwrite(file, holder.data(), holder.size(), 0) != static_cast<ssize_t>(holder.size())) {
    return SystemError("write", path, errno);
  }
  return lock;
}

DirectoryLock::~DirectoryLock() { close(file_); }

}  // namespace headrace
