// Rows go from the front, and the vector is moved together once half of it is empty.
#include "headrace/exec/op/match/match_partition.h"

namespace headrace {

void MatchPartition::DropBefore(int64_t row, std::vector<RowRef>* dropped) {
  constexpr size_t kHeadMin = 256;
  while (first < row && head < rows.size()) {
    dropped->push_back(rows[head++].ref);
    ++first;
  }
  if (head == rows.size()) {
    rows.clear();
    head = 0;
  } else if (head >= kHeadMin && head * 2 >= rows.size()) {
    rows.erase(rows.begin(), rows.begin() + static_cast<int64_t>(head));
    head = 0;
  }
}

}  // namespace headrace
