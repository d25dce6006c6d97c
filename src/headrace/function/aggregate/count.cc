// count: rows, or rows whose argument is not null.
#include "arrow/array/builder_primitive.h"
#include "headrace/function/aggregate/accumulate.h"
#include "headrace/function/define.h"
#include "headrace/function/state_bytes.h"

namespace headrace {
namespace {

struct Count {
  int64_t rows = 0;
};

template <int64_t kSign>
Status AddGroups(KernelContext&, std::byte* const* groups, size_t offset,
                 const AggregateRows& rows) {
  if (rows.args.empty()) {
    for (int64_t row = 0; row < rows.length; ++row) {
      StateAt<Count>(groups[row], offset).rows += kSign;
    }
    return Status::OK();
  }
  ForEachValid(rows, [&](int64_t row) { StateAt<Count>(groups[row], offset).rows += kSign; });
  return Status::OK();
}

Status AddAll(KernelContext&, std::byte* state, const AggregateRows& rows) {
  int64_t nulls = 0;
  if (!rows.args.empty()) {
    const arrow::Array& array = *rows.args[0].array;
    nulls = rows.args[0].is_constant && array.null_count() > 0 ? rows.length : array.null_count();
  }
  StateAt<Count>(state).rows += rows.length - nulls;
  return Status::OK();
}

Status Merge(KernelContext&, std::byte* into, const std::byte* from) {
  StateAt<Count>(into).rows += StateAt<Count>(from).rows;
  return Status::OK();
}

Status Finish(KernelContext&, std::byte* const* groups, size_t offset, int64_t count,
              arrow::ArrayBuilder* out) {
  auto& builder = static_cast<arrow::Int64Builder&>(*out);
  ARROW_RETURN_NOT_OK(builder.Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    builder.UnsafeAppend(StateAt<Count>(groups[i], offset).rows);
  }
  return Status::OK();
}

Status Save(const std::byte* state, std::string* out) {
  PutValue(StateAt<Count>(state).rows, out);
  return Status::OK();
}

Status Load(std::byte* state, std::string_view bytes) {
  StateBytesReader reader("count", bytes);
  Count loaded;
  ARROW_RETURN_NOT_OK(reader.ReadCount(&loaded.rows));
  ARROW_RETURN_NOT_OK(reader.Finish());
  StateAt<Count>(state) = loaded;
  return Status::OK();
}

constexpr AggregateKernel kKernel = {
    .size = sizeof(Count),
    .align = alignof(Count),
    .init = InitState<Count>,
    .add = AddGroups<1>,
    .add_all = AddAll,
    .remove = AddGroups<-1>,
    .merge = Merge,
    .finish = Finish,
    .save = Save,
    .load = Load,
};

constexpr ArgPattern kAnything[] = {ArgPattern::kAny};
constexpr Overload kOverloads[] = {
    {.args = {}, .result = Int64Type, .aggregate = &kKernel},
    {.args = kAnything, .result = Int64Type, .aggregate = &kKernel},
};
constexpr Example kExamples[] = {
    {"count(*)", "3", "(1), (NULL), (3)"},
    {"count(x)", "2", "(1), (NULL), (3)"},
};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kCount) = {
    .id = "count",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "count", .sframe = "COUNT", .ltseq = "count"},
    .overloads = kOverloads,
    .nulls = NullRule::kSkip,
    .flags = function_flag::kStar,
    .arguments = "x",
    .doc = "The number of rows whose argument is not null; count(*) counts all rows. Never null.",
    .examples = kExamples,
};

}  // namespace headrace
