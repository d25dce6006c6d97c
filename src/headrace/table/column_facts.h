// ColumnFacts: what sources are besides that know what a column holds without reading it.
#pragma once

#include <cstdint>
#include <optional>

#include "headrace/types/batch.h"

namespace headrace {

/// Of all rows. Exact, unlike ColumnRange.
struct WholeColumn {
  int64_t null_count = 0;
  ScalarPtr min;  // null when no row has a value
  ScalarPtr max;
};

class ColumnFacts {
 public:
  virtual ~ColumnFacts() = default;
  /// Nothing when reading must tell.
  virtual std::optional<WholeColumn> WholeColumnOf(int column) const = 0;
};

/// Adds what another part of the data holds, in scalars of the same type.
void Merge(const WholeColumn& part, WholeColumn* whole);

}  // namespace headrace
