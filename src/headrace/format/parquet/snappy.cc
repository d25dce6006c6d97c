// Elements are a tag and what it says: bytes as they are, or a copy of earlier output. How long one
// is depends on its tag alone: that is found for many places at once, so that the walk from element
// to element waits for little. Bytes are copied sixteen at a time, near the ends one by one.
#include "headrace/format/parquet/snappy.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <hwy/highway.h>

namespace headrace::parquet_format {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int kLiteral = 0;
constexpr int64_t kStep = 16;
/// Of a copy at most, and of a literal whose tag has its length.
constexpr int64_t kShortMax = 64;
/// A tag, and the four bytes of the longest offset or length.
constexpr int64_t kElementMax = 5;
constexpr int kLongLiteral = 60;
/// What one element reads and writes at most where it is taken fast.
constexpr int64_t kInRoom = kElementMax + kShortMax + kStep, kOutRoom = kShortMax + kStep;
/// Places whose elements are measured at once.
constexpr int64_t kBlock = 512;

void CopyStep(const uint8_t* from, uint8_t* to) { std::memcpy(to, from, kStep); }

/// Up to kStep − 1 bytes more than `length` are read and written. REQUIRES: what is copied begins
/// `offset` ≥ kStep before `to`, or does not overlap; 0 < length ≤ kShortMax.
inline void CopyShort(const uint8_t* from, uint8_t* to, int64_t length) {
  CopyStep(from, to);
  if (length <= kStep) return;
  CopyStep(from + kStep, to + kStep);
  for (int64_t done = 2 * kStep; done < length; done += kStep) CopyStep(from + done, to + done);
}

/// For every distance the places, among the bytes that far back, of the sixteen that follow.
constexpr auto kRepeated = [] {
  std::array<std::array<uint8_t, kStep>, kStep> places{};
  for (size_t offset = 1; offset < kStep; ++offset) {
    for (size_t i = 0; i < kStep; ++i) places[offset][i] = static_cast<uint8_t>(i % offset);
  }
  return places;
}();

/// A copy that begins less than kStep before `to` repeats what is there. Writes as CopyShort does.
inline void RepeatShort(size_t offset, uint8_t* to, int64_t length) {
  const hn::FixedTag<uint8_t, kStep> bytes;
  const auto pattern = hn::TableLookupBytes(hn::LoadU(bytes, to - offset),
                                            hn::LoadU(bytes, kRepeated[offset].data()));
  hn::StoreU(pattern, bytes, to);
  const auto whole = static_cast<int64_t>(kStep / offset * offset);
  for (int64_t done = whole; done < length; done += whole) hn::StoreU(pattern, bytes, to + done);
}

/// What a tag says. Literals whose length is in the tag have the offset kStep; elements that are
/// not taken fast have none.
struct alignas(8) Tag {
  uint16_t offset_mask = 0;
  uint16_t offset_more = 0;
  uint8_t length = 0;
  int8_t copies = 0;  // all bits: a copy
};

constexpr std::array<Tag, 256> MakeTags() {
  std::array<Tag, 256> tags;
  for (uint32_t value = 0; value < tags.size(); ++value) {
    Tag& tag = tags[value];
    const uint32_t kind = value & 3;
    tag.length = static_cast<uint8_t>((value >> 2) + 1);
    tag.copies = kind == kLiteral ? 0 : -1;
    if (kind == kLiteral && (value >> 2) < kLongLiteral) tag.offset_more = kStep;
    if (kind == 1) {
      tag.length = static_cast<uint8_t>(((value >> 2) & 7) + 4);
      tag.offset_more = static_cast<uint16_t>((value >> 5) << 8);
      tag.offset_mask = 0xff;
    }
    if (kind == 2) tag.offset_mask = 0xffff;
  }
  return tags;
}

constexpr std::array<Tag, 256> kTags = MakeTags();

/// How many bytes an element takes that begins at each of `count` places. Right of those that are
/// taken fast.
void MeasureElements(const uint8_t* in, int64_t count, uint8_t* bytes) {
  for (int64_t i = 0; i < count; ++i) {
    const uint8_t kind = in[i] & 3;
    const auto literal = static_cast<uint8_t>((in[i] >> 2) + 2);
    bytes[i] = kind == kLiteral ? literal : static_cast<uint8_t>(kind + 1);
  }
}

uint16_t Load16(const uint8_t* at) {
  uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

class Decompression {
 public:
  Decompression(std::span<const uint8_t> in, std::span<uint8_t> out)
      : in_(in.data()),
        in_end_(in.data() + in.size()),
        out_begin_(out.data()),
        out_(out.data()),
        out_end_(out.data() + out.size()) {}

  bool Run() {
    uint64_t length = 0;
    if (!ReadLength(&length) || length != static_cast<uint64_t>(out_end_ - out_)) return false;
    while (in_ < in_end_) {
      if (!RunFast()) return false;
      if (in_ < in_end_ && !Element()) return false;
    }
    return out_ == out_end_;
  }

 private:
  bool ReadLength(uint64_t* length) {
    for (int shift = 0; shift < 35; shift += 7) {
      if (in_ == in_end_) return false;
      const uint8_t byte = *in_++;
      *length |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  /// Elements as long as they and what they make are well before the ends.
  bool RunFast() {
    uint8_t bytes[kBlock];
    while (in_end_ - in_ >= kInRoom && out_end_ - out_ >= kOutRoom && out_ - out_begin_ >= kStep) {
      const int64_t places = std::min(kBlock, in_end_ - in_ - kInRoom + 1);
      MeasureElements(in_, places, bytes);
      if (!RunMeasured(bytes, places)) return false;
    }
    return true;
  }

  /// Elements that begin in the next `places` bytes, up to one that is not taken fast. Which kind
  /// one is cannot be foreseen: literals and copies go the same way. REQUIRES: room for one.
  bool RunMeasured(const uint8_t* bytes, int64_t places) {
    const uint8_t* const in = in_;
    uint8_t* out = out_;
    int64_t at = 0;
    while (at < places && out_end_ - out >= kOutRoom) {
      const Tag& tag = kTags[in[at]];
      const auto low = static_cast<uint16_t>(Load16(in + at + 1) & tag.offset_mask);
      const uint64_t offset = uint64_t{low} + tag.offset_more;
      const auto before = static_cast<uint64_t>(out - out_begin_);
      if (offset - kStep > before - kStep) [[unlikely]] {
        if (offset == 0 || offset >= kStep) {
          in_ = in + at;
          out_ = out;
          return Element();
        }
        RepeatShort(offset, out, tag.length);
      } else {
        const auto literal = reinterpret_cast<uintptr_t>(in + at + 1);
        const auto copied = reinterpret_cast<uintptr_t>(out - offset);
        const auto copies = static_cast<uintptr_t>(intptr_t{tag.copies});
        const uintptr_t from = literal ^ ((literal ^ copied) & copies);
        CopyShort(reinterpret_cast<const uint8_t*>(from), out, tag.length);
      }
      at += bytes[at];
      out += tag.length;
    }
    in_ = in + at;
    out_ = out;
    return true;
  }

  /// The next element, whose bytes may be the last.
  bool Element() {
    const uint32_t tag = *in_++;
    const uint32_t kind = tag & 3;
    if (kind == kLiteral) return Literal(tag >> 2);
    const int bytes = kind == 3 ? 4 : static_cast<int>(kind);
    uint32_t offset = 0;
    if (!ReadNumber(bytes, &offset)) return false;
    if (kind == 1) return Copy(offset | (tag >> 5) << 8, ((tag >> 2) & 7) + 4);
    return Copy(offset, (tag >> 2) + 1);
  }

  bool ReadNumber(int bytes, uint32_t* number) {
    if (in_end_ - in_ < bytes) return false;
    for (int i = 0; i < bytes; ++i) *number |= uint32_t{*in_++} << (8 * i);
    return true;
  }

  bool Literal(uint32_t length_less_one) {
    uint32_t less_one = length_less_one;
    if (less_one >= kLongLiteral) {
      less_one = 0;
      if (!ReadNumber(static_cast<int>(length_less_one) - kLongLiteral + 1, &less_one))
        return false;
    }
    const int64_t length = int64_t{less_one} + 1;
    if (length > in_end_ - in_ || length > out_end_ - out_) return false;
    std::memcpy(out_, in_, static_cast<size_t>(length));
    in_ += length;
    out_ += length;
    return true;
  }

  bool Copy(int64_t offset, int64_t length) {
    if (offset == 0 || offset > out_ - out_begin_ || length > out_end_ - out_) return false;
    if (out_end_ - out_ >= kShortMax + kStep) {
      if (offset >= kStep) CopyShort(out_ - offset, out_, length);
      if (offset < kStep) RepeatShort(static_cast<size_t>(offset), out_, length);
      out_ += length;
      return true;
    }
    for (; length > 0; --length, ++out_) *out_ = out_[-offset];
    return true;
  }

  const uint8_t* in_;
  const uint8_t* const in_end_;
  uint8_t* const out_begin_;
  uint8_t* out_;
  uint8_t* const out_end_;
};

}  // namespace

Status DecompressSnappy(std::span<const uint8_t> in, std::span<uint8_t> out) {
  if (!Decompression(in, out).Run()) {
    return Status::Invalid("the Snappy data of ", in.size(), " bytes is damaged");
  }
  return Status::OK();
}

}  // namespace headrace::parquet_format
