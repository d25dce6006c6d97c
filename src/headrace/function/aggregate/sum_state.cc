// The states behind sum and mean.
#include "headrace/function/aggregate/sum_state.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "arrow/util/decimal.h"
#include "headrace/function/aggregate/sums_side_by_side.h"

namespace headrace {
namespace {

// Gives the rows that were added, which is none when something is not finite; `add` is called with
// their partial sums.
template <typename Add>
int64_t AddSideBySide(const uint8_t* values, int64_t length, Add&& add) {
  if (length < SumsSideBySide::kSums) return 0;
  SumsSideBySide sums;
  sums.Add(values, length);
  if (!sums.are_finite) return 0;
  for (int64_t i = 0; i < SumsSideBySide::kSums; ++i) {
    add(sums.highs[i]);
    add(sums.lows[i]);
  }
  return length / SumsSideBySide::kSums * SumsSideBySide::kSums;
}

double ValueAt(const uint8_t* values, int64_t row) {
  double value;
  std::memcpy(&value, values + row * static_cast<int64_t>(sizeof(value)), sizeof(value));
  return value;
}

}  // namespace

void IntegerSum::Merge(const IntegerSum& other) {
  Put(sum() + other.sum());
  count += other.count;
}

void IntegerSum::Save(std::string* out) const {
  PutValue(sum(), out);
  PutValue(count, out);
}

Status IntegerSum::Load(StateBytesReader& reader) {
  Int128 sum = 0;
  ARROW_RETURN_NOT_OK(reader.Read(&sum));
  ARROW_RETURN_NOT_OK(reader.ReadCount(&count));
  Put(sum);
  // count values of 64 bits cannot reach further; this also keeps later sums from overflowing.
  const Int128 bound = static_cast<Int128>(count) * std::numeric_limits<uint64_t>::max();
  return sum > bound || sum < -bound ? reader.Damaged("the sum is out of reach of its count")
                                     : Status::OK();
}

void IntegerTotal::Save(std::string* out) const {
  PutValue(low, out);
  PutValue(high, out);
}

Status IntegerTotal::Load(StateBytesReader& reader) {
  ARROW_RETURN_NOT_OK(reader.Read(&low));
  ARROW_RETURN_NOT_OK(reader.Read(&high));
  // 2^58 values of 64 bits reach no further, and so many bits are left for later sums.
  const Int128 bound = static_cast<Int128>(1) << 122;
  const bool is_known = is_empty() ? low == 0 && high == kBias : sum() < bound && sum() > -bound;
  return is_known ? Status::OK() : reader.Damaged("the sum is out of reach");
}

void DecimalSum192::Merge(const DecimalSum192& other) {
  AddWide(other.low, other.high);
  count += other.count;
  if (other.count > 0) scale = other.scale;
}

bool DecimalSum192::Narrow(Int128* out) const {
  *out = static_cast<Int128>(low);
  return high != (*out < 0 ? -1 : 0);
}

double DecimalSum192::ToDouble() const {
  const auto sign = static_cast<uint64_t>(high < 0 ? -1 : 0);
  const arrow::Decimal256 wide(arrow::BasicDecimal256::LittleEndianArray,
                               {static_cast<uint64_t>(low), static_cast<uint64_t>(low >> 64),
                                static_cast<uint64_t>(high), sign});
  return wide.ToDouble(scale);
}

void DecimalSum192::Save(std::string* out) const {
  PutValue(low, out);
  PutValue(high, out);
  PutValue(count, out);
  PutValue(scale, out);
}

Status DecimalSum192::Load(StateBytesReader& reader) {
  ARROW_RETURN_NOT_OK(reader.Read(&low));
  ARROW_RETURN_NOT_OK(reader.Read(&high));
  ARROW_RETURN_NOT_OK(reader.ReadCount(&count));
  ARROW_RETURN_NOT_OK(reader.Read(&scale));
  constexpr int32_t kScaleMax = 38;
  return scale < -kScaleMax || scale > kScaleMax ? reader.Damaged("the scale is out of range")
                                                 : Status::OK();
}

void FloatSum::Note(double value, int64_t change) {
  (std::isnan(value) ? nans : value > 0 ? infinities : negative_infinities) += change;
}

void FloatSum::AddMany(const uint8_t* values, int64_t length) {
  int64_t row = AddSideBySide(values, length, [this](double part) { Accumulate(part); });
  count += row;
  for (; row < length; ++row) Add(ValueAt(values, row));
}

void FloatSum::Merge(const FloatSum& other) {
  Accumulate(other.high);
  Accumulate(other.low);
  count += other.count;
  nans += other.nans;
  infinities += other.infinities;
  negative_infinities += other.negative_infinities;
}

double FloatSum::Value() const {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (nans > 0 || (infinities > 0 && negative_infinities > 0)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (infinities > 0) return kInfinity;
  if (negative_infinities > 0) return -kInfinity;
  return std::isfinite(high) ? high + low : high;
}

void FloatSum::Save(std::string* out) const {
  PutValue(high, out);
  PutValue(low, out);
  PutValue(count, out);
  PutValue(nans, out);
  PutValue(infinities, out);
  PutValue(negative_infinities, out);
}

Status FloatSum::Load(StateBytesReader& reader) {
  ARROW_RETURN_NOT_OK(reader.Read(&high));
  ARROW_RETURN_NOT_OK(reader.Read(&low));
  ARROW_RETURN_NOT_OK(reader.ReadCount(&count));
  ARROW_RETURN_NOT_OK(reader.ReadCount(&nans));
  ARROW_RETURN_NOT_OK(reader.ReadCount(&infinities));
  ARROW_RETURN_NOT_OK(reader.ReadCount(&negative_infinities));
  return count < nans || count < infinities || count < negative_infinities
             ? reader.Damaged("a part is counted higher than the whole")
             : Status::OK();
}

void FloatTotal::AddMany(const uint8_t* values, int64_t length) {
  int64_t row = AddSideBySide(values, length, [this](double part) { Accumulate(part); });
  for (; row < length; ++row) Add(ValueAt(values, row));
}

// A value that is not finite, or a sum that no longer is.
void FloatTotal::AccumulateOdd(double value) {
  const bool is_marked = low == kMark;
  if (std::isfinite(value)) {
    if (is_marked) return;
    high += value;
    low = 0;
  } else {
    high = is_marked ? high + value : value;
    low = kMark;
  }
}

void FloatTotal::Merge(const FloatTotal& other) {
  if (other.is_empty()) return;
  if (other.low == kMark || std::isfinite(other.high)) {
    Accumulate(other.high);
    if (other.low != kMark) Accumulate(other.low);
  } else if (low != kMark) {  // the other's finite values have an infinite sum
    high += other.high;
    low = 0;
  }
}

double FloatTotal::Value() const { return std::isfinite(high) ? high + low : high; }

void FloatTotal::Save(std::string* out) const {
  PutValue(high, out);
  PutValue(low, out);
}

Status FloatTotal::Load(StateBytesReader& reader) {
  ARROW_RETURN_NOT_OK(reader.Read(&high));
  return reader.Read(&low);
}

}  // namespace headrace
