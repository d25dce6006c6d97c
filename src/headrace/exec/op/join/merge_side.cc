// Rows are passed in steps that double, so a side that is far behind is searched, not read.
#include "headrace/exec/op/join/merge_side.h"

#include <algorithm>
#include <utility>

#include "arrow/array.h"

namespace headrace {

Result<MergeSide> MergeSide::Make(const arrow::Schema& schema, const Ordering& order,
                                  std::vector<bool> nulls_match) {
  ARROW_ASSIGN_OR_RAISE(SortKeyEncoder encoder, SortKeyEncoder::Make(schema, order));
  std::vector<int> never_null;
  for (size_t i = 0; i < order.size(); ++i) {
    if (!nulls_match[i]) never_null.push_back(order[i].column);
  }
  return MergeSide(schema, std::move(encoder), std::move(never_null));
}

Status MergeSide::Take(const Batch& rows, arrow::MemoryPool* pool) {
  ARROW_RETURN_NOT_OK(encoder_.Encode(rows, nullptr, pool, &keys_));
  unmatched_.clear();
  for (const int column : never_null_) {
    const arrow::Array& cells = *rows.column(column);
    if (cells.null_count() == 0) continue;
    unmatched_.resize(Index(rows.num_rows()), 0);
    for (int64_t row = 0; row < rows.num_rows(); ++row) {
      if (cells.IsNull(row)) unmatched_[Index(row)] = 1;
    }
  }
  chunk_ = rows_.Add(rows);
  next_ = 0;
  return Status::OK();
}

template <typename IsBehind>
int64_t MergeSide::FirstThat(IsBehind is_behind) const {
  int64_t below = next_;
  int64_t step = 1;
  while (below + step <= keys_.num_rows && is_behind(keys_[below + step - 1])) {
    below += step;
    step *= 2;
  }
  int64_t end = std::min(below + step - 1, keys_.num_rows);
  while (below < end) {
    const int64_t middle = below + (end - below) / 2;
    if (is_behind(keys_[middle])) {
      below = middle + 1;
    } else {
      end = middle;
    }
  }
  return below;
}

int64_t MergeSide::FirstNotBelow(std::string_view key) const {
  return FirstThat([&](std::string_view other) { return other < key; });
}

int64_t MergeSide::FirstAbove(std::string_view key) const {
  return FirstThat([&](std::string_view other) { return other <= key; });
}

void MergeSide::Drop() { rows_.Remove(GiveChunk()); }

int32_t MergeSide::GiveChunk() {
  keys_.num_rows = 0;
  next_ = 0;
  return std::exchange(chunk_, -1);
}

}  // namespace headrace
