// UnreadyTable: a table that may be asked before all its rows are there.
#pragma once

#include <cstdint>

namespace headrace {

/// Thread safe.
class UnreadyTable {
 public:
  virtual ~UnreadyTable() = default;
  /// Whether `rows` rows that would be looked up now are to be left out of what follows; counted.
  virtual bool LeavesOut(int64_t rows) = 0;
};

}  // namespace headrace
