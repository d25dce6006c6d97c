// Fitting tables into a width.
#include "table_layout.h"

#include <algorithm>
#include <numeric>

namespace headrace::app {
namespace {

constexpr int kFrame = 3;         // "│ " and " " around a cell
constexpr int kCutWidthMin = 12;  // columns are not cut below this
constexpr int kLeftOut = -1;

int TotalWidth(const std::vector<int>& widths) {
  return std::accumulate(widths.begin(), widths.end(), 1) +
         kFrame * static_cast<int>(widths.size());
}

/// Cuts the widest columns that may be cut until the table fits or none is left.
void CutColumns(const std::vector<bool>& keeps_width, int width, std::vector<int>* widths) {
  while (TotalWidth(*widths) > width) {
    int widest = kCutWidthMin;
    for (size_t i = 0; i < widths->size(); ++i) {
      if (!keeps_width[i]) widest = std::max(widest, (*widths)[i]);
    }
    if (widest == kCutWidthMin) return;
    for (size_t i = 0; i < widths->size() && TotalWidth(*widths) > width; ++i) {
      if (!keeps_width[i] && (*widths)[i] == widest) --(*widths)[i];
    }
  }
}

TableLayout Assemble(const std::vector<int>& widths, size_t left, size_t right) {
  TableLayout layout;
  const auto add = [&](size_t index) {
    layout.shown.push_back(static_cast<int>(index));
    layout.widths.push_back(widths[index]);
  };
  for (size_t i = 0; i < left; ++i) add(i);
  if (left + right < widths.size()) {
    layout.shown.push_back(kLeftOut);
    layout.widths.push_back(1);
  }
  for (size_t i = widths.size() - right; i < widths.size(); ++i) add(i);
  return layout;
}

}  // namespace

TableLayout LayOutTable(std::vector<int> widths, const std::vector<bool>& keeps_width, int width) {
  size_t left = (widths.size() + 1) / 2;
  size_t right = widths.size() - left;
  if (width > 0) CutColumns(keeps_width, width, &widths);
  TableLayout layout = Assemble(widths, left, right);
  while (width > 0 && TotalWidth(layout.widths) > width && left + right > 1) {
    left > right ? --left : --right;
    layout = Assemble(widths, left, right);
  }
  return layout;
}

}  // namespace headrace::app
