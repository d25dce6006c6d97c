// Options in files.
#include "headrace/sql/config_file.h"

#include <gtest/gtest.h>

#include "headrace/base/test_status.h"

namespace headrace::sql {
namespace {

class ConfigFile : public testing::Test {
 protected:
  void SetUp() override {
    files_.vfs = vfs_.get();
    files_.base_directory = "/conf";
    files_.variable = [](const std::string& name) -> std::optional<std::string> {
      if (name == "HOST") return "kafka-1";
      if (name == "EMPTY") return "";
      return std::nullopt;
    };
    ASSERT_OK(vfs_->MakeDirectories("/conf/base"));
  }

  void Write(const std::string& name, const std::string& text) {
    auto file = vfs_->OpenForWrite("/conf/" + name).ValueOrDie();
    ASSERT_OK(file->Write(text));
    ASSERT_OK(file->Close());
  }
  Result<OptionMap> Read(const std::string& name) { return ReadConfigFile(files_, name); }

  std::unique_ptr<Vfs> vfs_ = MakeMemoryVfs();
  ConfigFiles files_;
};

TEST_F(ConfigFile, Yaml) {
  Write("a.yaml",
        "# a comment\ntopic: {name: trades, partitions: 3}\nbootstrap.servers: ${HOST}:9092\n"
        "tags: [a, b]\nnothing:\nflag: true\nquoted: \"${MISSING:-x: y}\"\nempty: "
        "'${EMPTY:-filled}'\n");
  const OptionMap expected = {
      {"topic.name", "trades"}, {"topic.partitions", "3"}, {"bootstrap.servers", "kafka-1:9092"},
      {"tags", "a,b"},          {"flag", "true"},          {"quoted", "x: y"},
      {"empty", "filled"}};
  EXPECT_EQ(Read("a.yaml").ValueOrDie(), expected);
}

TEST_F(ConfigFile, Toml) {
  Write("a.toml",
        "path = \"${HOST}.csv\"\nn = 5\nflag = false\nlist = [1, 2]\n[topic]\nname = 't'\n");
  const OptionMap expected = {
      {"path", "kafka-1.csv"}, {"n", "5"}, {"flag", "false"}, {"list", "1,2"}, {"topic.name", "t"}};
  EXPECT_EQ(Read("a.toml").ValueOrDie(), expected);
}

TEST_F(ConfigFile, Extends) {
  Write("base/base.yaml", "a: base\nb: base\nextends: root.yaml\n");
  Write("base/root.yaml", "b: root\nc: root\n");
  Write("a.yaml", "extends: base/base.yaml\na: own\n");
  const OptionMap expected = {{"a", "own"}, {"b", "base"}, {"c", "root"}};
  EXPECT_EQ(Read("a.yaml").ValueOrDie(), expected);
  Write("loop.yaml", "extends: loop.yaml\n");
  EXPECT_ERROR(Read("loop.yaml").status(), kInvalidArgument, "extend each other");
}

TEST_F(ConfigFile, Errors) {
  Write("a.yaml", "x: ${NOPE:?set it to the host}\n");
  EXPECT_ERROR(Read("a.yaml").status(), kInvalidArgument, "NOPE is not set: set it to the host");
  Write("b.yaml", "x: ${NOPE}\n");
  EXPECT_ERROR(Read("b.yaml").status(), kInvalidArgument, "variable NOPE is not set");
  Write("c.yaml", "x: [1\ny: 2");
  EXPECT_ERROR(Read("c.yaml").status(), kBadData, "c.yaml:");
  Write("d.yaml", "just words");
  EXPECT_ERROR(Read("d.yaml").status(), kBadData, "expected options");
  Write("e.yaml", "x: 1\nX: 2\n");
  EXPECT_ERROR(Read("e.yaml").status(), kBadData, "given twice");
  Write("f.toml", "x = \n");
  EXPECT_ERROR(Read("f.toml").status(), kBadData, "f.toml:1");
  EXPECT_ERROR(Read("none.yaml").status(), kNotFound, "none.yaml");
}

}  // namespace
}  // namespace headrace::sql
