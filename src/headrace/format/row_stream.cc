// The text of a file of a stream.
#include "headrace/format/row_stream.h"

#include <algorithm>
#include <utility>

#include "arrow/buffer.h"
#include "headrace/format/bound_file.h"
#include "headrace/format/compressed_stream.h"

namespace headrace {
namespace {

/// Reads an open file from a place of its own. Its end is where the file ends now.
class FileCursor final : public arrow::io::InputStream {
 public:
  FileCursor(std::shared_ptr<arrow::io::RandomAccessFile> file, int64_t position)
      : file_(std::move(file)), position_(position) {
    set_mode(arrow::io::FileMode::READ);
  }

  Result<int64_t> Read(int64_t nbytes, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t got, file_->ReadAt(position_, nbytes, out));
    position_ += got;
    return got;
  }
  Result<std::shared_ptr<arrow::Buffer>> Read(int64_t nbytes) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, file_->ReadAt(position_, nbytes));
    position_ += buffer->size();
    return buffer;
  }
  Status Close() override {
    closed_ = true;
    return Status::OK();
  }
  bool closed() const override { return closed_; }
  Result<int64_t> Tell() const override { return position_; }

 private:
  const std::shared_ptr<arrow::io::RandomAccessFile> file_;
  int64_t position_;
  bool closed_ = false;
};

Status DropBytes(arrow::io::InputStream& stream, int64_t bytes) {
  constexpr int64_t kDropBytes = int64_t{64} << 10;
  std::vector<char> dropped(static_cast<size_t>(std::min(bytes, kDropBytes)));
  while (bytes > 0) {
    ARROW_ASSIGN_OR_RAISE(const int64_t got,
                          stream.Read(std::min(bytes, kDropBytes), dropped.data()));
    if (got == 0) return Status::IOError("expected ", bytes, " more bytes before the next row");
    bytes -= got;
  }
  return Status::OK();
}

}  // namespace

Result<std::shared_ptr<arrow::io::InputStream>> OpenText(const StreamFile& file, int64_t offset,
                                                         arrow::MemoryPool* pool) {
  if (!IsCompressedPath(file.info.path)) return std::make_shared<FileCursor>(file.file, offset);
  ARROW_ASSIGN_OR_RAISE(
      auto stream, UnpackFrom(std::make_shared<FileCursor>(file.file, 0), file.info.path, pool));
  ARROW_RETURN_NOT_OK(DecodeError(DropBytes(*stream, offset), file.info.path, "compressed"));
  return stream;
}

}  // namespace headrace
