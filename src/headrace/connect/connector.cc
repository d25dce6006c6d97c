// The registry of connectors: list.inc as a table.
#include "headrace/connect/connector.h"

#include <string>

namespace headrace {

#define HEADRACE_CONNECTOR(Name, name) Result<SourcePtr> Open##Name(const OptionMap& options);
#include "headrace/connect/list.inc"
#undef HEADRACE_CONNECTOR

namespace {

constexpr Connector kConnectors[] = {
#define HEADRACE_CONNECTOR(Name, name) {name, Open##Name},
#include "headrace/connect/list.inc"
#undef HEADRACE_CONNECTOR
};

}  // namespace

std::span<const Connector> AllConnectors() { return kConnectors; }

Result<SourcePtr> OpenConnector(std::string_view name, const OptionMap& options) {
  std::string known;
  for (const Connector& connector : kConnectors) {
    if (connector.name == name) return connector.open(options);
    known += (known.empty() ? "" : ", ") + std::string(connector.name);
  }
  return Error(ErrorKind::kUnknownName, "unknown connector; known are {}; got '{}'", known, name);
}

}  // namespace headrace
