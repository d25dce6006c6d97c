// From libparquet's statistics to scalars of our types.
#include "headrace/format/parquet/statistics.h"

#include <cmath>
#include <memory>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "parquet/arrow/reader.h"
#include "parquet/statistics.h"

namespace headrace::parquet_format {
namespace {

using arrow::Type;

enum class Side { kMin, kMax };

/// −0.0 and 0.0 are equal but either may have been stored: the bound takes the outer one.
template <typename FloatScalar>
ScalarPtr AdaptFloat(const ScalarPtr& scalar, Side side) {
  const auto value = static_cast<const FloatScalar&>(*scalar).value;
  if (std::isnan(value)) return nullptr;
  if (value != 0) return scalar;
  return std::make_shared<FloatScalar>(std::copysign(value, side == Side::kMin ? -1 : 1));
}

int64_t UnitsPerSecond(arrow::TimeUnit::type unit) {
  constexpr int64_t kUnits[] = {1, 1000, 1'000'000, 1'000'000'000};
  return kUnits[unit];
}

/// A timestamp in the unit of `plain`, rounded outwards.
ScalarPtr AdaptTimestamp(const arrow::Scalar& scalar, const TypePtr& plain, Side side) {
  const auto unit_of = [](const arrow::DataType& type) {
    return UnitsPerSecond(static_cast<const arrow::TimestampType&>(type).unit());
  };
  int64_t value = static_cast<const arrow::TimestampScalar&>(scalar).value;
  const int64_t from = unit_of(*scalar.type), to = unit_of(*plain);
  if (to >= from) {
    if (__builtin_mul_overflow(value, to / from, &value)) return nullptr;
  } else {
    const int64_t divisor = from / to;
    const int64_t remainder = ((value % divisor) + divisor) % divisor;
    value = (value - remainder) / divisor + (remainder != 0 && side == Side::kMax ? 1 : 0);
  }
  return std::make_shared<arrow::TimestampScalar>(value, plain);
}

/// `scalar` in the type `plain`, or null when that is not safe.
ScalarPtr Adapt(const ScalarPtr& scalar, const TypePtr& plain, Side side) {
  if (scalar == nullptr || !scalar->is_valid) return nullptr;
  switch (plain->id()) {
    case Type::HALF_FLOAT:
      return nullptr;
    case Type::FLOAT:
      return scalar->type->id() == Type::FLOAT ? AdaptFloat<arrow::FloatScalar>(scalar, side)
                                               : nullptr;
    case Type::DOUBLE:
      return scalar->type->id() == Type::DOUBLE ? AdaptFloat<arrow::DoubleScalar>(scalar, side)
                                                : nullptr;
    case Type::TIMESTAMP:
      return scalar->type->id() == Type::TIMESTAMP ? AdaptTimestamp(*scalar, plain, side) : nullptr;
    case Type::DURATION:
      if (scalar->type->id() != Type::INT64) return nullptr;
      return std::make_shared<arrow::DurationScalar>(
          static_cast<const arrow::Int64Scalar&>(*scalar).value, plain);
    case Type::STRING:
      if (!arrow::is_base_binary_like(scalar->type->id())) return nullptr;
      return std::make_shared<arrow::StringScalar>(
          static_cast<const arrow::BaseBinaryScalar&>(*scalar).value);
    case Type::BINARY:
      if (!arrow::is_base_binary_like(scalar->type->id())) return nullptr;
      return std::make_shared<arrow::BinaryScalar>(
          static_cast<const arrow::BaseBinaryScalar&>(*scalar).value);
    default:
      return scalar->type->Equals(*plain) ? scalar : nullptr;
  }
}

}  // namespace

bool HasExactStatistics(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::DATE32:
    case Type::TIME64:
      return true;
    case Type::TIMESTAMP:
      return static_cast<const arrow::TimestampType&>(type).unit() != arrow::TimeUnit::SECOND;
    default:
      return arrow::is_integer(type.id());
  }
}

void ReadStatistics(const parquet::ColumnChunkMetaData& chunk, const TypePtr& plain,
                    ColumnRange* range) {
  // is_stats_set knows the writers and column orders whose statistics are wrong.
  if (!chunk.is_stats_set()) return;
  const std::shared_ptr<parquet::Statistics> statistics = chunk.statistics();
  if (statistics == nullptr) return;
  if (statistics->HasNullCount()) range->null_count = statistics->null_count();
  if (!statistics->HasMinMax()) return;
  ScalarPtr min, max;
  if (!parquet::arrow::StatisticsAsScalars(*statistics, &min, &max).ok()) return;
  range->min = Adapt(min, plain, Side::kMin);
  range->max = Adapt(max, plain, Side::kMax);
}

}  // namespace headrace::parquet_format
