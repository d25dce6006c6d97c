// What the targets of file formats have in common: small tables to write, a file in memory to read,
// and the promises of Source and SplitReader.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "arrow/type_fwd.h"
#include "headrace/format/format.h"

namespace headrace::fuzz {

using RecordBatchPtr = std::shared_ptr<arrow::RecordBatch>;

/// Small tables that every format can write: flat types, text with quotes and line ends, nulls, no
/// rows. Each is one or two batches.
std::vector<std::vector<RecordBatchPtr>> FlatTables();
/// Lists, structs, maps, dictionaries and the types that only Arrow has.
std::vector<std::vector<RecordBatchPtr>> RichTables();

/// The bytes that the sink for `path` writes; "" when the format cannot hold the table.
std::string WriteBytes(const std::string& path, const std::vector<RecordBatchPtr>& batches,
                       const OptionMap& options = {});

/// One way to read an input.
struct FileCase {
  std::string path;  // its extension chooses the format
  OptionMap options;
  int64_t batch_rows = kBatchRowsDefault;
  int64_t batch_bytes = kBatchBytesMax;
  std::optional<int64_t> limit;
  /// Column numbers modulo the columns that the file turns out to have; empty: all.
  std::vector<int> columns;
  /// Called with the schema: the bounds to scan with.
  std::function<std::vector<ColumnBound>(const arrow::Schema&)> bounds;
  /// Promised: arrays take at most this much memory, whatever the input.
  int64_t memory_max = kCaseMemoryMax;

  static constexpr int64_t kCaseMemoryMax = int64_t{64} << 20;
};

/// Reads `bytes` as the case says and expects that every batch is valid, of the promised type and
/// size, that errors are of a kind that a user can mend and name the file, and that all memory is
/// given back. The rows, or the error.
Result<std::shared_ptr<arrow::Table>> ReadCase(const FileCase& file_case, std::string_view bytes);

/// Reads in two ways and expects the same rows, or an error from both. Whether there are rows.
bool ExpectSameRows(const FileCase& one, const FileCase& other, std::string_view bytes);

/// ExpectSameRows of `one` and other sizes of batches, by `shape` (0 to 7): of all columns, then of
/// some.
void ExpectSameRowsInAnyBatches(FileCase one, int shape, std::string_view bytes);

/// Expects of an error that it is not ours and that it can be shown.
void ExpectPresentable(const Status& error);

}  // namespace headrace::fuzz
