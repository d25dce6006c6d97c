// JoinRowWriter: rows of one side of a join on their way to disk, by the partition of their keys.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headrace/base/limits.h"
#include "headrace/exec/op/join/hash_join_partition.h"
#include "headrace/exec/spill/spill_file.h"

namespace headrace {

/// `schema` and, `with_places`, two int64 columns more: the place (split, row) of a row. In plain
/// types.
SchemaPtr WithPlaceColumns(const arrow::Schema& schema, bool with_places = true);

/// By how many bits rows of so many columns are divided at most, so that what a section costs for
/// each column is little beside its rows: 2 to those of kKeyGroups.
int BitsWorthWriting(int columns, const OperatorContext& context);

/// Collects rows until each partition has enough of them for a section. One lane. Within a
/// partition rows keep their order.
class JoinRowWriter {
 public:
  /// `stem` is the start of the file's name.
  JoinRowWriter(const arrow::Schema& schema, bool with_places, std::string_view stem)
      : schema_(WithPlaceColumns(schema, with_places)), with_places_(with_places), stem_(stem) {}
  /// Before all else; `context` outlives the writer.
  void Open(const OperatorContext& context, HashBits bits = {});

  /// Takes rows of a compacted, decoded batch: those in `selected`, `hashes` beside all of them.
  /// Places are from the batch's ordinal. Writes when it holds much, or when what it holds is not
  /// granted; kCancelled when the query was stopped meanwhile.
  Status Add(const Batch& rows, std::span<const uint64_t> hashes,
             const std::vector<uint32_t>& selected);
  /// Takes the rows of a compacted, decoded batch; `partitions` beside them. The schema that the
  /// writer was made for has places, if there are any.
  Status AddTo(Batch rows, std::span<const uint8_t> partitions);
  int64_t held_bytes() const { return held_bytes_; }
  /// Writes what is held.
  Status Flush();
  /// Writes what is held; the sealed file, or null when nothing was written.
  Result<std::shared_ptr<SpillFile>> Take();
  /// Where it gives rows their places: some of these, as many as stand for all.
  std::vector<JoinPlace> TakePlaces() { return std::exchange(places_, {}); }

 private:
  /// Rows in the order of their partitions: those of partition p from begins[p] to begins[p + 1].
  struct Held {
    Batch rows;
    std::array<uint32_t, kKeyGroups + 1> begins{};
  };
  Result<Batch> WithPlaces(const Batch& taken, const Ordinal& ordinal,
                           const std::vector<uint32_t>& rows);
  /// Of the staged rows.
  Status Arrange();
  Status WritePartition(size_t partition);
  Status WriteSection(size_t partition, std::vector<Batch> slices);

  const SchemaPtr schema_;  // of sections
  const bool with_places_;
  const std::string stem_;
  const OperatorContext* context_ = nullptr;
  HashBits bits_;
  int64_t held_bytes_max_ = 0;
  std::vector<Batch> staged_;        // not yet arranged
  std::vector<uint8_t> partitions_;  // of their rows
  std::vector<Held> held_;
  int64_t held_bytes_ = 0;
  int64_t held_rows_ = 0;
  Reservation reservation_;
  std::unique_ptr<SpillFile> file_;
  std::vector<JoinPlace> places_;
  int64_t places_given_ = 0;
};

}  // namespace headrace
