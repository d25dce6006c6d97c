// Paths into JSON: "$.a.b[0]", "$.a[*]", "$[#-1]", the pointer "/a/0", or a bare key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/error.h"

namespace headrace {

struct JsonStep {
  enum class Kind : uint8_t {
    kKey,         // of an object
    kPlace,       // in an array, from 0, from the end below zero
    kKeyOrPlace,  // of a pointer, or a number behind a dot: by what is found there
    kEveryKey,    // .*
    kEveryPlace,  // [*]
  };
  Kind kind = Kind::kKey;
  std::string key{};
  int64_t place = 0;
  /// No program writes a letter of the key by an escape: its text in JSON is itself.
  bool is_plain = true;
};

struct JsonPath {
  std::vector<JsonStep> steps;
  bool has_wildcard = false;
};

/// kInvalidArgument for text that begins as a path and is none.
Result<JsonPath> ParseJsonPath(std::string_view text);

}  // namespace headrace
