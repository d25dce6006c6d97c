// Options given as text by SQL, Python and the command, read by sources and sinks through one
// reader that rejects unknown names and says which are known.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/error.h"

namespace headrace {

/// Names are lower case.
using OptionMap = std::map<std::string, std::string, std::less<>>;

/// Reads typed values out of an OptionMap; errors name `owner` ("csv reader"), the option, what was
/// expected and the value last. Getters give `fallback` when the option is absent.
class OptionReader {
 public:
  OptionReader(std::string owner, const OptionMap& options);
  Result<std::string> Text(std::string_view name, std::string fallback);
  Result<bool> Flag(std::string_view name, bool fallback);
  Result<int64_t> Integer(std::string_view name, int64_t fallback, int64_t min, int64_t max);
  /// Exactly one byte; "\\t" and "tab" mean a tab.
  Result<char> Character(std::string_view name, char fallback);
  /// kInvalidArgument for options that nobody asked for, with the nearest known name.
  Status Finish() const;

 private:
  const std::string* Find(std::string_view name);

  const std::string owner_;
  const OptionMap& options_;
  std::set<std::string, std::less<>> known_;
};

/// The candidate nearest to `word` by edit distance, or "" when none is near; for "did you mean".
std::string NearestName(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace headrace
