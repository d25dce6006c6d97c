// What a KeyedTable holds in memory, and tables that are larger than what they may hold.
#include <gtest/gtest.h>

#include "arrow/array/builder_nested.h"
#include "arrow/compute/cast.h"
#include "arrow/compute/initialize.h"
#include "arrow/memory_pool.h"
#include "headrace/base/rng.h"
#include "headrace/connect/memory/keyed_table.h"
#include "headrace/connect/memory/keyed_table_model.h"
#include "headrace/connect/test_read.h"

namespace headrace::connect_test {
namespace {

struct Shape {
  const char* name;
  std::vector<TypePtr> types;    // the first is the key
  std::vector<int> other_index;  // none: there is no other index
};

int64_t TextLength(int64_t row, int column) { return 1 + (row * 7 + column) % 23; }

// Distinct values; a column behind the key has a null in every tenth row.
ArrayPtr ColumnOf(const TypePtr& type, int column, int64_t first, int64_t count) {
  const auto is_null = [&](int64_t row) { return column > 0 && (row + column) % 10 == 0; };
  if (type->id() == arrow::Type::STRING) {
    arrow::StringBuilder texts;
    for (int64_t row = first; row < first + count; ++row) {
      const std::string text = fmt::format(
          "{:010}{}", row, std::string(static_cast<size_t>(TextLength(row, column)), 'x'));
      EXPECT_OK(is_null(row) ? texts.AppendNull() : texts.Append(text));
    }
    return *texts.Finish();
  }
  arrow::Int64Builder numbers;
  for (int64_t row = first; row < first + count; ++row) {
    EXPECT_OK(is_null(row) ? numbers.AppendNull() : numbers.Append(row));
  }
  const ArrayPtr made = *numbers.Finish();
  if (type->id() == arrow::Type::INT64) return made;
  return arrow::compute::Cast(*made, type, arrow::compute::CastOptions::Unsafe()).ValueOrDie();
}

std::shared_ptr<arrow::RecordBatch> RowsOf(const SchemaPtr& schema, int64_t first, int64_t count) {
  std::vector<ArrayPtr> columns;
  for (int i = 0; i < schema->num_fields(); ++i) {
    columns.push_back(ColumnOf(schema->field(i)->type(), i, first, count));
  }
  return arrow::RecordBatch::Make(schema, count, columns);
}

// Values, offsets and texts, and the bits of columns with nulls, of these rows alone.
int64_t RawBytes(const arrow::RecordBatch& rows) {
  int64_t bytes = 0;
  for (const ArrayPtr& column : rows.columns()) {
    const int64_t count = column->length();
    if (column->null_count() > 0) bytes += count / 8;
    if (column->type_id() == arrow::Type::STRING) {
      const auto& texts = static_cast<const arrow::StringArray&>(*column);
      bytes += 4 * count + texts.total_values_length();
    } else {
      bytes += count * static_cast<const arrow::FixedWidthType&>(*column->type()).bit_width() / 8;
    }
  }
  return bytes;
}

TEST(KeyedTableMemoryTest, RawBytesAndSixteenPerRowAndIndex) {
  const TypePtr number = arrow::int64();
  const TypePtr text = arrow::utf8();
  const std::vector<Shape> shapes = {
      {"one number", {number}, {}},
      {"a number and a text", {number, text}, {}},
      {"a text and numbers", {text, number, arrow::float64(), arrow::int32()}, {}},
      {"small columns", {arrow::int32(), arrow::int8(), arrow::int16(), arrow::boolean()}, {}},
      {"texts alone", {text, text, text}, {}},
      {"two indexes", {number, text, number}, {2}},
      {"two indexes of texts", {text, text}, {1}},
      {"decimals", {number, arrow::decimal128(25, 2), arrow::decimal128(38, 4)}, {}},
  };
  constexpr int64_t kRows = 300'000;
  constexpr int64_t kBatch = 10'000;
  for (const Shape& shape : shapes) {
    SCOPED_TRACE(shape.name);
    arrow::FieldVector fields;
    for (const TypePtr& type : shape.types) {
      fields.push_back(arrow::field(fmt::format("c{}", fields.size()), type));
    }
    const SchemaPtr schema = arrow::schema(fields);
    arrow::ProxyMemoryPool pool(arrow::system_memory_pool());
    KeyedTableOptions options;
    options.pool = &pool;
    const auto table = KeyedTable::Make("t", schema, {0}, options).ValueOrDie();
    if (!shape.other_index.empty()) {
      ASSERT_OK(table->OpenReader(shape.other_index).status());
    }
    const int64_t empty = table->bytes();
    const int64_t indexes = shape.other_index.empty() ? 1 : 2;
    // A page that fills, and in an index what growing leaves where a part is young.
    const int64_t slack = 400'000;
    int64_t raw = 0;
    for (int64_t row = 0; row < kRows; row += kBatch) {
      const auto rows = RowsOf(schema, row, kBatch);
      raw += RawBytes(*rows);
      ASSERT_OK(table->Upsert(*rows));
      ASSERT_LE(table->bytes() - empty, raw + 16 * indexes * table->num_rows() + slack);
      ASSERT_GE(table->bytes(), pool.bytes_allocated());
    }
    // Written anew, one by one and in pieces, it is no larger, but for rows that are dead.
    for (int64_t row = 0; row < kRows; row += kBatch) {
      ASSERT_OK(table->Upsert(*RowsOf(schema, row, kBatch)));
    }
    EXPECT_EQ(table->num_rows(), kRows);
    EXPECT_LE(table->bytes() - empty, raw + 16 * indexes * kRows + slack);
  }
}

// ---- More than the memory ----

constexpr int64_t kRows = 200'000;
constexpr int64_t kBatch = 5'000;
constexpr int64_t kMemory = int64_t{3} << 20;  // a tenth of the table; less than its indexes

SchemaPtr Wide() {
  return arrow::schema({arrow::field("id", arrow::int64()), arrow::field("text", arrow::utf8()),
                        arrow::field("group", arrow::int64()),
                        arrow::field("list", arrow::list(arrow::int64()))});
}

// Rows whose version and id tell all cells.
std::shared_ptr<arrow::RecordBatch> Versions(int64_t first, int64_t step, int64_t count,
                                             int64_t version) {
  arrow::Int64Builder ids;
  arrow::StringBuilder texts;
  arrow::Int64Builder groups;
  auto items = std::make_shared<arrow::Int64Builder>();
  arrow::ListBuilder lists(arrow::default_memory_pool(), items);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t id = first + i * step;
    EXPECT_OK(ids.Append(id));
    EXPECT_OK(texts.Append(fmt::format("{:->60}/{}", id, version)));
    EXPECT_OK(groups.Append(id / 10));
    EXPECT_OK(lists.Append());
    EXPECT_OK(items->AppendValues({id, version}));
  }
  return arrow::RecordBatch::Make(
      Wide(), count, {*ids.Finish(), *texts.Finish(), *groups.Finish(), *lists.Finish()});
}

class LargeTable : public testing::Test {
 protected:
  void SetUp() override {
    space_ = SpillSpace::Make(testing::TempDir(), int64_t{1} << 30).ValueOrDie();
    KeyedTableOptions options;
    options.budget = budget_;
    options.spill = space_;
    table_ = KeyedTable::Make("t", Wide(), {0}, options).ValueOrDie();
    for (int64_t row = 0; row < kRows; row += kBatch) {
      ASSERT_OK(table_->Upsert(*Versions(row, 1, kBatch, 0)));
    }
  }

  static int64_t VersionOf(int64_t id) { return id % 3 == 0 ? 1 : 0; }
  void ExpectRows(const std::vector<ArrayPtr>& columns, const std::vector<int64_t>& ids) {
    for (const ArrayPtr& column : columns) ASSERT_OK(column->ValidateFull());
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto expected = Versions(ids[i], 1, 1, VersionOf(ids[i]));
      for (size_t c = 0; c < columns.size(); ++c) {
        ASSERT_TRUE(columns[c]
                        ->Slice(static_cast<int64_t>(i), 1)
                        ->Equals(expected->column(static_cast<int>(c))))
            << "id " << ids[i] << ", column " << c;
      }
    }
  }

  const std::shared_ptr<MemoryBudget> budget_ = MemoryBudget::MakeRoot("test", kMemory);
  std::shared_ptr<SpillSpace> space_;
  std::shared_ptr<KeyedTable> table_;
};

TEST_F(LargeTable, IsReadAndWrittenAsOneInMemory) {
  EXPECT_GT(table_->bytes_on_disk(), 4 * kMemory);
  EXPECT_LE(table_->bytes(), kMemory);
  const std::vector<int> by_group = {2};
  const auto groups = table_->OpenReader(by_group).ValueOrDie();
  for (int64_t row = 0; row < kRows; row += 3 * kBatch) {
    const int64_t count = std::min(kBatch, (kRows - row + 2) / 3);
    ASSERT_OK(table_->Upsert(*Versions(row, 3, count, 1)));
  }
  EXPECT_EQ(table_->num_rows(), kRows);
  EXPECT_LE(budget_->peak_bytes(), kMemory);
  Rng rng(3);
  std::vector<int64_t> ids;
  arrow::Int64Builder probes;
  for (int i = 0; i < 3000; ++i) {
    ids.push_back(static_cast<int64_t>(rng.Below(kRows)));
    ASSERT_OK(probes.Append(ids.back()));
  }
  const auto reader = table_->OpenReader(std::vector<int>{0}).ValueOrDie();
  LookupMatches matches;
  ASSERT_OK(reader->Probe(std::vector<ArrayPtr>{*probes.Finish()}, &matches));
  ASSERT_EQ(matches.row_ids.size(), ids.size());
  const std::vector<int> all = {0, 1, 2, 3};
  ASSERT_OK_AND_ASSIGN(const auto found,
                       reader->Gather(matches.row_ids, all, arrow::default_memory_pool()));
  ExpectRows(found, ids);
  const std::vector<ArrayPtr> group = {FromJson(arrow::int64(), "[777, 888888888]")};
  ASSERT_OK(groups->Probe(group, &matches));
  EXPECT_EQ(matches.row_ids.size(), 10U);
}

TEST_F(LargeTable, GivesItsDiskBack) {
  const int64_t before = table_->bytes_on_disk();
  EXPECT_EQ(space_->used_bytes(), before);
  for (int64_t row = 0; row < kRows; row += kBatch) {
    ASSERT_OK(table_->Delete(*Versions(row, 1, kBatch, 0)->SelectColumns({0}).ValueOrDie()));
  }
  EXPECT_EQ(table_->num_rows(), 0);
  EXPECT_LE(table_->bytes_on_disk(), before / 2);
  table_.reset();
  EXPECT_EQ(space_->used_bytes(), 0);
  EXPECT_EQ(budget_->used_bytes(), 0);
}

TEST_F(LargeTable, WithoutRoomOnDiskIsRefusedAndKeepsItsRows) {
  const std::shared_ptr<SpillSpace> small =
      SpillSpace::Make(testing::TempDir(), int64_t{2} << 20).ValueOrDie();
  KeyedTableOptions options;
  options.budget = MemoryBudget::MakeRoot("test", kMemory);
  options.spill = small;
  const auto table = KeyedTable::Make("t", Wide(), {0}, options).ValueOrDie();
  Status status;
  int64_t rows = 0;
  while (status.ok() && rows < kRows) {
    status = table->Upsert(*Versions(rows, 1, kBatch, 0));
    rows += status.ok() ? kBatch : 0;
  }
  EXPECT_EQ(KindOf(status), ErrorKind::kMemoryLimit);
  EXPECT_NE(status.message().find("spill_limit"), std::string::npos) << status.message();
  EXPECT_EQ(table->num_rows(), rows);
  EXPECT_OK(table->Delete(*Versions(0, 1, kBatch, 0)->SelectColumns({0}).ValueOrDie()));
  EXPECT_EQ(table->num_rows(), rows - kBatch);
}

}  // namespace
}  // namespace headrace::connect_test
