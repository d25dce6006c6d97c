// File sinks of jobs: what an epoch wrote becomes visible when it is committed, once, whenever the
// process dies. docs/formats/stream_files.md tells what lies in the folder.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "headrace/base/clock.h"
#include "headrace/connect/connector.h"
#include "headrace/format/file_sink.h"
#include "headrace/io/vfs.h"
#include "headrace/table/sink.h"

namespace headrace {

/// When the file is put away under a numbered name and begun anew; −1: never. Looked at when an
/// epoch is committed.
struct FileRotation {
  int64_t bytes_max = -1;
  int64_t rows_max = -1;
  int64_t interval_micros = -1;
};

struct EpochFileOptions {
  std::string path;
  /// Epochs are put one behind the other in one file, behind what `make_header` (may be empty)
  /// makes of no rows; else each is a file of its own, with the epoch as number:
  /// "name-000012.parquet".
  bool is_text = true;
  MakeEncoder make_header;
  /// A fresh start keeps what is there; else it takes its place with the first commit.
  bool append_if_exists = false;
  FileRotation rotation;
};

/// Calls as Sink says. A first call of Commit is that of a job that is resumed: everything up to
/// that epoch is published, everything behind it dropped. Any other first call is a fresh start.
/// Abort and death keep prepared epochs: a checkpoint may have them.
std::unique_ptr<Sink> MakeEpochFileSink(Vfs& vfs, Clock& clock, std::string name,
                                        EpochFileOptions options, MakeEncoder make_encoder,
                                        bool takes_changes);

/// Options: path, format (csv, csv_no_header, json, …, parquet, arrow; else by the extension),
/// append_if_exists, for text formats max_file_size_bytes, max_records_per_file and
/// rotation_interval_ms, and those of the format's writer.
Result<std::unique_ptr<Sink>> CreateEpochFileSink(const ConnectContext& context,
                                                  const OptionMap& options);

}  // namespace headrace
