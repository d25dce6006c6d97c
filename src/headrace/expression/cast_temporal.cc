// Casts among dates, times of day, timestamps and durations. A coarser unit cuts towards the past;
// a timestamp without a zone is taken as UTC where a zone is asked for.
#include "arrow/type.h"
#include "headrace/expression/cast_row.h"

namespace headrace {
namespace {

using arrow::Type;

constexpr int64_t kSecondsPerDay = 86400;
constexpr int64_t kMillisPerDay = kSecondsPerDay * 1000;

int64_t FloorDivide(int64_t value, int64_t divisor) {
  return value / divisor - (value % divisor < 0 ? 1 : 0);
}

bool ChangeUnit(int64_t value, int64_t from_per_second, int64_t to_per_second, int64_t* out) {
  if (to_per_second >= from_per_second) {
    return !__builtin_mul_overflow(value, to_per_second / from_per_second, out);
  }
  *out = FloorDivide(value, from_per_second / to_per_second);
  return true;
}

bool IsDate(Type::type id) { return id == Type::DATE32 || id == Type::DATE64; }
bool IsTime(Type::type id) { return id == Type::TIME32 || id == Type::TIME64; }
bool IsWide(Type::type id) { return id != Type::DATE32 && id != Type::TIME32; }

int64_t UnitsPerDay(const arrow::DataType& type) {
  if (type.id() == Type::DATE32) return 1;
  if (type.id() == Type::DATE64) return kMillisPerDay;
  return kSecondsPerDay * UnitsPerSecond(type);
}

/// Between points in time: dates and timestamps.
bool ChangePoint(int64_t value, const arrow::DataType& from, const arrow::DataType& to,
                 int64_t* out) {
  const int64_t from_per_day = UnitsPerDay(from);
  const int64_t to_per_day = UnitsPerDay(to);
  if (IsDate(to.id())) {
    *out = FloorDivide(value, from_per_day) * to_per_day;  // whole days; cannot overflow
    return true;
  }
  if (to_per_day >= from_per_day) {
    return !__builtin_mul_overflow(value, to_per_day / from_per_day, out);
  }
  *out = FloorDivide(value, from_per_day / to_per_day);
  return true;
}

bool ChangeTemporal(int64_t value, const arrow::DataType& from, const arrow::DataType& to,
                    int64_t* out) {
  if (from.id() == Type::TIMESTAMP && IsTime(to.id())) {
    const int64_t per_day = UnitsPerDay(from);
    value -= FloorDivide(value, per_day) * per_day;
    return ChangeUnit(value, UnitsPerSecond(from), UnitsPerSecond(to), out);
  }
  const bool is_span = IsTime(from.id()) || from.id() == Type::DURATION;
  if (is_span) return ChangeUnit(value, UnitsPerSecond(from), UnitsPerSecond(to), out);
  return ChangePoint(value, from, to, out);
}

bool Exists(Type::type from, Type::type to) {
  if (from == Type::DURATION || to == Type::DURATION) return from == to;
  if (IsTime(from)) return IsTime(to);
  return from == Type::TIMESTAMP || !IsTime(to);
}

template <typename In, typename Out>
Result<ArrayPtr> ChangeRows(const CastCall& call) {
  const View<In> from(call.from);
  return CastRows<Out>(call, ErrorKind::kOverflow, [&](int64_t row, Out* out) {
    int64_t changed;
    if (!ChangeTemporal(from[row], *call.from.type(), *call.to, &changed)) return false;
    *out = static_cast<Out>(changed);
    return static_cast<int64_t>(*out) == changed;
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
