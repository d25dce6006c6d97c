// Sort keys: the order of the bytes is the order asked for, for every type, direction and
// placement.
#include "headrace/exec/key/sort_key_encoder.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "arrow/type_traits.h"

#include "headrace/exec/op/pipe_drive.h"

namespace headrace {
namespace {

using pipe_test::Pool;

struct SortKeyCase {
  TypePtr type;
  std::string ascending;  // cells without nulls, each greater than the one before
};

std::vector<SortKeyCase> SortKeyCases() {
  return {
      {arrow::boolean(), "[false, true]"},
      {arrow::int8(), "[-128, -1, 0, 1, 127]"},
      {arrow::uint8(), "[0, 1, 127, 128, 255]"},
      {arrow::int16(), "[-32768, -1, 0, 255, 256, 32767]"},
      {arrow::uint16(), "[0, 255, 256, 65535]"},
      {arrow::int32(), "[-2147483648, -257, -1, 0, 256, 2147483647]"},
      {arrow::uint32(), "[0, 256, 4294967295]"},
      {arrow::int64(), "[-9223372036854775808, -256, -1, 0, 9223372036854775807]"},
      {arrow::uint64(), "[0, 1, 18446744073709551615]"},
      {arrow::float32(), "[-Inf, -1.5, -0.25, 0, 0.25, 1e30, Inf, NaN]"},
      {arrow::float64(), "[-Inf, -1e300, -0.25, 0, 0.25, 1e300, Inf, NaN]"},
      {arrow::utf8(), R"(["", "\u0000", "\u0000\u0000", "\u0000a", "a", "a\u0000", "a\u0001",
                           "aa", "b", "é"])"},
      {arrow::binary(), R"(["", "a", "ab", "b"])"},
      {arrow::fixed_size_binary(3), R"(["aaa", "aab", "baa"])"},
      {arrow::date32(), "[-1, 0, 20000]"},
      {arrow::date64(), "[-86400000, 0, 86400000]"},
      {arrow::time32(arrow::TimeUnit::MILLI), "[0, 1, 500]"},
      {arrow::time64(arrow::TimeUnit::MICRO), "[0, 1, 500]"},
      {arrow::timestamp(arrow::TimeUnit::NANO), "[-5, 0, 5]"},
      {arrow::duration(arrow::TimeUnit::SECOND), "[-5, 0, 5]"},
      {arrow::decimal128(20, 2), R"(["-10000000000.00", "-0.01", "0.00", "0.01", "2.56"])"},
      {arrow::decimal256(50, 2), R"(["-10000000000.00", "-0.01", "0.00", "0.01", "2.56"])"},
      {arrow::month_interval(), "[-1, 0, 1]"},
  };
}

// Encodes `cells` followed by a null, and checks the order of every pair of rows.
void CheckOrder(const ArrayPtr& cells, bool descending, NullPlacement nulls) {
  const ArrayPtr null = arrow::MakeArrayOfNull(cells->type(), 1).ValueOrDie();
  const ArrayPtr all = arrow::Concatenate({cells, null}).ValueOrDie();
  const auto schema = arrow::schema({arrow::field("x", cells->type())});
  ASSERT_OK_AND_ASSIGN(auto encoder, SortKeyEncoder::Make(*schema, {{0, descending, nulls}}));
  SortKeys keys;
  ASSERT_OK(encoder.Encode(Batch({all}, all->length()), nullptr, Pool(), &keys));
  const auto rank = [&](int64_t row) {
    if (row == cells->length()) return nulls == NullPlacement::kFirst ? int64_t{-1000} : 1000;
    return descending ? -row : row;
  };
  for (int64_t a = 0; a < all->length(); ++a) {
    for (int64_t b = 0; b < all->length(); ++b) {
      EXPECT_EQ(keys[a] < keys[b], rank(a) < rank(b))
          << cells->type()->ToString() << " " << a << " " << b << " " << descending;
      const bool is_prefix = a != b && keys[b].starts_with(keys[a]);
      EXPECT_FALSE(is_prefix);
    }
  }
}

TEST(SortKeyEncoderTest, BytesHaveTheOrderOfCells) {
  for (const SortKeyCase& one : SortKeyCases()) {
    for (const bool descending : {false, true}) {
      for (const NullPlacement nulls : {NullPlacement::kFirst, NullPlacement::kLast}) {
        CheckOrder(FromJson(one.type, one.ascending), descending, nulls);
      }
    }
  }
}

// Every pair of cells as a batch, against the keys; a second column breaks ties.
TEST(SortKeyEncoderTest, TellsWhetherRowsAreInOrder) {
  std::vector<SortKeyCase> cases = SortKeyCases();
  cases.push_back({arrow::fixed_size_binary(40),
                   "[\"" + std::string(40, 'a') + "\", \"" + std::string(39, 'a') + "b\"]"});
  for (const SortKeyCase& item : cases) {
    SCOPED_TRACE(item.type->ToString());
    const std::string json = "[null, " + item.ascending.substr(1, item.ascending.size() - 2) + "]";
    const ArrayPtr cells = FromJson(item.type, json);
    const auto schema = arrow::schema({arrow::field("x", item.type), arrow::field("y", item.type)});
    for (const bool descending : {false, true}) {
      for (const NullPlacement nulls : {NullPlacement::kFirst, NullPlacement::kLast}) {
        const Ordering ordering = {{0, descending, nulls}, {1, !descending, nulls}};
        for (size_t columns = 1; columns <= 2; ++columns) {
          ASSERT_OK_AND_ASSIGN(
              auto encoder,
              SortKeyEncoder::Make(*schema, {ordering.begin(), ordering.begin() + columns}));
          const int64_t last = cells->length() - 1;
          for (int64_t a = 0; a <= last; ++a) {
            for (int64_t b = 0; b <= last; ++b) {
              ASSERT_OK_AND_ASSIGN(ArrayPtr x,
                                   arrow::Concatenate({cells->Slice(a, 1), cells->Slice(b, 1)}));
              ASSERT_OK_AND_ASSIGN(
                  ArrayPtr y, arrow::Concatenate({cells->Slice(a / 2, 1), cells->Slice(b / 2, 1)}));
              const Batch batch({x, y}, 2);
              SortKeys keys;
              ASSERT_OK(encoder.Encode(batch, nullptr, Pool(), &keys));
              ASSERT_OK_AND_ASSIGN(const bool in_order, encoder.AreInOrder(batch, Pool()));
              ASSERT_EQ(in_order, keys[0] <= keys[1]) << a << " " << b << " " << columns;
            }
          }
        }
      }
    }
  }
}

// Against the keys themselves, on every cell as the bound, with and without a selection.
TEST(SortKeyEncoderTest, RowsUpToABoundLeaveNoneOut) {
  for (const SortKeyCase& item : SortKeyCases()) {
    SCOPED_TRACE(item.type->ToString());
    const std::string json = "[null, " + item.ascending.substr(1, item.ascending.size() - 2) + "]";
    const Batch batch({FromJson(item.type, json)}, FromJson(item.type, json)->length());
    const auto schema = arrow::schema({arrow::field("x", item.type)});
    for (const bool descending : {false, true}) {
      for (const NullPlacement nulls : {NullPlacement::kFirst, NullPlacement::kLast}) {
        ASSERT_OK_AND_ASSIGN(auto encoder, SortKeyEncoder::Make(*schema, {{0, descending, nulls}}));
        SortKeys keys;
        ASSERT_OK(encoder.Encode(batch, nullptr, Pool(), &keys));
        for (int64_t bound = 0; bound < keys.num_rows; ++bound) {
          std::vector<uint32_t> expected, rows, odd, expected_odd;
          for (uint32_t row = 0; row < keys.num_rows; ++row) {
            if (keys[row] <= keys[bound]) expected.push_back(row);
            if (row % 2 == 1 && keys[row] <= keys[bound]) expected_odd.push_back(row / 2);
            if (row % 2 == 1) odd.push_back(row);
          }
          const auto selection = std::make_shared<const std::vector<uint32_t>>(odd);
          ASSERT_OK(encoder.RowsUpTo(keys[bound], batch, Pool(), &rows));
          EXPECT_TRUE(std::includes(rows.begin(), rows.end(), expected.begin(), expected.end()));
          if (arrow::is_integer(item.type->id()) || item.type->id() == arrow::Type::STRING) {
            EXPECT_EQ(rows, expected);
          }
          ASSERT_OK(encoder.RowsUpTo(keys[bound], batch.WithSelection(selection), Pool(), &rows));
          EXPECT_TRUE(
              std::includes(rows.begin(), rows.end(), expected_odd.begin(), expected_odd.end()));
        }
      }
    }
  }
}

TEST(SortKeyEncoderTest, ZerosAreEqual) {
  arrow::DoubleBuilder builder;
  ASSERT_OK(builder.AppendValues({0.0, -0.0}));
  const auto schema = arrow::schema({arrow::field("x", arrow::float64())});
  ASSERT_OK_AND_ASSIGN(auto encoder, SortKeyEncoder::Make(*schema, {{0}}));
  SortKeys keys;
  ASSERT_OK(encoder.Encode(Batch({builder.Finish().ValueOrDie()}, 2), nullptr, Pool(), &keys));
  EXPECT_EQ(keys[0], keys[1]);
}

TEST(SortKeyEncoderTest, LaterKeysAndPositionsBreakTies) {
  const auto schema =
      arrow::schema({arrow::field("a", arrow::utf8()), arrow::field("b", arrow::int64())});
  const Batch batch({FromJson(arrow::utf8(), R"(["x", "x", "x", null, "w"])"),
                     FromJson(arrow::int64(), "[1, 2, 1, 9, 0]")},
                    5);
  ASSERT_OK_AND_ASSIGN(
      auto encoder, SortKeyEncoder::Make(*schema, {{0, false, NullPlacement::kLast}, {1, true}}));
  const std::vector<RowPosition> positions = {{1, 5}, {1, 6}, {0, 7}, {-1, 8}, {2, -9}};
  SortKeys keys;
  ASSERT_OK(encoder.Encode(batch, &positions, Pool(), &keys));
  std::vector<int64_t> rows = {0, 1, 2, 3, 4};
  std::sort(rows.begin(), rows.end(), [&](int64_t a, int64_t b) { return keys[a] < keys[b]; });
  EXPECT_EQ(rows, (std::vector<int64_t>{4, 1, 2, 0, 3}));
  for (size_t row = 0; row < positions.size(); ++row) {
    EXPECT_EQ(SortKeyEncoder::PositionOf(keys[static_cast<int64_t>(row)]), positions[row]);
  }
}

// Of every type, null or not, before another key; and of what is left of a key that was cut off.
TEST(SortKeyEncoderTest, TellsTheBytesOfTheFirstKeys) {
  for (const SortKeyCase& of : SortKeyCases()) {
    SCOPED_TRACE(of.type->ToString());
    const ArrayPtr cells = arrow::Concatenate({FromJson(of.type, of.ascending),
                                               arrow::MakeArrayOfNull(of.type, 1).ValueOrDie()})
                               .ValueOrDie();
    const auto schema =
        arrow::schema({arrow::field("x", of.type), arrow::field("y", arrow::int64())});
    const ArrayPtr zeros =
        arrow::MakeArrayFromScalar(arrow::Int64Scalar(0), cells->length()).ValueOrDie();
    for (const bool descending : {false, true}) {
      ASSERT_OK_AND_ASSIGN(const auto both,
                           SortKeyEncoder::Make(*schema, {{0, descending}, {1, descending}}));
      ASSERT_OK_AND_ASSIGN(const auto first, SortKeyEncoder::Make(*schema, {{0, descending}}));
      const Batch rows({cells, zeros}, cells->length());
      SortKeys whole;
      SortKeys start;
      ASSERT_OK(both.Encode(rows, nullptr, Pool(), &whole));
      ASSERT_OK(first.Encode(rows, nullptr, Pool(), &start));
      for (int64_t row = 0; row < cells->length(); ++row) {
        EXPECT_EQ(both.BytesOfKeys(whole[row], 1), start[row].size());
        EXPECT_EQ(both.BytesOfKeys(whole[row], 2), whole[row].size());
        const size_t cut = start[row].size() - 1;
        EXPECT_EQ(both.BytesOfKeys(whole[row].substr(0, cut), 1), cut);
      }
    }
  }
}

TEST(SortKeyEncoderTest, TypesWithoutOrderAreRefusedByName) {
  const auto schema = arrow::schema({arrow::field("tags", arrow::list(arrow::int64()))});
  EXPECT_ERROR(SortKeyEncoder::Make(*schema, {{0}}), kUnsupported, "cannot sort by column tags");
}

}  // namespace
}  // namespace headrace
