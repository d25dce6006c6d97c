// The classes of values, and which of them go together.
#include "headrace/format/json_lines/evidence.h"

#include <utility>

#include "arrow/type.h"
#include "headrace/base/limits.h"
#include "headrace/format/csv/cell.h"

namespace headrace::json_lines {
namespace {

/// Values nested deeper are taken as text.
constexpr int kDepthMax = 64;

enum SeenKinds : uint32_t {
  kInteger = 1,      // in int64, not negative
  kNegative = 2,     // in int64
  kUnsigned = 4,     // past int64, in uint64
  kWideInteger = 8,  // past both
  kReal = 16,
  kBoolean = 32,
  kDate = 64,
  kTimestamp = 128,
  kZonedTimestamp = 256,
  kText = 512,
  kList = 1024,
  kStruct = 2048,
};

bool IsWithin(uint32_t seen, uint32_t of) { return seen != 0 && (seen & ~of) == 0; }

}  // namespace

Evidence::Evidence(bool infer_times) : infer_times_(infer_times) {}
Evidence::Evidence(Evidence&&) noexcept = default;
Evidence::~Evidence() = default;

simdjson::error_code Evidence::Add(JsonValue& value, int depth) {
  const std::string_view token = TokenOf(value);
  std::string_view text;
  switch (token.empty() ? '\0' : token.front()) {
    case 'n':
      return token == "null" ? simdjson::SUCCESS : simdjson::N_ATOM_ERROR;
    case 't':
    case 'f':
      seen_ |= kBoolean;
      return token == "true" || token == "false" ? simdjson::SUCCESS : simdjson::T_ATOM_ERROR;
    case '"': {
      const auto error = GetText(value, &text);
      if (error == simdjson::SUCCESS) AddText(text);
      return error;
    }
    case '{':
      seen_ |= kStruct;
      if (depth < kDepthMax) return AddFields(value, depth);
      seen_ |= kText;
      return RawJson(value, &text);
    case '[':
      seen_ |= kList;
      if (depth < kDepthMax) return AddElements(value, depth);
      seen_ |= kText;
      return RawJson(value, &text);
    default:
      if (!IsNumber(token)) return simdjson::TAPE_ERROR;
      AddNumber(token);
      return simdjson::SUCCESS;
  }
}

void Evidence::AddText(std::string_view text) {
  if ((seen_ & kText) != 0) return;
  int32_t date = 0;
  int64_t time = 0;
  const bool timely = infer_times_ && text.size() >= 10 && text.size() <= 40;
  if (timely && csv::ParseDate(text, &date)) {
    seen_ |= kDate;
  } else if (timely && csv::ParseTimestamp(text, arrow::TimeUnit::MICRO, false, &time)) {
    seen_ |= kTimestamp;
  } else if (timely && csv::ParseTimestamp(text, arrow::TimeUnit::MICRO, true, &time)) {
    seen_ |= kZonedTimestamp;
  } else {
    seen_ |= kText;
  }
}

void Evidence::AddNumber(std::string_view token) {
  int64_t integer = 0;
  uint64_t natural = 0;
  double real = 0;
  if (csv::ParseInteger(token, &integer)) {
    seen_ |= token.front() == '-' ? kNegative : kInteger;
  } else if (token.find_first_of(".eE") == std::string_view::npos) {
    seen_ |= csv::ParseDigits(token, &natural) ? kUnsigned : kWideInteger;
  } else {
    seen_ |= csv::ParseReal(token, &real) ? kReal : kText;
  }
}

simdjson::error_code Evidence::AddElements(JsonValue& value, int depth) {
  simdjson::ondemand::array array;
  const auto begun = value.get_array().get(array);
  if (begun != simdjson::SUCCESS) return begun;
  if (elements_ == nullptr) elements_ = std::make_unique<Evidence>(infer_times_);
  for (auto element : array) {
    JsonValue one;
    auto error = element.get(one);
    if (error == simdjson::SUCCESS) error = elements_->Add(one, depth + 1);
    if (error != simdjson::SUCCESS) return error;
  }
  return simdjson::SUCCESS;
}

simdjson::error_code Evidence::AddFields(JsonValue& value, int depth) {
  JsonObject object;
  const auto begun = value.get_object().get(object);
  if (begun != simdjson::SUCCESS) return begun;
  if (fields_ == nullptr) fields_ = std::make_unique<FieldEvidence>(infer_times_);
  if (fields_->size() > static_cast<size_t>(kFieldsMax)) return simdjson::SUCCESS;
  return fields_->Add(object, depth + 1);
}

TypePtr Evidence::Type() const {
  constexpr uint32_t kSmall = kInteger | kNegative;
  if (IsWithin(seen_, kSmall)) return arrow::int64();
  if (IsWithin(seen_, kInteger | kUnsigned)) return arrow::uint64();
  if ((seen_ & kReal) != 0 && IsWithin(seen_, kSmall | kUnsigned | kWideInteger | kReal)) {
    return arrow::float64();
  }
  if (seen_ == kBoolean) return arrow::boolean();
  if (seen_ == kDate) return arrow::date32();
  if (IsWithin(seen_, kDate | kTimestamp)) return arrow::timestamp(arrow::TimeUnit::MICRO);
  if (seen_ == kZonedTimestamp) return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  return NestedType();
}

TypePtr Evidence::NestedType() const {
  if (seen_ == kList && elements_ != nullptr) return arrow::list(elements_->Type());
  if (seen_ == kStruct && fields_ != nullptr && fields_->size() > 0 &&
      fields_->size() <= static_cast<size_t>(kFieldsMax)) {
    return arrow::struct_(fields_->Fields());
  }
  return arrow::utf8();
}

simdjson::error_code FieldEvidence::Add(JsonObject& object, int depth) {
  for (auto member : object) {
    simdjson::ondemand::field field;
    auto error = std::move(member).get(field);
    if (error != simdjson::SUCCESS) return error;
    if (next_ >= fields_.size() || !field.key().unsafe_is_equal(fields_[next_].first) ||
        fields_[next_].first.find('"') != std::string::npos) {
      std::string_view key;
      error = GetKey(field, &key);
      if (error != simdjson::SUCCESS) return error;
      const auto [at, added] = index_.emplace(std::string(key), fields_.size());
      if (added) fields_.emplace_back(at->first, Evidence(infer_times_));
      next_ = at->second;
    }
    error = fields_[next_++].second.Add(field.value(), depth);
    if (error != simdjson::SUCCESS) return error;
    if (fields_.size() > static_cast<size_t>(kColumnsMax)) return simdjson::CAPACITY;
  }
  return simdjson::SUCCESS;
}

std::vector<std::shared_ptr<arrow::Field>> FieldEvidence::Fields() const {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  for (const auto& [name, evidence] : fields_)
    fields.push_back(arrow::field(name, evidence.Type()));
  return fields;
}

}  // namespace headrace::json_lines
