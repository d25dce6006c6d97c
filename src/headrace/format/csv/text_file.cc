// Opening and decompressing of CSV files.
#include "headrace/format/csv/text_file.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "arrow/io/compressed.h"
#include "arrow/memory_pool.h"
#include "arrow/util/compression.h"
#include "headrace/format/bound_file.h"

namespace headrace::csv {
namespace {

constexpr int64_t kDropBytes = int64_t{64} << 10;

arrow::Compression::type CompressionOf(std::string_view path, std::string_view start) {
  if (path.ends_with(".gz") || start.starts_with("\x1F\x8B")) return arrow::Compression::GZIP;
  if (path.ends_with(".zst") || start.starts_with("\x28\xB5\x2F\xFD")) {
    return arrow::Compression::ZSTD;
  }
  return arrow::Compression::UNCOMPRESSED;
}

Status Drop(arrow::io::InputStream& stream, int64_t bytes) {
  std::vector<char> dropped(static_cast<size_t>(std::min(bytes, kDropBytes)));
  while (bytes > 0) {
    ARROW_ASSIGN_OR_RAISE(const int64_t got,
                          stream.Read(std::min(bytes, kDropBytes), dropped.data()));
    if (got == 0) break;
    bytes -= got;
  }
  return Status::OK();
}

}  // namespace

Result<TextFile> TextFile::Bind(Vfs& vfs, const FileInfo& info) {
  ARROW_ASSIGN_OR_RAISE(auto file, OpenBound(vfs, info, arrow::default_memory_pool()));
  char start[4];
  ARROW_ASSIGN_OR_RAISE(const int64_t got, file->ReadAt(0, sizeof start, start));
  return TextFile(vfs, info, CompressionOf(info.path, {start, static_cast<size_t>(got)}));
}

int64_t TextFile::ReadBytes(int64_t offset, int64_t wanted) const {
  // One more tells that the text has ended.
  return is_compressed() ? wanted : std::clamp<int64_t>(size() - offset + 1, 1, wanted);
}

Result<std::shared_ptr<arrow::io::InputStream>> TextFile::Open(int64_t offset,
                                                               arrow::MemoryPool* pool) const {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<BoundFile> file, OpenBound(*vfs_, info_, pool));
  if (!is_compressed()) {
    ARROW_RETURN_NOT_OK(file->Seek(std::min(offset, size())));
    return file;
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::util::Codec> codec,
                        arrow::util::Codec::Create(compression_));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::io::InputStream> stream,
                        arrow::io::CompressedInputStream::Make(codec.get(), file, pool));
  ARROW_RETURN_NOT_OK(DecodeError(Drop(*stream, offset), path(), "compressed"));
  return stream;
}

}  // namespace headrace::csv
