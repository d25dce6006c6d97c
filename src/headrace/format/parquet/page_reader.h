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
#include "headrace/format/parquet/page_stream.h"

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

/// How much of a chunk is in memory.
struct PageMemory {
  int64_t read_ahead = 0;
  int64_t window = 0;  // of a page that is streamed
};

/// One thread. Memory: a window of the file of `read_ahead` bytes or one page, and one page
/// decompressed; of a page that is streamed only `read_ahead` bytes and the window of the stream.
class PageReader {
 public:
  /// REQUIRES: the chunk is inside the file.
  static Result<PageReader> Make(std::shared_ptr<BoundFile> file, const ChunkPlace& chunk,
                                 const PageMemory& memory, arrow::MemoryPool* pool);

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

  /// Whether the page is large and can be read from front to back, without its checksum.
  bool CanStream() const;
  /// The levels of a page of version 2, which stand apart. Valid until the next call.
  Result<std::span<const uint8_t>> ReadLevels();
  /// The page, of version 2 what is behind its levels. Borrows this, which is left where it is
  /// while the stream is used. REQUIRES: CanStream().
  Result<std::unique_ptr<PageStream>> Stream();

  /// Bytes of memory, without those of streams; before the first page what that is about to take.
  int64_t bytes() const;

 private:
  PageReader() = default;
  int64_t levels_bytes() const;
  bool is_plain() const;
  Status CheckRatio(int64_t stored, int64_t plain) const;
  Status ParseHeader();
  Result<const uint8_t*> Window(int64_t offset, int64_t bytes, int64_t ahead);
  Result<std::span<const uint8_t>> Decompress(const uint8_t* stored);

  std::shared_ptr<BoundFile> file_;
  ChunkPlace chunk_;
  PageMemory memory_;
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
