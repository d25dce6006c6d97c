// A row that a bound rules out lies on the far side of all rows that satisfy it, so that narrowing
// up to it is right whatever is known of the other rows.
#include "headrace/connect/memory/search_range.h"

#include <algorithm>

#include "arrow/array.h"
#include "arrow/scalar.h"

namespace headrace {
namespace {

class SortedKey {
 public:
  SortedKey(const std::vector<Batch>& batches, const std::vector<int64_t>& starts, int column)
      : batches_(batches), starts_(starts), column_(column) {}

  Result<bool> MayMatch(int64_t row, const ColumnBound& bound) const {
    const auto after = std::upper_bound(starts_.begin(), starts_.end(), row);
    const auto batch = static_cast<size_t>(after - starts_.begin()) - 1;
    const arrow::Array& cells = *batches_[batch].column(column_);
    ARROW_ASSIGN_OR_RAISE(ScalarPtr cell, cells.GetScalar(row - starts_[batch]));
    if (cell->is_valid && cell->type->id() == arrow::Type::DICTIONARY) {
      ARROW_ASSIGN_OR_RAISE(cell,
                            static_cast<const arrow::DictionaryScalar&>(*cell).GetEncodedValue());
    }
    const int64_t nulls = cell->is_valid ? 0 : 1;
    return headrace::MayMatch(bound, {cell, cell, nulls, 1});
  }

  /// The first row of [begin, end) for which the bound may, or where `wanted` is false cannot,
  /// match; `end`: none.
  Result<int64_t> First(int64_t begin, int64_t end, const ColumnBound& bound, bool wanted) const {
    while (begin < end) {
      const int64_t middle = begin + (end - begin) / 2;
      ARROW_ASSIGN_OR_RAISE(const bool may, MayMatch(middle, bound));
      if (may == wanted) {
        end = middle;
      } else {
        begin = middle + 1;
      }
    }
    return begin;
  }

 private:
  const std::vector<Batch>& batches_;
  const std::vector<int64_t>& starts_;
  const int column_;
};

/// The rows that satisfy a bound of this kind stand at the end of ascending ones, or at their
/// start.
bool IsLower(BoundOp op) { return op == BoundOp::kGreater || op == BoundOp::kGreaterEqual; }
bool IsUpper(BoundOp op) { return op == BoundOp::kLess || op == BoundOp::kLessEqual; }

}  // namespace

Result<std::pair<int64_t, int64_t>> SearchRange(const std::vector<Batch>& batches,
                                                const std::vector<int64_t>& starts,
                                                const Ordering& order,
                                                const std::vector<ColumnBound>& bounds) {
  int64_t begin = 0;
  int64_t end = starts.back();
  if (order.empty()) return std::pair(begin, end);
  const SortKey& key = order.front();
  const SortedKey rows(batches, starts, key.column);
  const ColumnBound is_there{key.column, BoundOp::kIsNotNull, nullptr};
  for (const ColumnBound& bound : bounds) {
    const bool is_equal = bound.op == BoundOp::kEqual;
    if (bound.column != key.column || !(is_equal || IsLower(bound.op) || IsUpper(bound.op))) {
      continue;
    }
    // Nulls satisfy none of these.
    if (key.nulls == NullPlacement::kFirst) {
      ARROW_ASSIGN_OR_RAISE(begin, rows.First(begin, end, is_there, true));
    } else {
      ARROW_ASSIGN_OR_RAISE(end, rows.First(begin, end, is_there, false));
    }
    ColumnBound half = bound;
    if (is_equal || IsLower(bound.op) != key.descending) {
      if (is_equal) half.op = key.descending ? BoundOp::kLessEqual : BoundOp::kGreaterEqual;
      ARROW_ASSIGN_OR_RAISE(begin, rows.First(begin, end, half, true));
    }
    if (is_equal || IsUpper(bound.op) != key.descending) {
      if (is_equal) half.op = key.descending ? BoundOp::kGreaterEqual : BoundOp::kLessEqual;
      ARROW_ASSIGN_OR_RAISE(end, rows.First(begin, end, half, false));
    }
  }
  return std::pair(begin, end);
}

}  // namespace headrace
