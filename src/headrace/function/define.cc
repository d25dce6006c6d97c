// The usual result rules.
#include "headrace/function/define.h"

#include "arrow/type.h"

namespace headrace {

Result<TypePtr> FirstType(std::span<const TypePtr> args) { return args.front(); }
Result<TypePtr> SecondType(std::span<const TypePtr> args) { return args[1]; }
Result<TypePtr> LastType(std::span<const TypePtr> args) { return args.back(); }
Result<TypePtr> BooleanType(std::span<const TypePtr>) { return arrow::boolean(); }
Result<TypePtr> Int64Type(std::span<const TypePtr>) { return arrow::int64(); }
Result<TypePtr> UInt64Type(std::span<const TypePtr>) { return arrow::uint64(); }
Result<TypePtr> Float64Type(std::span<const TypePtr>) { return arrow::float64(); }
Result<TypePtr> StringType(std::span<const TypePtr>) { return arrow::utf8(); }

Result<TypePtr> WidestDecimalType(std::span<const TypePtr> args) {
  const auto& decimal = static_cast<const arrow::DecimalType&>(*args.front());
  return arrow::decimal128(38, decimal.scale());
}

}  // namespace headrace
