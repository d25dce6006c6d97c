// KeptRows: rows of one lane that are not grouped yet, divided by key group. Where nearly every row
// is a group of its own they take a third of the memory of their groups, and grouping a key group
// at a time finds all of it in a cache.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <vector>

#include "headrace/base/limits.h"
#include "headrace/exec/op/aggregate/key_sketch.h"
#include "headrace/exec/op/aggregate/row_form.h"
#include "headrace/exec/operator.h"
#include "headrace/exec/spill/spill_file.h"

namespace headrace {

/// Some rows, those of a key group together.
struct DividedRows {
  Batch rows;
  std::array<int64_t, kKeyGroups + 1> begins{};  // of key group g: [begins[g], begins[g + 1])
  Reservation reservation;

  int64_t RowsOf(int key_group) const;
  Batch Of(int key_group) const;
};

/// Writes rows as sections of their key groups, save those of key groups in `without`.
Status SpillRows(const std::vector<DividedRows>& all, const SchemaPtr& schema,
                 const std::bitset<kKeyGroups>& without, const OperatorContext& context,
                 SpillFile& file);

/// One thread.
class KeptRows {
 public:
  KeptRows(const RowForm& form, const OperatorContext& context);

  /// Keeps rows with the hashes of their keys. Memory is reserved before: 0, or the bytes that were
  /// not granted.
  Result<int64_t> Add(const Batch& rows, const std::vector<uint64_t>& hashes);
  /// Divides what was not yet. All memory for it is reserved.
  Status Divide();
  /// Whether keys come again: rows should better be grouped as they come.
  bool HasRepeats() const { return has_repeats_; }

  /// Writes at least so many bytes of rows to the file, if there are so many; gives those freed.
  Result<int64_t> Spill(int64_t bytes, SpillFile& file);
  int64_t reserved_bytes() const;
  /// Those in memory.
  int64_t num_rows() const;
  /// After Divide.
  std::vector<DividedRows> Take() { return std::move(divided_); }

 private:
  void Judge(const std::vector<uint64_t>& hashes);

  const RowForm& form_;
  const OperatorContext& context_;
  const int64_t undivided_bytes_max_;
  std::vector<Batch> undivided_;
  std::vector<uint64_t> hashes_;  // of their keys
  int64_t undivided_bytes_ = 0;
  Reservation undivided_reservation_;
  std::vector<DividedRows> divided_;
  KeySketch all_;
  KeySketch recent_;
  bool has_repeats_ = false;
};

}  // namespace headrace
