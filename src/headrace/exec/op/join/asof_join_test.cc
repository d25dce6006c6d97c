// As-of join: against nested loops over any terms, times and batches; skewed sides in bounded
// memory; broken orders.
#include "headrace/exec/op/join/asof_join.h"

#include "headrace/exec/driver.h"
#include "headrace/exec/op/pipe_drive.h"
#include "headrace/expression/evaluate.h"

namespace headrace {
namespace {

using namespace pipe_test;

/// Columns t (time), k (string), v (int64: the row number). Times ascend, some are equal, the last
/// ones may be null.
TestTable RandomTable(Rng& rng, int64_t count, uint64_t distinct, const TypePtr& type) {
  std::vector<int64_t> times;
  for (int64_t row = 0; row < count; ++row) {
    times.push_back(static_cast<int64_t>(rng.Below(1 + static_cast<uint64_t>(count))) - 20);
  }
  std::sort(times.begin(), times.end());
  const auto nulls = static_cast<int64_t>(rng.Below(4));
  const ArrayPtr t = Int64s(count, [&](int64_t row) -> std::optional<int64_t> {
    if (row + nulls >= count) return std::nullopt;
    return times[static_cast<size_t>(row)];
  });
  const ArrayPtr k = Texts(count, [&](int64_t) -> std::optional<std::string> {
    if (rng.Below(10) == 0) return std::nullopt;
    return "k" + std::to_string(rng.Below(distinct));
  });
  const ArrayPtr cast = type->id() == arrow::Type::INT64
                            ? t
                            : CastArray(t, type, false, Rows{count}, Pool()).ValueOrDie();
  return {arrow::schema({arrow::field("t", type), arrow::field("k", arrow::utf8()),
                         arrow::field("v", arrow::int64())}),
          Batch({cast, k, Int64s(count, [](int64_t row) { return row; })}, count)};
}

struct AsofCase {
  TestTable left;
  TestTable right;
  AsofTerms terms;
  AsofJoinSpec spec() const { return {left.schema, right.schema, terms}; }
};

bool Matches(const AsofTerms& terms, const std::vector<std::string>& left,
             const std::vector<std::string>& right) {
  if (left[0] == "NULL" || right[0] == "NULL") return false;
  if (!terms.left_by.empty() && left[1] != right[1]) return false;
  const double distance = terms.direction == AsofDirection::kBackward
                              ? std::stod(left[0]) - std::stod(right[0])
                              : std::stod(right[0]) - std::stod(left[0]);
  if (distance < 0 || (terms.strict && distance == 0)) return false;
  return !terms.tolerance.has_value() || distance <= static_cast<double>(*terms.tolerance);
}

Cells NestedLoops(const AsofCase& join) {
  Cells result = CellsOf(join.left.batch);
  const Cells right_rows = CellsOf(join.right.batch);
  for (auto& row : result) {
    const std::vector<std::string>* found = nullptr;
    for (const auto& right : right_rows) {
      if (!Matches(join.terms, row, right)) continue;
      const bool backward = join.terms.direction == AsofDirection::kBackward;
      if (backward || found == nullptr) found = &right;
    }
    const std::vector<std::string> nothing(3, "NULL");
    const auto& right = found == nullptr ? nothing : *found;
    row.insert(row.end(), right.begin(), right.end());
  }
  return result;
}

/// Feeds the ports in the order the operator asks for.
Status Feed(Pipe& pipe, const std::vector<Batch>& left, const std::vector<Batch>& right) {
  const std::vector<Batch>* const sides[] = {&left, &right};
  size_t next[] = {0, 0};
  bool ended[] = {false, false};
  while (!pipe.finished() && !(ended[0] && ended[1])) {
    const int port = pipe.op().Wants();
    EXPECT_FALSE(ended[port]) << "a port is wanted that has ended";
    if (ended[port]) return Status::OK();
    if (next[port] < sides[port]->size()) {
      ARROW_RETURN_NOT_OK(pipe.Push((*sides[port])[next[port]++], port));
    } else {
      ended[port] = true;
      ARROW_RETURN_NOT_OK(pipe.Finish(port));
    }
  }
  return Status::OK();
}

TEST(AsofJoinTest, AgreesWithNestedLoops) {
  const std::vector<TypePtr> types = {arrow::int64(), arrow::int16(), arrow::float64()};
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const uint64_t distinct = 1 + rng.Below(12);
    const TypePtr type = types[rng.Below(types.size())];
    AsofCase join{RandomTable(rng, static_cast<int64_t>(rng.Below(200)), distinct, type),
                  RandomTable(rng, static_cast<int64_t>(rng.Below(200)), distinct, type),
                  {}};
    if (rng.Below(4) > 0) join.terms.left_by = join.terms.right_by = {1};
    if (rng.Below(2) == 0) join.terms.direction = AsofDirection::kForward;
    join.terms.strict = rng.Below(2) == 0;
    if (rng.Below(2) == 0) join.terms.tolerance = static_cast<int64_t>(rng.Below(20));
    PipeSettings options;
    options.refuse_seed = seed;
    options.batch_rows = rng.Below(2) == 0 ? 3 : 4096;
    options.batch_bytes = rng.Below(2) == 0 ? 200 : kBatchBytesMax;  // 200: trims all the time
    Pipe pipe(join.spec(), options);
    ASSERT_OK(pipe.Open());
    const auto rows_max = static_cast<int64_t>(1 + rng.Below(60));
    ASSERT_OK(
        Feed(pipe, SplitRows(join.left, rng, rows_max), SplitRows(join.right, rng, rows_max)));
    EXPECT_EQ(pipe.cells(), NestedLoops(join));
    for (const Batch& batch : pipe.outputs()) EXPECT_LE(batch.num_rows(), options.batch_rows);
  }
}

constexpr int64_t kMillion = 1000000;
constexpr int64_t kRowsPerBatch = 4096;

SchemaPtr SkewSchema() {
  return arrow::schema({arrow::field("t", arrow::int64()), arrow::field("k", arrow::int64()),
                        arrow::field("v", arrow::int64())});
}

/// Rows whose time is first + row * step and whose key is row % keys, made when they are asked for.
struct Series {
  int64_t count;
  int64_t first;
  int64_t step;
  int64_t keys;
  Batch Make(int64_t begin) const {
    const int64_t rows = std::min(kRowsPerBatch, count - begin);
    const auto column = [&](auto value) {
      return Int64s(rows, [&](int64_t row) { return value(begin + row); });
    };
    return Batch(
        {column([&](int64_t row) { return first + row * step; }),
         column([&](int64_t row) { return row % keys; }), column([](int64_t row) { return row; })},
        rows);
  }
};

struct SkewResult {
  int64_t rows = 0;
  int64_t matched = 0;
  int64_t peak_bytes = 0;
};

/// Feeds both series in the order wanted; every left row must come once, in order.
SkewResult RunSkewed(const Series& left, const Series& right, AsofTerms terms,
                     int64_t budget_bytes = int64_t{1} << 40) {
  PipeSettings options;
  options.budget_bytes = budget_bytes;
  Pipe pipe(AsofJoinSpec(SkewSchema(), SkewSchema(), std::move(terms)), options);
  EXPECT_OK(pipe.Open());
  const Series* const sides[] = {&left, &right};
  int64_t next[] = {0, 0};
  SkewResult result;
  while (!pipe.finished()) {
    const int port = pipe.op().Wants();
    if (next[port] < sides[port]->count) {
      const Status status = pipe.Push(sides[port]->Make(next[port]), port);
      EXPECT_OK(status);
      if (!status.ok()) break;
      next[port] += kRowsPerBatch;
    } else {
      EXPECT_OK(pipe.Finish(port));
    }
    for (const Batch& batch : pipe.TakeOutputs()) {
      const auto& v = static_cast<const arrow::Int64Array&>(*batch.column(2));
      for (int64_t row = 0; row < v.length(); ++row) EXPECT_EQ(v.Value(row), result.rows + row);
      result.rows += batch.num_rows();
      result.matched += batch.num_rows() - batch.column(5)->null_count();
    }
  }
  result.peak_bytes = pipe.budget().peak_bytes();
  EXPECT_EQ(result.rows, left.count);
  return result;
}

AsofTerms ByKey(AsofDirection direction) { return {0, 0, {1}, {1}, direction, false, {}}; }

// A batch of three int64 columns has 96 KiB; right rows are trimmed at 2 * kBatchBytesMax.
constexpr int64_t kFewBatches = 4 * kBatchBytesMax;

TEST(AsofJoinTest, ASideAMillionRowsAheadIsNotBuffered) {
  const Series early{kMillion, 0, 1, 100};
  const Series late{20000, kMillion, 1, 100};
  const Series sparse{1000, 0, 1000, 100};
  const auto backward = ByKey(AsofDirection::kBackward);
  const auto forward = ByKey(AsofDirection::kForward);
  // left, right, terms, left rows that match
  struct Case {
    Series left;
    Series right;
    AsofTerms terms;
    int64_t matched;
  };
  const Case cases[] = {
      {late, early, backward, late.count}, {late, early, forward, 0},
      {early, late, backward, 0},          {early, late, forward, early.count},
      {sparse, early, backward, 1000},     {early, sparse, forward, -1},
      {sparse, early, forward, -1},        {early, sparse, backward, -1},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(AsofJoinSpec(SkewSchema(), SkewSchema(), c.terms).Describe() + " " +
                 std::to_string(&c - cases));
    const SkewResult result = RunSkewed(c.left, c.right, c.terms);
    EXPECT_LE(result.peak_bytes, kFewBatches);
    EXPECT_TRUE(c.matched < 0 || result.matched == c.matched) << result.matched;
  }
}

TEST(AsofJoinTest, BackwardKeepsOneRowPerKey) {
  const Series right{kMillion, 0, 1, 20000};
  const Series left{1000, kMillion, 1, 20000};
  const SkewResult result = RunSkewed(left, right, ByKey(AsofDirection::kBackward));
  EXPECT_EQ(result.matched, left.count);
  EXPECT_LE(result.peak_bytes, 12 * kBatchBytesMax);  // of 24 MB that come
}

TEST(AsofJoinTest, AKeyThatNeverComesIsBoundByTheTolerance) {
  const Series left{100, 0, 10000, 1000};  // keys 0 … 99
  Series right{kMillion, 0, 1, 50};
  AsofTerms terms = ByKey(AsofDirection::kForward);
  terms.tolerance = 1000;
  const SkewResult result = RunSkewed(left, right, terms);
  EXPECT_EQ(result.matched, 50);
  EXPECT_LE(result.peak_bytes, kFewBatches);
}

TEST(AsofJoinTest, RowsKeptBeyondTheBudgetAreAnError) {
  const Series left{100, 0, 1, 100};
  const Series right{kMillion, 0, 1, 50};  // forward, keys 50 … 99 never come
  PipeSettings options;
  options.budget_bytes = 4 << 20;
  Pipe pipe(AsofJoinSpec(SkewSchema(), SkewSchema(), ByKey(AsofDirection::kForward)), options);
  ASSERT_OK(pipe.Open());
  ASSERT_OK(pipe.Push(left.Make(0), 0));
  Status status;
  for (int64_t begin = 0; status.ok() && begin < right.count; begin += kRowsPerBatch) {
    ASSERT_EQ(pipe.op().Wants(), 1);
    status = pipe.Push(right.Make(begin), 1);
  }
  EXPECT_ERROR(status, kMemoryLimit, "asof_join wants");
}

Status FeedColumns(const TypePtr& type, const std::vector<std::string>& left,
                   const std::vector<std::string>& right) {
  const SchemaPtr schema = arrow::schema({arrow::field("at", type)});
  const auto batches = [&](const std::vector<std::string>& texts) {
    std::vector<Batch> result;
    for (const std::string& json : texts) {
      const ArrayPtr column = FromJson(type, json);
      result.push_back(Batch({column}, column->length()));
    }
    return result;
  };
  Pipe pipe(AsofJoinSpec(schema, schema, {}));
  ARROW_RETURN_NOT_OK(pipe.Open());
  return Feed(pipe, batches(left), batches(right));
}

TEST(AsofJoinTest, BrokenOrdersAreNamed) {
  const TypePtr number = arrow::int64();
  EXPECT_OK(FeedColumns(number, {"[1, 1]", "[1, 2, null]", "[null]"}, {"[1]", "[null]"}));
  EXPECT_ERROR(FeedColumns(number, {"[1, 5, 4]"}, {"[1]"}), kBadData,
               "the left side must be sorted by at ascending with nulls last; its row 3 breaks the "
               "order: after 5 comes 4");
  EXPECT_ERROR(
      FeedColumns(number, {"[1, 5]"}, {"[1, 3]", "[2, 4]"}), kBadData,
      "the right side must be sorted by at ascending with nulls last; its row 3 breaks the "
      "order: after 3 comes 2");
  EXPECT_ERROR(FeedColumns(number, {"[1, null, 2]"}, {"[1]"}), kBadData,
               "row 3 breaks the order: after NULL comes 2");
  EXPECT_ERROR(FeedColumns(number, {"[1, null]", "[2]"}, {"[1]"}), kBadData,
               "row 3 breaks the order: after NULL comes 2");
  EXPECT_ERROR(FeedColumns(arrow::timestamp(arrow::TimeUnit::SECOND),
                           {R"(["2013-01-01 05:00:00", "2013-01-01 04:00:00"])"}, {}),
               kBadData, "after 2013-01-01 05:00:00 comes 2013-01-01 04:00:00");
  EXPECT_ERROR(FeedColumns(arrow::float64(), {"[1, NaN, 2]"}, {}), kBadData, "row 3 breaks");
}

TEST(AsofJoinTest, TypesOfTime) {
  EXPECT_ERROR(FeedColumns(arrow::utf8(), {R"(["a"])"}, {}), kUnsupported,
               "column at of the left side must be a number or a time, not string");
  for (const TypePtr& type :
       {arrow::date32(), arrow::time32(arrow::TimeUnit::SECOND),
        arrow::duration(arrow::TimeUnit::MILLI), arrow::uint8(), arrow::float32()}) {
    EXPECT_OK(FeedColumns(type, {"[1, 2]"}, {"[1, 2]"})) << type->ToString();
  }
}

TEST(AsofJoinTest, LargeUnsignedTimesAndTolerances) {
  const SchemaPtr schema = arrow::schema({arrow::field("t", arrow::uint64())});
  const auto batch = [](const char* json) {
    const ArrayPtr column = FromJson(arrow::uint64(), json);
    return Batch({column}, column->length());
  };
  AsofTerms terms;
  terms.tolerance = 10;
  Pipe pipe(AsofJoinSpec(schema, schema, terms));
  ASSERT_OK(pipe.Open());
  ASSERT_OK(Feed(pipe, {batch("[5, 9223372036854775810, 18446744073709551615]")},
                 {batch("[1, 9223372036854775806, 18446744073709551604]")}));
  EXPECT_EQ(pipe.cells(), (Cells{{"5", "1"},
                                 {"9223372036854775810", "9223372036854775806"},
                                 {"18446744073709551615", "NULL"}}));
}

TEST(AsofJoinTest, WatermarksWaitForRowsThatAreHeldBack) {
  const SchemaPtr schema = arrow::schema({arrow::field("t", arrow::int64())});
  const auto batch = [](const char* json) {
    const ArrayPtr column = FromJson(arrow::int64(), json);
    return Batch({column}, column->length());
  };
  Pipe pipe(AsofJoinSpec(schema, schema, {}));
  ASSERT_OK(pipe.Open());
  ASSERT_OK(pipe.Advance({3}, 0));
  EXPECT_EQ(pipe.watermarks(), (std::vector<Watermark>{{3}}));
  ASSERT_OK(pipe.Push(batch("[5]"), 0));
  ASSERT_OK(pipe.Advance({7}, 0));
  ASSERT_OK(pipe.Advance({4}, 1));
  EXPECT_EQ(pipe.watermarks().size(), 1U);
  ASSERT_OK(pipe.Push(batch("[6]"), 1));
  EXPECT_EQ(pipe.cells(), (Cells{{"5", "NULL"}}));
  ASSERT_OK(pipe.Advance({5}, 1));
  EXPECT_EQ(pipe.watermarks(), (std::vector<Watermark>{{3}, {7}}));
}

TEST(AsofJoinTest, FinishesWhenTheLeftSideHasEnded) {
  const SchemaPtr schema = arrow::schema({arrow::field("t", arrow::int64())});
  const auto batch = [](const char* json) {
    const ArrayPtr column = FromJson(arrow::int64(), json);
    return Batch({column}, column->length());
  };
  Pipe pipe(AsofJoinSpec(schema, schema, {}));
  ASSERT_OK(pipe.Open());
  ASSERT_OK(pipe.Push(batch("[5]"), 0));
  EXPECT_EQ(pipe.op().Wants(), 1);
  ASSERT_OK(pipe.Push(batch("[4, 6]"), 1));
  EXPECT_FALSE(pipe.finished());
  ASSERT_OK(pipe.Finish(0));
  EXPECT_TRUE(pipe.finished());
  EXPECT_EQ(pipe.cells(), (Cells{{"5", "4"}}));
}

class BatchesInput final : public PipelineInput {
 public:
  explicit BatchesInput(std::vector<Batch> batches) : batches_(std::move(batches)) {}
  Result<InputItem> Next() override {
    if (next_ == batches_.size()) return EndOfInput{};
    return batches_[next_++];
  }

 private:
  std::vector<Batch> batches_;
  size_t next_ = 0;
};

class PositionsOutput final : public PipelineOutput {
 public:
  explicit PositionsOutput(std::vector<RowPosition>* positions) : positions_(*positions) {}
  Result<Flow> Push(Batch& batch) override {
    positions_.push_back(batch.PositionOf(0));
    return Flow::NeedInput();
  }
  void EndSplit(int64_t) override {}
  void Advance(Watermark) override {}
  void SetIdle(bool) override {}
  void Finish() override {}

 private:
  std::vector<RowPosition>& positions_;
};

TEST(AsofJoinTest, PositionsOfItsRowsAscendWhateverTheSplitsOfBothSides) {
  std::vector<std::vector<Batch>> sides(2);
  for (int64_t i = 0; i < 20; ++i) {
    for (size_t side = 0; side < 2; ++side) {
      sides[side].push_back(Series{kRowsPerBatch, i * kRowsPerBatch, 1, 7}.Make(0));
      sides[side].back().set_ordinal({side == 0 ? i / 3 : 100 - i, i % 3});
    }
  }
  std::vector<RowPosition> positions;
  Pipe pipe(AsofJoinSpec(SkewSchema(), SkewSchema(), ByKey(AsofDirection::kBackward)));
  OperatorMetrics metrics;
  Driver::Parts parts;
  parts.inputs.push_back(std::make_unique<BatchesInput>(sides[0]));
  parts.inputs.push_back(std::make_unique<BatchesInput>(sides[1]));
  const AsofJoinSpec spec(SkewSchema(), SkewSchema(), ByKey(AsofDirection::kBackward));
  parts.operators.push_back(spec.Make(nullptr));
  ASSERT_OK(parts.operators[0]->Open(pipe.context()));
  parts.metrics.push_back(&metrics);
  parts.budgets.push_back(pipe.context().budget);
  parts.output = std::make_unique<PositionsOutput>(&positions);
  Driver driver(std::move(parts));
  auto step = Driver::Step::kProgress;
  while (step != Driver::Step::kDone) {
    ASSERT_OK_AND_ASSIGN(step, driver.RunStep());
  }
  EXPECT_EQ(positions.size(), 20U);
  EXPECT_EQ(std::adjacent_find(positions.begin(), positions.end(), std::greater_equal<>()),
            positions.end());
}

TEST(AsofJoinTest, DescribesItself) {
  AsofTerms terms = ByKey(AsofDirection::kForward);
  terms.strict = true;
  terms.tolerance = 7;
  EXPECT_EQ(AsofJoinSpec(SkewSchema(), SkewSchema(), terms).Describe(),
            "forward on t, t by k = k, strict, tolerance 7");
}

}  // namespace
}  // namespace headrace
