// For tests: arrays from JSON.
#pragma once

#include <string>

#include "arrow/json/from_string.h"
#include "arrow/memory_pool.h"
#include "headrace/types/batch.h"

namespace headrace {

inline arrow::MemoryPool* TestPool() { return arrow::default_memory_pool(); }

inline ArrayPtr FromJson(const TypePtr& type, const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

}  // namespace headrace
