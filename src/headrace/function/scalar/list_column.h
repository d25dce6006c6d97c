// Access to columns of lists and maps, and lists made of items that are picked by place.
#pragma once

#include <vector>

#include "arrow/array/array_nested.h"
#include "headrace/function/view.h"

namespace headrace {

/// Items of a list column; for a map its entries. Places count in values().
class ListColumn {
 public:
  explicit ListColumn(const Argument& arg)
      : array_(static_cast<const arrow::ListArray&>(*arg.array)), is_constant_(arg.is_constant) {}

  int64_t Begin(int64_t row) const { return array_.value_offset(is_constant_ ? 0 : row); }
  int64_t End(int64_t row) const { return array_.value_offset((is_constant_ ? 0 : row) + 1); }
  int64_t Length(int64_t row) const { return End(row) - Begin(row); }
  const ArrayPtr& values() const { return array_.values(); }

 private:
  const arrow::ListArray& array_;
  bool is_constant_;
};

inline constexpr int64_t kNoItem = -1;

/// The items at `places`, null at kNoItem.
Result<ArrayPtr> TakeItems(const arrow::Array& values, const std::vector<int64_t>& places,
                           arrow::MemoryPool* pool);
/// Lists over `items`; row r ends at ends[r].
Result<ArrayPtr> MakeLists(KernelContext& ctx, const std::vector<int32_t>& ends,
                           const ArrayPtr& items);

/// list_concat: the items of all arguments, lists of one type.
Result<ArrayPtr> ConcatLists(KernelContext& ctx, std::span<const Argument> args, const Rows& rows);
Result<TypePtr> ConcatListsType(std::span<const TypePtr> args);

}  // namespace headrace
