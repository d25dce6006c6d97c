// Picking rows at a distance.
#include "headrace/function/ordered/pick.h"

#include "headrace/function/view.h"

namespace headrace {

Status PickAway(const WindowRows& rows, std::span<const Argument> args, int direction,
                std::vector<int64_t>* picked) {
  const int64_t away = args.size() > 1 ? View<int64_t>(args[1])[0] : 1;
  if (away < 0) {
    return Error(ErrorKind::kInvalidArgument, "{} takes a distance in rows from 0, got {}",
                 direction < 0 ? "lag" : "lead", away);
  }
  const Validity valid(args[0]);
  for (int64_t i = rows.begin; i < rows.end; ++i) {
    const int64_t begin = rows.partition_begin[i];
    const int64_t end = rows.partition_end[i];
    int64_t row = i + direction * away;
    if (rows.ignore_nulls && away > 0) {
      int64_t left = away;
      for (row = i + direction; row >= begin && row < end; row += direction) {
        if (valid[row] && --left == 0) break;
      }
    }
    picked->push_back(row >= begin && row < end ? row : -1);
  }
  return Status::OK();
}

}  // namespace headrace
