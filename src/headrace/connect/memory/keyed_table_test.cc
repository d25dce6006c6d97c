// KeyedTable: changes by key, lookups of current values only, subscriptions that fold to the table.
#include "headrace/connect/memory/keyed_table.h"

#include <gtest/gtest.h>

#include <cmath>

#include "arrow/array/builder_primitive.h"
#include "headrace/connect/memory/keyed_table_model.h"
#include "headrace/connect/test_read.h"

namespace headrace::connect_test {
namespace {

SchemaPtr Customers() {
  return arrow::schema({arrow::field("id", arrow::int64()), arrow::field("tier", arrow::utf8())});
}

SchemaPtr Ids() { return arrow::schema({arrow::field("id", arrow::int64())}); }

std::shared_ptr<KeyedTable> Make(KeyedTableOptions options = {}) {
  return KeyedTable::Make("customers", Customers(), {0}, std::move(options)).ValueOrDie();
}

const std::vector<int> kById = {0};
const std::vector<int> kByTier = {1};

// "2|gold;": the rows found for `json`, one probe.
std::string Found(LookupReader& reader, const TypePtr& type, const std::string& json) {
  const std::vector<ArrayPtr> keys = {FromJson(type, json)};
  LookupMatches matches;
  EXPECT_OK(reader.Probe(keys, &matches));
  const auto columns =
      reader.Gather(matches.row_ids, std::vector<int>{0, 1}, arrow::default_memory_pool());
  std::string text;
  AppendRows(Batch(*columns, std::ssize(matches.row_ids)), &text);
  return text;
}

TEST(KeyedTableTest, UpsertsAddAndReplace) {
  auto table = Make();
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "gold"], [2, "tin"]])")));
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "tin"], [3, null]])")));
  EXPECT_EQ(ReadAll(*table), "2|tin;1|tin;3|NULL;") << "in the order of the last writes";
  EXPECT_EQ(table->num_rows(), 3);
  ASSERT_OK(table->Delete(*Rows(Ids(), "[[2], [9], [2], [null]]")));
  EXPECT_EQ(ReadAll(*table), "1|tin;3|NULL;");
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[2, "new"], [2, "newer"]])")));
  EXPECT_EQ(ReadAll(*table), "1|tin;3|NULL;2|newer;");
}

TEST(KeyedTableTest, AppliedChangesReplaceAndDelete) {
  auto table = Make();
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "gold"], [2, "tin"], [3, "tin"]])")));
  ASSERT_OK_AND_ASSIGN(auto reader, table->Subscribe("", Context()));
  EXPECT_EQ(Drain(*reader, Everything(*table), 1), "+1|gold;+2|tin;+3|tin;");
  ASSERT_OK(table->Apply(
      *Rows(Customers(), R"([[1, "gold"], [2, "tin"], [4, "x"], [1, "tin"], [4, "x"], [9, "y"]])"),
      FromJson(arrow::int8(), "[-1, -1, 1, 1, -1, -1]")));
  EXPECT_EQ(ReadAll(*table), "3|tin;1|tin;");
  EXPECT_EQ(Drain(*reader, Everything(*table), 1), "-1|gold;-2|tin;+4|x;+1|tin;-4|x;");
  EXPECT_ERROR(table->Apply(*Rows(Customers(), R"([[1, "gold"]])"), FromJson(arrow::int8(), "[0]")),
               kBadData, "_change, row 0: expected 1 or -1, got 0");
}

TEST(KeyedTableTest, SubscribersSeeTheRowsThenEveryChange) {
  auto table = Make();
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "gold"], [2, "tin"]])")));
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[2, "gold"]])")));
  int wakes = 0;
  ReadContext context = Context();
  context.waker = Waker([&] { ++wakes; });
  ASSERT_OK_AND_ASSIGN(auto reader, table->changes()->Subscribe("", context));
  const ScanRequest request = Everything(*table);
  EXPECT_EQ(Drain(*reader, request, 1), "+1|gold;+2|gold;");
  EXPECT_TRUE(std::holds_alternative<Pending>(*reader->Next()));
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "tin"], [3, "tin"], [3, "gold"]])")));
  EXPECT_EQ(wakes, 1);
  EXPECT_EQ(Drain(*reader, request, 1), "-1|gold;+1|tin;+3|tin;-3|tin;+3|gold;");
  ASSERT_OK(table->Delete(*Rows(Ids(), "[[1]]")));
  table->CloseChanges();
  EXPECT_EQ(wakes, 3);
  EXPECT_EQ(Drain(*reader, request), "-1|tin;");
  EXPECT_TRUE(std::holds_alternative<EndOfSplit>(*reader->Next()));
  reader.reset();
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[7, "x"]])")));
  EXPECT_EQ(wakes, 3) << "a reader that is gone is not woken";
}

TEST(KeyedTableTest, PositionsResumeWhileTheirChangesAreKept) {
  auto table = Make();
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "a"], [2, "b"], [3, "c"]])")));
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[2, "B"]])")));
  const SourcePtr stream = table->Stream();
  EXPECT_EQ(stream->boundedness(), Boundedness::kUnbounded);
  EXPECT_EQ(stream->change_mode(), ChangeMode::kRetract);
  ScanRequest request = Everything(*stream);
  request.batch_rows = 1;
  const auto open = [&](const std::string& position) {
    return stream->Open({}, request, Context(position));
  };
  auto reader = *open("");
  for (int64_t rows = 0; rows < 3; ++rows) {
    const std::string position = *reader->Position();
    EXPECT_EQ(position, fmt::format("5:{}", rows)) << "b was replaced";
    EXPECT_EQ(Drain(**open(position), request, 3 - rows),
              std::string("+1|a;+3|c;+2|B;").substr(static_cast<size_t>(5 * rows)));
    ASSERT_TRUE(std::holds_alternative<Batch>(*reader->Next()));
  }
  auto slowest = *open("5");
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "A"]])")));
  ASSERT_OK(table->Delete(*Rows(Ids(), "[[3]]")));
  table->CloseChanges();
  const std::string all = "-1|a;+1|A;-3|c;";
  for (int64_t change = 5; change <= 8; ++change) {
    EXPECT_EQ(Drain(**open(std::to_string(change)), request),
              all.substr(static_cast<size_t>(5 * (change - 5))));
  }
  EXPECT_EQ(Drain(*slowest, request), all);
  EXPECT_EQ(Drain(*reader, request), all);
  EXPECT_EQ(*reader->Position(), "8");
  EXPECT_ERROR(open("5"), kStale, "asked to go on at 5");
  EXPECT_ERROR(open("5:1"), kStale, "asked for its rows after 5");
  EXPECT_ERROR(open("99"), kStale, "asked to go on at 99");
  EXPECT_ERROR(open("x"), kInvalidArgument, "'x'");
}

// What a checkpoint does: the rows as upserts into a new table, and a follower where it stood.
TEST(KeyedTableTest, ASavedTableGoesOn) {
  auto table = Make();
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "a"], [2, "b"], [3, "c"]])")));
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "A"]])")));
  auto loaded = Make();
  auto scan = *table->Open({}, Everything(*table), Context());
  while (true) {
    const ReadResult read = *scan->Next();
    if (std::holds_alternative<EndOfSplit>(read)) break;
    ASSERT_OK(loaded->Upsert(*std::get<Batch>(read).ToRecordBatch(table->schema())));
  }
  loaded->RestoreChanges(table->num_changes());
  EXPECT_EQ(ReadAll(*loaded), "2|b;3|c;1|A;");
  ASSERT_OK_AND_ASSIGN(auto reader, loaded->Subscribe("5", Context()));
  ASSERT_OK_AND_ASSIGN(auto half, loaded->Subscribe("5:2", Context()));
  ASSERT_OK(loaded->Delete(*Rows(Ids(), "[[2]]")));
  EXPECT_EQ(Drain(*reader, Everything(*loaded), 1), "-2|b;");
  EXPECT_EQ(Drain(*half, Everything(*loaded), 2), "+1|A;-2|b;");
}

std::string TextOf(TableCut& cut, KeyedTable& table) {
  const ScanRequest ids{.projection = {0}};
  return "deleted " + Drain(*cut.deleted, ids) + " rows " + Drain(*cut.rows, Everything(table));
}

TEST(KeyedTableTest, ACutHasWhatCameAndWentSinceTheOneBefore) {
  auto table = Make();
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "a"], [2, "b"], [3, "c"], [4, "d"]])")));
  ASSERT_OK_AND_ASSIGN(TableCut first, table->Cut(100));
  EXPECT_EQ(first.since, -1) << "nobody has remembered what was deleted";
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "A"], [5, "e"], [6, "f"]])")));
  ASSERT_OK(table->Delete(*Rows(Ids(), "[[2], [1], [6], [7]]")));
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[2, "B"]])")));
  EXPECT_EQ(TextOf(first, *table), "deleted  rows 1|a;2|b;3|c;4|d;");
  EXPECT_EQ(first.changes, 4);
  ASSERT_OK_AND_ASSIGN(TableCut second, table->Cut(5));
  EXPECT_EQ(second.since, 4);
  EXPECT_EQ(second.changes, table->num_changes());
  EXPECT_EQ(second.num_rows, 4);
  EXPECT_EQ(second.num_read, 5);
  EXPECT_EQ(TextOf(second, *table), "deleted 2;1;6; rows 5|e;2|B;");
  ASSERT_OK_AND_ASSIGN(TableCut third, table->Cut(0));
  EXPECT_EQ(TextOf(third, *table), "deleted  rows ");
  EXPECT_EQ(third.since, second.changes);
  ASSERT_OK(table->Delete(*Rows(Ids(), "[[2]]")));
  ASSERT_OK_AND_ASSIGN(TableCut fourth, table->Cut(0));
  EXPECT_EQ(fourth.since, -1) << "one key is more than none";
  EXPECT_EQ(TextOf(fourth, *table), "deleted  rows 3|c;4|d;5|e;");
}

TEST(KeyedTableTest, KeysThatAreDeletedAreRememberedWithinBounds) {
  auto table = Make();
  ASSERT_OK(table->Upsert(*NumberedRows(table->schema(), 0, 20'000, "text")));
  ASSERT_OK(table->Cut(0));
  const auto bytes = table->bytes();
  const auto ids = [](int64_t first, int64_t count) {
    return *NumberedRows(Customers(), first, count, "")->SelectColumns({0});
  };
  ASSERT_OK(table->Delete(*ids(0, 9'000)));
  ASSERT_OK(table->Upsert(*NumberedRows(table->schema(), 0, 9'000, "text")));
  EXPECT_GT(table->bytes(), bytes) << "the keys are counted";
  ASSERT_OK_AND_ASSIGN(TableCut some, table->Cut(20'000));
  EXPECT_EQ(some.num_read, 18'000);
  ASSERT_OK(table->Delete(*ids(0, 9'000)));
  ASSERT_OK(table->Delete(*ids(9'000, 9'000)));
  ASSERT_OK_AND_ASSIGN(TableCut all, table->Cut(20'000));
  EXPECT_EQ(all.since, -1);
  EXPECT_EQ(all.num_read, 2'000);
}

TEST(KeyedTableTest, ProjectionsLimitsAndEmptyTables) {
  auto table = Make();
  EXPECT_EQ(ReadAll(*table), "");
  ASSERT_OK(table->Upsert(*Rows(Customers(), "[]")));
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "a"], [2, "b"], [3, "c"]])")));
  ScanRequest request = Everything(*table);
  request.projection = {1};
  EXPECT_EQ(ReadAll(*table, request), "a;b;c;");
  request.limit = 2;
  EXPECT_EQ(ReadAll(*table, request), "a;b;");
  request.limit = 0;
  EXPECT_EQ(ReadAll(*table, request), "");
  request.limit.reset();
  request.batch_bytes = 1;
  request.projection = {};
  EXPECT_EQ(ReadAll(*table, request), ";;;");
  table->CloseChanges();
  EXPECT_EQ(ReadAll(*table->Stream(), request), "+;+;+;");
}

TEST(KeyedTableTest, BadRowsChangeNothing) {
  auto table = Make();
  EXPECT_ERROR(table->Upsert(*Rows(Customers(), R"([[1, "a"], [null, "b"]])")), kBadData,
               "customers: expected keys, got null in column id, row 1");
  const auto other =
      arrow::schema({arrow::field("id", arrow::utf8()), arrow::field("tier", arrow::utf8())});
  EXPECT_ERROR(table->Upsert(*Rows(other, R"([["1", "a"]])")), kTypeMismatch, "column id");
  EXPECT_ERROR(table->Delete(*Rows(other, R"([["1", "a"]])")), kTypeMismatch, "1 key columns");
  EXPECT_EQ(table->num_rows(), 0);
  EXPECT_ERROR(KeyedTable::Make("t", Customers(), {}), kInvalidArgument, "expected a key");
  EXPECT_ERROR(KeyedTable::Make("t", Customers(), {2}), kInvalidArgument, "number 2");
  const auto lists = arrow::schema({arrow::field("l", arrow::list(arrow::int8()))});
  EXPECT_ERROR(KeyedTable::Make("t", lists, {0}), kUnsupported, "t: column l cannot be a key");
}

TEST(KeyedTableTest, EncodedRowsAreTaken) {
  auto table = Make();
  const auto encoded =
      arrow::schema({arrow::field("id", arrow::int64()),
                     arrow::field("tier", arrow::dictionary(arrow::int8(), arrow::large_utf8()))});
  ASSERT_OK(table->Upsert(*Rows(encoded, R"([[0, "x"], [1, "gold"], [2, "gold"]])")->Slice(1)));
  EXPECT_EQ(ReadAll(*table), "1|gold;2|gold;");
}

// The origin's index kept old values: a replaced row was found twice, and by its old value.
TEST(KeyedTableTest, LookupsSeeCurrentValuesOnly) {
  auto table = Make();
  ASSERT_OK_AND_ASSIGN(const auto by_tier, table->OpenReader(kByTier));
  ASSERT_OK_AND_ASSIGN(const auto by_id, table->OpenReader(kById));
  const auto gold = [&] { return Found(*by_tier, arrow::utf8(), R"(["gold", null, "gold"])"); };
  EXPECT_EQ(gold(), "");
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "gold"], [2, "tin"], [3, "gold"]])")));
  EXPECT_EQ(gold(), "1|gold;3|gold;1|gold;3|gold;");
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[3, "gold"]])")));
  EXPECT_EQ(gold(), "1|gold;3|gold;1|gold;3|gold;") << "no row twice";
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "tin"], [2, "gold"]])")));
  EXPECT_EQ(gold(), "3|gold;2|gold;3|gold;2|gold;") << "nothing by an old value";
  EXPECT_EQ(Found(*by_id, arrow::int64(), "[1, 2, 9]"), "1|tin;2|gold;");
  ASSERT_OK(table->Delete(*Rows(Ids(), "[[3]]")));
  EXPECT_EQ(gold(), "2|gold;2|gold;");
  EXPECT_EQ(Found(*by_id, arrow::int64(), "[3]"), "");
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[2, null]])")));
  EXPECT_EQ(gold(), "");
  EXPECT_EQ(Found(*by_id, arrow::int64(), "[2]"), "2|NULL;");
}

TEST(KeyedTableTest, AnIndexOfATableWithRows) {
  auto table = Make();
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "x"], [2, "y"], [3, "x"], [4, null]])")));
  ASSERT_OK_AND_ASSIGN(const auto reader, table->OpenReader(kByTier));
  EXPECT_EQ(Found(*reader, arrow::dictionary(arrow::int8(), arrow::utf8()), R"(["x", "y"])"),
            "1|x;3|x;2|y;");
  EXPECT_ERROR(table->OpenReader(std::vector<int>{7}), kInternal, "no column number 7");
  LookupMatches matches;
  const std::vector<ArrayPtr> ids = {FromJson(arrow::int64(), "[1]")};
  EXPECT_ERROR(reader->Probe(ids, &matches), kTypeMismatch,
               "customers: expected keys of type string, got int64");
  ASSERT_OK_AND_ASSIGN(const auto nulls,
                       reader->Gather(std::vector<int64_t>{-1}, std::vector<int>{0, 1},
                                      arrow::default_memory_pool()));
  EXPECT_TRUE(nulls[0]->Equals(FromJson(arrow::int64(), "[null]")));
  EXPECT_TRUE(nulls[1]->Equals(FromJson(arrow::utf8(), "[null]")));
}

TEST(KeyedTableTest, ZerosAndNaNsAreOneKeyEach) {
  const auto schema = arrow::schema({arrow::field("x", arrow::float64())});
  auto table = KeyedTable::Make("t", schema, {0}).ValueOrDie();
  arrow::DoubleBuilder builder;
  ASSERT_OK(builder.AppendValues({0.0, -0.0, std::nan("1"), -std::nan("2"), 1.0}));
  const ArrayPtr column = builder.Finish().ValueOrDie();
  ASSERT_OK(table->Upsert(*arrow::RecordBatch::Make(schema, 5, {column})));
  EXPECT_EQ(table->num_rows(), 3);
  ASSERT_OK_AND_ASSIGN(const auto reader, table->OpenReader(kById));
  LookupMatches matches;
  ASSERT_OK(reader->Probe(std::vector<ArrayPtr>{column}, &matches));
  EXPECT_EQ(matches.row_ids, (std::vector<int64_t>{1, 1, 3, 3, 4}));
}

// 1.0 and 1.00 are one key: a decimal's key is its value, of whatever width it is.
TEST(KeyedTableTest, DecimalKeysAreValues) {
  for (const auto& type : {arrow::decimal32(5, 2), arrow::decimal64(5, 2), arrow::decimal128(5, 2),
                           arrow::decimal256(5, 2)}) {
    const auto schema = arrow::schema({arrow::field("x", type), arrow::field("y", arrow::utf8())});
    auto table = KeyedTable::Make("t", schema, {0}).ValueOrDie();
    ASSERT_OK(table->Upsert(*Rows(schema, R"([["1.00", "a"], ["-2.50", "b"], ["1.00", "c"]])")));
    ASSERT_OK_AND_ASSIGN(const auto reader, table->OpenReader(kById));
    EXPECT_EQ(Found(*reader, type, R"(["-2.50", "2.50", "1.00"])"), "-2.50|b;1.00|c;");
    EXPECT_EQ(Found(*reader, arrow::decimal128(9, 1), R"(["-2.5", "2.5", "1.0", null])"),
              "-2.50|b;1.00|c;");
    EXPECT_EQ(Found(*reader, arrow::decimal256(50, 4), R"(["-2.5001", "1.0000", "99999999.0000"])"),
              "1.00|c;");
  }
}

TEST(KeyedTableTest, RowsThatAReaderSawStay) {
  auto table = Make();
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "old"], [2, "old"]])")));
  ASSERT_OK_AND_ASSIGN(const auto reader, table->OpenReader(kById));
  const auto scan = *table->Open({}, Everything(*table), Context());
  LookupMatches matches;
  ASSERT_OK(reader->Probe(std::vector<ArrayPtr>{FromJson(arrow::int64(), "[2, 1]")}, &matches));
  ASSERT_OK(table->Delete(*Rows(Ids(), "[[1]]")));
  for (int round = 0; round < 20; ++round) {
    ASSERT_OK(table->Upsert(*NumberedRows(Customers(), 2, 3000, "new")));
  }
  ASSERT_OK_AND_ASSIGN(const auto tiers,
                       reader->Gather(matches.row_ids, kByTier, arrow::default_memory_pool()));
  EXPECT_TRUE(tiers[0]->Equals(FromJson(arrow::utf8(), R"(["old", "old"])")));
  EXPECT_EQ(Drain(*scan, Everything(*table)), "1|old;2|old;");
  EXPECT_EQ(Found(*reader, arrow::int64(), "[1, 2]"), "2|new;");
}

TEST(KeyedTableTest, MemoryIsGivenBack) {
  auto budget = MemoryBudget::MakeRoot("session", int64_t{64} << 20);
  auto table = Make({.budget = budget});
  const int64_t empty = table->bytes();
  for (int round = 0; round < 30; ++round) {
    ASSERT_OK(table->Upsert(*NumberedRows(Customers(), 0, 20'000, "silver")));
    EXPECT_EQ(budget->used_bytes(), table->bytes());
  }
  // 8 bytes of number, 4 + 6 of text; an index.
  EXPECT_LT(table->bytes(), 20'000 * (18 + 18 / 2 + 16) + empty + 200'000);
  for (int64_t id = 0; id < 20'000; id += 1000) {
    ASSERT_OK(
        table->Delete(*NumberedRows(Customers(), id, 1000, "")->SelectColumns({0}).ValueOrDie()));
  }
  EXPECT_EQ(table->num_rows(), 0);
  EXPECT_LT(table->bytes(), empty + 400'000);
  EXPECT_EQ(budget->used_bytes(), table->bytes());
  table.reset();
  EXPECT_EQ(budget->used_bytes(), 0);
}

TEST(KeyedTableTest, OverItsBudgetATableKeepsWhatItHas) {
  auto budget = MemoryBudget::MakeRoot("session", int64_t{1} << 20);
  auto table = Make({.budget = budget});
  ASSERT_OK(table->Upsert(*NumberedRows(Customers(), 0, 5000, "silver")));
  const std::string before = ReadAll(*table);
  const Status refused = table->Upsert(*NumberedRows(Customers(), 1000, 60'000, "silver"));
  EXPECT_ERROR(refused, kMemoryLimit, "table customers");
  EXPECT_EQ(ReadAll(*table), before);
  ASSERT_OK(table->Upsert(*NumberedRows(Customers(), 4990, 20, "silver")));
  EXPECT_EQ(table->num_rows(), 5010);
}

TEST(KeyedTableTest, OldRowsExpire) {
  SimulatedClock clock(1'000'000);
  auto table = Make({.retention_micros = 6400, .clock = &clock});
  ASSERT_OK_AND_ASSIGN(const auto changes, table->Subscribe("", Context()));
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "a"], [2, "a"]])")));
  clock.AdvanceMicros(3200);
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[2, "b"], [3, "b"]])")));
  clock.AdvanceMicros(3200);
  EXPECT_EQ(ReadAll(*table), "1|a;2|b;3|b;") << "not a moment too early";
  clock.AdvanceMicros(100);
  EXPECT_EQ(ReadAll(*table), "2|b;3|b;");
  ASSERT_OK_AND_ASSIGN(const auto reader, table->OpenReader(kById));
  EXPECT_EQ(Found(*reader, arrow::int64(), "[1, 2]"), "2|b;");
  clock.AdvanceMicros(3200);
  ASSERT_OK(table->Expire());
  EXPECT_EQ(table->num_rows(), 0);
  EXPECT_EQ(Drain(*changes, Everything(*table), 1), "+1|a;+2|a;-2|a;+2|b;+3|b;-1|a;-2|b;-3|b;");
}

TEST(KeyedTableTest, LongTextsAndMixedPages) {
  auto table = Make();
  for (int64_t id = 0; id < 40; ++id) {
    const std::string text(static_cast<size_t>(id % 4 == 0 ? 700'000 : 3), 'x');
    ASSERT_OK(table->Upsert(*NumberedRows(Customers(), id, 1, text)));
  }
  for (int64_t id = 0; id < 40; id += 4) {
    ASSERT_OK(table->Upsert(*NumberedRows(Customers(), id, 1, "short")));
  }
  EXPECT_EQ(table->num_rows(), 40);
  EXPECT_LT(table->bytes(), 3'000'000);
  ASSERT_OK_AND_ASSIGN(const auto reader, table->OpenReader(kByTier));
  EXPECT_EQ(Found(*reader, arrow::utf8(), R"(["short"])"),
            "0|short;4|short;8|short;12|short;16|short;20|short;24|short;28|short;32|short;"
            "36|short;");
}

}  // namespace
}  // namespace headrace::connect_test
