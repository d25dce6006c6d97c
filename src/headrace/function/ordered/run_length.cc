// run_length: how long the run of rows is, up to this one, in which a condition holds.
#include "arrow/array/builder_primitive.h"
#include "headrace/function/define.h"
#include "headrace/function/state.h"
#include "headrace/function/state_bytes.h"
#include "headrace/function/view.h"

namespace headrace {
namespace {

struct RunLength {
  int64_t rows = 0;
};

Status RunOverRows(KernelContext&, std::byte* state, std::span<const Argument> args, int64_t begin,
                   int64_t end, arrow::ArrayBuilder* out) {
  int64_t& rows = StateAt<RunLength>(state).rows;
  const BooleanView holds(args[0]);
  const Validity valid(args[0]);
  auto& builder = static_cast<arrow::Int64Builder&>(*out);
  ARROW_RETURN_NOT_OK(builder.Reserve(end - begin));
  for (int64_t row = begin; row < end; ++row) {
    rows = valid[row] && holds[row] ? rows + 1 : 0;
    builder.UnsafeAppend(rows);
  }
  return Status::OK();
}

Status SaveLength(const std::byte* state, std::string* out) {
  PutValue(StateAt<RunLength>(state).rows, out);
  return Status::OK();
}

Status LoadLength(std::byte* state, std::string_view bytes) {
  StateBytesReader reader("run_length", bytes);
  ARROW_RETURN_NOT_OK(reader.ReadCount(&StateAt<RunLength>(state).rows));
  return reader.Finish();
}

constexpr OrderedKernel kRunLengthKernel = {
    .size = sizeof(RunLength),
    .align = alignof(RunLength),
    .init = InitState<RunLength>,
    .run = RunOverRows,
    .save = SaveLength,
    .load = LoadLength,
};

constexpr Overload kRunLengthForms[] = {
    {.args = kArgs<ArgPattern::kBoolean>, .result = Int64Type, .ordered = &kRunLengthKernel},
};
constexpr Example kRunLengthExamples[] = {
    {"run_length(x > 1)", "0, 1, 2, 0, 1", "(1), (2), (3), (NULL), (4)"},
    {"run_length(x)", "1, 2, 0", "(true), (true), (NULL)"},
};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kRunLength) = {
    .id = "run_length",
    .kind = FunctionKind::kOrdered,
    .names = {.sql = "run_length", .ltseq = "run_length"},
    .overloads = kRunLengthForms,
    .nulls = NullRule::kKernel,
    .parallel = ParallelClass::kCarry,
    .arguments = "condition",
    .doc =
        "How many rows in a row, up to and with this one, the condition is true for; 0 where it is "
        "false or null.",
    .examples = kRunLengthExamples,
};

}  // namespace headrace
