// Window: the part of a CSV text that is in memory; it slides along a stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "arrow/io/interfaces.h"
#include "arrow/type_fwd.h"
#include "headrace/base/error.h"

namespace headrace::csv {

/// One thread. Behind the last byte stand a '\n' and kTextPadding more readable bytes.
class Window {
 public:
  /// Reads `read_bytes` at a time, more only for a row that is longer.
  Window(std::shared_ptr<arrow::io::InputStream> stream, int64_t read_bytes,
         arrow::MemoryPool* pool);
  ~Window();

  const char* data() const;
  size_t size() const { return size_; }
  /// Whether the stream ends at size().
  bool last() const { return last_; }
  /// The stream may give more than it did.
  void ReadAgain() { last_ = false; }
  /// Bytes of memory.
  int64_t bytes() const { return static_cast<int64_t>(capacity_); }
  void set_read_bytes(int64_t bytes) { read_bytes_ = static_cast<size_t>(bytes); }

  /// Drops the first `consumed` bytes and reads on: afterwards there are more bytes, or last().
  /// Memory: twice the bytes kept, at least read_bytes.
  Status Refill(size_t consumed);

 private:
  Status MakeRoom(size_t consumed);
  Status ReadOn();

  const std::shared_ptr<arrow::io::InputStream> stream_;
  size_t read_bytes_;
  arrow::MemoryPool* const pool_;
  std::shared_ptr<arrow::ResizableBuffer> buffer_;
  size_t capacity_ = 0;
  size_t size_ = 0;
  bool last_ = false;
};

}  // namespace headrace::csv
