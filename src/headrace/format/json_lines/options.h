// How JSON lines are to be read, from options.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "headrace/table/options.h"
#include "headrace/types/batch.h"

namespace headrace::json_lines {

/// Longest record that is read.
inline constexpr int64_t kRecordBytesMax = int64_t{64} << 20;
/// Columns that a file may have, and fields of a nested object.
inline constexpr int kColumnsMax = 100'000;
inline constexpr int kFieldsMax = 1'000;

enum class Layout { kAuto, kLines, kArray };
/// What becomes of a value or a record that cannot be read.
enum class OnError { kFail, kNull, kSkipRow };

struct Options {
  Layout layout = Layout::kAuto;
  OnError on_error = OnError::kFail;
  SchemaPtr columns;              // null: inferred
  bool unknown_keys_fail = true;  // keys that are no columns; default: only when inferred
  bool infer_times = true;        // strings that look like dates and times
  int64_t sample_rows = 20'480;
  int64_t sample_bytes = int64_t{4} << 20;
};

/// Reads layout, columns, on_error, unknown_keys, infer_times and sample_rows; checks that there is
/// no other.
Result<Options> ReadOptions(const OptionMap& options);

}  // namespace headrace::json_lines
