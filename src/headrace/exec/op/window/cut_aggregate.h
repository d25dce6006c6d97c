// CutAggregate: an aggregate over frames of which rows are left out, or of which only the state of
// the last rows is known.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "headrace/exec/op/window/frame_aggregate.h"

namespace headrace {

/// Frames in pieces, one after the other; the begins and ends of each piece never go back.
struct CutFrames {
  RowRanges before;                    // the rows in front of those that are left out
  std::vector<int64_t> kept;           // one of those; −1: none
  RowRanges behind;                    // the rows behind them
  std::vector<std::string_view> rest;  // the saved state of the rows that follow; empty: none do
};

class CutAggregate {
 public:
  /// As FrameAggregate's.
  CutAggregate(const FunctionCall& call, std::vector<Argument> args, int64_t num_rows,
               arrow::MemoryPool* pool);
  void Renew(std::vector<Argument> args, int64_t num_rows, int64_t rows_gone);
  /// One value per frame, in order; `frames` go on from those of the last call.
  Result<ArrayPtr> Next(const CutFrames& frames);

 private:
  Status LoadRest(std::string_view rest);
  Status AddKept(int64_t row, std::byte* state);

  const AggregateKernel& kernel_;
  const TypePtr type_;
  KernelContext context_;
  FrameAggregate before_;
  FrameAggregate behind_;
  std::vector<Argument> args_;
  int64_t rows_gone_ = 0;
  AggregateStates results_;
  AggregateStates rest_;      // one
  std::string_view rest_of_;  // what it was loaded from
};

}  // namespace headrace
