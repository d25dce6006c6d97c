// Flatbuffer: bounds-checked loads from the metadata of Arrow files. Tables find their fields
// through a vtable of 16-bit offsets, vectors begin with their length; numbers are little-endian.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace headrace::arrow_ipc {

/// Positions are bytes from the begin; what is not there loads as 0, which no valid offset is.
class Flatbuffer {
 public:
  explicit Flatbuffer(std::string_view bytes) : bytes_(bytes) {}

  template <typename Integer>
  Integer Load(uint64_t position) const {
    Integer value = 0;
    if (position <= bytes_.size() && bytes_.size() - position >= sizeof value) {
      std::memcpy(&value, bytes_.data() + position, sizeof value);
    }
    return value;
  }

  uint64_t Root() const { return Load<uint32_t>(0); }

  /// Position of a field of the table at `table`; 0 when it is absent.
  uint64_t Field(uint64_t table, int index) const {
    const uint64_t vtable = table - static_cast<uint64_t>(int64_t{Load<int32_t>(table)});
    const uint64_t slot = 4 + 2 * static_cast<uint64_t>(index);
    if (slot + 2 > Load<uint16_t>(vtable)) return 0;
    const uint16_t offset = Load<uint16_t>(vtable + slot);
    return offset == 0 ? 0 : table + offset;
  }

  /// Position of the table or vector that the field at `field` points to; 0 when it is absent.
  uint64_t Follow(uint64_t field) const { return field == 0 ? 0 : field + Load<uint32_t>(field); }

  uint64_t size() const { return bytes_.size(); }

 private:
  const std::string_view bytes_;
};

}  // namespace headrace::arrow_ipc
