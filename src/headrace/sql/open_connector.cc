// Connectors by name.
#include "headrace/sql/open_connector.h"

#include "headrace/connect/connector.h"

namespace headrace::sql {
namespace {

ConnectContext ContextOf(Session& session, const std::string& base_directory) {
  return {session.vfs(), session.clock(), base_directory, nullptr, {}, &session.memory_streams()};
}

}  // namespace

Result<SourcePtr> OpenStreamSource(Session& session, const StreamDefinition& stream,
                                   const std::string& base_directory) {
  ConnectContext context = ContextOf(session, base_directory);
  context.schema = stream.schema;
  OptionMap options = stream.options;
  const bool is_endless = stream.connector == "generator" && !stream.feeds_table;
  if (is_endless) options.emplace("unbounded", "true");  // whatever number of rows it gives
  return OpenConnector(stream.connector, context, options);
}

Result<std::unique_ptr<Sink>> CreateStreamSink(Session& session, const SinkDefinition& sink,
                                               std::vector<std::string> key,
                                               const std::string& base_directory) {
  ConnectContext context = ContextOf(session, base_directory);
  context.key = std::move(key);
  return CreateConnectorSink(sink.connector, context, sink.options);
}

Status CheckConnectorSink(Session& session, const SinkDefinition& sink,
                          const std::string& base_directory) {
  return CreateStreamSink(session, sink, {}, base_directory).status();
}

}  // namespace headrace::sql
