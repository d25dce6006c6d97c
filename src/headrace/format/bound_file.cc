// A RandomAccessFile cut to the size a file had at bind time.
#include "headrace/format/bound_file.h"

#include <algorithm>
#include <utility>

#include "arrow/buffer.h"
#include "arrow/memory_pool.h"
#include "arrow/util/future.h"

namespace headrace {
namespace {

class BoundFileImpl final : public BoundFile {
 public:
  BoundFileImpl(const FileInfo& bound, std::shared_ptr<arrow::io::RandomAccessFile> file,
                arrow::MemoryPool* pool)
      : BoundFile(bound.path), file_(std::move(file)), size_(bound.size), pool_(pool) {}

  const Status& failure() const override { return failure_; }
  Status Close() override { return file_->Close(); }
  bool closed() const override { return file_->closed(); }
  Result<int64_t> GetSize() override { return size_; }

  Result<int64_t> ReadAt(int64_t position, int64_t nbytes, bool allow_short_read,
                         void* out) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t length, Cut(position, nbytes));
    int64_t got = 0;
    if (length > 0) {
      const Result<int64_t> read = file_->ReadAt(position, length, out);
      if (!read.ok() && failure_.ok()) failure_ = read.status();
      ARROW_ASSIGN_OR_RAISE(got, read);
    }
    if (got < nbytes && !allow_short_read) return ShortRead(position, nbytes);
    return got;
  }
  Result<int64_t> ReadAt(int64_t position, int64_t nbytes, void* out) override {
    return ReadAt(position, nbytes, true, out);
  }

  Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t nbytes,
                                                bool allow_short_read) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t length, Cut(position, nbytes));
    if (length < nbytes && !allow_short_read) return ShortRead(position, nbytes);
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(length, pool_));
    ARROW_ASSIGN_OR_RAISE(const int64_t got,
                          ReadAt(position, length, allow_short_read, buffer->mutable_data()));
    if (got < length) ARROW_RETURN_NOT_OK(buffer->Resize(got));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }
  Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t nbytes) override {
    return ReadAt(position, nbytes, true);
  }

  // Reads at once: Arrow's default would read, and free, on a thread of its own.
  arrow::Future<std::shared_ptr<arrow::Buffer>> ReadAsync(const arrow::io::IOContext&,
                                                          int64_t position, int64_t nbytes,
                                                          bool allow_short_read) override {
    return arrow::Future<std::shared_ptr<arrow::Buffer>>::MakeFinished(
        ReadAt(position, nbytes, allow_short_read));
  }
  arrow::Future<std::shared_ptr<arrow::Buffer>> ReadAsync(const arrow::io::IOContext& context,
                                                          int64_t position,
                                                          int64_t nbytes) override {
    return ReadAsync(context, position, nbytes, true);
  }
  std::vector<arrow::Future<std::shared_ptr<arrow::Buffer>>> ReadManyAsync(
      const arrow::io::IOContext& context,
      const std::vector<arrow::io::ReadRange>& ranges) override {
    std::vector<arrow::Future<std::shared_ptr<arrow::Buffer>>> buffers;
    for (const arrow::io::ReadRange& range : ranges) {
      buffers.push_back(ReadAsync(context, range.offset, range.length, true));
    }
    return buffers;
  }

 private:
  Status ShortRead(int64_t position, int64_t nbytes) const {
    return Status::IOError("expected ", nbytes, " bytes at offset ", position,
                           ", got the end of the file at ", size_);
  }
  Result<int64_t> Cut(int64_t position, int64_t nbytes) const {
    if (position < 0 || nbytes < 0) return Status::Invalid("a negative offset or length");
    return std::max<int64_t>(0, std::min(nbytes, size_ - position));
  }

  const std::shared_ptr<arrow::io::RandomAccessFile> file_;
  const int64_t size_;
  arrow::MemoryPool* const pool_;
  Status failure_;
};

}  // namespace

Result<std::vector<FileInfo>> StatFiles(Vfs& vfs, const std::vector<std::string>& paths) {
  std::vector<FileInfo> infos;
  infos.reserve(paths.size());
  for (const std::string& path : paths) {
    ARROW_ASSIGN_OR_RAISE(FileInfo info, vfs.Stat(path));
    if (info.is_directory) {
      return Error(ErrorKind::kInvalidArgument, "expected a file, got the directory {}", path);
    }
    info.path = path;
    infos.push_back(std::move(info));
  }
  return infos;
}

Status CheckUnchanged(Vfs& vfs, const FileInfo& bound) {
  ARROW_ASSIGN_OR_RAISE(FileInfo now, vfs.Stat(bound.path));
  now.path = bound.path;
  if (now == bound) return Status::OK();
  return Error(ErrorKind::kStale, "{}: changed since the query was bound", bound.path);
}

Result<std::shared_ptr<BoundFile>> OpenBound(Vfs& vfs, const FileInfo& bound,
                                             arrow::MemoryPool* pool) {
  ARROW_RETURN_NOT_OK(CheckUnchanged(vfs, bound));
  ARROW_ASSIGN_OR_RAISE(auto file, vfs.OpenForRead(bound.path));
  return std::make_shared<BoundFileImpl>(bound, std::move(file), pool);
}

Status DecodeError(const Status& status, std::string_view path, std::string_view format) {
  if (status.ok()) return status;
  // A detail is the mark of our own errors: they know their kind and, but for the pool's, the
  // place.
  if (status.detail() != nullptr) {
    return status.IsOutOfMemory() ? WithContext(status, fmt::format("{}: ", path)) : status;
  }
  const ErrorKind kind = status.IsOutOfMemory()      ? ErrorKind::kMemoryLimit
                         : status.IsNotImplemented() ? ErrorKind::kUnsupported
                         : status.IsCancelled()      ? ErrorKind::kCancelled
                                                     : ErrorKind::kBadData;
  const char* what = kind == ErrorKind::kBadData ? "bad " : "";
  return Error(kind, "{}: {}{} data: {}", path, what, format, status.message());
}

}  // namespace headrace
