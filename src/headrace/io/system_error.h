// Errors of the operating system, and calls that signals interrupt.
#pragma once

#include <cerrno>
#include <string>
#include <type_traits>

#include "headrace/base/error.h"

namespace headrace {

/// "cannot <what> <path>: <the system's reason>"; kNotFound, kCancelled when the reader of a
/// pipe is gone, else kIo.
Status SystemError(const char* what, const std::string& path, int error);

/// Repeats `call` while a signal interrupts it.
template <typename Call>
auto Retrying(Call call) {
  std::invoke_result_t<Call> result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

/// A file that is to be appended to has lost bytes.
inline Status TooShort(const std::string& path, int64_t wanted, int64_t size) {
  return Error(ErrorKind::kIo, "expected at least {} bytes, got a file of {}: {}", wanted, size,
               path);
}

}  // namespace headrace
