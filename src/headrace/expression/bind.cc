// The binder: overload resolution by the least cost of conversions, and every conversion written.
#include "headrace/expression/bind.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "arrow/array/util.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/limits.h"
#include "headrace/expression/coerce.h"
#include "headrace/expression/evaluate.h"
#include "headrace/expression/key_expression.h"
#include "headrace/expression/lambda_scope.h"
#include "headrace/function/define.h"
#include "headrace/function/once_per_query.h"
#include "headrace/function/order.h"
#include "headrace/function/registry.h"
#include "headrace/function/takes_lambda.h"
#include "headrace/table/options.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

/// The patterns of a call with `count` arguments; none when the overload takes another number.
std::optional<std::vector<ArgPattern>> PatternsFor(const Overload& overload, size_t count) {
  const auto args = overload.args;
  std::vector<ArgPattern> patterns;
  if (overload.leading_group > 0) {
    const auto group = static_cast<size_t>(overload.leading_group);
    const size_t rest = args.size() - group;
    if (count < args.size() || (count - rest) % group != 0) return std::nullopt;
    while (patterns.size() + rest < count) {
      patterns.insert(patterns.end(), args.begin(), args.begin() + overload.leading_group);
    }
    patterns.insert(patterns.end(), args.begin() + overload.leading_group, args.end());
    return patterns;
  }
  if (count < args.size() || (count > args.size() && !overload.variadic)) return std::nullopt;
  patterns.assign(args.begin(), args.end());
  patterns.resize(count, args.empty() ? ArgPattern::kAny : args.back());
  return patterns;
}

bool IsCommon(ArgPattern pattern) {
  return pattern == ArgPattern::kCommon || pattern == ArgPattern::kCommonComparable;
}

/// One overload that takes the arguments, with the types they must be converted to.
struct Candidate {
  const Overload* overload = nullptr;
  std::vector<TypePtr> types;
  int cost = std::numeric_limits<int>::max();
  bool by_keys = false;  // the arguments are compared as keys (key_expression.h)
};

/// A comparison of lists, structs or maps.
bool ComparesNested(const Overload& overload, const arrow::DataType& common) {
  return overload.result == BooleanType && IsComparedByKey(common);
}

/// Kernels compare float32, not float16, and decimal128, not the smaller ones.
TypePtr ComparableForm(const TypePtr& type) {
  switch (type->id()) {
    case arrow::Type::HALF_FLOAT:
      return arrow::float32();
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(*type);
      return arrow::decimal128(decimal.precision(), decimal.scale());
    }
    default:
      return type;
  }
}

class CallBinder {
 public:
  CallBinder(const FunctionDef& function, std::string name, std::vector<ExpressionPtr> args)
      : function_(function), name_(std::move(name)), args_(std::move(args)) {}

  Result<ExpressionPtr> Bind() {
    Candidate best;
    for (const Overload& overload : function_.overloads) {
      ARROW_ASSIGN_OR_RAISE(Candidate candidate, Try(overload));
      if (candidate.cost < best.cost) best = std::move(candidate);
    }
    if (best.overload == nullptr) return NoOverload();
    ARROW_RETURN_NOT_OK(ConvertArgs(best));
    ARROW_ASSIGN_OR_RAISE(TypePtr type, ResultOf(best));
    return Expression::Call(&function_, best.overload, std::move(args_), std::move(type));
  }

 private:
  /// A candidate without overload when `overload` does not take the arguments.
  Result<Candidate> Try(const Overload& overload) {
    const auto patterns = PatternsFor(overload, args_.size());
    if (!patterns.has_value()) return Candidate{};
    Candidate candidate{&overload, std::vector<TypePtr>(args_.size()), 0};
    std::vector<ExpressionPtr> shared;
    bool is_comparable = false;
    for (size_t i = 0; i < args_.size(); ++i) {
      if (IsCommon((*patterns)[i])) {
        shared.push_back(args_[i]);
        is_comparable = is_comparable || (*patterns)[i] == ArgPattern::kCommonComparable;
        continue;
      }
      const auto conversion = (*patterns)[i] == ArgPattern::kItem
                                  ? ConversionToItem(&candidate.types[0], args_[i])
                                  : ConversionTo((*patterns)[i], args_[i]);
      if (!conversion.has_value()) return Candidate{};
      candidate.types[i] = conversion->type;
      candidate.cost += conversion->cost;
    }
    if (shared.empty()) return candidate;
    ARROW_ASSIGN_OR_RAISE(TypePtr common, CommonTypeOf(shared));
    if (is_comparable) common = ComparableForm(common);
    candidate.by_keys = is_comparable && ComparesNested(overload, *common);
    if (is_comparable && !candidate.by_keys && !IsComparable(*common)) return NoOrder(*common);
    for (size_t i = 0; i < args_.size(); ++i) {
      if (IsCommon((*patterns)[i])) candidate.types[i] = common;
    }
    return candidate;
  }

  Result<TypePtr> ResultOf(const Candidate& candidate) const {
    if (candidate.overload->result != nullptr) return candidate.overload->result(candidate.types);
    std::vector<ScalarPtr> literals;
    for (const ExpressionPtr& arg : args_) literals.push_back(FoldConstants(arg)->literal);
    return candidate.overload->result_of_literals(candidate.types, literals);
  }

  Status ConvertArgs(const Candidate& candidate) {
    for (size_t i = 0; i < args_.size(); ++i) {
      const bool is_constant = i < candidate.overload->args.size() &&
                               candidate.overload->args[i] == ArgPattern::kConstantInt64;
      if (is_constant) args_[i] = FoldConstants(args_[i]);
      ARROW_ASSIGN_OR_RAISE(args_[i], ConvertTo(args_[i], candidate.types[i]));
      if (candidate.by_keys) args_[i] = AsKey(args_[i]);
      if (is_constant && function_.lookback == kByArgument) {
        ARROW_RETURN_NOT_OK(CheckExtent(*args_[i]));
      }
    }
    return Status::OK();
  }

  Status CheckExtent(const Expression& extent) const {
    const int64_t rows = static_cast<const arrow::Int64Scalar&>(*extent.literal).value;
    if (rows >= 0 && rows <= kBatchRowsMax) return Status::OK();
    return AtPlace(Error(ErrorKind::kInvalidArgument, "\"{}\" looks back 0 to {} rows, not {}",
                         name_, kBatchRowsMax, rows),
                   extent.span);
  }

  Status NoOrder(const arrow::DataType& type) const {
    return Error(ErrorKind::kTypeMismatch, "\"{}\" needs values that have an order, got {}", name_,
                 SqlNameOf(type));
  }

  Status NoOverload() const {
    std::string came;
    for (const ExpressionPtr& arg : args_) {
      came += (came.empty() ? "" : ", ") + SqlNameOf(*arg->type);
    }
    std::string taken;
    for (const Overload& overload : function_.overloads) {
      std::string form;
      for (const ArgPattern pattern : overload.args) {
        form += (form.empty() ? "" : ", ") + std::string(PatternName(pattern));
      }
      const char* more = overload.variadic || overload.leading_group > 0 ? ", …" : "";
      taken += fmt::format("{}({}{})", taken.empty() ? "" : ", ", form, more);
    }
    const bool wants_numbers = taken.find("BIGINT") != std::string::npos;
    const bool got_text = came.find("VARCHAR") != std::string::npos;
    const bool takes_text = taken.find("VARCHAR") != std::string::npos;
    return Error(ErrorKind::kTypeMismatch, "\"{}\" takes {}; got ({}){}", name_, taken, came,
                 wants_numbers && got_text && !takes_text
                     ? "; CAST(… AS BIGINT) makes a number of a text"
                     : "");
  }

  const FunctionDef& function_;
  const std::string name_;
  std::vector<ExpressionPtr> args_;
};

class Binder {
 public:
  Binder(const Scope& scope, Dialect dialect) : scope_(scope), dialect_(dialect) {}

  /// The tree of `unbound` with spans, in nodes and in errors.
  Result<ExpressionPtr> Bind(const Unbound& unbound) {
    if (++depth_ > kNestingDepthMax) {
      return AtPlace(
          Error(ErrorKind::kSyntax, "expressions nest deeper than {} levels", kNestingDepthMax),
          unbound.span);
    }
    auto bound = BindNode(unbound);
    --depth_;
    if (!bound.ok()) return AtPlace(bound.status(), unbound.span);
    auto spanned = std::make_shared<Expression>(**bound);
    spanned->span = unbound.span;
    return spanned;
  }

 private:
  Result<ExpressionPtr> BindNode(const Unbound& unbound) {
    switch (unbound.kind) {
      case Unbound::Kind::kColumn: {
        ARROW_ASSIGN_OR_RAISE(const int index, scope_.Resolve(unbound.path, dialect_));
        const Scope::Entry& entry = scope_.entries()[static_cast<size_t>(index)];
        return UsedInLambdas(Expression::Column(index, entry.name, entry.type), 0);
      }
      case Unbound::Kind::kLiteral:
        return Expression::Literal(unbound.literal);
      case Unbound::Kind::kCall:
        return BindCall(unbound);
      case Unbound::Kind::kCast:
        return BindCast(unbound);
      case Unbound::Kind::kStar:
        return Error(ErrorKind::kSyntax, "* stands for columns only in SELECT and in count(*)");
      case Unbound::Kind::kCallback:
        return lambdas_.empty() ? BindCallback(unbound) : BindOutsideOfLambdas(unbound);
      case Unbound::Kind::kQuery:
        return Error(ErrorKind::kUnsupported, "a subquery cannot stand here");
      case Unbound::Kind::kParameter:
        return BindParameter(unbound);
      case Unbound::Kind::kLambda:
        return Error(ErrorKind::kTypeMismatch,
                     "a lambda stands only in functions that take one, such as list_transform");
    }
    return Error(ErrorKind::kInternal, "unknown kind of expression");
  }

  Result<std::vector<ExpressionPtr>> BindAll(const std::vector<UnboundPtr>& list) {
    std::vector<ExpressionPtr> bound;
    for (const UnboundPtr& unbound : list) {
      ARROW_ASSIGN_OR_RAISE(auto expression, Bind(*unbound));
      bound.push_back(std::move(expression));
    }
    return bound;
  }

  Result<const FunctionDef*> Find(const std::string& name) const {
    const FunctionDef* function = FindFunction(dialect_, name);
    if (function != nullptr) return function;
    const std::string nearest = NearestName(name, AllNames(dialect_));
    return Error(ErrorKind::kUnknownName, "there is no function \"{}\"{}", name,
                 nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest));
  }

  /// What stands outside of the lambdas around, as a column of the innermost; `first` of them is
  /// the first that `expression` is not over.
  ExpressionPtr UsedInLambdas(ExpressionPtr expression, size_t first) {
    for (size_t i = first; i < lambdas_.size(); ++i) expression = lambdas_[i]->Use(expression);
    return expression;
  }

  Result<ExpressionPtr> BindParameter(const Unbound& unbound) {
    for (size_t i = lambdas_.size(); i-- > 0;) {
      const LambdaScope& lambda = *lambdas_[i];
      if (lambda.id != unbound.lambda_id) continue;
      const auto name = std::find(lambda.names.begin(), lambda.names.end(), unbound.name);
      return UsedInLambdas(lambda.Parameter(static_cast<size_t>(name - lambda.names.begin())),
                           i + 1);
    }
    return Error(ErrorKind::kUnsupported,
                 "the parameter \"{}\" of a lambda stands in no aggregate, window or subquery",
                 unbound.name);
  }

  /// Aggregates, ordered calls and the time of the query are computed outside of lambdas.
  Result<ExpressionPtr> BindOutsideOfLambdas(const Unbound& unbound) {
    std::vector<LambdaScope*> around;
    around.swap(lambdas_);
    Result<ExpressionPtr> bound = Bind(unbound);
    around.swap(lambdas_);
    ARROW_RETURN_NOT_OK(bound);
    return UsedInLambdas(*std::move(bound), 0);
  }

  Result<ExpressionPtr> BindBody(const Unbound& lambda, std::vector<TypePtr> types,
                                 std::vector<ExpressionPtr>* used) {
    LambdaScope scope{lambda.lambda_id, lambda.arg_names, std::move(types), {}};
    lambdas_.push_back(&scope);
    Result<ExpressionPtr> body = Bind(*lambda.args.front());
    lambdas_.pop_back();
    ARROW_RETURN_NOT_OK(body);
    *used = std::move(scope.used);
    return FoldConstants(*body);
  }

  /// The body of a fold in the type of what it has so far, which may widen once.
  Result<ExpressionPtr> BindFold(const Unbound& lambda, ExpressionPtr* first, const TypePtr& item,
                                 std::vector<ExpressionPtr>* used) {
    TypePtr type = *first == nullptr ? item : PlainType((*first)->type);
    ExpressionPtr body;
    for (int attempt = 0; attempt < 2; ++attempt) {
      std::vector<TypePtr> types = {type, item};
      if (lambda.arg_names.size() > 2) types.push_back(arrow::int64());
      ARROW_ASSIGN_OR_RAISE(body, BindBody(lambda, std::move(types), used));
      ARROW_ASSIGN_OR_RAISE(const TypePtr common, CommonType(type, body->type));
      if (common->Equals(*type)) break;
      type = common;
    }
    if (*first != nullptr) {
      ARROW_ASSIGN_OR_RAISE(*first, ConvertTo(*first, type));
    }
    return body->type->Equals(*type) ? body : Expression::Cast(body, type);
  }

  Status CheckLambda(const FunctionDef& function, const Unbound& call) const {
    const bool folds = function.Has(function_flag::kFoldsLambda);
    const size_t fewest = folds ? 2 : 1;
    const bool has_lambda = call.args.size() >= 2 && call.args.size() <= fewest + 1 &&
                            call.args[1]->kind == Unbound::Kind::kLambda;
    if (has_lambda) {
      const size_t count = call.args[1]->arg_names.size();
      if (count == fewest || count == fewest + 1) return Status::OK();
    }
    return Error(ErrorKind::kTypeMismatch, "\"{}\" takes a list and a lambda: {}", call.name,
                 folds ? "(so far, item) -> value, or (so far, item, number) -> value"
                       : "item -> value, or (item, number) -> value");
  }

  /// list_transform(l, x -> x + k): the call's arguments are the list and what the lambda uses.
  Result<ExpressionPtr> BindWithLambda(const FunctionDef& function, const Unbound& call) {
    ARROW_RETURN_NOT_OK(CheckLambda(function, call));
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr list, Bind(*call.args[0]));
    const auto conversion = ConversionTo(ArgPattern::kList, list);
    if (!conversion.has_value()) {
      return AtPlace(Error(ErrorKind::kTypeMismatch, "\"{}\" takes a list, got {}", call.name,
                           SqlNameOf(*list->type)),
                     call.args[0]->span);
    }
    ARROW_ASSIGN_OR_RAISE(list, ConvertTo(list, conversion->type));
    const TypePtr item = PlainType(conversion->type->field(0)->type());
    auto lambda = std::make_shared<Lambda>();
    lambda->parameters = call.args[1]->arg_names;
    std::vector<ExpressionPtr> args = {list};
    std::vector<ExpressionPtr> used;
    const bool folds = function.Has(function_flag::kFoldsLambda);
    if (folds) {
      ExpressionPtr first;
      if (call.args.size() > 2) {
        ARROW_ASSIGN_OR_RAISE(first, Bind(*call.args[2]));
      }
      ARROW_ASSIGN_OR_RAISE(lambda->body, BindFold(*call.args[1], &first, item, &used));
      if (first != nullptr) args.push_back(std::move(first));
    } else {
      std::vector<TypePtr> types = {item};
      if (lambda->parameters.size() > 1) types.push_back(arrow::int64());
      ARROW_ASSIGN_OR_RAISE(lambda->body, BindBody(*call.args[1], std::move(types), &used));
    }
    lambda->num_values = args.size();
    const TypePtr given = PlainType(lambda->body->type);
    const std::vector<TypePtr> types = {conversion->type, folds ? given : arrow::list(given)};
    ARROW_ASSIGN_OR_RAISE(TypePtr type, function.overloads[0].result(types));
    args.insert(args.end(), used.begin(), used.end());
    auto bound = std::make_shared<Expression>(
        *Expression::Call(&function, function.overloads.data(), std::move(args), std::move(type)));
    bound->lambda = std::move(lambda);
    return bound;
  }

  /// count(DISTINCT x) counts keys; max(x) is arg_max(x, key), so is min.
  static void TakeNestedByKey(const Unbound& call, const FunctionDef** function,
                              std::vector<ExpressionPtr>* args) {
    const ExpressionPtr key = AsKey(args->front());
    if (key == args->front()) return;
    const std::string_view id = (*function)->id;
    if (id == "count" && call.distinct) args->front() = key;
    if (id != "min" && id != "max") return;
    *function = FindFunctionById(id == "min" ? "arg_min" : "arg_max");
    args->push_back(key);
  }

  Result<ExpressionPtr> BindCall(const Unbound& unbound) {
    ARROW_ASSIGN_OR_RAISE(const FunctionDef* function, Find(unbound.name));
    const bool is_outside =
        function->kind != FunctionKind::kScalar || function->Has(function_flag::kOncePerQuery);
    if (is_outside && !lambdas_.empty()) return BindOutsideOfLambdas(unbound);
    const bool is_star = unbound.args.size() == 1 && unbound.args[0]->kind == Unbound::Kind::kStar;
    const bool has_args =
        !unbound.args.empty() && (!is_star || !function->Has(function_flag::kStar));
    ExpressionPtr call;
    if (function->Has(function_flag::kTakesLambda)) {
      ARROW_ASSIGN_OR_RAISE(call, BindWithLambda(*function, unbound));
    } else {
      std::vector<ExpressionPtr> args;
      if (has_args) {
        ARROW_ASSIGN_OR_RAISE(args, BindAll(unbound.args));
      }
      if (args.size() == 1) TakeNestedByKey(unbound, &function, &args);
      ARROW_ASSIGN_OR_RAISE(call, CallBinder(*function, unbound.name, std::move(args)).Bind());
    }
    auto result = std::make_shared<Expression>(*call);
    if (unbound.distinct && (function->kind != FunctionKind::kAggregate || !has_args)) {
      return Error(ErrorKind::kTypeMismatch,
                   "DISTINCT belongs to the argument of an aggregate, not to \"{}\"", unbound.name);
    }
    result->distinct = unbound.distinct;
    result->ignore_nulls = unbound.ignore_nulls;
    if (unbound.ignore_nulls && !function->Has(function_flag::kIgnoresNulls)) {
      return Error(ErrorKind::kTypeMismatch, "\"{}\" takes no IGNORE NULLS", unbound.name);
    }
    if (unbound.window != nullptr) {
      ARROW_ASSIGN_OR_RAISE(result->window, BindWindow(*function, unbound));
    }
    return result;
  }

  Result<std::shared_ptr<const WindowSpec>> BindWindow(const FunctionDef& function,
                                                       const Unbound& call) {
    if (function.kind == FunctionKind::kScalar) {
      return Error(ErrorKind::kTypeMismatch,
                   "OVER needs an ordered function or an aggregate; "
                   "\"{}\" works on single rows",
                   call.name);
    }
    auto window = std::make_shared<WindowSpec>();
    window->buffer = call.window->buffer;
    ARROW_ASSIGN_OR_RAISE(window->partition_by, BindAll(call.window->partition_by));
    for (ExpressionPtr& key : window->partition_by) key = AsKey(key);
    for (const UnboundSortKey& key : call.window->order_by) {
      ARROW_ASSIGN_OR_RAISE(auto expression, Bind(*key.expression));
      const auto nulls = key.descending ? NullPlacement::kFirst : NullPlacement::kLast;
      window->order_by.push_back({AsKey(expression), key.descending, key.nulls.value_or(nulls)});
    }
    if (call.window->frame.has_value()) {
      FrameBinder binder{*this, *window};
      ARROW_ASSIGN_OR_RAISE(window->frame, binder.Bind(*call.window->frame));
    }
    return window;
  }

  /// Binds the frame of a window whose keys are bound.
  struct FrameBinder {
    Binder& binder;
    const WindowSpec& window;

    Result<WindowFrame> Bind(const UnboundFrame& unbound) {
      WindowFrame frame;
      frame.unit = unbound.unit;
      frame.exclusion = unbound.exclusion;
      ARROW_ASSIGN_OR_RAISE(frame.start, BindBound(unbound.unit, unbound.start));
      ARROW_ASSIGN_OR_RAISE(frame.end, BindBound(unbound.unit, unbound.end));
      const bool in_order = frame.start.kind <= frame.end.kind &&
                            frame.start.kind != FrameBound::Kind::kUnboundedFollowing &&
                            frame.end.kind != FrameBound::Kind::kUnboundedPreceding;
      if (!in_order) {
        return Error(ErrorKind::kInvalidArgument, "a frame must begin before it ends");
      }
      if (unbound.unit == FrameUnit::kGroups && window.order_by.empty()) {
        return Error(ErrorKind::kInvalidArgument, "a frame of GROUPS needs ORDER BY");
      }
      return frame;
    }

    Result<FrameBound> BindBound(FrameUnit unit, const UnboundFrameBound& unbound) {
      FrameBound bound;
      bound.kind = unbound.kind;
      const bool preceding = unbound.kind == FrameBound::Kind::kPreceding;
      if (!preceding && unbound.kind != FrameBound::Kind::kFollowing) return bound;
      ARROW_ASSIGN_OR_RAISE(ExpressionPtr offset, binder.Bind(*unbound.offset));
      offset = FoldConstants(offset);
      if (offset->kind != Expression::Kind::kLiteral || !offset->literal->is_valid) {
        return AtPlace(Error(ErrorKind::kInvalidArgument,
                             "the offset of a frame is a constant that is not null, got {}",
                             ToString(*offset)),
                       unbound.offset->span);
      }
      if (unit == FrameUnit::kRows || unit == FrameUnit::kGroups)
        return BindCount(std::move(bound), offset);
      ARROW_ASSIGN_OR_RAISE(bound.value, ValueAt(offset, preceding));
      return bound;
    }

    static Result<FrameBound> BindCount(FrameBound bound, const ExpressionPtr& offset) {
      if (arrow::is_integer(offset->type->id())) {
        ARROW_ASSIGN_OR_RAISE(const ScalarPtr count, offset->literal->CastTo(arrow::int64()));
        bound.count = static_cast<const arrow::Int64Scalar&>(*count).value;
        if (bound.count >= 0) return bound;
      }
      return AtPlace(
          Error(ErrorKind::kInvalidArgument,
                "a frame counts rows or groups by an integer from 0, got {}", ToString(*offset)),
          offset->span);
    }

    /// Where the frame of a row ends in the values of its sort key; null past the key's type.
    Result<ExpressionPtr> ValueAt(const ExpressionPtr& offset, bool preceding) {
      if (window.order_by.size() != 1) {
        return Error(ErrorKind::kInvalidArgument,
                     "a frame of RANGE with an offset needs one key in ORDER BY, got {}",
                     window.order_by.size());
      }
      const WindowSpec::Key& key = window.order_by.front();
      const char* op = preceding != key.descending ? "-" : "+";
      const FunctionDef* function = FindFunction(Dialect::kSql, op);
      ARROW_ASSIGN_OR_RAISE(ExpressionPtr value,
                            CallBinder(*function, op, {key.expression, offset}).Bind());
      const TypePtr type = PlainType(key.expression->type);
      if (value->type->Equals(*type)) return value;
      return Expression::Cast(std::move(value), type, /*try_cast=*/true);
    }
  };

  Result<ExpressionPtr> BindCast(const Unbound& unbound) {
    ARROW_ASSIGN_OR_RAISE(auto arg, Bind(*unbound.args.at(0)));
    // An empty array tells whether there is such a cast at all.
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr empty, arrow::MakeEmptyArray(PlainType(arg->type)));
    ARROW_RETURN_NOT_OK(
        CastArray(empty, unbound.type, unbound.try_cast, Rows{}, arrow::default_memory_pool()));
    return Expression::Cast(std::move(arg), unbound.type, unbound.try_cast);
  }

  Result<ExpressionPtr> BindCallback(const Unbound& unbound) {
    auto callback = std::make_shared<Expression>();
    callback->kind = Expression::Kind::kCallback;
    callback->callback_id = unbound.callback_id;
    callback->type = unbound.type;
    ARROW_ASSIGN_OR_RAISE(callback->args, BindAll(unbound.args));
    return callback;
  }

  const Scope& scope_;
  const Dialect dialect_;
  std::vector<LambdaScope*> lambdas_;  // around what is bound, innermost last
  int depth_ = 0;
};

}  // namespace

Result<ExpressionPtr> Bind(const Unbound& expression, const Scope& scope, Dialect dialect) {
  return Binder(scope, dialect).Bind(expression);
}

}  // namespace headrace
