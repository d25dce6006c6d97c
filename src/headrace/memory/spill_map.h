// SpillMap: room in the spill space that is read and written like memory, for state that is found
// by pointers. The system keeps in memory what is used, as far as there is room.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "headrace/memory/spill_space.h"

namespace headrace {

/// Files without a name, mapped: nothing is left behind however the process ends, and no
/// file stays open. Their blocks are allocated before they are used, so a full disk is an error of
/// Allocate; a disk that cannot be read later raises SIGBUS, as in any mapped file. One thread.
class SpillMap {
 public:
  /// `space` must outlive it. No file is made before the first Allocate.
  SpillMap(SpillSpace& space, std::string stem) : space_(space), stem_(std::move(stem)) {}
  ~SpillMap();
  SpillMap(const SpillMap&) = delete;
  SpillMap& operator=(const SpillMap&) = delete;

  /// At least `bytes`, aligned to 64, of any content. kMemoryLimit past the spill limit, kIo when
  /// the disk is full.
  Result<uint8_t*> Allocate(int64_t bytes);
  /// REQUIRES: from Allocate of as many bytes.
  void Free(uint8_t* block, int64_t bytes);

  /// On disk, free room included.
  int64_t bytes() const { return bytes_; }
  /// Allocated and not freed.
  int64_t used_bytes() const { return used_bytes_; }

 private:
  struct Extent {
    int64_t bytes;
    int64_t used_bytes;
  };
  using Room = std::pair<int64_t, uint8_t*>;  // bytes, begin

  Status AddExtent(int64_t bytes);
  void AddRoom(uint8_t* begin, int64_t bytes);
  void RemoveRoom(uint8_t* begin, int64_t bytes);
  Extent& ExtentOf(const uint8_t* block, uint8_t** begin);

  SpillSpace& space_;
  const std::string stem_;
  std::map<uint8_t*, Extent> extents_;
  std::set<Room> rooms_;                  // free, the smallest first
  std::map<uint8_t*, int64_t> rooms_at_;  // the same by place
  int64_t bytes_ = 0;
  int64_t used_bytes_ = 0;
};

}  // namespace headrace
