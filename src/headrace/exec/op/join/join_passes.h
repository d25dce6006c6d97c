// JoinPasses: the built rows of a partition, cut into ranges of their places that fit in memory.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "headrace/exec/op/join/hash_join_partition.h"

namespace headrace {

/// Which built rows are joined together. Where many share a key each pass joins some of them with
/// all rows of the other side, so matches stay in the order of the built side. One lane.
class JoinPasses {
 public:
  /// `width`: of the built rows, behind which places were written, or −1.
  explicit JoinPasses(int width) : width_(width) {}

  /// One pass over all rows.
  void Reset();
  bool has_many() const { return bounds_.size() > 2 || begin_ != kFirstJoinPlace; }
  bool is_last() const { return pass_ + 2 == bounds_.size(); }
  void Next() { ++pass_; }

  /// From the pass in work on passes are to have `rows` each; CutStep does it.
  void StartCutting(int64_t rows);
  /// Reads the piece `*next`; false: there was none left, and the passes are cut.
  Result<bool> CutStep(JoinPieces& build, size_t* next);

  /// Moves `*next` behind pieces that are of other passes.
  void SkipOthers(const JoinPieces& build, size_t* next) const;
  /// The rows read that are of the pass in work.
  Result<Batch> RowsOfPass(PiecesRead read, const JoinPieces& build, arrow::MemoryPool* pool) const;

 private:
  void AddSamples(const std::vector<JoinPlace>& places, JoinPiece& piece);

  const int width_;
  JoinPlace begin_ = kFirstJoinPlace;  // of the first pass
  std::vector<JoinPlace> bounds_;      // pass i: the places from bounds_[i] to below bounds_[i + 1]
  size_t pass_ = 0;
  int64_t pass_rows_ = 0;
  std::vector<JoinPlace> samples_;  // of the rows to be cut
  int64_t rows_seen_ = 0;
};

}  // namespace headrace
