// MutableTable: changes by key, subscriptions that fold to the table, lookups that see only the
// living.
#include "headrace/connect/memory/mutable_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "headrace/base/rng.h"
#include "headrace/connect/test_read.h"

namespace headrace::connect_test {
namespace {

SchemaPtr Customers() {
  return arrow::schema({arrow::field("id", arrow::int64()), arrow::field("tier", arrow::utf8())});
}

SchemaPtr Ids() { return arrow::schema({arrow::field("id", arrow::int64())}); }

std::shared_ptr<MutableTable> Make() {
  return MutableTable::Make("customers", Customers(), {0}).ValueOrDie();
}

TEST(MutableTableTest, UpsertsAddAndReplace) {
  auto table = Make();
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "gold"], [2, "tin"]])")));
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "tin"], [3, null]])")));
  EXPECT_EQ(ReadAll(*table), "2|tin;1|tin;3|NULL;") << "in the order of the last writes";
  EXPECT_EQ(table->num_rows(), 3);
  ASSERT_OK(table->Delete(*Rows(Ids(), "[[2], [9], [2]]")));
  EXPECT_EQ(ReadAll(*table), "1|tin;3|NULL;");
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[2, "new"]])")));
  EXPECT_EQ(ReadAll(*table), "1|tin;3|NULL;2|new;");
}

TEST(MutableTableTest, SubscribersSeeTheSnapshotThenEveryChange) {
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

TEST(MutableTableTest, EveryPositionResumes) {
  auto table = Make();
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "a"], [2, "b"], [3, "c"]])")));
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[2, "B"]])")));
  const SourcePtr stream = table->Stream();
  EXPECT_EQ(stream->boundedness(), Boundedness::kUnbounded);
  EXPECT_EQ(stream->change_mode(), ChangeMode::kRetract);
  ScanRequest request = Everything(*stream);
  request.batch_rows = 1;
  const auto open = [&](const std::string& position) {
    const Split split = stream->Splits(request)->front();
    return stream->Open(split, request, Context(position)).ValueOrDie();
  };
  std::vector<std::string> positions;
  std::vector<std::string> texts;
  auto reader = open("");
  std::string text;
  const auto note = [&] {
    positions.push_back(*reader->Position());
    texts.push_back(text);
  };
  note();
  for (int i = 0; i < 3; ++i) {
    text += Drain(*reader, request, 1);
    note();
  }
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "A"]])")));
  ASSERT_OK(table->Delete(*Rows(Ids(), "[[3]]")));
  table->CloseChanges();
  for (int i = 0; i < 3; ++i) {
    text += Drain(*reader, request, 1);
    note();
  }
  EXPECT_EQ(text, "+1|a;+3|c;+2|B;-1|a;+1|A;-3|c;");
  for (size_t i = 1; i < positions.size(); ++i) {
    EXPECT_EQ(texts[i] + Drain(*open(positions[i]), request), text) << positions[i];
  }
  EXPECT_ERROR(stream->Open({}, request, Context("99")), kStale, "asked to go on at 99");
  EXPECT_ERROR(stream->Open({}, request, Context("x")), kInvalidArgument, "'x'");
}

TEST(MutableTableTest, ProjectionsAndEmptyTables) {
  auto table = Make();
  EXPECT_EQ(ReadAll(*table), "");
  ASSERT_OK(table->Upsert(*Rows(Customers(), "[]")));
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "a"]])")));
  ScanRequest request = Everything(*table);
  request.projection = {1};
  EXPECT_EQ(ReadAll(*table, request), "a;");
  table->CloseChanges();
  const SourcePtr stream = table->Stream();
  EXPECT_EQ(ReadAll(*stream, request), "+a;");
}

TEST(MutableTableTest, BadRowsChangeNothing) {
  auto table = Make();
  EXPECT_ERROR(table->Upsert(*Rows(Customers(), R"([[1, "a"], [null, "b"]])")), kBadData,
               "customers: expected keys, got null in column id");
  const auto other =
      arrow::schema({arrow::field("id", arrow::utf8()), arrow::field("tier", arrow::utf8())});
  EXPECT_ERROR(table->Upsert(*Rows(other, R"([["1", "a"]])")), kTypeMismatch, "column id");
  EXPECT_ERROR(table->Delete(*Rows(other, R"([["1", "a"]])")), kTypeMismatch, "1 key columns");
  EXPECT_EQ(table->num_rows(), 0);
  EXPECT_ERROR(MutableTable::Make("t", Customers(), {}), kInvalidArgument, "expected a key");
  EXPECT_ERROR(MutableTable::Make("t", Customers(), {2}), kInvalidArgument, "number 2");
}

TEST(MutableTableTest, EncodedRowsAreTaken) {
  auto table = Make();
  const auto encoded =
      arrow::schema({arrow::field("id", arrow::int64()),
                     arrow::field("tier", arrow::dictionary(arrow::int8(), arrow::large_utf8()))});
  ASSERT_OK(table->Upsert(*Rows(encoded, R"([[0, "x"], [1, "gold"], [2, "gold"]])")->Slice(1)));
  EXPECT_EQ(ReadAll(*table), "1|gold;2|gold;");
}

TEST(MutableTableTest, LookupsSeeOnlyLivingRows) {
  auto table = Make();
  const std::vector<int> by_id = {0};
  const std::vector<int> by_tier = {1};
  ASSERT_OK(table->EnsureIndex(by_tier));
  const std::vector<ArrayPtr> gold = {FromJson(arrow::utf8(), R"(["gold"])")};
  EXPECT_ERROR(table->Probe(by_id, gold), kInternal, "without an index");
  const auto found = [&] {
    std::string text;
    std::vector<int64_t> rows;
    for (const auto& match : *table->Probe(by_tier, gold)) rows.push_back(match.row_id);
    AppendRows(Batch(*table->Gather(rows, by_id), static_cast<int64_t>(rows.size())), &text);
    return text;
  };
  EXPECT_EQ(found(), "");
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "gold"], [2, "tin"], [3, "gold"]])")));
  EXPECT_EQ(found(), "1;3;");
  ASSERT_OK(table->Upsert(*Rows(Customers(), R"([[1, "tin"], [2, "gold"]])")));
  EXPECT_EQ(found(), "3;2;");
  ASSERT_OK(table->Delete(*Rows(Ids(), "[[3]]")));
  EXPECT_EQ(found(), "2;");
}

// Folding all changes gives the table, while writers and a subscriber run on their own threads.
TEST(MutableTableTest, ConcurrentChangesFoldToTheTable) {
  auto table = Make();
  std::atomic<bool> done{false};
  std::map<std::string, int64_t> folded;
  std::thread subscriber([&] {
    const auto reader = table->Subscribe("", Context()).ValueOrDie();
    for (;;) {
      const ReadResult read = *reader->Next();
      if (std::holds_alternative<EndOfSplit>(read)) break;
      if (std::holds_alternative<Pending>(read)) {
        std::this_thread::yield();
        continue;
      }
      const Batch& batch = std::get<Batch>(read);
      const auto& signs = static_cast<const arrow::Int8Array&>(*batch.change());
      for (int64_t i = 0; i < batch.num_rows(); ++i) {
        const std::string row =
            FormatValue(*batch.column(0), i) + "|" + FormatValue(*batch.column(1), i) + ";";
        if ((folded[row] += signs.Value(i)) == 0) folded.erase(row);
      }
    }
    done = true;
  });
  std::vector<std::thread> writers;
  for (uint64_t t = 0; t < 3; ++t) {
    writers.emplace_back([&, t] {
      Rng rng(t);
      for (int i = 0; i < 100; ++i) {
        const uint64_t id = rng.Below(20);
        if (rng.Below(4) == 0) {
          EXPECT_OK(table->Delete(*Rows(Ids(), fmt::format("[[{}]]", id))));
        } else {
          EXPECT_OK(
              table->Upsert(*Rows(Customers(), fmt::format(R"([[{}, "{}"]])", id, rng.Below(3)))));
        }
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  table->CloseChanges();
  subscriber.join();
  EXPECT_TRUE(done);
  std::map<std::string, int64_t> expected;
  const std::string all = ReadAll(*table);
  for (size_t begin = 0; begin < all.size();) {
    const size_t end = all.find(';', begin) + 1;
    ++expected[all.substr(begin, end - begin)];
    begin = end;
  }
  EXPECT_EQ(folded, expected);
}

}  // namespace
}  // namespace headrace::connect_test
