// Window starts of any temporal type, as microseconds.
#include "headrace/exec/op/stream_window.h"

#include <algorithm>

#include "arrow/array.h"
#include "arrow/array/data.h"
#include "arrow/type.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

constexpr int64_t kMicrosPerSecond = 1'000'000;
constexpr int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;

// Micros per unit; negative: units per micro.
int64_t ScaleOf(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DATE32) return kMicrosPerDay;
  if (type.id() == arrow::Type::DATE64) return 1000;
  switch (static_cast<const arrow::TimestampType&>(type).unit()) {
    case arrow::TimeUnit::SECOND:
      return kMicrosPerSecond;
    case arrow::TimeUnit::MILLI:
      return 1000;
    case arrow::TimeUnit::MICRO:
      return 1;
    case arrow::TimeUnit::NANO:
      break;
  }
  return -1000;
}

// Saturates: such times are never reached.
int64_t ToMicros(int64_t value, int64_t scale) {
  if (scale < 0) {
    const int64_t micros = value / -scale;
    return value % -scale < 0 ? micros - 1 : micros;
  }
  int64_t micros;
  if (!__builtin_mul_overflow(value, scale, &micros)) return micros;
  return value < 0 ? Watermark::kNone : Watermark::kEnd;
}

int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b < 0 ? Watermark::kNone : Watermark::kEnd;
}

}  // namespace

Result<StreamWindow> StreamWindow::Make(const arrow::Schema& schema, const std::vector<int>& keys,
                                        const WindowKey& window) {
  const int column = keys[static_cast<size_t>(window.key)];
  const arrow::Field& field = *schema.field(column);
  const arrow::Type::type id = PlainType(field.type())->id();
  if (id != arrow::Type::TIMESTAMP && id != arrow::Type::DATE32 && id != arrow::Type::DATE64) {
    return Error(ErrorKind::kUnsupported,
                 "the window start {} is expected to be a timestamp or a date, got {}",
                 field.name(), field.type()->ToString());
  }
  if (window.size_micros < 1) {
    return Error(ErrorKind::kInvalidArgument, "a window is at least 1 microsecond long, got {}",
                 window.size_micros);
  }
  return StreamWindow(column, window.size_micros);
}

std::vector<int64_t> StreamWindow::DeadlinesOf(const arrow::Array& starts) const {
  const int64_t scale = ScaleOf(*starts.type());
  const bool is_narrow = starts.type_id() == arrow::Type::DATE32;
  const arrow::ArrayData& data = *starts.data();
  std::vector<int64_t> deadlines;
  deadlines.reserve(static_cast<size_t>(starts.length()));
  for (int64_t row = 0; row < starts.length(); ++row) {
    if (starts.IsNull(row)) {
      deadlines.push_back(kNever);
      continue;
    }
    const int64_t value =
        is_narrow ? data.GetValues<int32_t>(1)[row] : data.GetValues<int64_t>(1)[row];
    deadlines.push_back(SaturatingAdd(ToMicros(value, scale), size_micros_));
  }
  return deadlines;
}

void StreamWindow::Advance(Watermark watermark) {
  watermark_ = std::max(watermark_, watermark.micros);
}

Watermark StreamWindow::Promise() const {
  if (watermark_ == Watermark::kNone || watermark_ == Watermark::kEnd) return {watermark_};
  return {SaturatingAdd(SaturatingAdd(watermark_, -size_micros_), 1)};
}

}  // namespace headrace
