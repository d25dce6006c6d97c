// Runs of the RLE / bit-packing hybrid.
#include "headrace/format/parquet/hybrid_decoder.h"

#include <algorithm>

#include "arrow/util/bit_util.h"
#include "arrow/util/bitmap_ops.h"
#include "headrace/format/parquet/bit_unpack.h"

namespace headrace::parquet_format {
namespace {

constexpr int kHeaderBitsMax = 32;

}  // namespace

/// Reads headers of runs until one has numbers.
Status HybridDecoder::NextRun() {
  while (left_ == 0) {
    uint64_t header = 0;
    for (int shift = 0;; shift += 7) {
      if (at_ == end_) return Status::Invalid("the numbers end too early");
      if (shift > kHeaderBitsMax) return Status::Invalid("a run of impossible length");
      const uint8_t byte = *at_++;
      header |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    const auto count = static_cast<int64_t>(header >> 1);
    if ((header & 1) == 0) {
      const int64_t value_bytes = (width_ + 7) / 8;
      if (end_ - at_ < value_bytes) return Status::Invalid("a run ends too early");
      repeated_ = 0;
      for (int64_t i = 0; i < value_bytes; ++i) repeated_ |= uint32_t{at_[i]} << (8 * i);
      at_ += value_bytes;
      packed_ = nullptr;
      left_ = count;
    } else {
      // Writers may leave out the padding of the last group.
      const int64_t bytes = std::min<int64_t>(count * width_, end_ - at_);
      packed_ = at_;
      position_ = 0;
      left_ = width_ == 0 ? count * 8 : bytes * 8 / width_;
      at_ += bytes;
    }
  }
  return Status::OK();
}

template <typename OnRepeated, typename OnPacked>
Status HybridDecoder::Visit(int64_t count, OnRepeated on_repeated, OnPacked on_packed) {
  while (count > 0) {
    if (left_ == 0) ARROW_RETURN_NOT_OK(NextRun());
    const int64_t part = std::min(count, left_);
    if (packed_ == nullptr) {
      on_repeated(part);
    } else {
      on_packed(part);
      position_ += part;
    }
    left_ -= part;
    count -= part;
  }
  return Status::OK();
}

Status HybridDecoder::Read(int64_t count, uint32_t* out) {
  return Visit(
      count,
      [&](int64_t part) {
        std::fill_n(out, part, repeated_);
        out += part;
      },
      [&](int64_t part) {
        UnpackBits(packed_, position_, part, width_, out);
        out += part;
      });
}

Status HybridDecoder::Skip(int64_t count) {
  return Visit(count, [](int64_t) {}, [](int64_t) {});
}

Result<int64_t> HybridDecoder::ReadBits(int64_t count, uint8_t* bitmap, int64_t offset) {
  int64_t ones = 0;
  ARROW_RETURN_NOT_OK(Visit(
      count,
      [&](int64_t part) {
        const bool is_set = (repeated_ & 1) != 0;
        arrow::bit_util::SetBitsTo(bitmap, offset, part, is_set);
        offset += part;
        ones += is_set ? part : 0;
      },
      [&](int64_t part) {
        arrow::internal::CopyBitmap(packed_, position_, part, bitmap, offset);
        offset += part;
        ones += arrow::internal::CountSetBits(packed_, position_, part);
      }));
  return ones;
}

Result<int64_t> HybridDecoder::SkipBits(int64_t count) {
  int64_t ones = 0;
  ARROW_RETURN_NOT_OK(Visit(
      count, [&](int64_t part) { ones += (repeated_ & 1) != 0 ? part : 0; },
      [&](int64_t part) { ones += arrow::internal::CountSetBits(packed_, position_, part); }));
  return ones;
}

}  // namespace headrace::parquet_format
