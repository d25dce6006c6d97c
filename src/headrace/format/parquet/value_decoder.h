// The values of one page, without its nulls: a decoder per encoding.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "headrace/base/error.h"
#include "headrace/format/parquet/flat_type.h"
#include "headrace/format/parquet/page_header.h"
#include "headrace/format/parquet/page_stream.h"

namespace headrace::parquet_format {

/// Values of `stored_width` bytes, booleans as bytes 0 and 1. One thread; borrows the page. Calls
/// fail when the page has not as many.
class FixedDecoder {
 public:
  virtual ~FixedDecoder() = default;
  virtual Status Read(int64_t count, uint8_t* out) = 0;
  virtual Status Skip(int64_t count) = 0;
};

/// Texts: views into the page, behind each of which kPagePadding bytes are readable. Valid until
/// the next call.
class TextDecoder {
 public:
  virtual ~TextDecoder() = default;
  virtual Status Read(int64_t count, std::string_view* out) = 0;
  virtual Status Skip(int64_t count) = 0;
};

/// Whether pages of the encoding are decoded here; codes of dictionaries are not values.
bool HasDecoder(Encoding encoding, const FlatType& type);
/// REQUIRES: HasDecoder, and kPagePadding readable bytes behind the page.
Result<std::unique_ptr<FixedDecoder>> MakeFixedDecoder(Encoding encoding, const FlatType& type,
                                                       std::span<const uint8_t> page);
Result<std::unique_ptr<TextDecoder>> MakeTextDecoder(Encoding encoding,
                                                     std::span<const uint8_t> page);

/// Plain values of `stored_width` bytes of a page of which a part is in memory. Borrows the stream.
std::unique_ptr<FixedDecoder> MakeFixedDecoder(PageStream& values, int stored_width);
/// The same of plain texts, of about `mean_bytes` each.
std::unique_ptr<TextDecoder> MakeTextDecoder(PageStream& values, int64_t mean_bytes);

}  // namespace headrace::parquet_format
