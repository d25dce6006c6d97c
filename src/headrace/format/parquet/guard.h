// libparquet throws; everything that calls it goes through Guarded.
#pragma once

#include <new>
#include <string_view>
#include <type_traits>

#include "headrace/base/check.h"
#include "headrace/format/bound_file.h"
#include "parquet/exception.h"

namespace headrace::parquet_format {

/// `call()`, a Status or Result, with exceptions turned into errors and errors of the libraries put
/// into our words for the file at `path`.
template <typename Call>
std::invoke_result_t<Call> Guarded(std::string_view path, Call call) {
  Status status;
  try {
    std::invoke_result_t<Call> result = call();
    if (result.ok()) return result;
    status = arrow::ToStatus(result);
  } catch (const parquet::ParquetStatusException& error) {
    status = error.status();
  } catch (const InvariantError&) {
    throw;
  } catch (const std::bad_alloc&) {
    status = Status::OutOfMemory("no memory to decode it");
  } catch (const std::exception& error) {
    status = Status::IOError(error.what());
  }
  return DecodeError(status, path, "parquet");
}

}  // namespace headrace::parquet_format
