// JoinMatcher: the rows that a batch of the probe side gives together with a JoinTable.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "headrace/exec/op/join/hash_join.h"
#include "headrace/exec/op/join/hash_join_table.h"
#include "headrace/exec/operator.h"

namespace headrace {

/// Added to the split of a built row in its place; splits of the probe side are below it.
inline constexpr int64_t kUnmatchedSplit = int64_t{1} << 62;

/// What is known of the whole built side for marks that may be null.
struct JoinNullKeys {
  bool any_row = false;
  bool any_null_key = false;
};

/// One lane. Each step collects some pairs (probe row, built row), keeps those that pass the
/// residual, and gathers them; a cursor (row, match) remembers where the next step goes on.
class JoinMatcher {
 public:
  /// What is known of a row of the probe side.
  enum class Outcome : uint8_t { kNone, kUnknown, kMatched };

  /// Batches have the columns of the probe side and perhaps more, which come out last. `encoder` is
  /// that of the probe's keys; null where there are none.
  JoinMatcher(HashJoinTermsPtr terms, JoinTable& table, const KeyEncoder* encoder,
              const OperatorContext& context);

  /// `probe` is compacted.
  Status Begin(Batch probe, JoinNullKeys null_keys);
  /// After Begin, where the built side comes in several tables: `earlier` has what is known of each
  /// row from those before and takes what is known after this one. What a row gives when nothing
  /// matches it comes with the last table.
  void ContinueFrom(std::span<Outcome> earlier, bool is_last);
  /// Gives the next rows; false: the batch is done.
  Result<bool> Step(Out& out);
  /// Rows of the built side without a match, from the `*next`-th on; where the order is read two
  /// columns more: their place (split, row), after those of all rows of the probe side. Empty: the
  /// end.
  Result<Batch> Unmatched(int64_t* next);

 private:
  struct Pairs {
    std::vector<uint32_t> probe;
    std::vector<RowRef> build;  // none: the probe row matched nothing

    size_t size() const { return probe.size(); }
    void Clear() {
      probe.clear();
      build.clear();
    }
    void Add(uint32_t probe_row, RowRef build_row) {
      probe.push_back(probe_row);
      build.push_back(build_row);
    }
  };
  Status FindMatches();
  Status StartSlots();
  int64_t PairBytes() const;
  void CollectPairs();
  void CollectAlikePairs();
  void LookInSlots();
  void CollectFromSlots();
  template <typename RowOf>
  size_t CollectFromSlots(size_t end, size_t size, RowOf row_of);
  size_t RoomForAlikePairs() const;
  size_t num_rows() const { return outcomes_.size(); }
  bool HasRoomFor(RowRef build);
  bool IsSettled(size_t row) const;
  bool MatchedEarlier(size_t row) const {
    return !earlier_.empty() && earlier_[row] == Outcome::kMatched;
  }
  Status EvaluateResidual();
  void KeepThosePassing();
  Status Account();
  Result<Batch> Pairwise();
  Result<ArrayPtr> Unread(const arrow::Schema& schema, size_t column, size_t place, int64_t count);
  Result<std::optional<Batch>> OfProbeRows() const;
  Result<ArrayPtr> Marks() const;
  Batch Arranged(const Batch& probe, std::vector<ArrayPtr> build) const;

  const HashJoinTermsPtr terms_;
  JoinTable& table_;
  const int64_t batch_rows_;
  const int64_t batch_bytes_;
  arrow::MemoryPool* const pool_;
  const KeyEncoder* const encoder_;
  std::vector<ArrayPtr> unread_;  // nulls, by places in terms_->reads
  std::vector<int> residual_columns_;
  ExpressionPtr residual_;  // over residual_columns_

  // The batch in work, and the cursor in it.
  std::optional<Batch> probe_;
  JoinNullKeys null_keys_;
  std::vector<JoinTable::Match> matches_;  // per row
  std::vector<uint32_t> key_rows_;         // those that may match
  int64_t pair_bytes_ = -1;
  std::optional<JoinTable::Slots> slots_;  // instead of matches_
  EncodedKeys keys_;
  const uint64_t* values_ = nullptr;  // with slots_: the keys
  const uint8_t* nulls_ = nullptr;    // with slots_: 1 where a key is null; none: nowhere
  std::vector<int64_t> probe_bytes_;
  std::vector<Outcome> outcomes_;  // per row
  std::span<Outcome> earlier_;     // none: there is one table
  bool is_last_table_ = true;
  size_t row_ = 0;
  uint32_t match_ = 0;
  bool row_has_passed_ = false;  // a match of the row in work passed the residual

  // Of one step.
  Pairs pairs_;
  int64_t output_rows_ = 0;
  int64_t output_bytes_ = 0;
  std::vector<Outcome> passes_;
};

}  // namespace headrace
