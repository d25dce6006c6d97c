// Compressed files by their names: ".gz" and ".zst" are packed and unpacked on the way.
#pragma once

#include <memory>
#include <string_view>

#include "arrow/io/interfaces.h"
#include "arrow/type_fwd.h"
#include "headrace/format/bound_file.h"
#include "headrace/io/vfs.h"

namespace headrace {

bool IsCompressedPath(std::string_view path);

/// The bytes of a bound file, unpacked when its name says so. Errors of the unpacker have no place:
/// pass them through DecodeError.
Result<std::shared_ptr<arrow::io::InputStream>> OpenUnpacked(Vfs& vfs, const FileInfo& file,
                                                             arrow::MemoryPool* pool);

/// The bytes of `stream`, unpacked when `path` says so. Errors as of OpenUnpacked.
Result<std::shared_ptr<arrow::io::InputStream>> UnpackFrom(
    std::shared_ptr<arrow::io::InputStream> stream, std::string_view path, arrow::MemoryPool* pool);

/// A stream that packs what is written for `path` into `stream`. Close writes what is left and
/// leaves `stream` open; Abort writes nothing more.
Result<std::shared_ptr<arrow::io::OutputStream>> PackInto(
    std::shared_ptr<arrow::io::OutputStream> stream, std::string_view path,
    arrow::MemoryPool* pool);

}  // namespace headrace
