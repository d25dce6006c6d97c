// Standard output.
#include "output.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "interrupt.h"

namespace headrace::app {

constexpr size_t kBufferBytes = size_t{256} << 10;

Status Output::Write(std::string_view text) {
  buffer_ += text;
  return buffer_.size() < kBufferBytes ? Status::OK() : Flush();
}

Status Output::Flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written >= 0) {
      rest.remove_prefix(static_cast<size_t>(written));
      continue;
    }
    if (errno == EINTR) {
      ARROW_RETURN_NOT_OK(CheckInterrupted());
      continue;
    }
    reader_is_gone_ = errno == EPIPE;
    return Error(ErrorKind::kIo, "cannot write the output: {}", std::strerror(errno));
  }
  buffer_.clear();
  return Status::OK();
}

bool Output::is_terminal() const { return ::isatty(descriptor_) == 1; }

}  // namespace headrace::app
