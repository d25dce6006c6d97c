// row_number, rank, dense_rank, percent_rank, cume_dist, ntile: numbers of rows in their partition.
#include "arrow/array/builder_primitive.h"
#include "headrace/function/define.h"
#include "headrace/function/state.h"
#include "headrace/function/state_bytes.h"
#include "headrace/function/view.h"

namespace headrace {
namespace {

using Args = std::span<const Argument>;

/// Appends `value(i)` for every row to compute.
template <typename Builder, typename Value>
Status AppendEach(const WindowRows& rows, arrow::ArrayBuilder* out, Value value) {
  auto* builder = static_cast<Builder*>(out);
  ARROW_RETURN_NOT_OK(builder->Reserve(rows.end - rows.begin));
  for (int64_t i = rows.begin; i < rows.end; ++i) builder->UnsafeAppend(value(i));
  return Status::OK();
}

Status RowNumber(KernelContext&, const WindowRows& rows, Args, arrow::ArrayBuilder* out) {
  return AppendEach<arrow::Int64Builder>(
      rows, out, [&](int64_t i) { return i - rows.partition_begin[i] + 1; });
}

Status Rank(KernelContext&, const WindowRows& rows, Args, arrow::ArrayBuilder* out) {
  return AppendEach<arrow::Int64Builder>(
      rows, out, [&](int64_t i) { return rows.peer_begin[i] - rows.partition_begin[i] + 1; });
}

Status DenseRank(KernelContext&, const WindowRows& rows, Args, arrow::ArrayBuilder* out) {
  return AppendEach<arrow::Int64Builder>(rows, out,
                                         [&](int64_t i) { return rows.peer_group[i] + 1; });
}

Status PercentRank(KernelContext&, const WindowRows& rows, Args, arrow::ArrayBuilder* out) {
  return AppendEach<arrow::DoubleBuilder>(rows, out, [&](int64_t i) {
    const int64_t others = rows.partition_end[i] - rows.partition_begin[i] - 1;
    const int64_t before = rows.peer_begin[i] - rows.partition_begin[i];
    return others == 0 ? 0.0 : static_cast<double>(before) / static_cast<double>(others);
  });
}

Status CumeDist(KernelContext&, const WindowRows& rows, Args, arrow::ArrayBuilder* out) {
  return AppendEach<arrow::DoubleBuilder>(rows, out, [&](int64_t i) {
    return static_cast<double>(rows.peer_end[i] - rows.partition_begin[i]) /
           static_cast<double>(rows.partition_end[i] - rows.partition_begin[i]);
  });
}

/// The first `size % buckets` buckets have one row more than the others.
int64_t BucketOf(int64_t row, int64_t size, int64_t buckets) {
  const int64_t small = size / buckets;
  const int64_t large_buckets = size % buckets;
  const int64_t in_large = large_buckets * (small + 1);
  if (row < in_large) return row / (small + 1) + 1;
  return large_buckets + (row - in_large) / small + 1;
}

Status Ntile(KernelContext&, const WindowRows& rows, Args args, arrow::ArrayBuilder* out) {
  const int64_t buckets = View<int64_t>(args[0])[0];
  if (buckets < 1) {
    return Error(ErrorKind::kInvalidArgument, "ntile takes a number of buckets from 1, got {}",
                 buckets);
  }
  return AppendEach<arrow::Int64Builder>(rows, out, [&](int64_t i) {
    const int64_t begin = rows.partition_begin[i];
    return BucketOf(i - begin, rows.partition_end[i] - begin, buckets);
  });
}

struct Counter {
  int64_t rows = 0;
};

Status Count(KernelContext&, std::byte* state, Args, int64_t begin, int64_t end,
             arrow::ArrayBuilder* out) {
  auto* builder = static_cast<arrow::Int64Builder*>(out);
  ARROW_RETURN_NOT_OK(builder->Reserve(end - begin));
  int64_t& rows = StateAt<Counter>(state).rows;
  for (int64_t i = begin; i < end; ++i) builder->UnsafeAppend(++rows);
  return Status::OK();
}

Status SaveCounter(const std::byte* state, std::string* out) {
  PutValue(StateAt<Counter>(state).rows, out);
  return Status::OK();
}

Status LoadCounter(std::byte* state, std::string_view bytes) {
  StateBytesReader reader("row_number", bytes);
  ARROW_RETURN_NOT_OK(reader.ReadCount(&StateAt<Counter>(state).rows));
  return reader.Finish();
}

int64_t NoBytes(const std::byte*) { return 0; }

constexpr OrderedKernel kCounter = {
    .size = sizeof(Counter),
    .align = alignof(Counter),
    .init = InitState<Counter>,
    .run = Count,
    .save = SaveCounter,
    .load = LoadCounter,
    .bytes = NoBytes,
};

constexpr WindowKernel kRowNumberKernel = {.reach = WindowReach::kRow, .compute = RowNumber};
constexpr WindowKernel kRankKernel = {.reach = WindowReach::kRow, .compute = Rank};
constexpr WindowKernel kDenseRankKernel = {.reach = WindowReach::kRow, .compute = DenseRank};
constexpr WindowKernel kPercentRankKernel = {.compute = PercentRank};
constexpr WindowKernel kCumeDistKernel = {.compute = CumeDist};
constexpr WindowKernel kNtileKernel = {.compute = Ntile};

constexpr ArgPattern kCount[] = {ArgPattern::kConstantInt64};
constexpr Overload kRowNumberOverloads[] = {
    {.result = Int64Type, .ordered = &kCounter, .window = &kRowNumberKernel}};
constexpr Overload kRankOverloads[] = {{.result = Int64Type, .window = &kRankKernel}};
constexpr Overload kDenseRankOverloads[] = {{.result = Int64Type, .window = &kDenseRankKernel}};
constexpr Overload kPercentRankOverloads[] = {
    {.result = Float64Type, .window = &kPercentRankKernel}};
constexpr Overload kCumeDistOverloads[] = {{.result = Float64Type, .window = &kCumeDistKernel}};
constexpr Overload kNtileOverloads[] = {
    {.args = kCount, .result = Int64Type, .window = &kNtileKernel}};

constexpr Example kRowNumberExamples[] = {{"row_number()", "1, 2, 3", "(5), (NULL), (5)"},
                                          {"row_number()", "1", "(1)"}};
constexpr Example kRankExamples[] = {{"rank()", "1, 1", "(5), (NULL)"}, {"rank()", "1", "(1)"}};
constexpr Example kDenseRankExamples[] = {{"dense_rank()", "1, 1", "(5), (NULL)"},
                                          {"dense_rank()", "1", "(1)"}};
constexpr Example kPercentRankExamples[] = {{"percent_rank()", "0.0, 0.0", "(5), (NULL)"},
                                            {"percent_rank()", "0.0", "(1)"}};
constexpr Example kCumeDistExamples[] = {{"cume_dist()", "1.0, 1.0", "(5), (NULL)"},
                                         {"cume_dist()", "1.0", "(1)"}};
constexpr Example kNtileExamples[] = {{"ntile(2)", "1, 1, 2", "(5), (NULL), (5)"},
                                      {"ntile(3)", "1", "(1)"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kRowNumber) = {
    .id = "row_number",
    .kind = FunctionKind::kOrdered,
    .names = {.sql = "row_number"},
    .overloads = kRowNumberOverloads,
    .nulls = NullRule::kKernel,
    .parallel = ParallelClass::kCarry,
    .arguments = "",
    .doc = "The number of the row in its partition, from 1.",
    .examples = kRowNumberExamples,
};

HEADRACE_DEFINE_FUNCTION(kRank) = {
    .id = "rank",
    .kind = FunctionKind::kOrdered,
    .names = {.sql = "rank"},
    .overloads = kRankOverloads,
    .nulls = NullRule::kKernel,
    .parallel = ParallelClass::kSerial,
    .arguments = "",
    .doc =
        "One more than the rows that come before the row and its peers (rows of equal ORDER BY).",
    .examples = kRankExamples,
};

HEADRACE_DEFINE_FUNCTION(kDenseRank) = {
    .id = "dense_rank",
    .kind = FunctionKind::kOrdered,
    .names = {.sql = "dense_rank|rank_dense"},
    .overloads = kDenseRankOverloads,
    .nulls = NullRule::kKernel,
    .parallel = ParallelClass::kSerial,
    .arguments = "",
    .doc = "The number of the group of peers (rows of equal ORDER BY) in the partition, from 1.",
    .examples = kDenseRankExamples,
};

HEADRACE_DEFINE_FUNCTION(kPercentRank) = {
    .id = "percent_rank",
    .kind = FunctionKind::kOrdered,
    .names = {.sql = "percent_rank"},
    .overloads = kPercentRankOverloads,
    .nulls = NullRule::kKernel,
    .parallel = ParallelClass::kSerial,
    .arguments = "",
    .doc = "(rank − 1) / (rows of the partition − 1); 0 where the partition has one row.",
    .examples = kPercentRankExamples,
};

HEADRACE_DEFINE_FUNCTION(kCumeDist) = {
    .id = "cume_dist",
    .kind = FunctionKind::kOrdered,
    .names = {.sql = "cume_dist"},
    .overloads = kCumeDistOverloads,
    .nulls = NullRule::kKernel,
    .parallel = ParallelClass::kSerial,
    .arguments = "",
    .doc = "The part of the partition's rows that come before the row or are its peers.",
    .examples = kCumeDistExamples,
};

HEADRACE_DEFINE_FUNCTION(kNtile) = {
    .id = "ntile",
    .kind = FunctionKind::kOrdered,
    .names = {.sql = "ntile"},
    .overloads = kNtileOverloads,
    .nulls = NullRule::kKernel,
    .parallel = ParallelClass::kSerial,
    .arguments = "n",
    .doc =
        "The number of the row's bucket, from 1, when the partition is divided into n buckets "
        "whose "
        "sizes differ by at most 1.",
    .examples = kNtileExamples,
};

}  // namespace headrace
