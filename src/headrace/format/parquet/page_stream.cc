// The window over a page: what lies before the look back of its decompression is dropped.
#include "headrace/format/parquet/page_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "arrow/buffer.h"
#include "headrace/base/check.h"
#include "headrace/format/parquet/bit_unpack.h"

namespace headrace::parquet_format {

PageStream::PageStream(Stored stored, const Page& page, int64_t window_bytes,
                       arrow::MemoryPool* pool)
    : stored_(std::move(stored)),
      page_(page),
      window_bytes_(window_bytes),
      pool_(pool),
      look_back_(page.is_snappy ? SnappyStream::kLookBack : 0),
      snappy_(page.plain_bytes) {}

PageStream::~PageStream() = default;

std::span<const uint8_t> PageStream::ready() const {
  if (buffer_ == nullptr) return {};
  return {buffer_->data() + (position_ - begin_), static_cast<size_t>(end() - position_)};
}

Status PageStream::Need(int64_t bytes) {
  if (bytes > left()) return Status::Invalid("the page has too few values");
  while (end() - position_ < bytes) {
    ARROW_RETURN_NOT_OK(MakeRoom(bytes));
    ARROW_RETURN_NOT_OK(Produce());
  }
  return Status::OK();
}

/// For `bytes` from the position on, and for a step of decompression.
Status PageStream::MakeRoom(int64_t bytes) {
  const int64_t most = page_.plain_bytes - begin_;
  const auto fits = [&](int64_t begin, int64_t capacity) {
    const int64_t until = std::max(position_ + bytes, end()) + SnappyStream::kOutMin;
    return std::min(until, page_.plain_bytes) - begin <= capacity;
  };
  if (fits(begin_, capacity_)) return Status::OK();
  const int64_t keep = std::max(begin_, std::min(position_, end() - look_back_));
  const int64_t kept = end() - keep;
  if (fits(keep, capacity_)) {
    std::memmove(buffer_->mutable_data(), buffer_->data() + (keep - begin_),
                 static_cast<size_t>(kept));
  } else {
    int64_t wanted = std::max(capacity_, std::min(window_bytes_, most));
    while (!fits(keep, wanted)) wanted *= 2;
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateBuffer(wanted + kPagePadding, pool_));
    if (kept > 0) {
      std::memcpy(buffer->mutable_data(), buffer_->data() + (keep - begin_),
                  static_cast<size_t>(kept));
    }
    buffer_ = std::move(buffer);
    capacity_ = wanted;
  }
  begin_ = keep;
  filled_ = kept;
  return Status::OK();
}

Status PageStream::Produce() {
  ARROW_ASSIGN_OR_RAISE(const auto in, stored_(read_));
  const int64_t room = std::min(capacity_, page_.plain_bytes - begin_);
  const std::span<uint8_t> out(buffer_->mutable_data(), static_cast<size_t>(room));
  if (page_.is_snappy) return Decompress(in, out);
  const int64_t part = std::min(static_cast<int64_t>(in.size()), room - filled_);
  HEADRACE_CHECK(part > 0, "a page of which nothing is at hand");
  std::memcpy(out.data() + filled_, in.data(), static_cast<size_t>(part));
  read_ += part;
  filled_ += part;
  return Status::OK();
}

Status PageStream::Decompress(std::span<const uint8_t> in, std::span<uint8_t> out) {
  const bool is_last = read_ + static_cast<int64_t>(in.size()) == page_.stored_bytes;
  ARROW_ASSIGN_OR_RAISE(const auto step, snappy_.Run(in, is_last, out, filled_));
  if (step.needs_earlier) return BeginWhole();
  read_ += step.read;
  filled_ += step.written;
  return Status::OK();
}

/// From the start of the page again, of which all stays in memory. Need goes on until it is where
/// it was.
Status PageStream::BeginWhole() {
  buffer_.reset();
  ARROW_ASSIGN_OR_RAISE(buffer_, arrow::AllocateBuffer(page_.plain_bytes + kPagePadding, pool_));
  capacity_ = look_back_ = page_.plain_bytes;
  snappy_ = SnappyStream(page_.plain_bytes);
  begin_ = filled_ = read_ = 0;
  return Status::OK();
}

}  // namespace headrace::parquet_format
