// SavedTable: a materialized table in checkpoints. Each saves the rows that were written and the
// keys that were deleted since the one before, in a file behind those that there are.
#pragma once

#include <cstdint>
#include <vector>

#include "headrace/connect/memory/keyed_table.h"
#include "headrace/exec/checkpoint/checkpoint.h"

namespace headrace {

inline constexpr const char* kTablePart = "table";

/// One file of a saved table, as it says.
struct TableFile {
  int64_t since = -1;   // changes of the table that the files before it hold; −1: it holds all rows
  int64_t changes = 0;  // that the table had seen
  int64_t num_rows = 0;  // of the table
  int64_t rows = 0;      // in the file
  int64_t deleted = 0;   // keys in the file
  SchemaPtr schema;      // of the rows; null: there are none
};
/// kBadData when it is not a file of a table.
Result<TableFile> ReadTableFile(const StateReader& file);

/// What the last checkpoint has of a table. All rows are saved again when what came since is more
/// than half of them, or stands in kFilesMax files. One thread.
class SavedTable {
 public:
  static constexpr size_t kFilesMax = 64;
  /// Adds the table as it is now to the checkpoint of the query that was begun last, whose Commit
  /// writes it; the table may change meanwhile.
  Status Save(KeyedTable& table, CheckpointWriter& writer);
  /// Fills `table`, which is empty. Files that do not follow each other are kBadData.
  Status Restore(const QueryCheckpoint& checkpoint, KeyedTable& table, arrow::MemoryPool* pool);

 private:
  int64_t changes_ = -1;  // none is saved
  PartPlaces places_;
  int64_t rows_ = 0;         // in the first file
  int64_t rows_behind_ = 0;  // rows and keys in the others
};

}  // namespace headrace
