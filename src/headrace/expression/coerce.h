// Implicit conversions: what an argument pattern takes, at what cost, and common types.
#pragma once

#include <optional>
#include <span>

#include "headrace/expression/expression.h"

namespace headrace {

/// An argument taken as another type; costs add up over a call, the least wins.
struct Conversion {
  TypePtr type;
  int cost = 0;
};

/// How `arg` may become what `pattern` asks for; none when it may not. Literals are judged by
/// value: an integer that is not negative can be unsigned, one of five digits is a decimal(5, 0).
/// REQUIRES: not kCommon or kCommonComparable, which depend on the other arguments.
std::optional<Conversion> ConversionTo(ArgPattern pattern, const ExpressionPtr& arg);
/// What makes `arg` an item of `*container`, a list, or a key of it, a map. The items of a list may
/// be widened to the argument's type, the keys of a map not. None when it cannot be.
std::optional<Conversion> ConversionToItem(TypePtr* container, const ExpressionPtr& arg);

/// The least type that all arguments of a call can be widened to. Literals adapt to the other
/// arguments when their value fits: numbers to a narrower type, text to a date, time or number.
Result<TypePtr> CommonTypeOf(std::span<const ExpressionPtr> args);

/// The value of a literal as written – a literal or the negation of one – else null.
ScalarPtr WrittenLiteral(const ExpressionPtr& expression);

/// `expression` in `type` without asking whether that is implicit: literals are converted at once
/// (and may fail), others get a cast node. The same expression when only the encoding differs.
Result<ExpressionPtr> ConvertTo(const ExpressionPtr& expression, const TypePtr& type);

/// `status` with `span`, unless that is empty: trees made without a text have no places.
Status AtPlace(const Status& status, TextSpan span);

/// "INTEGER", "DECIMAL", "any": a pattern in messages.
const char* PatternName(ArgPattern pattern);

}  // namespace headrace
