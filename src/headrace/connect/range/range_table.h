// Integers in arithmetic progression as a source: range and generate_series of SQL.
#pragma once

#include <string>

#include "headrace/table/source.h"

namespace headrace {

struct RangeOptions {
  std::string column = "range";
  int64_t begin = 0;
  int64_t end = 0;
  int64_t step = 1;  // not 0
  bool inclusive = false;
};

/// One BIGINT column, made as it is read. kInvalidArgument for step 0, kOverflow when there are
/// more than 2^63 − 1 rows.
Result<SourcePtr> MakeRangeTable(const RangeOptions& options);

}  // namespace headrace
