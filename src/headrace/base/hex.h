// Hexadecimal digits, as file names, text forms of bytes, JSON and SQL literals have them.
#pragma once

namespace headrace {

/// The value of '0' to '9', 'a' to 'f' and 'A' to 'F'; −1 of anything else.
inline int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace headrace
