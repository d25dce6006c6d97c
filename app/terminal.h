// What is known of the terminal: its width, whether it shows colours, how wide a text is on it.
#pragma once

#include <string>
#include <string_view>

namespace headrace::app {

/// Columns of the terminal behind `descriptor`; 0 when it is none.
int TerminalWidth(int descriptor);
/// Whether to colour what goes to `descriptor`: a terminal that can, and NO_COLOR is not set.
bool ShowsColor(int descriptor);

/// Cells that `text` takes: wide characters two, combining ones none; broken UTF-8 one a byte.
int DisplayWidth(std::string_view text);
/// `text` cut to at most `width` cells, with "…" for what was cut off. REQUIRES: width >= 1.
std::string CutToWidth(std::string_view text, int width);
/// `text` on one line, without bytes that would move the cursor of a terminal: "\n", "\x1b".
std::string EscapeControls(std::string_view text);

}  // namespace headrace::app
