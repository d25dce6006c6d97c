// The registry of connectors: list.inc as a table.
#include "headrace/connect/connector.h"

#include <string>

#include "headrace/base/ascii_case.h"

namespace headrace {

#define HEADRACE_SOURCE(Open) \
  Result<SourcePtr> Open(const ConnectContext& context, const OptionMap& options);
#define HEADRACE_SINK(Create) \
  Result<std::unique_ptr<Sink>> Create(const ConnectContext& context, const OptionMap& options);
#define HEADRACE_CONNECTOR(name, open, create)
#include "headrace/connect/list.inc"
#undef HEADRACE_SOURCE
#undef HEADRACE_SINK
#undef HEADRACE_CONNECTOR

namespace {

constexpr Connector kConnectors[] = {
#define HEADRACE_SOURCE(Open)
#define HEADRACE_SINK(Create)
#define HEADRACE_CONNECTOR(name, open, create) {name, open, create},
#include "headrace/connect/list.inc"
#undef HEADRACE_SOURCE
#undef HEADRACE_SINK
#undef HEADRACE_CONNECTOR
};

/// The connector, if it has what `has` asks for.
template <typename Has>
Result<const Connector*> Find(std::string_view name, const char* what, Has has) {
  const std::string lower = LowerCase(name);
  std::vector<std::string> known;
  for (const Connector& connector : kConnectors) {
    if (!has(connector)) continue;
    if (connector.name == lower) return &connector;
    known.emplace_back(connector.name);
  }
  const std::string nearest = NearestName(name, known);
  std::string list;
  for (const std::string& one : known) list += (list.empty() ? "" : ", ") + one;
  return Error(ErrorKind::kUnknownName, "unknown connector of a {}{}; known are {}; got '{}'", what,
               nearest.empty() ? "" : "; did you mean " + nearest + "?", list, name);
}

}  // namespace

std::span<const Connector> AllConnectors() { return kConnectors; }

Result<SourcePtr> OpenConnector(std::string_view name, const ConnectContext& context,
                                const OptionMap& options) {
  ARROW_ASSIGN_OR_RAISE(const Connector* connector, Find(name, "source", [](const Connector& one) {
                          return one.open != nullptr;
                        }));
  return connector->open(context, options);
}

Result<std::unique_ptr<Sink>> CreateConnectorSink(std::string_view name,
                                                  const ConnectContext& context,
                                                  const OptionMap& options) {
  ARROW_ASSIGN_OR_RAISE(const Connector* connector, Find(name, "sink", [](const Connector& one) {
                          return one.create != nullptr;
                        }));
  return connector->create(context, options);
}

}  // namespace headrace
