// KeyCodes: the rows of a batch by which of its few keys they have, so that only these are encoded
// and looked up. For dictionaries, texts, and integers of a small range.
#pragma once

#include <cstdint>
#include <vector>

#include "headrace/types/batch.h"

namespace headrace {

struct KeyCodes {
  std::vector<uint32_t> codes;       // per row: 0 … first_rows.size() - 1
  std::vector<uint32_t> first_rows;  // per code: the first row that has it

  bool empty() const { return first_rows.empty(); }
};

/// Codes for a compacted key column in any encoding. Rows of one code have equal cells; equal cells
/// may have several codes. False, and `out` is of no meaning, when there are more than `codes_max`
/// codes, no rows, or no cheap way to know.
bool CodeKeys(const arrow::Array& column, int64_t codes_max, KeyCodes* out);

}  // namespace headrace
