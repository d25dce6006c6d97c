// A file that is read by offset, with the position that reads in sequence go on from.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "arrow/buffer.h"
#include "arrow/io/interfaces.h"
#include "headrace/base/error.h"

namespace headrace {

/// The sequential half of arrow::io::RandomAccessFile in terms of its ReadAt. One reader at a time
/// may use the position.
class PositionedFile : public arrow::io::RandomAccessFile {
 public:
  /// `path`: for messages.
  explicit PositionedFile(std::string path) : path_(std::move(path)) {
    set_mode(arrow::io::FileMode::READ);
  }

  Result<int64_t> Tell() const override { return position_; }
  /// Past the end is no error: reads there give nothing.
  Status Seek(int64_t position) override {
    if (position < 0) return Error(ErrorKind::kIo, "seek before the start of {}", path_);
    position_ = position;
    return Status::OK();
  }
  Result<int64_t> Read(int64_t nbytes, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t got, ReadAt(position_, nbytes, out));
    position_ += got;
    return got;
  }
  Result<std::shared_ptr<arrow::Buffer>> Read(int64_t nbytes) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, nbytes));
    position_ += buffer->size();
    return buffer;
  }

 protected:
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  int64_t position_ = 0;
};

}  // namespace headrace
