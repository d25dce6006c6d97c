// PageReader: the pages of one column chunk, one after the other, with little read ahead.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "arrow/util/compression.h"
#include "headrace/format/bound_file.h"
#include "headrace/format/parquet/page_header.h"

namespace headrace::parquet_format {

/// Where the data pages of a chunk are, as far as somebody has seen them. Thread safe.
class PageMap {
 public:
  struct Place {
    int64_t row = 0;     // the first of the page, in the row group
    int64_t offset = 0;  // of its header in the file
  };
  void Add(Place place);
  /// The last known page that begins at `row` or before.
  std::optional<Place> Before(int64_t row) const;

 private:
  mutable std::mutex mutex_;
  std::vector<Place> places_;  // by row
};

struct ChunkPlace {
  int64_t offset = 0;
  int64_t bytes = 0;
  arrow::Compression::type compression = arrow::Compression::UNCOMPRESSED;
};

/// One thread. Memory: a window of the file of `read_ahead` bytes or one page, and one page
/// decompressed.
class PageReader {
 public:
  /// REQUIRES: the chunk is inside the file.
  static Result<PageReader> Make(std::shared_ptr<BoundFile> file, const ChunkPlace& chunk,
                                 int64_t read_ahead, arrow::MemoryPool* pool);

  /// To the next page, over the rest of this one; false at the end of the chunk.
  Result<bool> Next();
  /// The page whose header is at `offset` will be next.
  Status Seek(int64_t offset);

  const PageHeader& header() const { return header_; }
  /// Of the header in the file.
  int64_t offset() const { return header_offset_; }
  /// The page, decompressed and its checksum verified; kPagePadding bytes are readable behind it.
  /// Valid until the next call.
  Result<std::span<const uint8_t>> Read();

 private:
  PageReader() = default;
  Status ParseHeader();
  Result<const uint8_t*> Window(int64_t offset, int64_t bytes, int64_t ahead);
  Result<std::span<const uint8_t>> Decompress(const uint8_t* stored);

  std::shared_ptr<BoundFile> file_;
  ChunkPlace chunk_;
  int64_t read_ahead_ = 0;
  arrow::MemoryPool* pool_ = nullptr;
  std::unique_ptr<arrow::util::Codec> codec_;
  int64_t next_ = 0;  // offset of the next header
  int64_t header_offset_ = 0;
  int64_t payload_ = 0;
  PageHeader header_;
  bool was_read_ = true;  // the page before: what follows will be wanted too
  std::unique_ptr<arrow::ResizableBuffer> window_;
  int64_t window_offset_ = 0;
  int64_t window_bytes_ = 0;
  std::unique_ptr<arrow::ResizableBuffer> plain_;
};

}  // namespace headrace::parquet_format
