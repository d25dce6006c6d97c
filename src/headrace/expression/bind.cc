// The binder: overload resolution by the least cost of conversions, and every conversion written.
#include "headrace/expression/bind.h"

#include <limits>
#include <optional>

#include "arrow/array/util.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/limits.h"
#include "headrace/expression/coerce.h"
#include "headrace/expression/evaluate.h"
#include "headrace/function/order.h"
#include "headrace/function/registry.h"
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
};

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
    if (is_comparable && !IsComparable(*common)) return NoOrder(*common);
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
        return Expression::Column(index, entry.name, entry.type);
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
        return BindCallback(unbound);
      case Unbound::Kind::kQuery:
        return Error(ErrorKind::kUnsupported, "a subquery cannot stand here");
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

  Result<ExpressionPtr> BindCall(const Unbound& unbound) {
    ARROW_ASSIGN_OR_RAISE(const FunctionDef* function, Find(unbound.name));
    const bool is_star = unbound.args.size() == 1 && unbound.args[0]->kind == Unbound::Kind::kStar;
    std::vector<ExpressionPtr> args;
    if (!is_star || !function->Has(function_flag::kStar)) {
      ARROW_ASSIGN_OR_RAISE(args, BindAll(unbound.args));
    }
    const bool has_args = !args.empty();
    ARROW_ASSIGN_OR_RAISE(auto call, CallBinder(*function, unbound.name, std::move(args)).Bind());
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
    ARROW_ASSIGN_OR_RAISE(window->partition_by, BindAll(call.window->partition_by));
    for (const UnboundSortKey& key : call.window->order_by) {
      ARROW_ASSIGN_OR_RAISE(auto expression, Bind(*key.expression));
      const auto nulls = key.descending ? NullPlacement::kFirst : NullPlacement::kLast;
      window->order_by.push_back({expression, key.descending, key.nulls.value_or(nulls)});
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
      if (unit != FrameUnit::kRange) return BindCount(std::move(bound), offset);
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
  int depth_ = 0;
};

}  // namespace

Result<ExpressionPtr> Bind(const Unbound& expression, const Scope& scope, Dialect dialect) {
  return Binder(scope, dialect).Bind(expression);
}

}  // namespace headrace
