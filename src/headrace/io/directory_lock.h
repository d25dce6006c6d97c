// DirectoryLock: one process at a time works in a directory of this machine.
#pragma once

#include <memory>
#include <string>

#include "headrace/base/error.h"

namespace headrace {

/// Held until it dies, or its process does. The file LOCK in the directory stays.
class DirectoryLock {
 public:
  /// The directory must be there. kIo names the process that has it.
  static Result<std::unique_ptr<DirectoryLock>> Take(const std::string& directory);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  explicit DirectoryLock(int file) : file_(file) {}
  const int file_;
};

}  // namespace headrace
