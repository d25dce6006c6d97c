// Options as text: settings of sessions, options of formats, lists of columns, names of types,
// sizes, patterns of files.
#include <array>
#include <charconv>

#include "arrow/type.h"
#include "arrow/util/utf8.h"
#include "file_case.h"
#include "fuzz.h"
#include "headrace/engine/settings.h"
#include "headrace/format/csv/column_list.h"
#include "headrace/io/memory_vfs.h"
#include "headrace/types/type_table.h"

namespace headrace::fuzz {
namespace {

constexpr std::array kPaths = {"/t.csv", "/t.parquet", "/t.arrow"};

/// "name=value" lines.
OptionMap OptionsIn(std::string_view text) {
  OptionMap options;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const size_t equals = std::min(line.find('='), line.size());
    options[std::string(line.substr(0, equals))] = line.substr(std::min(line.size(), equals + 1));
  }
  return options;
}

void CheckError(const Status& status) {
  if (!status.ok()) Expect(KindOf(status) != ErrorKind::kInternal, status.message());
}

/// A type that has a name is the type that its name means.
void CheckName(const arrow::DataType& type) {
  const auto named = csv::ParseColumnList("c " + SqlNameOf(type));
  if (named.ok()) Expect((*named)->field(0)->type()->Equals(type), "types and names fit");
}

void CheckTypes(std::string_view text) {
  const auto columns = csv::ParseColumnList(text);
  CheckError(columns.status());
  const auto type = TypeFromSqlName(text, std::array<int64_t, 2>{10, 2});
  CheckError(type.status());
  CheckError(TypeFromSqlName(text).status());
  if (type.ok()) CheckName(**type);
  if (!columns.ok()) return;
  for (const auto& field : (*columns)->fields()) CheckName(*field->type());
}

void CheckFormats(const OptionMap& options) {
  static const RecordBatchPtr batch = FlatTables()[1][0];
  static const std::array<std::string, 3> files = {WriteBytes(kPaths[0], {batch}),
                                                   WriteBytes(kPaths[1], {batch}),
                                                   WriteBytes(kPaths[2], {batch})};
  for (size_t i = 0; i < kPaths.size(); ++i) {
    FileCase file_case;
    file_case.path = kPaths[i];
    file_case.options = options;
    static_cast<void>(ReadCase(file_case, files[i]));
    const auto vfs = MakeMemoryVfs();
    CheckError(CreateFile(*vfs, kPaths[i], options).status());
  }
}

}  // namespace

std::vector<std::string> Seeds() {
  return {"memory_limit=64MiB\nthreads=2\nspill_limit=1.5 GB\nbatch_rows=1024\ntemp_dir=/tmp",
          "delimiter=;\nquote='\nescape=\\\nheader=false\nnull=NA,null\ncomment=#\nskip_rows=1",
          "format=csv\ncolumns=s VARCHAR, k BIGINT\nsample_rows=10",
          "compression=zstd\nrow_group_rows=3\nrow_group_bytes=1024",
          "a BIGINT, \"b c\" DECIMAL(10, 2), t TIMESTAMP WITH TIME ZONE, v VARCHAR(3)",
          "TIMESTAMP(9)",
          "double precision",
          "12KiB",
          "1.5 gb",
          "/data/[a-c]?*.csv"};
}

std::vector<std::string> Tokens() {
  return {"memory_limit=",
          "threads=",
          "batch_rows=",
          "delimiter=",
          "quote=",
          "columns=",
          "format=",
          "sample_rows=",
          "compression=",
          "DECIMAL(",
          "TIMESTAMP",
          "VARCHAR",
          "(38, 38)",
          "KiB",
          "gb",
          "=",
          "\n",
          ",",
          "(",
          ")",
          "\"",
          "tab",
          "-1",
          "1e308",
          "[",
          "]",
          "*",
          "?",
          "!",
          "9223372036854775807",
          "\xff",
          std::string(1, '\0')};
}

}  // namespace headrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // Front ends hand on text.
  arrow::util::InitializeUTF8();
  if (!arrow::util::ValidateUTF8(text)) return 0;
  const OptionMap options = fuzz::OptionsIn(text);
  fuzz::CheckTypes(text);
  fuzz::CheckFormats(options);
  fuzz::CheckError(Settings::FromOptions(options).status());
  fuzz::CheckError(ParseByteSize(text).status());
  const auto vfs = MakeMemoryVfs();
  fuzz::CheckError(Glob(*vfs, std::string(text)).status());
  return 0;
}
