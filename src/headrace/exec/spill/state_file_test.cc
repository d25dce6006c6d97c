// State files: round trips, and every way in which bytes can be missing or wrong.
#include "headrace/exec/spill/state_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "arrow/array.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/io/interfaces.h"
#include "arrow/json/from_string.h"
#include "arrow/memory_pool.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/fault.h"
#include "headrace/base/hash.h"
#include "headrace/base/rng.h"
#include "headrace/base/test_status.h"
#include "headrace/exec/spill/state_format.h"

namespace headrace {
namespace {

const char* const kPath = "/state";

std::shared_ptr<arrow::RecordBatch> BatchFromJson(const SchemaPtr& schema,
                                                  const std::vector<std::string>& json) {
  std::vector<ArrayPtr> columns;
  for (size_t i = 0; i < json.size(); ++i) {
    const TypePtr type = schema->field(static_cast<int>(i))->type();
    columns.push_back(arrow::json::ArrayFromJSONString(type, json[i]).ValueOrDie());
  }
  return arrow::RecordBatch::Make(schema, columns[0]->length(), columns);
}

std::shared_ptr<arrow::RecordBatch> Counts() {
  const auto schema =
      arrow::schema({arrow::field("key", arrow::utf8()), arrow::field("state", arrow::binary())});
  return BatchFromJson(schema, {R"(["a", null, "ccc"])", R"(["1", "", "333"])"});
}

std::shared_ptr<arrow::RecordBatch> Nested() {
  const auto schema =
      arrow::schema({arrow::field("list", arrow::list(arrow::int64())),
                     arrow::field("pair", arrow::struct_({arrow::field("x", arrow::float64())})),
                     arrow::field("money", arrow::decimal128(10, 2))});
  return BatchFromJson(schema, {"[[1, 2], [], null]", R"([{"x": 1.5}, null, {"x": null}])",
                                R"(["1.25", null, "-3.00"])"});
}

// All of its columns are narrowed.
std::shared_ptr<arrow::RecordBatch> Narrow() {
  arrow::Int64Builder numbers;
  arrow::StringBuilder texts;
  for (int i = 0; i < 40; ++i) {
    EXPECT_OK(numbers.Append(1'000'000 + i * i));
    EXPECT_OK(texts.Append(std::to_string(100 + i)));
  }
  const auto schema =
      arrow::schema({arrow::field("number", arrow::int64()), arrow::field("text", arrow::utf8())});
  return arrow::RecordBatch::Make(schema, 40,
                                  {numbers.Finish().ValueOrDie(), texts.Finish().ValueOrDie()});
}

class StateFileTest : public testing::Test {
 protected:
  Status Write(Vfs& vfs, bool sync = false) {
    ARROW_ASSIGN_OR_RAISE(auto writer, StateWriter::Make(vfs, kPath, arrow::default_memory_pool()));
    ARROW_RETURN_NOT_OK(writer->Write(3, *Counts()));
    ARROW_RETURN_NOT_OK(writer->Write(127, *Nested()));
    ARROW_RETURN_NOT_OK(writer->Write(3, *Counts()->Slice(1)));
    ARROW_RETURN_NOT_OK(writer->Write(0, *Counts()->Slice(0, 0)));
    ARROW_RETURN_NOT_OK(writer->Write(1, *Narrow()));
    return writer->Close(sync);
  }
  // Opens the file and reads every section.
  Status ReadAll(Vfs& vfs) {
    ARROW_ASSIGN_OR_RAISE(auto reader, StateReader::Make(vfs, kPath, arrow::default_memory_pool()));
    for (const StateSection& section : reader->sections()) {
      ARROW_ASSIGN_OR_RAISE(auto batch, reader->Read(section));
      ARROW_RETURN_NOT_OK(batch->ValidateFull());
    }
    return Status::OK();
  }
  std::string Bytes() {
    auto file = vfs_->OpenForRead(kPath).ValueOrDie();
    return file->ReadAt(0, file->GetSize().ValueOrDie()).ValueOrDie()->ToString();
  }
  void Replace(const std::string& bytes) {
    auto file = vfs_->OpenForWrite(kPath).ValueOrDie();
    ASSERT_OK(file->Write(bytes.data(), static_cast<int64_t>(bytes.size())));
    ASSERT_OK(file->Close());
  }

  std::unique_ptr<Vfs> vfs_ = MakeMemoryVfs();
};

TEST_F(StateFileTest, GivesBackWhatWasWritten) {
  ASSERT_OK(Write(*vfs_));
  ASSERT_OK_AND_ASSIGN(auto reader, StateReader::Make(*vfs_, kPath, arrow::default_memory_pool()));
  ASSERT_EQ(reader->sections().size(), 5U);
  ASSERT_OK_AND_ASSIGN(auto third, reader->ReadGroups(3, 4));
  ASSERT_EQ(third.size(), 2U);
  EXPECT_TRUE(third[0]->Equals(*Counts()));
  EXPECT_TRUE(third[1]->Equals(*Counts()->Slice(1)));
  ASSERT_OK_AND_ASSIGN(auto others, reader->ReadGroups(4, 128));
  ASSERT_EQ(others.size(), 1U);
  EXPECT_TRUE(others[0]->Equals(*Nested(), /*check_metadata=*/true));
  ASSERT_OK_AND_ASSIGN(auto narrow, reader->ReadGroups(1, 2));
  ASSERT_EQ(narrow.size(), 1U);
  EXPECT_TRUE(narrow[0]->Equals(*Narrow(), /*check_metadata=*/true));
  ASSERT_OK_AND_ASSIGN(auto first, reader->ReadGroups(0, 1));
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0]->num_rows(), 0);
}

// What only a full validation finds: a text that is not UTF-8.
TEST_F(StateFileTest, CellsFromOutsideAreValidated) {
  arrow::StringBuilder builder;
  ASSERT_OK(builder.Append("\xff"));
  ASSERT_OK_AND_ASSIGN(ArrayPtr texts, builder.Finish());
  const auto schema = arrow::schema({arrow::field("text", arrow::utf8())});
  const auto batch = arrow::RecordBatch::Make(schema, 1, {texts});
  arrow::MemoryPool* pool = arrow::default_memory_pool();
  ASSERT_OK_AND_ASSIGN(auto writer, StateWriter::Make(*vfs_, kPath, pool));
  ASSERT_OK(writer->Write(0, *batch));
  ASSERT_OK(writer->Close(/*sync=*/false));
  ASSERT_OK_AND_ASSIGN(auto outside, StateReader::Make(*vfs_, kPath, pool));
  EXPECT_ERROR(outside->Read(outside->sections()[0]), kBadData, "UTF8");
  ASSERT_OK_AND_ASSIGN(auto own, StateReader::Make(*vfs_, kPath, pool, StateOrigin::kThisProcess));
  ASSERT_OK_AND_ASSIGN(auto read, own->Read(own->sections()[0]));
  EXPECT_TRUE(read->Equals(*batch));
}

// Random numbers are hardly written smaller, whatever stands beside them; zeros behind them are
// again.
TEST_F(StateFileTest, CompressesColumnsWhileThatMakesThemSmaller) {
  const auto schema =
      arrow::schema({arrow::field("x", arrow::float64()), arrow::field("zero", arrow::float64())});
  constexpr int64_t kRows = 1000;
  Rng rng(3);
  const auto column = [&](bool random) {
    arrow::DoubleBuilder builder;
    for (int64_t row = 0; row < kRows; ++row) {
      const auto bits = static_cast<double>(rng.Below(uint64_t{1} << 53));
      EXPECT_OK(builder.Append(random ? std::sqrt(bits) : 0));
    }
    return builder.Finish().ValueOrDie();
  };
  arrow::MemoryPool* pool = arrow::default_memory_pool();
  ASSERT_OK_AND_ASSIGN(auto writer, StateWriter::Make(*vfs_, kPath, pool));
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (int i = 0; i < 140; ++i) {
    batches.push_back(arrow::RecordBatch::Make(schema, kRows, {column(i < 70), column(false)}));
    ASSERT_OK(writer->Write(0, *batches.back()));
  }
  ASSERT_OK(writer->Close(/*sync=*/false));
  ASSERT_OK_AND_ASSIGN(auto reader, StateReader::Make(*vfs_, kPath, pool));
  ASSERT_EQ(reader->sections().size(), batches.size());
  for (size_t i = 0; i < batches.size(); ++i) {
    ASSERT_OK_AND_ASSIGN(auto read, reader->Read(reader->sections()[i]));
    ASSERT_TRUE(read->Equals(*batches[i])) << i;
  }
  for (const size_t i : {0, 1, 2}) {
    EXPECT_GE(reader->sections()[i].length, kRows * 7);
    EXPECT_LT(reader->sections()[i].length, kRows * 9);
  }
  EXPECT_LT(reader->sections().back().length, kRows);
}

TEST_F(StateFileTest, AnEmptyFileHasNoSections) {
  ASSERT_OK_AND_ASSIGN(auto writer, StateWriter::Make(*vfs_, kPath, arrow::default_memory_pool()));
  ASSERT_OK(writer->Close(/*sync=*/true));
  ASSERT_OK_AND_ASSIGN(auto reader, StateReader::Make(*vfs_, kPath, arrow::default_memory_pool()));
  EXPECT_TRUE(reader->sections().empty());
}

TEST_F(StateFileTest, EveryTruncationIsBadData) {
  ASSERT_OK(Write(*vfs_));
  const std::string whole = Bytes();
  for (size_t length = 0; length < whole.size(); ++length) {
    Replace(whole.substr(0, length));
    ASSERT_TRUE(IsError(ReadAll(*vfs_), ErrorKind::kBadData, kPath)) << length;
  }
}

TEST_F(StateFileTest, EveryFlippedBitIsBadData) {
  ASSERT_OK(Write(*vfs_));
  const std::string whole = Bytes();
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << (at % 8)));
    Replace(bytes);
    ASSERT_TRUE(IsError(ReadAll(*vfs_), ErrorKind::kBadData, "offset")) << at;
  }
}

// The checksums fit, so that only the checks of the contents stand between the bytes and a crash.
TEST_F(StateFileTest, FlippedBitsUnderRightChecksumsNeverCrash) {
  ASSERT_OK(Write(*vfs_));
  const std::string whole = Bytes();
  ASSERT_OK_AND_ASSIGN(auto reader, StateReader::Make(*vfs_, kPath, arrow::default_memory_pool()));
  Rng rng(7);
  for (int i = 0; i < 3000; ++i) {
    const auto& sections = reader->sections();
    const StateSection& section = sections[rng.Below(sections.size())];
    std::string bytes = whole;
    const auto begin = static_cast<size_t>(section.offset);
    const auto length = static_cast<size_t>(section.length);
    for (uint64_t flips = 1 + rng.Below(3); flips > 0; --flips) {
      bytes[begin + 8 + rng.Below(length - 8)] ^= static_cast<char>(1 << rng.Below(8));
    }
    const uint64_t checksum = HashBytes(std::string_view(bytes).substr(begin + 8, length - 8));
    std::memcpy(&bytes[begin], &checksum, sizeof(checksum));
    Replace(bytes);
    const Status status = ReadAll(*vfs_);
    if (status.ok()) continue;
    EXPECT_NE(KindOf(status), ErrorKind::kInternal) << status.ToString();
  }
}

TEST_F(StateFileTest, AFlippedFooterUnderItsChecksumNeverCrashes) {
  ASSERT_OK(Write(*vfs_));
  const std::string whole = Bytes();
  StateTail tail;
  std::memcpy(&tail, &whole[whole.size() - sizeof(tail)], sizeof(tail));
  const auto length = static_cast<size_t>(tail.footer_bytes);
  const size_t begin = whole.size() - sizeof(tail) - length;
  Rng rng(11);
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = whole;
    bytes[begin + rng.Below(length)] ^= static_cast<char>(1 << rng.Below(8));
    tail.footer_checksum = HashBytes(std::string_view(bytes).substr(begin, length));
    std::memcpy(&bytes[whole.size() - sizeof(tail)], &tail, sizeof(tail));
    Replace(bytes);
    const Status status = ReadAll(*vfs_);
    if (status.ok()) continue;
    EXPECT_NE(KindOf(status), ErrorKind::kInternal) << status.ToString();
  }
}

TEST_F(StateFileTest, FaultsAreErrors) {
  for (const char* point : {"state_file.write", "state_file.sync", "state_file.read"}) {
    fault::Count(point);
    ASSERT_OK(Write(*vfs_, /*sync=*/true));
    ASSERT_OK(ReadAll(*vfs_));
    const int64_t passages = fault::Disarm();
    ASSERT_GT(passages, 0) << point;
    for (int64_t k = 1; k <= passages; ++k) {
      fault::Arm(point, k);
      Status status = Write(*vfs_, /*sync=*/true);
      if (status.ok()) status = ReadAll(*vfs_);
      fault::Disarm();
      EXPECT_TRUE(IsError(status, ErrorKind::kIo, point)) << k;
    }
  }
}

TEST_F(StateFileTest, AnUnfinishedFileIsNotReadable) {
  ASSERT_OK_AND_ASSIGN(auto writer, StateWriter::Make(*vfs_, kPath, arrow::default_memory_pool()));
  ASSERT_OK(writer->Write(1, *Counts()));
  writer.reset();
  EXPECT_ERROR(ReadAll(*vfs_), kBadData, "state file");
}

}  // namespace
}  // namespace headrace
