// libparquet throws; everything that calls it goes through Caught or Guarded.
#pragma once

#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

#include "headrace/base/check.h"
#include "headrace/format/bound_file.h"
#include "parquet/exception.h"

namespace headrace::parquet_format {

/// `call()`, a Status or Result, with exceptions turned into errors.
template <typename Call>
std::invoke_result_t<Call> Caught(Call call) {
  try {
    return call();
  } catch (const parquet::ParquetStatusException& error) {
    return error.status();
  } catch (const InvariantError&) {
    throw;
  } catch (const std::bad_alloc&) {
    return Status::OutOfMemory("no memory");
  } catch (const std::exception& error) {
    return Status::IOError(error.what());
  }
}

/// Caught, with errors of the libraries put into our words for the file at `path`, which is read.
template <typename Call>
std::invoke_result_t<Call> Guarded(std::string_view path, Call call) {
  std::invoke_result_t<Call> result = Caught(std::move(call));
  if (result.ok()) return result;
  return DecodeError(arrow::ToStatus(result), path, "parquet");
}

}  // namespace headrace::parquet_format
