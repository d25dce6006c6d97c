// Bits to rows and back.
#include "headrace/function/row_mask.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <numeric>

#include "headrace/base/set_bits.h"

namespace headrace {
namespace {

RowMask Make(int64_t length) { return RowMask(static_cast<size_t>((length + 63) / 64)); }

/// Clears what is set past the rows.
void Trim(int64_t length, RowMask& mask) {
  if (length % 64 != 0) mask.back() &= (uint64_t{1} << (length % 64)) - 1;
}

}  // namespace

RowMask MaskOf(const Rows& rows) {
  RowMask mask = Make(rows.length);
  if (rows.active == nullptr) {
    std::fill(mask.begin(), mask.end(), ~uint64_t{0});
    Trim(rows.length, mask);
    return mask;
  }
  for (const uint32_t row : *rows.active) mask[row / 64] |= uint64_t{1} << (row % 64);
  return mask;
}

RowMask TrueRows(const Argument& condition, int64_t length) {
  const Validity valid(condition);
  const BooleanView holds(condition);
  RowMask mask = Make(length);
  for (size_t i = 0; i < mask.size(); ++i) {
    mask[i] = holds.Word(static_cast<int64_t>(i), length);
    if (!valid.all_valid()) mask[i] &= valid.Word(static_cast<int64_t>(i), length);
  }
  Trim(length, mask);
  return mask;
}

RowMask ValidRows(const Argument& argument, int64_t length) {
  const Validity valid(argument);
  RowMask mask = Make(length);
  for (size_t i = 0; i < mask.size(); ++i) mask[i] = valid.Word(static_cast<int64_t>(i), length);
  Trim(length, mask);
  return mask;
}

std::vector<uint32_t> RowsIn(const RowMask& mask) {
  const auto count = static_cast<size_t>(CountRows(mask));
  std::vector<uint32_t> rows(count + kSetBitsSlack);
  uint32_t* out = rows.data();
  for (size_t i = 0; i < mask.size(); ++i) {
    out = WriteSetBits(mask[i], static_cast<uint32_t>(i * 64), out);
  }
  rows.resize(count);
  return rows;
}

int64_t CountRows(const RowMask& mask) {
  return std::transform_reduce(mask.begin(), mask.end(), int64_t{0}, std::plus<>(),
                               [](uint64_t word) { return std::popcount(word); });
}

}  // namespace headrace
