// The lengths before compressed buffers: Arrow allocates what they say before it decompresses, so a
// flipped bit asks for terabytes. This checks them against the bytes that are there.
#pragma once

#include <cstdint>
#include <functional>

#include "arrow/ipc/message.h"
#include "headrace/base/error.h"

namespace headrace::arrow_ipc {

/// Reads the int64 at an offset of the body.
using ReadLength = std::function<Result<int64_t>(int64_t offset)>;

/// No buffer of the record batch or dictionary claims more bytes than its codec can make of the
/// bytes it has (Arrow columnar format, "Compression": int64 length before each buffer, −1 when it
/// is plain). Other messages pass.
Status CheckCompressedLengths(const arrow::ipc::Message& message, const ReadLength& read);
/// Of a message with its body.
Status CheckCompressedLengths(const arrow::ipc::Message& message);

}  // namespace headrace::arrow_ipc
