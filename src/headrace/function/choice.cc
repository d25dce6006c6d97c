// ChooseRows: typed copies for fixed widths, concatenate and take for the rest.
#include "headrace/function/choice.h"

#include <algorithm>
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

/// Whether every row has a branch.
bool IsComplete(const std::vector<uint32_t>& choice) {
  uint32_t missing = 0;
  for (const uint32_t branch : choice) missing |= branch == kNoBranch ? 1 : 0;
  return missing == 0;
}

/// Values of the rows of a branch, one by one when it is a constant.
template <typename T>
struct Rowwise {
  View<T> view;
  int64_t step;
  explicit Rowwise(const Argument& branch) : view(branch), step(branch.is_constant ? 0 : 1) {}
  T operator[](int64_t row) const { return view.Raw(row * step); }
};

/// Bit r set where row r of the result is not null; null when all are set.
Result<std::shared_ptr<arrow::Buffer>> ValidityOf(KernelContext& ctx,
                                                  std::span<const Argument> branches,
                                                  const std::vector<uint32_t>& choice) {
  std::vector<Validity> valid;
  for (const Argument& branch : branches) valid.emplace_back(branch);
  const auto rows = static_cast<int64_t>(choice.size());
  const bool no_nulls =
      std::all_of(valid.begin(), valid.end(), [](const Validity& one) { return one.all_valid(); });
  if (no_nulls && IsComplete(choice)) return nullptr;
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bits,
                        arrow::AllocateEmptyBitmap(rows, ctx.pool));
  int64_t nulls = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const uint32_t branch = choice[static_cast<size_t>(row)];
    const bool is_valid = branch != kNoBranch && valid[branch][row];
    nulls += !is_valid;
    arrow::bit_util::SetBitTo(bits->mutable_data(), row, is_valid);
  }
  return nulls == 0 ? nullptr : bits;
}

template <typename T>
Result<ArrayPtr> ChooseFixed(KernelContext& ctx, std::span<const Argument> branches,
                             const std::vector<uint32_t>& choice) {
  std::vector<View<T>> values;
  for (const Argument& branch : branches) values.emplace_back(branch);
  const auto rows = static_cast<int64_t>(choice.size());
  ARROW_ASSIGN_OR_RAISE(auto out, Output<T>::Make(rows, ctx.pool));
  if (branches.size() == 2 && IsComplete(choice)) {
    const Rowwise<T> first(branches[0]);
    const Rowwise<T> second(branches[1]);
    for (int64_t row = 0; row < rows; ++row) {
      const T a = first[row];
      const T b = second[row];
      out.data()[row] = choice[static_cast<size_t>(row)] == 0 ? a : b;
    }
  } else {
    for (int64_t row = 0; row < rows; ++row) {
      const uint32_t branch = choice[static_cast<size_t>(row)];
      out.data()[row] = branch == kNoBranch ? T{} : values[branch][row];
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto validity, ValidityOf(ctx, branches, choice));
  auto data = out.Finish(ctx.result_type)->data()->Copy();
  data->buffers[0] = std::move(validity);
  data->null_count = arrow::kUnknownNullCount;
  return arrow::MakeArray(std::move(data));
}

/// Any type: the branches behind each other, then one gather.
Result<ArrayPtr> ChooseByTake(KernelContext& ctx, std::span<const Argument> branches,
                              const std::vector<uint32_t>& choice) {
  arrow::ArrayVector pieces;
  std::vector<int64_t> begins;
  int64_t total = 0;
  for (const Argument& branch : branches) {
    begins.push_back(total);
    total += branch.array->length();
    pieces.push_back(branch.array);
  }
  const auto rows = static_cast<int64_t>(choice.size());
  ARROW_ASSIGN_OR_RAISE(auto indices, Output<int64_t>::Make(rows, ctx.pool));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bits,
                        arrow::AllocateEmptyBitmap(rows, ctx.pool));
  for (int64_t row = 0; row < rows; ++row) {
    const uint32_t branch = choice[static_cast<size_t>(row)];
    const bool chosen = branch != kNoBranch;
    const int64_t position = chosen && !branches[branch].is_constant ? row : 0;
    indices.data()[row] = chosen ? begins[branch] + position : 0;
    arrow::bit_util::SetBitTo(bits->mutable_data(), row, chosen);
  }
  auto data = indices.Finish(arrow::int64())->data()->Copy();
  data->buffers[0] = std::move(bits);
  data->null_count = arrow::kUnknownNullCount;
  ARROW_ASSIGN_OR_RAISE(auto all, arrow::Concatenate(pieces, ctx.pool));
  arrow::compute::ExecContext exec(ctx.pool, nullptr);
  return arrow::compute::Take(*all, *arrow::MakeArray(std::move(data)),
                              arrow::compute::TakeOptions::NoBoundsCheck(), &exec);
}

struct Wide {
  uint64_t words[4];
};

}  // namespace

Result<ArrayPtr> ChooseRows(KernelContext& ctx, std::span<const Argument> branches,
                            const std::vector<uint32_t>& choice) {
  const TypePtr& type = ctx.result_type;
  if (branches.empty()) return MakeNulls(type, static_cast<int64_t>(choice.size()), ctx.pool);
  const bool is_flat = arrow::is_primitive(type->id()) || arrow::is_decimal(type->id());
  switch (is_flat ? static_cast<const arrow::FixedWidthType&>(*type).bit_width() : 0) {
    case 8:
      return ChooseFixed<uint8_t>(ctx, branches, choice);
    case 16:
      return ChooseFixed<uint16_t>(ctx, branches, choice);
    case 32:
      return ChooseFixed<uint32_t>(ctx, branches, choice);
    case 64:
      return ChooseFixed<uint64_t>(ctx, branches, choice);
    case 128:
      return ChooseFixed<Int128>(ctx, branches, choice);
    case 256:
      return ChooseFixed<Wide>(ctx, branches, choice);
    default:
      return ChooseByTake(ctx, branches, choice);
  }
}

std::vector<uint32_t> ActiveRows(const Rows& rows) {
  if (rows.active != nullptr) return *rows.active;
  std::vector<uint32_t> active(static_cast<size_t>(rows.length));
  std::iota(active.begin(), active.end(), 0U);
  return active;
}

}  // namespace headrace
