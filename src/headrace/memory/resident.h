// The memory that this process really has, whoever in it asked for it.
#pragma once

#include <cstdint>

namespace headrace {

/// Bytes of anonymous memory of this process that are resident, as /proc/self/statm tells; 0 where
/// there is no such file. Takes some microseconds.
int64_t AnonymousResidentBytes();

}  // namespace headrace
