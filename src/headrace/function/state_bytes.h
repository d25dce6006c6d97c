// The bytes of saved states: fixed-width values in little-endian order and counted strings. What is
// read comes from outside and is checked.
#pragma once

#include <bit>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "headrace/base/error.h"

namespace headrace {

static_assert(std::endian::native == std::endian::little);

template <typename T>
void PutValue(const T& value, std::string* out) {
  static_assert(std::is_trivially_copyable_v<T>);
  out->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

inline void PutText(std::string_view text, std::string* out) {
  PutValue<uint64_t>(text.size(), out);
  out->append(text);
}

/// Reads in the order written. `owner` names the function in errors.
class StateBytesReader {
 public:
  StateBytesReader(const char* owner, std::string_view bytes)
      : owner_(owner), bytes_(bytes), size_(bytes.size()) {}

  template <typename T>
  Status Read(T* value) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (bytes_.size() < sizeof(T)) return Damaged("the bytes end early");
    std::memcpy(value, bytes_.data(), sizeof(T));
    bytes_.remove_prefix(sizeof(T));
    return Status::OK();
  }
  /// A byte that must be 0 or 1.
  Status ReadFlag(bool* value) {
    uint8_t byte = 0;
    ARROW_RETURN_NOT_OK(Read(&byte));
    if (byte > 1) return Damaged("a flag is neither 0 nor 1");
    *value = byte == 1;
    return Status::OK();
  }
  /// A count of rows: 0 … 2^56, so that a few of them can be added up.
  Status ReadCount(int64_t* value) {
    ARROW_RETURN_NOT_OK(Read(value));
    const bool possible = *value >= 0 && *value <= int64_t{1} << 56;
    return possible ? Status::OK() : Damaged("a count is out of range");
  }
  Status ReadText(std::string* text) {
    uint64_t size = 0;
    ARROW_RETURN_NOT_OK(Read(&size));
    if (size > bytes_.size()) return Damaged("a text is longer than the bytes");
    text->assign(bytes_.substr(0, size));
    bytes_.remove_prefix(size);
    return Status::OK();
  }
  size_t left() const { return bytes_.size(); }
  Status Finish() const { return bytes_.empty() ? Status::OK() : Damaged("bytes are left over"); }

  Status Damaged(const char* why) const {
    return Error(ErrorKind::kBadData, "the saved state of {} is damaged: {} ({} bytes)", owner_,
                 why, size_);
  }

 private:
  const char* owner_;
  std::string_view bytes_;
  size_t size_;
};

}  // namespace headrace
