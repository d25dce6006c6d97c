// What the operators of a hash join hand to each other: rows of the built side, and files of rows
// by key group.
#pragma once

#include <array>
#include <atomic>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "headrace/exec/op/join/hash_join.h"
#include "headrace/exec/op/join/hash_join_table.h"
#include "headrace/exec/op/join/hash_join_writer.h"
#include "headrace/exec/op/join/join_matcher.h"
#include "headrace/exec/op/join/key_filter.h"
#include "headrace/exec/spill/spill_file.h"

namespace headrace {

/// The key groups whose built rows are written; lanes only ever add some. Thread safe.
class SpilledKeyGroups {
 public:
  bool Has(int group) const {
    const auto at = static_cast<size_t>(group);
    return ((words_[at / 64].load(std::memory_order_acquire) >> (at % 64)) & 1) != 0;
  }
  void Add(int group) {
    const auto at = static_cast<size_t>(group);
    words_[at / 64].fetch_or(uint64_t{1} << (at % 64), std::memory_order_acq_rel);
  }
  void AddAll() {
    for (int group = 0; group < kKeyGroups; ++group) Add(group);
  }
  /// As it is now: 1 where a key group is spilled.
  std::array<uint8_t, kKeyGroups> Now() const {
    std::array<uint8_t, kKeyGroups> now;
    for (int group = 0; group < kKeyGroups; ++group) {
      now[static_cast<size_t>(group)] = Has(group) ? 1 : 0;
    }
    return now;
  }
  bool any() const {
    return (words_[0].load(std::memory_order_acquire) |
            words_[1].load(std::memory_order_acquire)) != 0;
  }

 private:
  static_assert(kKeyGroups == 128);
  std::array<std::atomic<uint64_t>, 2> words_{};
};

/// Rows by whether their key group is spilled.
void DivideRows(const SpilledKeyGroups& spilled, const std::vector<uint64_t>& hashes,
                std::vector<uint32_t>* leaving, std::vector<uint32_t>* staying);

/// Rows in memory are of use when they are a good part of all: dividing rows by whether they are
/// spilled has its cost too.
inline bool IsWorthKeeping(int64_t rows, int64_t all) {
  constexpr int64_t kShareInverse = 4;
  return rows > all / kShareInverse;
}
inline constexpr int64_t kAllRows = std::numeric_limits<int64_t>::max();

using RowsByGroup = std::array<int64_t, kKeyGroups>;

/// Rows of the built side that one lane has in memory, and what it claims for them and for the
/// table over them.
struct ResidentRows {
  std::vector<JoinChunk> chunks;
  Reservation reservation;

  int64_t num_rows = 0;

  void Add(JoinChunk chunk);
  void CountByGroup(RowsByGroup* rows) const;
};

/// Rows of the built side that lanes kept or wrote. When some key groups were written its parts are
/// the lanes, whose rows of these groups are still to be written; else it has none.
class HashJoinPieces final : public GlobalState {
 public:
  explicit HashJoinPieces(HashJoinTermsPtr terms) : terms_(std::move(terms)) {}

  /// Chooses key groups to be written: those chosen before and then, of the groups in `rows`, the
  /// largest ones, until `rows_wanted` of the rows are of some. Where the order of rows is read all
  /// are. The first call makes the filter, where it has room. Thread safe.
  void Spill(const RowsByGroup& rows, int64_t rows_wanted);
  /// Claims room for a filter while there is memory, once all lanes hold about as much. Thread
  /// safe.
  void ClaimFilterRoom(int64_t held_bytes, const std::shared_ptr<MemoryBudget>& budget);
  const SpilledKeyGroups& spilled() const { return spilled_; }
  bool is_spilled() const { return spilled_.any(); }
  /// Gives the rows of spilled groups in a chunk to `writer`; what is left of it may be empty.
  /// `encoder` is that of the built keys, null where there are none.
  Status Evict(ResidentRows& rows, size_t chunk, const KeyEncoder* encoder, JoinRowWriter& writer,
               arrow::MemoryPool* pool);
  /// Those that choose the partition of rows that are written: of a key group, or of several where
  /// rows are wide. Thread safe.
  HashBits written_bits(const OperatorContext& context);
  /// REQUIRES: written_bits() was called.
  int64_t written_partitions() const { return int64_t{1} << written_bits_.count; }
  /// Over the keys of the spilled groups; null: there is none that is of use.
  const KeyFilter* filter() const;

  void Add(ResidentRows rows, std::shared_ptr<SpillFile> file, JoinNullKeys null_keys);
  void AddFile(std::shared_ptr<SpillFile> file);
  /// Some places of rows that were written.
  void AddPlaces(const std::vector<JoinPlace>& places);
  const std::vector<JoinPlace>& places() const { return places_; }
  Status Seal(const OperatorContext& context) override;
  int64_t num_parts() const override;
  ResidentRows& rows_of(int64_t lane) { return lanes_[static_cast<size_t>(lane)]; }

  /// Once no lane has rows of spilled groups any more.
  Status StartTable(const OperatorContext& context);
  const std::shared_ptr<JoinTable>& table() const { return table_; }
  /// Forgets the table, whose rows nobody asks for any more. Thread safe.
  void DropTable();
  const JoinNullKeys& null_keys() const { return null_keys_; }
  const std::vector<std::shared_ptr<SpillFile>>& files() const { return files_; }

 private:
  bool has_use_for_filter() const;
  int64_t WrittenRows() const;

  const HashJoinTermsPtr terms_;
  std::mutex mutex_;
  SpilledKeyGroups spilled_;
  Reservation filter_room_;  // until the filter is made
  HashBits written_bits_;
  std::once_flag written_bits_once_;
  std::unique_ptr<KeyFilter> filter_;  // made before the first group is spilled
  std::vector<ResidentRows> lanes_;
  std::vector<std::shared_ptr<SpillFile>> files_;
  std::vector<JoinPlace> places_;
  JoinNullKeys null_keys_;
  std::shared_ptr<JoinTable> table_ = std::make_shared<JoinTable>(terms_);
};

/// When every lane has only rows that stay in memory: its parts are those of the table over them.
class HashJoinResidents final : public GlobalState {
 public:
  explicit HashJoinResidents(std::shared_ptr<HashJoinPieces> pieces) : pieces_(std::move(pieces)) {}
  Status Seal(const OperatorContext& context) override { return pieces_->StartTable(context); }
  int64_t num_parts() const override { return pieces_->table()->part_count(); }

 private:
  const std::shared_ptr<HashJoinPieces> pieces_;
};

/// What is left when the probe has ended. Its parts are one for the built rows in memory without a
/// match, and the partitions that were written.
class HashJoinRest final : public GlobalState {
 public:
  HashJoinRest(HashJoinTermsPtr terms, std::shared_ptr<HashJoinPieces> pieces)
      : pieces_(std::move(pieces)), terms_(std::move(terms)) {}

  static constexpr int64_t kResidentPart = 0;
  static constexpr int64_t kFirstWrittenPart = 1;
  int64_t num_parts() const override;
  HashJoinPieces& pieces() const { return *pieces_; }
  /// With some places of its rows.
  void AddProbeFile(std::shared_ptr<SpillFile> file, const std::vector<JoinPlace>& places);
  /// Some places of rows that may come out, when the probe has ended.
  std::vector<JoinPlace> OutputPlaces() const;
  const std::vector<std::shared_ptr<SpillFile>>& probe_files() const { return probe_files_; }

 private:
  const std::shared_ptr<HashJoinPieces> pieces_;
  const HashJoinTermsPtr terms_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<SpillFile>> probe_files_;
  std::vector<JoinPlace> probe_places_;
};

}  // namespace headrace
