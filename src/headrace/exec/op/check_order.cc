// Rows are compared in place where the one key is a number without nulls, else as encoded keys.
#include "headrace/exec/op/check_order.h"

#include <fmt/format.h>

#include <map>
#include <mutex>
#include <optional>

#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/exec/key/sort_key_encoder.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/physical.h"
#include "headrace/plan/check_order.h"
#include "headrace/types/encoding.h"
#include "headrace/types/format_value.h"

namespace headrace {
namespace {

/// A row as it is compared and as it is told of.
struct Row {
  std::string key;
  std::string text;    // "ts = 5, id = 1"
  int64_t number = 0;  // in its split, from 0
};

Status OutOfOrder(const CheckOrderSpec& spec, const Row& row, int64_t split, const Row& before,
                  int64_t split_before) {
  const arrow::Schema& schema = *spec.schema;
  std::string names;
  for (const SortKey& key : spec.keys) {
    names += (names.empty() ? "" : ", ") + schema.field(key.column)->name();
  }
  return Error(
      ErrorKind::kBadData,
      "rows are declared to be sorted by {} and are not: row {} of part {} has {}, after {} "
      "in row {} of part {}; sort them by {} instead of declaring them sorted",
      ToString(spec.keys, schema.field_names()), row.number, split, row.text, before.text,
      before.number, split_before, names);
}

/// The first and the last row of every split, as far as they are known.
class SplitEnds final : public GlobalState {
 public:
  explicit SplitEnds(const CheckOrderSpec& spec) : spec_(spec) {}

  /// Every row of a split comes after those of splits before it.
  Status Extend(int64_t split, const std::optional<Row>& first, Row last) {
    const std::lock_guard lock(mutex_);
    auto found = ends_.find(split);
    if (found == ends_.end()) {
      found = ends_.emplace(split, Ends{*first, *first}).first;
      if (found != ends_.begin()) {
        const auto& [number, before] = *std::prev(found);
        if (found->second.first.key < before.last.key) {
          return OutOfOrder(spec_, found->second.first, split, before.last, number);
        }
      }
    }
    found->second.last = std::move(last);
    const auto next = std::next(found);
    if (next == ends_.end() || found->second.last.key <= next->second.first.key) {
      return Status::OK();
    }
    return OutOfOrder(spec_, next->second.first, next->first, found->second.last, split);
  }

 private:
  struct Ends {
    Row first;
    Row last;
  };

  const CheckOrderSpec& spec_;
  std::mutex mutex_;
  std::map<int64_t, Ends> ends_;
};

/// The first row that is out of order in a column of numbers without nulls; −1: none.
template <typename Array>
int64_t FirstUnsorted(const arrow::Array& column, bool descending) {
  const auto* values = static_cast<const Array&>(column).raw_values();
  for (int64_t row = 1; row < column.length(); ++row) {
    const bool sorted =
        descending ? values[row] <= values[row - 1] : values[row - 1] <= values[row];
    if (!sorted) return row;
  }
  return -1;
}

/// The same; none where rows must be encoded to be compared.
std::optional<int64_t> FirstUnsortedNumber(const arrow::Array& column, bool descending) {
  if (column.null_count() != 0) return std::nullopt;
  switch (column.type_id()) {
    case arrow::Type::INT64:
      return FirstUnsorted<arrow::Int64Array>(column, descending);
    case arrow::Type::TIMESTAMP:
      return FirstUnsorted<arrow::TimestampArray>(column, descending);
    case arrow::Type::INT32:
      return FirstUnsorted<arrow::Int32Array>(column, descending);
    case arrow::Type::DATE32:
      return FirstUnsorted<arrow::Date32Array>(column, descending);
    default:
      return std::nullopt;
  }
}

class CheckOrder final : public Operator {
 public:
  CheckOrder(const CheckOrderSpec& spec, std::shared_ptr<GlobalState> ends)
      : spec_(spec), ends_(std::static_pointer_cast<SplitEnds>(std::move(ends))) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    for (const SortKey& key : spec_.keys) {
      fields_.push_back(spec_.schema->field(key.column));
      keys_.push_back({static_cast<int>(keys_.size()), key.descending, key.nulls});
    }
    ARROW_ASSIGN_OR_RAISE(const SortKeyEncoder encoder,
                          SortKeyEncoder::Make(*arrow::schema(fields_), keys_));
    encoder_.emplace(encoder);
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    ARROW_ASSIGN_OR_RAISE(const Batch rows, KeysOf(batch));
    const int64_t split = batch.ordinal().split;
    if (split != split_) last_.reset();
    if (split != split_) num_rows_ = 0;
    split_ = split;
    ARROW_ASSIGN_OR_RAISE(Row first, RowAt(rows, 0));
    if (last_.has_value() && first.key < last_->key) {
      return OutOfOrder(spec_, first, split, *last_, split);
    }
    ARROW_RETURN_NOT_OK(CheckRows(rows));
    ARROW_ASSIGN_OR_RAISE(Row last, RowAt(rows, rows.num_rows() - 1));
    ARROW_RETURN_NOT_OK(ends_->Extend(split, first, last));
    last_ = std::move(last);
    num_rows_ += rows.num_rows();
    out.Emit(std::move(batch));
    return Flow::NeedInput();
  }

 private:
  /// The key columns of the selected rows, in plain encoding.
  Result<Batch> KeysOf(const Batch& batch) const {
    std::vector<ArrayPtr> columns;
    for (const SortKey& key : spec_.keys) columns.push_back(batch.column(key.column));
    ARROW_ASSIGN_OR_RAISE(const Batch keys,
                          batch.WithColumns(std::move(columns)).Compact(context().pool));
    return DecodeBatch(keys, context().pool);
  }

  Result<Row> RowAt(const Batch& rows, int64_t row) const {
    SortKeys encoded;
    ARROW_RETURN_NOT_OK(encoder_->Encode(rows.Slice(row, 1), nullptr, context().pool, &encoded));
    Row made{std::string(encoded[0]), "", num_rows_ + row};
    for (size_t i = 0; i < fields_.size(); ++i) {
      made.text += fmt::format("{}{} = {}", i == 0 ? "" : ", ", fields_[i]->name(),
                               FormatValue(*rows.columns()[i], row));
    }
    return made;
  }

  Status CheckRows(const Batch& rows) const {
    std::optional<int64_t> unsorted;
    if (keys_.size() == 1) {
      unsorted = FirstUnsortedNumber(*rows.column(0), keys_.front().descending);
    }
    if (!unsorted.has_value()) {
      ARROW_ASSIGN_OR_RAISE(unsorted, FirstUnsortedKey(rows));
    }
    if (*unsorted < 0) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const Row row, RowAt(rows, *unsorted));
    ARROW_ASSIGN_OR_RAISE(const Row before, RowAt(rows, *unsorted - 1));
    return OutOfOrder(spec_, row, split_, before, split_);
  }

  Result<int64_t> FirstUnsortedKey(const Batch& rows) const {
    SortKeys encoded;
    ARROW_RETURN_NOT_OK(encoder_->Encode(rows, nullptr, context().pool, &encoded));
    for (int64_t row = 1; row < rows.num_rows(); ++row) {
      if (encoded[row] < encoded[row - 1]) return row;
    }
    return -1;
  }

  const CheckOrderSpec& spec_;
  const std::shared_ptr<SplitEnds> ends_;
  arrow::FieldVector fields_;  // of the keys
  Ordering keys_;              // over those
  std::optional<SortKeyEncoder> encoder_;
  int64_t split_ = -1;
  int64_t num_rows_ = 0;     // of the split before this batch
  std::optional<Row> last_;  // of the split
};

}  // namespace

std::string CheckOrderSpec::Describe() const { return ToString(keys, schema->field_names()); }

std::shared_ptr<GlobalState> CheckOrderSpec::MakeGlobal() const {
  return std::make_shared<SplitEnds>(*this);
}

std::unique_ptr<Operator> CheckOrderSpec::Make(std::shared_ptr<GlobalState> global) const {
  return std::make_unique<CheckOrder>(*this, std::move(global));
}

Status LowerCheckOrder(const PlanNode& node, Lowering& lowering) {
  ARROW_RETURN_NOT_OK(lowering.Lower(*node.input()));
  lowering.JoinOpen();
  const auto spec = std::make_shared<CheckOrderSpec>(node.input()->schema(),
                                                     static_cast<const CheckOrderNode&>(node).keys);
  lowering.Append(spec, spec->MakeGlobal());
  return Status::OK();
}

}  // namespace headrace
