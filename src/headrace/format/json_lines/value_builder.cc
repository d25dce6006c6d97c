// Builders: a template per way of reading a scalar, and objects, arrays and maps over them.
#include "headrace/format/json_lines/value_builder.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "arrow/array/array_nested.h"
#include "arrow/array/array_primitive.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_decimal.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/array/builder_time.h"
#include "arrow/buffer_builder.h"
#include "arrow/type.h"
#include "arrow/util/decimal.h"
#include "arrow/util/float16.h"
#include "headrace/base/hex.h"
#include "headrace/format/csv/cell.h"

namespace headrace::json_lines {
namespace {

using simdjson::ondemand::json_type;

/// What a place in an array takes beside its values: validity, offsets.
constexpr int64_t kOverheadBytes = 4;

Fit NoMemory(const Status& status, Reading& reading) {
  if (status.ok()) [[likely]]
    return Fit::kFits;
  reading.status = status;
  return Fit::kNoMemory;
}

/// The first byte of the value.
char Peek(JsonValue& value) {
  const std::string_view token = value.raw_json_token();
  return token.empty() ? '\0' : token.front();
}

/// Whether the value is null, or its error.
simdjson::error_code CheckNull(JsonValue& value) {
  return TokenOf(value) == "null" ? simdjson::SUCCESS : simdjson::N_ATOM_ERROR;
}

bool IsJsonDigit(char c) { return c >= '0' && c <= '9'; }

/// Values of fixed width. `Read` is Fit(JsonValue&, Value*, Reading&), called for what is not null.
template <typename Builder, typename Value, typename Read>
class ScalarBuilder final : public ValueBuilder {
 public:
  ScalarBuilder(const TypePtr& type, std::string expected, arrow::MemoryPool* pool, Read read)
      : builder_(type, pool),
        read_(std::move(read)),
        expected_(std::move(expected)),
        bytes_(static_cast<int64_t>(sizeof(Value)) + 1) {}

  Fit Append(JsonValue& value, Reading& reading) override {
    Value out{};
    const Fit fit = read_(value, &out, reading);
    if (fit == Fit::kFits) [[likely]] {
      reading.bytes += bytes_;
      return NoMemory(builder_.Append(out), reading);
    }
    const Fit filled = AppendNull(reading);
    if (filled == Fit::kNoMemory) return filled;
    if (fit == Fit::kBroken) return fit;
    if (Peek(value) != 'n') return Reject(value, expected_, reading);
    const auto error = CheckNull(value);
    return error == simdjson::SUCCESS ? Fit::kFits : Broken(value, error, reading);
  }
  Fit AppendNull(Reading& reading) override {
    reading.bytes += bytes_;
    return NoMemory(builder_.AppendNull(), reading);
  }
  Result<ArrayPtr> Finish() override { return builder_.Finish(); }

 private:
  Builder builder_;
  Read read_;
  const std::string expected_;
  const int64_t bytes_;
};

/// Text: strings without their escapes, all else as its JSON text.
class JsonTextBuilder final : public ValueBuilder {
 public:
  explicit JsonTextBuilder(arrow::MemoryPool* pool) : builder_(pool) {}

  Fit Append(JsonValue& value, Reading& reading) override {
    std::string_view text;
    const char first = Peek(value);
    if (first == 'n' && CheckNull(value) == simdjson::SUCCESS) return AppendNull(reading);
    const auto error = first == '"' ? GetText(value, &text) : RawJson(value, &text);
    if (error != simdjson::SUCCESS) {
      const Fit filled = AppendNull(reading);
      return filled == Fit::kNoMemory ? filled : Broken(value, error, reading);
    }
    reading.bytes += kOverheadBytes + static_cast<int64_t>(text.size());
    return NoMemory(builder_.Append(text), reading);
  }
  Fit AppendNull(Reading& reading) override {
    reading.bytes += kOverheadBytes;
    return NoMemory(builder_.AppendNull(), reading);
  }
  Result<ArrayPtr> Finish() override { return builder_.Finish(); }

 private:
  arrow::StringBuilder builder_;
};

/// Nothing but nulls.
class NullBuilder final : public ValueBuilder {
 public:
  Fit Append(JsonValue& value, Reading& reading) override {
    ++length_;
    if (Peek(value) != 'n') return Reject(value, "null", reading);
    const auto error = CheckNull(value);
    return error == simdjson::SUCCESS ? Fit::kFits : Broken(value, error, reading);
  }
  Fit AppendNull(Reading&) override {
    ++length_;
    return Fit::kFits;
  }
  Result<ArrayPtr> Finish() override {
    return std::make_shared<arrow::NullArray>(std::exchange(length_, 0));
  }

 private:
  int64_t length_ = 0;
};

/// Binary, of fixed or any length (`width` < 0).
template <typename Builder>
class BinaryBuilder final : public ValueBuilder {
 public:
  BinaryBuilder(const TypePtr& type, int width, arrow::MemoryPool* pool)
      : width_(width), builder_(type, pool) {}

  Fit Append(JsonValue& value, Reading& reading) override {
    if (Peek(value) == 'n' && CheckNull(value) == simdjson::SUCCESS) return AppendNull(reading);
    std::string_view text;
    if (GetText(value, &text) == simdjson::SUCCESS && csv::ParseHex(text, &bytes_) &&
        (width_ < 0 || static_cast<int>(bytes_.size()) == width_)) {
      reading.bytes += kOverheadBytes + static_cast<int64_t>(bytes_.size());
      return NoMemory(builder_.Append(bytes_), reading);
    }
    const Fit filled = AppendNull(reading);
    if (filled == Fit::kNoMemory) return filled;
    return Reject(value, "binary as \\x and hexadecimal digits", reading);
  }
  Fit AppendNull(Reading& reading) override {
    reading.bytes += kOverheadBytes + std::max(0, width_);
    return NoMemory(builder_.AppendNull(), reading);
  }
  Result<ArrayPtr> Finish() override { return builder_.Finish(); }

 private:
  const int width_;
  Builder builder_;
  std::string bytes_;
};

/// Offsets and validity, of lists and maps.
class OffsetBuilder {
 public:
  explicit OffsetBuilder(arrow::MemoryPool* pool) : offsets_(pool), valid_(pool) {}

  int64_t length() const { return valid_.length(); }
  Fit Append(int64_t offset, bool valid, Reading& reading) {
    reading.bytes += kOverheadBytes;
    if (offset > std::numeric_limits<int32_t>::max()) {
      reading.status = Error(ErrorKind::kUnsupported, "a batch of more than 2^31 list elements");
      return Fit::kNoMemory;
    }
    const Fit fit = NoMemory(offsets_.Append(static_cast<int32_t>(offset)), reading);
    return fit == Fit::kFits ? NoMemory(valid_.Append(valid), reading) : fit;
  }
  /// Offsets with `end` behind them.
  Status Finish(int64_t end, std::shared_ptr<arrow::Buffer>* offsets,
                std::shared_ptr<arrow::Buffer>* valid, int64_t* nulls) {
    ARROW_RETURN_NOT_OK(offsets_.Append(static_cast<int32_t>(end)));
    ARROW_RETURN_NOT_OK(offsets_.Finish(offsets));
    *nulls = valid_.false_count();
    return valid_.Finish(valid);
  }

 private:
  arrow::TypedBufferBuilder<int32_t> offsets_;
  arrow::TypedBufferBuilder<bool> valid_;
};

class ListBuilder final : public ValueBuilder {
 public:
  ListBuilder(const TypePtr& type, std::unique_ptr<ValueBuilder> values, arrow::MemoryPool* pool)
      : type_(type), values_(std::move(values)), offsets_(pool) {}

  Fit Append(JsonValue& value, Reading& reading) override {
    const char first = Peek(value);
    if (first == 'n' && CheckNull(value) == simdjson::SUCCESS) return AppendNull(reading);
    const Fit begun = offsets_.Append(count_, first == '[', reading);
    if (begun != Fit::kFits) return begun;
    if (first != '[') return Reject(value, type_->ToString(), reading);
    simdjson::ondemand::array array;
    auto error = value.get_array().get(array);
    if (error != simdjson::SUCCESS) return Broken(value, error, reading);
    for (auto element : array) {
      JsonValue one;
      error = element.get(one);
      if (error != simdjson::SUCCESS) return Broken(value, error, reading);
      ++count_;
      const Fit fit = values_->Append(one, reading);
      if (fit != Fit::kFits) return fit;
    }
    return Fit::kFits;
  }
  Fit AppendNull(Reading& reading) override { return offsets_.Append(count_, false, reading); }

  Result<ArrayPtr> Finish() override {
    const int64_t length = offsets_.length();
    std::shared_ptr<arrow::Buffer> offsets, valid;
    int64_t nulls = 0;
    ARROW_RETURN_NOT_OK(offsets_.Finish(std::exchange(count_, 0), &offsets, &valid, &nulls));
    ARROW_ASSIGN_OR_RAISE(ArrayPtr values, values_->Finish());
    return std::make_shared<arrow::ListArray>(type_, length, std::move(offsets), std::move(values),
                                              std::move(valid), nulls);
  }

 private:
  const TypePtr type_;
  const std::unique_ptr<ValueBuilder> values_;
  OffsetBuilder offsets_;
  int64_t count_ = 0;  // of elements
};

class StructBuilder final : public ValueBuilder {
 public:
  StructBuilder(const TypePtr& type, FieldBuilders fields, arrow::MemoryPool* pool)
      : type_(type), fields_(std::move(fields)), valid_(pool) {}

  Fit Append(JsonValue& value, Reading& reading) override {
    const char first = Peek(value);
    if (first == 'n' && CheckNull(value) == simdjson::SUCCESS) return AppendNull(reading);
    if (first != '{') {
      const Fit filled = AppendNull(reading);
      return filled == Fit::kFits ? Reject(value, type_->ToString(), reading) : filled;
    }
    const Fit begun = NoMemory(valid_.Append(true), reading);
    if (begun != Fit::kFits) return begun;
    JsonObject object;
    const auto error = value.get_object().get(object);
    if (error == simdjson::SUCCESS) return fields_.Append(object, reading);
    const Fit filled = fields_.AppendNulls(reading);
    return filled == Fit::kFits ? Broken(value, error, reading) : filled;
  }
  Fit AppendNull(Reading& reading) override {
    const Fit fit = NoMemory(valid_.Append(false), reading);
    return fit == Fit::kFits ? fields_.AppendNulls(reading) : fit;
  }

  Result<ArrayPtr> Finish() override {
    const int64_t length = valid_.length(), nulls = valid_.false_count();
    std::shared_ptr<arrow::Buffer> valid;
    ARROW_RETURN_NOT_OK(valid_.Finish(&valid));
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> children, fields_.Finish());
    return std::make_shared<arrow::StructArray>(type_, length, std::move(children),
                                                std::move(valid), nulls);
  }

 private:
  const TypePtr type_;
  FieldBuilders fields_;
  arrow::TypedBufferBuilder<bool> valid_;
};

/// An object as a map from its keys.
class MapBuilder final : public ValueBuilder {
 public:
  MapBuilder(const TypePtr& type, std::unique_ptr<ValueBuilder> items, arrow::MemoryPool* pool)
      : type_(type), keys_(pool), items_(std::move(items)), offsets_(pool) {}

  Fit Append(JsonValue& value, Reading& reading) override {
    const char first = Peek(value);
    if (first == 'n' && CheckNull(value) == simdjson::SUCCESS) return AppendNull(reading);
    const Fit begun = offsets_.Append(keys_.length(), first == '{', reading);
    if (begun != Fit::kFits) return begun;
    if (first != '{') return Reject(value, type_->ToString(), reading);
    JsonObject object;
    const auto error = value.get_object().get(object);
    if (error != simdjson::SUCCESS) return Broken(value, error, reading);
    for (auto member : object) {
      simdjson::ondemand::field field;
      const auto failed = std::move(member).get(field);
      if (failed != simdjson::SUCCESS) return Broken(value, failed, reading);
      const Fit fit = AppendEntry(field, value, reading);
      if (fit != Fit::kFits) return fit;
    }
    return Fit::kFits;
  }
  Fit AppendNull(Reading& reading) override {
    return offsets_.Append(keys_.length(), false, reading);
  }

  Result<ArrayPtr> Finish() override {
    const int64_t length = offsets_.length();
    std::shared_ptr<arrow::Buffer> offsets, valid;
    int64_t nulls = 0;
    ARROW_RETURN_NOT_OK(offsets_.Finish(keys_.length(), &offsets, &valid, &nulls));
    ARROW_ASSIGN_OR_RAISE(ArrayPtr keys, keys_.Finish());
    ARROW_ASSIGN_OR_RAISE(ArrayPtr items, items_->Finish());
    return std::make_shared<arrow::MapArray>(type_, length, std::move(offsets), std::move(keys),
                                             std::move(items), std::move(valid), nulls);
  }

 private:
  Fit AppendEntry(simdjson::ondemand::field& field, JsonValue& value, Reading& reading) {
    std::string_view key;
    const auto error = GetKey(field, &key);
    if (error != simdjson::SUCCESS) return Broken(value, error, reading);
    reading.bytes += kOverheadBytes + static_cast<int64_t>(key.size());
    const Fit fit = NoMemory(keys_.Append(key), reading);
    return fit == Fit::kFits ? items_->Append(field.value(), reading) : fit;
  }

  const TypePtr type_;
  arrow::StringBuilder keys_;
  const std::unique_ptr<ValueBuilder> items_;
  OffsetBuilder offsets_;
};

using MadeBuilder = Result<std::unique_ptr<ValueBuilder>>;

/// Readers of scalars. They answer kMisfit for nulls too, and for what only looks broken: the
/// builder tells them apart.
struct BuilderMaker {
  const TypePtr& type;
  arrow::MemoryPool* pool;
  const TimeForm* times;  // may be null

  template <typename Builder, typename Value, typename Read>
  MadeBuilder Make(Read read) const {
    return std::make_unique<ScalarBuilder<Builder, Value, Read>>(type, type->ToString(), pool,
                                                                 std::move(read));
  }

  template <typename ArrowType>
  MadeBuilder Integer() const {
    using Value = typename ArrowType::c_type;
    using Wide = std::conditional_t<std::is_signed_v<Value>, int64_t, uint64_t>;
    return Make<arrow::NumericBuilder<ArrowType>, Value>(
        [](JsonValue& value, Value* out, Reading&) {
          Wide wide = 0;
          simdjson::error_code error;
          if constexpr (std::is_signed_v<Value>) {
            error = value.get_int64().get(wide);
          } else {
            error = value.get_uint64().get(wide);
          }
          if (error == simdjson::SUCCESS || ReadWhole(TokenOf(value), &wide)) [[likely]] {
            *out = static_cast<Value>(wide);
            return std::in_range<Value>(wide) ? Fit::kFits : Fit::kMisfit;
          }
          return Fit::kMisfit;
        });
  }

  /// "1.0", "1e3", "-0": numbers without a fraction.
  template <typename Wide>
  static bool ReadWhole(std::string_view token, Wide* out) {
    arrow::Decimal128 whole;
    if (!IsNumber(token) ||
        !csv::ParseDecimal(token, arrow::Decimal128::kMaxPrecision, 0, &whole)) {
      return false;
    }
    if constexpr (std::is_signed_v<Wide>) {
      return whole.ToInteger(out).ok();
    } else {
      *out = whole.low_bits();
      return whole.high_bits() == 0;
    }
  }

  /// The writer spells NaN and infinities as null; as strings they are read.
  template <typename ArrowType>
  MadeBuilder Real() const {
    using Value = typename ArrowType::c_type;
    return Make<arrow::NumericBuilder<ArrowType>, Value>(
        [](JsonValue& value, Value* out, Reading&) {
          if constexpr (std::is_same_v<Value, double>) {
            if (value.get_double().get(*out) == simdjson::SUCCESS) [[likely]]
              return Fit::kFits;
          }
          return ReadReal(value, out) ? Fit::kFits : Fit::kMisfit;
        });
  }

  template <typename Value>
  static bool ReadReal(JsonValue& value, Value* out) {
    std::string_view text = TokenOf(value);
    if (IsNumber(text)) return csv::ParseReal(text, out);
    if (!text.starts_with('"') || GetText(value, &text) != simdjson::SUCCESS) return false;
    return csv::ParseReal(text, out) && !std::isfinite(*out);
  }

  MadeBuilder Half() const {
    return Make<arrow::HalfFloatBuilder, uint16_t>([](JsonValue& value, uint16_t* out, Reading&) {
      float real = 0;
      if (!ReadReal(value, &real)) return Fit::kMisfit;
      const auto half = arrow::util::Float16::FromFloat(real);
      *out = half.bits();
      return half.is_infinity() == std::isinf(real) ? Fit::kFits : Fit::kMisfit;
    });
  }

  /// Numbers, and strings with numbers, that need no rounding.
  template <typename Builder, typename Value>
  MadeBuilder Decimal() const {
    const auto& decimal = static_cast<const arrow::DecimalType&>(*type);
    return Make<Builder, Value>([precision = decimal.precision(), scale = decimal.scale()](
                                    JsonValue& value, Value* out, Reading&) {
      std::string_view text = TokenOf(value);
      if (text.starts_with('"') && GetText(value, &text) != simdjson::SUCCESS) {
        return Fit::kMisfit;
      }
      const bool fits = IsNumber(text) && csv::ParseDecimal(text, precision, scale, out);
      return fits ? Fit::kFits : Fit::kMisfit;
    });
  }

  MadeBuilder Boolean() const {
    return Make<arrow::BooleanBuilder, bool>([](JsonValue& value, bool* out, Reading&) {
      return value.get_bool().get(*out) == simdjson::SUCCESS ? Fit::kFits : Fit::kMisfit;
    });
  }

  /// Strings that `parse` (bool(std::string_view, Value*)) takes.
  template <typename Builder, typename Value, typename Parse>
  MadeBuilder Text(Parse parse) const {
    return Make<Builder, Value>([parse](JsonValue& value, Value* out, Reading&) {
      std::string_view text;
      const bool fits = GetText(value, &text) == simdjson::SUCCESS && parse(text, out);
      return fits ? Fit::kFits : Fit::kMisfit;
    });
  }

  template <typename ArrowType>
  MadeBuilder Time() const {
    using Value = typename ArrowType::c_type;
    const arrow::TimeUnit::type unit = static_cast<const ArrowType&>(*type).unit();
    return Text<arrow::NumericBuilder<ArrowType>, Value>([unit](std::string_view text, Value* out) {
      int64_t wide = 0;
      const bool fits = csv::ParseTime(text, unit, &wide);
      *out = static_cast<Value>(wide);
      return fits;
    });
  }

  MadeBuilder SpelledTimestamp() const {
    TimestampText text_reader(*times, *type);
    std::string expected = text_reader.expected();
    auto read = [text_reader](JsonValue& value, int64_t* out, Reading&) {
      std::string_view text = TokenOf(value);
      const bool quoted = text.starts_with('"');
      if (quoted && GetText(value, &text) != simdjson::SUCCESS) return Fit::kMisfit;
      if (!quoted && !(text_reader.takes_numbers() && IsNumber(text))) return Fit::kMisfit;
      return text_reader.Read(text, out) ? Fit::kFits : Fit::kMisfit;
    };
    return std::make_unique<ScalarBuilder<arrow::TimestampBuilder, int64_t, decltype(read)>>(
        type, std::move(expected), pool, std::move(read));
  }

  MadeBuilder Timestamp() const {
    if (times != nullptr) return SpelledTimestamp();
    const auto& timestamp = static_cast<const arrow::TimestampType&>(*type);
    return Text<arrow::TimestampBuilder, int64_t>(
        [unit = timestamp.unit(), zoned = !timestamp.timezone().empty()](std::string_view text,
                                                                         int64_t* out) {
          return csv::ParseTimestamp(text, unit, zoned, out);
        });
  }

  MadeBuilder Duration() const {
    const arrow::TimeUnit::type unit = static_cast<const arrow::DurationType&>(*type).unit();
    return Text<arrow::DurationBuilder, int64_t>([unit](std::string_view text, int64_t* out) {
      return csv::ParseDuration(text, unit, out);
    });
  }

  MadeBuilder Date() const {
    return Text<arrow::Date32Builder, int32_t>(
        [](std::string_view text, int32_t* out) { return csv::ParseDate(text, out); });
  }

  MadeBuilder DateInMillis() const {
    return Text<arrow::Date64Builder, int64_t>([](std::string_view text, int64_t* out) {
      int32_t days = 0;
      const bool fits = csv::ParseDate(text, &days);
      *out = int64_t{days} * 86'400'000;
      return fits;
    });
  }

  MadeBuilder FixedBinary() const {
    const int width = static_cast<const arrow::FixedSizeBinaryType&>(*type).byte_width();
    return std::make_unique<BinaryBuilder<arrow::FixedSizeBinaryBuilder>>(type, width, pool);
  }

  MadeBuilder List(bool unknown_keys_fail) const {
    ARROW_ASSIGN_OR_RAISE(auto values,
                          MakeValueBuilder(type->field(0)->type(), unknown_keys_fail, pool, times));
    return std::make_unique<ListBuilder>(type, std::move(values), pool);
  }

  MadeBuilder Struct(bool unknown_keys_fail) const {
    FieldBuilders fields(unknown_keys_fail);
    for (const auto& field : type->fields()) {
      ARROW_ASSIGN_OR_RAISE(auto builder,
                            MakeValueBuilder(field->type(), unknown_keys_fail, pool, times));
      fields.Add(field->name(), std::move(builder));
    }
    return std::make_unique<StructBuilder>(type, std::move(fields), pool);
  }

  MadeBuilder Map(bool unknown_keys_fail) const {
    const auto& map = static_cast<const arrow::MapType&>(*type);
    if (map.key_type()->id() != arrow::Type::STRING) {
      return Error(ErrorKind::kUnsupported,
                   "json_lines cannot read columns of type {}: keys of "
                   "JSON objects are strings",
                   type->ToString());
    }
    ARROW_ASSIGN_OR_RAISE(auto items,
                          MakeValueBuilder(map.item_type(), unknown_keys_fail, pool, times));
    return std::make_unique<MapBuilder>(type, std::move(items), pool);
  }
};

/// Digits at the front of `text`, removed; whether there were any.
bool TakeDigits(std::string_view* text) {
  const size_t before = text->size();
  while (!text->empty() && IsJsonDigit(text->front())) text->remove_prefix(1);
  return text->size() < before;
}

/// The code unit of "uXXXX" at the front of `text`, or -1.
int CodeUnit(std::string_view text) {
  if (text.size() < 5 || text[0] != 'u') return -1;
  int unit = 0;
  for (int i = 1; i < 5; ++i) unit = unit << 4 | (HexDigit(text[static_cast<size_t>(i)]) & 0xF);
  return unit;
}

/// Whether a string, with its escapes, has one half of a surrogate pair without the other.
bool HasHalfSurrogate(std::string_view token) {
  for (size_t i = token.find('\\'); i != token.npos; i = token.find('\\', i)) {
    const int unit = CodeUnit(token.substr(i + 1));
    i += 2;
    if (unit < 0xD800 || unit > 0xDFFF) continue;
    const int next =
        i + 5 <= token.size() && token[i + 4] == '\\' ? CodeUnit(token.substr(i + 5)) : -1;
    if (unit >= 0xDC00 || next < 0xDC00 || next > 0xDFFF) return true;
    i += 10;
  }
  return false;
}

}  // namespace

bool IsNumber(std::string_view token) {
  if (token.starts_with('-')) token.remove_prefix(1);
  const bool zero = token.starts_with('0');
  const size_t digits = token.size();
  if (!TakeDigits(&token) || (zero && digits - token.size() > 1)) return false;
  if (token.starts_with('.')) {
    token.remove_prefix(1);
    if (!TakeDigits(&token)) return false;
  }
  if (token.starts_with('e') || token.starts_with('E')) {
    token.remove_prefix(1);
    if (token.starts_with('+') || token.starts_with('-')) token.remove_prefix(1);
    if (!TakeDigits(&token)) return false;
  }
  return token.empty();
}

std::string_view TokenOf(JsonValue& value) {
  std::string_view token = value.raw_json_token();
  while (!token.empty() && (token.back() == ' ' || token.back() == '\t' || token.back() == '\r' ||
                            token.back() == '\n')) {
    token.remove_suffix(1);
  }
  return token;
}

simdjson::error_code GetText(JsonValue& value, std::string_view* text) {
  const std::string_view token = TokenOf(value);
  const size_t size = token.size();
  if (size < 2 || token.front() != '"' || token.back() != '"') {
    return value.get_string().get(*text);
  }
  if (std::memchr(token.data() + 1, '\\', size - 2) != nullptr) {
    return HasHalfSurrogate(token) ? simdjson::STRING_ERROR : value.get_string().get(*text);
  }
  *text = token.substr(1, size - 2);
  return simdjson::SUCCESS;
}

simdjson::error_code GetKey(simdjson::ondemand::field& member, std::string_view* key) {
  const char* const begin = member.key().raw();
  const char* end = begin;
  bool escaped = false;
  for (; *end != '"'; ++end) {  // that keys are closed was checked when the record was indexed
    if (*end != '\\') continue;
    escaped = true;
    ++end;
  }
  *key = std::string_view(begin, static_cast<size_t>(end - begin));
  if (!escaped) return simdjson::SUCCESS;
  return HasHalfSurrogate(*key) ? simdjson::STRING_ERROR : member.unescaped_key().get(*key);
}

simdjson::error_code RawJson(JsonValue& value, std::string_view* text) {
  const std::string_view token = TokenOf(value);
  const char first = token.empty() ? '\0' : token.front();
  if (first == '{') {
    JsonObject object;
    const auto error = value.get_object().get(object);
    return error != simdjson::SUCCESS ? error : object.raw_json().get(*text);
  }
  if (first == '[') {
    simdjson::ondemand::array array;
    const auto error = value.get_array().get(array);
    return error != simdjson::SUCCESS ? error : array.raw_json().get(*text);
  }
  *text = token;
  if (token == "true" || token == "false" || token == "null" || IsNumber(token)) {
    return simdjson::SUCCESS;
  }
  return first == '"' ? value.get_raw_json_string().error() : simdjson::TAPE_ERROR;
}

Fit Reject(JsonValue& value, std::string expected, Reading& reading) {
  const std::string_view token = TokenOf(value);
  reading.place = token.data();
  reading.path.clear();
  std::string_view text;
  const auto error = RawJson(value, &text);
  if (error != simdjson::SUCCESS) {
    reading.expected = simdjson::error_message(error);
    return Fit::kBroken;
  }
  if (reading.on_error == OnError::kNull) {
    ++reading.mended;
    return Fit::kFits;
  }
  reading.expected = std::move(expected);
  reading.got = std::string(text.substr(0, 60));
  return Fit::kMisfit;
}

Fit Broken(JsonValue& value, simdjson::error_code error, Reading& reading) {
  reading.place = TokenOf(value).data();
  reading.path.clear();
  reading.expected = simdjson::error_message(error);
  return Fit::kBroken;
}

MadeBuilder MakeValueBuilder(const TypePtr& type, bool unknown_keys_fail, arrow::MemoryPool* pool,
                             const TimeForm* times) {
  const BuilderMaker maker{type, pool, times};
  using arrow::Type;
  switch (type->id()) {
    case Type::NA:
      return std::make_unique<NullBuilder>();
    case Type::BOOL:
      return maker.Boolean();
    case Type::INT8:
      return maker.Integer<arrow::Int8Type>();
    case Type::INT16:
      return maker.Integer<arrow::Int16Type>();
    case Type::INT32:
      return maker.Integer<arrow::Int32Type>();
    case Type::INT64:
      return maker.Integer<arrow::Int64Type>();
    case Type::UINT8:
      return maker.Integer<arrow::UInt8Type>();
    case Type::UINT16:
      return maker.Integer<arrow::UInt16Type>();
    case Type::UINT32:
      return maker.Integer<arrow::UInt32Type>();
    case Type::UINT64:
      return maker.Integer<arrow::UInt64Type>();
    case Type::HALF_FLOAT:
      return maker.Half();
    case Type::FLOAT:
      return maker.Real<arrow::FloatType>();
    case Type::DOUBLE:
      return maker.Real<arrow::DoubleType>();
    case Type::DECIMAL32:
      return maker.Decimal<arrow::Decimal32Builder, arrow::Decimal32>();
    case Type::DECIMAL64:
      return maker.Decimal<arrow::Decimal64Builder, arrow::Decimal64>();
    case Type::DECIMAL128:
      return maker.Decimal<arrow::Decimal128Builder, arrow::Decimal128>();
    case Type::DECIMAL256:
      return maker.Decimal<arrow::Decimal256Builder, arrow::Decimal256>();
    case Type::DATE32:
      return maker.Date();
    case Type::DATE64:
      return maker.DateInMillis();
    case Type::TIME32:
      return maker.Time<arrow::Time32Type>();
    case Type::TIME64:
      return maker.Time<arrow::Time64Type>();
    case Type::TIMESTAMP:
      return maker.Timestamp();
    case Type::DURATION:
      return maker.Duration();
    case Type::STRING:
      return std::make_unique<JsonTextBuilder>(pool);
    case Type::BINARY:
      return std::make_unique<BinaryBuilder<arrow::BinaryBuilder>>(type, -1, pool);
    case Type::FIXED_SIZE_BINARY:
      return maker.FixedBinary();
    case Type::LIST:
      return maker.List(unknown_keys_fail);
    case Type::STRUCT:
      return maker.Struct(unknown_keys_fail);
    case Type::MAP:
      return maker.Map(unknown_keys_fail);
    default:
      return Error(ErrorKind::kUnsupported, "json_lines cannot read columns of type {}",
                   type->ToString());
  }
}

}  // namespace headrace::json_lines
