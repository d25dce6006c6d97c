// Counts rows as they pass; slices the first and the last batch.
#include "headrace/exec/op/limit.h"

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/op/sort/sort.h"
#include "headrace/exec/physical.h"
#include "headrace/exec/spill/state_file.h"

namespace headrace {
namespace {

// Selected rows [offset, offset + length) of `batch`, without copying columns.
Batch SliceRows(const Batch& batch, int64_t offset, int64_t length) {
  if (offset == 0 && length == batch.num_rows()) return batch;
  if (batch.selection() == nullptr) return batch.Slice(offset, length);
  const auto first = batch.selection()->begin() + offset;
  return batch.WithSelection(std::make_shared<std::vector<uint32_t>>(first, first + length));
}

class Limit final : public Operator {
 public:
  Limit(int64_t count, int64_t offset) : to_skip_(offset), to_pass_(count) {}

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (to_pass_ == 0) return Flow::Finished();
    const int64_t rows = batch.num_rows();
    const int64_t skipped = std::min(to_skip_, rows);
    const int64_t passed = std::min(to_pass_, rows - skipped);
    to_skip_ -= skipped;
    to_pass_ -= passed;
    if (passed > 0) out.Emit(SliceRows(batch, skipped, passed));
    return to_pass_ == 0 ? Flow::Finished() : Flow::NeedInput();
  }

  Result<Flow> Advance(int, Watermark watermark, Out& out) override {
    if (to_pass_ == 0) return Flow::Finished();
    out.EmitWatermark(watermark);
    return Flow::NeedInput();
  }

  Status Save(StateWriter& writer) override {
    ARROW_ASSIGN_OR_RAISE(ArrayPtr counts, Counts());
    auto batch = arrow::RecordBatch::Make(
        arrow::schema({arrow::field("to_skip_to_pass", arrow::int64(), false)}), 2, {counts});
    return writer.Write(0, *batch);
  }

  Status Load(StateReader& reader) override {
    ARROW_ASSIGN_OR_RAISE(auto batches, reader.ReadGroups(0, 1));
    if (batches.size() != 1 || batches[0]->num_columns() != 1 || batches[0]->num_rows() != 2 ||
        batches[0]->column(0)->type_id() != arrow::Type::INT64) {
      return Error(ErrorKind::kBadData, "state of limit: expected one section of two counts");
    }
    const auto& counts = static_cast<const arrow::Int64Array&>(*batches[0]->column(0));
    if (counts.null_count() > 0 || counts.Value(0) < 0 || counts.Value(1) < 0) {
      return Error(ErrorKind::kBadData, "state of limit: counts are missing or negative");
    }
    to_skip_ = counts.Value(0);
    to_pass_ = counts.Value(1);
    return Status::OK();
  }

 private:
  Result<ArrayPtr> Counts() const {
    arrow::Int64Builder builder(context().pool);
    ARROW_RETURN_NOT_OK(builder.AppendValues({to_skip_, to_pass_}));
    return builder.Finish();
  }

  int64_t to_skip_;
  int64_t to_pass_;
};

}  // namespace

std::string LimitSpec::Describe() const {
  return offset == 0 ? fmt::format("{}", count) : fmt::format("{} offset {}", count, offset);
}

std::unique_ptr<Operator> LimitSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<Limit>(count, offset);
}

// A sort below is told how many of its rows are wanted.
Status LowerLimit(const PlanNode& node, Lowering& lowering) {
  const auto& limit = static_cast<const LimitNode&>(node);
  const auto* sort = As<SortNode>(*node.input());
  int64_t rows = 0;
  const bool is_known = !__builtin_add_overflow(limit.count, limit.offset, &rows) && rows > 0;
  if (sort != nullptr && is_known) {
    ARROW_RETURN_NOT_OK(lowering.Lower(*sort->input()));
    LowerToSort(sort->input()->schema(), sort->keys, lowering, rows);
  } else {
    ARROW_RETURN_NOT_OK(lowering.Lower(*node.input()));
  }
  lowering.Serialize();
  lowering.Append(std::make_shared<LimitSpec>(limit.count, limit.offset));
  return Status::OK();
}

}  // namespace headrace
