// Streams in memory: reading in any cut, going on, epochs, and every way to fail between them.
#include "headrace/connect/memory/memory_connector.h"

#include <gtest/gtest.h>

#include "headrace/connect/test_read.h"

namespace headrace::connect_test {
namespace {

using Call = MemoryFault::Call;
using Effect = MemoryFault::Effect;

SchemaPtr Schema() {
  return arrow::schema({arrow::field("n", arrow::int64()), arrow::field("s", arrow::utf8())});
}

std::string Text(const MemoryStream& stream) {
  std::string text;
  for (const auto& batch : stream.Rows()) AppendRows(Batch::FromRecordBatch(*batch), &text);
  return text;
}

class MemoryStreamTest : public testing::Test {
 protected:
  void Append(const std::string& json) { EXPECT_OK(stream_->Append(*Rows(Schema(), json))); }
  SourcePtr MakeSource() { return MakeMemorySource(stream_, Schema()).ValueOrDie(); }
  std::unique_ptr<Sink> OpenSink() {
    auto sink = MakeMemorySink(stream_);
    EXPECT_OK(sink->Open(Schema(), arrow::default_memory_pool()));
    return sink;
  }
  static Status Write(Sink& sink, int64_t n) {
    return sink.Write(*Rows(Schema(), fmt::format(R"([[{}, "x"]])", n)));
  }
  void AddFault(Effect effect, Call call, int64_t at) {
    stream_->AddFaults({{.effect = effect, .call = call, .at = at}});
  }

  MemoryStreamPtr stream_ = std::make_shared<MemoryStream>("m");
};

TEST_F(MemoryStreamTest, ReadsTheSameRowsInAnyCut) {
  Append(R"([[1, "a"], [2, null], [3, "c"]])");
  Append("[]");
  Append(R"([[4, "d"]])");
  stream_->End();
  const SourcePtr source = MakeSource();
  EXPECT_EQ(source->boundedness(), Boundedness::kUnbounded);
  for (const int64_t batch_rows : {1, 2, 100}) {
    for (const int64_t batch_bytes : {1, 20, 1 << 20}) {
      ScanRequest request = Everything(*source);
      request.batch_rows = batch_rows;
      request.batch_bytes = batch_bytes;
      EXPECT_EQ(ReadAll(*source, request), "1|a;2|NULL;3|c;4|d;");
    }
  }
  ScanRequest request = Everything(*source);
  request.projection = {1};
  request.limit = 2;
  EXPECT_EQ(ReadAll(*source, request), "a;NULL;");
}

TEST_F(MemoryStreamTest, AReaderWaitsForRowsAndForTheEnd) {
  const SourcePtr source = MakeSource();
  const ScanRequest request = Everything(*source);
  int wakes = 0;
  ReadContext context = Context();
  context.waker = Waker([&] { ++wakes; });
  const auto reader = source->Open(source->Splits(request)->front(), request, context).ValueOrDie();
  EXPECT_TRUE(std::holds_alternative<Pending>(*reader->Next()));
  Append(R"([[1, "a"]])");
  EXPECT_EQ(wakes, 1);
  EXPECT_EQ(Drain(*reader, request, 1), "1|a;");
  EXPECT_TRUE(std::holds_alternative<Pending>(*reader->Next()));
  stream_->End();
  EXPECT_EQ(wakes, 2);
  EXPECT_TRUE(std::holds_alternative<EndOfSplit>(*reader->Next()));
  EXPECT_ERROR(stream_->Append(*Rows(Schema(), R"([[2, "b"]])")), kInvalidArgument, "has ended");
  EXPECT_ERROR(stream_->Clear(), kInvalidArgument, "a job reads it");
}

TEST_F(MemoryStreamTest, PositionsResumeAtEveryRow) {
  Append(R"([[1, "a"], [2, "b"]])");
  Append(R"([[3, "c"]])");
  stream_->End();
  const SourcePtr source = MakeSource();
  ScanRequest request = Everything(*source);
  request.batch_rows = 1;
  const Split split = source->Splits(request)->front();
  for (int64_t batches = 0; batches <= 3; ++batches) {
    const auto first = source->Open(split, request, Context()).ValueOrDie();
    std::string text = Drain(*first, request, batches);
    const auto second = source->Open(split, request, Context(*first->Position())).ValueOrDie();
    EXPECT_EQ(text + Drain(*second, request), "1|a;2|b;3|c;");
  }
  EXPECT_ERROR(source->Open(split, request, Context("4")), kStale,
               "the job goes on behind row 4, and the stream has 3");
}

TEST_F(MemoryStreamTest, ColumnsAreThoseOfTheFirst) {
  Append(R"([[1, null]])");
  const auto other = arrow::schema({arrow::field("n", arrow::int32())});
  EXPECT_ERROR(stream_->Append(*Rows(other, "[[1]]")), kTypeMismatch,
               "has the columns (n BIGINT, s VARCHAR) until it is cleared; got (n INTEGER)");
  EXPECT_ERROR(MakeMemorySource(stream_, other), kTypeMismatch, "got (n INTEGER)");
  EXPECT_ERROR(MakeMemorySink(stream_)->Open(other, nullptr), kTypeMismatch, "got (n INTEGER)");
  const auto strict = arrow::schema({Schema()->field(0), Schema()->field(1)->WithNullable(false)});
  ASSERT_OK_AND_ASSIGN(const SourcePtr source, MakeMemorySource(stream_, strict));
  const ScanRequest request = Everything(*source);
  const auto reader =
      source->Open(source->Splits(request)->front(), request, Context()).ValueOrDie();
  EXPECT_ERROR(reader->Next(), kBadData, "column s is NOT NULL, got a null");
  ASSERT_OK(OpenSink()->Abort());
}

TEST_F(MemoryStreamTest, ClearedItIsAsNew) {
  Append(R"([[1, "a"]])");
  const auto sink = OpenSink();
  stream_->End();
  ASSERT_OK(stream_->Clear());
  EXPECT_EQ(stream_->num_rows(), 0);
  EXPECT_EQ(stream_->schema(), nullptr);
  EXPECT_ERROR(Write(*sink, 1), kIo, "fenced off");
  ASSERT_OK(stream_->Append(*Rows(arrow::schema({Schema()->field(0)}), "[[7]]")));
  EXPECT_EQ(Text(*stream_), "7;");
}

TEST_F(MemoryStreamTest, AReaderIsLostNothingAndTakesNothingTwice) {
  for (int64_t n = 1; n <= 6; ++n) Append(fmt::format(R"([[{}, "a"], [{}, "b"]])", n, n));
  stream_->End();
  const std::string all = "1|a;1|b;2|a;2|b;3|a;3|b;4|a;4|b;5|a;5|b;6|a;6|b;";
  for (const Effect effect : {Effect::kLose, Effect::kRepeat, Effect::kFail}) {
    for (int64_t at = 1; at <= 6; ++at) {
      AddFault(effect, Call::kRead, stream_->calls(Call::kRead) + at);
      const SourcePtr source = MakeSource();
      const ScanRequest request = Everything(*source);
      const Split split = source->Splits(request)->front();
      auto reader = source->Open(split, request, Context()).ValueOrDie();
      std::string text;
      if (effect == Effect::kFail) {
        text = Drain(*reader, request, at - 1);
        EXPECT_ERROR(reader->Next(), kIo, "failed");
        reader = source->Open(split, request, Context(*reader->Position())).ValueOrDie();
      }
      EXPECT_EQ(text + Drain(*reader, request), all);
    }
  }
}

TEST_F(MemoryStreamTest, NothingIsVisibleBeforeCommit) {
  const auto sink = OpenSink();
  ASSERT_OK(Write(*sink, 1));
  ASSERT_OK(Write(*sink, 2));
  ASSERT_OK(sink->Prepare(1));
  EXPECT_EQ(Text(*stream_), "");
  ASSERT_OK(Write(*sink, 3));
  ASSERT_OK(sink->Commit(1));
  ASSERT_OK(sink->Commit(1));
  EXPECT_EQ(Text(*stream_), "1|x;2|x;");
  ASSERT_OK(sink->Prepare(2));
  ASSERT_OK(sink->Commit(2));
  EXPECT_EQ(Text(*stream_), "1|x;2|x;3|x;");
  EXPECT_ERROR(sink->Commit(4), kStale, "has no epoch 4 to commit");
}

TEST_F(MemoryStreamTest, AFreshJobWritesBehindTheRowsThatAreThere) {
  for (int64_t job = 0; job < 2; ++job) {
    const auto sink = OpenSink();
    ASSERT_OK(Write(*sink, job));
    ASSERT_OK(sink->Prepare(1));
    ASSERT_OK(sink->Commit(1));
    ASSERT_OK(Write(*sink, 100));
    ASSERT_OK(sink->Prepare(2));
  }
  EXPECT_EQ(Text(*stream_), "0|x;1|x;") << "what was prepared and is not gone on with is dropped";
}

TEST_F(MemoryStreamTest, ANewWriterFencesOffTheOld) {
  const auto old_writer = OpenSink();
  ASSERT_OK(Write(*old_writer, 1));
  ASSERT_OK(old_writer->Prepare(1));
  const auto new_writer = OpenSink();
  EXPECT_ERROR(Write(*old_writer, 2), kIo, "fenced off by writer 2, this is writer 1");
  EXPECT_ERROR(old_writer->Commit(1), kIo, "fenced off");
  ASSERT_OK(new_writer->Commit(1));
  EXPECT_EQ(Text(*stream_), "1|x;");
}

// The protocol of a job that restarts after its sink failed anywhere: it goes on from the last
// epoch that it knows to be prepared, commits that again and writes the rest anew.
TEST_F(MemoryStreamTest, ASinkWritesOnceOverEveryFault) {
  constexpr int64_t kEpochs = 4;
  for (const Call call : {Call::kWrite, Call::kPrepare, Call::kCommit}) {
    for (const Effect effect : {Effect::kFail, Effect::kLose, Effect::kDie, Effect::kFence}) {
      for (int64_t at = 1; at <= kEpochs; ++at) {
        SCOPED_TRACE(testing::Message()
                     << static_cast<int>(call) << " " << static_cast<int>(effect) << " at " << at);
        stream_ = std::make_shared<MemoryStream>("m");
        AddFault(effect, call, at);
        auto sink = OpenSink();
        int64_t restarts = 0;
        int64_t prepared = 0;  // the manifest of the job
        for (int64_t epoch = 1; epoch <= kEpochs;) {
          Status status = Write(*sink, epoch);
          if (status.ok()) status = sink->Prepare(epoch);
          if (status.ok()) prepared = epoch;
          if (status.ok()) status = sink->Commit(epoch);
          if (status.ok()) {
            ++epoch;
            continue;
          }
          ASSERT_LT(++restarts, 3);
          ASSERT_OK(sink->Abort());
          sink = OpenSink();
          if (prepared > 0) {
            ASSERT_OK(sink->Commit(prepared));
          }
          epoch = prepared + 1;
        }
        EXPECT_EQ(restarts, 1);
        EXPECT_EQ(Text(*stream_), "1|x;2|x;3|x;4|x;");
      }
    }
  }
}

TEST(MemoryFaultTest, TextsOfFaults) {
  ASSERT_OK_AND_ASSIGN(const auto faults, ParseMemoryFaults("die commit 2, Lose READ 1"));
  const std::vector<MemoryFault> expected = {
      {.effect = Effect::kDie, .call = Call::kCommit, .at = 2},
      {.effect = Effect::kLose, .call = Call::kRead, .at = 1}};
  EXPECT_EQ(faults, expected);
  EXPECT_TRUE(ParseMemoryFaults("")->empty());
  for (const char* bad : {"die", "die commit", "die commit 0", "die commit 1 2", "die read 1",
                          "repeat write 1", "explode write 1", "fail write x", "fail read 1,,"}) {
    EXPECT_ERROR(ParseMemoryFaults(bad), kInvalidArgument, "option faults expects");
  }
}

TEST(MemoryFaultTest, OptionsAreChecked) {
  MemoryStreams streams;
  ConnectContext context{LocalVfs(), SystemClock(), "", Schema(), {}, &streams};
  ASSERT_OK(OpenConnector("memory", context, {{"name", "a"}}));
  EXPECT_ERROR(OpenConnector("memory", context, {}), kInvalidArgument, "option name is missing");
  EXPECT_ERROR(OpenConnector("memory", context, {{"name", "a"}, {"fault", "fail read 1"}}),
               kInvalidArgument, "did you mean faults?");
  EXPECT_ERROR(CreateConnectorSink("memory", context, {{"name", "a"}, {"faults", "x"}}),
               kInvalidArgument, "got 'x'");
  context.schema = nullptr;
  EXPECT_ERROR(OpenConnector("memory", context, {{"name", "a"}}), kInvalidArgument,
               "expected declared columns");
}

}  // namespace
}  // namespace headrace::connect_test
