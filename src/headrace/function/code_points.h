// UTF-8 text by code points. Text is valid; broken bytes count as one code point each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace headrace {

inline bool IsContinuation(char byte) { return (static_cast<uint8_t>(byte) & 0xC0) == 0x80; }

/// Bytes of the code point that begins with `byte`.
inline size_t BytesOfPoint(char byte) {
  const auto lead = static_cast<uint8_t>(byte);
  return lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

int64_t CountPoints(std::string_view text);
/// Whether every byte is a code point of its own.
bool IsAscii(std::string_view text);
/// The byte where code point `count` begins; the size of the text when it has fewer.
size_t ByteOfPoint(std::string_view text, int64_t count);
/// The first code point; 0 of empty text.
int32_t FirstPoint(std::string_view text);
/// Appends a code point.
void AppendPoint(int32_t point, std::string* out);
/// Code points [begin, end), clipped to the text.
std::string_view PointRange(std::string_view text, int64_t begin, int64_t end);

/// Takes the first code point's bytes off `text`. REQUIRES: it is not empty.
inline std::string_view TakePoint(std::string_view* text) {
  const size_t size = std::min(BytesOfPoint(text->front()), text->size());
  const std::string_view point = text->substr(0, size);
  text->remove_prefix(size);
  return point;
}

}  // namespace headrace
