// By way of 256 bits. A value that does not fit is no error: no row has it.
#include "headrace/connect/memory/decimal_keys.h"

#include <cstring>

#include "arrow/array.h"
#include "arrow/buffer.h"
#include "arrow/type.h"
#include "arrow/util/bit_util.h"
#include "arrow/util/decimal.h"

namespace headrace {
namespace {

// `width` bytes in two's complement, widened.
arrow::Decimal256 LoadDecimal(const uint8_t* bytes, int width) {
  std::array<uint8_t, 32> wide;
  wide.fill((bytes[width - 1] & 0x80) != 0 ? 0xff : 0);
  std::memcpy(wide.data(), bytes, static_cast<size_t>(width));
  return arrow::Decimal256(wide.data());
}

}  // namespace

Result<ArrayPtr> FitDecimals(const ArrayPtr& decimals, const TypePtr& type,
                             arrow::MemoryPool* pool) {
  const auto& from = static_cast<const arrow::DecimalType&>(*decimals->type());
  const auto& to = static_cast<const arrow::DecimalType&>(*type);
  const int64_t length = decimals->length();
  ARROW_ASSIGN_OR_RAISE(auto values, arrow::AllocateBuffer(length * to.byte_width(), pool));
  ARROW_ASSIGN_OR_RAISE(auto valid, arrow::AllocateEmptyBitmap(length, pool));
  const uint8_t* cells = decimals->data()->GetValues<uint8_t>(1, 0);
  for (int64_t i = 0; i < length; ++i) {
    uint8_t* out = values->mutable_data() + i * to.byte_width();
    std::memset(out, 0, static_cast<size_t>(to.byte_width()));
    if (decimals->IsNull(i)) continue;
    const int64_t at = (decimals->offset() + i) * from.byte_width();
    const auto fitted =
        LoadDecimal(cells + at, from.byte_width()).Rescale(from.scale(), to.scale());
    if (!fitted.ok() || !fitted->FitsInPrecision(to.precision())) continue;
    std::memcpy(out, fitted->ToBytes().data(), static_cast<size_t>(to.byte_width()));
    arrow::bit_util::SetBit(valid->mutable_data(), i);
  }
  return arrow::MakeArray(
      arrow::ArrayData::Make(type, length, {std::move(valid), std::move(values)}));
}

}  // namespace headrace
