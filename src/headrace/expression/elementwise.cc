// Elementwise functions over dictionaries.
#include "headrace/expression/elementwise.h"

#include "arrow/array/array_dict.h"
#include "arrow/array/util.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/exec.h"
#include "arrow/type.h"
#include "headrace/function/view.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

constexpr int32_t kUnused = -1;

/// Which dictionary values rows use: their places, and per row the number of its value among them.
struct Usage {
  std::vector<int64_t> used;
  std::vector<int32_t> number_of_row;  // kUnused: a null row, or one that is not active
};

Usage UsageOf(const arrow::DictionaryArray& array, const Rows& rows) {
  Usage usage;
  usage.number_of_row.assign(static_cast<size_t>(array.length()), kUnused);
  std::vector<int32_t> number_of_value(static_cast<size_t>(array.dictionary()->length()), kUnused);
  const Validity valid(array);
  const auto visit = [&](int64_t row) {
    if (!valid[row]) return Status::OK();
    const int64_t value = array.GetValueIndex(row);
    int32_t& number = number_of_value[static_cast<size_t>(value)];
    if (number == kUnused) {
      number = static_cast<int32_t>(usage.used.size());
      usage.used.push_back(value);
    }
    usage.number_of_row[static_cast<size_t>(row)] = number;
    return Status::OK();
  };
  ARROW_UNUSED(ForEachActive(rows, visit));
  return usage;
}

template <typename T>
Result<ArrayPtr> IndexArray(const TypePtr& type, const std::vector<T>& values,
                            arrow::MemoryPool* pool) {
  const auto length = static_cast<int64_t>(values.size());
  ARROW_ASSIGN_OR_RAISE(auto out, Output<T>::Make(length, pool));
  ARROW_ASSIGN_OR_RAISE(auto bits, arrow::AllocateEmptyBitmap(length, pool));
  for (int64_t i = 0; i < length; ++i) {
    const T value = values[static_cast<size_t>(i)];
    out.data()[i] = value == kUnused ? 0 : value;
    arrow::bit_util::SetBitTo(bits->mutable_data(), i, value != kUnused);
  }
  auto data = out.Finish(type)->data()->Copy();
  data->buffers[0] = std::move(bits);
  data->null_count = arrow::kUnknownNullCount;
  return arrow::MakeArray(std::move(data));
}

Result<ArrayPtr> Gather(const arrow::Array& values, const arrow::Array& indices,
                        arrow::MemoryPool* pool) {
  arrow::compute::ExecContext exec(pool, nullptr);
  return arrow::compute::Take(values, indices, arrow::compute::TakeOptions::NoBoundsCheck(), &exec);
}

}  // namespace

bool IsWorthElementwise(const Argument& arg, const Rows& rows) {
  if (arg.is_constant || arg.array->type_id() != arrow::Type::DICTIONARY) return false;
  const auto& array = static_cast<const arrow::DictionaryArray&>(*arg.array);
  return array.dictionary()->length() <= rows.length;
}

Result<ArrayPtr> MapDictionary(
    const arrow::Array& dictionary_array, const Rows& rows, const TypePtr& result_type,
    const std::function<Result<ArrayPtr>(const ArrayPtr& values, const Rows& rows)>& map,
    arrow::MemoryPool* pool) {
  const auto& array = static_cast<const arrow::DictionaryArray&>(dictionary_array);
  const Usage usage = UsageOf(array, rows);
  if (usage.used.empty()) return MakeNulls(result_type, array.length(), pool);
  ARROW_ASSIGN_OR_RAISE(auto places, IndexArray<int64_t>(arrow::int64(), usage.used, pool));
  ARROW_ASSIGN_OR_RAISE(auto used, Gather(*array.dictionary(), *places, pool));
  ARROW_ASSIGN_OR_RAISE(used, Decode(used, pool));
  ARROW_ASSIGN_OR_RAISE(auto results, map(used, Rows{used->length()}));
  ARROW_ASSIGN_OR_RAISE(auto numbers,
                        IndexArray<int32_t>(arrow::int32(), usage.number_of_row, pool));
  return Gather(*results, *numbers, pool);
}

}  // namespace headrace
