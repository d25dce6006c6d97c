// Options: typed reading, messages, unknown names.
#include "headrace/table/options.h"

#include <gtest/gtest.h>

#include "headrace/base/test_status.h"

namespace headrace {
namespace {

TEST(OptionReaderTest, ReadsTypedValuesAndFallbacks) {
  const OptionMap options = {{"header", "TRUE"}, {"skip", "3"},       {"delimiter", ";"},
                             {"name", "x y"},    {"quiet", "off"},    {"tab", "\\t"},
                             {"tab2", "tab"},    {"negative", "-12"}, {"real_tab", "\t"}};
  OptionReader reader("csv reader", options);
  EXPECT_TRUE(*reader.Flag("header", false));
  EXPECT_FALSE(*reader.Flag("quiet", true));
  EXPECT_TRUE(*reader.Flag("absent", true));
  EXPECT_EQ(*reader.Integer("skip", 0, 0, 10), 3);
  EXPECT_EQ(*reader.Integer("negative", 0, -20, 10), -12);
  EXPECT_EQ(*reader.Integer("absent", 7, 0, 10), 7);
  EXPECT_EQ(*reader.Character("delimiter", ','), ';');
  EXPECT_EQ(*reader.Character("tab", ','), '\t');
  EXPECT_EQ(*reader.Character("tab2", ','), '\t');
  EXPECT_EQ(*reader.Character("real_tab", ','), '\t');
  EXPECT_EQ(*reader.Character("absent", ','), ',');
  EXPECT_EQ(*reader.Text("name", ""), "x y");
  EXPECT_EQ(*reader.Text("absent", "z"), "z");
  EXPECT_OK(reader.Finish());
}

TEST(OptionReaderTest, ErrorsNameOwnerOptionAndValue) {
  const OptionMap options = {{"flag", "maybe"}, {"n", "12x"},
                             {"big", "99"},     {"huge", "99999999999999999999"},
                             {"empty", ""},     {"c", "ab"}};
  OptionReader reader("csv reader", options);
  EXPECT_ERROR(reader.Flag("flag", true), kInvalidArgument,
               "csv reader: option flag expects true or false, got 'maybe'");
  for (const char* name : {"n", "big", "huge", "empty"}) {
    EXPECT_ERROR(reader.Integer(name, 0, 0, 10), kInvalidArgument,
                 std::string("option ") + name + " expects an integer between 0 and 10, got '");
  }
  EXPECT_ERROR(reader.Character("c", ','), kInvalidArgument, "option c expects one character");
  EXPECT_ERROR(reader.Character("empty", ','), kInvalidArgument, "got ''");
}

TEST(OptionReaderTest, UnknownOptionsGetTheNearestName) {
  const OptionMap options = {{"delimeter", ";"}};
  OptionReader reader("csv reader", options);
  EXPECT_OK(reader.Character("delimiter", ','));
  EXPECT_OK(reader.Flag("header", true));
  EXPECT_ERROR(reader.Finish(), kInvalidArgument,
               "csv reader: unknown option delimeter; did you mean delimiter?");
  const OptionMap far = {{"xyzzy", ";"}};
  OptionReader other("csv reader", far);
  EXPECT_OK(other.Flag("header", true));
  EXPECT_ERROR(other.Finish(), kInvalidArgument, "unknown option xyzzy; known are header");
  EXPECT_ERROR(OptionReader("ipc", far).Finish(), kInvalidArgument, "it takes none");
}

TEST(NearestNameTest, ToleratesAFewEdits) {
  const std::vector<std::string> names = {"origin", "dest", "dep_delay", "arr_delay", "Year"};
  EXPECT_EQ(NearestName("orgin", names), "origin");
  EXPECT_EQ(NearestName("dset", names), "dest") << "neighbours swapped: one edit";
  EXPECT_EQ(NearestName("year", names), "Year") << "case does not count";
  EXPECT_EQ(NearestName("dep_delya", names), "dep_delay");
  EXPECT_EQ(NearestName("carrier", names), "");
  EXPECT_EQ(NearestName("", names), "");
  EXPECT_EQ(NearestName("x", {}), "");
}

TEST(NearestNameTest, TakesPartsOfNames) {
  EXPECT_EQ(NearestName("nullstr", {"header", "null", "quote"}), "null");
  EXPECT_EQ(NearestName("delim", {"header", "delimiter"}), "delimiter");
  EXPECT_EQ(NearestName("delay", {"dep_delay_hours", "dep_delay"}), "dep_delay");
  EXPECT_EQ(NearestName("st", {"dest"}), "") << "two letters are in many names";
  EXPECT_EQ(NearestName("address", {"ad"}), "");
}

}  // namespace
}  // namespace headrace
