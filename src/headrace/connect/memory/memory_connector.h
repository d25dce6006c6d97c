// The connector memory: streams of the session as sources and sinks of jobs.
#pragma once

#include <memory>

#include "headrace/connect/connector.h"
#include "headrace/connect/memory/memory_stream.h"

namespace headrace {

/// Reads the rows that are in the stream and those that come, until it has ended. Readers can be
/// resumed at every row. `schema`: declared, NOT NULL as not nullable; columns of the stream.
Result<SourcePtr> MakeMemorySource(MemoryStreamPtr stream, SchemaPtr schema);

/// Rows are in the stream when their epoch is committed, once. A first call of Commit is that of a
/// job that is resumed; any other first call is a fresh start, behind the rows that are there.
/// Abort keeps prepared epochs: a checkpoint may have them. Takes changes.
std::unique_ptr<Sink> MakeMemorySink(MemoryStreamPtr stream);

/// Options: name, faults.
Result<SourcePtr> OpenMemorySource(const ConnectContext& context, const OptionMap& options);
Result<std::unique_ptr<Sink>> CreateMemorySink(const ConnectContext& context,
                                               const OptionMap& options);

}  // namespace headrace
