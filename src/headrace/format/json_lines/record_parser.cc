// Parsing of records and their errors.
#include "headrace/format/json_lines/record_parser.h"

#include <algorithm>
#include <bit>

#include "arrow/util/utf8.h"
#include "headrace/format/csv/dialect.h"

namespace headrace::json_lines {
namespace {

/// Room of the parser: it takes some six times this much memory.
constexpr size_t kCapacityMin = size_t{16} << 10;

/// Of the first byte that begins no UTF-8 character; the size when there is none.
size_t FirstInvalid(std::string_view text) {
  size_t low = 0, high = text.size();  // [0, low) is valid but for a cut character at its end
  while (low < high) {
    const size_t middle = (low + high + 1) / 2;
    size_t end = middle;
    while (end > 0 && end < text.size() && (text[end] & 0xC0) == 0x80 && middle - end < 4) --end;
    if (arrow::util::ValidateUTF8(text.substr(0, end))) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

}  // namespace

RecordParser::Kind RecordParser::Parse(std::string_view record, JsonObject* object) {
  record_ = record;
  place_ = record.data();
  if (record.size() > parser_.capacity()) {
    const auto error = parser_.allocate(std::bit_ceil(std::max(record.size(), kCapacityMin)));
    if (error != simdjson::SUCCESS) {
      reason_ = simdjson::error_message(error);
      return Kind::kBroken;
    }
  }
  const simdjson::padded_string_view padded(
      record.data(), record.size(), record.size() + static_cast<size_t>(RecordStream::kPadding));
  auto error = parser_.iterate(padded).get(document_);
  if (error == simdjson::SUCCESS && record == "null") return Kind::kNull;
  if (error == simdjson::SUCCESS && record.front() != '{') {
    reason_ = "expected an object";
    return Kind::kBroken;
  }
  if (error == simdjson::SUCCESS) error = document_.get_object().get(*object);
  if (error == simdjson::SUCCESS) return Kind::kObject;
  reason_ = simdjson::error_message(error);
  if (error == simdjson::UTF8_ERROR) {
    reason_ = "expected UTF-8 text";
    place_ += std::min(FirstInvalid(record), record.size() - 1);
  }
  return Kind::kBroken;
}

const char* RecordParser::PlaceOf(const char* place) {
  const char* found = place;
  if (place == nullptr && document_.current_location().get(found) != simdjson::SUCCESS) {
    found = record_.data() + record_.size();
  }
  return std::clamp(found, record_.data(), record_.data() + record_.size());
}

Status RecordParser::BrokenError() { return BrokenError(place_, "", reason_); }

Status RecordParser::BrokenError(const char* place, std::string_view path,
                                 std::string_view reason) {
  place = PlaceOf(place);
  const std::string_view rest(place, static_cast<size_t>(record_.data() + record_.size() - place));
  const std::string in = path.empty() ? "" : fmt::format(" (in {})", path);
  const std::string expected =
      reason.starts_with("expected") ? std::string(reason) : fmt::format("expected JSON{}", in);
  const std::string why = reason.starts_with("expected") ? "" : fmt::format(" ({})", reason);
  return records_.ErrorAt(
      place, fmt::format("{}, got {}{}", expected,
                         rest.empty() ? "the end of the record" : csv::ShowBytes(rest), why));
}

Status RecordParser::MisfitError(const Reading& reading) {
  const std::string in = reading.path.empty() ? "" : fmt::format(" ({})", reading.path);
  return records_.ErrorAt(PlaceOf(reading.place),
                          fmt::format("expected {}, got {}{}", reading.expected, reading.got, in));
}

}  // namespace headrace::json_lines
