// Every example of every function, in every representation of its arguments: as written
// (constants), and as plain, sliced, large and dictionary columns.
#include <gtest/gtest.h>

#include <memory>

#include "arrow/array/concatenate.h"
#include "arrow/compute/initialize.h"
#include "headrace/base/clock.h"
#include "headrace/expression/coerce.h"
#include "headrace/expression/test_binding.h"
#include "headrace/function/registry.h"
#include "headrace/plan/fix_time.h"
#include "headrace/sql/sql.h"

namespace headrace {
namespace {

const bool kComputeIsReady = arrow::compute::Initialize().ok();

Result<ExpressionPtr> BindText(const std::string& text, const Scope& scope) {
  ARROW_ASSIGN_OR_RAISE(const UnboundPtr unbound, sql::ParseExpression(text));
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr bound, Bind(*unbound, scope, Dialect::kSql));
  return FixTimeOfQuery(bound, SystemClock().WallMicros());
}

/// "(1), (NULL)" → one array of the common type.
Result<ArrayPtr> ReadInput(std::string_view input) {
  std::vector<ExpressionPtr> cells;
  for (size_t begin = 0; begin < input.size();) {
    size_t end = begin;
    int depth = 0;
    do {
      depth += input[end] == '(' ? 1 : input[end] == ')' ? -1 : 0;
      ++end;
    } while (depth > 0);
    const std::string text(input.substr(begin + 1, end - begin - 2));
    ARROW_ASSIGN_OR_RAISE(auto cell, BindText(text, Scope()));
    cells.push_back(FoldConstants(cell));
    begin = std::min(end + 2, input.size());
  }
  ARROW_ASSIGN_OR_RAISE(const TypePtr type, CommonTypeOf(cells));
  arrow::ArrayVector pieces;
  for (const ExpressionPtr& cell : cells) {
    ARROW_ASSIGN_OR_RAISE(const ExpressionPtr converted, ConvertTo(cell, type));
    ARROW_ASSIGN_OR_RAISE(auto piece, arrow::MakeArrayFromScalar(*converted->literal, 1));
    pieces.push_back(std::move(piece));
  }
  return arrow::Concatenate(pieces);
}

/// "1, NULL, a": the rows in the text form of values.
std::string TextOf(const arrow::Array& rows) {
  std::string text;
  for (int64_t row = 0; row < rows.length(); ++row) {
    text += (row == 0 ? "" : ", ") + FormatValue(rows, row);
  }
  return text;
}

/// State of one kernel call, aligned for any kernel.
template <typename Kernel>
struct KernelState {
  explicit KernelState(const Kernel& kernel)
      : kernel(kernel), memory(new std::max_align_t[kernel.size / sizeof(std::max_align_t) + 1]) {
    kernel.init(get());
  }
  ~KernelState() {
    if (kernel.destroy != nullptr) kernel.destroy(get());
  }
  std::byte* get() { return reinterpret_cast<std::byte*>(memory.get()); }

  const Kernel& kernel;
  std::unique_ptr<std::max_align_t[]> memory;
};

/// A window function over one partition whose rows are all peers.
Result<ArrayPtr> RunWindow(const Expression& call, std::span<const Argument> args, int64_t rows) {
  const std::vector<int64_t> zeros(static_cast<size_t>(rows), 0);
  const std::vector<int64_t> ends(static_cast<size_t>(rows), rows);
  WindowRows whole{0, rows};
  whole.partition_begin = whole.peer_begin = whole.frame_begin = {zeros.data(), 0};
  whole.partition_end = whole.peer_end = whole.frame_end = {ends.data(), 0};
  whole.peer_group = {zeros.data(), 0};
  const WindowKernel& kernel = *call.overload->window;
  ARROW_ASSIGN_OR_RAISE(auto out, arrow::MakeBuilder(call.type));
  KernelContext context{TestPool(), call.type};
  if (kernel.compute != nullptr) {
    ARROW_RETURN_NOT_OK(kernel.compute(context, whole, args, out.get()));
    return out->Finish();
  }
  std::vector<int64_t> picked;
  ARROW_RETURN_NOT_OK(kernel.pick(whole, args, &picked));
  for (size_t row = 0; row < picked.size(); ++row) {
    const bool is_default = picked[row] < 0 && args.size() > 2;
    if (picked[row] < 0 && !is_default) {
      ARROW_RETURN_NOT_OK(out->AppendNull());
      continue;
    }
    const Argument& from = args[is_default ? 2 : 0];
    const int64_t at = from.is_constant ? 0 : is_default ? static_cast<int64_t>(row) : picked[row];
    ARROW_ASSIGN_OR_RAISE(const ScalarPtr value, from.array->GetScalar(at));
    ARROW_RETURN_NOT_OK(out->AppendScalar(*value));
  }
  return out->Finish();
}

Result<ArrayPtr> RunKernel(const Expression& call, std::span<const Argument> args, int64_t rows) {
  KernelContext context{TestPool(), call.type};
  ARROW_ASSIGN_OR_RAISE(auto out, arrow::MakeBuilder(call.type));
  if (call.overload->ordered != nullptr) {
    KernelState state(*call.overload->ordered);
    ARROW_RETURN_NOT_OK(state.kernel.run(context, state.get(), args, 0, rows, out.get()));
  } else if (call.overload->window != nullptr) {
    return RunWindow(call, args, rows);
  } else {
    KernelState state(*call.overload->aggregate);
    ARROW_RETURN_NOT_OK(state.kernel.add_all(context, state.get(), {args, rows, {}}));
    std::byte* const group = state.get();
    ARROW_RETURN_NOT_OK(state.kernel.finish(context, &group, 0, 1, out.get()));
  }
  return out->Finish();
}

/// An ordered function or aggregate over column x.
Result<std::string> RunOverRows(const std::string& text, const ArrayPtr& x) {
  Scope scope;
  scope.Add("", "x", x->type());
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr call, BindText(text, scope));
  ARROW_ASSIGN_OR_RAISE(const Evaluator evaluator, Evaluator::Make(call->args));
  ARROW_ASSIGN_OR_RAISE(const auto columns,
                        evaluator.Evaluate(Batch({x}, x->length()), TestPool()));
  std::vector<Argument> args;
  for (size_t i = 0; i < columns.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto plain, Decode(columns[i], TestPool()));
    const bool is_constant = call->args[i]->kind == Expression::Kind::kLiteral;
    args.push_back({is_constant ? plain->Slice(0, 1) : plain, is_constant});
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr result, RunKernel(*call, args, x->length()));
  return TextOf(*result);
}

/// A scalar call with argument `which` of its outermost function as a column.
Result<std::string> RunWithColumn(const Expression& call, size_t which, const ArrayPtr& column) {
  auto copy = std::make_shared<Expression>(call);
  copy->args[which] = Expression::Column(0, "x", column->type());
  ARROW_ASSIGN_OR_RAISE(const Evaluator evaluator, Evaluator::Make({copy}));
  ARROW_ASSIGN_OR_RAISE(const auto results,
                        evaluator.Evaluate(Batch({column}, column->length()), TestPool()));
  ARROW_RETURN_NOT_OK(results[0]->ValidateFull());
  // All rows hold the same value, so all results are the same.
  const std::string first = FormatValue(*results[0], 0);
  for (int64_t row = 1; row < column->length(); ++row) {
    if (FormatValue(*results[0], row) != first) return "rows differ: " + TextOf(*results[0]);
  }
  return first;
}

void CheckScalar(const Example& example) {
  ASSERT_OK_AND_ASSIGN(const ExpressionPtr call, BindText(example.expression, Scope()));
  ASSERT_OK_AND_ASSIGN(const Evaluator evaluator, Evaluator::Make({call}));
  ASSERT_OK_AND_ASSIGN(const auto results, evaluator.Evaluate(Batch({}, 3), TestPool()));
  EXPECT_EQ(FormatValue(*results[0], 2), example.result);
  for (size_t i = 0; i < call->args.size(); ++i) {
    const ExpressionPtr value = FoldConstants(call->args[i]);
    if (value->kind != Expression::Kind::kLiteral) continue;  // raises unless a row asks for it
    ASSERT_OK_AND_ASSIGN(const ArrayPtr column, arrow::MakeArrayFromScalar(*value->literal, 3));
    for (const auto& [name, encoded] : Representations(column)) {
      SCOPED_TRACE("argument " + std::to_string(i) + " as a column: " + name);
      ASSERT_OK_AND_ASSIGN(const std::string text, RunWithColumn(*call, i, encoded));
      EXPECT_EQ(text, example.result);
    }
  }
}

void CheckOverRows(const Example& example) {
  ASSERT_OK_AND_ASSIGN(const ArrayPtr input, ReadInput(example.input));
  for (const auto& [name, encoded] : Representations(input)) {
    SCOPED_TRACE(name);
    ASSERT_OK_AND_ASSIGN(const std::string text, RunOverRows(example.expression, encoded));
    EXPECT_EQ(text, example.result);
  }
}

TEST(FunctionExamplesTest, HoldInEveryRepresentation) {
  int count = 0;
  for (const FunctionDef* function : AllFunctions()) {
    for (const Example& example : function->examples) {
      SCOPED_TRACE(std::string(example.expression) + " over " + example.input);
      if (function->kind == FunctionKind::kScalar) {
        CheckScalar(example);
      } else {
        CheckOverRows(example);
      }
      ++count;
    }
  }
  EXPECT_GT(count, 50);
}

}  // namespace
}  // namespace headrace
