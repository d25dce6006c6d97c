// Extents are files of their own, so that an empty one goes with its disk space; in them the
// smallest room that fits is taken, and freed neighbours become one.
#include "headrace/memory/spill_map.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "headrace/base/check.h"
#include "headrace/base/fault.h"

namespace headrace {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kFirstExtentBytes = int64_t{1} << 20;
constexpr int64_t kExtentBytesMax = int64_t{64} << 20;  // but for larger blocks

int64_t RoundUp(int64_t bytes, int64_t step) { return (bytes + step - 1) / step * step; }

/// A mapped file of so many bytes that has no name any more.
Result<uint8_t*> MapNewFile(const std::string& path, int64_t bytes) {
  const auto failed = [&](const char* what, int error) {
    return Error(ErrorKind::kIo, "cannot {} {}: {}", what, path,
                 std::generic_category().message(error));
  };
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return failed("create", errno);
  ::unlink(path.c_str());
  const int error = ::posix_fallocate(fd, 0, bytes);
  void* mapped = MAP_FAILED;
  if (error == 0) {
    mapped = ::mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  const int map_error = errno;
  ::close(fd);
  if (error != 0) return failed("allocate", error);
  if (mapped == MAP_FAILED) return failed("map", map_error);
  // Rows are read here and there: what lies around them would push out what is used.
  (void)::madvise(mapped, static_cast<size_t>(bytes), MADV_RANDOM);
  return static_cast<uint8_t*>(mapped);
}

}  // namespace

SpillMap::~SpillMap() {
  for (const auto& [begin, extent] : extents_) ::munmap(begin, static_cast<size_t>(extent.bytes));
  space_.Release(bytes_);
}

Status SpillMap::AddExtent(int64_t bytes) {
  HEADRACE_FAULT_POINT("spill_map.extend");
  const int64_t wanted = std::max(RoundUp(bytes, kFirstExtentBytes),
                                  std::clamp(bytes_, kFirstExtentBytes, kExtentBytesMax));
  ARROW_RETURN_NOT_OK(space_.Charge(wanted));
  const auto map = [&]() -> Result<uint8_t*> {
    ARROW_ASSIGN_OR_RAISE(const std::string path, space_.NewPath(stem_));
    return MapNewFile(path, wanted);
  };
  const Result<uint8_t*> mapped = map();
  if (!mapped.ok()) space_.Release(wanted);
  ARROW_RETURN_NOT_OK(mapped.status());
  extents_[*mapped] = {wanted, 0};
  bytes_ += wanted;
  AddRoom(*mapped, wanted);
  return Status::OK();
}

void SpillMap::AddRoom(uint8_t* begin, int64_t bytes) {
  rooms_.emplace(bytes, begin);
  rooms_at_.emplace(begin, bytes);
}

void SpillMap::RemoveRoom(uint8_t* begin, int64_t bytes) {
  rooms_.erase({bytes, begin});
  rooms_at_.erase(begin);
}

SpillMap::Extent& SpillMap::ExtentOf(const uint8_t* block, uint8_t** begin) {
  auto after = extents_.upper_bound(const_cast<uint8_t*>(block));
  HEADRACE_CHECK(after != extents_.begin(), "a block that lies in no extent");
  --after;
  *begin = after->first;
  return after->second;
}

Result<uint8_t*> SpillMap::Allocate(int64_t bytes) {
  const int64_t size = RoundUp(std::max<int64_t>(bytes, 1), kAlignment);
  auto fitting = rooms_.lower_bound({size, nullptr});
  if (fitting == rooms_.end()) {
    ARROW_RETURN_NOT_OK(AddExtent(size));
    fitting = rooms_.lower_bound({size, nullptr});
  }
  const auto [room, begin] = *fitting;
  RemoveRoom(begin, room);
  if (room > size) AddRoom(begin + size, room - size);
  uint8_t* extent;
  ExtentOf(begin, &extent).used_bytes += size;
  used_bytes_ += size;
  return begin;
}

void SpillMap::Free(uint8_t* block, int64_t bytes) {
  int64_t size = RoundUp(std::max<int64_t>(bytes, 1), kAlignment);
  uint8_t* begin;
  Extent& extent = ExtentOf(block, &begin);
  extent.used_bytes -= size;
  used_bytes_ -= size;
  HEADRACE_DCHECK(extent.used_bytes >= 0, "a block is freed twice");
  const uint8_t* const extent_end = begin + extent.bytes;
  // Extents may lie side by side; rooms do not reach over their ends.
  if (const auto next = rooms_at_.find(block + size);
      next != rooms_at_.end() && next->first != extent_end) {
    const int64_t more = next->second;
    RemoveRoom(block + size, more);
    size += more;
  }
  if (auto before = rooms_at_.lower_bound(block); before != rooms_at_.begin()) {
    --before;
    const auto [room, room_bytes] = *before;
    if (room >= begin && room + room_bytes == block) {
      RemoveRoom(room, room_bytes);
      block = room;
      size += room_bytes;
    }
  }
  if (size < extent.bytes) return AddRoom(block, size);
  ::munmap(begin, static_cast<size_t>(size));
  space_.Release(size);
  bytes_ -= size;
  extents_.erase(begin);
}

}  // namespace headrace
