// Patterns of GLOB: * any code points, ? one, [abc] [a-z] [!abc] one of a set, \ takes the next.
#pragma once

#include <string_view>

namespace headrace {

/// Whether the whole text fits. A pattern with a [ that is not closed fits no text.
bool MatchesGlob(std::string_view text, std::string_view pattern);

}  // namespace headrace
