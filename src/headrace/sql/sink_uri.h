// Sinks named by a URI: SELECT … INTO 'file:///out.csv?format=csv'.
#pragma once

#include <string>

#include "headrace/sql/stream_application.h"

namespace headrace::sql {

/// file://path?option=value&…, kafka://host:port/topic?…, or a plain path. kInvalidArgument for
/// other schemes.
Result<SinkDefinition> SinkOfUri(const std::string& uri);

}  // namespace headrace::sql
