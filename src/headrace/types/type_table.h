// The type table: one row per logical type, with its names in SQL, Python, q and SFrame. Encodings
// (dictionary, large and view layouts) have no rows: see types/encoding.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "arrow/type_fwd.h"
#include "headrace/types/batch.h"

namespace headrace {

/// What can be done with values of a type; bits of TypeRow::flags.
enum TypeFlag : uint8_t {
  kTypeNumeric = 1,     // arithmetic
  kTypeTemporal = 2,    // points in time and spans
  kTypeComparable = 4,  // has a total order: may be a sort key and stand beside <
};

/// One logical type. Parametrised types (decimal, zoned timestamp, nested) have one row per kind.
struct TypeRow {
  arrow::Type::type id;
  int8_t unit;              // arrow::TimeUnit::type of temporal types, else −1
  const char* sql_names;    // "BIGINT|INT8|LONG", the first is the canonical one
  const char* python_name;  // as pyarrow spells it
  char q_letter;            // ' ' when q has no such type
  const char* flex_name;    // SFrame's flexible type, "" when there is none
  uint8_t flags;
};

/// All rows; the order means nothing and is never persisted.
std::span<const TypeRow> AllTypes();
/// The row of `type` after decoding; null for types that have none (unions, extension types).
const TypeRow* RowOfType(const arrow::DataType& type);
bool HasTypeFlag(const arrow::DataType& type, TypeFlag flag);

/// The type called `name` (any case, words separated by one space: "TIMESTAMP WITH TIME ZONE") with
/// `params` from its parentheses: DECIMAL(p, s), BINARY(n), TIMESTAMP(digits), FLOAT(bits).
/// DECIMAL alone is DECIMAL(18, 3). The length of VARCHAR(n) is accepted and not enforced.
/// kUnknownName with the nearest name; kInvalidArgument for parameters that do not fit.
Result<TypePtr> TypeFromSqlName(std::string_view name, std::span<const int64_t> params = {});

/// The SQL spelling: "DECIMAL(10, 2)", "BIGINT[]", "STRUCT(a BIGINT, b VARCHAR)", "MAP(K, V)".
/// Types that SQL cannot spell are shown as Arrow spells them.
std::string SqlNameOf(const arrow::DataType& type);

}  // namespace headrace
