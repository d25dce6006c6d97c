// RecordParser: simdjson over one record at a time, and the wording of what is wrong with it.
#pragma once

#include <string>
#include <string_view>

#include <simdjson.h>

#include "headrace/base/error.h"
#include "headrace/format/json_lines/record_stream.h"
#include "headrace/format/json_lines/value_builder.h"

namespace headrace::json_lines {

/// One thread.
class RecordParser {
 public:
  explicit RecordParser(RecordStream& records) : records_(records) {}

  enum class Kind { kObject, kNull, kBroken };
  /// What `record` is, by its beginning; for kObject `object` walks it. `record` has the padding of
  /// RecordStream. kBroken: BrokenError tells why.
  Kind Parse(std::string_view record, JsonObject* object);
  /// Whether nothing follows what was walked.
  bool AtEnd() { return document_.current_location().error() == simdjson::OUT_OF_BOUNDS; }

  /// kBadData for what Parse found wrong, or for `reason` found in walking at `place` (or where the
  /// walk stands when null), in field `path` (or "").
  Status BrokenError();
  Status BrokenError(const char* place, std::string_view path, std::string_view reason);
  /// "file:line:column (path): expected …, got …".
  Status MisfitError(const Reading& reading);

 private:
  const char* PlaceOf(const char* place);

  RecordStream& records_;
  simdjson::ondemand::parser parser_;
  simdjson::ondemand::document document_;
  std::string_view record_;
  std::string reason_;  // of kBroken
  const char* place_ = nullptr;
};

}  // namespace headrace::json_lines
