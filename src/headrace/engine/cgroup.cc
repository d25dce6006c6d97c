// Limits of a group are files in its folder; a container sees its own group as the root.
#include "headrace/engine/cgroup.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace headrace {
namespace {

// 0 where there is no file, or no number in it ("max").
int64_t NumberIn(const std::filesystem::path& path) {
  std::ifstream file(path);
  int64_t number = 0;
  return file >> number ? number : 0;
}

// v1 says "no limit" by a number near the largest.
constexpr int64_t kNoLimit = int64_t{1} << 60;

int64_t LeastAlong(const std::filesystem::path& root, std::filesystem::path group,
                   const char* file) {
  int64_t least = 0;
  while (true) {
    const int64_t limit = NumberIn(root / group.relative_path() / file);
    if (limit > 0 && limit < kNoLimit) least = least == 0 ? limit : std::min(least, limit);
    if (!group.has_relative_path()) return least;
    group = group.parent_path();
  }
}

bool HasMemory(const std::string& controllers) {
  std::istringstream names(controllers);
  for (std::string name; std::getline(names, name, ',');) {
    if (name == "memory") return true;
  }
  return false;
}

}  // namespace

int64_t CgroupMemoryLimit(const std::string& root, const std::string& groups) {
  const std::filesystem::path mounted(root);
  int64_t least = 0;
  std::istringstream lines(groups);
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::filesystem::path group = line.substr(second + 1);
    int64_t limit = 0;
    if (controllers.empty()) limit = LeastAlong(mounted, group, "memory.max");
    if (HasMemory(controllers)) {
      limit = LeastAlong(mounted / "memory", group, "memory.limit_in_bytes");
    }
    if (limit > 0) least = least == 0 ? limit : std::min(least, limit);
  }
  return least;
}

}  // namespace headrace
