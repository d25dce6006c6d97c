// Which key groups stay in memory, and the order of the pieces of a table.
#include "headrace/exec/op/join/hash_join_state.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "arrow/array.h"
#include "headrace/base/hash.h"
#include "headrace/base/limits.h"
#include "headrace/exec/op/take_rows.h"

namespace headrace {
namespace {

// Tables with fewer rows are not worth parts.
constexpr int64_t kRowsPerPart = int64_t{1} << 17;
constexpr int kJoinPartsMax = 64;
// What stays in memory beside rows on disk takes at most this part of the limit; a smaller one
// where it stays until the rest is joined.
constexpr int64_t kResidentFraction = 2;
constexpr int64_t kResidentFractionOfKept = 4;
constexpr int64_t kFilterFraction = 16;
// Of the built rows about one in so many is taken to match nothing.
constexpr size_t kUnmatchedInverse = 4;

bool ComesBefore(const JoinChunk& left, const JoinChunk& right) {
  const Ordinal& a = left.batch.ordinal();
  const Ordinal& b = right.batch.ordinal();
  return std::tie(a.split, a.seq) < std::tie(b.split, b.seq);
}

int64_t Sum(const RowsByGroup& rows) {
  return std::accumulate(rows.begin(), rows.end(), int64_t{0});
}

}  // namespace

void DivideRows(const SpilledKeyGroups& spilled, const std::vector<uint64_t>& hashes,
                std::vector<uint32_t>* leaving, std::vector<uint32_t>* staying) {
  const auto is_spilled = spilled.Now();
  leaving->resize(hashes.size());
  staying->resize(hashes.size());
  size_t left = 0;
  for (size_t row = 0; row < hashes.size(); ++row) {
    (*leaving)[left] = static_cast<uint32_t>(row);
    (*staying)[row - left] = static_cast<uint32_t>(row);
    left += is_spilled[static_cast<size_t>(KeyGroupOf(hashes[row]))];
  }
  leaving->resize(left);
  staying->resize(hashes.size() - left);
}

void ResidentRows::Add(JoinChunk chunk) {
  num_rows += chunk.batch.num_rows();
  chunks.push_back(std::move(chunk));
}

void ResidentRows::CountByGroup(RowsByGroup* rows) const {
  for (const JoinChunk& chunk : chunks) {
    if (chunk.keys.hashes.empty()) (*rows)[0] += chunk.batch.num_rows();
    for (uint64_t hash : chunk.keys.hashes) ++(*rows)[static_cast<size_t>(KeyGroupOf(hash))];
  }
}

void HashJoinPieces::ClaimFilterRoom(int64_t held_bytes,
                                     const std::shared_ptr<MemoryBudget>& budget) {
  const int64_t bytes = budget->limit_bytes() / kFilterFraction;
  if (held_bytes < bytes || !terms_->may_spill || !has_use_for_filter()) return;
  std::lock_guard lock(mutex_);
  if (is_spilled() || filter_room_.bytes() > 0) return;
  filter_room_ = Reservation(budget);
  filter_room_.TryResize(bytes);
}

void HashJoinPieces::Spill(const RowsByGroup& rows, int64_t rows_wanted) {
  std::lock_guard lock(mutex_);
  if (!is_spilled() && filter_room_.bytes() > 0) {
    filter_ = std::make_unique<KeyFilter>(std::move(filter_room_));
  }
  if (terms_->order_read) return spilled_.AddAll();
  std::array<int, kKeyGroups> groups;
  std::iota(groups.begin(), groups.end(), 0);
  const auto rows_of = [&](int group) { return rows[static_cast<size_t>(group)]; };
  std::stable_sort(groups.begin(), groups.end(),
                   [&](int a, int b) { return rows_of(a) > rows_of(b); });
  int64_t leaving = 0;
  for (int group : groups) leaving += spilled_.Has(group) ? rows_of(group) : 0;
  for (int group : groups) {
    if (leaving >= rows_wanted) break;
    if (spilled_.Has(group)) continue;
    spilled_.Add(group);
    leaving += rows_of(group);
  }
}

// Where a row without a match gives something in its order, it is written anyway.
bool HashJoinPieces::has_use_for_filter() const {
  return !terms_->build_keys.empty() && (!terms_->order_read || terms_->drops_unmatched());
}

const KeyFilter* HashJoinPieces::filter() const {
  return filter_ == nullptr || filter_->is_crowded() ? nullptr : filter_.get();
}

Status HashJoinPieces::Evict(ResidentRows& rows, size_t index, const KeyEncoder* encoder,
                             JoinRowWriter& writer, arrow::MemoryPool* pool) {
  JoinChunk& chunk = rows.chunks[index];
  std::vector<uint32_t> leaving;
  std::vector<uint32_t> staying;
  chunk.keys.hashes.resize(static_cast<size_t>(chunk.batch.num_rows()));
  DivideRows(spilled_, chunk.keys.hashes, &leaving, &staying);
  if (leaving.empty()) return Status::OK();
  if (filter_ != nullptr) {
    for (size_t i = 0; i < leaving.size(); ++i) {
      const size_t ahead = std::min(i + kPrefetchAhead, leaving.size() - 1);
      filter_->Prefetch(chunk.keys.hashes[leaving[ahead]]);
      filter_->Insert(chunk.keys.hashes[leaving[i]]);
    }
    filter_->CountInserted(static_cast<int64_t>(leaving.size()));
  }
  const auto left = static_cast<int64_t>(leaving.size());
  const double share = static_cast<double>(left) / static_cast<double>(rows.num_rows);
  const auto freed = static_cast<int64_t>(static_cast<double>(rows.reservation.bytes()) * share);
  rows.num_rows -= left;
  JoinChunk evicted = std::exchange(chunk, JoinChunk());
  if (!staying.empty()) {
    ARROW_ASSIGN_OR_RAISE(chunk.batch, TakeRows(evicted.batch, staying, pool));
    chunk.batch.set_ordinal(evicted.batch.ordinal());
    ARROW_RETURN_NOT_OK(encoder->Encode(chunk.batch, pool, &chunk.keys));
  }
  rows.reservation.TryResize(rows.num_rows == 0 ? 0 : rows.reservation.bytes() - freed);
  return writer.Add(evicted.batch, evicted.keys.hashes, leaving);
}

void HashJoinPieces::Add(ResidentRows rows, std::shared_ptr<SpillFile> file,
                         JoinNullKeys null_keys) {
  lanes_.push_back(std::move(rows));
  if (file != nullptr) files_.push_back(std::move(file));
  null_keys_.any_row = null_keys_.any_row || null_keys.any_row;
  null_keys_.any_null_key = null_keys_.any_null_key || null_keys.any_null_key;
}

void HashJoinPieces::AddFile(std::shared_ptr<SpillFile> file) {
  std::lock_guard lock(mutex_);
  files_.push_back(std::move(file));
}

void HashJoinPieces::AddPlaces(const std::vector<JoinPlace>& places) {
  std::lock_guard lock(mutex_);
  places_.insert(places_.end(), places.begin(), places.end());
}

Status HashJoinPieces::Seal(const OperatorContext& context) {
  if (!is_spilled()) {
    filter_room_.Clear();
    return Status::OK();
  }
  int64_t claimed = 0;
  RowsByGroup rows{};
  for (const ResidentRows& lane : lanes_) {
    claimed += lane.reservation.bytes();
    lane.CountByGroup(&rows);
  }
  const int64_t limit = context.budget->limit_bytes();
  const int64_t most =
      limit / (terms_->keeps_build() ? kResidentFractionOfKept : kResidentFraction);
  const int64_t resident = Sum(rows);
  const double share =
      std::min(1.0, static_cast<double>(most) / static_cast<double>(std::max<int64_t>(1, claimed)));
  const auto staying = static_cast<int64_t>(share * static_cast<double>(resident));
  if (!IsWorthKeeping(staying, resident + WrittenRows())) {
    Spill(rows, kAllRows);
  } else if (claimed > most) {
    Spill(rows, resident - staying + 1);
  }
  return Status::OK();
}

int64_t HashJoinPieces::WrittenRows() const {
  int64_t rows = 0;
  for (const auto& file : files_) {
    for (const StateSection& section : file->sections()) rows += section.num_rows;
  }
  return rows;
}

int64_t HashJoinPieces::num_parts() const {
  return is_spilled() ? static_cast<int64_t>(lanes_.size()) : 0;
}

Status HashJoinPieces::StartTable(const OperatorContext& context) {
  std::vector<JoinChunk> chunks;
  int64_t rows = 0;
  for (ResidentRows& lane : lanes_) {
    rows += lane.num_rows;
    std::move(lane.chunks.begin(), lane.chunks.end(), std::back_inserter(chunks));
    table_->Charge(std::move(lane.reservation));
  }
  lanes_.clear();
  std::erase_if(chunks, [](const JoinChunk& chunk) { return chunk.batch.num_rows() == 0; });
  std::stable_sort(chunks.begin(), chunks.end(), ComesBefore);
  int parts = 1;
  while (parts < kJoinPartsMax && parts < context.lanes && rows / (2 * parts) >= kRowsPerPart) {
    parts *= 2;
  }
  return table_->Start(std::move(chunks), parts, context);
}

HashBits HashJoinPieces::written_bits(const OperatorContext& context) {
  std::call_once(written_bits_once_, [&] {
    written_bits_ = {.count = BitsWorthWriting(terms_->columns_max(), context)};
  });
  return written_bits_;
}

void HashJoinPieces::DropTable() {
  std::lock_guard lock(mutex_);
  table_.reset();
  filter_.reset();
}

int64_t HashJoinRest::num_parts() const {
  if (pieces_->is_spilled()) return kFirstWrittenPart + pieces_->written_partitions();
  return terms_->keeps_build() ? 1 : 0;
}

void HashJoinRest::AddProbeFile(std::shared_ptr<SpillFile> file,
                                const std::vector<JoinPlace>& places) {
  std::lock_guard lock(mutex_);
  probe_files_.push_back(std::move(file));
  probe_places_.insert(probe_places_.end(), places.begin(), places.end());
}

std::vector<JoinPlace> HashJoinRest::OutputPlaces() const {
  std::vector<JoinPlace> places = probe_places_;
  if (!terms_->keeps_build()) return places;
  const std::vector<JoinPlace>& built = pieces_->places();
  for (size_t i = 0; i < built.size(); i += kUnmatchedInverse) {
    places.push_back({kUnmatchedSplit + built[i].first, built[i].second});
  }
  return places;
}

}  // namespace headrace
