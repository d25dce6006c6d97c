// MD5 (RFC 1321) and SHA-256 (FIPS 180-4) as hexadecimal text in lower case.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace headrace {

std::array<char, 32> Md5Hex(std::string_view bytes);
std::array<char, 64> Sha256Hex(std::string_view bytes);

/// Two digits a byte.
std::string HexText(std::string_view bytes, bool upper);

}  // namespace headrace
