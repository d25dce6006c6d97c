// Narrow columns: what is narrowed comes back, at every bound between two widths.
#include "headrace/exec/spill/narrow_columns.h"

#include <gtest/gtest.h>

#include <limits>

#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/compute/cast.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/test_status.h"
#include "headrace/types/test_arrays.h"

namespace headrace {
namespace {

constexpr int64_t kNarrowedRows = 100;

// `least` and `greatest` in turn, null in every fifth row where asked for.
template <typename ArrowType>
ArrayPtr Between(typename ArrowType::c_type least, typename ArrowType::c_type greatest,
                 bool with_nulls) {
  typename arrow::TypeTraits<ArrowType>::BuilderType builder;
  for (int64_t row = 0; row < kNarrowedRows; ++row) {
    if (with_nulls && row % 5 == 0) {
      EXPECT_OK(builder.AppendNull());
    } else {
      EXPECT_OK(builder.Append(row % 2 == 0 ? least : greatest));
    }
  }
  return builder.Finish().ValueOrDie();
}

ArrayPtr Texts(const std::string& even, const std::string& odd) {
  arrow::StringBuilder builder;
  for (int64_t row = 0; row < kNarrowedRows; ++row)
    EXPECT_OK(builder.Append(row % 2 == 0 ? even : odd));
  return builder.Finish().ValueOrDie();
}

std::shared_ptr<arrow::RecordBatch> BatchOf(const ArrayPtr& column) {
  const auto schema = arrow::schema({arrow::field("c", column->type())});
  return arrow::RecordBatch::Make(schema, column->length(), {column});
}

// The width that the column was narrowed to, and 8 where it stayed as it was; what comes back is
// compared, also of a slice.
int WidthOf(const ArrayPtr& column) {
  int width = -1;
  for (const int64_t begin : {3, 0}) {
    const auto batch = BatchOf(column->Slice(begin));
    std::vector<NarrowColumn> narrow;
    const auto narrowed = NarrowColumns(*batch, TestPool(), &narrow).ValueOrDie();
    width = narrow.empty() ? 8 : static_cast<int>(narrow[0].width);
    if (narrowed == nullptr) continue;
    EXPECT_OK(narrowed->ValidateFull());
    EXPECT_TRUE(narrowed->schema()->Equals(**NarrowSchema(batch->schema(), narrow)));
    const auto widened = WidenColumns(narrowed, batch->schema(), narrow, TestPool()).ValueOrDie();
    EXPECT_OK(widened->ValidateFull());
    EXPECT_TRUE(widened->Equals(*batch)) << widened->ToString();
  }
  return width;
}

TEST(NarrowColumnsTest, IntegersTakeWhatTheirRangeNeeds) {
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  constexpr int64_t kGreatest = std::numeric_limits<int64_t>::max();
  for (const bool with_nulls : {false, true}) {
    for (const int64_t base : {kLeast, int64_t{-7}, int64_t{0}, kGreatest - (int64_t{1} << 33)}) {
      const auto width = [&](int64_t range) {
        return WidthOf(Between<arrow::Int64Type>(base, base + range, with_nulls));
      };
      if (with_nulls && base != 0 && base != -7) continue;  // a null's cell is 0
      EXPECT_EQ(width(0), 1);
      EXPECT_EQ(width(200), 1);
      EXPECT_EQ(width(300), 2);
      EXPECT_EQ(width(60'000), 2);
      EXPECT_EQ(width(70'000), 4);
      EXPECT_EQ(width(int64_t{4'000'000'000}), 4);
      EXPECT_EQ(width(int64_t{1} << 32), 8);
    }
  }
  const auto exact = [](int64_t greatest) {
    return WidthOf(Between<arrow::Int64Type>(0, greatest, false));
  };
  EXPECT_EQ(exact(255), 1);
  EXPECT_EQ(exact(256), 2);
  EXPECT_EQ(exact(65'535), 2);
  EXPECT_EQ(exact(65'536), 4);
  EXPECT_EQ(exact((int64_t{1} << 32) - 1), 4);
  EXPECT_EQ(WidthOf(Between<arrow::Int64Type>(kLeast, kGreatest, false)), 8);
}

TEST(NarrowColumnsTest, OtherWidthsGetNarrowerOrStay) {
  EXPECT_EQ(WidthOf(Between<arrow::Int32Type>(-100'000, -99'000, false)), 2);
  EXPECT_EQ(WidthOf(Between<arrow::UInt64Type>(~uint64_t{0} - 9, ~uint64_t{0}, false)), 1);
  EXPECT_EQ(WidthOf(Between<arrow::UInt32Type>(0, uint32_t{1} << 31, false)), 8);
  EXPECT_EQ(WidthOf(Between<arrow::Int16Type>(-5, 5, true)), 1);
  EXPECT_EQ(WidthOf(Between<arrow::Int8Type>(1, 2, false)), 8);
  EXPECT_EQ(WidthOf(Between<arrow::DoubleType>(1, 2, false)), 8);
  EXPECT_EQ(WidthOf(Between<arrow::Date32Type>(19'000, 19'100, true)), 2);
  const auto numbers = Between<arrow::Int64Type>(1'700'000'000, 1'700'000'100, false);
  for (const TypePtr& type :
       {arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), arrow::duration(arrow::TimeUnit::NANO)}) {
    EXPECT_EQ(WidthOf(numbers->View(type).ValueOrDie()), 1) << type->ToString();
  }
}

TEST(NarrowColumnsTest, TextsOfOneLengthLoseTheirOffsets) {
  EXPECT_EQ(WidthOf(Texts("abc", "xyz")), 0);
  EXPECT_EQ(WidthOf(Texts("abc", "xy")), 8);
  EXPECT_EQ(WidthOf(Texts("", "")), 8);
  for (const TypePtr& type : {arrow::large_utf8(), arrow::binary(), arrow::large_binary()}) {
    const auto cast = arrow::compute::Cast(*Texts("abc", "xyz"), type).ValueOrDie();
    EXPECT_EQ(WidthOf(cast), 0) << type->ToString();
  }
}

TEST(NarrowColumnsTest, FewRowsStayAsTheyAre) {
  std::vector<NarrowColumn> narrow;
  const auto batch = BatchOf(FromJson(arrow::int64(), "[1, 2, 3]"));
  ASSERT_OK_AND_ASSIGN(const auto narrowed, NarrowColumns(*batch, TestPool(), &narrow));
  EXPECT_EQ(narrowed, nullptr);
}

TEST(NarrowColumnsTest, WhatDoesNotFitTheSchemaIsAnError) {
  const auto schema =
      arrow::schema({arrow::field("n", arrow::int32()), arrow::field("t", arrow::utf8())});
  const auto refused = [&](std::vector<NarrowColumn> narrow) {
    return NarrowSchema(schema, narrow).status().IsInvalid();
  };
  EXPECT_FALSE(refused({{0, 2, 5}, {1, 0, 24}}));
  EXPECT_TRUE(refused({{2, 2, 5}}));
  EXPECT_TRUE(refused({{0, 4, 5}}));
  EXPECT_TRUE(refused({{0, 3, 5}}));
  EXPECT_TRUE(refused({{0, 0, 5}}));
  EXPECT_TRUE(refused({{1, 1, 5}}));
  EXPECT_TRUE(refused({{1, 0, 0}}));
  EXPECT_TRUE(refused({{1, 0, int64_t{1} << 31}}));
  EXPECT_TRUE(refused({{1, 0, 24}, {0, 2, 5}}));
  EXPECT_TRUE(refused({{0, 2, 5}, {0, 2, 5}}));
}

TEST(NarrowColumnsTest, MoreTextThanOffsetsCanTellIsAnError) {
  const auto schema = arrow::schema({arrow::field("t", arrow::utf8())});
  const auto narrow = std::vector<NarrowColumn>{{0, 0, int64_t{1} << 30}};
  const auto type = arrow::fixed_size_binary(1 << 30);
  // Nothing reads the bytes, which are not there.
  const auto data = arrow::ArrayData::Make(
      type, 3, {nullptr, std::make_shared<arrow::Buffer>(nullptr, int64_t{3} << 30)}, 0);
  const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("t", type)}), 3,
                                              std::vector<std::shared_ptr<arrow::ArrayData>>{data});
  EXPECT_TRUE(WidenColumns(batch, schema, narrow, TestPool()).status().IsInvalid());
}

}  // namespace
}  // namespace headrace
