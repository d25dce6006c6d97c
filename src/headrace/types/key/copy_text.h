// CopyText: memcpy for texts that are mostly short.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace headrace {

/// memcpy without the call for the short texts that most keys are.
inline void CopyText(uint8_t* out, const char* text, size_t length) {
  const auto copy = [&](auto word) {
    std::memcpy(&word, text, sizeof(word));
    auto last = word;
    std::memcpy(&last, text + length - sizeof(word), sizeof(word));
    std::memcpy(out, &word, sizeof(word));
    std::memcpy(out + length - sizeof(word), &last, sizeof(word));
  };
  if (length > 2 * sizeof(uint64_t)) {
    std::memcpy(out, text, length);
  } else if (length >= sizeof(uint64_t)) {
    copy(uint64_t{});
  } else if (length >= sizeof(uint32_t)) {
    copy(uint32_t{});
  } else {
    for (size_t i = 0; i < length; ++i) out[i] = static_cast<uint8_t>(text[i]);
  }
}

}  // namespace headrace
