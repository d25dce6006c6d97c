// FileSink: the sink of every file format – an encoder that writes into an AtomicFile.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "arrow/io/interfaces.h"
#include "arrow/type_fwd.h"
#include "headrace/io/vfs.h"
#include "headrace/table/sink.h"

namespace headrace {

/// Batches to bytes of one file. Dropping it unfinished is allowed; the file is then of no use.
class FileEncoder {
 public:
  virtual ~FileEncoder() = default;
  /// As SinkThreads::UseThreads; before the first Write.
  virtual void UseThreads(int /*count*/) {}
  virtual Status Write(const arrow::RecordBatch& batch) = 0;
  /// Writes what belongs behind the last batch.
  virtual Status Finish() = 0;
};

/// Makes the encoder for a schema; kUnsupported names the columns it cannot write.
using MakeEncoder = std::function<Result<std::unique_ptr<FileEncoder>>(
    const SchemaPtr& schema, std::shared_ptr<arrow::io::OutputStream> stream,
    arrow::MemoryPool* pool)>;

/// A sink of one epoch, which is a SinkThreads too. Passes fault point "<format>.write" on every
/// call of Write and Prepare.
std::unique_ptr<Sink> MakeFileSink(Vfs& vfs, std::string format, std::string path,
                                   MakeEncoder make_encoder);

}  // namespace headrace
