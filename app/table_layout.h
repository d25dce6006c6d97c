// Which columns of a table are shown, and how wide, so that it fits the terminal.
#pragma once

#include <vector>

namespace headrace::app {

/// Columns of a drawn table. `shown` are indexes in order; −1 stands for all that are left out.
struct TableLayout {
  std::vector<int> shown;
  std::vector<int> widths;  // of `shown`
};

/// `widths`: what each column needs. `keeps_width`: columns that are not cut (numbers). Wide
/// columns are cut first, then columns in the middle are left out. width 0: no limit.
TableLayout LayOutTable(std::vector<int> widths, const std::vector<bool>& keeps_width, int width);

}  // namespace headrace::app
