// The reader of a file stream: file after file, and when it watches round and round.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "headrace/connect/file/file_set.h"
#include "headrace/connect/file/file_stream.h"
#include "headrace/table/dead_letters.h"

namespace headrace {

class FileStreamReader final : public SplitReader {
 public:
  /// `name` is the stream's, for dead letters.
  FileStreamReader(std::string name, Clock& clock, FileSet files, const FileStreamOptions& options,
                   const ScanRequest& request, const ReadContext& context);
  /// Goes on at a position, if there is one.
  Status Begin();

  Result<ReadResult> Next() override;
  Result<std::string> Position() const override;

 private:
  Status DiscoverWhenDue(int64_t now);
  Result<std::optional<Batch>> ReadFrom(TrackedFile& file, int64_t now);
  Result<std::optional<Batch>> ReadToEnd(TrackedFile& file);
  ReadResult Give(Batch batch);
  ReadResult Wait(int64_t now);
  Status TakeBadRow(const BadRow& bad);
  DeadLetter LetterOf(const BadRow& bad) const;

  const std::string name_;
  Clock& clock_;
  FileSet files_;
  const FileStreamOptions options_;
  const ReadContext context_;
  RowRequest request_;
  int64_t rows_max_;
  int64_t rows_ = 0;    // given, since the first start
  int64_t errors_ = 0;  // rows that could not be decoded, since the first start
  size_t current_ = 0;  // of the files
  TrackedFile* reading_ = nullptr;
  int64_t next_discovery_ = 0;
  int64_t next_look_ = INT64_MAX;  // at files that linger
  int64_t pause_micros_;           // the next one, when there is nothing to read
  int64_t wake_micros_ = -1;
};

}  // namespace headrace
