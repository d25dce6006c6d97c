// The memory that the control groups of this process leave it.
#pragma once

#include <cstdint>
#include <string>

namespace headrace {

/// The least limit among the process's groups and all above them, in bytes; 0: none. `root` is
/// where groups are mounted ("/sys/fs/cgroup"), `groups` the text of /proc/self/cgroup. Understands
/// both hierarchies: a line "0::/path" (v2) and "N:…memory…:/path" (v1).
int64_t CgroupMemoryLimit(const std::string& root, const std::string& groups);

}  // namespace headrace
