// AsofTimes: the time column of one side of an as-of join as ascending integers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/types/batch.h"

namespace headrace {

/// How far a match may be, and whether equal times match.
struct AsofRule {
  bool strict = false;
  std::optional<int64_t> tolerance;
  bool is_float = false;  // codes are those of floats

  /// Whether a match is not farther than the tolerance. REQUIRES: earlier ≤ later (codes).
  bool Allows(int64_t earlier, int64_t later) const {
    return !tolerance.has_value() || IsWithin(earlier, later);
  }

 private:
  bool IsWithin(int64_t earlier, int64_t later) const;
};

/// Reads the batches of one side in turn and checks their order. Codes compare as the values do
/// (for floats −0 = 0, NaN = NaN above +inf); code differences of integers are differences of
/// values.
class AsofTimes {
 public:
  /// `side` is "left" or "right", for messages. kUnsupported for types that are no time: integers,
  /// floats, dates, times of day, timestamps and durations are.
  static Result<AsofTimes> Make(std::string side, const arrow::Schema& schema, int column);

  /// Codes of the rows of a compacted batch up to the first null; all rows after it are null.
  /// kBadData when the order breaks, inside the batch or with those before it.
  Result<std::vector<int64_t>> Read(const Batch& batch, arrow::MemoryPool* pool);
  bool is_float() const { return is_float_; }

 private:
  AsofTimes(std::string side, std::string name, int column, bool is_float)
      : side_(std::move(side)), name_(std::move(name)), column_(column), is_float_(is_float) {}
  Status CheckOrder(const arrow::Array& times, const std::vector<int64_t>& codes) const;
  Status OutOfOrder(const arrow::Array& times, int64_t row) const;

  std::string side_;
  std::string name_;
  int column_;
  bool is_float_;
  int64_t rows_read_ = 0;
  bool null_seen_ = false;
  std::optional<int64_t> last_code_;
  std::string last_text_;  // of the last row read
};

}  // namespace headrace
