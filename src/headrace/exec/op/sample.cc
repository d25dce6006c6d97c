// A lane sees the batches of a split in order, so counting them gives every row a place that does
// not depend on how rows are cut into batches.
#include "headrace/exec/op/sample.h"

#include <cmath>
#include <unordered_map>

#include "arrow/array/builder_primitive.h"
#include "headrace/base/hash.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/physical.h"

namespace headrace {
namespace {

class Sample final : public Operator {
 public:
  explicit Sample(const SampleSpec& spec) : spec_(spec) {}

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    split_ = batch.ordinal().split;
    next_row_ = &next_rows_[split_];
    if (!spec_.fraction.has_value()) {
      ARROW_ASSIGN_OR_RAISE(Batch numbered, WithNumbers(batch));
      out.Emit(std::move(numbered));
      return Flow::NeedInput();
    }
    Batch drawn = Drawn(batch);
    if (drawn.num_rows() > 0) out.Emit(std::move(drawn));
    return Flow::NeedInput();
  }

 private:
  uint64_t RandomOf(int64_t row) const {
    const uint64_t of_split = HashInteger(static_cast<uint64_t>(split_) ^ HashInteger(spec_.seed));
    return HashInteger(of_split ^ static_cast<uint64_t>(row));
  }

  Batch Drawn(const Batch& batch) {
    const double below = std::ldexp(*spec_.fraction, 53);
    auto rows = std::make_shared<std::vector<uint32_t>>();
    const Selection& selection = batch.selection();
    for (int64_t i = 0; i < batch.num_rows(); ++i) {
      if (!(static_cast<double>(RandomOf((*next_row_)++) >> 11) < below)) continue;
      const auto place = static_cast<size_t>(i);
      rows->push_back(selection == nullptr ? static_cast<uint32_t>(i) : (*selection)[place]);
    }
    return batch.WithSelection(std::move(rows));
  }

  Result<Batch> WithNumbers(const Batch& batch) {
    ARROW_ASSIGN_OR_RAISE(const Batch rows, batch.Compact(context().pool));
    arrow::Int64Builder randoms(context().pool);
    arrow::Int64Builder splits(context().pool);
    arrow::Int64Builder places(context().pool);
    for (int64_t i = 0; i < rows.num_rows(); ++i, ++*next_row_) {
      ARROW_RETURN_NOT_OK(randoms.Append(static_cast<int64_t>(RandomOf(*next_row_) >> 1)));
      ARROW_RETURN_NOT_OK(splits.Append(split_));
      ARROW_RETURN_NOT_OK(places.Append(*next_row_));
    }
    std::vector<ArrayPtr> columns = rows.columns();
    for (arrow::Int64Builder* builder : {&randoms, &splits, &places}) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), builder->Finish());
    }
    return rows.WithColumns(std::move(columns));
  }

  const SampleSpec spec_;
  int64_t split_ = -1;
  std::unordered_map<int64_t, int64_t> next_rows_;  // by split
  int64_t* next_row_ = nullptr;
};

}  // namespace

std::unique_ptr<Operator> SampleSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<Sample>(*this);
}

Status LowerSample(const PlanNode& node, Lowering& lowering) {
  const auto& sample = static_cast<const SampleNode&>(node);
  ARROW_RETURN_NOT_OK(lowering.Lower(*node.input()));
  lowering.Append(std::make_shared<SampleSpec>(sample.fraction, sample.seed));
  return Status::OK();
}

}  // namespace headrace
