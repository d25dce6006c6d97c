// Implicit conversions. The ladder of numbers is integers → int64 → decimal → float64; int64 with
// uint64 meets at decimal(20, 0). Nothing becomes text, and text becomes nothing else, unless it is
// a literal.
#include "headrace/expression/coerce.h"

#include <algorithm>
#include <cmath>

#include "arrow/array/array_base.h"
#include "arrow/array/util.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "headrace/expression/bind.h"
#include "headrace/expression/evaluate.h"
#include "headrace/expression/type_groups.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

using arrow::Type;

constexpr int kDecimalPrecisionMax = 38;

bool IsSigned(Type::type id) { return arrow::is_signed_integer(id); }
bool IsUnsigned(Type::type id) { return arrow::is_unsigned_integer(id); }
bool IsInteger(Type::type id) { return arrow::is_integer(id); }
int BitWidth(const arrow::DataType& type) {
  return static_cast<const arrow::FixedWidthType&>(type).bit_width();
}

/// Decimal digits that every value of an integer type fits in.
int DigitsOf(const arrow::DataType& integer) {
  switch (BitWidth(integer)) {
    case 8:
      return 3;
    case 16:
      return 5;
    case 32:
      return 10;
    default:
      return IsUnsigned(integer.id()) ? 20 : 19;
  }
}

const arrow::DecimalType& AsDecimal(const arrow::DataType& type) {
  return static_cast<const arrow::DecimalType&>(type);
}

bool IsDecimal(const arrow::DataType& type) {
  return arrow::is_decimal(type.id()) && AsDecimal(type).precision() <= kDecimalPrecisionMax;
}

TypePtr SignedOfWidth(int bits) {
  return bits <= 8    ? arrow::int8()
         : bits <= 16 ? arrow::int16()
         : bits <= 32 ? arrow::int32()
                      : arrow::int64();
}

/// The decimal128 that kernels take for an integer or decimal type; its scale is not negative.
TypePtr DecimalOf(const arrow::DataType& number) {
  if (IsInteger(number.id())) return arrow::decimal128(DigitsOf(number), 0);
  const int precision = AsDecimal(number).precision();
  const int scale = AsDecimal(number).scale();
  if (scale >= 0) return arrow::decimal128(precision, scale);
  return arrow::decimal128(std::min(precision - scale, kDecimalPrecisionMax), 0);
}

// ---- common types ----

TypePtr CommonInteger(const TypePtr& left, const TypePtr& right) {
  const int left_bits = BitWidth(*left);
  const int right_bits = BitWidth(*right);
  if (IsSigned(left->id()) == IsSigned(right->id())) return left_bits >= right_bits ? left : right;
  const int unsigned_bits = IsSigned(left->id()) ? right_bits : left_bits;
  const int signed_bits = IsSigned(left->id()) ? left_bits : right_bits;
  if (unsigned_bits == 64) return arrow::decimal128(20, 0);
  return SignedOfWidth(std::max(unsigned_bits * 2, signed_bits));
}

TypePtr CommonDecimal(const TypePtr& left, const TypePtr& right) {
  const TypePtr a = DecimalOf(*left);
  const TypePtr b = DecimalOf(*right);
  const int scale = std::max(AsDecimal(*a).scale(), AsDecimal(*b).scale());
  const int digits = std::max(AsDecimal(*a).precision() - AsDecimal(*a).scale(),
                              AsDecimal(*b).precision() - AsDecimal(*b).scale());
  return arrow::decimal128(std::min(digits + scale, kDecimalPrecisionMax), scale);
}

bool FitsFloat32(const arrow::DataType& type) {
  return type.id() == Type::FLOAT || type.id() == Type::HALF_FLOAT ||
         (IsInteger(type.id()) && BitWidth(type) <= 16);
}

TypePtr CommonNumber(const TypePtr& left, const TypePtr& right) {
  const bool is_float = arrow::is_floating(left->id()) || arrow::is_floating(right->id());
  if (is_float) {
    return FitsFloat32(*left) && FitsFloat32(*right) ? arrow::float32() : arrow::float64();
  }
  if (IsInteger(left->id()) && IsInteger(right->id())) return CommonInteger(left, right);
  return CommonDecimal(left, right);
}

bool IsNumber(const arrow::DataType& type) {
  return IsInteger(type.id()) || arrow::is_floating(type.id()) || IsDecimal(type);
}

arrow::TimeUnit::type UnitOf(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::TIMESTAMP:
      return static_cast<const arrow::TimestampType&>(type).unit();
    case Type::DURATION:
      return static_cast<const arrow::DurationType&>(type).unit();
    case Type::TIME32:
    case Type::TIME64:
      return static_cast<const arrow::TimeType&>(type).unit();
    case Type::DATE64:
      return arrow::TimeUnit::MILLI;
    default:
      return arrow::TimeUnit::SECOND;
  }
}

std::string ZoneOf(const arrow::DataType& type) {
  return type.id() == Type::TIMESTAMP ? static_cast<const arrow::TimestampType&>(type).timezone()
                                      : "";
}

/// Null when there is none.
TypePtr CommonTemporal(const TypePtr& left, const TypePtr& right) {
  const Type::type a = left->id();
  const Type::type b = right->id();
  const auto unit = std::max(UnitOf(*left), UnitOf(*right));
  if (a == Type::DURATION && b == Type::DURATION) return arrow::duration(unit);
  if ((a == Type::DURATION && b == Type::INTERVAL_MONTH_DAY_NANO) ||
      (b == Type::DURATION && a == Type::INTERVAL_MONTH_DAY_NANO)) {
    return arrow::month_day_nano_interval();
  }
  if (IsTime(a) && IsTime(b)) {
    return unit <= arrow::TimeUnit::MILLI ? arrow::time32(unit) : arrow::time64(unit);
  }
  if (IsDate(a) && IsDate(b)) return arrow::date64();
  const bool is_left_time = a == Type::TIMESTAMP;
  const bool is_right_time = b == Type::TIMESTAMP;
  if ((!is_left_time && !IsDate(a)) || (!is_right_time && !IsDate(b))) return nullptr;
  if (is_left_time && is_right_time && ZoneOf(*left).empty() != ZoneOf(*right).empty()) {
    return nullptr;
  }
  return arrow::timestamp(unit, is_left_time ? ZoneOf(*left) : ZoneOf(*right));
}

Status NoCommonType(const arrow::DataType& left, const arrow::DataType& right) {
  return Error(ErrorKind::kTypeMismatch, "no common type of {} and {}; cast one of them",
               SqlNameOf(left), SqlNameOf(right));
}

Result<TypePtr> CommonNested(const TypePtr& left, const TypePtr& right) {
  if (left->id() == Type::LIST && right->id() == Type::LIST) {
    ARROW_ASSIGN_OR_RAISE(auto item, CommonType(left->field(0)->type(), right->field(0)->type()));
    return arrow::list(left->field(0)->WithType(item));
  }
  if (left->id() != Type::STRUCT || right->id() != Type::STRUCT ||
      left->num_fields() != right->num_fields()) {
    return NoCommonType(*left, *right);
  }
  arrow::FieldVector fields;
  for (int i = 0; i < left->num_fields(); ++i) {
    if (left->field(i)->name() != right->field(i)->name()) return NoCommonType(*left, *right);
    ARROW_ASSIGN_OR_RAISE(auto type, CommonType(left->field(i)->type(), right->field(i)->type()));
    fields.push_back(left->field(i)->WithType(type));
  }
  return arrow::struct_(std::move(fields));
}

// ---- literals ----

Result<ScalarPtr> CastScalar(const arrow::Scalar& scalar, const TypePtr& type) {
  arrow::MemoryPool* pool = arrow::default_memory_pool();
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr array, arrow::MakeArrayFromScalar(scalar, 1, pool));
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr cast, CastArray(array, type, false, Rows{1}, pool));
  return cast->GetScalar(0);
}

/// Whether a literal keeps its value in `type`.
bool FitsExactly(const arrow::Scalar& literal, const TypePtr& type) {
  const auto there = CastScalar(literal, type);
  if (!there.ok()) return false;
  const auto back = CastScalar(**there, literal.type);
  return back.ok() && (*back)->Equals(literal);
}

bool IsText(const arrow::Scalar& literal) { return PlainType(literal.type)->id() == Type::STRING; }

/// Whether literals of `left` may be taken as `right` when their value allows.
bool SameFamily(const arrow::DataType& left, const arrow::DataType& right) {
  return (IsNumber(left) && IsNumber(right)) ||
         (HasTypeFlag(left, kTypeTemporal) && HasTypeFlag(right, kTypeTemporal));
}

Result<TypePtr> Widened(const TypePtr& so_far, const TypePtr& type) {
  return so_far == nullptr ? PlainType(type) : CommonType(so_far, type);
}

/// The narrowest decimal that holds an integer literal.
TypePtr DecimalOfLiteral(const arrow::Scalar& literal) {
  const std::string digits = literal.ToString();
  const auto count = static_cast<int>(digits.size()) - (digits.starts_with('-') ? 1 : 0);
  return arrow::decimal128(std::max(count, 1), 0);
}

// ---- patterns ----

std::optional<Conversion> ToInteger(const TypePtr& target, int cost_per_step,
                                    const arrow::DataType& type) {
  const Type::type id = type.id();
  if (id == target->id()) return Conversion{target, 0};
  if (!IsInteger(id)) return std::nullopt;
  const int bits = BitWidth(type);
  const bool is_wider = IsSigned(id) || IsUnsigned(target->id()) ? bits < BitWidth(*target)
                                                                 : bits * 2 <= BitWidth(*target);
  const bool keeps_sign = IsUnsigned(id) || IsSigned(target->id());
  if (!is_wider || !keeps_sign) return std::nullopt;
  const bool is_next = bits * 2 == BitWidth(*target);
  return Conversion{target, is_next ? cost_per_step : 2 * cost_per_step};
}

std::optional<Conversion> ToFloat(const TypePtr& target, const arrow::DataType& type,
                                  const arrow::Scalar* literal) {
  constexpr int kFromDecimal = 10;
  constexpr int kFromInteger = 20;
  const bool is_single = target->id() == Type::FLOAT;
  if (type.id() == target->id()) return Conversion{target, 0};
  if (type.id() == Type::HALF_FLOAT) return Conversion{target, is_single ? 1 : 2};
  if (type.id() == Type::FLOAT) return Conversion{target, 1};
  if (IsInteger(type.id())) {
    const bool fits =
        !is_single || FitsFloat32(type) || (literal != nullptr && FitsExactly(*literal, target));
    if (fits) return Conversion{target, is_single ? kFromInteger - 2 : kFromInteger};
  }
  if (IsDecimal(type) && !is_single) return Conversion{target, kFromDecimal};
  return std::nullopt;
}

std::optional<Conversion> ToDecimal(const TypePtr& type, const arrow::Scalar* literal) {
  constexpr int kFromInteger = 10;
  const bool is_as_wanted = type->id() == Type::DECIMAL128 && AsDecimal(*type).scale() >= 0;
  if (is_as_wanted) return Conversion{type, 0};
  if (IsDecimal(*type)) return Conversion{DecimalOf(*type), 1};
  if (!IsInteger(type->id())) return std::nullopt;
  return Conversion{literal != nullptr ? DecimalOfLiteral(*literal) : DecimalOf(*type),
                    kFromInteger};
}

std::optional<Conversion> ToTemporal(ArgPattern pattern, const TypePtr& type,
                                     const arrow::Scalar* literal) {
  constexpr int kFromOther = 5;
  const bool is_text = literal != nullptr && IsText(*literal);
  if (pattern == ArgPattern::kDuration) {
    if (type->id() == Type::DURATION) return Conversion{type, 0};
    return std::nullopt;
  }
  if (pattern == ArgPattern::kInterval) {
    if (type->id() == Type::INTERVAL_MONTH_DAY_NANO) return Conversion{type, 0};
    if (type->id() == Type::DURATION) return Conversion{arrow::month_day_nano_interval(), 2};
    return std::nullopt;
  }
  if (pattern == ArgPattern::kTime) {
    if (type->id() == Type::TIME64) return Conversion{type, 0};
    if (type->id() == Type::TIME32) return Conversion{arrow::time64(arrow::TimeUnit::MICRO), 1};
    return std::nullopt;
  }
  if (pattern == ArgPattern::kDate32) {
    if (type->id() == Type::DATE32) return Conversion{type, 0};
    const bool is_date = is_text && CastScalar(*literal, arrow::date32()).ok();
    if (is_date || type->id() == Type::DATE64) return Conversion{arrow::date32(), kFromOther};
    return std::nullopt;
  }
  if (type->id() == Type::TIMESTAMP) return Conversion{type, 0};
  if (IsDate(type->id())) return Conversion{arrow::timestamp(UnitOf(*type)), kFromOther};
  if (is_text) return Conversion{arrow::timestamp(arrow::TimeUnit::MICRO), kFromOther};
  return std::nullopt;
}

std::optional<Conversion> ToText(const arrow::DataType& type) {
  constexpr int kFromOther = 20;
  if (type.id() == Type::STRING) return Conversion{arrow::utf8(), 0};
  const bool has_text =
      RowOfType(type) != nullptr && !arrow::is_nested(type.id()) && !IsBytes(type.id());
  if (has_text) return Conversion{arrow::utf8(), kFromOther};
  return std::nullopt;
}

/// The type a null takes.
TypePtr TypeOfPattern(ArgPattern pattern) {
  switch (pattern) {
    case ArgPattern::kBoolean:
      return arrow::boolean();
    case ArgPattern::kInt32:
      return arrow::int32();
    case ArgPattern::kInt64:
      return arrow::int64();
    case ArgPattern::kUInt64:
      return arrow::uint64();
    case ArgPattern::kFloat32:
      return arrow::float32();
    case ArgPattern::kFloat64:
      return arrow::float64();
    case ArgPattern::kDecimal128:
      return arrow::decimal128(1, 0);
    case ArgPattern::kString:
    case ArgPattern::kText:
      return arrow::utf8();
    case ArgPattern::kBinary:
      return arrow::binary();
    case ArgPattern::kDate32:
      return arrow::date32();
    case ArgPattern::kTimestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO);
    case ArgPattern::kTime:
      return arrow::time64(arrow::TimeUnit::MICRO);
    case ArgPattern::kDuration:
      return arrow::duration(arrow::TimeUnit::MICRO);
    case ArgPattern::kInterval:
      return arrow::month_day_nano_interval();
    case ArgPattern::kList:
      return arrow::list(arrow::null());
    case ArgPattern::kMap:
      return arrow::map(arrow::utf8(), arrow::null());
    case ArgPattern::kStruct:
      return arrow::struct_({});
    default:
      return arrow::null();
  }
}

std::optional<Conversion> Exactly(const TypePtr& wanted, const arrow::DataType& type) {
  if (type.id() == wanted->id()) return Conversion{wanted, 0};
  return std::nullopt;
}

std::optional<Conversion> ToNested(ArgPattern pattern, const TypePtr& type) {
  const Type::type wanted = pattern == ArgPattern::kList  ? Type::LIST
                            : pattern == ArgPattern::kMap ? Type::MAP
                                                          : Type::STRUCT;
  if (type->id() == wanted) return Conversion{type, 0};
  return std::nullopt;
}

std::optional<Conversion> ToConstant(const ExpressionPtr& arg) {
  const ExpressionPtr folded = FoldConstants(arg);
  const bool is_integer = folded->kind == Expression::Kind::kLiteral &&
                          IsInteger(folded->type->id()) && folded->literal->is_valid;
  if (is_integer) return Conversion{arrow::int64(), 0};
  return std::nullopt;
}

}  // namespace

Status AtPlace(const Status& status, TextSpan span) {
  return span.end > span.begin ? WithSpan(status, span) : status;
}

ScalarPtr WrittenLiteral(const ExpressionPtr& expression) {
  if (expression->kind == Expression::Kind::kLiteral) return expression->literal;
  const bool is_negated = expression->kind == Expression::Kind::kCall &&
                          expression->args.size() == 1 &&
                          std::string_view(expression->function->id) == "subtract_checked" &&
                          expression->args[0]->kind == Expression::Kind::kLiteral;
  if (!is_negated) return nullptr;
  return FoldConstants(expression)->literal;
}

std::optional<Conversion> ConversionTo(ArgPattern pattern, const ExpressionPtr& arg) {
  const TypePtr type = PlainType(arg->type);
  if (pattern == ArgPattern::kAny) return Conversion{type, 0};
  if (pattern == ArgPattern::kConstantInt64) return ToConstant(arg);
  if (type->id() == Type::NA) return Conversion{TypeOfPattern(pattern), 1};
  const ScalarPtr literal = WrittenLiteral(arg);
  switch (pattern) {
    case ArgPattern::kInt32:
      return ToInteger(arrow::int32(), 1, *type);
    case ArgPattern::kInt64:
      return ToInteger(arrow::int64(), 1, *type);
    case ArgPattern::kUInt64: {
      const bool fits =
          literal != nullptr && IsSigned(type->id()) && FitsExactly(*literal, arrow::uint64());
      return fits ? Conversion{arrow::uint64(), 2} : ToInteger(arrow::uint64(), 3, *type);
    }
    case ArgPattern::kFloat32:
      return ToFloat(arrow::float32(), *type, literal.get());
    case ArgPattern::kFloat64:
      return ToFloat(arrow::float64(), *type, literal.get());
    case ArgPattern::kDecimal128:
      return ToDecimal(type, literal.get());
    case ArgPattern::kText:
      return ToText(*type);
    case ArgPattern::kBinary:
      if (IsBytes(type->id())) return Conversion{arrow::binary(), type->id() != Type::BINARY};
      return std::nullopt;
    case ArgPattern::kDate32:
    case ArgPattern::kTimestamp:
    case ArgPattern::kTime:
    case ArgPattern::kDuration:
    case ArgPattern::kInterval:
      return ToTemporal(pattern, type, literal.get());
    case ArgPattern::kList:
    case ArgPattern::kMap:
    case ArgPattern::kStruct:
      return ToNested(pattern, type);
    default:
      return Exactly(TypeOfPattern(pattern), *type);
  }
}

std::optional<Conversion> ConversionToItem(TypePtr* container, const ExpressionPtr& arg) {
  if ((*container)->id() == Type::MAP) {
    const TypePtr key = PlainType(static_cast<const arrow::MapType&>(**container).key_type());
    if (!CoerceTo(arg, key).ok()) return std::nullopt;
    return Conversion{key, 1};
  }
  if ((*container)->id() != Type::LIST) return std::nullopt;
  const auto& field = (*container)->field(0);
  const TypePtr item = PlainType(field->type());
  if (CoerceTo(arg, item).ok()) return Conversion{item, 1};
  const auto common = CommonType(item, arg->type);
  if (!common.ok()) return std::nullopt;
  *container = arrow::list(field->WithType(*common));
  return Conversion{*common, 2};
}

Result<TypePtr> CommonType(const TypePtr& left, const TypePtr& right) {
  const TypePtr a = PlainType(left);
  const TypePtr b = PlainType(right);
  if (a->id() == Type::NA) return b;
  if (b->id() == Type::NA || SameLogicalType(*a, *b)) return a;
  if (IsNumber(*a) && IsNumber(*b)) return CommonNumber(a, b);
  if (IsBytes(a->id()) && IsBytes(b->id())) return arrow::binary();
  if (const TypePtr temporal = CommonTemporal(a, b)) return temporal;
  return CommonNested(a, b);
}

Result<TypePtr> CommonTypeOf(std::span<const ExpressionPtr> args) {
  TypePtr common;
  std::vector<ScalarPtr> literals;
  for (const ExpressionPtr& arg : args) {
    const ScalarPtr literal = WrittenLiteral(arg);
    if (literal != nullptr && literal->is_valid) {
      literals.push_back(literal);
    } else if (arg->type->id() != Type::NA) {
      ARROW_ASSIGN_OR_RAISE(common, Widened(common, arg->type));
    }
  }
  for (const ScalarPtr& literal : literals) {
    if (IsText(*literal)) continue;
    const bool adapts =
        common != nullptr && SameFamily(*common, *literal->type) && FitsExactly(*literal, common);
    if (adapts) continue;
    ARROW_ASSIGN_OR_RAISE(common, Widened(common, literal->type));
  }
  for (const ScalarPtr& literal : literals) {
    if (!IsText(*literal)) continue;
    const bool adapts =
        common != nullptr && RowOfType(*common) != nullptr && !arrow::is_nested(common->id());
    if (adapts) continue;
    ARROW_ASSIGN_OR_RAISE(common, Widened(common, literal->type));
  }
  return common == nullptr ? arrow::null() : common;
}

Result<ExpressionPtr> ConvertTo(const ExpressionPtr& expression, const TypePtr& type) {
  if (SameLogicalType(*expression->type, *type)) return expression;
  const ScalarPtr literal = WrittenLiteral(expression);
  if (literal == nullptr) return Expression::Cast(expression, type);
  auto converted = CastScalar(*literal, type);
  if (!converted.ok()) return AtPlace(converted.status(), expression->span);
  auto result = std::make_shared<Expression>(*Expression::Literal(*converted));
  result->span = expression->span;
  return result;
}

Result<ExpressionPtr> CoerceTo(const ExpressionPtr& expression, const TypePtr& type) {
  const TypePtr plain = PlainType(type);
  if (SameLogicalType(*expression->type, *plain)) return expression;
  const ScalarPtr literal = WrittenLiteral(expression);
  bool fits = expression->type->id() == Type::NA;
  if (literal != nullptr && literal->is_valid) {
    fits = fits || IsText(*literal) ||
           (SameFamily(*literal->type, *plain) && FitsExactly(*literal, plain));
  }
  if (!fits) {
    const auto common = CommonType(expression->type, plain);
    fits = common.ok() && SameLogicalType(**common, *plain);
  }
  if (fits) return ConvertTo(expression, plain);
  return AtPlace(Error(ErrorKind::kTypeMismatch, "expected {}, got {}; cast it if that is meant",
                       SqlNameOf(*plain), SqlNameOf(*expression->type)),
                 expression->span);
}

const char* PatternName(ArgPattern pattern) {
  switch (pattern) {
    case ArgPattern::kAny:
      return "any";
    case ArgPattern::kCommon:
      return "T";
    case ArgPattern::kCommonComparable:
      return "comparable T";
    case ArgPattern::kConstantInt64:
      return "constant BIGINT";
    case ArgPattern::kDecimal128:
      return "DECIMAL";
    case ArgPattern::kBoolean:
      return "BOOLEAN";
    case ArgPattern::kInt32:
      return "INTEGER";
    case ArgPattern::kInt64:
      return "BIGINT";
    case ArgPattern::kUInt64:
      return "UBIGINT";
    case ArgPattern::kFloat32:
      return "REAL";
    case ArgPattern::kFloat64:
      return "DOUBLE";
    case ArgPattern::kString:
      return "VARCHAR";
    case ArgPattern::kText:
      return "text";
    case ArgPattern::kBinary:
      return "BLOB";
    case ArgPattern::kDate32:
      return "DATE";
    case ArgPattern::kTimestamp:
      return "TIMESTAMP";
    case ArgPattern::kTime:
      return "TIME";
    case ArgPattern::kDuration:
      return "INTERVAL";
    case ArgPattern::kInterval:
      return "INTERVAL of months";
    case ArgPattern::kList:
      return "LIST";
    case ArgPattern::kMap:
      return "MAP";
    case ArgPattern::kStruct:
      return "STRUCT";
    case ArgPattern::kItem:
      return "item";
  }
  return "";
}

}  // namespace headrace
