// The rows of the type table and the lookups over them.
#include "headrace/types/type_table.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "arrow/type.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

using arrow::TimeUnit;
using arrow::Type;

constexpr int8_t kNoUnit = -1;
constexpr uint8_t kNumber = kTypeNumeric | kTypeComparable;
constexpr uint8_t kTime = kTypeTemporal | kTypeComparable;

constexpr std::array kRows = {
    TypeRow{Type::NA, kNoUnit, "NULL", "null", ' ', "undefined", kTypeComparable},
    TypeRow{Type::BOOL, kNoUnit, "BOOLEAN|BOOL|LOGICAL", "bool", 'b', "integer", kTypeComparable},
    TypeRow{Type::INT8, kNoUnit, "TINYINT|INT1", "int8", ' ', "integer", kNumber},
    TypeRow{Type::INT16, kNoUnit, "SMALLINT|INT2|SHORT", "int16", 'h', "integer", kNumber},
    TypeRow{Type::INT32, kNoUnit, "INTEGER|INT|INT4|SIGNED", "int32", 'i', "integer", kNumber},
    TypeRow{Type::INT64, kNoUnit, "BIGINT|INT8|LONG", "int64", 'j', "integer", kNumber},
    TypeRow{Type::UINT8, kNoUnit, "UTINYINT|UINT1", "uint8", 'x', "integer", kNumber},
    TypeRow{Type::UINT16, kNoUnit, "USMALLINT|UINT2", "uint16", ' ', "integer", kNumber},
    TypeRow{Type::UINT32, kNoUnit, "UINTEGER|UINT|UINT4", "uint32", ' ', "integer", kNumber},
    TypeRow{Type::UINT64, kNoUnit, "UBIGINT|UINT8", "uint64", ' ', "", kNumber},
    TypeRow{Type::HALF_FLOAT, kNoUnit, "HALF|FLOAT2", "halffloat", ' ', "float", kNumber},
    TypeRow{Type::FLOAT, kNoUnit, "REAL|FLOAT4|FLOAT", "float", 'e', "float", kNumber},
    TypeRow{Type::DOUBLE, kNoUnit, "DOUBLE|FLOAT8|DOUBLE PRECISION", "double", 'f', "float",
            kNumber},
    TypeRow{Type::DECIMAL128, kNoUnit, "DECIMAL|NUMERIC|DEC|SCALED_INTEGER", "decimal128", ' ', "",
            kNumber},
    TypeRow{Type::DECIMAL256, kNoUnit, "DECIMAL256", "decimal256", ' ', "", kNumber},
    TypeRow{Type::DECIMAL32, kNoUnit, "DECIMAL32", "decimal32", ' ', "", kNumber},
    TypeRow{Type::DECIMAL64, kNoUnit, "DECIMAL64", "decimal64", ' ', "", kNumber},
    TypeRow{Type::STRING, kNoUnit, "VARCHAR|TEXT|STRING|CHAR|CHARACTER VARYING|CHARACTER|BPCHAR",
            "string", 'C', "string", kTypeComparable},
    TypeRow{Type::BINARY, kNoUnit, "BLOB|BINARY|VARBINARY|BYTEA|BYTES", "binary", ' ', "",
            kTypeComparable},
    TypeRow{Type::FIXED_SIZE_BINARY, kNoUnit, "FIXED_BINARY", "fixed_size_binary", ' ', "",
            kTypeComparable},
    TypeRow{Type::DATE32, kNoUnit, "DATE", "date32", 'd', "datetime", kTime},
    TypeRow{Type::DATE64, kNoUnit, "DATE64", "date64", ' ', "datetime", kTime},
    TypeRow{Type::TIME32, TimeUnit::SECOND, "TIME_S", "time32[s]", 'v', "", kTime},
    TypeRow{Type::TIME32, TimeUnit::MILLI, "TIME_MS", "time32[ms]", 't', "", kTime},
    TypeRow{Type::TIME64, TimeUnit::MICRO, "TIME|TIME WITHOUT TIME ZONE", "time64[us]", ' ', "",
            kTime},
    TypeRow{Type::TIME64, TimeUnit::NANO, "TIME_NS", "time64[ns]", 'n', "", kTime},
    TypeRow{Type::TIMESTAMP, TimeUnit::SECOND, "TIMESTAMP_S", "timestamp[s]", ' ', "datetime",
            kTime},
    TypeRow{Type::TIMESTAMP, TimeUnit::MILLI, "TIMESTAMP_MS", "timestamp[ms]", ' ', "datetime",
            kTime},
    TypeRow{Type::TIMESTAMP, TimeUnit::MICRO,
            "TIMESTAMP|DATETIME|TIMESTAMP WITHOUT TIME ZONE|TIMESTAMP_US", "timestamp[us]", ' ',
            "datetime", kTime},
    TypeRow{Type::TIMESTAMP, TimeUnit::NANO, "TIMESTAMP_NS", "timestamp[ns]", 'p', "datetime",
            kTime},
    TypeRow{Type::DURATION, TimeUnit::SECOND, "INTERVAL_S", "duration[s]", ' ', "", kTime},
    TypeRow{Type::DURATION, TimeUnit::MILLI, "INTERVAL_MS", "duration[ms]", ' ', "", kTime},
    TypeRow{Type::DURATION, TimeUnit::MICRO, "INTERVAL|DURATION", "duration[us]", ' ', "", kTime},
    TypeRow{Type::DURATION, TimeUnit::NANO, "INTERVAL_NS", "duration[ns]", 'n', "", kTime},
    TypeRow{Type::INTERVAL_MONTHS, kNoUnit, "INTERVAL_MONTHS", "month_interval", ' ', "",
            kTypeTemporal},
    TypeRow{Type::INTERVAL_DAY_TIME, kNoUnit, "INTERVAL_DAYS", "day_time_interval", ' ', "",
            kTypeTemporal},
    TypeRow{Type::INTERVAL_MONTH_DAY_NANO, kNoUnit, "INTERVAL_MONTHS_DAYS_NANOS",
            "month_day_nano_interval", ' ', "", kTypeTemporal},
    TypeRow{Type::LIST, kNoUnit, "", "list", ' ', "list", 0},
    TypeRow{Type::FIXED_SIZE_LIST, kNoUnit, "", "fixed_size_list", ' ', "vector", 0},
    TypeRow{Type::STRUCT, kNoUnit, "", "struct", ' ', "dict", 0},
    TypeRow{Type::MAP, kNoUnit, "", "map", ' ', "dict", 0},
};

int8_t UnitOf(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::TIMESTAMP:
      return static_cast<int8_t>(static_cast<const arrow::TimestampType&>(type).unit());
    case Type::DURATION:
      return static_cast<int8_t>(static_cast<const arrow::DurationType&>(type).unit());
    case Type::TIME32:
    case Type::TIME64:
      return static_cast<int8_t>(static_cast<const arrow::TimeType&>(type).unit());
    default:
      return kNoUnit;
  }
}

const TypeRow* FindRow(const arrow::DataType& plain) {
  const int8_t unit = UnitOf(plain);
  for (const TypeRow& row : kRows) {
    if (row.id == plain.id() && row.unit == unit) return &row;
  }
  return nullptr;
}

std::string_view FirstName(std::string_view names) { return names.substr(0, names.find('|')); }

bool NameIsOneOf(std::string_view names, std::string_view name) {
  while (!names.empty()) {
    const std::string_view one = FirstName(names);
    if (one == name) return true;
    names.remove_prefix(std::min(one.size() + 1, names.size()));
  }
  return false;
}

std::string Upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return upper;
}

// ---- From a name ----

Status BadParameters(std::string_view name, const char* expected) {
  return Error(ErrorKind::kInvalidArgument, "type {} expects {}", name, expected);
}

Result<TypePtr> MakeDecimal(Type::type id, std::string_view name, std::span<const int64_t> params) {
  constexpr int64_t kDefaultPrecision = 18;
  constexpr int64_t kDefaultScale = 3;
  const int64_t precision = params.empty() ? kDefaultPrecision : params[0];
  const int64_t scale = params.empty()      ? (name == "SCALED_INTEGER" ? 4 : kDefaultScale)
                        : params.size() > 1 ? params[1]
                                            : 0;
  const int64_t most = id == Type::DECIMAL32    ? 9
                       : id == Type::DECIMAL64  ? 18
                       : id == Type::DECIMAL128 ? 38
                                                : 76;
  if (params.size() > 2 || precision < 1 || precision > most || scale < 0 || scale > precision) {
    return Error(ErrorKind::kInvalidArgument,
                 "type {} expects (precision, scale) with 1 <= precision <= {} and 0 <= scale <= "
                 "precision, got ({}, {})",
                 name, most, precision, scale);
  }
  return arrow::DecimalType::Make(id, static_cast<int32_t>(precision), static_cast<int32_t>(scale));
}

Result<TypePtr> MakeFixedBinary(std::string_view name, std::span<const int64_t> params) {
  constexpr int64_t kWidthMax = int64_t{1} << 30;
  if (params.size() != 1 || params[0] < 1 || params[0] > kWidthMax) {
    return BadParameters(name, "one length in bytes, such as (16)");
  }
  return arrow::fixed_size_binary(static_cast<int32_t>(params[0]));
}

Result<TypePtr> MakeTimestamp(TimeUnit::type unit, std::string_view name,
                              std::span<const int64_t> params, const std::string& zone) {
  if (!params.empty()) {
    constexpr std::array kUnits = {TimeUnit::SECOND, TimeUnit::MILLI, TimeUnit::MICRO,
                                   TimeUnit::NANO};
    if (params.size() > 1 || params[0] < 0 || params[0] > 9) {
      return BadParameters(name, "0 to 9 digits of seconds");
    }
    unit = kUnits[static_cast<size_t>((params[0] + 2) / 3)];
  }
  return arrow::timestamp(unit, zone);
}

Result<TypePtr> MakeFloat(std::string_view name, std::span<const int64_t> params) {
  if (params.empty()) return arrow::float32();
  if (params.size() > 1 || params[0] < 1 || params[0] > 53) {
    return BadParameters(name, "1 to 53 bits");
  }
  return params[0] <= 24 ? arrow::float32() : arrow::float64();
}

Result<TypePtr> MakeWithoutParameters(const TypeRow& row) {
  const auto unit = static_cast<TimeUnit::type>(row.unit);
  switch (row.id) {
    case Type::BINARY:
      return arrow::binary();
    case Type::TIME32:
      return arrow::time32(unit);
    case Type::TIME64:
      return arrow::time64(unit);
    case Type::DURATION:
      return arrow::duration(unit);
    case Type::INTERVAL_MONTHS:
      return arrow::month_interval();
    case Type::INTERVAL_DAY_TIME:
      return arrow::day_time_interval();
    case Type::INTERVAL_MONTH_DAY_NANO:
      return arrow::month_day_nano_interval();
    default:
      break;
  }
  static const std::array kSimple = {
      arrow::null(),    arrow::boolean(), arrow::int8(),   arrow::int16(),  arrow::int32(),
      arrow::int64(),   arrow::uint8(),   arrow::uint16(), arrow::uint32(), arrow::uint64(),
      arrow::float16(), arrow::float32(), arrow::utf8(),   arrow::date32(), arrow::date64()};
  for (const TypePtr& type : kSimple) {
    if (type->id() == row.id) return type;
  }
  return Error(ErrorKind::kInternal, "no way to make type {}", row.sql_names);
}

Result<TypePtr> MakeType(const TypeRow& row, std::string_view name,
                         std::span<const int64_t> params) {
  switch (row.id) {
    case Type::DECIMAL32:
    case Type::DECIMAL64:
    case Type::DECIMAL128:
    case Type::DECIMAL256:
      return MakeDecimal(row.id, name, params);
    case Type::FIXED_SIZE_BINARY:
      return MakeFixedBinary(name, params);
    case Type::TIMESTAMP:
      return MakeTimestamp(static_cast<TimeUnit::type>(row.unit), name, params, "");
    case Type::FLOAT:
      if (name == "FLOAT") return MakeFloat(name, params);
      break;
    case Type::DOUBLE:
      if (params.empty()) return arrow::float64();
      break;
    case Type::STRING:
      if (params.size() <= 1) return arrow::utf8();
      return BadParameters(name, "at most one length");
    case Type::BINARY:
      if (params.size() == 1) {
        return name == "BINARY" ? MakeFixedBinary(name, params) : arrow::binary();
      }
      break;
    default:
      break;
  }
  if (!params.empty()) return BadParameters(name, "no parameters");
  return MakeWithoutParameters(row);
}

Status UnknownType(std::string_view name, const std::string& upper) {
  // The nearest canonical name by length of the shared front: "BIGINTEGER" → BIGINT.
  std::string nearest;
  size_t best = 2;
  for (const TypeRow& row : kRows) {
    const std::string_view known = FirstName(row.sql_names);
    const auto end = std::mismatch(known.begin(), known.end(), upper.begin(), upper.end()).first;
    const auto shared = static_cast<size_t>(end - known.begin());
    if (shared <= best) continue;
    best = shared;
    nearest = known;
  }
  const std::string hint = nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest);
  return Error(ErrorKind::kUnknownName, "unknown type {}{}", name, hint);
}

// ---- To a name ----

std::string QuotedName(const std::string& name) {
  const auto plain = [](char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  const bool is_plain = !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
                        std::all_of(name.begin(), name.end(), plain);
  if (is_plain) return name;
  std::string quoted = "\"";
  for (const char c : name) quoted += c == '"' ? std::string(2, c) : std::string(1, c);
  return quoted + '"';
}

std::string StructName(const arrow::DataType& type) {
  std::string text = "STRUCT(";
  for (int i = 0; i < type.num_fields(); ++i) {
    if (i > 0) text += ", ";
    text += QuotedName(type.field(i)->name()) + " " + SqlNameOf(*type.field(i)->type());
  }
  return text + ")";
}

}  // namespace

std::span<const TypeRow> AllTypes() { return kRows; }

const TypeRow* RowOfType(const arrow::DataType& type) {
  return FindRow(*PlainType(type.GetSharedPtr()));
}

bool HasTypeFlag(const arrow::DataType& type, TypeFlag flag) {
  const TypeRow* row = RowOfType(type);
  return row != nullptr && (row->flags & flag) != 0;
}

Result<TypePtr> TypeFromSqlName(std::string_view name, std::span<const int64_t> params) {
  const std::string upper = Upper(name);
  if (upper == "TIMESTAMP WITH TIME ZONE" || upper == "TIMESTAMPTZ") {
    return MakeTimestamp(TimeUnit::MICRO, upper, params, "UTC");
  }
  if (upper == "HUGEINT" || upper == "INT128") return arrow::decimal128(38, 0);
  if (upper == "JSON") return arrow::utf8();  // texts; functions of JSON read them
  for (const TypeRow& row : kRows) {
    if (NameIsOneOf(row.sql_names, upper)) return MakeType(row, upper, params);
  }
  return UnknownType(name, upper);
}

std::string SqlNameOf(const arrow::DataType& type) {
  const TypePtr plain = PlainType(type.GetSharedPtr());
  const TypeRow* row = FindRow(*plain);
  if (row == nullptr) return plain->ToString();
  switch (plain->id()) {
    case Type::DECIMAL32:
    case Type::DECIMAL64:
    case Type::DECIMAL128:
    case Type::DECIMAL256: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(*plain);
      return fmt::format("{}({}, {})", FirstName(row->sql_names), decimal.precision(),
                         decimal.scale());
    }
    case Type::FIXED_SIZE_BINARY:
      return fmt::format("BINARY({})",
                         static_cast<const arrow::FixedSizeBinaryType&>(*plain).byte_width());
    case Type::TIMESTAMP:
      if (static_cast<const arrow::TimestampType&>(*plain).timezone().empty()) break;
      return row->unit == TimeUnit::MICRO
                 ? "TIMESTAMP WITH TIME ZONE"
                 : fmt::format("TIMESTAMP({}) WITH TIME ZONE", 3 * static_cast<int>(row->unit));
    case Type::LIST:
      return SqlNameOf(*plain->field(0)->type()) + "[]";
    case Type::FIXED_SIZE_LIST:
      return fmt::format("{}[{}]", SqlNameOf(*plain->field(0)->type()),
                         static_cast<const arrow::FixedSizeListType&>(*plain).list_size());
    case Type::STRUCT:
      return StructName(*plain);
    case Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(*plain);
      return fmt::format("MAP({}, {})", SqlNameOf(*map.key_type()), SqlNameOf(*map.item_type()));
    }
    default:
      break;
  }
  return std::string(FirstName(row->sql_names));
}

}  // namespace headrace
