// One loop by Highway: a register or several for the eight sums.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "headrace/function/aggregate/sums_side_by_side.cc"
#include "headrace/function/aggregate/sums_side_by_side.h"

#include <hwy/foreach_target.h>  // includes this file once per target

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace headrace::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

void AddSideBySide(const uint8_t* values, int64_t length, SumsSideBySide* sums) {
  constexpr int64_t kSums = SumsSideBySide::kSums;
  using Tag = hn::CappedTag<double, kSums>;
  constexpr auto kLanes = static_cast<int64_t>(HWY_MIN(kSums, HWY_LANES(double)));
  constexpr auto kVectors = kSums / kLanes;
  const Tag tag;
  hn::Vec<Tag> highs[kVectors];
  hn::Vec<Tag> lows[kVectors];
  hn::Vec<Tag> odd[kVectors];  // NaN once a value or a sum is not finite
  for (int64_t i = 0; i < kVectors; ++i) {
    highs[i] = hn::LoadU(tag, sums->highs + i * kLanes);
    lows[i] = hn::LoadU(tag, sums->lows + i * kLanes);
    odd[i] = hn::Zero(tag);
  }
  const auto* next = reinterpret_cast<const double*>(values);
  for (const double* const end = next + length / kSums * kSums; next < end; next += kSums) {
    for (int64_t i = 0; i < kVectors; ++i) {
      const auto value = hn::LoadU(tag, next + i * kLanes);
      const auto sum = hn::Add(highs[i], value);
      const auto part = hn::Sub(sum, highs[i]);
      const auto lost = hn::Add(hn::Sub(highs[i], hn::Sub(sum, part)), hn::Sub(value, part));
      lows[i] = hn::Add(lows[i], lost);
      odd[i] = hn::Add(odd[i], hn::Sub(sum, sum));
      highs[i] = sum;
    }
  }
  for (int64_t i = 0; i < kVectors; ++i) {
    hn::StoreU(highs[i], tag, sums->highs + i * kLanes);
    hn::StoreU(lows[i], tag, sums->lows + i * kLanes);
    const bool are_finite = hn::AllTrue(tag, hn::Eq(odd[i], hn::Zero(tag)));
    sums->are_finite = sums->are_finite && are_finite;
  }
}

}  // namespace headrace::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headrace {

HWY_EXPORT(AddSideBySide);

void SumsSideBySide::Add(const uint8_t* values, int64_t length) {
  HWY_DYNAMIC_DISPATCH(AddSideBySide)(values, length, this);
}

}  // namespace headrace
#endif  // HWY_ONCE
