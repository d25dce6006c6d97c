// Which types have an order.
#include "headrace/function/order.h"

#include "arrow/type.h"

namespace headrace {

bool IsComparable(const arrow::DataType& type) {
  return type.id() == arrow::Type::NA || VisitOrdered(type.id(), [](auto) {});
}

}  // namespace headrace
