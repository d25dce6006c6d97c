// Batches whose rows are all given once, as most are, pass without copying. Of others a cursor
// (row, how often it was given) remembers where the next call goes on.
#include "headrace/exec/op/repeat.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "arrow/array.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/op/take_rows.h"
#include "headrace/exec/physical.h"
#include "headrace/plan/node.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

class Repeat final : public Operator {
 public:
  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (!rows_.has_value()) {
      ARROW_RETURN_NOT_OK(Begin(batch));
      if (AllOnce()) {
        out.Emit(*std::exchange(rows_, std::nullopt));
        return Flow::NeedInput();
      }
    }
    const std::vector<uint32_t> taken = NextRows();
    if (!taken.empty()) {
      ARROW_ASSIGN_OR_RAISE(Batch made, TakeRows(*rows_, taken, context().pool));
      out.Emit(std::move(made));
    }
    if (row_ < rows_->num_rows()) return Flow::MoreOutput();
    rows_.reset();
    return Flow::NeedInput();
  }

 private:
  Status Begin(const Batch& batch) {
    ARROW_ASSIGN_OR_RAISE(Batch rows, batch.Compact(context().pool));
    std::vector<ArrayPtr> columns = rows.columns();
    ARROW_ASSIGN_OR_RAISE(times_, Decode(columns.back(), context().pool));
    columns.pop_back();
    rows_ = rows.WithColumns(std::move(columns));
    row_ = 0;
    given_ = 0;
    const int64_t row_bytes = rows_->num_bytes() / std::max<int64_t>(rows_->num_rows(), 1) + 1;
    rows_max_ = std::clamp<int64_t>(context().batch_bytes / row_bytes, 1, context().batch_rows);
    return Status::OK();
  }

  bool AllOnce() const {
    const std::span<const int64_t> times = Times();
    return !times.empty() &&
           std::all_of(times.begin(), times.end(), [](int64_t count) { return count == 1; });
  }

  std::span<const int64_t> Times() const {
    return {times_->data()->GetValues<int64_t>(1), static_cast<size_t>(times_->length())};
  }

  std::vector<uint32_t> NextRows() {
    std::vector<uint32_t> taken;
    for (; row_ < rows_->num_rows(); ++row_, given_ = 0) {
      const int64_t wanted = Times()[static_cast<size_t>(row_)] - given_;
      const int64_t room = rows_max_ - static_cast<int64_t>(taken.size());
      const int64_t count = std::min(std::max<int64_t>(wanted, 0), room);
      taken.insert(taken.end(), static_cast<size_t>(count), static_cast<uint32_t>(row_));
      given_ += count;
      if (count < wanted) break;
    }
    return taken;
  }

  std::optional<Batch> rows_;
  ArrayPtr times_;
  int64_t row_ = 0;
  int64_t given_ = 0;  // of row_
  int64_t rows_max_ = 1;
};

}  // namespace

std::unique_ptr<Operator> RepeatSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<Repeat>();
}

Status LowerRepeat(const PlanNode& node, Lowering& lowering) {
  ARROW_RETURN_NOT_OK(lowering.Lower(*node.input()));
  lowering.Append(std::make_shared<RepeatSpec>());
  return Status::OK();
}

}  // namespace headrace
