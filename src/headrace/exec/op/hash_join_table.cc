// Seal: order the pieces, number their keys, then a counting sort of the rows by number.
#include "headrace/exec/op/hash_join_table.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/base/limits.h"

namespace headrace {
namespace {

constexpr size_t kPrefetchAhead = 16;

struct Piece {
  Batch batch;
  int lane = 0;
};

bool ComesBefore(const Piece& left, const Piece& right) {
  const Ordinal& a = left.batch.ordinal();
  const Ordinal& b = right.batch.ordinal();
  return std::tie(a.split, a.seq, left.lane) < std::tie(b.split, b.seq, right.lane);
}

// Takes from `pieces`, from `*next` on, as many as fit one chunk, joined.
Result<Batch> TakeChunk(std::vector<Piece>& pieces, size_t* next, arrow::MemoryPool* pool) {
  std::vector<Batch> batches;
  int64_t rows = 0;
  int64_t bytes = 0;
  for (; *next < pieces.size(); ++*next) {
    Batch& batch = pieces[*next].batch;
    const int64_t batch_bytes = batch.num_bytes();
    const bool fits =
        rows + batch.num_rows() <= kBatchRowsMax && bytes + batch_bytes <= kBatchBytesMax;
    if (!batches.empty() && !fits) break;
    rows += batch.num_rows();
    bytes += batch_bytes;
    batches.push_back(std::exchange(batch, Batch()));
  }
  return ConcatenateBatches(batches, pool);
}

}  // namespace

void RowsThatMayMatch(const EncodedKeys& keys, NullMatching nulls, std::vector<uint32_t>* rows) {
  rows->resize(static_cast<size_t>(keys.num_rows));
  if (nulls == NullMatching::kMatch) {
    std::iota(rows->begin(), rows->end(), 0U);
    return;
  }
  size_t count = 0;
  for (size_t row = 0; row < rows->size(); ++row) {
    (*rows)[count] = static_cast<uint32_t>(row);
    count += keys.nulls[row] == 0 ? 1 : 0;
  }
  rows->resize(count);
}

// What Seal needs while it builds.
struct JoinTable::Builder {
  JoinTable& table;
  const OperatorContext& context;
  KeyEncoder encoder;
  EncodedKeys keys{};
  std::vector<uint32_t> rows{};
  std::vector<uint32_t> groups_of_batch{};
  std::vector<uint32_t> group_of_row{};  // of all rows that may match
  std::vector<RowRef> refs{};            // of the same
  int64_t row_bytes = 0;                 // held by rows_, or still by pieces

  std::vector<Piece> CollectPieces() {
    std::vector<Piece> pieces;
    size_t num_rows = 0;
    for (JoinPieces& of_lane : table.pieces_) {
      for (Batch& batch : of_lane.batches) {
        row_bytes += batch.num_bytes() + table.rows_.bytes_per_chunk();
        num_rows += static_cast<size_t>(batch.num_rows());
        pieces.push_back({std::move(batch), of_lane.lane});
      }
      table.lane_claims_.push_back(std::move(of_lane.reservation));
    }
    table.pieces_.clear();
    refs.reserve(num_rows);
    group_of_row.reserve(num_rows);
    return pieces;
  }

  // Grows the claim to what the next batch of `keys` needs at most; the rows are claimed already.
  Status Claim(int64_t new_keys) {
    const GroupTable& groups = *table.groups_;
    const auto rows_max = static_cast<int64_t>(refs.capacity());
    const int64_t wanted = row_bytes + rows_max * kSealBytesPerRow +
                           groups.BytesToAdd(new_keys, static_cast<int64_t>(keys.bytes.size()));
    return wanted <= table.claimed_bytes() ? Status::OK() : table.Claim(wanted);
  }

  Status AddChunk(const Batch& batch) {
    ARROW_RETURN_NOT_OK(encoder.Encode(batch, context.pool, &keys));
    RowsThatMayMatch(keys, table.nulls_, &rows);
    const auto count = static_cast<int64_t>(rows.size());
    ARROW_RETURN_NOT_OK(Claim(count));
    if (refs.size() + rows.size() > std::numeric_limits<uint32_t>::max()) {
      return Error(ErrorKind::kUnsupported, "the right side of a join has more than 2^32 rows");
    }
    groups_of_batch.resize(rows.size());
    table.groups_->FindOrInsert(keys, rows.data(), count, groups_of_batch.data());
    group_of_row.insert(group_of_row.end(), groups_of_batch.begin(), groups_of_batch.end());
    const int32_t chunk = table.rows_.Add(batch);
    for (uint32_t row : rows) refs.push_back({chunk, static_cast<int32_t>(row)});
    table.num_rows_ += batch.num_rows();
    return Status::OK();
  }

  void CountMatches() {
    std::vector<uint32_t>& ends = table.ends_;
    ends.assign(static_cast<size_t>(table.groups_->num_ids()), 0);
    for (size_t i = 0; i < group_of_row.size(); ++i) {
      if (i + kPrefetchAhead < group_of_row.size()) {
        __builtin_prefetch(&ends[group_of_row[i + kPrefetchAhead]], 1);
      }
      ++ends[group_of_row[i]];
    }
    std::exclusive_scan(ends.begin(), ends.end(), ends.begin(), 0U);
  }

  // Leaves in ends_[g] the end of group g, having moved it there from its begin.
  void PlaceMatches() {
    table.matches_.resize(refs.size());
    std::vector<uint32_t>& next = table.ends_;
    for (size_t i = 0; i < refs.size(); ++i) {
      if (i + 2 * kPrefetchAhead < refs.size()) {
        __builtin_prefetch(&next[group_of_row[i + 2 * kPrefetchAhead]], 1);
        __builtin_prefetch(&table.matches_[next[group_of_row[i + kPrefetchAhead]]], 1);
      }
      table.matches_[next[group_of_row[i]]++] = refs[i];
    }
  }
};

JoinTable::JoinTable(SchemaPtr schema, std::vector<int> keys, NullMatching nulls)
    : schema_(std::move(schema)), keys_(std::move(keys)), nulls_(nulls), rows_(*schema_) {}

void JoinTable::Add(JoinPieces pieces) { pieces_.push_back(std::move(pieces)); }

int64_t JoinTable::claimed_bytes() const {
  int64_t bytes = reservation_.bytes();
  for (const Reservation& claim : lane_claims_) bytes += claim.bytes();
  return bytes;
}

// Never gives back what it claims again: another operator could take it in between.
Status JoinTable::Claim(int64_t bytes) {
  for (Reservation& claim : lane_claims_) {
    const int64_t kept = std::min(claim.bytes(), bytes);
    claim.TryResize(kept);
    bytes -= kept;
  }
  return reservation_.Resize(bytes);
}

Status JoinTable::Seal(const OperatorContext& context) {
  HEADRACE_CHECK(!sealed(), "a join table was sealed before");
  ARROW_ASSIGN_OR_RAISE(KeyEncoder encoder, KeyEncoder::Make(KeyColumnsOf(*schema_, keys_)));
  groups_.emplace(encoder.is_fixed());
  reservation_ = Reservation(context.budget);
  Builder builder{*this, context, std::move(encoder)};
  std::vector<Piece> pieces = builder.CollectPieces();
  std::sort(pieces.begin(), pieces.end(), ComesBefore);
  for (size_t next = 0; next < pieces.size();) {
    ARROW_ASSIGN_OR_RAISE(Batch chunk, TakeChunk(pieces, &next, context.pool));
    ARROW_RETURN_NOT_OK(builder.AddChunk(chunk));
  }
  builder.CountMatches();
  builder.PlaceMatches();
  const auto matches = static_cast<int64_t>(matches_.size() * sizeof(RowRef));
  const auto ends = static_cast<int64_t>(ends_.size() * sizeof(uint32_t));
  return Claim(builder.row_bytes + groups_->bytes() + matches + ends);
}

}  // namespace headrace
