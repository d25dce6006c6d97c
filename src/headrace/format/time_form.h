// TimeForm: how the times of a stream are spelled – ISO 8601 text, ticks since the epoch or a
// pattern.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "arrow/type_fwd.h"
#include "headrace/table/options.h"
#include "headrace/types/batch.h"

namespace headrace {

struct TimeForm {
  enum class Kind : uint8_t {
    kIso,      // text; a zone is taken to UTC, none is UTC
    kEpoch,    // numbers, or text with digits, since 1970-01-01 UTC, in `tick_nanos`
    kAuto,     // ISO text, or numbers whose unit is told by their magnitude
    kPattern,  // text by a strftime pattern
  };
  Kind kind = Kind::kIso;
  int64_t tick_nanos = 0;
  std::string pattern;
};

/// The timestamps of the columns of a stream.
struct TimeForms {
  TimeForm form;
  std::string field;  // the one column that it is about; "": all
  /// Null for columns that are read as batch readers read them.
  const TimeForm* Of(const arrow::Field& column) const;
};

/// Options "event.time.field" and "event.time.format": iso8601, epoch_seconds (or epoch),
/// epoch_millis, epoch_micros, epoch_nanos, auto, or a strftime pattern, which has a '%'.
Result<TimeForms> ReadTimeForms(OptionReader& reader, const arrow::Schema& schema);

/// Reads timestamps of one type.
class TimestampText {
 public:
  TimestampText(TimeForm form, const arrow::DataType& type);
  /// False when `text` is no such time, or needs more digits than the type has. Eight bytes behind
  /// it are readable.
  bool Read(std::string_view text, int64_t* out) const;
  /// For messages: "timestamp[us] as epoch_millis".
  const std::string& expected() const { return expected_; }
  /// Whether a number, not only text, may be a time.
  bool takes_numbers() const { return form_.kind != TimeForm::Kind::kPattern && !iso_only(); }

 private:
  bool iso_only() const { return form_.kind == TimeForm::Kind::kIso; }
  bool ReadIso(std::string_view text, int64_t* out) const;
  bool ReadTicks(std::string_view text, int64_t tick_nanos, int64_t* out) const;
  bool ReadNumber(std::string_view text, int64_t* out) const;
  bool ReadPattern(std::string_view text, int64_t* out) const;

  TimeForm form_;
  arrow::TimeUnit::type unit_;
  int64_t unit_nanos_;
  std::string expected_;
};

}  // namespace headrace
