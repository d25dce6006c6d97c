// Every type through every format: what is written comes back with the same type, values and nulls,
// whatever the representation of the batches – offset slices, dictionaries of their own.
#include <gtest/gtest.h>

#include "arrow/array/concatenate.h"
#include "arrow/array/util.h"
#include "headrace/format/test_files.h"
#include "headrace/types/type_table.h"

namespace headrace::format_test {
namespace {

struct Column {
  const char* name;
  TypePtr type;
  const char* json;  // at least three values
  bool parquet = true;
  bool csv = true;
};

const std::vector<Column>& AllColumns() {
  using namespace arrow;  // NOLINT: type names
  static const auto* columns = new std::vector<Column>{
      {"boolean", boolean(), "[true, null, false]"},
      {"int8", int8(), "[-128, null, 127]"},
      {"int16", int16(), "[-32768, null, 32767]"},
      {"int32", int32(), "[-2147483648, null, 2147483647]"},
      {"int64", int64(), "[-9223372036854775808, null, 9223372036854775807]"},
      {"uint8", uint8(), "[0, null, 255]"},
      {"uint16", uint16(), "[0, null, 65535]"},
      {"uint32", uint32(), "[0, null, 4294967295]"},
      {"uint64", uint64(), "[0, null, 18446744073709551615]"},
      {"half_float", float16(), "[0.5, null, -65504]"},
      {"float", float32(), "[0.1, null, -3.4028235e38, 1e-45]"},
      {"double", float64(), "[0.1, null, -1.7976931348623157e308, 5e-324, -0.0]"},
      {"decimal128", decimal128(38, 10),
       R"(["1.0000000001", null, "-9999999999999999999999999999.0000000000"])"},
      {"decimal256", decimal256(60, 2), R"(["1.01", null, "-9999999999999999999999999999.99"])"},
      {"date32", date32(), "[0, null, -719162, 20000]"},
      {"date64", date64(), "[0, null, -86400000, 1728000000000]"},
      {"time32_s", time32(TimeUnit::SECOND), "[0, null, 86399]"},
      {"time32_ms", time32(TimeUnit::MILLI), "[0, null, 86399999]"},
      {"time64_us", time64(TimeUnit::MICRO), "[0, null, 86399999999]"},
      {"time64_ns", time64(TimeUnit::NANO), "[0, null, 86399999999999]"},
      {"timestamp_s", timestamp(TimeUnit::SECOND), "[0, null, -1, 4102444800]"},
      {"timestamp_ms", timestamp(TimeUnit::MILLI), "[0, null, -1, 4102444800123]"},
      {"timestamp_us", timestamp(TimeUnit::MICRO), "[0, null, -1, 4102444800123456]"},
      {"timestamp_ns", timestamp(TimeUnit::NANO), "[0, null, -1, 4102444800123456789]"},
      {"timestamp_utc", timestamp(TimeUnit::MICRO, "UTC"), "[0, null, 1357016400000000]"},
      {"timestamp_zone", timestamp(TimeUnit::SECOND, "America/New_York"), "[0, null, 1357016400]"},
      {"duration_s", duration(TimeUnit::SECOND), "[0, null, -90061]"},
      {"duration_ns", duration(TimeUnit::NANO), "[0, null, 9223372036854775807]"},
      {"utf8", utf8(), R"(["", null, "a,b\n\"é\""])"},
      {"large_utf8", large_utf8(), R"(["", null, "a,b\n\"é\""])"},
      {"string_view", utf8_view(), R"(["", null, "longer than twelve bytes"])"},
      {"binary", binary(), R"(["", null, "bytes"])"},
      {"large_binary", large_binary(), R"(["", null, "bytes"])"},
      {"binary_view", binary_view(), R"(["", null, "longer than twelve bytes"])"},
      {"fixed_size_binary", fixed_size_binary(3), R"(["abc", null, "xyz"])"},
      {"null", null(), "[null, null, null]"},
      {"list", list(int32()), "[[1, null], null, []]", true, false},
      {"list_of_text", list(utf8()), R"([["a", null], null, []])", true, false},
      {"large_list", large_list(int32()), "[[1, null], null, []]", true, false},
      {"fixed_size_list", fixed_size_list(float64(), 2), "[[1, 2], [null, 3], [4, 5]]", true,
       false},
      {"struct", struct_({field("a", int64()), field("b", utf8())}),
       R"([{"a": 1, "b": "x"}, null, {"a": null, "b": null}])", true, false},
      {"map", map(utf8(), int64()), R"([[["a", 1], ["b", null]], null, []])", true, false},
      {"nested",
       list(struct_({field("a", list(decimal128(9, 2))), field("b", map(int32(), utf8()))})),
       R"([[{"a": ["1.25", null], "b": [[1, "x"]]}, null], null, []])", true, false},
      {"nested_seconds", list(struct_({field("t", timestamp(TimeUnit::SECOND))})),
       R"([[{"t": 5}, null], null, []])", true, false},
      {"dictionary_text", dictionary(int32(), utf8()), R"(["a", null, "b", "a"])"},
      {"dictionary_ordered", dictionary(int32(), utf8(), true), R"(["a", null, "b"])"},
      {"dictionary_wide_codes", dictionary(int64(), utf8()), R"(["a", null, "b", "a"])"},
      {"dictionary_integer", dictionary(int32(), int64()), "[7, null, -7]"},
      {"dictionary_decimal", dictionary(int32(), decimal128(9, 2)), R"(["1.25", null, "2.50"])"},
      {"list_of_dictionary", list(dictionary(int32(), utf8())), R"([["a", null], null, ["b"]])",
       true, false},
      {"month_interval", month_interval(), "[1, null, -3]", false, false},
      {"list_view", list_view(int32()), "[[1, null], null, []]", true, false},
  };
  return *columns;
}

struct Case {
  const char* path;
  Column column;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.path << " " << c.column.name; }

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const Column& column : AllColumns()) {
    cases.push_back({"/t.parquet", column});
    cases.push_back({"/t.arrow", column});
    // Written as text for people; no type reads them back.
    if (column.type->id() == arrow::Type::INTERVAL_MONTHS) continue;
    cases.push_back({"/t.csv", column});
    // Of the nested types, JSON can spell lists, structs and maps with keys of text.
    const std::string_view name = column.name;
    if (name == "fixed_size_list" || name == "list_view" || name == "nested") continue;
    cases.push_back({"/t.json", column});
  }
  return cases;
}

bool CanHold(const Case& c) {
  const std::string_view path = c.path;
  return path.ends_with("arrow") || path.ends_with("json") ||
         (path.ends_with("csv") ? c.column.csv : c.column.parquet);
}

class RoundTripTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const Column& column = GetParam().column;
    schema_ = arrow::schema({arrow::field("k", arrow::int64()), arrow::field("v", column.type)});
    values_ = FromJson(column.type, column.json);
  }

  RecordBatchPtr BatchOf(const ArrayPtr& values) {
    std::string keys;
    for (int64_t i = 0; i < values->length(); ++i) keys += fmt::format("{}{}", i > 0 ? "," : "", i);
    return arrow::RecordBatch::Make(schema_, values->length(),
                                    {FromJson(arrow::int64(), "[" + keys + "]"), values});
  }

  /// Text has no types: they are given.
  bool IsText() const {
    const std::string_view path = GetParam().path;
    return path.ends_with("csv") || path.ends_with("json");
  }
  OptionMap ReadOptions() const {
    if (!IsText()) return {};
    return {{"columns", "k BIGINT, v " + SqlNameOf(*PlainType(GetParam().column.type))}};
  }

  /// Zones are not part of text, nor are encodings.
  SchemaPtr ReadSchema() const {
    if (!IsText()) return schema_;
    TypePtr type = PlainType(GetParam().column.type);
    if (type->id() == arrow::Type::TIMESTAMP) {
      const auto& timestamp = static_cast<const arrow::TimestampType&>(*type);
      if (!timestamp.timezone().empty()) type = arrow::timestamp(timestamp.unit(), "UTC");
    }
    return arrow::schema({schema_->field(0), schema_->field(1)->WithType(type)});
  }

  std::unique_ptr<Vfs> vfs_ = MakeMemoryVfs();
  SchemaPtr schema_;
  ArrayPtr values_;
};

TEST_P(RoundTripTest, ValuesAndTypesComeBack) {
  const std::string path = GetParam().path;
  const ArrayPtr padded = arrow::Concatenate({values_, values_, values_}).ValueOrDie();
  const std::vector<RecordBatchPtr> batches = {BatchOf(values_), BatchOf(padded)->Slice(1, 5),
                                               BatchOf(values_->Slice(0, 0)),
                                               BatchOf(padded->Slice(2, 4))};
  const Status written = WriteFile(*vfs_, path, schema_, batches);
  if (!CanHold(GetParam())) {
    EXPECT_EQ(KindOf(written), ErrorKind::kUnsupported) << written.ToString();
    EXPECT_NE(written.message().find("column \"v\""), std::string::npos) << written.message();
    EXPECT_EQ(KindOf(vfs_->Stat(path).status()), ErrorKind::kNotFound);
    return;
  }
  ASSERT_ARROW_OK(written);
  const Result<TablePtr> read = ReadFile(*vfs_, path, ReadOptions());
  ASSERT_ARROW_OK(read);
  const TablePtr expected = arrow::Table::FromRecordBatches(schema_, batches).ValueOrDie();
  EXPECT_EQ(Columns(*(*read)->schema()), Columns(*ReadSchema()));
  EXPECT_EQ(Rows(**read), Rows(*expected));
  if (!IsText()) {
    EXPECT_TRUE((*read)->Equals(*expected)) << (*read)->ToString() << expected->ToString();
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, RoundTripTest, ::testing::ValuesIn(AllCases()),
                         [](const auto& info) {
                           return std::string(info.param.path + 3) + "_" + info.param.column.name;
                         });

/// Batches whose dictionaries have nothing to do with each other.
class DictionaryTest : public ::testing::TestWithParam<const char*> {};

TEST_P(DictionaryTest, EachBatchMayHaveItsOwn) {
  const auto vfs = MakeMemoryVfs();
  const TypePtr type = arrow::dictionary(arrow::int8(), arrow::utf8());
  const SchemaPtr schema = arrow::schema({arrow::field("v", type)});
  std::vector<RecordBatchPtr> batches;
  const auto add = [&](const char* codes, const char* values) {
    const ArrayPtr array = arrow::DictionaryArray::FromArrays(type, FromJson(arrow::int8(), codes),
                                                              FromJson(arrow::utf8(), values))
                               .ValueOrDie();
    batches.push_back(arrow::RecordBatch::Make(schema, array->length(), {array}));
  };
  add("[0, 1, null, 0]", R"(["a", "b"])");
  add("[0, 1, 1]", R"(["c", "a"])");
  add("[2, 1, 0, 3]", R"(["b", null, "d", "c"])");
  add("[]", "[]");
  add("[0, 1]", R"(["b", "b"])");
  batches.push_back(batches[2]->Slice(1, 2));
  ASSERT_ARROW_OK(WriteFile(*vfs, GetParam(), schema, batches));
  const TablePtr table = ReadFile(*vfs, GetParam()).ValueOrDie();
  EXPECT_EQ(Rows(*table), "a;b;NULL;a;c;a;a;d;NULL;b;c;b;b;NULL;b");
  const std::string_view path = GetParam();
  EXPECT_EQ(Columns(*table->schema()),
            path.ends_with("csv") || path.ends_with("jsonl") ? "v string"
            : path.ends_with("arrow") ? "v dictionary<values=string, indices=int8, ordered=0>"
                                      : "v dictionary<values=string, indices=int32, ordered=0>");
}

INSTANTIATE_TEST_SUITE_P(Formats, DictionaryTest,
                         ::testing::Values("/t.parquet", "/t.arrow", "/t.csv", "/t.jsonl"));

TEST(DictionaryTest, TooManyValuesForTheCodes) {
  const auto vfs = MakeMemoryVfs();
  const TypePtr type = arrow::dictionary(arrow::int8(), arrow::utf8());
  const SchemaPtr schema = arrow::schema({arrow::field("v", type)});
  std::vector<RecordBatchPtr> batches;
  for (int batch = 0; batch < 3; ++batch) {
    std::string values;
    for (int i = 0; i < 100; ++i) values += fmt::format("{}\"{}-{}\"", i > 0 ? "," : "", batch, i);
    const ArrayPtr array = FromJson(type, "[" + values + "]");
    batches.push_back(arrow::RecordBatch::Make(schema, array->length(), {array}));
  }
  const Status status = WriteFile(*vfs, "/t.arrow", schema, batches);
  EXPECT_EQ(KindOf(status), ErrorKind::kUnsupported);
  EXPECT_EQ(status.message(),
            "column \"v\": the dictionaries of all batches together have more values than int8 can "
            "count");
  ASSERT_ARROW_OK(WriteFile(*vfs, "/t.parquet", schema, batches));
  const SourcePtr source = OpenFiles(*vfs, "/t.parquet", {}).ValueOrDie();
  ScanRequest request = Everything(*source);
  request.batch_rows = 50;
  EXPECT_EQ(ReadTable(*source, request).ValueOrDie()->num_rows(), 300);
}

}  // namespace
}  // namespace headrace::format_test
