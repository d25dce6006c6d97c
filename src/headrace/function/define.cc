// The usual result rules.
#include "headrace/function/define.h"

#include "arrow/type.h"

namespace headrace {

Result<TypePtr> FirstType(std::span<const TypePtr> args) { return args.front(); }
Result<TypePtr> SecondType(std::span<const TypePtr> args) { return args[1]; }
Result<TypePtr> LastType(std::span<const TypePtr> args) { return args.back(); }
Result<TypePtr> BooleanType(std::span<const TypePtr>) { return arrow::boolean(); }
Result<TypePtr> Int32Type(std::span<const TypePtr>) { return arrow::int32(); }
Result<TypePtr> Int64Type(std::span<const TypePtr>) { return arrow::int64(); }
Result<TypePtr> UInt64Type(std::span<const TypePtr>) { return arrow::uint64(); }
Result<TypePtr> Float64Type(std::span<const TypePtr>) { return arrow::float64(); }
Result<TypePtr> StringType(std::span<const TypePtr>) { return arrow::utf8(); }
Result<TypePtr> BinaryType(std::span<const TypePtr>) { return arrow::binary(); }
Result<TypePtr> DateType(std::span<const TypePtr>) { return arrow::date32(); }

Result<TypePtr> TimestampType(std::span<const TypePtr>) {
  return arrow::timestamp(arrow::TimeUnit::MICRO);
}

Result<TypePtr> ItemType(std::span<const TypePtr> args) {
  const arrow::DataType& type = *args.front();
  if (type.id() == arrow::Type::MAP) return static_cast<const arrow::MapType&>(type).item_type();
  return type.field(0)->type();
}

Result<TypePtr> ListOfFirstType(std::span<const TypePtr> args) { return arrow::list(args.front()); }
Result<TypePtr> ListOfStringType(std::span<const TypePtr>) { return arrow::list(arrow::utf8()); }

Result<TypePtr> WidestDecimalType(std::span<const TypePtr> args) {
  const auto& decimal = static_cast<const arrow::DecimalType&>(*args.front());
  return arrow::decimal128(38, decimal.scale());
}

}  // namespace headrace
