// JoinTable: the built side of a hash join in memory – its rows, and which of them have a key.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "headrace/exec/key/group_table.h"
#include "headrace/exec/key/row_blocks.h"
#include "headrace/exec/op/join/hash_join.h"
#include "headrace/exec/op/row_store.h"
#include "headrace/exec/operator.h"

namespace headrace {

/// Rows of the built side with their keys. Decoded.
struct JoinChunk {
  Batch batch;
  EncodedKeys keys;
  /// Of the rows: their split and row (int64); null: by the batch's ordinal.
  ArrayPtr splits;
  ArrayPtr rows;

  RowPosition PositionOf(int64_t row) const;
};

/// Which rows of `batch` (whose keys are `keys`) may match anything: those without a null in a key
/// that matches no null.
Status RowsThatMayMatch(const Batch& batch, const EncodedKeys& keys,
                        const std::vector<int>& key_columns, const std::vector<NullMatching>& nulls,
                        arrow::MemoryPool* pool, std::vector<uint32_t>* rows);

/// What a table needs per row beside the rows and the keys.
inline constexpr int64_t kJoinTableBytesPerRow = 2 * sizeof(RowRef) + 2 * sizeof(uint32_t);

/// The rows of a key stand together, in the order of the built side. Integer keys in a range not
/// much larger than their number are looked up in an array, others in a hash table. Parts are by
/// ranges of such keys, or by the upper bits of the hash; each is built by one thread. Immutable
/// after that, but for the marks of matched rows.
class JoinTable final : public GlobalState {
 public:
  explicit JoinTable(HashJoinTermsPtr terms);

  /// Takes all rows, in order, but for chunks that tell the positions of their rows; `parts` is a
  /// power of two.
  Status Start(std::vector<JoinChunk> chunks, int parts, const OperatorContext& context);
  /// Works on a part for some rows; false when it is complete.
  Result<bool> BuildStep(int part, const OperatorContext& context);
  /// Takes what was claimed for the table; Seal gives back what it does not need.
  void Charge(Reservation reservation) { reservations_.push_back(std::move(reservation)); }
  Status Seal(const OperatorContext& context) override;
  int part_count() const { return static_cast<int>(parts_.size()); }

  int64_t num_rows() const { return num_rows_; }
  const RowStore& rows() const { return rows_; }

  struct Match {
    const RowRef* first = nullptr;
    uint32_t count = 0;
  };
  /// matches[row] for every row of `keys`; `rows` are those that may match.
  void Find(const EncodedKeys& keys, const std::vector<uint32_t>& rows,
            std::vector<Match>* matches) const;
  /// Keys are looked up without their hashes.
  bool is_dense() const { return dense_.has_value(); }

  /// A row of every dense key, where each has one row at most or one of them is enough; no row past
  /// the last of them.
  struct Slots {
    uint64_t base = 0;
    uint64_t range = 0;
    const RowRef* rows = nullptr;

    const RowRef& Of(uint64_t value) const { return rows[std::min(value - base, range)]; }
    int64_t bytes() const { return static_cast<int64_t>((range + 1) * sizeof(RowRef)); }
  };
  std::optional<Slots> UniqueSlots() const;

  /// Every row, for joins without keys.
  Match AllRows() const;

  void MarkMatched(RowRef row) { matched_[PlaceOf(row)].store(1, std::memory_order_relaxed); }
  /// The next rows from place `*next` on that were not marked, at most `max` of them.
  std::vector<RowRef> Unmatched(int64_t* next, int64_t max) const;
  RowPosition PositionOf(RowRef row) const {
    return chunks_[static_cast<size_t>(row.chunk)].PositionOf(row.row);
  }

 private:
  struct Part {
    explicit Part(bool is_fixed) : groups(is_fixed) {}
    enum class Stage { kKeys, kSlots, kCount, kPlace, kOrder, kDone };
    Stage stage = Stage::kKeys;
    size_t next = 0;  // chunk, then row, then group
    // Of the chunk in work: rows that may match, of which those before next_key were added.
    std::vector<uint32_t> keys;
    size_t next_key = 0;
    GroupTable groups;
    std::vector<uint32_t> group_of_row;
    std::vector<RowRef> refs;      // in order; by group when each has one row
    std::vector<RowRef> by_group;  // when not each has one row
    std::vector<uint32_t> ends;    // of each group in by_group; none when each has one row
    std::span<RowRef> slots;       // of dense keys: of slots_, by group

    int64_t bytes() const;
  };

  /// Keys from `base` to below `base + range`; group of a part: the low `slice_bits` of the
  /// distance from the base, whose upper bits are the part.
  struct DenseKeys {
    uint64_t base = 0;
    uint64_t range = 0;
    int slice_bits = 0;
  };

  size_t PlaceOf(RowRef row) const {
    return static_cast<size_t>(first_place_[static_cast<size_t>(row.chunk)]) +
           static_cast<size_t>(row.row);
  }
  Status FindDenseKeys(int parts, const OperatorContext& context);
  uint64_t NumberOf(const Part& part) const;
  std::span<RowRef> SliceOf(uint64_t part) const;
  RowRef* slots() const { return reinterpret_cast<RowRef*>(slots_.get()); }
  void DropSlots();
  Status AddSomeKeys(Part& part, arrow::MemoryPool* pool);
  Status FindKeys(Part& part, arrow::MemoryPool* pool) const;
  void AddHashedKeys(Part& part, std::span<const uint32_t> rows) const;
  void AddDenseKeys(Part& part, std::span<const uint32_t> rows) const;
  void FillSome(Part& part) const;
  int64_t bytes() const;
  static void CountSome(Part& part);
  static void PlaceSome(Part& part);
  void SortByPosition(std::span<RowRef> rows) const;
  void OrderSome(Part& part) const;
  bool IsInOrder() const;
  static Match MatchOf(const Part& part, uint32_t group);
  void FindDense(const EncodedKeys& keys, const std::vector<uint32_t>& rows,
                 std::vector<Match>* matches) const;
  void FindIn(const Part& part, const EncodedKeys& keys, const std::vector<uint32_t>& rows,
              std::vector<Match>* matches) const;

  const HashJoinTermsPtr terms_;
  RowStore rows_;
  std::vector<JoinChunk> chunks_;  // keys are kept until all parts are built
  std::vector<int64_t> first_place_;
  int64_t num_rows_ = 0;
  bool is_in_order_ = true;
  int part_bits_ = 0;
  std::optional<DenseKeys> dense_;
  BlockPtr slots_;  // of dense keys: a row for each when each has one row at most, and one of none
  std::vector<std::unique_ptr<Part>> parts_;
  std::vector<RowRef> all_;  // without keys
  std::unique_ptr<std::atomic<uint8_t>[]> matched_;
  std::vector<Reservation> reservations_;
};

}  // namespace headrace
