// Finding, reading and decompressing pages.
#include "headrace/format/parquet/page_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "arrow/buffer.h"
#include "arrow/memory_pool.h"
#include "arrow/util/crc32.h"
#include "headrace/format/parquet/bit_unpack.h"
#include "headrace/format/parquet/snappy.h"
#include "parquet/types.h"

namespace headrace::parquet_format {
namespace {

/// What a header usually takes at most.
constexpr int64_t kHeaderBytes = 256;

/// Of a page that nobody has seen yet.
constexpr int64_t kUsualPageBytes = int64_t{3} << 19;
constexpr int64_t kUsualRatio = 4;

/// How many bytes a codec makes of one at most; memory is taken on the word of a header.
int64_t RatioMax(arrow::Compression::type compression) {
  switch (compression) {
    case arrow::Compression::SNAPPY:
      return 64;
    case arrow::Compression::LZ4:
    case arrow::Compression::LZ4_HADOOP:
      return 256;
    case arrow::Compression::GZIP:
      return 1040;
    case arrow::Compression::ZSTD:
      return int64_t{1} << 15;
    default:
      return int64_t{1} << 20;
  }
}

/// `buffer` with room for `bytes` and padding; what it held is lost.
Status MakeRoom(int64_t bytes, arrow::MemoryPool* pool,
                std::unique_ptr<arrow::ResizableBuffer>* buffer) {
  if (*buffer != nullptr && (*buffer)->capacity() >= bytes + kPagePadding) return Status::OK();
  buffer->reset();
  ARROW_ASSIGN_OR_RAISE(*buffer, arrow::AllocateResizableBuffer(bytes + kPagePadding, pool));
  return Status::OK();
}

}  // namespace

void PageMap::Add(Place place) {
  std::lock_guard lock(mutex_);
  if (places_.empty() || places_.back().row < place.row) places_.push_back(place);
}

std::optional<PageMap::Place> PageMap::Before(int64_t row) const {
  std::lock_guard lock(mutex_);
  const auto after =
      std::upper_bound(places_.begin(), places_.end(), row,
                       [](int64_t wanted, const Place& place) { return wanted < place.row; });
  if (after == places_.begin()) return std::nullopt;
  return *std::prev(after);
}

Result<PageReader> PageReader::Make(std::shared_ptr<BoundFile> file, const ChunkPlace& chunk,
                                    const PageMemory& memory, arrow::MemoryPool* pool) {
  PageReader reader;
  if (chunk.compression != arrow::Compression::UNCOMPRESSED) {
    reader.codec_ = parquet::GetCodec(chunk.compression);
  }
  reader.file_ = std::move(file);
  reader.chunk_ = chunk;
  reader.next_ = chunk.offset;
  reader.memory_ = memory;
  reader.pool_ = pool;
  return reader;
}

Status PageReader::Seek(int64_t offset) {
  if (offset < chunk_.offset || offset > chunk_.offset + chunk_.bytes) {
    return Status::Invalid("a page at ", offset, " is not in its column chunk");
  }
  next_ = offset;
  return Status::OK();
}

Result<bool> PageReader::Next() {
  if (next_ == chunk_.offset + chunk_.bytes) return false;
  header_offset_ = next_;
  ARROW_RETURN_NOT_OK(ParseHeader());
  was_read_ = false;
  if (header_.stored_bytes > chunk_.offset + chunk_.bytes - payload_) {
    return Status::Invalid("a page of ", header_.stored_bytes, " bytes at ", header_offset_,
                           " leaves its column chunk");
  }
  next_ = payload_ + header_.stored_bytes;
  return true;
}

Status PageReader::ParseHeader() {
  const int64_t left = chunk_.offset + chunk_.bytes - header_offset_;
  const int64_t most = std::min(left, kPageHeaderBytesMax);
  for (int64_t bytes = std::min(most, kHeaderBytes);; bytes = std::min(most, bytes * 8)) {
    ARROW_ASSIGN_OR_RAISE(const uint8_t* start,
                          Window(header_offset_, bytes, was_read_ ? memory_.read_ahead : 0));
    ARROW_ASSIGN_OR_RAISE(const auto length,
                          ParsePageHeader({start, static_cast<size_t>(bytes)}, &header_));
    if (length.has_value()) {
      payload_ = header_offset_ + *length;
      return Status::OK();
    }
    if (bytes == most) return Status::Invalid("a page header without an end");
  }
}

/// `bytes` of the file at `offset`, which are in the chunk, read with more, `ahead` in all, where
/// it has them.
Result<const uint8_t*> PageReader::Window(int64_t offset, int64_t bytes, int64_t ahead) {
  if (offset < window_offset_ || offset + bytes > window_offset_ + window_bytes_) {
    const int64_t chunk_end = chunk_.offset + chunk_.bytes;
    const int64_t wanted = std::min(std::max(bytes + kHeaderBytes, ahead), chunk_end - offset);
    window_bytes_ = 0;
    ARROW_RETURN_NOT_OK(MakeRoom(wanted, pool_, &window_));
    ARROW_ASSIGN_OR_RAISE(const int64_t got,
                          file_->ReadAt(offset, wanted, false, window_->mutable_data()));
    window_offset_ = offset;
    window_bytes_ = got;
    if (got < bytes) return Status::IOError("the file ends at ", offset + got);
  }
  return window_->data() + (offset - window_offset_);
}

Result<std::span<const uint8_t>> PageReader::Read() {
  was_read_ = true;
  ARROW_ASSIGN_OR_RAISE(const uint8_t* stored,
                        Window(payload_, header_.stored_bytes, memory_.read_ahead));
  if (header_.crc.has_value() &&
      arrow::internal::crc32(0, stored, static_cast<size_t>(header_.stored_bytes)) !=
          *header_.crc) {
    return Status::Invalid("the checksum of the page at ", header_offset_, " is wrong");
  }
  if (!is_plain()) return Decompress(stored);
  return std::span<const uint8_t>(stored, static_cast<size_t>(header_.stored_bytes));
}

/// Whether the bytes of the page are stored as they are.
bool PageReader::is_plain() const {
  return codec_ == nullptr || (header_.kind == PageHeader::Kind::kDataV2 && !header_.is_compressed);
}

/// Those of version 2 stand before the compressed bytes as they are.
int64_t PageReader::levels_bytes() const {
  const bool is_v2 = header_.kind == PageHeader::Kind::kDataV2;
  return is_v2 ? header_.definition_bytes + header_.repetition_bytes : 0;
}

Status PageReader::CheckRatio(int64_t stored, int64_t plain) const {
  if (stored >= 0 && plain >= 0 && plain / RatioMax(chunk_.compression) <= stored) {
    return Status::OK();
  }
  return Status::Invalid("a page of ", header_.stored_bytes, " bytes at ", header_offset_,
                         " claims to hold ", header_.plain_bytes);
}

bool PageReader::CanStream() const {
  const bool is_large = std::max(header_.plain_bytes, header_.stored_bytes) > memory_.window;
  const bool is_snappy = chunk_.compression == arrow::Compression::SNAPPY;
  return is_large && !header_.crc.has_value() && (is_snappy || is_plain());
}

Result<std::span<const uint8_t>> PageReader::ReadLevels() {
  const int64_t levels = levels_bytes();
  if (levels > header_.stored_bytes) {
    return Status::Invalid("levels of ", levels, " bytes in a page of ", header_.stored_bytes);
  }
  ARROW_ASSIGN_OR_RAISE(const uint8_t* start, Window(payload_, levels, memory_.read_ahead));
  return std::span<const uint8_t>(start, static_cast<size_t>(levels));
}

Result<std::unique_ptr<PageStream>> PageReader::Stream() {
  was_read_ = true;
  plain_.reset();
  const int64_t stored = header_.stored_bytes - levels_bytes();
  const PageStream::Page page{stored, is_plain() ? stored : header_.plain_bytes - levels_bytes(),
                              !is_plain()};
  ARROW_RETURN_NOT_OK(CheckRatio(stored, page.plain_bytes));
  const int64_t begin = payload_ + levels_bytes();
  auto at = [this, begin, stored](int64_t offset) -> Result<std::span<const uint8_t>> {
    const int64_t least = std::min(stored - offset, SnappyStream::kInMin);
    ARROW_ASSIGN_OR_RAISE(const uint8_t* start, Window(begin + offset, least, memory_.read_ahead));
    const int64_t there = window_offset_ + window_bytes_ - (begin + offset);
    return std::span<const uint8_t>(start, static_cast<size_t>(std::min(there, stored - offset)));
  };
  return std::make_unique<PageStream>(std::move(at), page, memory_.window, pool_);
}

int64_t PageReader::bytes() const {
  if (window_ == nullptr) {
    const bool streams = codec_ == nullptr || chunk_.compression == arrow::Compression::SNAPPY;
    return std::min(chunk_.bytes, memory_.read_ahead) +
           std::min(chunk_.bytes * kUsualRatio, streams ? memory_.window : kUsualPageBytes);
  }
  return (window_ == nullptr ? 0 : window_->capacity()) +
         (plain_ == nullptr ? 0 : plain_->capacity());
}

Result<std::span<const uint8_t>> PageReader::Decompress(const uint8_t* stored) {
  const int64_t levels = levels_bytes();
  const int64_t in = header_.stored_bytes - levels, out = header_.plain_bytes - levels;
  ARROW_RETURN_NOT_OK(CheckRatio(in, out));
  ARROW_RETURN_NOT_OK(MakeRoom(header_.plain_bytes, pool_, &plain_));
  uint8_t* plain = plain_->mutable_data();
  if (levels > 0) std::memcpy(plain, stored, static_cast<size_t>(levels));
  if (out > 0 && chunk_.compression == arrow::Compression::SNAPPY) {
    ARROW_RETURN_NOT_OK(DecompressSnappy({stored + levels, static_cast<size_t>(in)},
                                         {plain + levels, static_cast<size_t>(out)}));
  } else if (out > 0) {
    ARROW_ASSIGN_OR_RAISE(const int64_t got,
                          codec_->Decompress(in, stored + levels, out, plain + levels));
    if (got != out) {
      return Status::Invalid("expected a page of ", out, " bytes at ", header_offset_, ", got ",
                             got);
    }
  }
  return std::span<const uint8_t>(plain, static_cast<size_t>(header_.plain_bytes));
}

}  // namespace headrace::parquet_format
