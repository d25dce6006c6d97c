// KeyedTable beside a naive model: random operations over many types, and readers of all kinds on
// threads of their own while one writes.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <thread>

#include "headrace/base/rng.h"
#include "headrace/connect/memory/keyed_table.h"
#include "headrace/connect/memory/keyed_table_model.h"
#include "headrace/connect/test_read.h"

namespace headrace::connect_test {
namespace {

std::string RandomCell(const arrow::DataType& type, Rng& rng, uint64_t values) {
  const std::string number = std::to_string(rng.Below(values));
  switch (type.id()) {
    case arrow::Type::BOOL:
      return rng.Below(2) == 0 ? "true" : "false";
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return fmt::format(R"("{}{}")", std::string(rng.Below(9), 'x'), number);
    case arrow::Type::FIXED_SIZE_BINARY:
      return fmt::format(R"("{:05}")", rng.Below(values));
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256:
    case arrow::Type::DECIMAL64:
      return fmt::format(R"("{}.25")", number);
    case arrow::Type::INTERVAL_MONTH_DAY_NANO:
      return fmt::format("[1, 2, {}]", number);
    case arrow::Type::LIST:
      return fmt::format("[{}, null, 3]", number);
    case arrow::Type::STRUCT:
      return fmt::format(R"({{"a": {}, "b": null}})", number);
    case arrow::Type::NA:
      return "null";
    default:
      return number;
  }
}

// Keys of `key_columns`, the first columns, are never null.
std::shared_ptr<arrow::RecordBatch> RandomRows(const SchemaPtr& schema, size_t key_columns,
                                               int64_t count, uint64_t keys, Rng& rng) {
  std::string json = "[";
  for (int64_t i = 0; i < count; ++i) {
    json += i == 0 ? "[" : ",[";
    for (size_t c = 0; c < static_cast<size_t>(schema->num_fields()); ++c) {
      const arrow::DataType& type = *schema->field(static_cast<int>(c))->type();
      const bool is_null = c >= key_columns && rng.Below(6) == 0;
      json += c == 0 ? "" : ",";
      const uint64_t values = c < key_columns ? keys : c == key_columns ? 7 : 100'000;
      json += is_null ? "null" : RandomCell(type, rng, values);
    }
    json += "]";
  }
  return Rows(schema, json + "]");
}

std::string TextOfRow(const arrow::RecordBatch& rows, int64_t row) {
  std::string text;
  AppendRows(Batch::FromRecordBatch(rows).Slice(row, 1), &text);
  return text;
}

std::string CellOf(const std::string& row, size_t column) {
  size_t begin = 0;
  for (; column > 0; --column) begin = row.find('|', begin) + 1;
  return row.substr(begin, row.find_first_of("|;", begin) - begin);
}

std::string KeyOf(const std::string& row, size_t key_columns) {
  std::string key;
  for (size_t i = 0; i < key_columns; ++i) key += CellOf(row, i) + "|";
  return key;
}

class World {
 public:
  World(std::vector<TypePtr> key_types, uint64_t keys, uint64_t seed, bool spills)
      : spills_(spills), key_columns_(key_types.size()), keys_(keys), rng_(seed) {
    arrow::FieldVector fields;
    for (const TypePtr& type : key_types) {
      fields.push_back(arrow::field(fmt::format("k{}", fields.size()), type));
    }
    for (const TypePtr& type :
         {arrow::utf8(), arrow::int64(), arrow::boolean(), arrow::list(arrow::int32()),
          arrow::float64(), arrow::null(),
          arrow::struct_({arrow::field("a", arrow::int8()), arrow::field("b", arrow::utf8())}),
          arrow::dictionary(arrow::int32(), arrow::utf8()), arrow::decimal256(50, 2)}) {
      // An int8 or a dictionary takes what RandomCell has for 7 values.
      fields.push_back(arrow::field(fmt::format("v{}", fields.size()), type));
    }
    fields[key_columns_ + 6] = arrow::field(
        "s", arrow::struct_({arrow::field("a", arrow::int32()), arrow::field("b", arrow::utf8())}));
    fields[key_columns_ + 7] = arrow::field("d", arrow::binary());
    schema_ = arrow::schema(fields);
    std::vector<int> key;
    for (size_t i = 0; i < key_columns_; ++i) key.push_back(static_cast<int>(i));
    KeyedTableOptions options;
    if (spills) {
      options.budget = budget_;
      options.spill = spill_;
    }
    table_ = KeyedTable::Make("t", schema_, key, options).ValueOrDie();
    changes_ = table_->Subscribe("", Context()).ValueOrDie();
    MakeCopy();
  }

  void Step(int step) {
    LeaveRoom(static_cast<int64_t>(rng_.Below(2) == 0 ? 0 : rng_.Below(1'000'000)));
    switch (rng_.Below(11)) {
      case 0:
        return Delete();
      case 1:
        return Apply();
      case 2:
        return HoldScan();
      case 3:
        return HoldProbe();
      case 4:
        return Cut();
      default:
        Upsert(step);
    }
  }

  void Check() {
    ASSERT_EQ(ReadAll(*table_, Request()), model_.Text());
    ASSERT_EQ(table_->num_rows(), model_.num_rows());
    for (size_t i = 0; i < key_columns_ + 2; ++i) CheckProbe(i);
    Follow();
    CheckHeld();
    Cut();
    CheckCut();
  }

  int64_t bytes_on_disk() const { return table_->bytes_on_disk(); }
  int64_t num_small_cuts() const { return num_small_cuts_; }

 private:
  // Others take the memory but for `bytes`.
  void LeaveRoom(int64_t bytes) {
    others_.TryResize(0);
    others_.TryResize(std::max<int64_t>(kMemory - budget_->used_bytes() - bytes, 0));
  }
  // What is refused changes nothing and succeeds when there is room.
  void Write(const std::function<Status()>& write) {
    Status written = write();
    if (spills_ && KindOf(written) == ErrorKind::kMemoryLimit) {
      LeaveRoom(kMemory);
      written = write();
    }
    ASSERT_OK(written);
  }

  ScanRequest Request() {
    ScanRequest request = Everything(*table_);
    request.batch_rows = 1 + static_cast<int64_t>(rng_.Below(5000));
    request.batch_bytes = 1 + static_cast<int64_t>(rng_.Below(1'000'000));
    return request;
  }

  std::shared_ptr<arrow::RecordBatch> SomeRows(int64_t count) {
    return RandomRows(schema_, key_columns_, count, keys_, rng_);
  }

  void Upsert(int step) {
    const auto rows = SomeRows(static_cast<int64_t>(step % 8 == 0 ? 2000 : rng_.Below(100)));
    Write([&] { return table_->Upsert(*rows); });
    for (int64_t i = 0; i < rows->num_rows(); ++i) Put(TextOfRow(*rows, i));
  }

  void Delete() {
    const auto rows = SomeRows(static_cast<int64_t>(rng_.Below(keys_)));
    std::vector<int> key;
    for (size_t i = 0; i < key_columns_; ++i) key.push_back(static_cast<int>(i));
    ASSERT_OK(table_->Delete(*rows->SelectColumns(key).ValueOrDie()));
    for (int64_t i = 0; i < rows->num_rows(); ++i) {
      model_.Delete(KeyOf(TextOfRow(*rows, i), key_columns_));
    }
  }

  void Apply() {
    const auto rows = SomeRows(static_cast<int64_t>(rng_.Below(200)));
    std::string signs = "[";
    for (int64_t i = 0; i < rows->num_rows(); ++i) {
      const bool is_given = rng_.Below(2) == 0;
      signs += fmt::format("{}{}", i == 0 ? "" : ",", is_given ? 1 : -1);
      const std::string row = TextOfRow(*rows, i);
      is_given ? Put(row) : model_.Delete(KeyOf(row, key_columns_));
    }
    Write([&] { return table_->Apply(*rows, FromJson(arrow::int8(), signs + "]")); });
  }

  void Put(const std::string& row) { model_.Put(KeyOf(row, key_columns_), row); }

  // What `reader` finds for the rows' column.
  std::string Probe(LookupReader& reader, const ArrayPtr& keys, LookupMatches* matches) {
    EXPECT_OK(reader.Probe(std::vector<ArrayPtr>{keys}, matches));
    return Gather(reader, *matches);
  }
  std::string Gather(LookupReader& reader, const LookupMatches& matches) {
    auto columns = reader.Gather(matches.row_ids, Everything(*table_).projection,
                                 arrow::default_memory_pool());
    EXPECT_OK(columns.status());
    for (const ArrayPtr& column : *columns) EXPECT_OK(column->ValidateFull());
    std::string text;
    AppendRows(Batch(*columns, std::ssize(matches.row_ids)), &text);
    return text;
  }

  void CheckProbe(size_t column) {
    const std::vector<int> columns = {static_cast<int>(column)};
    const auto reader = OpenReader(columns);
    const auto rows = SomeRows(100);
    const ArrayPtr keys = rows->column(static_cast<int>(column));
    std::string expected;
    for (int64_t i = 0; i < rows->num_rows(); ++i) {
      if (keys->IsNull(i)) continue;
      const std::string wanted = CellOf(TextOfRow(*rows, i), column);
      if (const auto at = expected_.find(wanted); at != expected_.end()) {
        expected += at->second;
        continue;
      }
      expected_[wanted] =
          model_.TextOf([&](const std::string& row) { return CellOf(row, column) == wanted; });
      expected += expected_[wanted];
    }
    expected_.clear();
    LookupMatches matches;
    ASSERT_EQ(Probe(*reader, keys, &matches), expected) << "column " << column;
    ASSERT_TRUE(std::is_sorted(matches.probe_rows.begin(), matches.probe_rows.end()));
  }

  std::unique_ptr<LookupReader> OpenReader(const std::vector<int>& columns) {
    std::unique_ptr<LookupReader> reader;
    Write([&]() -> Status {
      ARROW_ASSIGN_OR_RAISE(reader, table_->OpenReader(columns));
      return Status::OK();
    });
    return reader;
  }

  void HoldScan() {
    scans_.emplace_back(table_->Open({}, Request(), Context()).ValueOrDie(), model_.Text());
  }

  void HoldProbe() {
    const std::vector<int> columns = {static_cast<int>(rng_.Below(key_columns_ + 1))};
    Held held{.reader = OpenReader(columns), .matches = {}, .text = {}};
    held.text = Probe(*held.reader, SomeRows(50)->column(columns[0]), &held.matches);
    held_.push_back(std::move(held));
  }

  // What was seen before is seen still.
  void CheckHeld() {
    for (const auto& [scan, text] : scans_) ASSERT_EQ(Drain(*scan, Everything(*table_)), text);
    for (const Held& held : held_) ASSERT_EQ(Gather(*held.reader, held.matches), held.text);
    if (rng_.Below(2) == 0) held_.clear();
    scans_.clear();
  }

  // The changes fold to the rows.
  void Follow() {
    while (true) {
      ReadResult read = changes_->Next().ValueOrDie();
      if (!std::holds_alternative<Batch>(read)) break;
      const Batch& batch = std::get<Batch>(read);
      const auto& signs = static_cast<const arrow::Int8Array&>(*batch.change());
      for (int64_t i = 0; i < batch.num_rows(); ++i) {
        std::string row;
        AppendRows(batch.Slice(i, 1), &row);
        row.erase(0, 1);
        const int64_t count = folded_[row] += signs.Value(i);
        ASSERT_GE(count, 0) << row;
        if (count == 0) folded_.erase(row);
      }
    }
    std::string text;
    for (const auto& [row, count] : folded_) {
      for (int64_t i = 0; i < count; ++i) text += row;
    }
    std::vector<std::string> rows;
    model_.TextOf([&](const std::string& row) { return rows.push_back(row), false; });
    std::sort(rows.begin(), rows.end());
    std::string expected;
    for (const std::string& row : rows) expected += row;
    ASSERT_EQ(text, expected);
  }

  // Each is read when the table has gone on.
  void Cut() {
    CheckCut();
    const auto most = static_cast<int64_t>(rng_.Below(3) == 0 ? rng_.Below(500) : 100'000);
    auto cut = table_->Cut(most);
    ASSERT_OK(cut.status());
    ASSERT_TRUE(cut->since < 0 || cut->num_read <= most);
    ASSERT_EQ(cut->num_rows, model_.num_rows());
    cut_ = *std::move(cut);
    text_of_cut_ = model_.Text();
  }

  // What the cuts have makes the table anew.
  void CheckCut() {
    if (cut_.rows == nullptr) return;
    if (cut_.since < 0) MakeCopy();
    ASSERT_TRUE(cut_.since < 0 || cut_.since == copied_changes_);
    int64_t num_read = 0;
    const auto apply = [&](SplitReader& reader, const SchemaPtr& schema, const auto& call) {
      while (true) {
        const ReadResult read = reader.Next().ValueOrDie();
        const auto* batch = std::get_if<Batch>(&read);
        if (batch == nullptr) return;
        num_read += batch->num_rows();
        ASSERT_OK(call(*batch->ToRecordBatch(schema)));
      }
    };
    const auto key = arrow::schema(
        arrow::FieldVector(schema_->fields().begin(),
                           schema_->fields().begin() + static_cast<std::ptrdiff_t>(key_columns_)));
    apply(*cut_.deleted, key, [&](const auto& keys) { return copy_->Delete(keys); });
    apply(*cut_.rows, table_->schema(), [&](const auto& rows) { return copy_->Upsert(rows); });
    ASSERT_EQ(num_read, cut_.num_read);
    ASSERT_EQ(ReadAll(*copy_), text_of_cut_);
    copied_changes_ = cut_.changes;
    num_small_cuts_ += cut_.since < 0 ? 0 : 1;
    cut_ = {};
  }

  void MakeCopy() { copy_ = KeyedTable::Make("copy", schema_, table_->key()).ValueOrDie(); }

  struct Held {
    std::unique_ptr<LookupReader> reader;
    LookupMatches matches;
    std::string text;
  };
  static constexpr int64_t kMemory = int64_t{64} << 20;
  const bool spills_;
  const std::shared_ptr<MemoryBudget> budget_ = MemoryBudget::MakeRoot("test", kMemory);
  Reservation others_{budget_};
  const std::shared_ptr<SpillSpace> spill_ =
      SpillSpace::Make(testing::TempDir(), int64_t{1} << 30).ValueOrDie();
  const size_t key_columns_;
  const uint64_t keys_;
  Rng rng_;
  SchemaPtr schema_;
  std::shared_ptr<KeyedTable> table_;
  TableModel model_;
  std::map<std::string, std::string> expected_;
  std::vector<std::pair<std::unique_ptr<SplitReader>, std::string>> scans_;
  std::vector<Held> held_;
  std::unique_ptr<SplitReader> changes_;
  std::map<std::string, int64_t> folded_;
  std::shared_ptr<KeyedTable> copy_;  // made from cuts
  TableCut cut_;                      // that it has not yet, if it has rows
  std::string text_of_cut_;
  int64_t copied_changes_ = 0;
  int64_t num_small_cuts_ = 0;
};

// Gives the bytes on disk at the ends.
int64_t RunWorlds(bool spills, int steps) {
  int64_t on_disk = 0;
  const std::vector<std::vector<TypePtr>> keys = {
      {arrow::int64()},
      {arrow::utf8()},
      {arrow::int32(), arrow::utf8()},
      {arrow::decimal128(20, 2), arrow::int16(), arrow::binary()},
      {arrow::float64()},
      {arrow::fixed_size_binary(5)},
      {arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), arrow::boolean()},
      {arrow::month_day_nano_interval()},
      {arrow::decimal64(15, 2)},
      {arrow::uint32()}};
  for (size_t i = 0; i < keys.size(); ++i) {
    const uint64_t count = i % 3 == 0 ? 2000 : i % 3 == 1 ? 20 : 300;
    SCOPED_TRACE(fmt::format("keys {}, {} of them", i, count));
    World world(keys[i], count, i, spills);
    for (int step = 0; step < steps; ++step) {
      world.Step(step);
      if (step % 10 == 9) world.Check();
      if (testing::Test::HasFatalFailure()) return 0;
    }
    on_disk += world.bytes_on_disk();
    EXPECT_GT(world.num_small_cuts(), 0);
  }
  return on_disk;
}

TEST(KeyedTableRandomTest, AgreesWithTheModel) { RunWorlds(false, 30); }

TEST(KeyedTableRandomTest, AgreesWithTheModelOnDisk) { EXPECT_GT(RunWorlds(true, 40), 0); }

// ---- Threads ----

constexpr uint64_t kIds = 3000;

SchemaPtr Versions() {
  return arrow::schema({arrow::field("id", arrow::int64()), arrow::field("part", arrow::int64()),
                        arrow::field("text", arrow::utf8())});
}

// Rows whose text tells their other cells.
std::shared_ptr<arrow::RecordBatch> VersionsOf(Rng& rng, int64_t count) {
  arrow::Int64Builder ids;
  arrow::Int64Builder parts;
  arrow::StringBuilder texts;
  for (int64_t i = 0; i < count; ++i) {
    const auto id = static_cast<int64_t>(rng.Below(kIds));
    const auto part = static_cast<int64_t>(rng.Below(10));
    EXPECT_OK(ids.Append(id));
    EXPECT_OK(parts.Append(part));
    EXPECT_OK(texts.Append(fmt::format("{}|{}", id, part)));
  }
  return arrow::RecordBatch::Make(Versions(), count,
                                  {*ids.Finish(), *parts.Finish(), *texts.Finish()});
}

void ExpectWhole(const std::vector<ArrayPtr>& columns) {
  const auto& ids = static_cast<const arrow::Int64Array&>(*columns[0]);
  const auto& parts = static_cast<const arrow::Int64Array&>(*columns[1]);
  const auto& texts = static_cast<const arrow::StringArray&>(*columns[2]);
  for (int64_t i = 0; i < ids.length(); ++i) {
    ASSERT_EQ(texts.GetString(i), fmt::format("{}|{}", ids.Value(i), parts.Value(i)));
  }
}

void LookUp(KeyedTable& table, int column, uint64_t seed, const std::atomic<bool>& done) {
  Rng rng(seed);
  const std::vector<int> columns = {0, 1, 2};
  const auto reader = table.OpenReader(std::vector<int>{column}).ValueOrDie();
  do {
    const auto rows = VersionsOf(rng, column == 0 ? 500 : 3);
    const auto& keys = static_cast<const arrow::Int64Array&>(*rows->column(column));
    LookupMatches matches;
    ASSERT_OK(reader->Probe(std::vector<ArrayPtr>{rows->column(column)}, &matches));
    std::this_thread::yield();
    const auto gathered =
        reader->Gather(matches.row_ids, columns, arrow::default_memory_pool()).ValueOrDie();
    ExpectWhole(gathered);
    const auto& found =
        static_cast<const arrow::Int64Array&>(*gathered[static_cast<size_t>(column)]);
    for (int64_t i = 0; i < found.length(); ++i) {
      const uint32_t probe = matches.probe_rows[static_cast<size_t>(i)];
      ASSERT_EQ(found.Value(i), keys.Value(probe)) << "the state that the probe saw";
    }
  } while (!done);
}

void ScanAgain(KeyedTable& table, const std::atomic<bool>& done) {
  do {
    ScanRequest request = Everything(table);
    request.batch_rows = 700;
    const auto reader = table.Open({}, request, Context()).ValueOrDie();
    std::vector<bool> seen(kIds, false);
    while (true) {
      const ReadResult read = *reader->Next();
      if (!std::holds_alternative<Batch>(read)) break;
      const Batch& batch = std::get<Batch>(read);
      ExpectWhole(batch.columns());
      const auto& ids = static_cast<const arrow::Int64Array&>(*batch.column(0));
      for (int64_t i = 0; i < ids.length(); ++i) {
        ASSERT_FALSE(seen[static_cast<size_t>(ids.Value(i))]) << "a key twice in one state";
        seen[static_cast<size_t>(ids.Value(i))] = true;
      }
    }
  } while (!done);
}

void Fold(KeyedTable& table, std::map<std::string, int64_t>* folded) {
  const auto reader = table.Subscribe("", Context()).ValueOrDie();
  while (true) {
    const ReadResult read = *reader->Next();
    if (std::holds_alternative<EndOfSplit>(read)) return;
    if (std::holds_alternative<Pending>(read)) {
      std::this_thread::yield();
      continue;
    }
    const Batch& batch = std::get<Batch>(read);
    ExpectWhole(batch.columns());
    const auto& signs = static_cast<const arrow::Int8Array&>(*batch.change());
    for (int64_t i = 0; i < batch.num_rows(); ++i) {
      const auto& texts = static_cast<const arrow::StringArray&>(*batch.column(2));
      if (((*folded)[texts.GetString(i)] += signs.Value(i)) == 0) {
        folded->erase(texts.GetString(i));
      }
    }
  }
}

TEST(KeyedTableThreadsTest, ReadersSeeWholeStatesWhileOneWrites) {
  auto table = KeyedTable::Make("versions", Versions(), {0}).ValueOrDie();
  std::atomic<bool> done{false};
  std::map<std::string, int64_t> folded;
  std::vector<std::thread> readers;
  readers.emplace_back([&] { LookUp(*table, 0, 1, done); });
  readers.emplace_back([&] { LookUp(*table, 0, 2, done); });
  readers.emplace_back([&] { LookUp(*table, 1, 3, done); });
  readers.emplace_back([&] { ScanAgain(*table, done); });
  readers.emplace_back([&] { Fold(*table, &folded); });
  std::vector<std::thread> writers;
  for (uint64_t seed : {7, 8}) {
    writers.emplace_back([&, seed] {
      Rng rng(seed);
      for (int i = 0; i < 150; ++i) {
        const auto rows = VersionsOf(rng, 1 + static_cast<int64_t>(rng.Below(600)));
        if (rng.Below(4) == 0) {
          EXPECT_OK(table->Delete(*rows->SelectColumns({0}).ValueOrDie()));
        } else {
          EXPECT_OK(table->Upsert(*rows));
        }
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  table->CloseChanges();
  done = true;
  for (std::thread& reader : readers) reader.join();
  ScanRequest request = Everything(*table);
  request.projection = {2};
  std::string expected;
  for (const auto& [row, count] : folded) {
    EXPECT_EQ(count, 1) << row;
    expected += row + ";";
  }
  std::string all = ReadAll(*table, request);
  std::vector<std::string> rows;
  for (size_t begin = 0; begin < all.size(); begin = all.find(';', begin) + 1) {
    rows.push_back(all.substr(begin, all.find(';', begin) + 1 - begin));
  }
  std::sort(rows.begin(), rows.end(), [](const std::string& left, const std::string& right) {
    return left.substr(0, left.size() - 1) < right.substr(0, right.size() - 1);
  });
  all.clear();
  for (const std::string& row : rows) all += row;
  EXPECT_EQ(all, expected);
}

}  // namespace
}  // namespace headrace::connect_test
