// SpillSpace: where spilled state goes – a private folder on disk and a limit on its bytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "headrace/base/error.h"

namespace headrace {

/// `given`; "" means $TMPDIR, else /tmp.
std::string TempDirectory(std::string given);

/// Hands out paths in `<temp>/headrace-spill-<pid>-<random>`, which is made at the first one, can
/// be read by its owner alone, and is removed with everything in it when the SpillSpace dies. A
/// process that was killed leaves its folder behind: the next Make() over the same temp folder
/// removes it (a folder is in use while its file `lock` is flocked). Thread safe.
class SpillSpace {
 public:
  static constexpr const char* kPrefix = "headrace-spill-";

  /// `temp_directory` as TempDirectory takes it; it is made when missing.
  /// `compression`: what spilled state is compressed with: "lz4", "zstd" or "none".
  static Result<std::unique_ptr<SpillSpace>> Make(std::string temp_directory, int64_t limit_bytes,
                                                  std::string compression = "lz4");
  ~SpillSpace();
  SpillSpace(const SpillSpace&) = delete;
  SpillSpace& operator=(const SpillSpace&) = delete;

  /// A path no one has used: "<directory>/<stem>-<n>". The caller writes and removes the file.
  Result<std::string> NewPath(std::string_view stem);

  /// Counts bytes about to be written; kMemoryLimit names the bytes, the limit and `spill_limit`.
  Status Charge(int64_t bytes);
  /// Takes back what a removed file was charged for.
  void Release(int64_t bytes);

  const std::string& compression() const { return compression_; }
  int64_t limit_bytes() const { return limit_bytes_; }
  int64_t used_bytes() const { return used_.load(std::memory_order_relaxed); }
  int64_t peak_bytes() const { return peak_.load(std::memory_order_relaxed); }
  /// "" before the first path.
  std::string directory() const;

 private:
  SpillSpace(std::string temp_directory, int64_t limit_bytes, std::string compression);
  Status MakeDirectory();

  const std::string temp_directory_;
  const int64_t limit_bytes_;
  const std::string compression_;
  const int owner_pid_;
  std::atomic<int64_t> used_{0};
  std::atomic<int64_t> peak_{0};
  mutable std::mutex mutex_;
  std::string directory_;
  int lock_fd_ = -1;
  int64_t paths_ = 0;
};

}  // namespace headrace
