// Packing and unpacking through Arrow's codecs.
#include "headrace/format/compressed_stream.h"

#include <utility>

#include "arrow/io/compressed.h"
#include "arrow/util/compression.h"

namespace headrace {
namespace {

arrow::Compression::type CompressionOf(std::string_view path) {
  if (path.ends_with(".gz")) return arrow::Compression::GZIP;
  return path.ends_with(".zst") ? arrow::Compression::ZSTD : arrow::Compression::UNCOMPRESSED;
}

/// A stream whose end does not close what it writes to.
class Borrowed final : public arrow::io::OutputStream {
 public:
  explicit Borrowed(std::shared_ptr<arrow::io::OutputStream> stream) : stream_(std::move(stream)) {
    set_mode(arrow::io::FileMode::WRITE);
  }
  using arrow::io::OutputStream::Write;
  Status Write(const void* data, int64_t nbytes) override { return stream_->Write(data, nbytes); }
  Status Flush() override { return stream_->Flush(); }
  Result<int64_t> Tell() const override { return stream_->Tell(); }
  bool closed() const override { return closed_; }
  Status Close() override {
    closed_ = true;
    return Status::OK();
  }

 private:
  const std::shared_ptr<arrow::io::OutputStream> stream_;
  bool closed_ = false;
};

}  // namespace

bool IsCompressedPath(std::string_view path) {
  return CompressionOf(path) != arrow::Compression::UNCOMPRESSED;
}

Result<std::shared_ptr<arrow::io::InputStream>> OpenUnpacked(Vfs& vfs, const FileInfo& file,
                                                             arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto stream, OpenBound(vfs, file, pool));
  return UnpackFrom(std::move(stream), file.path, pool);
}

Result<std::shared_ptr<arrow::io::InputStream>> UnpackFrom(
    std::shared_ptr<arrow::io::InputStream> stream, std::string_view path,
    arrow::MemoryPool* pool) {
  if (!IsCompressedPath(path)) return stream;
  ARROW_ASSIGN_OR_RAISE(auto codec, arrow::util::Codec::Create(CompressionOf(path)));
  ARROW_ASSIGN_OR_RAISE(stream, arrow::io::CompressedInputStream::Make(codec.get(), stream, pool));
  return stream;
}

Result<std::shared_ptr<arrow::io::OutputStream>> PackInto(
    std::shared_ptr<arrow::io::OutputStream> stream, std::string_view path,
    arrow::MemoryPool* pool) {
  std::shared_ptr<arrow::io::OutputStream> borrowed = std::make_shared<Borrowed>(std::move(stream));
  if (!IsCompressedPath(path)) return borrowed;
  ARROW_ASSIGN_OR_RAISE(auto codec, arrow::util::Codec::Create(CompressionOf(path)));
  return arrow::io::CompressedOutputStream::Make(codec.get(), borrowed, pool);
}

}  // namespace headrace
