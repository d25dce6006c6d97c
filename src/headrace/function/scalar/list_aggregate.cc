// Aggregates of a list: the aggregate functions, a state per list.
#include <algorithm>
#include <memory>
#include <new>

#include "arrow/array/array_nested.h"
#include "arrow/array/builder_base.h"
#include "arrow/compute/cast.h"
#include "arrow/compute/exec.h"
#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "headrace/function/define.h"
#include "headrace/function/order.h"
#include "headrace/function/scalar/list_column.h"
#include "headrace/types/type_table.h"

namespace headrace {

extern const FunctionDef kSum;
extern const FunctionDef kMean;
extern const FunctionDef kMin;
extern const FunctionDef kMax;
extern const FunctionDef kCount;
extern const FunctionDef kMedian;
extern const FunctionDef kProduct;
extern const FunctionDef kMode;
extern const FunctionDef kVarSamp;
extern const FunctionDef kVarPop;
extern const FunctionDef kStddevSamp;
extern const FunctionDef kStddevPop;
extern const FunctionDef kAnyValue;
extern const FunctionDef kFirst;
extern const FunctionDef kLast;
extern const FunctionDef kBoolAnd;
extern const FunctionDef kBoolOr;

namespace {

using enum ArgPattern;

bool Fits(ArgPattern pattern, arrow::Type::type id) {
  switch (pattern) {
    case kInt32:
      return id == arrow::Type::INT32;
    case kInt64:
      return id == arrow::Type::INT64;
    case kUInt64:
      return id == arrow::Type::UINT64;
    case kFloat32:
      return id == arrow::Type::FLOAT;
    case kFloat64:
      return id == arrow::Type::DOUBLE;
    case kDecimal128:
      return id == arrow::Type::DECIMAL128;
    case kTimestamp:
      return id == arrow::Type::TIMESTAMP;
    case kBoolean:
      return id == arrow::Type::BOOL;
    case kAny:
      return true;
    default:
      return pattern == kCommonComparable;
  }
}

bool IsNumber(const arrow::DataType& type) {
  return arrow::is_integer(type.id()) || arrow::is_floating(type.id()) ||
         type.id() == arrow::Type::DECIMAL128;
}

/// Numbers are also taken as doubles.
Result<const Overload*> OverloadFor(const FunctionDef& function, const TypePtr& item) {
  for (const Overload& overload : function.overloads) {
    const bool fits = overload.args.size() == 1 && Fits(overload.args[0], item->id()) &&
                      (overload.args[0] != kCommonComparable || IsComparable(*item));
    if (fits) return &overload;
  }
  for (const Overload& overload : function.overloads) {
    const bool fits = overload.args.size() == 1 && overload.args[0] == kFloat64 && IsNumber(*item);
    if (fits) return &overload;
  }
  return Error(ErrorKind::kTypeMismatch, "{} does not take the items of {}[]; cast the list",
               function.id, SqlNameOf(*item));
}

template <const FunctionDef* kFunction>
Result<TypePtr> AggregatedType(std::span<const TypePtr> args) {
  const TypePtr item = args[0]->field(0)->type();
  ARROW_ASSIGN_OR_RAISE(const Overload* overload, OverloadFor(*kFunction, item));
  const TypePtr taken = overload->args[0] == kFloat64 ? arrow::float64() : item;
  return overload->result({&taken, 1});
}

/// A state per row, in one block.
class States {
 public:
  States(const AggregateKernel& kernel, int64_t rows) : kernel_(kernel) {
    stride_ = (kernel.size + kernel.align - 1) / kernel.align * kernel.align;
    block_.reset(static_cast<std::byte*>(::operator new(
        stride_* static_cast<size_t>(std::max<int64_t>(rows, 1)), std::align_val_t{kernel.align})));
    for (int64_t row = 0; row < rows; ++row) {
      states_.push_back(block_.get() + stride_ * static_cast<size_t>(row));
      kernel.init(states_.back());
    }
  }
  ~States() {
    for (std::byte* state : states_) {
      if (kernel_.destroy != nullptr) kernel_.destroy(state);
    }
    ::operator delete(block_.release(), std::align_val_t{kernel_.align});
  }
  States(const States&) = delete;
  States& operator=(const States&) = delete;

  const std::vector<std::byte*>& all() const { return states_; }

 private:
  const AggregateKernel& kernel_;
  size_t stride_;
  std::unique_ptr<std::byte> block_;
  std::vector<std::byte*> states_;
};

template <const FunctionDef* kFunction>
Result<ArrayPtr> Aggregated(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const ListColumn list(args[0]);
  const Validity valid(args[0]);
  ARROW_ASSIGN_OR_RAISE(const Overload* overload, OverloadFor(*kFunction, list.values()->type()));
  const AggregateKernel& kernel = *overload->aggregate;
  const States states(kernel, rows.length);
  std::vector<int64_t> places;
  std::vector<std::byte*> groups;
  for (int64_t row = 0; row < rows.length; ++row) {
    for (int64_t place = list.Begin(row); valid[row] && place < list.End(row); ++place) {
      places.push_back(place);
      groups.push_back(states.all()[static_cast<size_t>(row)]);
    }
  }
  ARROW_ASSIGN_OR_RAISE(ArrayPtr items, TakeItems(*list.values(), places, ctx.pool));
  if (overload->args[0] == kFloat64 && items->type_id() != arrow::Type::DOUBLE) {
    arrow::compute::ExecContext exec(ctx.pool, nullptr);
    ARROW_ASSIGN_OR_RAISE(
        items, arrow::compute::Cast(*items, arrow::float64(), arrow::compute::CastOptions::Unsafe(),
                                    &exec));
  }
  const Argument argument{items, false};
  const AggregateRows item_rows{{&argument, 1}, items->length(), {}};
  ARROW_RETURN_NOT_OK(kernel.add(ctx, groups.data(), 0, item_rows));
  ARROW_ASSIGN_OR_RAISE(auto builder, arrow::MakeBuilder(ctx.result_type, ctx.pool));
  ARROW_RETURN_NOT_OK(kernel.finish(ctx, states.all().data(), 0, rows.length, builder.get()));
  return builder->Finish();
}

template <ScalarKernel kKernel, ResultRule kResult>
constexpr Overload kListForm[] = {
    {.args = kArgs<kList>, .result = kResult, .scalar = kKernel},
};

constexpr Example kListSumExamples[] = {{"list_sum(list_value(3, NULL, 1, 3))", "7"},
                                        {"list_sum(CAST(NULL AS BIGINT[]))", "NULL"}};
constexpr Example kListMeanExamples[] = {
    {"list_avg(list_value(3, NULL, 1, 3))", "2.3333333333333335"},
    {"list_avg(CAST(NULL AS BIGINT[]))", "NULL"}};
constexpr Example kListMinExamples[] = {{"list_min(list_value(3, NULL, 1, 3))", "1"},
                                        {"list_min(CAST(NULL AS BIGINT[]))", "NULL"}};
constexpr Example kListMaxExamples[] = {{"list_max(list_value(3, NULL, 1, 3))", "3"},
                                        {"list_max(CAST(NULL AS BIGINT[]))", "NULL"}};
constexpr Example kListCountExamples[] = {{"list_count(list_value(3, NULL, 1, 3))", "3"},
                                          {"list_count(CAST(NULL AS BIGINT[]))", "NULL"}};
constexpr Example kListMedianExamples[] = {
    {"list_median(list_value(CAST(1 AS DOUBLE), NULL, 4))", "2.5"},
    {"list_median(CAST(NULL AS DOUBLE[]))", "NULL"}};
constexpr Example kListProductExamples[] = {{"list_product(list_value(2, NULL, 4))", "8.0"},
                                            {"list_product(CAST(NULL AS BIGINT[]))", "NULL"}};
constexpr Example kListModeExamples[] = {{"list_mode(list_value(1, NULL, 3, 3))", "3"},
                                         {"list_mode(CAST(NULL AS BIGINT[]))", "NULL"}};
constexpr Example kListVarSampExamples[] = {{"list_var_samp(list_value(1, NULL, 4))", "4.5"},
                                            {"list_var_samp(CAST(NULL AS BIGINT[]))", "NULL"}};
constexpr Example kListVarPopExamples[] = {{"list_var_pop(list_value(1, NULL, 4))", "2.25"},
                                           {"list_var_pop(CAST(NULL AS BIGINT[]))", "NULL"}};
constexpr Example kListStddevSampExamples[] = {
    {"list_stddev_samp(list_value(1, NULL, 2, 3))", "1.0"},
    {"list_stddev_samp(CAST(NULL AS BIGINT[]))", "NULL"}};
constexpr Example kListStddevPopExamples[] = {{"list_stddev_pop(list_value(1, NULL, 4))", "1.5"},
                                              {"list_stddev_pop(CAST(NULL AS BIGINT[]))", "NULL"}};
constexpr Example kListAnyValueExamples[] = {{"list_any_value(list_value(NULL, 4))", "4"},
                                             {"list_any_value(CAST(NULL AS BIGINT[]))", "NULL"}};
constexpr Example kListFirstExamples[] = {{"list_first(list_value(NULL, 4))", "NULL"},
                                          {"list_first(CAST(NULL AS BIGINT[]))", "NULL"}};
constexpr Example kListLastExamples[] = {{"list_last(list_value(NULL, 4))", "4"},
                                         {"list_last(CAST(NULL AS BIGINT[]))", "NULL"}};
constexpr Example kListBoolAndExamples[] = {{"list_bool_and(list_value(true, NULL))", "true"},
                                            {"list_bool_and(CAST(NULL AS BOOLEAN[]))", "NULL"}};
constexpr Example kListBoolOrExamples[] = {{"list_bool_or(list_value(false, NULL))", "false"},
                                           {"list_bool_or(CAST(NULL AS BOOLEAN[]))", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kListSum) = {
    .id = "list_sum",
    .names = {.sql = "list_sum"},
    .overloads = kListForm<Aggregated<&kSum>, AggregatedType<&kSum>>,
    .arguments = "x",
    .doc = "The sum of the items; null of no item.",
    .examples = kListSumExamples,
};

HEADRACE_DEFINE_FUNCTION(kListMean) = {
    .id = "list_avg",
    .names = {.sql = "list_avg|list_mean"},
    .overloads = kListForm<Aggregated<&kMean>, AggregatedType<&kMean>>,
    .arguments = "x",
    .doc = "The mean of the items; null of no item.",
    .examples = kListMeanExamples,
};

HEADRACE_DEFINE_FUNCTION(kListMin) = {
    .id = "list_min",
    .names = {.sql = "list_min"},
    .overloads = kListForm<Aggregated<&kMin>, AggregatedType<&kMin>>,
    .arguments = "x",
    .doc = "The least item; null of no item.",
    .examples = kListMinExamples,
};

HEADRACE_DEFINE_FUNCTION(kListMax) = {
    .id = "list_max",
    .names = {.sql = "list_max"},
    .overloads = kListForm<Aggregated<&kMax>, AggregatedType<&kMax>>,
    .arguments = "x",
    .doc = "The greatest item; null of no item.",
    .examples = kListMaxExamples,
};

HEADRACE_DEFINE_FUNCTION(kListCount) = {
    .id = "list_count",
    .names = {.sql = "list_count"},
    .overloads = kListForm<Aggregated<&kCount>, AggregatedType<&kCount>>,
    .arguments = "x",
    .doc = "How many items are not null.",
    .examples = kListCountExamples,
};

HEADRACE_DEFINE_FUNCTION(kListMedian) = {
    .id = "list_median",
    .names = {.sql = "list_median"},
    .overloads = kListForm<Aggregated<&kMedian>, AggregatedType<&kMedian>>,
    .arguments = "x",
    .doc = "The median of the items; null of no item.",
    .examples = kListMedianExamples,
};

HEADRACE_DEFINE_FUNCTION(kListProduct) = {
    .id = "list_product",
    .names = {.sql = "list_product"},
    .overloads = kListForm<Aggregated<&kProduct>, AggregatedType<&kProduct>>,
    .arguments = "x",
    .doc = "The product of the items; null of no item.",
    .examples = kListProductExamples,
};

HEADRACE_DEFINE_FUNCTION(kListMode) = {
    .id = "list_mode",
    .names = {.sql = "list_mode"},
    .overloads = kListForm<Aggregated<&kMode>, AggregatedType<&kMode>>,
    .arguments = "x",
    .doc = "The item that stands most often in a list, the first of those; null of no item.",
    .examples = kListModeExamples,
};

HEADRACE_DEFINE_FUNCTION(kListVarSamp) = {
    .id = "list_var_samp",
    .names = {.sql = "list_var_samp"},
    .overloads = kListForm<Aggregated<&kVarSamp>, AggregatedType<&kVarSamp>>,
    .arguments = "x",
    .doc = "The variance of a list as a sample; null of fewer than two items.",
    .examples = kListVarSampExamples,
};

HEADRACE_DEFINE_FUNCTION(kListVarPop) = {
    .id = "list_var_pop",
    .names = {.sql = "list_var_pop"},
    .overloads = kListForm<Aggregated<&kVarPop>, AggregatedType<&kVarPop>>,
    .arguments = "x",
    .doc = "The variance of a list as a population; null of no item.",
    .examples = kListVarPopExamples,
};

HEADRACE_DEFINE_FUNCTION(kListStddevSamp) = {
    .id = "list_stddev_samp",
    .names = {.sql = "list_stddev_samp"},
    .overloads = kListForm<Aggregated<&kStddevSamp>, AggregatedType<&kStddevSamp>>,
    .arguments = "x",
    .doc = "The standard deviation of a list as a sample; null of fewer than two items.",
    .examples = kListStddevSampExamples,
};

HEADRACE_DEFINE_FUNCTION(kListStddevPop) = {
    .id = "list_stddev_pop",
    .names = {.sql = "list_stddev_pop"},
    .overloads = kListForm<Aggregated<&kStddevPop>, AggregatedType<&kStddevPop>>,
    .arguments = "x",
    .doc = "The standard deviation of a list as a population; null of no item.",
    .examples = kListStddevPopExamples,
};

HEADRACE_DEFINE_FUNCTION(kListAnyValue) = {
    .id = "list_any_value",
    .names = {.sql = "list_any_value"},
    .overloads = kListForm<Aggregated<&kAnyValue>, AggregatedType<&kAnyValue>>,
    .arguments = "x",
    .doc = "The first item that is not null.",
    .examples = kListAnyValueExamples,
};

HEADRACE_DEFINE_FUNCTION(kListFirst) = {
    .id = "list_first",
    .names = {.sql = "list_first"},
    .overloads = kListForm<Aggregated<&kFirst>, AggregatedType<&kFirst>>,
    .arguments = "x",
    .doc = "The first item.",
    .examples = kListFirstExamples,
};

HEADRACE_DEFINE_FUNCTION(kListLast) = {
    .id = "list_last",
    .names = {.sql = "list_last"},
    .overloads = kListForm<Aggregated<&kLast>, AggregatedType<&kLast>>,
    .arguments = "x",
    .doc = "The last item.",
    .examples = kListLastExamples,
};

HEADRACE_DEFINE_FUNCTION(kListBoolAnd) = {
    .id = "list_bool_and",
    .names = {.sql = "list_bool_and"},
    .overloads = kListForm<Aggregated<&kBoolAnd>, AggregatedType<&kBoolAnd>>,
    .arguments = "x",
    .doc = "Whether all items are true, nulls left out; null of no item.",
    .examples = kListBoolAndExamples,
};

HEADRACE_DEFINE_FUNCTION(kListBoolOr) = {
    .id = "list_bool_or",
    .names = {.sql = "list_bool_or"},
    .overloads = kListForm<Aggregated<&kBoolOr>, AggregatedType<&kBoolOr>>,
    .arguments = "x",
    .doc = "Whether an item is true, nulls left out; null of no item.",
    .examples = kListBoolOrExamples,
};

}  // namespace headrace
