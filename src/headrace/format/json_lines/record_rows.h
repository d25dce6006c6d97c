// RecordRows: records, one after the other, as rows of typed columns.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "headrace/format/json_lines/record_parser.h"
#include "headrace/format/json_lines/value_builder.h"
#include "headrace/types/batch.h"

namespace headrace::json_lines {

/// One thread; used for batch after batch.
class RecordRows {
 public:
  /// `records` places the errors.
  RecordRows(RecordStream& records, OnError on_error, bool unknown_keys_fail,
             const std::vector<int>& projection);
  /// The columns of the records; those of the projection are built, and must not be null where the
  /// schema says so. `times` (may be null) tells how the timestamps are spelled.
  Status Prepare(const arrow::Schema& schema, const TimeForms* times, arrow::MemoryPool* pool);

  enum class Row {
    kFits,
    kMended,  // with nulls where values do not fit (OnError::kNull)
    kBad,     // left out: Error tells why
  };
  /// Adds one row. Fails only for lack of memory. `record` as RecordStream hands it out.
  Result<Row> Append(std::string_view record);
  /// kBadData with its place, for the record that was appended last.
  Status Error();

  /// Rows that were appended since the last Finish; those that are not bad; their bytes.
  int64_t rows() const { return rows_; }
  int64_t good_rows() const { return static_cast<int64_t>(kept_.size()); }
  int64_t bytes() const { return reading_.bytes; }
  /// The good rows, in the order of the projection.
  Result<Batch> Finish();

 private:
  enum class Fault { kNone, kNotParsed, kBroken, kMisfit, kTail };
  Result<Fault> AppendFields(std::string_view record);
  Status CheckMemory(Fit fit) const;

  const RecordStream& records_;
  RecordParser parser_;
  const std::vector<int> projection_;
  const std::vector<int> columns_;  // that are built
  FieldBuilders fields_;
  arrow::MemoryPool* pool_ = nullptr;
  Reading reading_;
  Fault fault_ = Fault::kNone;
  int64_t rows_ = 0;
  std::vector<uint32_t> kept_;  // that are not bad
};

}  // namespace headrace::json_lines
