// 64 rows at a time by Highway; the last ones from a padded copy.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "headrace/function/compare_bits.cc"
#include "headrace/function/compare_bits.h"

#include <cstring>

#include <hwy/foreach_target.h>  // includes this file once per target

#include <hwy/cache_control.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace headrace::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
constexpr int64_t kBlockRows = 64;

struct EqualTo {
  template <class D, class V>
  HWY_INLINE hn::Mask<D> operator()(D, V values, V limit) const {
    return hn::Eq(values, limit);
  }
};
struct LessThan {
  template <class D, class V>
  HWY_INLINE hn::Mask<D> operator()(D, V values, V limit) const {
    return hn::Lt(values, limit);
  }
};
struct MoreThan {
  template <class D, class V>
  HWY_INLINE hn::Mask<D> operator()(D, V values, V limit) const {
    return hn::Lt(limit, values);
  }
};
struct AtMost {  // of floats
  template <class D, class V>
  HWY_INLINE hn::Mask<D> operator()(D, V values, V limit) const {
    return hn::Le(values, limit);
  }
};

/// The answers for 64 values, or their opposites.
template <typename T, class Test>
HWY_INLINE uint64_t BitsOf(const uint8_t* values, T limit, bool opposite, Test test) {
  const hn::CappedTag<T, kBlockRows> d;
  constexpr size_t kLanes = HWY_MIN(kBlockRows, HWY_LANES(T));
  const auto limits = hn::Set(d, limit);
  uint64_t word = 0;
  for (size_t i = 0; i < kBlockRows; i += kLanes) {
    const auto lanes = hn::LoadU(d, reinterpret_cast<const T*>(values) + i);
    uint64_t part = 0;
    hn::StoreMaskBits(d, test(d, lanes, limits), reinterpret_cast<uint8_t*>(&part));
    word |= part << i;
  }
  return opposite ? ~word : word;
}

/// Asks for what comes some blocks later: the hardware's own prefetch ends with a page of memory.
template <typename T>
HWY_INLINE void PrefetchBlock(const uint8_t* values) {
  constexpr size_t kLineBytes = 64, kAheadBytes = 2048, kPageAheadBytes = 8192;
  hwy::Prefetch(values + kPageAheadBytes);
  for (size_t at = 0; at < kBlockRows * sizeof(T); at += kLineBytes) {
    hwy::Prefetch(values + kAheadBytes + at);
  }
}

template <typename T, class Test>
HWY_INLINE void Blocks(const uint8_t* values, T limit, int64_t count, bool opposite, Test test,
                       uint8_t* bits) {
  for (; count >= kBlockRows; count -= kBlockRows) {
    PrefetchBlock<T>(values);
    const uint64_t word = BitsOf(values, limit, opposite, test);
    std::memcpy(bits, &word, sizeof word);
    values += kBlockRows * int64_t{sizeof(T)};
    bits += sizeof word;
  }
  if (count == 0) return;
  uint8_t rest[kBlockRows * sizeof(T)] = {};
  std::memcpy(rest, values, static_cast<size_t>(count) * sizeof(T));
  const uint64_t word = BitsOf(rest, limit, opposite, test);
  std::memcpy(bits, &word, static_cast<size_t>(count + 7) / 8);
}

/// NaN is greater: not at most, and not less.
template <typename T>
HWY_INLINE void Compare(CompareOp op, const uint8_t* values, T limit, int64_t count,
                        uint8_t* bits) {
  switch (op) {
    case CompareOp::kEqual:
    case CompareOp::kNotEqual:
      return Blocks(values, limit, count, op == CompareOp::kNotEqual, EqualTo(), bits);
    case CompareOp::kLess:
    case CompareOp::kGreaterEqual:
      return Blocks(values, limit, count, op == CompareOp::kGreaterEqual, LessThan(), bits);
    case CompareOp::kLessEqual:
    case CompareOp::kGreater:
      if constexpr (hwy::IsFloat<T>()) {
        return Blocks(values, limit, count, op == CompareOp::kGreater, AtMost(), bits);
      } else {
        return Blocks(values, limit, count, op == CompareOp::kLessEqual, MoreThan(), bits);
      }
  }
}

void CompareInt32(CompareOp op, const uint8_t* values, int32_t limit, int64_t count,
                  uint8_t* bits) {
  Compare(op, values, limit, count, bits);
}
void CompareInt64(CompareOp op, const uint8_t* values, int64_t limit, int64_t count,
                  uint8_t* bits) {
  Compare(op, values, limit, count, bits);
}
void CompareFloat(CompareOp op, const uint8_t* values, float limit, int64_t count, uint8_t* bits) {
  Compare(op, values, limit, count, bits);
}
void CompareDouble(CompareOp op, const uint8_t* values, double limit, int64_t count,
                   uint8_t* bits) {
  Compare(op, values, limit, count, bits);
}

}  // namespace headrace::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headrace {

HWY_EXPORT(CompareInt32);
HWY_EXPORT(CompareInt64);
HWY_EXPORT(CompareFloat);
HWY_EXPORT(CompareDouble);

template <>
void CompareBits(CompareOp op, const uint8_t* values, int32_t limit, int64_t count, uint8_t* bits) {
  HWY_DYNAMIC_DISPATCH(CompareInt32)(op, values, limit, count, bits);
}
template <>
void CompareBits(CompareOp op, const uint8_t* values, int64_t limit, int64_t count, uint8_t* bits) {
  HWY_DYNAMIC_DISPATCH(CompareInt64)(op, values, limit, count, bits);
}
template <>
void CompareBits(CompareOp op, const uint8_t* values, float limit, int64_t count, uint8_t* bits) {
  HWY_DYNAMIC_DISPATCH(CompareFloat)(op, values, limit, count, bits);
}
template <>
void CompareBits(CompareOp op, const uint8_t* values, double limit, int64_t count, uint8_t* bits) {
  HWY_DYNAMIC_DISPATCH(CompareDouble)(op, values, limit, count, bits);
}

}  // namespace headrace
#endif  // HWY_ONCE
