// For tests: arrays from JSON, random arrays, and the same values in other representations.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "arrow/array/array_base.h"
#include "arrow/array/builder_base.h"
#include "arrow/array/concatenate.h"
#include "arrow/array/util.h"
#include "arrow/builder.h"
#include "arrow/type.h"
#include "headrace/base/rng.h"
#include "headrace/base/test_status.h"
#include "headrace/function/function.h"
#include "headrace/types/test_arrays.h"

namespace headrace {

/// The same values behind an offset that is no multiple of 8, with other values on both sides.
inline ArrayPtr Sliced(const ArrayPtr& array) {
  const arrow::ArrayVector pieces = {array, array, array, array};
  const ArrayPtr joined = arrow::Concatenate(pieces).ValueOrDie();
  if (array->length() == 0) return joined;
  const ArrayPtr longer =
      arrow::Concatenate({array->Slice(array->length() - 1), joined, array->Slice(0, 1)})
          .ValueOrDie();
  return longer->Slice(1 + array->length(), array->length());
}

/// A value of `type`, below `bound` in size, in JSON.
inline std::string RandomJson(const arrow::DataType& type, Rng& rng, uint64_t bound) {
  if (type.id() == arrow::Type::BOOL) return rng.Below(2) == 0 ? "true" : "false";
  const bool is_text = arrow::is_base_binary_like(type.id());
  const bool is_signed = !is_text && !arrow::is_unsigned_integer(type.id());
  const char* sign = is_signed && rng.Below(2) == 0 ? "-" : "";
  std::string text = sign + std::to_string(rng.Below(bound));
  if (arrow::is_decimal(type.id())) {
    const int scale = static_cast<const arrow::DecimalType&>(type).scale();
    text += "." + std::string(static_cast<size_t>(scale), static_cast<char>('0' + rng.Below(10)));
  }
  return is_text || arrow::is_decimal(type.id()) ? "\"" + text + "\"" : text;
}

/// Values below `bound` in size, a tenth of them null. Every seed gives other values.
inline ArrayPtr RandomArray(const TypePtr& type, int64_t length, uint64_t seed,
                            uint64_t bound = 1000) {
  Rng rng(seed);
  std::string json = "[";
  for (int64_t i = 0; i < length; ++i) {
    json += i == 0 ? "" : ",";
    json += rng.Below(10) == 0 ? "null" : RandomJson(*type, rng, bound);
  }
  return FromJson(type, json + "]");
}

/// The overload of `function` with exactly these patterns.
inline const Overload& OverloadOf(const FunctionDef& function,
                                  const std::vector<ArgPattern>& patterns) {
  for (const Overload& overload : function.overloads) {
    if (std::equal(overload.args.begin(), overload.args.end(), patterns.begin(), patterns.end())) {
      return overload;
    }
  }
  ADD_FAILURE() << "no such overload of " << function.id;
  return function.overloads.front();
}

}  // namespace headrace
