// The stdout sink: JSON lines, out with the epoch or soon.
#include "headrace/connect/stdout/stdout_sink.h"

#include <gtest/gtest.h>

#include "headrace/connect/test_read.h"

namespace headrace {
namespace {

TEST(StdoutSinkTest, WritesWithTheEpochOrSoon) {
  SimulatedClock clock;
  std::string out;
  auto sink = MakeStdoutSink(clock, [&](std::string_view text) {
    out += text;
    return Status::OK();
  });
  const SchemaPtr schema = arrow::schema(
      {arrow::field("a", arrow::int64()), arrow::field(kChangeColumn, arrow::int8())});
  ASSERT_OK(sink->Open(schema, arrow::default_memory_pool()));
  ASSERT_OK(sink->Write(*connect_test::Rows(schema, R"([{"a":1,"_change":1}])")));
  EXPECT_EQ(out, "");
  clock.AdvanceMicros(4'999);
  EXPECT_EQ(out, "");
  clock.AdvanceMicros(1);
  EXPECT_EQ(out, "{\"a\":1,\"_change\":1}\n");
  ASSERT_OK(sink->Write(*connect_test::Rows(schema, R"([{"a":1,"_change":-1}])")));
  ASSERT_OK(sink->Prepare(1));
  ASSERT_OK(sink->Commit(1));
  EXPECT_EQ(out, "{\"a\":1,\"_change\":1}\n{\"a\":1,\"_change\":-1}\n");
  ASSERT_OK(sink->Write(*connect_test::Rows(schema, R"([{"a":2,"_change":1}])")));
  sink.reset();
  EXPECT_TRUE(out.ends_with("{\"a\":2,\"_change\":1}\n")) << "the last rows go out with the sink";
  clock.AdvanceMicros(1'000'000);
}

TEST(StdoutSinkTest, AClosedPipeEndsTheJob) {
  SimulatedClock clock;
  auto sink = MakeStdoutSink(
      clock, [](std::string_view) { return Error(ErrorKind::kCancelled, "closed"); });
  const SchemaPtr schema = arrow::schema({arrow::field("a", arrow::int64())});
  ASSERT_OK(sink->Open(schema, arrow::default_memory_pool()));
  ASSERT_OK(sink->Write(*connect_test::Rows(schema, R"([{"a":1}])")));
  clock.AdvanceMicros(200'000);
  EXPECT_ERROR(sink->Write(*connect_test::Rows(schema, R"([{"a":1}])")), kCancelled, "closed");
}

}  // namespace
}  // namespace headrace
