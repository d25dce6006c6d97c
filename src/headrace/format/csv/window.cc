// The sliding window over a CSV stream.
#include "headrace/format/csv/window.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "arrow/buffer.h"

namespace headrace::csv {

Window::Window(std::shared_ptr<arrow::io::InputStream> stream, int64_t read_bytes,
               arrow::MemoryPool* pool)
    : stream_(std::move(stream)), read_bytes_(static_cast<size_t>(read_bytes)), pool_(pool) {}

Window::~Window() = default;

const char* Window::data() const {
  return buffer_ == nullptr ? "\n" : reinterpret_cast<const char*>(buffer_->data());
}

size_t Window::FindNul(size_t from) {
  if (nul_ != kNoPosition && nul_ >= from) return nul_;
  const size_t begin = std::max(from, searched_);
  const void* found = begin >= size_ ? nullptr : std::memchr(data() + begin, 0, size_ - begin);
  nul_ = found == nullptr ? kNoPosition
                          : static_cast<size_t>(static_cast<const char*>(found) - data());
  searched_ = found == nullptr ? size_ : nul_ + 1;
  return nul_;
}

Status Window::Refill(size_t consumed) {
  ARROW_RETURN_NOT_OK(MakeRoom(consumed));
  nul_ = nul_ == kNoPosition || nul_ < consumed ? kNoPosition : nul_ - consumed;
  searched_ = searched_ > consumed ? searched_ - consumed : 0;
  return last_ ? Status::OK() : ReadOn();
}

Status Window::MakeRoom(size_t consumed) {
  const size_t kept = size_ - consumed;
  const size_t wanted = std::max(read_bytes_, std::bit_ceil(2 * kept));
  if (wanted == capacity_) {
    std::memmove(buffer_->mutable_data(), data() + consumed, kept);
  } else {
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::ResizableBuffer> buffer,
                          arrow::AllocateResizableBuffer(static_cast<int64_t>(wanted) + 1, pool_));
    if (kept > 0) std::memcpy(buffer->mutable_data(), data() + consumed, kept);
    buffer_ = std::move(buffer);
    capacity_ = wanted;
  }
  size_ = kept;
  buffer_->mutable_data()[size_] = '\n';
  return Status::OK();
}

Status Window::ReadOn() {
  while (size_ < capacity_ && !last_) {
    const int64_t room = static_cast<int64_t>(capacity_ - size_);
    ARROW_ASSIGN_OR_RAISE(const int64_t got, stream_->Read(room, buffer_->mutable_data() + size_));
    last_ = got == 0;
    size_ += static_cast<size_t>(got);
  }
  buffer_->mutable_data()[size_] = '\n';
  return Status::OK();
}

}  // namespace headrace::csv
