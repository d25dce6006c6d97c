// Casts among booleans, integers, floats and decimal128. Fractions are rounded half away from zero;
// a number that does not fit is a misfit, as is NaN or an infinity cast to a type without them.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "arrow/array/util.h"
#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "arrow/util/decimal.h"
#include "headrace/expression/cast_row.h"
#include "headrace/function/decimal_value.h"
#include "headrace/function/round_half.h"

namespace headrace {
namespace {

using arrow::Type;

arrow::Decimal128 ToArrow(Int128 value) {
  return {static_cast<int64_t>(value >> 64), static_cast<uint64_t>(value)};
}

/// A decimal128 value with its type's scale; as a target, with the precision to keep.
struct DecimalForm {
  int precision = 0;
  int scale = 0;
};

template <typename Out>
bool NarrowInteger(Int128 value, Out* out) {
  *out = static_cast<Out>(value);
  return static_cast<Int128>(*out) == value;
}

/// 2^digits of T as a float: the first value above its range, which is exact.
template <typename T, typename Float>
bool FloatToInteger(Float value, T* out) {
  const double rounded = RoundHalfAway(static_cast<double>(value));
  constexpr int kDigits = std::numeric_limits<T>::digits;
  constexpr double kLimit = 2.0 * static_cast<double>(uint64_t{1} << (kDigits - 1));
  constexpr double kLeast = std::is_signed_v<T> ? -kLimit : 0.0;
  const bool fits = rounded >= kLeast && rounded < kLimit;  // not NaN
  *out = static_cast<T>(fits ? rounded : 0.0);
  return fits;
}

/// Numbers without a scale.
template <typename In, typename Out>
bool ConvertPlain(In value, Out* out) {
  if constexpr (std::is_floating_point_v<In> && std::is_integral_v<Out>) {
    return FloatToInteger(value, out);
  } else if constexpr (std::is_same_v<In, double> && std::is_same_v<Out, float>) {
    *out = static_cast<float>(value);
    return std::isfinite(*out) || !std::isfinite(value);
  } else if constexpr (std::is_floating_point_v<Out>) {
    *out = static_cast<Out>(value);
    return true;
  } else {
    *out = static_cast<Out>(value);
    return std::in_range<Out>(value);
  }
}

bool Rescale(Int128 value, int from_scale, const DecimalForm& to, Int128* out) {
  if (to.scale >= from_scale) {
    return !ScaleUp(value, to.scale - from_scale, out) && FitsPrecision(*out, to.precision);
  }
  *out = ScaleDown(value, from_scale - to.scale);
  return FitsPrecision(*out, to.precision);
}

template <typename In>
bool ToDecimal(In value, const DecimalForm& to, Int128* out) {
  if constexpr (std::is_floating_point_v<In>) {
    const int scale = std::max(to.scale, 0);
    Int128 scaled;
    return !ScaleDouble(value, scale, &scaled) && Rescale(scaled, scale, to, out);
  } else {
    return Rescale(static_cast<Int128>(value), 0, to, out);
  }
}

/// An integer to a decimal by a product of 64 bits.
class WholeToDecimal {
 public:
  explicit WholeToDecimal(const DecimalForm& to)
      : power_(static_cast<int64_t>(PowerOfTen(to.scale))) {
    const Int128 limit = PowerOfTen(to.precision - to.scale) - 1;
    value_min_ = static_cast<int64_t>(std::max<Int128>(value_min_, -limit));
    value_max_ = static_cast<int64_t>(std::min<Int128>(value_max_, limit));
  }

  static bool Knows(const DecimalForm& to) {
    constexpr int kDigits = std::numeric_limits<int64_t>::digits10;
    return to.scale >= 0 && to.scale <= kDigits && to.scale <= to.precision;
  }
  bool operator()(int64_t value, Int128* out) const {
    *out = static_cast<Int128>(value) * power_;
    return value >= value_min_ && value <= value_max_;
  }

 private:
  int64_t power_;
  int64_t value_min_ = std::numeric_limits<int64_t>::min();
  int64_t value_max_ = std::numeric_limits<int64_t>::max();
};

template <typename Out>
bool FromDecimal(Int128 value, int scale, Out* out) {
  if constexpr (std::is_floating_point_v<Out>) {
    *out = static_cast<Out>(ToArrow(value).ToDouble(scale));
    return true;
  } else {
    Int128 whole;
    return Rescale(value, scale, {kDecimalPrecisionMax, 0}, &whole) && NarrowInteger(whole, out);
  }
}

/// Calls `visit(T{})` with the C type of a number that has no scale.
template <typename Visit>
Result<ArrayPtr> VisitPlainNumber(Type::type id, Visit&& visit) {
  switch (id) {
    case Type::INT8:
      return visit(int8_t{});
    case Type::INT16:
      return visit(int16_t{});
    case Type::INT32:
      return visit(int32_t{});
    case Type::INT64:
      return visit(int64_t{});
    case Type::UINT8:
      return visit(uint8_t{});
    case Type::UINT16:
      return visit(uint16_t{});
    case Type::UINT32:
      return visit(uint32_t{});
    case Type::UINT64:
      return visit(uint64_t{});
    case Type::FLOAT:
      return visit(float{});
    case Type::DOUBLE:
      return visit(double{});
    default:
      return Error(ErrorKind::kInternal, "no plain number: type id {}", static_cast<int>(id));
  }
}

DecimalForm FormOf(const arrow::DataType& type) { return {PrecisionOf(type), ScaleOf(type)}; }

Result<ArrayPtr> CastFromBoolean(const CastCall& call) {
  const BooleanView from(Argument{arrow::MakeArray(call.from.data())});
  if (call.to->id() == Type::DECIMAL128) {
    const DecimalForm form = FormOf(*call.to);
    return CastRows<Int128>(call, ErrorKind::kOverflow, [&](int64_t row, Int128* out) {
      return Rescale(from[row] ? 1 : 0, 0, form, out);
    });
  }
  return VisitPlainNumber(call.to->id(), [&](auto target) {
    using Out = decltype(target);
    return CastRows<Out>(call, ErrorKind::kOverflow, [&](int64_t row, Out* out) {
      *out = from[row] ? Out{1} : Out{0};
      return true;
    });
  });
}

Result<ArrayPtr> CastFromDecimal(const CastCall& call) {
  const View<Int128> from(call.from);
  const int scale = ScaleOf(*call.from.type());
  if (call.to->id() == Type::BOOL) {
    return CastToBits(call, [&](int64_t row, bool* out) { return *out = from[row] != 0, true; });
  }
  if (call.to->id() == Type::DECIMAL128) {
    const DecimalForm form = FormOf(*call.to);
    return CastRows<Int128>(call, ErrorKind::kOverflow, [&](int64_t row, Int128* out) {
      return Rescale(from[row], scale, form, out);
    });
  }
  return VisitPlainNumber(call.to->id(), [&](auto target) {
    using Out = decltype(target);
    return CastRows<Out>(call, ErrorKind::kOverflow,
                         [&](int64_t row, Out* out) { return FromDecimal(from[row], scale, out); });
  });
}

template <typename In>
Result<ArrayPtr> CastFromPlain(const CastCall& call) {
  const View<In> from(call.from);
  if (call.to->id() == Type::BOOL) {
    return CastToBits(call, [&](int64_t row, bool* out) { return *out = from[row] != 0, true; });
  }
  if (call.to->id() == Type::DECIMAL128) {
    const DecimalForm form = FormOf(*call.to);
    if (std::is_integral_v<In> && !std::is_same_v<In, uint64_t> && WholeToDecimal::Knows(form)) {
      const WholeToDecimal convert(form);
      return CastAllRows<Int128>(call, ErrorKind::kOverflow, [&](int64_t row, Int128* out) {
        return convert(static_cast<int64_t>(from[row]), out);
      });
    }
    return CastRows<Int128>(call, ErrorKind::kOverflow, [&](int64_t row, Int128* out) {
      return ToDecimal(from[row], form, out);
    });
  }
  return VisitPlainNumber(call.to->id(), [&](auto target) {
    using Out = decltype(target);
    return CastAllRows<Out>(call, ErrorKind::kOverflow,
                            [&](int64_t row, Out* out) { return ConvertPlain(from[row], out); });
  });
}

}  // namespace

bool IsCastNumber(const arrow::DataType& type) {
  const Type::type id = type.id();
  return id == Type::BOOL || id == Type::DECIMAL128 || id == Type::FLOAT || id == Type::DOUBLE ||
         arrow::is_integer(id);
}

Result<ArrayPtr> CastNumber(const CastCall& call) {
  if (call.from.type_id() == Type::BOOL) return CastFromBoolean(call);
  if (call.from.type_id() == Type::DECIMAL128) return CastFromDecimal(call);
  return VisitPlainNumber(call.from.type_id(),
                          [&](auto source) { return CastFromPlain<decltype(source)>(call); });
}

}  // namespace headrace
