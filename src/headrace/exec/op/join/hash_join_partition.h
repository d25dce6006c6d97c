// JoinPartition: rows of both sides on disk whose keys have some bits of their hash in common.
#pragma once

#include <bit>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "headrace/base/limits.h"
#include "headrace/exec/spill/spill_file.h"

namespace headrace {

/// The place of a built row: (split, row) as it was written, or where places are not written that
/// in the partition (piece, row).
using JoinPlace = std::pair<int64_t, int64_t>;
inline constexpr JoinPlace kFirstJoinPlace = {std::numeric_limits<int64_t>::min(), 0};
inline constexpr JoinPlace kNoJoinPlace = {std::numeric_limits<int64_t>::max(), 0};

/// A section of a file. The file goes with its last piece.
struct JoinPiece {
  std::shared_ptr<SpillFile> file;
  StateSection section;
  JoinPlace first = kFirstJoinPlace;  // its rows are from here
  JoinPlace last = kNoJoinPlace;      // to here
};
using JoinPieces = std::vector<JoinPiece>;

JoinPieces PiecesOf(const std::vector<std::shared_ptr<SpillFile>>& files, int partition);
int64_t RowsOf(const JoinPieces& pieces);

/// The bits of a hash that choose a partition: `count` of them, 1 at least, behind the first
/// `begin` ones. The default is that of key groups.
struct HashBits {
  int begin = 0;
  int count = std::bit_width(static_cast<unsigned>(kKeyGroups)) - 1;

  int end() const { return begin + count; }
  int Of(uint64_t hash) const { return static_cast<int>((hash << begin) >> (64 - count)); }
};

struct JoinPartition {
  JoinPieces build;
  JoinPieces probe;
  HashBits bits;            // by which it was chosen
  bool is_one_key = false;  // or nearly: there is no use in dividing it
};

/// Some pieces read together.
struct PiecesRead {
  Batch rows;
  size_t first_piece = 0;
};

/// Pieces from `*next` on, as many as make a batch; moves `*next` behind them. REQUIRES: there is
/// one.
Result<PiecesRead> ReadPieces(const JoinPieces& pieces, size_t* next,
                              const OperatorContext& context);

/// The places of rows that were read. `width`: of their own columns, behind which places were
/// written, or −1.
std::vector<JoinPlace> PlacesOf(const PiecesRead& read, const JoinPieces& pieces, int width);

}  // namespace headrace
