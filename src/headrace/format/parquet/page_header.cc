// A reader of Thrift's compact protocol, for the one struct that stands between pages.
#include "headrace/format/parquet/page_header.h"

namespace headrace::parquet_format {
namespace {

constexpr int kThriftDepthMax = 16;

enum WireType : uint8_t {
  kStop = 0,
  kTrue = 1,
  kFalse = 2,
  kByte = 3,
  kI16 = 4,
  kI32 = 5,
  kI64 = 6,
  kDouble = 7,
  kBinary = 8,
  kList = 9,
  kSet = 10,
  kMap = 11,
  kStruct = 12,
};

/// Reads values one after the other; once it has failed it gives zeros.
class CompactReader {
 public:
  explicit CompactReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool is_short() const { return is_short_; }
  bool is_bad() const { return is_bad_; }
  bool failed() const { return is_short_ || is_bad_; }
  int64_t position() const { return static_cast<int64_t>(position_); }

  uint8_t Byte() {
    if (failed() || position_ == bytes_.size()) {
      is_short_ = !is_bad_;
      return 0;
    }
    return bytes_[position_++];
  }

  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = Byte();
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    is_bad_ = true;
    return 0;
  }

  int64_t Integer() {
    const uint64_t value = Varint();
    return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1));
  }

  /// Calls `on_field(id, wire type)` for every field; it returns false for one it did not read.
  template <typename OnField>
  void Struct(OnField on_field) {
    int64_t id = 0;
    while (!failed()) {
      const uint8_t byte = Byte();
      if (failed() || byte == kStop) return;
      id = (byte >> 4) != 0 ? id + (byte >> 4) : Integer();
      const auto type = static_cast<WireType>(byte & 0x0f);
      if (!failed() && !on_field(id, type)) Skip(type, 0);
    }
  }

 private:
  void SkipBytes(uint64_t count) {
    if (failed()) return;
    if (count > bytes_.size() - position_) {
      (count > static_cast<uint64_t>(kPageHeaderBytesMax) ? is_bad_ : is_short_) = true;
    } else {
      position_ += count;
    }
  }

  void SkipElements(uint64_t count, WireType type, int depth) {
    for (uint64_t i = 0; i < count && !failed(); ++i) {
      // Booleans take no byte as fields but one as elements.
      type == kTrue || type == kFalse ? SkipBytes(1) : Skip(type, depth);
    }
  }

  void SkipMap(int depth) {
    const uint64_t count = Varint();
    if (count == 0) return;
    const uint8_t types = Byte();
    for (uint64_t i = 0; i < count && !failed(); ++i) {
      SkipElements(1, static_cast<WireType>(types >> 4), depth);
      SkipElements(1, static_cast<WireType>(types & 0x0f), depth);
    }
  }

  void Skip(WireType type, int depth) {
    if (failed()) return;
    if (depth > kThriftDepthMax) {
      is_bad_ = true;
      return;
    }
    switch (type) {
      case kTrue:
      case kFalse:
        return;
      case kByte:
        return SkipBytes(1);
      case kI16:
      case kI32:
      case kI64:
        Varint();
        return;
      case kDouble:
        return SkipBytes(8);
      case kBinary:
        return SkipBytes(Varint());
      case kList:
      case kSet: {
        const uint8_t head = Byte();
        const uint64_t count = (head >> 4) == 15 ? Varint() : head >> 4;
        return SkipElements(count, static_cast<WireType>(head & 0x0f), depth + 1);
      }
      case kMap:
        return SkipMap(depth + 1);
      case kStruct: {
        while (!failed()) {
          const uint8_t byte = Byte();
          if (byte == kStop) return;
          if ((byte >> 4) == 0) Varint();
          Skip(static_cast<WireType>(byte & 0x0f), depth + 1);
        }
        return;
      }
      default:
        is_bad_ = true;
    }
  }

  const std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  bool is_short_ = false;
  bool is_bad_ = false;
};

bool IsInteger(WireType type) { return type >= kI16 && type <= kI64; }

/// DataPageHeader and, as far as it goes, DictionaryPageHeader.
void ReadData(CompactReader& reader, PageHeader* header) {
  reader.Struct([&](int64_t id, WireType type) {
    if (!IsInteger(type) || id < 1 || id > 3) return false;
    const int64_t value = reader.Integer();
    if (id == 1) header->num_values = value;
    if (id == 2) header->encoding = static_cast<Encoding>(value);
    if (id == 3) header->level_encoding = static_cast<Encoding>(value);
    return true;
  });
}

void ReadDataV2(CompactReader& reader, PageHeader* header) {
  reader.Struct([&](int64_t id, WireType type) {
    if (id == 7 && (type == kTrue || type == kFalse)) {
      header->is_compressed = type == kTrue;
      return true;
    }
    if (!IsInteger(type) || id < 1 || id > 6) return false;
    const int64_t value = reader.Integer();
    if (id == 1) header->num_values = value;
    if (id == 4) header->encoding = static_cast<Encoding>(value);
    if (id == 5) header->definition_bytes = value;
    if (id == 6) header->repetition_bytes = value;
    return true;
  });
}

void ReadHeader(CompactReader& reader, PageHeader* header) {
  reader.Struct([&](int64_t id, WireType type) {
    if (type == kStruct && (id == 5 || id == 7)) {
      ReadData(reader, header);
      return true;
    }
    if (type == kStruct && id == 8) {
      ReadDataV2(reader, header);
      return true;
    }
    if (!IsInteger(type) || id < 1 || id > 4) return false;
    const int64_t value = reader.Integer();
    if (id == 1) header->kind = static_cast<PageHeader::Kind>(value);
    if (id == 2) header->plain_bytes = value;
    if (id == 3) header->stored_bytes = value;
    if (id == 4) header->crc = static_cast<uint32_t>(value);
    return true;
  });
}

bool IsSize(int64_t value) { return value >= 0 && value <= INT32_MAX; }

}  // namespace

Result<std::optional<int64_t>> ParsePageHeader(std::span<const uint8_t> bytes, PageHeader* header) {
  *header = PageHeader();
  CompactReader reader(bytes);
  ReadHeader(reader, header);
  if (reader.is_bad()) return Status::Invalid("not a page header");
  if (reader.is_short()) return std::optional<int64_t>();
  for (const int64_t size : {header->plain_bytes, header->stored_bytes, header->num_values,
                             header->definition_bytes, header->repetition_bytes}) {
    if (!IsSize(size)) return Status::Invalid("a page header with the size ", size);
  }
  return std::optional<int64_t>(reader.position());
}

}  // namespace headrace::parquet_format
