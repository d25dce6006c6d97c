// PageStream: the plain bytes of a large page from front to back, of which only a part is in
// memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "arrow/type_fwd.h"
#include "headrace/base/error.h"
#include "headrace/format/parquet/snappy.h"

namespace headrace::parquet_format {

/// One thread. Memory: a window, unless more is needed at once, or the page was compressed with
/// copies from further back than compressors make them.
class PageStream {
 public:
  /// The stored page from byte `offset` on: as much as is at hand, at least SnappyStream::kInMin
  /// bytes where it has them. Valid until the next call.
  using Stored = std::function<Result<std::span<const uint8_t>>(int64_t offset)>;
  struct Page {
    int64_t stored_bytes = 0;
    int64_t plain_bytes = 0;
    bool is_snappy = false;  // else it is stored as it is
  };
  PageStream(Stored stored, const Page& page, int64_t window_bytes, arrow::MemoryPool* pool);
  ~PageStream();

  /// Plain bytes not yet consumed.
  int64_t left() const { return page_.plain_bytes - position_; }
  /// Those of them that are in memory; kPagePadding bytes are readable behind them. Valid until the
  /// next call of Need.
  std::span<const uint8_t> ready() const;
  /// Afterwards at least `bytes` are ready. Fails where fewer are left.
  Status Need(int64_t bytes);
  /// REQUIRES: they are ready.
  void Consume(int64_t bytes) { position_ += bytes; }

  /// Bytes of memory.
  int64_t bytes() const { return capacity_; }

 private:
  int64_t end() const { return begin_ + filled_; }
  Status MakeRoom(int64_t bytes);
  Status Produce();
  Status Decompress(std::span<const uint8_t> in, std::span<uint8_t> out);
  Status BeginWhole();

  const Stored stored_;
  const Page page_;
  const int64_t window_bytes_;
  arrow::MemoryPool* const pool_;
  int64_t look_back_;  // bytes before end() that stay
  SnappyStream snappy_;
  int64_t read_ = 0;      // of the stored bytes
  int64_t position_ = 0;  // consumed
  std::unique_ptr<arrow::Buffer> buffer_;
  int64_t capacity_ = 0;
  int64_t begin_ = 0;   // of the page: what the buffer begins with
  int64_t filled_ = 0;  // of the buffer
};

}  // namespace headrace::parquet_format
