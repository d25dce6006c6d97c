// Case of text by the simple mappings of Unicode.
#pragma once

#include <string>
#include <string_view>

namespace headrace {

std::string LowerText(std::string_view text);
/// The first letter of every word in upper case, the others in lower case; words are letters and
/// digits.
std::string TitleText(std::string_view text);

}  // namespace headrace
