// The generator: reproducible whatever the batch size, projection or starting point; paced by a
// clock.
#include "headrace/connect/generator/generator.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <limits>
#include <map>
#include <mutex>
#include <set>

#include "headrace/connect/connector.h"
#include "headrace/connect/test_read.h"

namespace headrace::connect_test {
namespace {

using Kind = GeneratorColumn::Kind;

GeneratorSpec SmallSpec() {
  GeneratorSpec spec;
  spec.columns = {{.name = "id", .kind = Kind::kSequence},
                  {.name = "n", .kind = Kind::kInteger, .low = -5, .high = 5},
                  {.name = "x", .kind = Kind::kDouble, .low_value = 2, .high_value = 3},
                  {.name = "k", .kind = Kind::kKey, .keys = 7},
                  {.name = "at",
                   .kind = Kind::kEventTime,
                   .start_micros = 1'000'000,
                   .step_micros = 1000,
                   .jitter_micros = 5000}};
  spec.seed = 42;
  spec.rows = 500;
  spec.splits = 3;
  return spec;
}

SourcePtr Make(GeneratorSpec spec, Clock& clock = SystemClock()) {
  return MakeGenerator(std::move(spec), clock).ValueOrDie();
}

TEST(GeneratorTest, BatchSizesDoNotMatter) {
  const SourcePtr source = Make(SmallSpec());
  ScanRequest request = Everything(*source);
  const std::string whole = ReadAll(*source, request);
  for (const int64_t rows : {1, 3, 64, 499, 500, 501}) {
    request.batch_rows = rows;
    EXPECT_TRUE(ReadAll(*source, request) == whole) << rows;
  }
  request.batch_rows = 4096;
  request.batch_bytes = 100;
  EXPECT_TRUE(ReadAll(*source, request) == whole);
}

TEST(GeneratorTest, SeedsAndColumnsAreIndependent) {
  GeneratorSpec spec = SmallSpec();
  const std::string first = ReadAll(*Make(spec));
  EXPECT_TRUE(ReadAll(*Make(spec)) == first);
  spec.seed = 43;
  EXPECT_FALSE(ReadAll(*Make(spec)) == first);
  GeneratorSpec twice = SmallSpec();
  twice.columns = {twice.columns[1], twice.columns[1]};
  const SourcePtr source = Make(twice);
  ScanRequest request = Everything(*source);
  request.projection = {0};
  const std::string left = ReadAll(*source, request);
  request.projection = {1};
  EXPECT_FALSE(ReadAll(*source, request) == left) << "equal columns have different values";
}

TEST(GeneratorTest, ProjectionKeepsTheValues) {
  const SourcePtr source = Make(SmallSpec());
  ScanRequest request = Everything(*source);
  request.projection = {3, 0, 3};
  auto reader = source->Open({.index = 1}, request, Context()).ValueOrDie();
  const std::string text = Drain(*reader, request, 1);
  request.projection = {3};
  auto keys = source->Open({.index = 1}, request, Context()).ValueOrDie();
  const std::string key = Drain(*keys, request, 1).substr(0, text.find('|'));
  EXPECT_TRUE(text.starts_with(key + "|500|" + key + ";")) << text.substr(0, 40);
  request.projection = {};
  auto none = source->Open({.index = 0}, request, Context()).ValueOrDie();
  EXPECT_EQ(Drain(*none, request), std::string(500, ';')) << "rows without columns still count";
}

TEST(GeneratorTest, AnyPositionCanBeResumed) {
  const SourcePtr source = Make(SmallSpec());
  ScanRequest request = Everything(*source);
  request.batch_rows = 77;
  for (const int64_t split : {0, 2}) {
    auto whole = source->Open({.index = split}, request, Context()).ValueOrDie();
    const std::string expected = Drain(*whole, request);
    for (int64_t batches = 0; batches <= 7; ++batches) {
      auto first = source->Open({.index = split}, request, Context()).ValueOrDie();
      std::string text = Drain(*first, request, batches);
      const std::string position = *first->Position();
      auto second = source->Open({.index = split}, request, Context(position)).ValueOrDie();
      text += Drain(*second, request);
      EXPECT_TRUE(text == expected) << "after " << batches << " batches, at " << position;
    }
  }
  EXPECT_ERROR(source->Open({}, request, Context("x")), kInvalidArgument, "'x'");
  EXPECT_ERROR(source->Open({}, request, Context("-1")), kInvalidArgument, "'-1'");
}

TEST(GeneratorTest, ValuesStayInTheirRanges) {
  GeneratorSpec spec = SmallSpec();
  spec.rows = 20'000;
  spec.splits = 1;
  const SourcePtr source = Make(spec);
  const ScanRequest request = Everything(*source);
  auto reader = source->Open({}, request, Context()).ValueOrDie();
  std::map<int64_t, int> integers;
  std::set<std::string> keys;
  int64_t row = 0;
  int64_t late = 0;
  int64_t latest = 0;
  for (ReadResult read = *reader->Next(); std::holds_alternative<Batch>(read);
       read = *reader->Next()) {
    const Batch& batch = std::get<Batch>(read);
    for (int64_t i = 0; i < batch.num_rows(); ++i, ++row) {
      EXPECT_EQ(static_cast<const arrow::Int64Array&>(*batch.column(0)).Value(i), row);
      ++integers[static_cast<const arrow::Int64Array&>(*batch.column(1)).Value(i)];
      const double x = static_cast<const arrow::DoubleArray&>(*batch.column(2)).Value(i);
      EXPECT_TRUE(x >= 2 && x < 3);
      keys.insert(static_cast<const arrow::StringArray&>(*batch.column(3)).GetString(i));
      const int64_t at = static_cast<const arrow::TimestampArray&>(*batch.column(4)).Value(i);
      const int64_t due = 1'000'000 + row * 1000;
      EXPECT_TRUE(at <= due && at >= due - 5000);
      late += at < latest ? 1 : 0;
      latest = std::max(latest, at);
    }
  }
  EXPECT_EQ(row, 20'000);
  EXPECT_EQ(integers.size(), 11u);
  for (const auto& [value, count] : integers) EXPECT_NEAR(count, 20'000 / 11, 250) << value;
  EXPECT_EQ(keys.size(), 7u);
  EXPECT_EQ(*keys.begin(), "key-0");
  EXPECT_GT(late, 1000) << "the jitter puts rows out of order";
}

TEST(GeneratorTest, ExtremeRangesDoNotOverflow) {
  GeneratorSpec spec;
  spec.columns = {{.name = "n",
                   .kind = Kind::kInteger,
                   .low = std::numeric_limits<int64_t>::min(),
                   .high = std::numeric_limits<int64_t>::max()},
                  {.name = "at",
                   .kind = Kind::kEventTime,
                   .start_micros = std::numeric_limits<int64_t>::max(),
                   .step_micros = std::numeric_limits<int64_t>::max(),
                   .jitter_micros = std::numeric_limits<int64_t>::max()},
                  {.name = "one", .kind = Kind::kInteger, .low = 3, .high = 3}};
  spec.rows = 100;
  EXPECT_NE(ReadAll(*Make(spec)).find("|3;"), std::string::npos);
}

TEST(GeneratorTest, SequencesRunOnOverFiniteSplitsAndInterleaveOverEndlessOnes) {
  GeneratorSpec spec;
  spec.columns = {{.name = "id"}};
  spec.rows = 3;
  spec.splits = 2;
  EXPECT_EQ(ReadAll(*Make(spec)), "0;1;2;3;4;5;");
  spec.rows = GeneratorSpec::kEndless;
  const SourcePtr endless = Make(spec);
  ScanRequest request = Everything(*endless);
  request.limit = 3;
  EXPECT_EQ(ReadAll(*endless, request), "0;2;4;1;3;5;");
}

TEST(GeneratorTest, TellsWhatIsKnown) {
  GeneratorSpec spec = SmallSpec();
  SourcePtr source = Make(spec);
  EXPECT_EQ(source->boundedness(), Boundedness::kBounded);
  EXPECT_EQ(source->row_count(), 1500);
  EXPECT_EQ(source->ordering(), (Ordering{{.column = 0}}));
  EXPECT_EQ(source->schema()->field(4)->type()->ToString(), "timestamp[us]");
  spec.unbounded = true;
  EXPECT_EQ(Make(spec)->boundedness(), Boundedness::kUnbounded);
  spec.splits = 1;
  spec.columns[4].jitter_micros = 0;
  EXPECT_EQ(Make(spec)->ordering(), (Ordering{{.column = 4}, {.column = 0}}));
  spec.rows = GeneratorSpec::kEndless;
  spec.unbounded = false;
  source = Make(spec);
  EXPECT_EQ(source->boundedness(), Boundedness::kUnbounded);
  EXPECT_EQ(source->row_count(), std::nullopt);
  EXPECT_EQ(*source->Snapshot(), *Make(spec)->Snapshot());
  spec.seed = 1;
  EXPECT_NE(*source->Snapshot(), *Make(spec)->Snapshot());
}

TEST(GeneratorTest, BadSpecsAreNamed) {
  GeneratorSpec spec = SmallSpec();
  const auto with = [](auto change) {
    GeneratorSpec changed = SmallSpec();
    change(changed);
    return MakeGenerator(changed);
  };
  EXPECT_ERROR(with([](auto& s) { s.columns[1].low = 9; }), kInvalidArgument, "column n");
  EXPECT_ERROR(with([](auto& s) { s.columns[2].high_value = 1; }), kInvalidArgument, "column x");
  EXPECT_ERROR(with([](auto& s) { s.columns[3].keys = 0; }), kInvalidArgument, "column k");
  EXPECT_ERROR(with([](auto& s) { s.columns[4].jitter_micros = -1; }), kInvalidArgument,
               "column at");
  EXPECT_ERROR(with([](auto& s) { s.splits = 0; }), kInvalidArgument, "splits, got 0");
  EXPECT_ERROR(with([](auto& s) { s.rows = -2; }), kInvalidArgument, "got -2");
  EXPECT_ERROR(with([](auto& s) { s.rows_per_second = -1; }), kInvalidArgument, "got -1");
}

// ---- Pace ----

TEST(GeneratorPaceTest, RowsComeWhenTheyAreDue) {
  SimulatedClock clock(1000);
  GeneratorSpec spec;
  spec.columns = {{.name = "id"}};
  spec.rows = 30;
  spec.rows_per_second = 1000;
  const SourcePtr source = Make(spec, clock);
  const ScanRequest request = Everything(*source);
  int wakes = 0;
  ReadContext context = Context();
  context.waker = Waker([&] { ++wakes; });
  auto reader = source->Open({}, request, context).ValueOrDie();
  std::string text;
  int64_t batches = 0;
  for (int64_t step = 0; step < 200 && text.find("29;") == std::string::npos; ++step) {
    ReadResult read = *reader->Next();
    if (const Batch* batch = std::get_if<Batch>(&read)) {
      const int64_t due = (clock.MonotonicMicros() - 1000) / 1000 + 1;
      AppendRows(*batch, &text);
      EXPECT_LE(std::count(text.begin(), text.end(), ';'), due);
      ++batches;
      continue;
    }
    ASSERT_TRUE(std::holds_alternative<Pending>(read));
    ASSERT_TRUE(std::holds_alternative<Pending>(*reader->Next()));
    const int before = wakes;
    ASSERT_TRUE(clock.NextCallMicros().has_value());
    clock.AdvanceMicros(*clock.NextCallMicros() - clock.MonotonicMicros());
    EXPECT_EQ(wakes, before + 1) << "one wake for any number of questions";
  }
  EXPECT_EQ(text.substr(0, 8), "0;1;2;3;");
  EXPECT_TRUE(std::holds_alternative<EndOfSplit>(*reader->Next()));
  EXPECT_GT(batches, 3);
  EXPECT_LT(batches, 12) << "a wait lasts at least the linger time";
}

TEST(GeneratorPaceTest, AResumedReaderStartsItsOwnClock) {
  SimulatedClock clock;
  GeneratorSpec spec;
  spec.columns = {{.name = "id"}};
  spec.rows_per_second = 10;
  const SourcePtr source = Make(spec, clock);
  const ScanRequest request = Everything(*source);
  auto reader = source->Open({}, request, Context("1000")).ValueOrDie();
  EXPECT_EQ(Drain(*reader, request, 1), "1000;");
  EXPECT_TRUE(std::holds_alternative<Pending>(*reader->Next()));
  clock.AdvanceMicros(100'000);
  EXPECT_EQ(Drain(*reader, request, 1), "1001;");
}

TEST(GeneratorPaceTest, TheMachinesClockWakesAndReadersMayGoBeforeIt) {
  GeneratorSpec spec;
  spec.columns = {{.name = "id"}};
  spec.rows_per_second = 200;
  const SourcePtr source = Make(spec);
  const ScanRequest request = Everything(*source);
  struct Bell {
    std::mutex mutex;
    std::condition_variable rung;
    int count = 0;
  };
  const auto bell = std::make_shared<Bell>();
  ReadContext context = Context();
  context.waker = Waker([bell] {
    std::lock_guard lock(bell->mutex);
    ++bell->count;
    bell->rung.notify_one();
  });
  auto reader = source->Open({}, request, context).ValueOrDie();
  while (std::holds_alternative<Batch>(*reader->Next())) {
  }
  std::unique_lock lock(bell->mutex);
  ASSERT_TRUE(bell->rung.wait_for(lock, std::chrono::seconds(20), [&] { return bell->count > 0; }));
  lock.unlock();
  EXPECT_TRUE(std::holds_alternative<Batch>(*reader->Next()));
  (void)reader->Next();
  reader.reset();  // a wake may still be on its way
}

// ---- Options ----

TEST(GeneratorOptionsTest, ColumnsAsText) {
  ASSERT_OK_AND_ASSIGN(const auto columns,
                       ParseGeneratorColumns("id sequence, n integer(-1, 100),x  double (0,0.5),\n"
                                             "k key(9), at event_time(0, 1000, 5000), d integer"));
  ASSERT_EQ(columns.size(), 6u);
  EXPECT_EQ(columns[1].low, -1);
  EXPECT_EQ(columns[1].high, 100);
  EXPECT_EQ(columns[2].high_value, 0.5);
  EXPECT_EQ(columns[3].keys, 9);
  EXPECT_EQ(columns[4].jitter_micros, 5000);
  EXPECT_EQ(columns[5].high, 999);
  for (const char* bad :
       {"id", "id serial", "n integer(1, x)", "k key(1, 2)", "k key(1", "k key 1)",
        "n integer(1;2)", "id sequence(1)", "a sequence,, b sequence"}) {
    EXPECT_ERROR(ParseGeneratorColumns(bad), kInvalidArgument, "expected") << bad;
  }
}

TEST(GeneratorOptionsTest, OpensByName) {
  const ConnectContext context{LocalVfs(), SystemClock(), ""};
  ASSERT_OK_AND_ASSIGN(const SourcePtr source,
                       OpenConnector("generator", context,
                                     {{"columns", "id sequence"}, {"rows", "2"}, {"splits", "2"}}));
  EXPECT_EQ(ReadAll(*source), "0;1;2;3;");
  ASSERT_OK_AND_ASSIGN(const SourcePtr endless, OpenConnector("generator", context, {}));
  EXPECT_EQ(endless->boundedness(), Boundedness::kUnbounded);
  EXPECT_EQ(endless->schema()->num_fields(), 4);
  EXPECT_ERROR(OpenConnector("generator", context, {{"row", "2"}}), kInvalidArgument,
               "did you mean rows?");
  EXPECT_ERROR(OpenConnector("kafka", context, {}), kUnknownName,
               "known are file, generator, memory; got 'kafka'");
}

}  // namespace
}  // namespace headrace::connect_test
