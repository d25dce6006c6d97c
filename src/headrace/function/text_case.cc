// Case mappings by utf8proc, with a short way for ASCII.
#include "headrace/function/text_case.h"

#include "headrace/function/code_points.h"
#include "utf8proc.h"

namespace headrace {
namespace {

bool IsWordPoint(int32_t point) {
  switch (utf8proc_category(point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string LowerText(std::string_view text) {
  std::string lower;
  lower.reserve(text.size());
  while (!text.empty()) {
    const char byte = text.front();
    if (static_cast<uint8_t>(byte) < 0x80) {
      lower += byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : byte;
      text.remove_prefix(1);
    } else {
      AppendPoint(utf8proc_tolower(FirstPoint(TakePoint(&text))), &lower);
    }
  }
  return lower;
}

std::string TitleText(std::string_view text) {
  std::string title;
  title.reserve(text.size());
  bool in_word = false;
  while (!text.empty()) {
    const int32_t point = FirstPoint(TakePoint(&text));
    AppendPoint(in_word ? utf8proc_tolower(point) : utf8proc_totitle(point), &title);
    in_word = IsWordPoint(point);
  }
  return title;
}

}  // namespace headrace
