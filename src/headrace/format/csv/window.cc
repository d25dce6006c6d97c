// The sliding window over a CSV text.
#include "headrace/format/csv/window.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "arrow/buffer.h"
#include "headrace/format/csv/structure.h"

namespace headrace::csv {

Window::Window(std::shared_ptr<arrow::io::InputStream> stream, int64_t read_bytes,
               arrow::MemoryPool* pool)
    : stream_(std::move(stream)), read_bytes_(static_cast<size_t>(read_bytes)), pool_(pool) {}

Window::~Window() = default;

const char* Window::data() const {
  static constexpr char kNothing[1 + kTextPadding] = {'\n'};
  return buffer_ == nullptr ? kNothing : reinterpret_cast<const char*>(buffer_->data());
}

Status Window::Refill(size_t consumed) {
  ARROW_RETURN_NOT_OK(MakeRoom(consumed));
  return last_ ? Status::OK() : ReadOn();
}

Status Window::MakeRoom(size_t consumed) {
  const size_t kept = size_ - consumed;
  const size_t wanted = std::max(read_bytes_, std::bit_ceil(2 * kept));
  if (wanted == capacity_) {
    std::memmove(buffer_->mutable_data(), data() + consumed, kept);
  } else {
    ARROW_ASSIGN_OR_RAISE(
        std::shared_ptr<arrow::ResizableBuffer> buffer,
        arrow::AllocateResizableBuffer(static_cast<int64_t>(wanted + 1 + kTextPadding), pool_));
    if (kept > 0) std::memcpy(buffer->mutable_data(), data() + consumed, kept);
    std::memset(buffer->mutable_data() + wanted, 0, 1 + kTextPadding);
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
