// Connectors: sources that are not files, opened by name. A connector is one row of
// connect/list.inc.
#pragma once

#include <span>
#include <string_view>

#include "headrace/table/options.h"
#include "headrace/table/source.h"

namespace headrace {

struct Connector {
  const char* name;  // "generator"
  Result<SourcePtr> (*open)(const OptionMap& options);
};

std::span<const Connector> AllConnectors();
/// kUnknownName lists the connectors there are.
Result<SourcePtr> OpenConnector(std::string_view name, const OptionMap& options);

}  // namespace headrace
