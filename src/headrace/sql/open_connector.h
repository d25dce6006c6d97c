// Connectors by the definitions of SQL: the one place of this room that knows their registry.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/sql/stream_application.h"
#include "headrace/table/sink.h"

namespace headrace::sql {

/// The source of a stream; relative paths are those of `base_directory`.
Result<SourcePtr> OpenStreamSource(Session& session, const StreamDefinition& stream,
                                   const std::string& base_directory);
/// The sink of a query; `key`: the columns that tell its results apart. Nothing is written yet.
Result<std::unique_ptr<Sink>> CreateStreamSink(Session& session, const SinkDefinition& sink,
                                               std::vector<std::string> key,
                                               const std::string& base_directory);
/// Whether there is such a sink and it knows its options; nothing is written.
Status CheckConnectorSink(Session& session, const SinkDefinition& sink,
                          const std::string& base_directory);

}  // namespace headrace::sql
