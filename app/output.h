// Standard output with a buffer of its own: errors are seen, and a reader that went away is no
// error to talk about.
#pragma once

#include <string>
#include <string_view>

#include "headrace/base/error.h"

namespace headrace::app {

/// Writes to a file descriptor. One thread.
class Output {
 public:
  explicit Output(int descriptor) : descriptor_(descriptor) {}
  /// kIo when the system refuses; kCancelled after a signal.
  Status Write(std::string_view text);
  Status Flush();
  bool is_terminal() const;
  int descriptor() const { return descriptor_; }
  /// Forgets what was not written yet.
  void Drop() { buffer_.clear(); }
  /// The reader closed its end (EPIPE).
  bool reader_is_gone() const { return reader_is_gone_; }

 private:
  const int descriptor_;
  std::string buffer_;
  bool reader_is_gone_ = false;
};

}  // namespace headrace::app
