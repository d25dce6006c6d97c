// MemoryVfs: files in memory, with the losses that a power failure allows.
#pragma once

#include <memory>

#include "headrace/io/vfs.h"

namespace headrace {

/// Deterministic: inodes and modification times count up. Directories are durable at once; bytes of
/// a file after its Sync; names (created, renamed, removed) after SyncDirectory of their folder.
/// The root is "/"; relative paths stand in it. Thread safe.
class MemoryVfs : public Vfs {
 public:
  static std::unique_ptr<MemoryVfs> Make();
  /// Drops everything that is not durable. Files that were open go on into the void.
  virtual void Crash() = 0;
};

}  // namespace headrace
