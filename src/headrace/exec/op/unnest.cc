// Each call gives the next elements of a batch: a cursor (row, element) remembers where it goes on.
#include "headrace/exec/op/unnest.h"

#include <algorithm>
#include <optional>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/exec.h"
#include "arrow/type.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/physical.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

/// The elements of one list column by row.
struct Lists {
  ArrayPtr values;
  std::vector<int64_t> begins;   // per row
  std::vector<int64_t> lengths;  // per row; 0 for null
};

template <typename ListArray>
Lists ListsOf(const ArrayPtr& array) {
  const auto& list = static_cast<const ListArray&>(*array);
  Lists lists{list.values(), {}, {}};
  for (int64_t row = 0; row < list.length(); ++row) {
    lists.begins.push_back(list.value_offset(row));
    lists.lengths.push_back(list.IsNull(row) ? 0 : list.value_length(row));
  }
  return lists;
}

Result<Lists> ListsOf(const ArrayPtr& array) {
  switch (array->type_id()) {
    case arrow::Type::LIST:
    case arrow::Type::MAP:
      return ListsOf<arrow::ListArray>(array);
    case arrow::Type::LARGE_LIST:
      return ListsOf<arrow::LargeListArray>(array);
    case arrow::Type::FIXED_SIZE_LIST:
      return ListsOf<arrow::FixedSizeListArray>(array);
    default:
      return Error(ErrorKind::kUnsupported, "unnest does not take a {}", array->type()->ToString());
  }
}

class Unnest final : public Operator {
 public:
  explicit Unnest(const UnnestSpec& spec) : spec_(spec) {}

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (!rows_.has_value()) ARROW_RETURN_NOT_OK(Begin(batch));
    Collect();
    if (!parents_.empty()) {
      ARROW_ASSIGN_OR_RAISE(Batch made, Make());
      out.Emit(std::move(made));
    }
    if (row_ < rows_->num_rows()) return Flow::MoreOutput();
    rows_.reset();
    return Flow::NeedInput();
  }

 private:
  Status Begin(const Batch& batch) {
    ARROW_ASSIGN_OR_RAISE(Batch rows, batch.Compact(context().pool));
    lists_.clear();
    for (int column : spec_.lists) {
      ARROW_ASSIGN_OR_RAISE(const ArrayPtr plain, Decode(rows.column(column), context().pool));
      ARROW_ASSIGN_OR_RAISE(lists_.emplace_back(), ListsOf(plain));
    }
    rows_ = std::move(rows);
    row_ = 0;
    element_ = 0;
    return Status::OK();
  }

  int64_t ElementsOf(int64_t row) const {
    int64_t longest = spec_.keep_empty ? 1 : 0;
    for (const Lists& lists : lists_) {
      longest = std::max(longest, lists.lengths[static_cast<size_t>(row)]);
    }
    return longest;
  }

  // The next rows of output, as (input row, element).
  void Collect() {
    parents_.clear();
    elements_.clear();
    for (; row_ < rows_->num_rows(); ++row_, element_ = 0) {
      for (const int64_t count = ElementsOf(row_); element_ < count; ++element_) {
        if (static_cast<int64_t>(parents_.size()) >= context().batch_rows) return;
        parents_.push_back(row_);
        elements_.push_back(element_);
      }
    }
  }

  Result<ArrayPtr> IndexesInto(const Lists& lists) const {
    arrow::Int64Builder builder(context().pool);
    ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<int64_t>(parents_.size())));
    for (size_t i = 0; i < parents_.size(); ++i) {
      const auto row = static_cast<size_t>(parents_[i]);
      if (elements_[i] < lists.lengths[row]) {
        builder.UnsafeAppend(lists.begins[row] + elements_[i]);
      } else {
        builder.UnsafeAppendNull();
      }
    }
    return builder.Finish();
  }

  Result<Batch> Make() const {
    const arrow::Int64Array parents(static_cast<int64_t>(parents_.size()),
                                    arrow::Buffer::Wrap(parents_.data(), parents_.size()));
    ARROW_ASSIGN_OR_RAISE(Batch made, rows_->Take(parents, context().pool));
    std::vector<ArrayPtr> columns = made.columns();
    arrow::compute::ExecContext compute(context().pool);
    compute.set_use_threads(false);
    for (const Lists& lists : lists_) {
      ARROW_ASSIGN_OR_RAISE(const ArrayPtr indexes, IndexesInto(lists));
      ARROW_ASSIGN_OR_RAISE(
          columns.emplace_back(),
          arrow::compute::Take(*lists.values, *indexes,
                               arrow::compute::TakeOptions::NoBoundsCheck(), &compute));
    }
    if (spec_.ordinality) {
      arrow::Int64Builder builder(context().pool);
      for (size_t i = 0; i < elements_.size(); ++i) {
        const bool is_filler = elements_[i] == 0 && IsEmpty(parents_[i]);
        ARROW_RETURN_NOT_OK(is_filler ? builder.AppendNull() : builder.Append(elements_[i] + 1));
      }
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), builder.Finish());
    }
    return made.WithColumns(std::move(columns));
  }

  bool IsEmpty(int64_t row) const {
    return std::all_of(lists_.begin(), lists_.end(), [&](const Lists& lists) {
      return lists.lengths[static_cast<size_t>(row)] == 0;
    });
  }

  const UnnestSpec spec_;
  std::optional<Batch> rows_;
  std::vector<Lists> lists_;
  int64_t row_ = 0;
  int64_t element_ = 0;
  std::vector<int64_t> parents_;
  std::vector<int64_t> elements_;
};

}  // namespace

std::unique_ptr<Operator> UnnestSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<Unnest>(*this);
}

Status LowerUnnest(const PlanNode& node, Lowering& lowering) {
  const auto& unnest = static_cast<const UnnestNode&>(node);
  ARROW_RETURN_NOT_OK(lowering.Lower(*node.input()));
  lowering.Append(
      std::make_shared<UnnestSpec>(unnest.lists, unnest.keep_empty, !unnest.ordinality.empty()));
  return Status::OK();
}

}  // namespace headrace
