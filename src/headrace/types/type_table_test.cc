// The type table: names lead to types and back.
#include "headrace/types/type_table.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "arrow/type.h"
#include "headrace/base/test_status.h"

namespace headrace {
namespace {

using Params = std::vector<int64_t>;

std::vector<std::string> Names(std::string_view names) {
  std::vector<std::string> all;
  while (!names.empty()) {
    const size_t bar = std::min(names.find('|'), names.size());
    all.emplace_back(names.substr(0, bar));
    names.remove_prefix(std::min(bar + 1, names.size()));
  }
  return all;
}

TEST(TypeTableTest, EveryNameIsInOneRowAndLeadsToIt) {
  std::set<std::string> seen;
  for (const TypeRow& row : AllTypes()) {
    for (const std::string& name : Names(row.sql_names)) {
      EXPECT_TRUE(seen.insert(name).second) << name;
      const Params params = row.id == arrow::Type::FIXED_SIZE_BINARY ? Params{4}
                            : row.id == arrow::Type::DECIMAL32       ? Params{9, 2}
                                                                     : Params{};
      ASSERT_OK_AND_ASSIGN(const TypePtr type, TypeFromSqlName(name, params));
      EXPECT_EQ(RowOfType(*type), &row) << name;
    }
  }
}

TEST(TypeTableTest, TypesAndNamesRoundTrip) {
  const std::vector<std::pair<TypePtr, std::string>> cases = {
      {arrow::boolean(), "BOOLEAN"},
      {arrow::int8(), "TINYINT"},
      {arrow::int64(), "BIGINT"},
      {arrow::uint32(), "UINTEGER"},
      {arrow::float32(), "REAL"},
      {arrow::float64(), "DOUBLE"},
      {arrow::utf8(), "VARCHAR"},
      {arrow::binary(), "BLOB"},
      {arrow::date32(), "DATE"},
      {arrow::time64(arrow::TimeUnit::MICRO), "TIME"},
      {arrow::timestamp(arrow::TimeUnit::MICRO), "TIMESTAMP"},
      {arrow::timestamp(arrow::TimeUnit::NANO), "TIMESTAMP_NS"},
      {arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "TIMESTAMP WITH TIME ZONE"},
      {arrow::duration(arrow::TimeUnit::MICRO), "INTERVAL"}};
  for (const auto& [type, name] : cases) {
    EXPECT_EQ(SqlNameOf(*type), name);
    ASSERT_OK_AND_ASSIGN(const TypePtr made, TypeFromSqlName(name));
    EXPECT_TRUE(made->Equals(*type)) << name;
  }
}

TEST(TypeTableTest, Parameters) {
  const auto make = [](std::string_view name, Params params) {
    return TypeFromSqlName(name, params).ValueOrDie();
  };
  EXPECT_TRUE(make("decimal", {10, 2})->Equals(arrow::decimal128(10, 2)));
  EXPECT_TRUE(make("NUMERIC", {5})->Equals(arrow::decimal128(5, 0)));
  EXPECT_TRUE(make("DECIMAL", {})->Equals(arrow::decimal128(18, 3)));
  EXPECT_TRUE(make("VarChar", {20})->Equals(arrow::utf8()));
  EXPECT_TRUE(make("BINARY", {16})->Equals(arrow::fixed_size_binary(16)));
  EXPECT_TRUE(make("VARBINARY", {16})->Equals(arrow::binary()));
  EXPECT_TRUE(make("FLOAT", {24})->Equals(arrow::float32()));
  EXPECT_TRUE(make("FLOAT", {53})->Equals(arrow::float64()));
  EXPECT_TRUE(make("FLOAT", {})->Equals(arrow::float32()));
  EXPECT_TRUE(make("TIMESTAMP", {0})->Equals(arrow::timestamp(arrow::TimeUnit::SECOND)));
  EXPECT_TRUE(make("TIMESTAMP", {3})->Equals(arrow::timestamp(arrow::TimeUnit::MILLI)));
  EXPECT_TRUE(make("TIMESTAMP", {9})->Equals(arrow::timestamp(arrow::TimeUnit::NANO)));
  EXPECT_TRUE(make("timestamp with time zone", {3})
                  ->Equals(arrow::timestamp(arrow::TimeUnit::MILLI, "UTC")));
}

TEST(TypeTableTest, BadParametersAreNamed) {
  EXPECT_ERROR(TypeFromSqlName("DECIMAL", Params{39, 2}), kInvalidArgument, "(39, 2)");
  EXPECT_ERROR(TypeFromSqlName("DECIMAL", Params{5, 6}), kInvalidArgument, "(5, 6)");
  EXPECT_ERROR(TypeFromSqlName("DECIMAL", Params{1, 1, 1}), kInvalidArgument, "DECIMAL expects");
  EXPECT_ERROR(TypeFromSqlName("INT", Params{4}), kInvalidArgument, "INT expects no parameters");
  EXPECT_ERROR(TypeFromSqlName("TIMESTAMP", Params{10}), kInvalidArgument, "0 to 9 digits");
  EXPECT_ERROR(TypeFromSqlName("FIXED_BINARY"), kInvalidArgument, "length");
  EXPECT_ERROR(TypeFromSqlName("FLOAT", Params{54}), kInvalidArgument, "1 to 53 bits");
}

TEST(TypeTableTest, UnknownNamesGetAHint) {
  EXPECT_ERROR(TypeFromSqlName("BIGINTEGER"), kUnknownName, "did you mean BIGINT?");
  EXPECT_ERROR(TypeFromSqlName("frobnicate"), kUnknownName, "unknown type frobnicate");
}

TEST(TypeTableTest, NestedAndEncodedTypes) {
  const auto row = arrow::struct_(
      {arrow::field("a", arrow::int64()), arrow::field("B c", arrow::list(arrow::utf8()))});
  EXPECT_EQ(SqlNameOf(*row), "STRUCT(a BIGINT, \"B c\" VARCHAR[])");
  EXPECT_EQ(SqlNameOf(*arrow::map(arrow::utf8(), arrow::float64())), "MAP(VARCHAR, DOUBLE)");
  EXPECT_EQ(SqlNameOf(*arrow::fixed_size_list(arrow::int8(), 3)), "TINYINT[3]");
  EXPECT_EQ(SqlNameOf(*arrow::decimal128(10, 2)), "DECIMAL(10, 2)");
  EXPECT_EQ(SqlNameOf(*arrow::fixed_size_binary(16)), "BINARY(16)");
  EXPECT_EQ(SqlNameOf(*arrow::dictionary(arrow::int8(), arrow::large_utf8())), "VARCHAR");
  EXPECT_EQ(SqlNameOf(*arrow::large_list(arrow::utf8_view())), "VARCHAR[]");
}

TEST(TypeTableTest, Flags) {
  EXPECT_TRUE(HasTypeFlag(*arrow::decimal128(5, 1), kTypeNumeric));
  EXPECT_TRUE(HasTypeFlag(*arrow::dictionary(arrow::int8(), arrow::utf8()), kTypeComparable));
  EXPECT_TRUE(HasTypeFlag(*arrow::duration(arrow::TimeUnit::NANO), kTypeTemporal));
  EXPECT_FALSE(HasTypeFlag(*arrow::utf8(), kTypeNumeric));
  EXPECT_FALSE(HasTypeFlag(*arrow::list(arrow::int8()), kTypeComparable));
  EXPECT_FALSE(HasTypeFlag(*arrow::dense_union(arrow::FieldVector{}), kTypeComparable));
}

}  // namespace
}  // namespace headrace
