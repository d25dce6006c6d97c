// Walking over UTF-8.
#include "headrace/function/code_points.h"

#include <algorithm>
#include <cstring>

#include "utf8proc.h"

namespace headrace {

int64_t CountPoints(std::string_view text) {
  int64_t points = 0;
  for (const char byte : text) points += IsContinuation(byte) ? 0 : 1;
  return points;
}

bool IsAscii(std::string_view text) {
  uint8_t bits = 0;
  for (const char byte : text) bits |= static_cast<uint8_t>(byte);
  return bits < 0x80;
}

size_t ByteOfPoint(std::string_view text, int64_t count) {
  size_t place = 0;
  while (count > 0 && place < text.size()) {
    place += BytesOfPoint(text[place]);
    --count;
  }
  return std::min(place, text.size());
}

int32_t FirstPoint(std::string_view text) {
  if (text.empty()) return 0;
  utf8proc_int32_t point = 0;
  utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &point);
  return point;
}

void AppendPoint(int32_t point, std::string* out) {
  utf8proc_uint8_t bytes[4];
  const auto count = utf8proc_encode_char(point, bytes);
  out->append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(count));
}

std::string_view PointRange(std::string_view text, int64_t begin, int64_t end) {
  if (end <= begin) return {};
  const size_t first = ByteOfPoint(text, begin);
  const std::string_view rest = text.substr(first);
  return rest.substr(0, ByteOfPoint(rest, end - std::max<int64_t>(begin, 0)));
}

}  // namespace headrace
