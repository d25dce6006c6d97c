// The Parquet reader on any bytes: schemas, statistics, pages, with projections and bounds.

#include "arrow/buffer.h"
#include "arrow/io/memory.h"
#include "arrow/record_batch.h"
#include "arrow/scalar.h"
#include "arrow/table.h"
#include "arrow/type.h"
#include "file_case.h"
#include "fuzz.h"
#include "parquet/arrow/writer.h"

namespace headrace::fuzz {
namespace {

constexpr const char* kPath = "/input.parquet";

std::string Chosen(std::string_view bytes) { return std::string(3, '\0') + std::string(bytes); }

/// A file as other writers make them: other encodings, page versions and compressions than ours.
std::string WriteForeign(const std::vector<RecordBatchPtr>& batches, bool checksums) {
  auto table = arrow::Table::FromRecordBatches(batches).ValueOrDie();
  auto stream = arrow::io::BufferOutputStream::Create().ValueOrDie();
  parquet::WriterProperties::Builder properties;
  properties.disable_dictionary()
      ->data_page_version(parquet::ParquetDataPageVersion::V2)
      ->compression(arrow::Compression::SNAPPY)
      ->enable_write_page_index()
      ->data_pagesize(64)
      ->max_row_group_length(3);
  if (checksums) properties.enable_page_checksum();
  for (const auto& field : table->schema()->fields()) {
    if (arrow::is_integer(field->type()->id())) {
      properties.encoding(field->name(), parquet::Encoding::DELTA_BINARY_PACKED);
    } else if (arrow::is_floating(field->type()->id())) {
      properties.encoding(field->name(), parquet::Encoding::BYTE_STREAM_SPLIT);
    } else if (arrow::is_base_binary_like(field->type()->id())) {
      properties.encoding(field->name(), parquet::Encoding::DELTA_BYTE_ARRAY);
    }
  }
  const Status written = parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), stream,
                                                    1 << 20, properties.build());
  Expect(written.ok(), written.message());
  return stream->Finish().ValueOrDie()->ToString();
}

/// A bound per column that has a plain order, on both sides of its values.
std::vector<ColumnBound> BoundsOf(const arrow::Schema& schema, int choice) {
  std::vector<ColumnBound> bounds;
  for (int column = 0; column < schema.num_fields(); ++column) {
    const TypePtr type = schema.field(column)->type();
    const auto value = arrow::MakeScalar(type, 1);
    if (!value.ok()) continue;
    bounds.push_back({column, static_cast<BoundOp>((column + choice) % 7), *value});
  }
  return bounds;
}

}  // namespace

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const auto& tables : {FlatTables(), RichTables()}) {
    for (const auto& table : tables) {
      for (const char* compression : {"none", "zstd", "lz4", "gzip"}) {
        const std::string bytes =
            WriteBytes(kPath, table, {{"compression", compression}, {"row_group_rows", "3"}});
        if (!bytes.empty()) seeds.push_back(Chosen(bytes));
      }
    }
  }
  for (const auto& table : FlatTables()) {
    seeds.push_back(Chosen(WriteForeign(table, false)));
    seeds.push_back(Chosen(WriteForeign(table, true)));
  }
  return seeds;
}

std::vector<std::string> Tokens() {
  // The magic of files, and pieces of the thrift compact protocol: field headers, ends of structs.
  return {"PAR1",
          "PARE",
          std::string(1, '\0'),
          "\x15\x02",
          "\x15\x04",
          "\x19\x1c",
          "\x2c",
          "\x18",
          "\x16\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
          "\x15\xfe\xff\xff\xff\x0f",
          "\x80\x80\x80\x80\x10",
          "\x1c\x15",
          "ARROW:schema"};
}

}  // namespace headrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace::fuzz;
  Input input(data, size);
  FileCase one;
  one.path = kPath;
  const int shape = input.Choose(8);
  const int columns = input.Choose(6);
  const int bounds = input.Choose(14);
  if (columns > 0) one.columns.assign(static_cast<size_t>(columns - 1), columns);
  FileCase other = one;
  other.batch_rows = 1 + shape % 3;
  other.batch_bytes = shape < 4 ? 16 : 1000;
  const bool is_readable = ExpectSameRows(one, other, input.rest());
  Expect(is_readable || !IsSeed({reinterpret_cast<const char*>(data), size}), "seeds are valid");
  if (bounds >= 7) return 0;
  one.bounds = [&](const arrow::Schema& schema) { return BoundsOf(schema, bounds); };
  static_cast<void>(ReadCase(one, input.rest()));
  return 0;
}
