// KeyIndex: row numbers by key tuple, for the Lookup of immutable tables in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "headrace/table/source.h"

namespace headrace {

/// A hash index over rows numbered from 0 as they are added. Keys are tuples of plain columns; a
/// tuple with a null is in no match. −0 = 0 and NaN = NaN. Equality is checked on the keys
/// themselves, not on hashes. Find and Probe may run on many threads while nothing is added.
class KeyIndex {
 public:
  static constexpr int64_t kNone = -1;

  /// `types` are plain; kTypeMismatch for one that cannot be a key (union).
  static Result<std::unique_ptr<KeyIndex>> Make(std::vector<TypePtr> types);
  ~KeyIndex();

  int64_t num_rows() const;
  /// Numbers the rows of `keys` on and indexes them. Cost: one encoding and one probe per row.
  Status Add(std::span<const ArrayPtr> keys);
  /// Appends the matches of every row of `keys`, in probe order, then by row number.
  void Probe(std::span<const ArrayPtr> keys, LookupMatches* matches) const;
  /// kTypeMismatch unless `keys` have the types of this index.
  Status CheckTypes(std::span<const ArrayPtr> keys) const;

 private:
  struct Rows;
  explicit KeyIndex(std::vector<TypePtr> types);

  const std::vector<TypePtr> types_;
  std::unique_ptr<Rows> rows_;
};

}  // namespace headrace
