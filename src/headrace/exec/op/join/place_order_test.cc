// Ranges of places: all places are in one, in order, and one that comes often is alone.
#include "headrace/exec/op/join/place_order.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "arrow/array/builder_primitive.h"
#include "arrow/type.h"
#include "headrace/base/rng.h"
#include "headrace/exec/op/join/join_matcher.h"

namespace headrace {
namespace {

std::vector<JoinPlace> RandomPlaces(Rng& rng, int count) {
  std::vector<JoinPlace> places;
  for (int i = 0; i < count; ++i) {
    const bool is_unmatched = rng.Below(4) == 0;
    const auto split = static_cast<int64_t>(rng.Below(3)) + (is_unmatched ? kUnmatchedSplit : 0);
    places.push_back({split, static_cast<int64_t>(rng.Below(100))});
  }
  return places;
}

TEST(PlaceRangesTest, RangesFollowEachOther) {
  Rng rng(5);
  for (int round = 0; round < 300; ++round) {
    const std::vector<JoinPlace> samples = RandomPlaces(rng, static_cast<int>(rng.Below(60)));
    const size_t count = 3 + rng.Below(30);
    const PlaceRanges ranges = PlaceRanges::Of(samples, count);
    ASSERT_LE(ranges.size(), count);
    std::vector<JoinPlace> places = RandomPlaces(rng, 200);
    std::sort(places.begin(), places.end());
    size_t last = 0;
    for (size_t i = 0; i < places.size(); ++i) {
      const size_t range = ranges.RangeOf(places[i]);
      ASSERT_GE(range, last);
      ASSERT_LT(range, ranges.size());
      const bool is_same = i > 0 && range == last;
      if (is_same && ranges.IsOnePlace(range)) {
        ASSERT_EQ(places[i], places[i - 1]);
      }
      if (is_same) {
        ASSERT_EQ(places[i].first < kUnmatchedSplit, places[i - 1].first < kUnmatchedSplit);
      }
      last = range;
    }
  }
}

TEST(PlaceRangesTest, APlaceThatMostRowsHaveIsAlone) {
  std::vector<JoinPlace> samples(100, JoinPlace{7, 70});
  for (int64_t row = 0; row < 30; ++row) samples.push_back({row, 0});
  const PlaceRanges ranges = PlaceRanges::Of(samples, 32);
  EXPECT_TRUE(ranges.IsOnePlace(ranges.RangeOf({7, 70})));
  EXPECT_FALSE(ranges.IsOnePlace(ranges.RangeOf({7, 69})));
  EXPECT_FALSE(ranges.IsOnePlace(ranges.RangeOf({7, 71})));
}

TEST(PlaceRangesTest, RowsOfABatchAreInTheRangesOfTheirPlaces) {
  Rng rng(6);
  const PlaceRanges ranges = PlaceRanges::Of(RandomPlaces(rng, 100), 32);
  const std::vector<JoinPlace> places = RandomPlaces(rng, 500);
  arrow::Int64Builder splits;
  arrow::Int64Builder rows;
  for (const JoinPlace& place : places) {
    ASSERT_TRUE(splits.Append(place.first).ok());
    ASSERT_TRUE(rows.Append(place.second).ok());
  }
  std::vector<uint8_t> found;
  ranges.RangesOf(Batch({splits.Finish().ValueOrDie(), rows.Finish().ValueOrDie()}, 500), &found);
  for (size_t i = 0; i < places.size(); ++i) ASSERT_EQ(found[i], ranges.RangeOf(places[i]));
}

}  // namespace
}  // namespace headrace
