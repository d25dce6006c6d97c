// Evidence: what the values of a column looked like so far, and the type that takes them all.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "headrace/format/json_lines/value_builder.h"
#include "headrace/types/batch.h"

namespace headrace::json_lines {

class FieldEvidence;

class Evidence {
 public:
  explicit Evidence(bool infer_times);
  Evidence(Evidence&&) noexcept;
  ~Evidence();

  /// The error when `value` is not JSON.
  simdjson::error_code Add(JsonValue& value, int depth);
  /// int64, uint64 (integers past int64, none negative), double (any number with a fraction or an
  /// exponent), bool, date32, timestamp[us] with or without UTC, list, struct, else string: also of
  /// nulls alone, of objects without keys or with too many, and of values of several kinds.
  TypePtr Type() const;

 private:
  void AddText(std::string_view text);
  void AddNumber(std::string_view token);
  simdjson::error_code AddElements(JsonValue& value, int depth);
  simdjson::error_code AddFields(JsonValue& value, int depth);
  TypePtr NestedType() const;

  const bool infer_times_;
  uint32_t seen_ = 0;
  std::unique_ptr<Evidence> elements_;
  std::unique_ptr<FieldEvidence> fields_;
};

/// Of the fields of objects, in the order in which their keys came first.
class FieldEvidence {
 public:
  explicit FieldEvidence(bool infer_times) : infer_times_(infer_times) {}

  simdjson::error_code Add(JsonObject& object, int depth);
  size_t size() const { return fields_.size(); }
  std::vector<std::shared_ptr<arrow::Field>> Fields() const;

 private:
  const bool infer_times_;
  std::vector<std::pair<std::string, Evidence>> fields_;
  std::unordered_map<std::string, size_t> index_;
  size_t next_ = 0;  // where the next key is looked for first
};

}  // namespace headrace::json_lines
