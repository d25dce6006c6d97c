// The text of E'…'.
#include "headrace/sql/escaped_text.h"

#include "arrow/util/utf8.h"
#include "headrace/base/hex.h"
#include "headrace/function/code_points.h"

namespace headrace::sql {
namespace {

constexpr uint32_t kCodepointMax = 0x10FFFF;

/// The digit's value; −1 of a character that is no digit of this base.
int DigitOf(char c, int base) {
  const int digit = HexDigit(c);
  return digit < base ? digit : -1;
}

/// Reads the escape behind the backslash at `*place`, and moves `*place` behind it.
class Escape {
 public:
  Escape(std::string_view inside, size_t* place) : inside_(inside), place_(*place) {}

  Status AppendTo(std::string* text) {
    const char c = inside_[++place_];
    if (DigitOf(c, 8) >= 0) return Byte(8, 3, text);
    ++place_;
    if (c == 'x' && place_ < inside_.size() && DigitOf(inside_[place_], 16) >= 0) {
      return Byte(16, 2, text);
    }
    if (c == 'u') return Codepoint(c, 4, text);
    if (c == 'U') return Codepoint(c, 8, text);
    constexpr std::string_view kNames = "bfnrt";
    constexpr std::string_view kControls = "\b\f\n\r\t";
    const size_t control = kNames.find(c);
    text->push_back(control == std::string_view::npos ? c : kControls[control]);
    return Status::OK();
  }

 private:
  /// The number of at most `count` digits; `*read` says how many there were.
  uint32_t Number(int base, size_t count, size_t* read) {
    uint32_t number = 0;
    for (*read = 0; *read < count && place_ < inside_.size(); ++*read, ++place_) {
      const int digit = DigitOf(inside_[place_], base);
      if (digit < 0) break;
      number = number * static_cast<uint32_t>(base) + static_cast<uint32_t>(digit);
    }
    return number;
  }

  Status Byte(int base, size_t count, std::string* text) {
    size_t read = 0;
    text->push_back(static_cast<char>(Number(base, count, &read)));
    return Status::OK();
  }

  Status Codepoint(char name, size_t count, std::string* text) {
    size_t read = 0;
    const uint32_t codepoint = Number(16, count, &read);
    if (read < count || codepoint > kCodepointMax) {
      return Error(ErrorKind::kSyntax, "expected {} hexadecimal digits behind \\{}, up to {:x}",
                   count, name, kCodepointMax);
    }
    AppendPoint(static_cast<int32_t>(codepoint), text);
    return Status::OK();
  }

  const std::string_view inside_;
  size_t& place_;
};

}  // namespace

Result<std::string> UnescapedText(std::string_view inside) {
  std::string text;
  for (size_t place = 0; place < inside.size();) {
    if (inside[place] == '\\' && place + 1 < inside.size()) {
      ARROW_RETURN_NOT_OK(Escape(inside, &place).AppendTo(&text));
      continue;
    }
    text.push_back(inside[place]);
    place += inside[place] == '\'' ? 2 : 1;
  }
  arrow::util::InitializeUTF8();
  if (arrow::util::ValidateUTF8(text)) return text;
  return Error(ErrorKind::kSyntax, "expected escapes that give UTF-8, got other bytes");
}

}  // namespace headrace::sql
