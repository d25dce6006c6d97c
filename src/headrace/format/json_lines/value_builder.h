// ValueBuilder: JSON values of one type to an array. Objects and arrays are trees of builders.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <simdjson.h>

#include "arrow/type_fwd.h"
#include "headrace/format/json_lines/options.h"
#include "headrace/format/time_form.h"

namespace headrace::json_lines {

enum class Fit {
  kFits,
  kMisfit,   // the value is JSON, but not of the type: see Reading
  kBroken,   // not JSON: nothing behind it can be read
  kNoMemory  // see Reading::status
};

/// What builders tell about the record that is read.
struct Reading {
  OnError on_error = OnError::kFail;
  /// Of what was appended since the reader set it to 0.
  int64_t bytes = 0;
  /// Values that were made null or left out (OnError::kNull) since the reader set it to 0.
  int64_t mended = 0;

  // Of the last value that did not fit.
  const char* place = nullptr;  // in the record
  std::string path;             // "user.age"
  std::string expected;         // "int64"
  std::string got;
  Status status;
};

using JsonValue = simdjson::ondemand::value;
using JsonObject = simdjson::ondemand::object;

/// One thread; used for batch after batch. Every Append and AppendNull adds one value, whatever it
/// returns (but for kNoMemory).
class ValueBuilder {
 public:
  virtual ~ValueBuilder() = default;
  virtual Fit Append(JsonValue& value, Reading& reading) = 0;
  virtual Fit AppendNull(Reading& reading) = 0;
  /// What was appended since the last Finish.
  virtual Result<ArrayPtr> Finish() = 0;
};

/// kUnsupported names types that JSON cannot hold. `times` (may be null, is copied) tells how
/// timestamps are spelled; without it they are ISO text, with a zone exactly when the type has one.
Result<std::unique_ptr<ValueBuilder>> MakeValueBuilder(const TypePtr& type, bool unknown_keys_fail,
                                                       arrow::MemoryPool* pool,
                                                       const TimeForm* times = nullptr);

/// The fields of an object, each to its builder; a field that is missing is null.
class FieldBuilders {
 public:
  FieldBuilders(bool unknown_keys_fail) : unknown_keys_fail_(unknown_keys_fail) {}
  /// `builder` is null for a field that is passed over. A `required` one that is missing or null
  /// does not fit.
  void Add(const std::string& name, std::unique_ptr<ValueBuilder> builder, bool required = false);

  bool unknown_keys_fail() const { return unknown_keys_fail_; }

  Fit Append(JsonObject& object, Reading& reading);
  Fit AppendNulls(Reading& reading);
  /// The arrays of the fields that have builders, in the order of Add.
  Result<std::vector<ArrayPtr>> Finish();

 private:
  struct Field {
    std::string name;
    bool plain;  // reads the same in JSON
    bool required;
    std::unique_ptr<ValueBuilder> builder;
    int64_t seen_in = -1;  // the object that it was seen in last
  };
  static constexpr size_t kUnknown = SIZE_MAX;

  Fit AppendFields(JsonObject& object, Reading& reading);
  Fit AppendField(simdjson::ondemand::field& member, Reading& reading);
  Fit FindField(simdjson::ondemand::field& member, size_t* index, Reading& reading);
  /// `all` is how the fields that came fitted.
  Fit FillMissing(Fit all, Reading& reading);

  const bool unknown_keys_fail_;
  std::vector<Field> fields_;
  std::unordered_map<std::string, size_t> index_;
  size_t built_ = 0;  // fields with a builder
  size_t next_ = 0;   // where the next key is looked for first
  size_t seen_ = 0;   // built fields of this object
  int64_t object_ = 0;
};

/// Notes `value` as one that is not `expected`. Takes it for null under OnError::kNull.
Fit Reject(JsonValue& value, std::string expected, Reading& reading);
/// Notes the error of simdjson at `value`.
Fit Broken(JsonValue& value, simdjson::error_code error, Reading& reading);
/// Of a scalar: "-1.5", "\"a\"".
std::string_view TokenOf(JsonValue& value);
/// A string without its escapes: a view of the record, or of the parser when there are any.
simdjson::error_code GetText(JsonValue& value, std::string_view* text);
/// A key in the same way.
simdjson::error_code GetKey(simdjson::ondemand::field& member, std::string_view* key);
/// The JSON text of any value, checked to be JSON as far as simdjson does; passes it.
simdjson::error_code RawJson(JsonValue& value, std::string_view* text);
/// By the grammar of JSON.
bool IsNumber(std::string_view token);

}  // namespace headrace::json_lines
