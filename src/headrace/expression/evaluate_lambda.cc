// Items side by side, the lambda over them, and its values put back into lists or folded.
#include "headrace/expression/evaluate_lambda.h"

#include <algorithm>
#include <numeric>

#include "arrow/array/concatenate.h"
#include "arrow/type.h"
#include "headrace/expression/call_kernel.h"
#include "headrace/expression/evaluate.h"
#include "headrace/function/choice.h"
#include "headrace/function/scalar/list_column.h"
#include "headrace/function/takes_lambda.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

/// Columns of a row for each of `rows`, which are row numbers of the batch.
Result<ArrayPtr> Repeated(const Argument& column, const std::vector<int64_t>& rows,
                          arrow::MemoryPool* pool) {
  if (!column.is_constant) return TakeItems(*column.array, rows, pool);
  return TakeItems(*column.array, std::vector<int64_t>(rows.size(), 0), pool);
}

Result<ArrayPtr> NumbersOf(const std::vector<int64_t>& numbers, arrow::MemoryPool* pool) {
  const auto count = static_cast<int64_t>(numbers.size());
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(count, pool));
  std::copy(numbers.begin(), numbers.end(), out.data());
  return out.Finish(arrow::int64());
}

/// The items of the lists of some rows, one after the other.
class Items {
 public:
  Items(const Argument& lists, const Rows& active) : list_(lists), active_(active) {
    const Validity valid(lists);
    std::vector<bool> wanted(active.active == nullptr ? 0 : static_cast<size_t>(active.length));
    if (active.active != nullptr) {
      for (const uint32_t row : *active.active) wanted[row] = true;
    }
    lengths_.resize(static_cast<size_t>(active.length));
    ends_.resize(static_cast<size_t>(active.length));
    for (int64_t row = 0; row < active.length; ++row) {
      const auto at = static_cast<size_t>(row);
      const bool is_wanted = (wanted.empty() || wanted[at]) && valid[row];
      const int64_t length = is_wanted ? list_.Length(row) : 0;
      if (count_ == 0) begin_ = list_.Begin(row);
      are_adjacent_ = are_adjacent_ && (length == 0 || list_.Begin(row) == begin_ + count_);
      count_ += length;
      lengths_[at] = static_cast<int32_t>(length);
      ends_[at] = static_cast<int32_t>(count_);
    }
  }

  int64_t count() const { return count_; }
  /// Of the items of each row of the batch.
  const std::vector<int32_t>& ends() const { return ends_; }
  Result<ArrayPtr> Take(arrow::MemoryPool* pool) const {
    if (are_adjacent_) return list_.values()->Slice(begin_, count_);
    const std::vector<int64_t> places =
        Each([&](int64_t row, int64_t item) { return list_.Begin(row) + item; });
    return TakeItems(*list_.values(), places, pool);
  }
  /// Whose they are.
  std::vector<int64_t> RowOfEach() const {
    return Each([](int64_t row, int64_t) { return row; });
  }
  /// Their places in their lists, from 1.
  std::vector<int64_t> NumberOfEach() const {
    return Each([](int64_t, int64_t item) { return item + 1; });
  }

 private:
  template <typename Value>
  std::vector<int64_t> Each(const Value& value) const {
    std::vector<int64_t> values(static_cast<size_t>(count_));
    size_t next = 0;
    for (int64_t row = 0; row < active_.length; ++row) {
      const int64_t length = lengths_[static_cast<size_t>(row)];
      for (int64_t item = 0; item < length; ++item) values[next++] = value(row, item);
    }
    return values;
  }

  ListColumn list_;
  const Rows& active_;
  std::vector<int32_t> lengths_;
  std::vector<int32_t> ends_;
  int64_t begin_ = 0;  // of the first item, in the values of the list column
  int64_t count_ = 0;
  bool are_adjacent_ = true;
};

class LambdaCall {
 public:
  LambdaCall(const Expression& call, std::span<const Argument> args, arrow::MemoryPool* pool)
      : lambda_(*call.lambda),
        given_type_(PlainType(call.lambda->body->type)),
        values_(args.subspan(0, lambda_.num_values)),
        used_(args.subspan(lambda_.num_values)),
        pool_(pool) {}

  /// A list of what the lambda gives for each item.
  Result<ArrayPtr> Map(const Rows& rows) const {
    const Items items(values_[0], rows);
    std::vector<ArrayPtr> columns;
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), items.Take(pool_));
    const bool has_number = lambda_.parameters.size() > 1;
    ARROW_RETURN_NOT_OK(
        AddNumbersAndUsed(1, has_number ? items.NumberOfEach() : std::vector<int64_t>(),
                          used_.empty() ? std::vector<int64_t>() : items.RowOfEach(), &columns));
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr given,
                          EvaluateOver(*lambda_.body, columns, Rows{items.count()}, pool_));
    KernelContext ctx{pool_, arrow::list(given_type_)};
    return MakeLists(ctx, items.ends(), given);
  }

  /// The last value of each row; null where its list is null.
  Result<ArrayPtr> Fold(const Rows& rows) const {
    const std::vector<int64_t> order = LongestFirst(rows);
    ARROW_ASSIGN_OR_RAISE(ArrayPtr so_far, First(order));
    const int64_t begin = values_.size() > 1 ? 0 : 1;
    arrow::ArrayVector finished;  // of the shortest lists first
    const ListColumn list(values_[0]);
    for (int64_t step = begin; so_far->length() > 0; ++step) {
      const auto longer = static_cast<int64_t>(
          std::partition_point(order.begin(), order.begin() + so_far->length(),
                               [&](int64_t row) { return list.Length(row) > step; }) -
          order.begin());
      if (longer < so_far->length()) {
        finished.push_back(so_far->Slice(longer));
        so_far = so_far->Slice(0, longer);
      }
      if (longer == 0) break;
      const std::vector<int64_t> now(order.begin(), order.begin() + longer);
      ARROW_ASSIGN_OR_RAISE(so_far, Step(so_far, now, step));
    }
    return InRowOrder(std::move(finished), order, rows.length);
  }

 private:
  /// The number of each item, where the lambda takes it behind `before` parameters, and what it
  /// uses of the row.
  Status AddNumbersAndUsed(size_t before, const std::vector<int64_t>& numbers,
                           const std::vector<int64_t>& rows, std::vector<ArrayPtr>* columns) const {
    if (lambda_.parameters.size() > before) {
      ARROW_ASSIGN_OR_RAISE(columns->emplace_back(), NumbersOf(numbers, pool_));
    }
    for (const Argument& column : used_) {
      ARROW_ASSIGN_OR_RAISE(columns->emplace_back(), Repeated(column, rows, pool_));
    }
    return Status::OK();
  }

  /// The active rows whose list is not null, by the length of the list.
  std::vector<int64_t> LongestFirst(const Rows& rows) const {
    const ListColumn list(values_[0]);
    const Validity valid(values_[0]);
    std::vector<int64_t> order;
    for (const uint32_t row : ActiveRows(rows)) {
      if (valid[row]) order.push_back(row);
    }
    std::stable_sort(order.begin(), order.end(), [&](int64_t left, int64_t right) {
      return list.Length(left) > list.Length(right);
    });
    return order;
  }

  /// What each row begins with, in the type of the result.
  Result<ArrayPtr> First(const std::vector<int64_t>& order) const {
    if (values_.size() > 1) return Repeated(values_[1], order, pool_);
    const ListColumn list(values_[0]);
    std::vector<int64_t> places;
    for (const int64_t row : order) {
      if (list.Length(row) == 0) {
        return Error(ErrorKind::kInvalidArgument,
                     "list_reduce of a list without items needs a first value as its third "
                     "argument");
      }
      places.push_back(list.Begin(row));
    }
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr items, TakeItems(*list.values(), places, pool_));
    const Rows all{items->length()};
    return CastArray(items, given_type_, /*try_cast=*/false, all, pool_);
  }

  Result<ArrayPtr> Step(const ArrayPtr& so_far, const std::vector<int64_t>& rows,
                        int64_t step) const {
    const ListColumn list(values_[0]);
    std::vector<int64_t> places;
    for (const int64_t row : rows) places.push_back(list.Begin(row) + step);
    std::vector<ArrayPtr> columns = {so_far};
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), TakeItems(*list.values(), places, pool_));
    const std::vector<int64_t> numbers(rows.size(), step + 1);
    ARROW_RETURN_NOT_OK(AddNumbersAndUsed(2, numbers, rows, &columns));
    return EvaluateOver(*lambda_.body, columns, Rows{so_far->length()}, pool_);
  }

  /// `finished` ends with the rows at the front of `order`.
  Result<ArrayPtr> InRowOrder(arrow::ArrayVector finished, const std::vector<int64_t>& order,
                              int64_t num_rows) const {
    std::vector<int64_t> places(static_cast<size_t>(num_rows), kNoItem);
    for (size_t i = 0; i < order.size(); ++i) {
      places[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
    }
    if (finished.empty()) return MakeNulls(given_type_, num_rows, pool_);
    std::reverse(finished.begin(), finished.end());
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr values, arrow::Concatenate(finished, pool_));
    return TakeItems(*values, places, pool_);
  }

  const Lambda& lambda_;
  const TypePtr given_type_;
  const std::span<const Argument> values_;
  const std::span<const Argument> used_;
  arrow::MemoryPool* const pool_;
};

}  // namespace

Result<ArrayPtr> CallWithLambda(const Expression& call, std::span<const Argument> args,
                                const Rows& rows, arrow::MemoryPool* pool) {
  if (args[0].array->type_id() == arrow::Type::NA) return MakeNulls(call.type, rows.length, pool);
  const LambdaCall lambda(call, args, pool);
  const bool folds = call.function->Has(function_flag::kFoldsLambda);
  ARROW_ASSIGN_OR_RAISE(ArrayPtr given, folds ? lambda.Fold(rows) : lambda.Map(rows));
  const Argument kernel_args[] = {args[0], {std::move(given), false}};
  return CallKernel(call, kernel_args, rows, pool);
}

}  // namespace headrace
