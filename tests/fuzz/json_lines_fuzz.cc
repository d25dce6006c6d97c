// The JSON lines reader on any bytes, as lines and as one array, with inferred and with declared
// columns.
#include <array>

#include "file_case.h"
#include "fuzz.h"

namespace headrace::fuzz {
namespace {

constexpr const char* kFlat =
    "i BIGINT, x DOUBLE, b BOOLEAN, d DATE, t TIMESTAMP, m DECIMAL(10, 2), s VARCHAR, u UTINYINT";
constexpr const char* kNested =
    "l DOUBLE[], o STRUCT(a BIGINT, b STRUCT(c VARCHAR[])[]), m MAP(VARCHAR, BIGINT), v BLOB";

const std::vector<OptionMap>& Ways() {
  static const std::vector<OptionMap> ways = {
      {},
      {{"layout", "array"}},
      {{"columns", kFlat}},
      {{"columns", kNested}, {"unknown_keys", "fail"}},
      {{"columns", kNested}, {"on_error", "null"}},
      {{"columns", kFlat}, {"on_error", "skip_row"}},
      {{"sample_rows", "1"}, {"unknown_keys", "ignore"}},
      {{"sample_rows", "1"}, {"on_error", "skip_row"}},
      {{"infer_times", "false"}, {"layout", "lines"}, {"on_error", "null"}},
  };
  return ways;
}

constexpr std::array kPaths = {"/input.jsonl", "/input.json.gz", "/input.ndjson.zst"};

/// The choices of LLVMFuzzerTestOneInput before `bytes`.
std::string Chosen(size_t path, size_t way, std::string_view bytes) {
  return std::string{static_cast<char>(path), static_cast<char>(way), '\0'} + std::string(bytes);
}

}  // namespace

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (size_t path = 0; path < kPaths.size(); ++path) {
    for (const auto& tables : {FlatTables(), RichTables()}) {
      for (const auto& table : tables) {
        const std::string bytes = WriteBytes(kPaths[path], table);
        for (size_t way = 0; way < Ways().size(); ++way) {
          seeds.push_back(Chosen(path, way, bytes));
        }
      }
    }
  }
  seeds.push_back(Chosen(0, 1, "[{\"a\": 1},\n {\"a\": [{}, {\"b\": null}]} ]\n"));
  seeds.push_back(
      Chosen(0, 2, "{\"i\": 1, \"x\": 2.5, \"m\": 1.25, \"s\": \"\\u00e9\\n\"}\nnull\n"));
  seeds.push_back(Chosen(0, 4, "{\"o\": {\"b\": [{\"c\": [\"x\", 1]}]}, \"m\": {\"k\": 2}}\n\n{}"));
  return seeds;
}

std::vector<std::string> Tokens() {
  return {"{",
          "}",
          "[",
          "]",
          ",",
          ":",
          "\"",
          "\\",
          "\\u",
          "\\ud800",
          "\\udc00",
          "\\u00e9",
          "\\n",
          "\n",
          "\r\n",
          "null",
          "true",
          "false",
          "nul",
          "-",
          "0",
          "-0",
          "01",
          "1.",
          "1.0",
          "1e3",
          "1e309",
          "1e-400",
          "{}",
          "[]",
          "[[[[[[[[",
          "{\"a\":",
          "\"a\"",
          "\"i\":",
          "\"o\":",
          "\xFF",
          "\xC3",
          "\xEF\xBB\xBF",
          std::string(1, '\0'),
          " ",
          "\t",
          "9223372036854775808",
          "18446744073709551616",
          "\"2013-01-31\"",
          "\"2013-01-31T05:00:00Z\"",
          "\"NaN\"",
          "\"\\\\xff\"",
          "NaN"};
}

}  // namespace headrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace::fuzz;
  Input input(data, size);
  FileCase one;
  one.path = kPaths[static_cast<size_t>(input.Choose(kPaths.size()))];
  const auto& ways = Ways();
  one.options = ways[static_cast<size_t>(input.Choose(static_cast<int>(ways.size())))];
  const int shape = input.Choose(8);
  ExpectSameRowsInAnyBatches(std::move(one), shape, input.rest());
  return 0;
}
