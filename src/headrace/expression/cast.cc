// CastArray: which family a cast belongs to, and what its misfits come to.
#include <algorithm>

#include "arrow/array/util.h"
#include "arrow/compute/cast.h"
#include "arrow/compute/exec.h"
#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "arrow/util/bitmap_ops.h"
#include "headrace/expression/cast_row.h"
#include "headrace/expression/evaluate.h"
#include "headrace/expression/type_groups.h"
#include "headrace/types/calendar.h"
#include "headrace/types/encoding.h"
#include "headrace/types/format_value.h"

namespace headrace {
namespace {

using arrow::Type;

bool IsActive(const Rows& rows, int64_t row) {
  return rows.active == nullptr ||
         std::binary_search(rows.active->begin(), rows.active->end(), static_cast<uint32_t>(row));
}

/// float16 and the decimals that are not decimal128 go through a type that kernels know.
TypePtr Stepping(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::HALF_FLOAT:
      return arrow::float32();
    case Type::DECIMAL32:
    case Type::DECIMAL64:
    case Type::DECIMAL256: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(type);
      return arrow::decimal128(std::min(decimal.precision(), 38), decimal.scale());
    }
    default:
      return nullptr;
  }
}

/// Exact conversions that Arrow knows; a misfit anywhere fails, so only for what cannot misfit or
/// is rare.
Result<ArrayPtr> CastByArrow(const ArrayPtr& array, const TypePtr& to, arrow::MemoryPool* pool) {
  arrow::compute::ExecContext exec(pool, nullptr);
  auto result = arrow::compute::Cast(*array, to, arrow::compute::CastOptions::Safe(), &exec);
  if (result.ok()) return result;
  if (result.status().IsNotImplemented()) return NoSuchCast(*array->type(), *to);
  return Error(ErrorKind::kOverflow, "cannot cast {} to {}: {}", array->type()->ToString(),
               to->ToString(), result.status().message());
}

/// Integers and durations, in the duration's unit, through int64.
Result<ArrayPtr> CastSpan(const ArrayPtr& array, const TypePtr& to, const CastCall& call) {
  if (array->type_id() == Type::DURATION) {
    auto ticks = array->data()->Copy();
    ticks->type = arrow::int64();
    return CastArray(arrow::MakeArray(std::move(ticks)), to, call.try_cast, call.rows, call.pool);
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr ticks,
                        CastArray(array, arrow::int64(), call.try_cast, call.rows, call.pool));
  auto data = ticks->data()->Copy();
  data->type = to;
  return arrow::MakeArray(std::move(data));
}

/// A span in whole days and the rest.
Result<ArrayPtr> CastSpanToInterval(const CastCall& call) {
  using Interval = arrow::MonthDayNanoIntervalType::MonthDayNanos;
  const View<int64_t> span(call.from);
  const int64_t per_second = UnitsPerSecond(*call.from.type());
  return CastRows<Interval>(call, ErrorKind::kOverflow, [&](int64_t row, Interval* out) {
    const int64_t days = span[row] / (kSecondsPerDay * per_second);
    const int64_t rest = span[row] % (kSecondsPerDay * per_second);
    *out = {0, static_cast<int32_t>(days), rest * (kNanosPerSecond / per_second)};
    return out->days == days;
  });
}

bool IsSpanCast(Type::type from, Type::type to) {
  return (arrow::is_integer(from) && to == Type::DURATION) ||
         (from == Type::DURATION && arrow::is_integer(to));
}

Result<ArrayPtr> CastPlain(const ArrayPtr& array, const TypePtr& to, const CastCall& call) {
  const arrow::DataType& from = *array->type();
  if (from.id() == Type::NA) return MakeNulls(to, array->length(), call.pool);
  if (to->id() == Type::STRING) return CastToText(call);
  if (from.id() == Type::STRING) return CastFromText(call);
  if (IsCastNumber(from) && IsCastNumber(*to)) return CastNumber(call);
  if (IsCastTemporal(from) && IsCastTemporal(*to)) return CastTemporal(call);
  if (from.id() == Type::DURATION && to->id() == Type::INTERVAL_MONTH_DAY_NANO) {
    return CastSpanToInterval(call);
  }
  if (IsSpanCast(from.id(), to->id())) return CastSpan(array, to, call);
  if (IsBytes(from.id()) && IsBytes(to->id())) return CastByArrow(array, to, call.pool);
  if (from.num_fields() > 0 && to->num_fields() > 0) return CastNested(call);
  return NoSuchCast(from, *to);
}

}  // namespace

Result<std::shared_ptr<arrow::Buffer>> CopyValidity(const arrow::Array& array,
                                                    arrow::MemoryPool* pool) {
  if (array.null_count() == 0) return nullptr;
  return arrow::internal::CopyBitmap(pool, array.null_bitmap_data(), array.offset(),
                                     array.length());
}

Status CannotCast(const CastCall& call, int64_t row, ErrorKind kind) {
  constexpr size_t kShownMax = 100;
  std::string value = FormatValue(call.from, row);
  if (value.size() > kShownMax) {
    size_t end = kShownMax;
    while ((static_cast<uint8_t>(value[end]) & 0xC0) == 0x80) --end;  // between code points
    value = fmt::format("{}… ({} bytes)", value.substr(0, end), value.size());
  }
  const char* quote = call.from.type_id() == Type::STRING ? "'" : "";
  return Error(kind, "cannot cast {}{}{} to {}", quote, value, quote, call.to->ToString());
}

Status NoSuchCast(const arrow::DataType& from, const arrow::DataType& to) {
  const bool is_epoch = arrow::is_integer(from.id()) && to.id() == Type::TIMESTAMP;
  return Error(ErrorKind::kTypeMismatch, "there is no cast from {} to {}{}", from.ToString(),
               to.ToString(),
               is_epoch ? "; from_unixtime(seconds) and epoch_ms(milliseconds) make times" : "");
}

Result<std::shared_ptr<arrow::Buffer>> SettleMisfits(const CastCall& call,
                                                     const std::vector<int64_t>& misfits,
                                                     ErrorKind kind) {
  ARROW_ASSIGN_OR_RAISE(auto bits, CopyValidity(call.from, call.pool));
  if (misfits.empty()) return bits;
  if (bits == nullptr) {
    ARROW_ASSIGN_OR_RAISE(bits, arrow::AllocateEmptyBitmap(call.from.length(), call.pool));
    arrow::bit_util::SetBitsTo(bits->mutable_data(), 0, call.from.length(), true);
  }
  for (const int64_t row : misfits) {
    if (!call.try_cast && IsActive(call.rows, row)) return CannotCast(call, row, kind);
    arrow::bit_util::ClearBit(bits->mutable_data(), row);
  }
  return bits;
}

Result<ArrayPtr> FinishCast(const CastCall& call, std::shared_ptr<arrow::Buffer> values,
                            const std::vector<int64_t>& misfits, ErrorKind kind) {
  ARROW_ASSIGN_OR_RAISE(auto bits, SettleMisfits(call, misfits, kind));
  const int64_t null_count = bits == nullptr ? 0 : arrow::kUnknownNullCount;
  return arrow::MakeArray(arrow::ArrayData::Make(call.to, call.from.length(),
                                                 {std::move(bits), std::move(values)}, null_count));
}

Result<ArrayPtr> CastArray(const ArrayPtr& array, const TypePtr& type, bool try_cast,
                           const Rows& rows, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr plain, Decode(array, pool));
  const TypePtr to = PlainType(type);
  ArrayPtr result = plain;
  if (!SameLogicalType(*plain->type(), *to)) {
    if (const TypePtr step = Stepping(*plain->type())) {
      ARROW_ASSIGN_OR_RAISE(const ArrayPtr stepped, CastByArrow(plain, step, pool));
      return CastArray(stepped, type, try_cast, rows, pool);
    }
    if (const TypePtr step = Stepping(*to)) {
      ARROW_ASSIGN_OR_RAISE(const ArrayPtr stepped, CastArray(plain, step, try_cast, rows, pool));
      return CastByArrow(stepped, to, pool);
    }
    const CastCall call{*plain, to, try_cast, rows, pool};
    ARROW_ASSIGN_OR_RAISE(result, CastPlain(plain, to, call));
  }
  return SameLogicalType(*type, *to) && type->Equals(*to) ? result : Encode(result, type, pool);
}

}  // namespace headrace
