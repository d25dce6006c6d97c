// Casts among dates, times of day, timestamps and durations. A coarser unit cuts towards the past;
// a timestamp without a zone is taken as UTC where a zone is asked for.
#include <algorithm>

#include "arrow/type.h"
#include "headrace/base/floor_divide.h"
#include "headrace/expression/cast_row.h"
#include "headrace/expression/type_groups.h"
#include "headrace/types/calendar.h"

namespace headrace {
namespace {

using arrow::Type;

constexpr int64_t kMillisPerDay = kSecondsPerDay * 1000;

bool IsWide(Type::type id) { return id != Type::DATE32 && id != Type::TIME32; }

int64_t UnitsPerDay(const arrow::DataType& type) {
  if (type.id() == Type::DATE32) return 1;
  if (type.id() == Type::DATE64) return kMillisPerDay;
  return kSecondsPerDay * UnitsPerSecond(type);
}

/// One conversion: the rest of a day, then a quotient cut towards the past, then a product.
class TemporalChange {
 public:
  TemporalChange(const arrow::DataType& from, const arrow::DataType& to) {
    const bool is_time_of_day = from.id() == Type::TIMESTAMP && IsTime(to.id());
    const bool is_span = is_time_of_day || IsTime(from.id()) || from.id() == Type::DURATION;
    const int64_t from_units = is_span ? UnitsPerSecond(from) : UnitsPerDay(from);
    const int64_t to_units = is_span ? UnitsPerSecond(to) : UnitsPerDay(to);
    const int64_t middle = IsDate(to.id()) ? 1 : std::min(from_units, to_units);  // whole days
    divide_ = FloorDivider(from_units / middle);
    factor_ = to_units / middle;
    if (!is_time_of_day) return;
    day_ = UnitsPerDay(from);
    whole_days_ = FloorDivider(day_);
  }

  /// False when it does not fit.
  bool operator()(int64_t value, int64_t* out) const {
    const int64_t rest = day_ == 0 ? value : FloorRest(value, whole_days_(value), day_);
    return !__builtin_mul_overflow(divide_(rest), factor_, out);
  }

 private:
  int64_t day_ = 0;  // in units of the source; 0: the day stays
  FloorDivider whole_days_{1};
  FloorDivider divide_{1};
  int64_t factor_ = 1;
};

bool Exists(Type::type from, Type::type to) {
  if (from == Type::DURATION || to == Type::DURATION) return from == to;
  if (IsTime(from)) return IsTime(to);
  return from == Type::TIMESTAMP || !IsTime(to);
}

template <typename In, typename Out>
Result<ArrayPtr> ChangeRows(const CastCall& call) {
  const View<In> from(call.from);
  const TemporalChange change(*call.from.type(), *call.to);
  return CastAllRows<Out>(call, ErrorKind::kOverflow, [&](int64_t row, Out* out) {
    int64_t changed;
    const bool fits = change(from[row], &changed);
    *out = static_cast<Out>(changed);
    return fits && static_cast<int64_t>(*out) == changed;
  });
}

}  // namespace

int64_t UnitsPerSecond(const arrow::DataType& type) {
  arrow::TimeUnit::type unit = arrow::TimeUnit::MILLI;
  switch (type.id()) {
    case Type::TIMESTAMP:
      unit = static_cast<const arrow::TimestampType&>(type).unit();
      break;
    case Type::DURATION:
      unit = static_cast<const arrow::DurationType&>(type).unit();
      break;
    case Type::TIME32:
    case Type::TIME64:
      unit = static_cast<const arrow::TimeType&>(type).unit();
      break;
    default:
      break;
  }
  constexpr int64_t kPerSecond[] = {1, 1'000, 1'000'000, 1'000'000'000};
  return kPerSecond[unit];
}

bool IsCastTemporal(const arrow::DataType& type) {
  const Type::type id = type.id();
  return IsDate(id) || IsTime(id) || id == Type::TIMESTAMP || id == Type::DURATION;
}

Result<ArrayPtr> CastTemporal(const CastCall& call) {
  const Type::type from = call.from.type_id();
  const Type::type to = call.to->id();
  if (!Exists(from, to)) return NoSuchCast(*call.from.type(), *call.to);
  if (IsWide(from)) {
    return IsWide(to) ? ChangeRows<int64_t, int64_t>(call) : ChangeRows<int64_t, int32_t>(call);
  }
  return IsWide(to) ? ChangeRows<int32_t, int64_t>(call) : ChangeRows<int32_t, int32_t>(call);
}

}  // namespace headrace
