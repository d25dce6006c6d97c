// SortGlobal: what the lanes of a sort hand over, and how its output is made of it: first few
// enough runs that can be read together, then parts that lanes take.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "headrace/exec/op/sort/sort_bound.h"
#include "headrace/exec/op/sort/sort_parts.h"
#include "headrace/exec/op/sort/sort_store.h"

namespace headrace {

/// A run that a lane writes before parts can be read. `buffers` are those of the runs it reads.
struct SortPass {
  std::unique_ptr<RunWriter> writer;
  Reservation buffers;
};

/// Thread safe from Seal on.
class SortGlobal final : public GlobalState {
 public:
  /// For `whole_keys` see SortBuildSpec.
  SortGlobal(SchemaPtr schema, Ordering keys, int64_t rows_wanted, size_t whole_keys)
      : schema_(std::move(schema)),
        keys_(std::move(keys)),
        whole_keys_(whole_keys),
        bound_(rows_wanted) {}

  Status Absorb(SortStore&& store, const OperatorContext& context);
  Status Seal(const OperatorContext& context) override;
  /// Those that lanes take: groups of the parts that the runs are cut into.
  int64_t num_parts() const override { return num_groups_; }
  /// Spills rows in memory, those that are read last.
  Result<int64_t> Reclaim(int64_t bytes) override;
  SortBound& bound() { return bound_; }

  /// kNeedInput: parts may be taken. kMoreOutput: the lane steps `*pass`, gives it to EndPass and
  /// asks again. kBlocked: passes of other lanes must end first.
  Result<Flow> Prepare(const OperatorContext& context, SortPass* pass);
  void EndPass(SortPass pass);
  /// The parts of a group.
  PartRange PartsOfGroup(int64_t group);
  /// Each part once, in any order; EndGroup when those of a group were read.
  SortPart Take(int64_t part);
  void EndGroup();
  /// REQUIRES: sealed.
  const SortTerms& terms() const { return *terms_; }

 private:
  void OrderRuns();
  int64_t WindowBytes(const OperatorContext& context, size_t runs) const;
  int64_t BufferBytes(size_t runs) const;
  size_t RunsInWindow(const OperatorContext& context) const;
  bool ReserveWindow(const OperatorContext& context);
  Result<Flow> SpillForWindow(const OperatorContext& context, SortPass* pass);
  Result<Flow> MergeSome(const OperatorContext& context, size_t runs_max, SortPass* pass);
  Result<Flow> SetReady();

  const SchemaPtr schema_;
  const Ordering keys_;
  const size_t whole_keys_;
  SortBound bound_;
  int64_t num_parts_ = 1;                   // set by Seal
  int64_t num_groups_ = 1;                  // of parts; set by Seal
  std::optional<SortTerms> terms_;          // set by Seal
  std::mutex mutex_;                        // guards all below
  std::optional<SortStore> store_;          // until Seal
  std::optional<SortParts> parts_;          // since then
  std::optional<OperatorContext> context_;  // of a lane
  Reservation window_;                      // for blocks that are read, by all lanes
  int passes_ = 0;                          // under way
  bool is_ready_ = false;
  int64_t groups_ended_ = 0;
  std::vector<Waker> waiting_;
};

}  // namespace headrace
