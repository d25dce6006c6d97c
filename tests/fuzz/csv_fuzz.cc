// The CSV reader on any bytes, in many dialects, with inferred and with declared columns.
#include <array>

#include "file_case.h"
#include "fuzz.h"

namespace headrace::fuzz {
namespace {

constexpr const char* kColumns =
    "i BIGINT, x DOUBLE, b BOOLEAN, d DATE, t TIMESTAMP, m DECIMAL(10, 2)";
constexpr const char* kMoreColumns =
    "s VARCHAR, k INTEGER, z TIMESTAMP WITH TIME ZONE, u TIME, n TINYINT, f REAL";

const std::vector<OptionMap>& Dialects() {
  static const std::vector<OptionMap> dialects = {
      {},
      {{"header", "false"}},
      {{"columns", kColumns}},
      {{"columns", kMoreColumns}, {"header", "false"}},
      {{"delimiter", ";"}, {"quote", "'"}},
      {{"quote", ""}, {"delimiter", "tab"}},
      {{"escape", "\\"}, {"null", "NA,,null"}},
      {{"comment", "#"}, {"skip_rows", "1"}},
      {{"columns", "i VARCHAR"}, {"skip_rows", "2"}},
      {{"sample_rows", "0"}},
      {{"sample_rows", "1"}, {"header", "false"}},
  };
  return dialects;
}

constexpr std::array kPaths = {"/input.csv", "/input.tsv", "/input.csv.gz", "/input.csv.zst"};

/// The choices of LLVMFuzzerTestOneInput before `bytes`.
std::string Chosen(size_t path, size_t dialect, std::string_view bytes) {
  return std::string{static_cast<char>(path), static_cast<char>(dialect), '\0'} +
         std::string(bytes);
}

}  // namespace

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (size_t path = 0; path < kPaths.size(); ++path) {
    for (const auto& table : FlatTables()) {
      const std::string bytes = WriteBytes(kPaths[path], table);
      for (size_t dialect = 0; dialect < Dialects().size(); ++dialect) {
        seeds.push_back(Chosen(path, dialect, bytes));
      }
    }
  }
  seeds.push_back(Chosen(0, 4, "a;b\r\n'x;y';1\r\n'it''s';2\r\n"));
  seeds.push_back(Chosen(0, 6, "a,b\n\"x\\\"y\",NA\nnull,1\n"));
  seeds.push_back(Chosen(0, 7, "skipped\n#c\na,b\n#d\n1,2\n"));
  seeds.push_back(Chosen(0, 3, "x,1,2013-01-01T05:00:00Z,05:00:00,-128,1e-40\n,,,,,\n"));
  return seeds;
}

std::vector<std::string> Tokens() {
  return {",",
          "\"",
          "\"\"",
          "\n",
          "\r\n",
          "\r",
          ";",
          "\t",
          "\\",
          "'",
          "#",
          "NA",
          "null",
          "\xEF\xBB\xBF",
          "\xFF",
          "\xC3",
          std::string(1, '\0'),
          "\"\n",
          "1.",
          "-",
          "1e309",
          "1e-400",
          "0x1p3",
          "inf",
          "nan",
          "9223372036854775808",
          "18446744073709551616",
          "2013-02-29",
          "0000-00-00",
          "9999-12-31 23:59:60",
          "-262144-01-01",
          "2013-01-01T00:00:00.123456789Z",
          "2013-01-01 00:00+99:99",
          "TRUE",
          "99999999.999",
          " 1 ",
          "é"};
}

}  // namespace headrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace::fuzz;
  Input input(data, size);
  FileCase one;
  one.path = kPaths[static_cast<size_t>(input.Choose(kPaths.size()))];
  const auto& dialects = Dialects();
  one.options = dialects[static_cast<size_t>(input.Choose(static_cast<int>(dialects.size())))];
  const int shape = input.Choose(8);
  // Two windows of 1 MiB, and columns that take no more than some times their text.
  one.memory_max = (int64_t{4} << 20) + 64 * static_cast<int64_t>(size);
  ExpectSameRowsInAnyBatches(std::move(one), shape, input.rest());
  return 0;
}
