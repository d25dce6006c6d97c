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
  /// Of `out` the first `before` bytes are there.
  Decompression(std::span<const uint8_t> in, std::span<uint8_t> out, int64_t before,
                int64_t literal_left)
      : in_(in.data()),
        in_end_(in.data() + in.size()),
        out_begin_(out.data()),
        out_(out.data() + before),
        out_end_(out.data() + out.size()),
        literal_left_(literal_left) {}

  /// Whether the number that the data begins with is `length`.
  bool HasLength(int64_t length) {
    uint64_t read = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      if (in_ == in_end_) return false;
      const uint8_t byte = *in_++;
      read |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return read == static_cast<uint64_t>(length);
    }
    return false;
  }

  /// As far as input and room go, whose ends may be those of all; false at an element that fails.
  bool Run(bool in_is_last, bool out_is_last) {
    while (true) {
      CopyLiteral();
      if (literal_left_ > 0) return true;
      if (!RunFast()) return false;
      if (in_ == in_end_ || (!in_is_last && in_end_ - in_ < kElementMax)) return true;
      if (!out_is_last && out_end_ - out_ < kShortMax) return true;
      if (!Element()) return false;
    }
  }

  int64_t in_left() const { return in_end_ - in_; }
  int64_t out_left() const { return out_end_ - out_; }
  int64_t literal_left() const { return literal_left_; }
  /// It failed at a copy of something before `out`.
  bool is_too_far() const { return is_too_far_; }

 private:
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
    literal_left_ = int64_t{less_one} + 1;
    CopyLiteral();
    return true;
  }

  /// As much of the literal as there is input and room for.
  void CopyLiteral() {
    const int64_t length = std::min({literal_left_, in_left(), out_left()});
    if (length == 0) return;
    std::memcpy(out_, in_, static_cast<size_t>(length));
    in_ += length;
    out_ += length;
    literal_left_ -= length;
  }

  bool Copy(int64_t offset, int64_t length) {
    is_too_far_ = offset > out_ - out_begin_;
    if (offset == 0 || is_too_far_ || length > out_end_ - out_) return false;
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
  int64_t literal_left_;
  bool is_too_far_ = false;
};

}  // namespace

Status DecompressSnappy(std::span<const uint8_t> in, std::span<uint8_t> out) {
  Decompression all(in, out, 0, 0);
  if (all.HasLength(static_cast<int64_t>(out.size())) && all.Run(true, true) &&
      all.in_left() == 0 && all.out_left() == 0 && all.literal_left() == 0) {
    return Status::OK();
  }
  return Status::Invalid("the Snappy data of ", in.size(), " bytes is damaged");
}

Result<SnappyStream::Step> SnappyStream::Run(std::span<const uint8_t> in, bool in_is_last,
                                             std::span<uint8_t> out, int64_t before) {
  const auto room = static_cast<int64_t>(out.size()) - before;
  const bool out_is_last = written_ + room == plain_bytes_;
  Decompression piece(in, out, before, literal_left_);
  const bool is_right =
      (has_begun_ || piece.HasLength(plain_bytes_)) && piece.Run(in_is_last, out_is_last);
  Step step;
  step.read = static_cast<int64_t>(in.size()) - piece.in_left();
  step.written = room - piece.out_left();
  if (!is_right && piece.is_too_far() && written_ > before) {
    step.needs_earlier = true;
    return step;
  }
  has_begun_ = true;
  literal_left_ = piece.literal_left();
  written_ += step.written;
  const bool is_short = in_is_last && piece.in_left() == 0 && written_ < plain_bytes_;
  const bool is_long = written_ == plain_bytes_ && (piece.in_left() > 0 || !in_is_last);
  const bool stands_still = step.read == 0 && step.written == 0;
  if (!is_right || is_short || is_long || stands_still) {
    return Status::Invalid("the Snappy data of a page of ", plain_bytes_, " bytes is damaged");
  }
  return step;
}

}  // namespace headrace::parquet_format
