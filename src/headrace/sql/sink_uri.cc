// Only what the connectors know: no user, no fragment, no escapes.
#include "headrace/sql/sink_uri.h"

#include "headrace/base/ascii_case.h"

namespace headrace::sql {
namespace {

/// name=value&name=value
Status ReadParameters(std::string_view text, OptionMap* options) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    const size_t sign = pair.find('=');
    if (sign == std::string_view::npos || sign == 0) {
      return Error(ErrorKind::kInvalidArgument, "expected name=value in a URI, got '{}'", pair);
    }
    (*options)[LowerCase(pair.substr(0, sign))] = std::string(pair.substr(sign + 1));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return Status::OK();
}

}  // namespace

Result<SinkDefinition> SinkOfUri(const std::string& uri) {
  SinkDefinition sink;
  sink.name = uri;
  const size_t scheme_end = uri.find("://");
  const std::string scheme =
      scheme_end == std::string::npos ? "file" : LowerCase(uri.substr(0, scheme_end));
  std::string rest = scheme_end == std::string::npos ? uri : uri.substr(scheme_end + 3);
  if (const size_t question = rest.find('?'); question != std::string::npos) {
    ARROW_RETURN_NOT_OK(ReadParameters(std::string_view(rest).substr(question + 1), &sink.options));
    rest.resize(question);
  }
  sink.connector = scheme;
  if (scheme == "file") {
    sink.options["path"] = rest;
    return sink;
  }
  if (scheme != "kafka") {
    return Error(ErrorKind::kInvalidArgument, "expected file:// or kafka://, got '{}'", uri);
  }
  const size_t slash = rest.find('/');
  if (slash == std::string::npos || slash + 1 == rest.size()) {
    return Error(ErrorKind::kInvalidArgument, "expected kafka://host:port/topic, got '{}'", uri);
  }
  sink.options["bootstrap.servers"] = rest.substr(0, slash);
  sink.options["topic"] = rest.substr(slash + 1);
  return sink;
}

}  // namespace headrace::sql
