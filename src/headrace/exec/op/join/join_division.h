// JoinDivision: the rows of a partition, divided by more bits of their hashes.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "headrace/exec/op/join/hash_join.h"
#include "headrace/exec/op/join/hash_join_partition.h"
#include "headrace/exec/op/join/hash_join_writer.h"
#include "headrace/types/key/key_encoder.h"

namespace headrace {

/// Reads both sides of a partition and writes them by child. One lane.
class JoinDivision {
 public:
  /// What is referred to outlives the division. REQUIRES: CanDivide(partition).
  /// `children`: as many as are wanted; there are somewhat more, or as many as bits are left for.
  JoinDivision(const HashJoinTerms& terms, const JoinPartition& partition, int64_t children,
               const KeyEncoder& build_encoder, const KeyEncoder& probe_encoder,
               const OperatorContext& context);

  /// There are bits left, and more than one key.
  static bool CanDivide(const JoinPartition& partition);
  /// Works on one batch; false: the children can be taken.
  Result<bool> Step();
  /// In the order of their bits; some may have no rows.
  std::vector<JoinPartition> TakeChildren();
  /// Writes what is held; gives the bytes that this freed.
  Result<int64_t> Reclaim();

 private:
  void StartSide(const arrow::Schema& schema);

  const HashJoinTerms& terms_;
  const JoinPartition& partition_;
  const HashBits bits_;
  const KeyEncoder& build_encoder_;
  const KeyEncoder& probe_encoder_;
  const OperatorContext& context_;
  bool is_probe_ = false;  // the side in work
  size_t next_piece_ = 0;
  std::optional<JoinRowWriter> writer_;
  std::shared_ptr<SpillFile> build_file_;
  std::shared_ptr<SpillFile> probe_file_;
  EncodedKeys keys_;
  std::vector<uint8_t> children_;  // of the rows of a batch
};

}  // namespace headrace
