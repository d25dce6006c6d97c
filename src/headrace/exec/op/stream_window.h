// StreamWindow: the tumbling event-time window of a stream aggregate – when groups close and which
// rows come too late.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "headrace/plan/node.h"
#include "headrace/types/watermark.h"

namespace headrace {

/// One lane's. Times are in microseconds.
class StreamWindow {
 public:
  /// The deadline of groups that no watermark closes: those whose start is null.
  static constexpr int64_t kNever = Watermark::kEnd;

  /// kUnsupported when the key is no timestamp or date; kInvalidArgument for a size below 1.
  static Result<StreamWindow> Make(const arrow::Schema& schema, const std::vector<int>& keys,
                                   const WindowKey& window);

  /// start + size of every row of a (plain) column of window starts.
  std::vector<int64_t> DeadlinesOf(const arrow::Array& starts) const;
  /// Whether a group of this deadline is closed.
  bool IsClosed(int64_t deadline) const { return deadline != kNever && deadline <= watermark_; }

  /// Watermarks do not go back.
  void Advance(Watermark watermark);
  int64_t watermark() const { return watermark_; }
  /// What can be promised of the starts of rows that are still to come out.
  Watermark Promise() const;

  /// The column of window starts, in the input.
  int column() const { return column_; }

 private:
  StreamWindow(int column, int64_t size_micros) : column_(column), size_micros_(size_micros) {}

  int column_;
  int64_t size_micros_;
  int64_t watermark_ = Watermark::kNone;
};

}  // namespace headrace
