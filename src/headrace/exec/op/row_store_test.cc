// Row store: gathering of every layout over several chunks, sizes of rows, reuse of chunk numbers.
#include "headrace/exec/op/row_store.h"

#include "headrace/exec/op/pipe_drive.h"

namespace headrace {
namespace {

using namespace pipe_test;

// Three chunks of one column.
const std::vector<std::pair<TypePtr, std::vector<std::string>>>& StoredColumns() {
  static const auto* const columns = new std::vector<std::pair<TypePtr, std::vector<std::string>>>{
      {arrow::null(), {"[null, null]", "[null]", "[null, null]"}},
      {arrow::boolean(), {"[true, false]", "[null]", "[false, true]"}},
      {arrow::int8(), {"[1, 2]", "[null]", "[4, 5]"}},
      {arrow::int16(), {"[1, 2]", "[3]", "[4, 5]"}},
      {arrow::float32(), {"[1, 2]", "[null]", "[4, 5]"}},
      {arrow::int64(), {"[1, 2]", "[3]", "[4, null]"}},
      {arrow::timestamp(arrow::TimeUnit::MICRO), {"[1, 2]", "[null]", "[4, 5]"}},
      {arrow::decimal128(9, 2), {R"(["1.25", "2.50"])", "[null]", R"(["4.00", "5.00"])"}},
      {arrow::decimal256(40, 0), {R"(["1", "2"])", "[null]", R"(["4", "5"])"}},
      {arrow::fixed_size_binary(3), {R"(["abc", "def"])", "[null]", R"(["ghi", "jkl"])"}},
      {arrow::utf8(), {R"(["", "two"])", "[null]", R"(["four", "five five"])"}},
      {arrow::utf8(), {R"(["", ""])", R"([""])", R"(["", ""])"}},
      {arrow::binary(), {R"(["a", "two"])", R"(["x"])", R"(["four", ""])"}},
      {arrow::list(arrow::int32()), {"[[1], []]", "[null]", "[[2, 3], [4]]"}},
      {arrow::struct_({arrow::field("f", arrow::utf8())}),
       {R"([{"f": "a"}, {"f": null}])", "[null]", R"([{"f": "b"}, {"f": "c"}])"}},
      {arrow::map(arrow::utf8(), arrow::int32()),
       {R"([[["a", 1]], []])", "[null]", R"([[["b", 2]], [["c", 3]]])"}},
  };
  return *columns;
}

TEST(RowStoreTest, GathersAnyLayout) {
  for (const auto& [type, chunks] : StoredColumns()) {
    for (uint64_t seed = 1; seed <= 10; ++seed) {
      SCOPED_TRACE(type->ToString() + " " + std::to_string(seed));
      Rng rng(seed);
      RowStore store(*arrow::schema({arrow::field("c", type)}));
      std::vector<ArrayPtr> arrays;
      for (const std::string& json : chunks) {
        ArrayPtr array = FromJson(type, json);
        if (seed % 2 == 0) {  // as a slice
          ArrayPtr before = arrow::MakeArrayOfNull(type, static_cast<int64_t>(seed)).ValueOrDie();
          array = arrow::Concatenate({before, array}).ValueOrDie()->Slice(before->length());
        }
        arrays.push_back(array);
        EXPECT_EQ(store.Add(Batch({array}, array->length())),
                  static_cast<int32_t>(arrays.size()) - 1);
      }
      std::vector<RowRef> rows;
      std::vector<std::string> expected;
      for (uint64_t i = rng.Below(40); i > 0; --i) {
        RowRef row;
        if (rng.Below(5) > 0) {
          row.chunk = static_cast<int32_t>(rng.Below(3));
          const auto length = arrays[static_cast<size_t>(row.chunk)]->length();
          row.row = static_cast<int32_t>(rng.Below(static_cast<uint64_t>(length)));
        }
        rows.push_back(row);
        expected.push_back(
            row.none() ? "NULL" : FormatValue(*arrays[static_cast<size_t>(row.chunk)], row.row));
      }
      ASSERT_OK_AND_ASSIGN(ArrayPtr gathered, store.Gather(0, rows, Pool()));
      ASSERT_OK(gathered->ValidateFull());
      ASSERT_TRUE(gathered->type()->Equals(type));
      std::vector<std::string> cells;
      for (int64_t row = 0; row < gathered->length(); ++row) {
        cells.push_back(FormatValue(*gathered, row));
      }
      EXPECT_EQ(cells, expected);
    }
  }
}

TEST(RowStoreTest, NumbersOfChunksAreUsedAgain) {
  RowStore store(*arrow::schema({arrow::field("c", arrow::int64())}));
  const auto batch = [](const char* json) {
    const ArrayPtr column = FromJson(arrow::int64(), json);
    return Batch({column}, column->length());
  };
  EXPECT_EQ(store.Add(batch("[1, null]")), 0);
  EXPECT_EQ(store.Add(batch("[2]")), 1);
  store.Remove(0);
  EXPECT_EQ(store.Add(batch("[3]")), 0);
  EXPECT_EQ(store.Add(batch("[4]")), 2);
  const std::vector<RowRef> rows{{2, 0}, {0, 0}, {1, 0}};
  ASSERT_OK_AND_ASSIGN(ArrayPtr gathered, store.Gather(0, rows, Pool()));
  EXPECT_TRUE(gathered->Equals(FromJson(arrow::int64(), "[4, 3, 2]")));
  EXPECT_EQ(gathered->null_bitmap_data(), nullptr);
}

TEST(RowStoreTest, KnowsTheBytesOfRows) {
  RowStore fixed(
      *arrow::schema({arrow::field("a", arrow::int64()), arrow::field("b", arrow::int32())}));
  EXPECT_EQ(fixed.bytes_per_row(), 12);
  RowStore store(
      *arrow::schema({arrow::field("a", arrow::int64()), arrow::field("s", arrow::utf8())}));
  EXPECT_EQ(store.bytes_per_row(), -1);
  const Batch batch({FromJson(arrow::int64(), "[1, 2]"), FromJson(arrow::utf8(), R"(["", "xyz"])")},
                    2);
  store.Add(batch);
  EXPECT_EQ(store.BytesOf({0, 0}), 12);
  EXPECT_EQ(store.BytesOf({0, 1}), 15);
  EXPECT_EQ(store.BytesOf(RowRef()), 12);
  EXPECT_EQ(RowBytes(batch), (std::vector<int64_t>{12, 15}));
}

TEST(RowStoreTest, GathersNothing) {
  RowStore store(*arrow::schema({arrow::field("s", arrow::utf8())}));
  ASSERT_OK_AND_ASSIGN(auto columns, store.Gather(std::vector<RowRef>{}, Pool()));
  EXPECT_EQ(columns[0]->length(), 0);
  const std::vector<RowRef> none(3);
  ASSERT_OK_AND_ASSIGN(columns, store.Gather(none, Pool()));
  EXPECT_EQ(columns[0]->null_count(), 3);
}

}  // namespace
}  // namespace headrace
