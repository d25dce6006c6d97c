// Elements are a tag and what it says: bytes as they are, or a copy of earlier output. Where there
// is room behind them bytes are copied sixteen at a time, at the ends one by one.
#include "headrace/format/parquet/snappy.h"

#include <array>
#include <cstring>

namespace headrace::parquet_format {
namespace {

constexpr int kLiteral = 0;
constexpr int64_t kStep = 16;
/// Of a copy at most, and of a literal whose tag has its length.
constexpr int64_t kShortMax = 64;
/// A tag, and the four bytes of the longest offset or length.
constexpr int64_t kElementMax = 5;
constexpr int kLongLiteral = 60;

void CopyStep(const uint8_t* from, uint8_t* to) { std::memcpy(to, from, kStep); }

/// Up to kStep − 1 bytes more than `length` are read and written. REQUIRES: what is copied begins
/// `offset` ≥ kStep before `to`, or does not overlap; 0 < length ≤ kShortMax.
inline void CopyShort(const uint8_t* from, uint8_t* to, int64_t length) {
  CopyStep(from, to);
  if (length <= kStep) return;
  CopyStep(from + kStep, to + kStep);
  for (int64_t done = 2 * kStep; done < length; done += kStep) CopyStep(from + done, to + done);
}

/// A copy that begins less than kStep before `to` repeats what is there. Writes as CopyShort does.
inline void RepeatShort(int64_t offset, uint8_t* to, int64_t length) {
  uint8_t pattern[kStep];
  for (int64_t i = 0; i < kStep; ++i) pattern[i] = to[i % offset - offset];
  const int64_t whole = kStep / offset * offset;
  for (int64_t done = 0; done < length; done += whole) CopyStep(pattern, to + done);
}

/// What a tag says. Literals whose length is in the tag have the offset kStep, others have none.
struct Tag {
  uint64_t copies = 0;  // all bits: a copy
  uint32_t offset_mask = 0;
  uint16_t offset_more = 0;
  uint8_t length = 0;
  uint8_t bytes = 0;  // of the element
};

constexpr std::array<Tag, 256> MakeTags() {
  std::array<Tag, 256> tags;
  for (uint32_t value = 0; value < tags.size(); ++value) {
    Tag& tag = tags[value];
    const uint32_t kind = value & 3;
    tag.length = static_cast<uint8_t>((value >> 2) + 1);
    if (kind == kLiteral) {
      tag.bytes = static_cast<uint8_t>(tag.length + 1);
      tag.offset_more = (value >> 2) < kLongLiteral ? kStep : 0;
      continue;
    }
    tag.copies = ~uint64_t{0};
    if (kind == 1) {
      tag.length = static_cast<uint8_t>(((value >> 2) & 7) + 4);
      tag.offset_more = static_cast<uint16_t>((value >> 5) << 8);
    }
    tag.offset_mask = kind == 1 ? 0xff : kind == 2 ? 0xffff : 0xffffffff;
    tag.bytes = static_cast<uint8_t>(1 + (kind == 3 ? 4 : kind));
  }
  return tags;
}

constexpr std::array<Tag, 256> kTags = MakeTags();

uint32_t Load32(const uint8_t* at) {
  uint32_t value;
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

  /// Elements as long as they and what they make are well before the ends. Which kind an element
  /// is cannot be foreseen: literals and copies go the same way.
  bool RunFast() {
    constexpr int64_t kInRoom = kElementMax + kShortMax + kStep, kOutRoom = kShortMax + kStep;
    const uint8_t* in = in_;
    uint8_t* out = out_;
    while (in_end_ - in >= kInRoom && out_end_ - out >= kOutRoom) {
      const Tag tag = kTags[*in];
      const uint64_t offset = (Load32(in + 1) & tag.offset_mask) + tag.offset_more;
      const auto written = static_cast<uint64_t>(out - out_begin_);
      if (offset < kStep || offset > written) [[unlikely]] {
        in_ = in;
        out_ = out;
        if (!Element()) return false;
        in = in_;
        out = out_;
        continue;
      }
      const auto literal = reinterpret_cast<uintptr_t>(in + 1);
      const auto copied = reinterpret_cast<uintptr_t>(out - offset);
      const uintptr_t from = literal ^ ((literal ^ copied) & tag.copies);
      CopyShort(reinterpret_cast<const uint8_t*>(from), out, tag.length);
      in += tag.bytes;
      out += tag.length;
    }
    in_ = in;
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
      if (offset < kStep) RepeatShort(offset, out_, length);
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
