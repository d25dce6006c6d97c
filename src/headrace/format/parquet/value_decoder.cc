// PLAIN, RLE of booleans, DELTA_BINARY_PACKED, DELTA_LENGTH_BYTE_ARRAY and BYTE_STREAM_SPLIT.
#include "headrace/format/parquet/value_decoder.h"

#include <algorithm>
#include <cstring>

#include "headrace/format/parquet/bit_unpack.h"
#include "headrace/format/parquet/delta_decoder.h"
#include "headrace/format/parquet/hybrid_decoder.h"

namespace headrace::parquet_format {
namespace {

constexpr int64_t kValuesAtATime = 256;

Status TooFew() { return Status::Invalid("the page has too few values"); }

class PlainFixed final : public FixedDecoder {
 public:
  PlainFixed(std::span<const uint8_t> page, int width) : left_(page), width_(width) {}
  Status Read(int64_t count, uint8_t* out) override {
    const uint8_t* from = left_.data();
    ARROW_RETURN_NOT_OK(Skip(count));
    if (count > 0) std::memcpy(out, from, static_cast<size_t>(count * width_));
    return Status::OK();
  }
  Status Skip(int64_t count) override {
    const auto bytes = static_cast<size_t>(count * width_);
    if (bytes > left_.size()) return TooFew();
    left_ = left_.subspan(bytes);
    return Status::OK();
  }

 private:
  std::span<const uint8_t> left_;
  const int64_t width_;
};

class PlainBooleans final : public FixedDecoder {
 public:
  explicit PlainBooleans(std::span<const uint8_t> page)
      : bits_(page.data()), count_(static_cast<int64_t>(page.size()) * 8) {}
  Status Read(int64_t count, uint8_t* out) override {
    const int64_t first = position_;
    ARROW_RETURN_NOT_OK(Skip(count));
    for (int64_t i = 0; i < count; ++i) {
      out[i] = (bits_[(first + i) / 8] >> ((first + i) % 8)) & 1;
    }
    return Status::OK();
  }
  Status Skip(int64_t count) override {
    if (count > count_ - position_) return TooFew();
    position_ += count;
    return Status::OK();
  }

 private:
  const uint8_t* const bits_;
  const int64_t count_;
  int64_t position_ = 0;
};

class RleBooleans final : public FixedDecoder {
 public:
  explicit RleBooleans(HybridDecoder runs) : runs_(runs) {}
  Status Read(int64_t count, uint8_t* out) override {
    uint32_t piece[kValuesAtATime];
    while (count > 0) {
      const int64_t part = std::min(count, kValuesAtATime);
      ARROW_RETURN_NOT_OK(runs_.Read(part, piece));
      for (int64_t i = 0; i < part; ++i) *out++ = piece[i] & 1;
      count -= part;
    }
    return Status::OK();
  }
  Status Skip(int64_t count) override { return runs_.Skip(count); }

 private:
  HybridDecoder runs_;
};

template <typename T>
class DeltaFixed final : public FixedDecoder {
 public:
  explicit DeltaFixed(DeltaDecoder deltas) : deltas_(deltas) {}
  Status Read(int64_t count, uint8_t* out) override {
    uint64_t piece[kValuesAtATime];
    while (count > 0) {
      const int64_t part = std::min(count, kValuesAtATime);
      ARROW_RETURN_NOT_OK(deltas_.Read(part, piece));
      for (int64_t i = 0; i < part; ++i, out += sizeof(T)) {
        const auto value = static_cast<T>(piece[i]);
        std::memcpy(out, &value, sizeof value);
      }
      count -= part;
    }
    return Status::OK();
  }
  Status Skip(int64_t count) override { return deltas_.Skip(count); }

 private:
  DeltaDecoder deltas_;
};

/// The first bytes of all values, then the second ones, ….
class SplitFixed final : public FixedDecoder {
 public:
  SplitFixed(std::span<const uint8_t> page, int width)
      : data_(page.data()), width_(width), count_(static_cast<int64_t>(page.size()) / width) {}
  Status Read(int64_t count, uint8_t* out) override {
    const uint8_t* stream = data_ + position_;
    ARROW_RETURN_NOT_OK(Skip(count));
    for (int64_t byte = 0; byte < width_; ++byte, stream += count_) {
      for (int64_t i = 0; i < count; ++i) out[i * width_ + byte] = stream[i];
    }
    return Status::OK();
  }
  Status Skip(int64_t count) override {
    if (count > count_ - position_) return TooFew();
    position_ += count;
    return Status::OK();
  }

 private:
  const uint8_t* const data_;
  const int64_t width_;
  const int64_t count_;
  int64_t position_ = 0;
};

uint32_t LengthAt(const uint8_t* at) {
  uint32_t length;
  std::memcpy(&length, at, sizeof length);
  return length;
}

/// A length of four bytes before every text.
class PlainText final : public TextDecoder {
 public:
  explicit PlainText(std::span<const uint8_t> page)
      : at_(page.data()), end_(page.data() + page.size()) {}
  Status Read(int64_t count, std::string_view* out) override {
    for (; count >= kAlike; count -= kAlike, out += kAlike) {
      if (!ReadAlike(out)) ARROW_RETURN_NOT_OK(ReadEach(kAlike, out));
    }
    return ReadEach(count, out);
  }
  Status Skip(int64_t count) override {
    std::string_view piece[kValuesAtATime];
    for (; count > 0; count -= kValuesAtATime) {
      ARROW_RETURN_NOT_OK(Read(std::min(count, kValuesAtATime), piece));
    }
    return Status::OK();
  }
  int64_t bytes_left() const { return end_ - at_; }

 private:
  static constexpr int64_t kAlike = 8;
  static constexpr int64_t kLengthBytes = sizeof(uint32_t);

  /// The next kAlike texts when they are equally long: where one is need then not wait for the
  /// length of the one before.
  bool ReadAlike(std::string_view* out) {
    if (end_ - at_ < kLengthBytes) return false;
    const uint32_t length = LengthAt(at_);
    const int64_t step = kLengthBytes + length;
    if (end_ - at_ < kAlike * step) return false;
    uint32_t differences = 0;
    for (int64_t i = 1; i < kAlike; ++i) differences |= LengthAt(at_ + i * step) ^ length;
    if (differences != 0) return false;
    for (int64_t i = 0; i < kAlike; ++i) {
      out[i] = {reinterpret_cast<const char*>(at_ + i * step + kLengthBytes), length};
    }
    at_ += kAlike * step;
    return true;
  }

  Status ReadEach(int64_t count, std::string_view* out) {
    const uint8_t* at = at_;
    for (int64_t i = 0; i < count; ++i) {
      if (end_ - at < kLengthBytes) return TooFew();
      const uint32_t length = LengthAt(at);
      at += kLengthBytes;
      if (end_ - at < int64_t{length}) return Status::Invalid("a text of ", length, " bytes");
      out[i] = {reinterpret_cast<const char*>(at), length};
      at += length;
    }
    at_ = at;
    return Status::OK();
  }

  const uint8_t* at_;
  const uint8_t* const end_;
};

int64_t SizeOfReady(const PageStream& values) {
  return static_cast<int64_t>(values.ready().size());
}

class StreamedFixed final : public FixedDecoder {
 public:
  StreamedFixed(PageStream& values, int width) : values_(values), width_(width) {}
  Status Read(int64_t count, uint8_t* out) override {
    return Pass(count, [&](std::span<const uint8_t> part) {
      std::memcpy(out, part.data(), part.size());
      out += part.size();
    });
  }
  Status Skip(int64_t count) override {
    return Pass(count, [](std::span<const uint8_t>) {});
  }

 private:
  template <typename OnPart>
  Status Pass(int64_t count, OnPart on_part) {
    int64_t bytes = count * width_;
    if (bytes > values_.left()) return TooFew();
    while (bytes > 0) {
      ARROW_RETURN_NOT_OK(values_.Need(1));
      const int64_t part = std::min(bytes, SizeOfReady(values_));
      on_part(values_.ready().first(static_cast<size_t>(part)));
      values_.Consume(part);
      bytes -= part;
    }
    return Status::OK();
  }

  PageStream& values_;
  const int64_t width_;
};

class StreamedText final : public TextDecoder {
 public:
  StreamedText(PageStream& values, int64_t mean_bytes) : values_(values), mean_bytes_(mean_bytes) {}

  /// What is ready is read once more where it was not enough.
  Status Read(int64_t count, std::string_view* out) override {
    int64_t wanted = count * mean_bytes_;
    while (true) {
      ARROW_RETURN_NOT_OK(values_.Need(std::min(wanted, values_.left())));
      PlainText texts(values_.ready());
      const Status status = texts.Read(count, out);
      if (status.ok()) {
        values_.Consume(SizeOfReady(values_) - texts.bytes_left());
        return status;
      }
      if (SizeOfReady(values_) == values_.left()) return status;
      wanted = 2 * SizeOfReady(values_);
    }
  }
  Status Skip(int64_t count) override {
    std::string_view piece[kValuesAtATime];
    const int64_t most = std::clamp<int64_t>(kSkippedBytes / mean_bytes_, 1, kValuesAtATime);
    for (; count > 0; count -= most) {
      ARROW_RETURN_NOT_OK(Read(std::min(count, most), piece));
    }
    return Status::OK();
  }

 private:
  static constexpr int64_t kSkippedBytes = int64_t{1} << 16;

  PageStream& values_;
  const int64_t mean_bytes_;
};

/// All lengths, then all texts.
class DeltaLengthText final : public TextDecoder {
 public:
  DeltaLengthText(DeltaDecoder lengths, const uint8_t* texts, const uint8_t* end)
      : lengths_(lengths), at_(texts), end_(end) {}
  Status Read(int64_t count, std::string_view* out) override {
    uint64_t lengths[kValuesAtATime];
    for (int64_t done = 0; done < count;) {
      const int64_t part = std::min(count - done, kValuesAtATime);
      ARROW_RETURN_NOT_OK(lengths_.Read(part, lengths));
      for (int64_t i = 0; i < part; ++i, ++done) {
        // Lengths are of 32 bits, and so are their differences.
        const auto length = static_cast<uint32_t>(lengths[i]);
        if (length > static_cast<uint64_t>(end_ - at_)) {
          return Status::Invalid("a text of ", length, " bytes");
        }
        out[done] = {reinterpret_cast<const char*>(at_), length};
        at_ += length;
      }
    }
    return Status::OK();
  }
  Status Skip(int64_t count) override {
    std::string_view piece[kValuesAtATime];
    for (; count > 0; count -= kValuesAtATime) {
      ARROW_RETURN_NOT_OK(Read(std::min(count, kValuesAtATime), piece));
    }
    return Status::OK();
  }

 private:
  DeltaDecoder lengths_;
  const uint8_t* at_;
  const uint8_t* const end_;
};

Result<std::unique_ptr<FixedDecoder>> MakeDelta(const FlatType& type,
                                                std::span<const uint8_t> page) {
  ARROW_ASSIGN_OR_RAISE(const DeltaDecoder deltas,
                        DeltaDecoder::Make(page.data(), static_cast<int64_t>(page.size())));
  if (type.stored_width == 4) return std::make_unique<DeltaFixed<uint32_t>>(deltas);
  return std::make_unique<DeltaFixed<uint64_t>>(deltas);
}

Result<std::unique_ptr<FixedDecoder>> MakeRleBooleans(std::span<const uint8_t> page) {
  uint32_t bytes;
  if (page.size() < sizeof bytes) return TooFew();
  std::memcpy(&bytes, page.data(), sizeof bytes);
  if (bytes > page.size() - sizeof bytes) return TooFew();
  return std::make_unique<RleBooleans>(HybridDecoder(page.data() + sizeof bytes, bytes, 1));
}

}  // namespace

bool HasDecoder(Encoding encoding, const FlatType& type) {
  const auto physical = type.physical;
  switch (encoding) {
    case Encoding::kPlain:
      return true;
    case Encoding::kRle:
      return physical == parquet::Type::BOOLEAN;
    case Encoding::kDeltaBinaryPacked:
      return physical == parquet::Type::INT32 || physical == parquet::Type::INT64;
    case Encoding::kDeltaLengthByteArray:
      return type.is_text();
    case Encoding::kByteStreamSplit:
      return !type.is_text() && physical != parquet::Type::BOOLEAN;
    default:
      return false;
  }
}

Result<std::unique_ptr<FixedDecoder>> MakeFixedDecoder(Encoding encoding, const FlatType& type,
                                                       std::span<const uint8_t> page) {
  // A page of nulls alone may have no values at all.
  if (page.empty()) return std::make_unique<PlainFixed>(page, type.stored_width);
  switch (encoding) {
    case Encoding::kRle:
      return MakeRleBooleans(page);
    case Encoding::kDeltaBinaryPacked:
      return MakeDelta(type, page);
    case Encoding::kByteStreamSplit:
      return std::make_unique<SplitFixed>(page, type.stored_width);
    default:
      if (type.physical == parquet::Type::BOOLEAN) return std::make_unique<PlainBooleans>(page);
      return std::make_unique<PlainFixed>(page, type.stored_width);
  }
}

Result<std::unique_ptr<TextDecoder>> MakeTextDecoder(Encoding encoding,
                                                     std::span<const uint8_t> page) {
  if (encoding == Encoding::kPlain || page.empty()) return std::make_unique<PlainText>(page);
  ARROW_ASSIGN_OR_RAISE(const DeltaDecoder lengths,
                        DeltaDecoder::Make(page.data(), static_cast<int64_t>(page.size())));
  DeltaDecoder all = lengths;
  ARROW_RETURN_NOT_OK(all.Skip(all.values_left()));
  return std::make_unique<DeltaLengthText>(lengths, all.end(), page.data() + page.size());
}

std::unique_ptr<FixedDecoder> MakeFixedDecoder(PageStream& values, int stored_width) {
  return std::make_unique<StreamedFixed>(values, stored_width);
}

std::unique_ptr<TextDecoder> MakeTextDecoder(PageStream& values, int64_t mean_bytes) {
  return std::make_unique<StreamedText>(values, mean_bytes);
}

}  // namespace headrace::parquet_format
