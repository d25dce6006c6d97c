// File streams: files as one endless source, read in the order of their names and rows, and on as
// they grow, are rotated or appear.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "headrace/base/clock.h"
#include "headrace/connect/connector.h"
#include "headrace/format/row_stream.h"
#include "headrace/io/vfs.h"
#include "headrace/table/extent.h"
#include "headrace/table/options.h"
#include "headrace/table/source.h"

namespace headrace {

/// What becomes of a row that cannot be decoded.
enum class BadRowPolicy { kFail, kSkip, kDeadLetter };

struct FileStreamOptions {
  std::string pattern;  // of paths, whole
  bool watch = false;
  int64_t poll_micros = 10'000;
  int64_t discovery_micros = 1'000'000;
  int64_t linger_micros = 5'000;
  int64_t max_records = -1;  // none
  BadRowPolicy on_bad_row = BadRowPolicy::kFail;
  int64_t max_errors = -1;  // no limit
};

/// What happened to the files, over all readers; only grows.
struct FileStreamCounts {
  std::atomic<int64_t> files{0};
  std::atomic<int64_t> rotations{0};    // a file's name went to another file, or was removed
  std::atomic<int64_t> truncations{0};  // a file was cut or written anew in place
  std::atomic<int64_t> bytes{0};        // there were, when the files were found or looked at
  std::atomic<int64_t> bytes_read{0};
};

/// One split. Rows have the declared columns. Without `watch` its reader ends when the files that
/// were there at first are read; with it the reader is Pending and asks the clock for a wake.
/// Position() names every file and where it was read to; a reader opened there goes on with the
/// next row, in files that were renamed meanwhile too.
class FileStream final : public Source, public KnowsExtent {
 public:
  FileStream(Vfs& vfs, Clock& clock, SchemaPtr schema, std::shared_ptr<const RowFormat> format,
             FileStreamOptions options);

  std::string name() const override;
  const SchemaPtr& schema() const override { return schema_; }
  Boundedness boundedness() const override { return Boundedness::kUnbounded; }
  Result<std::vector<Split>> Splits(const ScanRequest& request) override;
  Result<std::unique_ptr<SplitReader>> Open(const Split& split, const ScanRequest& request,
                                            const ReadContext& context) override;
  Result<std::string> Snapshot() override;
  /// Bytes of files as they are, packed or not.
  ReadExtent extent() const override;

  const FileStreamCounts& counts() const { return *counts_; }

 private:
  Vfs& vfs_;
  Clock& clock_;
  const SchemaPtr schema_;
  const std::shared_ptr<const RowFormat> format_;
  const FileStreamOptions options_;
  const std::shared_ptr<FileStreamCounts> counts_ = std::make_shared<FileStreamCounts>();
};

/// Options: path (relative to the base folder; a glob), format (csv, csv_no_header, json, jsonl,
/// jsonlines, parquet, arrow; else by the extension), watch, poll_interval, discovery_interval,
/// linger (all three in milliseconds), max_records, on_error (fail, skip, dlq), max_errors,
/// event.time.field, event.time.format, and those of the format. Columns must be declared.
Result<SourcePtr> OpenFileStream(const ConnectContext& context, const OptionMap& options);

}  // namespace headrace
