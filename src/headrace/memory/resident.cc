// /proc/self/statm: pages of the address space, resident ones, and those of them that files back.
#include "headrace/memory/resident.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace headrace {

int64_t AnonymousResidentBytes() {
  const int file = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[128] = {};
  const ssize_t read = ::read(file, text, sizeof(text) - 1);
  ::close(file);
  long long resident = 0;
  long long shared = 0;
  if (read <= 0 || std::sscanf(text, "%*d %lld %lld", &resident, &shared) != 2) return 0;
  return std::max<int64_t>(0, resident - shared) * ::sysconf(_SC_PAGESIZE);
}

}  // namespace headrace
