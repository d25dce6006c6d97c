// The generator: a Source whose every cell is a function of (seed, split, row, column), so that any
// part of it can be made again, at any batch size, and any position can be resumed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/connect/connector.h"
#include "headrace/table/options.h"
#include "headrace/table/source.h"

namespace headrace {

/// One column. Which fields count depends on the kind.
struct GeneratorColumn {
  enum class Kind {
    kSequence,   // int64: the number of the row in the whole table
    kInteger,    // int64, uniform in [low, high]
    kDouble,     // double, uniform in [low_value, high_value)
    kKey,        // string "key-<i>", i uniform in [0, keys)
    kEventTime,  // timestamp(us): start + row * step, late by up to jitter (all in microseconds)
    kOneOf,      // string, one of `choices`
  };
  std::string name;
  Kind kind = Kind::kSequence;
  int64_t low = 0;
  int64_t high = 999;
  double low_value = 0;
  double high_value = 1;
  int64_t keys = 100;
  int64_t start_micros = 0;
  int64_t step_micros = 1000;
  int64_t jitter_micros = 0;
  std::vector<std::string> choices;
  TypePtr type = nullptr;  // what the cells are converted to; null: that of the kind
};

struct GeneratorSpec {
  static constexpr int64_t kEndless = -1;

  std::vector<GeneratorColumn> columns;
  uint64_t seed = 0;
  int64_t rows = kEndless;  // of each split
  int64_t splits = 1;
  /// Declares the source unbounded although `rows` may be finite: such a stream ends.
  bool unbounded = false;
  /// Of each split, counted from the opening of its reader; 0: as fast as it can. A row that is not
  /// due yet is answered with Pending and a wake by the clock.
  int64_t rows_per_second = 0;
};

/// Row numbers of the sequence column run split after split when `rows` is finite, else they
/// interleave. `clock` must outlive the source. kInvalidArgument names the column or setting.
Result<SourcePtr> MakeGenerator(GeneratorSpec spec, Clock& clock = SystemClock());

/// The columns of a text such as
///   "id sequence, n integer(1, 100), x double(0, 1), k key(1000), at event_time(0, 1000, 5000)".
Result<std::vector<GeneratorColumn>> ParseGeneratorColumns(std::string_view text);

/// The columns of a declared schema. `text` gives the option of a column, or the text handed in.
/// kUnsupported names a column whose type cannot be made.
Result<std::vector<GeneratorColumn>> DeclaredGeneratorColumns(
    const arrow::Schema& schema,
    const std::function<Result<std::string>(const std::string& option, const std::string& text)>&
        text);

/// Options: columns, seed, rows, splits, unbounded, rows_per_second or rate (see GeneratorSpec).
/// Without rows the source is endless and therefore unbounded. Declared columns are made by their
/// types, or as the option columns.<name> says: "double(1, 5)".
Result<SourcePtr> OpenGenerator(const ConnectContext& context, const OptionMap& options);

}  // namespace headrace
