// Which files a predicate on the columns of their paths leaves: what scripts cannot see.
#include "headrace/format/path_columns.h"

#include <gtest/gtest.h>

#include "arrow/scalar.h"
#include "headrace/format/test_files.h"

namespace headrace::format_test {
namespace {

/// The names of the splits that a bound on column `k` leaves.
std::string FilesLeft(Vfs& vfs, BoundOp op, const ScalarPtr& value, OptionMap options = {}) {
  const SourcePtr source = OpenFiles(vfs, "/d/**", std::move(options)).ValueOrDie();
  ScanRequest request = Everything(*source);
  request.bounds = {{source->schema()->GetFieldIndex("k"), op, value}};
  std::string names;
  for (const Split& split : source->Splits(request).ValueOrDie()) {
    names += (names.empty() ? "" : " ") + split.name.substr(0, split.name.find(".jsonl"));
  }
  return names;
}

class PathColumnsTest : public ::testing::Test {
 protected:
  void Put(const std::string& path) {
    ASSERT_ARROW_OK(vfs_->MakeDirectories(ParentPath(path)));
    PutFile(*vfs_, path, "{\"a\": 1}\n");
  }
  const std::unique_ptr<Vfs> vfs_ = MakeMemoryVfs();
};

TEST_F(PathColumnsTest, BoundsLeaveOutFiles) {
  Put("/d/k=1/x.jsonl");
  Put("/d/k=02/x.jsonl");
  Put("/d/k=__HIVE_DEFAULT_PARTITION__/x.jsonl");
  const ScalarPtr two = arrow::MakeScalar(int64_t{2});
  for (const char* by_name : {"false", "true"}) {
    const OptionMap options = {{"union_by_name", by_name}};
    EXPECT_EQ(FilesLeft(*vfs_, BoundOp::kEqual, two, options), "/d/k=02/x");
    EXPECT_EQ(FilesLeft(*vfs_, BoundOp::kLess, two, options), "/d/k=1/x");
    EXPECT_EQ(FilesLeft(*vfs_, BoundOp::kIsNull, nullptr, options),
              "/d/k=__HIVE_DEFAULT_PARTITION__/x");
    EXPECT_EQ(FilesLeft(*vfs_, BoundOp::kIsNotNull, nullptr, options), "/d/k=02/x /d/k=1/x");
  }
  EXPECT_EQ(Rows(*ReadFile(*vfs_, "/d/**").ValueOrDie()), "1|2;1|1;1|NULL");
}

TEST_F(PathColumnsTest, TypesAreThoseOfAllValues) {
  Put("/d/k=2013-01-31/n=1/x.jsonl");
  Put("/d/k=2013-02-01/n=x%2Fy/x.jsonl");
  const TablePtr table = ReadFile(*vfs_, "/d").ValueOrDie();
  EXPECT_EQ(Columns(*table->schema()), "a int64, k date32[day], n string");
  EXPECT_EQ(Rows(*table), "1|2013-01-31|1;1|2013-02-01|x/y");
}

TEST_F(PathColumnsTest, OtherKeysAreNoColumnsUnlessWanted) {
  Put("/d/k=1/x.jsonl");
  Put("/d/j=1/x.jsonl");
  EXPECT_EQ(Columns(*ReadFile(*vfs_, "/d").ValueOrDie()->schema()), "a int64");
  const Status status = ReadFile(*vfs_, "/d", {{"hive_partitioning", "true"}}).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kInvalidArgument);
  EXPECT_NE(status.message().find("/d/k=1/x.jsonl"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace headrace::format_test
