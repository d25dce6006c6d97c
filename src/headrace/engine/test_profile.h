// For tests: figures of EXPLAIN ANALYZE.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace headrace {

/// A figure of the first operator of this name in a profile; 0 where it is not told.
inline int64_t FigureOf(std::string_view profile, const std::string& name,
                        const std::string& figure) {
  const size_t begin = profile.find("  " + name + " ");
  if (begin == std::string_view::npos) return 0;
  const std::string line(profile.substr(begin, profile.find('\n', begin) - begin));
  const size_t at = line.find(" " + figure + "=");
  return at == std::string::npos ? 0 : std::stoll(line.substr(at + figure.size() + 2));
}

}  // namespace headrace
