// Which types can be keys.
#include "headrace/types/key/cells.h"

namespace headrace {

using arrow::Type;

bool IsSortKeyType(const arrow::DataType& plain) {
  switch (plain.id()) {
    case Type::INTERVAL_DAY_TIME:
    case Type::INTERVAL_MONTH_DAY_NANO:
      return false;
    default:
      return IsKeyType(plain);
  }
}

bool IsKeyType(const arrow::DataType& plain) {
  switch (plain.id()) {
    case Type::NA:
    case Type::STRING:
    case Type::BINARY:
      return true;
    case Type::EXTENSION:
    case Type::FIXED_SIZE_LIST:
    case Type::DICTIONARY:
      return false;
    default:
      return KeyWidthOf(plain) > 0;
  }
}

int KeyWidthOf(const arrow::DataType& plain) {
  if (plain.id() == Type::BOOL) return 1;
  if (!arrow::is_fixed_width(plain.id())) return 0;
  return static_cast<const arrow::FixedWidthType&>(plain).bit_width() / 8;
}

}  // namespace headrace
