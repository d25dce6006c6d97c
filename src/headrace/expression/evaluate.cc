// The evaluator: walks a tree over one batch. Nulls are propagated here, dictionaries are looked
// into here, and rows that must not raise are kept from raising here; kernels only compute.
#include "headrace/expression/evaluate.h"

#include <algorithm>

#include "arrow/array/array_primitive.h"
#include "arrow/array/util.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/expression/bind.h"
#include "headrace/expression/call_kernel.h"
#include "headrace/expression/elementwise.h"
#include "headrace/expression/evaluate_lambda.h"
#include "headrace/function/choice.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

/// A row-level error with the expression it came from: "in (1 // x): division by zero in 1 // 0".
Status InExpression(const Status& status, const Expression& expression) {
  constexpr size_t kShownMax = 80;
  std::string text = ToString(expression);
  if (text.size() > kShownMax) {
    size_t end = kShownMax;
    while ((static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;  // between code points
    text = text.substr(0, end) + "…";
  }
  const bool is_cast = expression.kind == Expression::Kind::kCast && !expression.try_cast;
  if (!is_cast || KindOf(status) != ErrorKind::kBadData) {
    return WithContext(status, "in " + text + ": ");
  }
  return WithContext(status.WithMessage(status.message(), "; TRY_CAST gives null there"),
                     "in " + text + ": ");
}

/// One batch's evaluation.
class Evaluation {
 public:
  Evaluation(std::span<const ArrayPtr> columns, arrow::MemoryPool* pool)
      : columns_(columns), decoded_(columns.size()), pool_(pool) {}

  /// In any encoding.
  Result<Argument> Any(const Expression& expression, const Rows& rows) {
    switch (expression.kind) {
      case Expression::Kind::kColumn:
        return Argument{columns_[static_cast<size_t>(expression.column)], false};
      case Expression::Kind::kLiteral: {
        ARROW_ASSIGN_OR_RAISE(auto array,
                              arrow::MakeArrayFromScalar(*expression.literal, 1, pool_));
        return Argument{std::move(array), true};
      }
      case Expression::Kind::kCast:
        return Cast(expression, rows);
      case Expression::Kind::kCall:
        if (expression.lambda != nullptr) return WithLambda(expression, rows);
        return expression.overload->lazy != nullptr ? Lazy(expression, rows)
                                                    : Scalar(expression, rows);
      default:
        return Error(ErrorKind::kInternal, "cannot evaluate {} here", ToString(expression));
    }
  }

  /// In plain encoding.
  Result<Argument> Plain(const Expression& expression, const Rows& rows) {
    ARROW_ASSIGN_OR_RAISE(Argument value, Any(expression, rows));
    if (expression.kind != Expression::Kind::kColumn) {
      ARROW_ASSIGN_OR_RAISE(value.array, Decode(value.array, pool_));
      return value;
    }
    ArrayPtr& decoded = decoded_[static_cast<size_t>(expression.column)];
    if (decoded == nullptr) {
      ARROW_ASSIGN_OR_RAISE(decoded, Decode(value.array, pool_));
    }
    return Argument{decoded, false};
  }

 private:
  /// The rows of a call over constants only: one, that raises when some row would.
  static Rows ConstantRows(const Rows& rows) {
    static const std::vector<uint32_t> kNone;
    return {1, CountActive(rows) > 0 ? nullptr : &kNone};
  }

  Result<Argument> Cast(const Expression& expression, const Rows& rows) {
    const Expression& source = *expression.args[0];
    ARROW_ASSIGN_OR_RAISE(const Argument arg, Any(source, rows));
    if (SameLogicalType(*arg.array->type(), *expression.type)) return arg;
    const TypePtr to = PlainType(expression.type);
    const auto cast = [&](const ArrayPtr& array, const Rows& over) -> Result<ArrayPtr> {
      auto result = CastArray(array, to, expression.try_cast, over, pool_);
      if (!result.ok()) return InExpression(result.status(), expression);
      return result;
    };
    if (arg.is_constant) {
      ARROW_ASSIGN_OR_RAISE(auto array, cast(arg.array, ConstantRows(rows)));
      return Argument{std::move(array), true};
    }
    if (IsWorthElementwise(arg, rows)) {
      ARROW_ASSIGN_OR_RAISE(auto array, MapDictionary(*arg.array, rows, to, cast, pool_));
      return Argument{std::move(array), false};
    }
    ARROW_ASSIGN_OR_RAISE(const Argument plain, Plain(source, rows));
    ARROW_ASSIGN_OR_RAISE(auto array, cast(plain.array, rows));
    return Argument{std::move(array), false};
  }

  Result<Argument> Lazy(const Expression& call, const Rows& rows) {
    std::vector<LazyArgument> args;
    for (const ExpressionPtr& arg : call.args) {
      args.emplace_back([this, &arg](const Rows& narrowed) { return Plain(*arg, narrowed); });
    }
    KernelContext ctx{pool_, call.type};
    ARROW_ASSIGN_OR_RAISE(auto array, call.overload->lazy(ctx, args, rows));
    return Argument{std::move(array), false};
  }

  Result<Argument> WithLambda(const Expression& call, const Rows& rows) {
    std::vector<Argument> args;
    for (const ExpressionPtr& arg : call.args) {
      ARROW_ASSIGN_OR_RAISE(args.emplace_back(), Plain(*arg, rows));
    }
    ARROW_ASSIGN_OR_RAISE(auto array, CallWithLambda(call, args, rows, pool_));
    return Argument{std::move(array), false};
  }

  Result<Argument> Scalar(const Expression& call, const Rows& rows) {
    std::vector<Argument> args;
    bool is_constant = !call.args.empty() && !call.function->Has(function_flag::kVolatile);
    size_t dictionary = call.args.size();
    size_t not_constant = 0;
    for (size_t i = 0; i < call.args.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(Argument arg, Any(*call.args[i], rows));
      is_constant = is_constant && arg.is_constant;
      not_constant += arg.is_constant ? 0 : 1;
      if (IsWorthElementwise(arg, rows)) dictionary = i;
      args.push_back(std::move(arg));
    }
    const bool elementwise = dictionary < args.size() && not_constant == 1 &&
                             call.function->Has(function_flag::kElementwise);
    for (size_t i = 0; i < args.size(); ++i) {
      if (elementwise && i == dictionary) continue;
      ARROW_ASSIGN_OR_RAISE(args[i], Decoded(*call.args[i], args[i]));
    }
    const Rows over = is_constant ? ConstantRows(rows) : rows;
    auto array = elementwise ? CallElementwise(call, args, dictionary, rows)
                             : CallKernel(call, args, over, pool_);
    if (!array.ok()) return InExpression(array.status(), call);
    return Argument{*std::move(array), is_constant};
  }

  /// A call whose argument `dictionary` is one and whose others are constants.
  Result<ArrayPtr> CallElementwise(const Expression& call, const std::vector<Argument>& args,
                                   size_t dictionary, const Rows& rows) {
    const auto kernel = [&](const ArrayPtr& values, const Rows& narrowed) {
      std::vector<Argument> with_values = args;
      with_values[dictionary] = {values, false};
      return CallKernel(call, with_values, narrowed, pool_);
    };
    return MapDictionary(*args[dictionary].array, rows, call.type, kernel, pool_);
  }

  Result<Argument> Decoded(const Expression& expression, const Argument& arg) {
    if (expression.kind == Expression::Kind::kColumn) return Plain(expression, Rows{});
    ARROW_ASSIGN_OR_RAISE(auto array, Decode(arg.array, pool_));
    return Argument{std::move(array), arg.is_constant};
  }

  const std::span<const ArrayPtr> columns_;
  std::vector<ArrayPtr> decoded_;
  arrow::MemoryPool* const pool_;
};

Result<ArrayPtr> Broadcast(const Argument& value, int64_t rows, arrow::MemoryPool* pool) {
  if (!value.is_constant) return value.array;
  ARROW_ASSIGN_OR_RAISE(const ScalarPtr scalar, value.array->GetScalar(0));
  return arrow::MakeArrayFromScalar(*scalar, rows, pool);
}

Status CheckScalar(const Expression& expression) {
  const bool scalar = !ContainsCall(expression, FunctionKind::kAggregate) &&
                      !ContainsCall(expression, FunctionKind::kOrdered) &&
                      !ContainsCallback(expression);
  if (scalar) return Status::OK();
  return Error(ErrorKind::kInternal, "an aggregate, ordered or callback call was left in {}",
               ToString(expression));
}

/// The literal that a call or cast over literals comes to, or `expression` itself.
ExpressionPtr FoldNode(const ExpressionPtr& expression) {
  const bool foldable = expression->kind == Expression::Kind::kCast ||
                        (expression->kind == Expression::Kind::kCall &&
                         expression->function->kind == FunctionKind::kScalar &&
                         !expression->function->Has(function_flag::kVolatile));
  if (!foldable) return expression;
  for (const ExpressionPtr& arg : expression->args) {
    if (arg->kind != Expression::Kind::kLiteral) return expression;
  }
  if (IsVolatile(*expression)) return expression;  // in a lambda
  const auto array = EvaluateOver(*expression, {}, Rows{1}, arrow::default_memory_pool());
  if (!array.ok()) return expression;
  const auto scalar = (*array)->GetScalar(0);
  if (!scalar.ok()) return expression;
  auto literal = std::make_shared<Expression>(*Expression::Literal(*scalar));
  literal->span = expression->span;
  return literal;
}

}  // namespace

Result<ArrayPtr> EvaluateOver(const Expression& expression, std::span<const ArrayPtr> columns,
                              const Rows& rows, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(const Argument value, Evaluation(columns, pool).Any(expression, rows));
  ARROW_ASSIGN_OR_RAISE(ArrayPtr array, Broadcast(value, rows.length, pool));
  return Decode(array, pool);
}

Result<Evaluator> Evaluator::Make(std::vector<ExpressionPtr> expressions) {
  for (const ExpressionPtr& expression : expressions) {
    ARROW_RETURN_NOT_OK(CheckScalar(*expression));
  }
  Evaluator evaluator;
  evaluator.expressions_ = std::move(expressions);
  return evaluator;
}

Result<std::vector<ArrayPtr>> Evaluator::Evaluate(const Batch& batch,
                                                  arrow::MemoryPool* pool) const {
  Evaluation evaluation(batch.columns(), pool);
  const Rows rows{batch.physical_rows(), batch.selection().get()};
  std::vector<ArrayPtr> results;
  for (const ExpressionPtr& expression : expressions_) {
    ARROW_ASSIGN_OR_RAISE(const Argument value, evaluation.Any(*expression, rows));
    ARROW_ASSIGN_OR_RAISE(auto array, Broadcast(value, rows.length, pool));
    results.push_back(std::move(array));
  }
  return results;
}

Result<Selection> EvaluatePredicate(const Expression& predicate, const Batch& batch,
                                    arrow::MemoryPool* pool, bool* all_selected) {
  const Rows rows{batch.physical_rows(), batch.selection().get()};
  Evaluation evaluation(batch.columns(), pool);
  ARROW_ASSIGN_OR_RAISE(const Argument value, evaluation.Plain(predicate, rows));
  auto selected = std::make_shared<std::vector<uint32_t>>();
  if (value.array->type_id() == arrow::Type::BOOL && rows.active == nullptr && !value.is_constant) {
    *selected = RowsIn(TrueRows(value, rows.length));
  } else if (value.array->type_id() == arrow::Type::BOOL) {
    const Validity valid(value);
    const BooleanView holds(value);
    selected->reserve(static_cast<size_t>(CountActive(rows)));
    ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) {
      if (valid[row] && holds[row]) selected->push_back(static_cast<uint32_t>(row));
      return Status::OK();
    }));
  } else if (value.array->type_id() != arrow::Type::NA) {
    return Error(ErrorKind::kInternal, "a predicate must be boolean, not {}",
                 value.array->type()->ToString());
  }
  *all_selected = static_cast<int64_t>(selected->size()) == CountActive(rows);
  if (*all_selected) return Selection();
  return Selection(std::move(selected));
}

Result<ArrayPtr> EvaluateCall(Dialect dialect, std::string_view name,
                              std::span<const Argument> args, arrow::MemoryPool* pool) {
  Scope scope;
  std::vector<UnboundPtr> unbound;
  std::vector<ArrayPtr> columns;
  int64_t rows = 1;
  for (const Argument& arg : args) {
    if (arg.is_constant) {
      ARROW_ASSIGN_OR_RAISE(ScalarPtr value, arg.array->GetScalar(0));
      unbound.push_back(Unbound::Literal(std::move(value)));
      continue;
    }
    rows = arg.array->length();
    const std::string column = "x" + std::to_string(columns.size());
    scope.Add("", column, arg.array->type());
    unbound.push_back(Unbound::Column({column}));
    columns.push_back(arg.array);
  }
  const auto call = Unbound::Call(std::string(name), std::move(unbound));
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr expression, Bind(*call, scope, dialect));
  ARROW_RETURN_NOT_OK(CheckScalar(*expression));
  return EvaluateOver(*expression, columns, Rows{rows}, pool);
}

ExpressionPtr FoldConstants(const ExpressionPtr& expression) {
  if (expression->args.empty()) return expression;
  auto copy = std::make_shared<Expression>(*expression);
  bool changed = false;
  for (ExpressionPtr& arg : copy->args) {
    ExpressionPtr folded = FoldConstants(arg);
    changed = changed || folded != arg;
    arg = std::move(folded);
  }
  return FoldNode(changed ? ExpressionPtr(std::move(copy)) : expression);
}

}  // namespace headrace
