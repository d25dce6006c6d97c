// TableSink: every change mode ends in the rows of now.
#include "headrace/connect/memory/table_sink.h"

#include <gtest/gtest.h>

#include "headrace/connect/test_read.h"

namespace headrace::connect_test {
namespace {

SchemaPtr Totals() {
  return arrow::schema({arrow::field("k", arrow::utf8()), arrow::field("n", arrow::int64())});
}

SchemaPtr Changes() {
  return arrow::schema({arrow::field("k", arrow::large_utf8()),
                        arrow::field(kChangeColumn, arrow::int8()),
                        arrow::field("n", arrow::int64())});
}

std::shared_ptr<KeyedTable> MakeOrders() {
  return KeyedTable::Make("totals", Totals(), {0}).ValueOrDie();
}

TEST(TableSinkTest, AppendedRowsReplaceThoseOfTheirKey) {
  auto table = MakeOrders();
  TableSink sink(table);
  EXPECT_EQ(sink.name(), "table totals");
  ASSERT_OK(sink.Open(Totals(), arrow::default_memory_pool()));
  ASSERT_OK(sink.Write(*Rows(Totals(), R"([["a", 1], ["b", 1]])")));
  EXPECT_EQ(ReadAll(*table), "a|1;b|1;") << "at once";
  ASSERT_OK(sink.Prepare(1));
  ASSERT_OK(sink.Commit(1));
  ASSERT_OK(sink.Write(*Rows(Totals(), R"([["a", 2]])")));
  ASSERT_OK(sink.Abort());
  EXPECT_EQ(ReadAll(*table), "b|1;a|2;");
}

TEST(TableSinkTest, RowsTakenBackAreDeletedUnlessGivenAnew) {
  auto table = MakeOrders();
  TableSink sink(table);
  for (const ChangeMode mode : {ChangeMode::kAppend, ChangeMode::kUpsert, ChangeMode::kRetract}) {
    EXPECT_TRUE(sink.Accepts(mode));
  }
  ASSERT_OK(sink.Open(Changes(), arrow::default_memory_pool()));
  ASSERT_OK(sink.Write(*Rows(Changes(), R"([["a", 1, 1], ["b", 1, 1], ["c", 1, 1]])")));
  ASSERT_OK(sink.Write(*Rows(Changes(), R"([["a", -1, 1], ["b", -1, 1], ["a", 1, 2]])")));
  EXPECT_EQ(ReadAll(*table), "c|1;a|2;");
}

TEST(TableSinkTest, OtherRowsAreRefused) {
  auto table = MakeOrders();
  TableSink sink(table);
  arrow::MemoryPool* pool = arrow::default_memory_pool();
  EXPECT_ERROR(sink.Write(*Rows(Totals(), "[]")), kTypeMismatch, "of an open sink");
  const auto one = arrow::schema({arrow::field("k", arrow::utf8())});
  EXPECT_ERROR(sink.Open(one, pool), kTypeMismatch, "table totals: expected 2 columns, got 1");
  const auto other =
      arrow::schema({arrow::field("k", arrow::utf8()), arrow::field("n", arrow::utf8())});
  EXPECT_ERROR(sink.Open(other, pool), kTypeMismatch,
               "table totals: column n: expected type int64, got string");
  ASSERT_OK(sink.Open(Totals(), pool));
  EXPECT_ERROR(sink.Write(*Rows(other, "[]")), kTypeMismatch, "expected a batch of schema");
  EXPECT_ERROR(sink.Write(*Rows(Totals(), R"([["a", 1], [null, 2]])")), kBadData,
               "totals: expected keys, got null in column k, row 1");
  EXPECT_EQ(table->num_rows(), 0);
}

}  // namespace
}  // namespace headrace::connect_test
