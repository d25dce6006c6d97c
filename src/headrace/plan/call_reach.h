// How far a window call looks from a row: what lets rows go by that are not looked at any more.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "headrace/plan/node.h"

namespace headrace {

/// n of lag(x, n) and lead(x, n), by their arguments: 1 where there is no second one; none where it
/// is no number of rows from 0 on.
std::optional<int64_t> RowsAway(const std::vector<ExpressionPtr>& args);

/// The rows of a frame are those up to the current row, or some before it, and none is left out.
bool LooksBack(const WindowFrame& frame);

/// How far from a row its value looks, in rows of its partition.
struct CallReach {
  /// Some row of the partition may be looked at, or the number of its rows.
  bool whole_partition = false;
  int64_t rows_before = 0;  // besides those of the frame
  int64_t rows_after = 0;
  /// Peers of the row belong to its frame; or all rows up to a value do.
  bool to_last_peer = false;
  int64_t peer_groups_after = 0;
  bool to_value = false;
  /// All rows behind do, but they are known by states beside some of the rows.
  bool to_rest = false;

  /// By `has_size` the number of its rows is known before its end, by `has_rest` states of the rows
  /// behind.
  static CallReach Of(const FramedCall& framed, bool has_order, bool has_size,
                      bool has_rest = false);
};

}  // namespace headrace
