// The window of OVER calls as columns of a plan; what the lifting of calls shares.
#pragma once

#include <vector>

#include "headrace/plan/node.h"

namespace headrace {

/// Stands where calls of a window or a callback stand that become columns.
bool IsLifted(const Expression& expression);
/// The window of a call; without OVER the whole input.
const WindowSpec& WindowOf(const Expression& call);

/// Hands out the columns made for a list of parts, in the order the parts were listed.
class ColumnQueue {
 public:
  explicit ColumnQueue(std::vector<int> columns) : columns_(std::move(columns)) {}
  int Next() { return columns_[next_++]; }

 private:
  std::vector<int> columns_;
  size_t next_ = 0;
};

struct PlacedWindow {
  PlanPtr plan;         // with the columns that the window and its calls need
  ColumnQueue columns;  // of the calls
  std::vector<int> partition_by;
  Ordering order;
};

/// REQUIRES: the calls have one window but for their frames.
Result<PlacedWindow> PlaceWindow(PlanPtr plan, const std::vector<ExpressionPtr>& calls);

/// The calls of a PlacedWindow, one after the other, over its columns.
FramedCall OverColumns(const Expression& call, const PlanNode& plan, ColumnQueue* columns);

/// Replaces what equals calls[i] by column first + i of `plan`.
Status ReplaceCalls(const PlanNode& plan, const std::vector<ExpressionPtr>& calls, int first,
                    std::vector<ExpressionPtr>* expressions);

/// Rows of a stream can be put in the order of its event time, and in no other.
Status CheckStreamOrder(const PlanNode& plan, const Ordering& order);

/// Lifts frames of the window over the last rows of a stream, or calls over ROWS WINDOW BUFFER.
Result<PlanPtr> LiftBuffer(PlanPtr plan, std::vector<ExpressionPtr> calls,
                           std::vector<ExpressionPtr>* expressions);

}  // namespace headrace
