// MemorySink: epochs, and every way to fail or die between them.
#include "headrace/connect/memory/memory_sink.h"

#include <gtest/gtest.h>

#include "headrace/connect/test_read.h"

namespace headrace::connect_test {
namespace {

using Call = MemorySinkFault::Call;
using Effect = MemorySinkFault::Effect;

SchemaPtr Schema() { return arrow::schema({arrow::field("n", arrow::int64())}); }

std::string Text(const MemoryLog& log) {
  std::string text;
  for (const auto& batch : log.Committed()) AppendRows(Batch::FromRecordBatch(*batch), &text);
  return text;
}

class MemorySinkTest : public testing::Test {
 protected:
  std::unique_ptr<MemorySink> Open(MemorySinkFault fault = {}) {
    auto sink = std::make_unique<MemorySink>(log_, fault);
    EXPECT_OK(sink->Open(Schema(), arrow::default_memory_pool()));
    return sink;
  }
  static Status Write(Sink& sink, int64_t n) {
    return sink.Write(*Rows(Schema(), fmt::format("[[{}]]", n)));
  }

  std::shared_ptr<MemoryLog> log_ = std::make_shared<MemoryLog>();
};

TEST_F(MemorySinkTest, NothingIsVisibleBeforeCommit) {
  auto sink = Open();
  ASSERT_OK(Write(*sink, 1));
  ASSERT_OK(Write(*sink, 2));
  ASSERT_OK(sink->Prepare(0));
  EXPECT_EQ(Text(*log_), "");
  EXPECT_EQ(log_->PreparedEpochs(), std::vector<int64_t>{0});
  ASSERT_OK(Write(*sink, 3));
  ASSERT_OK(sink->Commit(0));
  ASSERT_OK(sink->Commit(0));
  EXPECT_EQ(Text(*log_), "1;2;");
  ASSERT_OK(sink->Prepare(1));
  ASSERT_OK(sink->Commit(1));
  EXPECT_EQ(Text(*log_), "1;2;3;");
  EXPECT_EQ(log_->CommittedEpochs(), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(log_->committed_rows(), 3);
}

TEST_F(MemorySinkTest, DroppingIsAbort) {
  auto sink = Open();
  ASSERT_OK(Write(*sink, 1));
  ASSERT_OK(sink->Prepare(0));
  sink.reset();
  EXPECT_TRUE(log_->PreparedEpochs().empty());
  EXPECT_EQ(Text(*log_), "");
}

TEST_F(MemorySinkTest, MisuseIsNamed) {
  auto sink = Open();
  EXPECT_ERROR(sink->Commit(4), kInternal, "epoch 4 was not prepared");
  const auto other = arrow::schema({arrow::field("m", arrow::int64())});
  EXPECT_ERROR(sink->Write(*Rows(other, "[[1]]")), kTypeMismatch, "expected a batch of schema");
  MemorySink closed(log_);
  EXPECT_ERROR(Write(closed, 1), kInternal, "not open");
}

TEST_F(MemorySinkTest, ErrorsHappenAtTheirCallOnly) {
  for (const Call call : {Call::kWrite, Call::kPrepare, Call::kCommit}) {
    log_ = std::make_shared<MemoryLog>();
    auto sink = Open({.call = call, .at = 2, .effect = Effect::kError});
    int64_t errors = 0;
    for (int64_t epoch = 0; epoch < 3; ++epoch) {
      for (const Status& status :
           {Write(*sink, epoch), sink->Prepare(epoch), sink->Commit(epoch)}) {
        if (!status.ok() && KindOf(status) == ErrorKind::kIo) ++errors;
      }
    }
    EXPECT_EQ(errors, 1) << static_cast<int>(call);
  }
}

// The protocol of a job that restarts after its sink died anywhere: it goes on from the last epoch
// it knows to be prepared, commits that again and writes the rest anew. Every row comes out once.
TEST_F(MemorySinkTest, ExactlyOnceOverEveryCrash) {
  constexpr int64_t kEpochs = 4;
  for (const Call call : {Call::kWrite, Call::kPrepare, Call::kCommit}) {
    for (const Effect effect : {Effect::kError, Effect::kCrash, Effect::kCrashAfter}) {
      for (int64_t at = 1; at <= kEpochs; ++at) {
        SCOPED_TRACE(testing::Message()
                     << static_cast<int>(call) << " " << static_cast<int>(effect) << " at " << at);
        log_ = std::make_shared<MemoryLog>();
        auto sink = Open({.call = call, .at = at, .effect = effect});
        int64_t restarts = 0;
        int64_t epoch = 0;
        while (epoch < kEpochs) {
          Status status = Write(*sink, epoch);
          if (status.ok()) status = sink->Prepare(epoch);
          if (status.ok()) status = sink->Commit(epoch);
          if (status.ok()) {
            ++epoch;
            continue;
          }
          ASSERT_LT(++restarts, 3);
          (void)sink->Abort();
          sink = Open();
          const auto prepared = log_->PreparedEpochs();
          for (const int64_t again : prepared) ASSERT_OK(sink->Commit(again));
          epoch = static_cast<int64_t>(log_->CommittedEpochs().size());
        }
        EXPECT_EQ(restarts, 1);
        EXPECT_EQ(Text(*log_), "0;1;2;3;");
        EXPECT_TRUE(log_->PreparedEpochs().empty());
      }
    }
  }
}

TEST_F(MemorySinkTest, ADeadSinkLeavesWhatItPrepared) {
  auto sink = Open({.call = Call::kCommit, .at = 1, .effect = Effect::kCrash});
  ASSERT_OK(Write(*sink, 1));
  ASSERT_OK(sink->Prepare(7));
  EXPECT_ERROR(sink->Commit(7), kIo, "commit of epoch 7 failed");
  EXPECT_ERROR(Write(*sink, 2), kIo, "has died");
  ASSERT_OK(sink->Abort());
  sink.reset();
  EXPECT_EQ(log_->PreparedEpochs(), std::vector<int64_t>{7});
  ASSERT_OK(Open()->Commit(7));
  EXPECT_EQ(Text(*log_), "1;");
}

TEST_F(MemorySinkTest, ANewWriterFencesOffTheOld) {
  auto old_writer = Open();
  ASSERT_OK(Write(*old_writer, 1));
  ASSERT_OK(old_writer->Prepare(1));
  auto new_writer = Open();
  EXPECT_ERROR(Write(*old_writer, 2), kIo, "fenced off by writer 2, this is writer 1");
  EXPECT_ERROR(old_writer->Commit(1), kIo, "fenced off");
  old_writer.reset();
  EXPECT_EQ(log_->PreparedEpochs(), std::vector<int64_t>{1}) << "its abort has no effect either";
  ASSERT_OK(new_writer->Commit(1));
  EXPECT_EQ(Text(*log_), "1;");
}

}  // namespace
}  // namespace headrace::connect_test
