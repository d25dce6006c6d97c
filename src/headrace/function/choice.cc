// ChooseRows: blends of words of rows for fixed widths, copies for text, concatenate and take for
// the rest.
#include "headrace/function/choice.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "arrow/array/array_primitive.h"
#include "arrow/array/concatenate.h"
#include "arrow/array/util.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/exec.h"
#include "arrow/type.h"
#include "arrow/type_traits.h"

namespace headrace {
namespace {

using BufferPtr = std::shared_ptr<arrow::Buffer>;

constexpr int64_t kWordRows = 64;

/// Bit r set where row r of the result is not null; null when all are set.
Result<BufferPtr> ValidityOf(KernelContext& ctx, std::span<const Branch> branches, int64_t length) {
  const int64_t words = (length + kWordRows - 1) / kWordRows;
  ARROW_ASSIGN_OR_RAISE(auto bits, Output<uint64_t>::Make(words, ctx.pool));
  std::fill_n(bits.data(), words, 0);
  for (const Branch& branch : branches) {
    const Validity valid(branch.value);
    for (int64_t i = 0; i < words; ++i) {
      bits.data()[i] |= branch.rows[static_cast<size_t>(i)] & valid.Word(i, length);
    }
  }
  const RowMask all = MaskOf(Rows{length});
  const bool no_nulls = std::equal(all.begin(), all.end(), bits.data());
  return no_nulls ? nullptr : BufferPtr(bits.FinishBuffer());
}

ArrayPtr WithValidity(const TypePtr& type, int64_t length, std::vector<BufferPtr> buffers) {
  const int64_t null_count = buffers[0] == nullptr ? 0 : arrow::kUnknownNullCount;
  return arrow::MakeArray(arrow::ArrayData::Make(type, length, std::move(buffers), null_count));
}

/// The bits of a word, each as wide as a value, so that blends run in SIMD registers.
template <typename Lane>
constexpr auto kLaneBits = [] {
  std::array<Lane, 8 * sizeof(Lane)> bits{};
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<Lane>(Lane{1} << i);
  return bits;
}();

/// out[i] = at(i) where bit i of `word` is set.
template <typename T, typename At>
void BlendWord(uint64_t word, int64_t count, T* out, const At& at) {
  if (word == 0) return;
  if (word == ~uint64_t{0}) {
    for (int64_t i = 0; i < kWordRows; ++i) out[i] = at(i);
    return;
  }
  if constexpr (std::is_integral_v<T> && sizeof(T) <= 8) {
    constexpr int64_t kLanes = 8 * sizeof(T);
    if (count == kWordRows) {
      for (int64_t begin = 0; begin < kWordRows; begin += kLanes) {
        const T lanes = static_cast<T>(word >> begin);
        T* const part = out + begin;
        for (int64_t i = 0; i < kLanes; ++i) {
          const T value = at(begin + i);
          const T bit = kLaneBits<T>[static_cast<size_t>(i)];
          part[i] = (lanes & bit) == bit ? value : part[i];
        }
      }
      return;
    }
  }
  for (int64_t i = 0; i < count; ++i) {
    if ((word >> i & 1) != 0) out[i] = at(i);
  }
}

template <typename T>
void BlendBranch(const Branch& branch, int64_t length, T* out) {
  const View<T> view(branch.value);
  for (int64_t begin = 0; begin < length; begin += kWordRows) {
    const uint64_t word = branch.rows[static_cast<size_t>(begin / kWordRows)];
    const int64_t count = std::min(kWordRows, length - begin);
    if (branch.value.is_constant) {
      const T value = view.Raw(0);
      BlendWord(word, count, out + begin, [&](int64_t) { return value; });
    } else {
      BlendWord(word, count, out + begin, [&](int64_t i) { return view.Raw(begin + i); });
    }
  }
}

template <typename T>
Result<ArrayPtr> ChooseFixed(KernelContext& ctx, std::span<const Branch> branches, int64_t length) {
  ARROW_ASSIGN_OR_RAISE(auto out, Output<T>::Make(length, ctx.pool));
  std::fill_n(out.data(), length, T{});
  for (const Branch& branch : branches) BlendBranch(branch, length, out.data());
  ARROW_ASSIGN_OR_RAISE(auto validity, ValidityOf(ctx, branches, length));
  return WithValidity(ctx.result_type, length, {std::move(validity), out.FinishBuffer()});
}

Result<ArrayPtr> ChooseBooleans(KernelContext& ctx, std::span<const Branch> branches,
                                int64_t length) {
  const int64_t words = (length + kWordRows - 1) / kWordRows;
  ARROW_ASSIGN_OR_RAISE(auto bits, Output<uint64_t>::Make(words, ctx.pool));
  std::fill_n(bits.data(), words, 0);
  for (const Branch& branch : branches) {
    const BooleanView value(branch.value);
    for (int64_t i = 0; i < words; ++i) {
      bits.data()[i] |= branch.rows[static_cast<size_t>(i)] & value.Word(i, length);
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto validity, ValidityOf(ctx, branches, length));
  return WithValidity(ctx.result_type, length, {std::move(validity), bits.FinishBuffer()});
}

/// Of each row the number of its branch, or kNoBranch.
std::vector<uint32_t> NumbersOf(std::span<const Branch> branches, int64_t length) {
  std::vector<uint32_t> numbers(static_cast<size_t>(length), kNoBranch);
  for (size_t i = 0; i < branches.size(); ++i) {
    for (int64_t begin = 0; begin < length; begin += kWordRows) {
      const auto number = static_cast<uint32_t>(i);
      BlendWord(branches[i].rows[static_cast<size_t>(begin / kWordRows)],
                std::min(kWordRows, length - begin), numbers.data() + begin,
                [&](int64_t) { return number; });
    }
  }
  return numbers;
}

/// Text or bytes with offsets of 32 bits.
Result<ArrayPtr> ChooseBytes(KernelContext& ctx, std::span<const Branch> branches, int64_t length) {
  std::vector<BytesView> views;
  for (const Branch& branch : branches) views.emplace_back(branch.value);
  const std::vector<uint32_t> numbers = NumbersOf(branches, length);
  const auto text_of = [&](int64_t row) {
    const uint32_t number = numbers[static_cast<size_t>(row)];
    return number == kNoBranch ? std::string_view() : views[number][row];
  };
  ARROW_ASSIGN_OR_RAISE(auto offsets, Output<int32_t>::Make(length + 1, ctx.pool));
  int64_t total = 0;
  for (int64_t row = 0; row < length; ++row) {
    offsets.data()[row] = static_cast<int32_t>(total);
    total += static_cast<int64_t>(text_of(row).size());
  }
  if (total > std::numeric_limits<int32_t>::max()) {
    return Error(ErrorKind::kMemoryLimit, "the text of one batch is longer than 2 GiB");
  }
  offsets.data()[length] = static_cast<int32_t>(total);
  ARROW_ASSIGN_OR_RAISE(auto bytes, Output<char>::Make(total, ctx.pool));
  char* out = bytes.data();
  for (int64_t row = 0; row < length; ++row) {
    const std::string_view text = text_of(row);
    out = std::copy_n(text.data(), text.size(), out);
  }
  ARROW_ASSIGN_OR_RAISE(auto validity, ValidityOf(ctx, branches, length));
  return WithValidity(ctx.result_type, length,
                      {std::move(validity), offsets.FinishBuffer(), bytes.FinishBuffer()});
}

/// Any type: the branches behind each other, then one gather.
Result<ArrayPtr> ChooseByTake(KernelContext& ctx, std::span<const Branch> branches,
                              int64_t length) {
  arrow::ArrayVector pieces;
  std::vector<int64_t> begins;
  int64_t total = 0;
  for (const Branch& branch : branches) {
    begins.push_back(total);
    total += branch.value.array->length();
    pieces.push_back(branch.value.array);
  }
  const std::vector<uint32_t> numbers = NumbersOf(branches, length);
  ARROW_ASSIGN_OR_RAISE(auto indices, Output<int64_t>::Make(length, ctx.pool));
  ARROW_ASSIGN_OR_RAISE(BufferPtr bits, arrow::AllocateEmptyBitmap(length, ctx.pool));
  for (int64_t row = 0; row < length; ++row) {
    const uint32_t number = numbers[static_cast<size_t>(row)];
    const bool chosen = number != kNoBranch;
    const int64_t position = chosen && !branches[number].value.is_constant ? row : 0;
    indices.data()[row] = chosen ? begins[number] + position : 0;
    arrow::bit_util::SetBitTo(bits->mutable_data(), row, chosen);
  }
  const ArrayPtr places =
      WithValidity(arrow::int64(), length, {std::move(bits), indices.FinishBuffer()});
  ARROW_ASSIGN_OR_RAISE(auto all, arrow::Concatenate(pieces, ctx.pool));
  arrow::compute::ExecContext exec(ctx.pool, nullptr);
  return arrow::compute::Take(*all, *places, arrow::compute::TakeOptions::NoBoundsCheck(), &exec);
}

struct Wide {
  uint64_t words[4];
};

}  // namespace

Result<ArrayPtr> ChooseRows(KernelContext& ctx, std::span<const Branch> branches, int64_t length) {
  const TypePtr& type = ctx.result_type;
  if (branches.empty()) return MakeNulls(type, length, ctx.pool);
  if (type->id() == arrow::Type::STRING || type->id() == arrow::Type::BINARY) {
    return ChooseBytes(ctx, branches, length);
  }
  if (type->id() == arrow::Type::BOOL) return ChooseBooleans(ctx, branches, length);
  const bool is_flat = arrow::is_primitive(type->id()) || arrow::is_decimal(type->id());
  switch (is_flat ? static_cast<const arrow::FixedWidthType&>(*type).bit_width() : 0) {
    case 8:
      return ChooseFixed<uint8_t>(ctx, branches, length);
    case 16:
      return ChooseFixed<uint16_t>(ctx, branches, length);
    case 32:
      return ChooseFixed<uint32_t>(ctx, branches, length);
    case 64:
      return ChooseFixed<uint64_t>(ctx, branches, length);
    case 128:
      return ChooseFixed<Int128>(ctx, branches, length);
    case 256:
      return ChooseFixed<Wide>(ctx, branches, length);
    default:
      return ChooseByTake(ctx, branches, length);
  }
}

Result<ArrayPtr> ChooseRows(KernelContext& ctx, std::span<const Argument> values,
                            const std::vector<uint32_t>& choice) {
  const auto length = static_cast<int64_t>(choice.size());
  std::vector<Branch> branches;
  for (const Argument& value : values) {
    branches.push_back({value, RowMask(static_cast<size_t>((length + 63) / 64))});
  }
  for (size_t row = 0; row < choice.size(); ++row) {
    if (choice[row] == kNoBranch) continue;
    branches[choice[row]].rows[row / 64] |= uint64_t{1} << (row % 64);
  }
  return ChooseRows(ctx, branches, length);
}

std::vector<uint32_t> ActiveRows(const Rows& rows) {
  if (rows.active != nullptr) return *rows.active;
  std::vector<uint32_t> active(static_cast<size_t>(rows.length));
  std::iota(active.begin(), active.end(), 0U);
  return active;
}

}  // namespace headrace
