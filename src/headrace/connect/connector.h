// Connectors: sources that are not tables of a session, and sinks, opened by name. A connector is
// one row of connect/list.inc.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "headrace/base/clock.h"
#include "headrace/io/vfs.h"
#include "headrace/table/options.h"
#include "headrace/table/sink.h"
#include "headrace/table/source.h"

namespace headrace {

class MemoryStreams;

/// Where a connector works. `vfs` and `clock` must outlive what it opens.
struct ConnectContext {
  Vfs& vfs;
  Clock& clock;
  std::string base_folder;     // of relative paths; "": the working directory
  SchemaPtr schema = nullptr;  // declared columns of a source, NOT NULL as not nullable; or null
  std::vector<std::string> key{};           // of a sink that takes changes: names of columns
  MemoryStreams* memory_streams = nullptr;  // of the session; null: there are none
};

struct Connector {
  const char* name;  // "generator"
  /// Null for connectors that are only sinks, or only sources.
  Result<SourcePtr> (*open)(const ConnectContext& context, const OptionMap& options);
  Result<std::unique_ptr<Sink>> (*create)(const ConnectContext& context, const OptionMap& options);
};

std::span<const Connector> AllConnectors();
/// kUnknownName lists the connectors there are.
Result<SourcePtr> OpenConnector(std::string_view name, const ConnectContext& context,
                                const OptionMap& options);
Result<std::unique_ptr<Sink>> CreateConnectorSink(std::string_view name,
                                                  const ConnectContext& context,
                                                  const OptionMap& options);

}  // namespace headrace
