// Window: the part of a CSV stream that is in memory; it slides along the file in 1 MiB reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "arrow/io/interfaces.h"
#include "arrow/type_fwd.h"
#include "headrace/base/error.h"

namespace headrace::csv {

/// Bytes asked for at a time.
inline constexpr int64_t kReadBytes = int64_t{1} << 20;

/// One thread. A '\n' stands behind the last byte, outside size().
class Window {
 public:
  static constexpr size_t kNoPosition = SIZE_MAX;

  /// Holds `read_bytes` (a power of two), more only for a row that is longer.
  Window(std::shared_ptr<arrow::io::InputStream> stream, int64_t read_bytes,
         arrow::MemoryPool* pool);
  ~Window();

  const char* data() const;
  size_t size() const { return size_; }
  /// Whether the stream ends at size().
  bool last() const { return last_; }
  /// Position of the first NUL byte at or behind `from`, or kNoPosition.
  size_t FindNul(size_t from);

  /// Drops the first `consumed` bytes and reads on: afterwards there are more bytes, or last().
  /// Memory: twice the bytes kept, at least read_bytes.
  Status Refill(size_t consumed);

 private:
  Status MakeRoom(size_t consumed);
  Status ReadOn();

  const std::shared_ptr<arrow::io::InputStream> stream_;
  const size_t read_bytes_;
  arrow::MemoryPool* const pool_;
  std::shared_ptr<arrow::ResizableBuffer> buffer_;
  size_t capacity_ = 0;
  size_t size_ = 0;
  size_t nul_ = kNoPosition;  // first NUL found, valid below searched_
  size_t searched_ = 0;       // FindNul has looked at bytes before this
  bool last_ = false;
};

}  // namespace headrace::csv
