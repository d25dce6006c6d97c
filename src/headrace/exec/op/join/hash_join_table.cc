// Building: number the keys of a part chunk by chunk, then a counting sort of its rows by number
// unless every key has one row. All in steps.
#include "headrace/exec/op/join/hash_join_table.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>

#include "arrow/array.h"
#include "headrace/base/check.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

constexpr size_t kRowsPerStep = size_t{1} << 19;
constexpr size_t kKeysPerStep = size_t{1} << 16;
// Keys are dense when their range is at most so many times their number, or small: of an array that
// a core's cache holds, or takes this part of the limit, or has these many rows.
constexpr uint64_t kDenseRangeCached = uint64_t{1} << 16;
constexpr uint64_t kDenseBudgetFraction = 128;
constexpr uint64_t kDenseRangeMin = 4096;
constexpr uint64_t kDenseRangePerRow = 4;

}  // namespace

Status RowsThatMayMatch(const Batch& batch, const EncodedKeys& keys,
                        const std::vector<int>& key_columns, const std::vector<NullMatching>& nulls,
                        arrow::MemoryPool* pool, std::vector<uint32_t>* rows) {
  rows->resize(static_cast<size_t>(keys.num_rows));
  std::iota(rows->begin(), rows->end(), 0U);
  const auto refusing = std::count(nulls.begin(), nulls.end(), NullMatching::kNeverMatch);
  if (refusing == 0) return Status::OK();
  if (refusing == static_cast<int64_t>(nulls.size())) {
    std::erase_if(*rows, [&](uint32_t row) { return keys.nulls[row] != 0; });
    return Status::OK();
  }
  for (size_t i = 0; i < nulls.size(); ++i) {
    if (nulls[i] == NullMatching::kMatch) continue;
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr column, Decode(batch.column(key_columns[i]), pool));
    std::erase_if(*rows, [&](uint32_t row) { return column->IsNull(row); });
  }
  return Status::OK();
}

RowPosition JoinChunk::PositionOf(int64_t row) const {
  if (splits == nullptr) return batch.PositionOf(row);
  const auto value = [row](const ArrayPtr& column) {
    return static_cast<const arrow::Int64Array&>(*column).Value(row);
  };
  return {value(splits), value(rows)};
}

JoinTable::JoinTable(HashJoinTermsPtr terms) : terms_(std::move(terms)), rows_(*terms_->build) {}

Status JoinTable::Start(std::vector<JoinChunk> chunks, int parts, const OperatorContext& context) {
  chunks_ = std::move(chunks);
  for (JoinChunk& chunk : chunks_) {
    first_place_.push_back(num_rows_);
    num_rows_ += chunk.batch.num_rows();
    (void)rows_.Add(chunk.batch);
  }
  is_in_order_ = IsInOrder();
  if (num_rows_ >= std::numeric_limits<uint32_t>::max()) {
    return Error(ErrorKind::kUnsupported, "the built side of a join has more than 2^32 rows");
  }
  if (terms_->keeps_build()) {
    matched_ = std::make_unique<std::atomic<uint8_t>[]>(static_cast<size_t>(num_rows_));
  }
  if (terms_->build_keys.empty()) {
    for (size_t i = 0; i < chunks_.size(); ++i) {
      for (int64_t row = 0; row < chunks_[i].batch.num_rows(); ++row) {
        all_.push_back({static_cast<int32_t>(i), static_cast<int32_t>(row)});
      }
    }
    if (!is_in_order_) SortByPosition(all_);
    return Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const KeyEncoder encoder,
                        KeyEncoder::Make(KeyColumnsOf(*terms_->build, terms_->build_keys)));
  part_bits_ = std::countr_zero(static_cast<unsigned>(parts));
  for (int i = 0; i < parts; ++i) parts_.push_back(std::make_unique<Part>(encoder.is_fixed()));
  if (!encoder.is_fixed() || terms_->nulls.front() != NullMatching::kNeverMatch) {
    return Status::OK();
  }
  return FindDenseKeys(parts, context);
}

// Whole numbers of any width are encoded so that they differ as their values do.
Status JoinTable::FindDenseKeys(int parts, const OperatorContext& context) {
  int64_t least = std::numeric_limits<int64_t>::max();
  int64_t greatest = std::numeric_limits<int64_t>::min();
  for (const JoinChunk& chunk : chunks_) {
    for (size_t row = 0; row < chunk.keys.values.size(); ++row) {
      if (chunk.keys.nulls[row] != 0) continue;
      const auto value = static_cast<int64_t>(chunk.keys.values[row]);
      least = std::min(least, value);
      greatest = std::max(greatest, value);
    }
  }
  if (least > greatest) return Status::OK();
  const auto base = static_cast<uint64_t>(least);
  const uint64_t last = static_cast<uint64_t>(greatest) - base;
  const auto rows = static_cast<uint64_t>(num_rows_);
  const auto limit = static_cast<uint64_t>(context.budget->limit_bytes());
  const uint64_t range_min =
      std::clamp(limit / kDenseBudgetFraction / sizeof(RowRef), kDenseRangeMin, kDenseRangeCached);
  if (last >= std::max(range_min, kDenseRangePerRow * rows)) return Status::OK();
  if (last >= GroupTable::kNoGroup) return Status::OK();
  const uint64_t slice =
      std::max<uint64_t>(1, (last + static_cast<uint64_t>(parts)) / static_cast<uint64_t>(parts));
  dense_ = {base, last + 1, std::countr_zero(std::bit_ceil(slice))};
  slots_ = AllocateBlock((last + 2) * sizeof(RowRef));
  std::construct_at(slots() + last + 1);
  return Status::OK();
}

uint64_t JoinTable::NumberOf(const Part& part) const {
  const auto is_it = [&](const auto& candidate) { return candidate.get() == &part; };
  return static_cast<uint64_t>(std::find_if(parts_.begin(), parts_.end(), is_it) - parts_.begin());
}

std::span<RowRef> JoinTable::SliceOf(uint64_t part) const {
  const uint64_t begin = part << dense_->slice_bits;
  const uint64_t end = begin + (uint64_t{1} << dense_->slice_bits);
  if (begin >= dense_->range) return {};
  return {slots() + begin, slots() + std::min(end, dense_->range)};
}

void JoinTable::DropSlots() {
  const auto uses = [](const auto& part) { return part->ends.empty(); };
  if (std::none_of(parts_.begin(), parts_.end(), uses)) slots_.reset();
}

int64_t JoinTable::Part::bytes() const {
  return groups.bytes() +
         static_cast<int64_t>((refs.capacity() + by_group.capacity()) * sizeof(RowRef) +
                              (group_of_row.capacity() + ends.capacity()) * sizeof(uint32_t));
}

int64_t JoinTable::bytes() const {
  int64_t bytes = static_cast<int64_t>(all_.capacity() * sizeof(RowRef));
  for (const JoinChunk& chunk : chunks_) bytes += chunk.batch.num_bytes() + rows_.bytes_per_chunk();
  for (const auto& part : parts_) bytes += part->bytes();
  if (slots_ != nullptr) bytes += static_cast<int64_t>((dense_->range + 1) * sizeof(RowRef));
  return matched_ == nullptr ? bytes : bytes + num_rows_;
}

// Building takes more than the table: the keys beside the rows, slots before they grew.
Status JoinTable::Seal(const OperatorContext&) {
  DropSlots();
  for (JoinChunk& chunk : chunks_) chunk.keys = EncodedKeys();
  int64_t left = bytes();
  for (Reservation& reservation : reservations_) {
    left -= reservation.bytes();
    if (left < 0) {
      reservation.TryResize(reservation.bytes() + left);
      left = 0;
    }
  }
  return Status::OK();
}

Status JoinTable::FindKeys(Part& part, arrow::MemoryPool* pool) const {
  const JoinChunk& chunk = chunks_[part.next];
  ARROW_RETURN_NOT_OK(RowsThatMayMatch(chunk.batch, chunk.keys, terms_->build_keys, terms_->nulls,
                                       pool, &part.keys));
  if (dense_.has_value() || part_bits_ == 0) return Status::OK();
  const uint64_t number = NumberOf(part);
  const int shift = 64 - part_bits_;
  std::erase_if(part.keys, [&](uint32_t row) { return chunk.keys.hashes[row] >> shift != number; });
  return Status::OK();
}

Status JoinTable::AddSomeKeys(Part& part, arrow::MemoryPool* pool) {
  if (part.next_key == 0) ARROW_RETURN_NOT_OK(FindKeys(part, pool));
  const std::span<const uint32_t> rest = std::span(part.keys).subspan(part.next_key);
  const auto rows = rest.first(std::min(rest.size(), kKeysPerStep));
  if (dense_.has_value()) {
    AddDenseKeys(part, rows);
  } else {
    AddHashedKeys(part, rows);
  }
  part.next_key += rows.size();
  if (part.next_key < part.keys.size()) return Status::OK();
  part.next_key = 0;
  ++part.next;
  return Status::OK();
}

// When most keys of the first rows differ, so will those of the others.
void JoinTable::AddHashedKeys(Part& part, std::span<const uint32_t> rows) const {
  const size_t before = part.group_of_row.size();
  const auto groups = static_cast<size_t>(part.groups.num_ids());
  if (before > 0 && groups > before / 2) {
    part.groups.Reserve(num_rows_ / static_cast<int64_t>(parts_.size()));
  }
  part.group_of_row.resize(before + rows.size());
  part.groups.FindOrInsert(chunks_[part.next].keys, rows.data(), static_cast<int64_t>(rows.size()),
                           part.group_of_row.data() + before);
  for (uint32_t row : rows) {
    part.refs.push_back({static_cast<int32_t>(part.next), static_cast<int32_t>(row)});
  }
}

void JoinTable::AddDenseKeys(Part& part, std::span<const uint32_t> rows) const {
  const EncodedKeys& keys = chunks_[part.next].keys;
  const uint64_t number = NumberOf(part);
  const uint64_t mask = (uint64_t{1} << dense_->slice_bits) - 1;
  for (uint32_t row : rows) {
    const uint64_t distance = keys.values[row] - dense_->base;
    if (distance >> dense_->slice_bits != number) continue;
    part.group_of_row.push_back(static_cast<uint32_t>(distance & mask));
    part.refs.push_back({static_cast<int32_t>(part.next), static_cast<int32_t>(row)});
  }
}

// Goes over to counting when a key comes twice and that matters.
void JoinTable::FillSome(Part& part) const {
  const size_t end = std::min(part.refs.size(), part.next + kRowsPerStep);
  for (size_t i = part.next; i < end; ++i) {
    if (i + kPrefetchAhead < end) {
      __builtin_prefetch(&part.slots[part.group_of_row[i + kPrefetchAhead]], 1);
    }
    RowRef& slot = part.slots[part.group_of_row[i]];
    if (!slot.none()) {
      if (terms_->asks_for_keys_only()) continue;
      part.ends.assign(part.slots.size(), 0);
      part.next = 0;
      part.stage = Part::Stage::kCount;
      return;
    }
    slot = part.refs[i];
  }
  part.next = end;
}

void JoinTable::CountSome(Part& part) {
  const size_t end = std::min(part.group_of_row.size(), part.next + kRowsPerStep);
  for (size_t i = part.next; i < end; ++i) {
    if (i + kPrefetchAhead < end) {
      __builtin_prefetch(&part.ends[part.group_of_row[i + kPrefetchAhead]], 1);
    }
    ++part.ends[part.group_of_row[i]];
  }
  part.next = end;
}

// Leaves in ends[g] the end of group g, having moved it there from its begin.
void JoinTable::PlaceSome(Part& part) {
  const size_t end = std::min(part.refs.size(), part.next + kRowsPerStep);
  std::vector<uint32_t>& next = part.ends;
  for (size_t i = part.next; i < end; ++i) {
    if (i + 2 * kPrefetchAhead < end) {
      __builtin_prefetch(&next[part.group_of_row[i + 2 * kPrefetchAhead]], 1);
      __builtin_prefetch(&part.by_group[next[part.group_of_row[i + kPrefetchAhead]]], 1);
    }
    part.by_group[next[part.group_of_row[i]]++] = part.refs[i];
  }
  part.next = end;
}

void JoinTable::SortByPosition(std::span<RowRef> rows) const {
  const auto comes_before = [this](RowRef a, RowRef b) { return PositionOf(a) < PositionOf(b); };
  std::sort(rows.begin(), rows.end(), comes_before);
}

// The rows of each key, which came in several runs.
void JoinTable::OrderSome(Part& part) const {
  const size_t end = std::min(part.ends.size(), part.next + kRowsPerStep);
  for (; part.next < end; ++part.next) {
    const uint32_t begin = part.next == 0 ? 0 : part.ends[part.next - 1];
    const uint32_t count = part.ends[part.next] - begin;
    if (count > 1) SortByPosition({part.by_group.data() + begin, count});
  }
}

bool JoinTable::IsInOrder() const {
  RowPosition last{std::numeric_limits<int64_t>::min(), 0};
  for (const JoinChunk& chunk : chunks_) {
    if (chunk.splits == nullptr) continue;
    for (int64_t row = 0; row < chunk.batch.num_rows(); ++row) {
      const RowPosition position = chunk.PositionOf(row);
      if (position < last) return false;
      last = position;
    }
  }
  return true;
}

Result<bool> JoinTable::BuildStep(int number, const OperatorContext& context) {
  Part& part = *parts_[static_cast<size_t>(number)];
  switch (part.stage) {
    case Part::Stage::kKeys:
      if (part.next < chunks_.size()) {
        ARROW_RETURN_NOT_OK(AddSomeKeys(part, context.pool));
        return true;
      }
      part.next = 0;
      part.keys = {};
      if (dense_.has_value()) {
        part.slots = SliceOf(NumberOf(part));
        std::uninitialized_fill(part.slots.begin(), part.slots.end(), RowRef());
        part.stage = Part::Stage::kSlots;
        return true;
      }
      if (static_cast<size_t>(part.groups.num_ids()) == part.refs.size()) {
        part.group_of_row = {};  // group g is row g
        part.stage = Part::Stage::kDone;
        return false;
      }
      part.ends.assign(static_cast<size_t>(part.groups.num_ids()), 0);
      part.stage = Part::Stage::kCount;
      return true;
    case Part::Stage::kSlots:
      FillSome(part);
      if (part.stage == Part::Stage::kCount || part.next < part.refs.size()) return true;
      part.group_of_row = {};
      part.refs = {};
      part.stage = Part::Stage::kDone;
      return false;
    case Part::Stage::kCount:
      CountSome(part);
      if (part.next < part.group_of_row.size()) return true;
      std::exclusive_scan(part.ends.begin(), part.ends.end(), part.ends.begin(), 0U);
      part.by_group.resize(part.refs.size());
      part.next = 0;
      part.stage = Part::Stage::kPlace;
      return true;
    case Part::Stage::kPlace:
      PlaceSome(part);
      if (part.next < part.refs.size()) return true;
      part.group_of_row = {};
      part.refs = {};
      part.next = 0;
      part.stage = is_in_order_ ? Part::Stage::kDone : Part::Stage::kOrder;
      return !is_in_order_;
    case Part::Stage::kOrder:
      OrderSome(part);
      if (part.next < part.ends.size()) return true;
      part.stage = Part::Stage::kDone;
      return false;
    case Part::Stage::kDone:
      return false;
  }
  return false;
}

inline JoinTable::Match JoinTable::MatchOf(const Part& part, uint32_t group) {
  if (group == GroupTable::kNoGroup) return {};
  if (part.ends.empty()) return {&part.refs[group], 1};
  const uint32_t begin = group == 0 ? 0 : part.ends[group - 1];
  return {part.by_group.data() + begin, part.ends[group] - begin};
}

void JoinTable::FindIn(const Part& part, const EncodedKeys& keys, const std::vector<uint32_t>& rows,
                       std::vector<Match>* matches) const {
  thread_local std::vector<uint32_t> found;
  found.resize(rows.size());
  part.groups.Find(keys, rows.data(), static_cast<int64_t>(rows.size()), found.data());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!part.ends.empty() && i + kPrefetchAhead < rows.size()) {
      const uint32_t ahead = found[i + kPrefetchAhead];
      if (ahead != GroupTable::kNoGroup) __builtin_prefetch(part.ends.data() + ahead);
    }
    (*matches)[rows[i]] = MatchOf(part, found[i]);
  }
}

void JoinTable::FindDense(const EncodedKeys& keys, const std::vector<uint32_t>& rows,
                          std::vector<Match>* matches) const {
  const DenseKeys dense = *dense_;
  const uint64_t mask = (uint64_t{1} << dense.slice_bits) - 1;
  const auto distance_of = [&](uint32_t row) { return keys.values[row] - dense.base; };
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i + kPrefetchAhead < rows.size()) {
      const uint64_t ahead = distance_of(rows[i + kPrefetchAhead]);
      if (ahead < dense.range) {
        const Part& part = *parts_[ahead >> dense.slice_bits];
        __builtin_prefetch(part.ends.empty() ? static_cast<const void*>(slots() + ahead)
                                             : part.ends.data() + (ahead & mask));
      }
    }
    const uint64_t distance = distance_of(rows[i]);
    if (distance >= dense.range) continue;
    const Part& part = *parts_[distance >> dense.slice_bits];
    const auto group = static_cast<uint32_t>(distance & mask);
    if (part.ends.empty()) {
      const RowRef& slot = slots()[distance];
      (*matches)[rows[i]] = {&slot, slot.none() ? 0U : 1U};
    } else {
      (*matches)[rows[i]] = MatchOf(part, group);
    }
  }
}

void JoinTable::Find(const EncodedKeys& keys, const std::vector<uint32_t>& rows,
                     std::vector<Match>* matches) const {
  matches->assign(static_cast<size_t>(keys.num_rows), Match());
  if (parts_.empty()) return;
  if (dense_.has_value()) return FindDense(keys, rows, matches);
  if (part_bits_ == 0) return FindIn(*parts_.front(), keys, rows, matches);
  const int shift = 64 - part_bits_;
  std::vector<std::vector<uint32_t>> by_part(parts_.size());
  for (uint32_t row : rows) by_part[keys.hashes[row] >> shift].push_back(row);
  for (size_t i = 0; i < parts_.size(); ++i) FindIn(*parts_[i], keys, by_part[i], matches);
}

std::optional<JoinTable::Slots> JoinTable::UniqueSlots() const {
  if (!dense_.has_value()) return std::nullopt;
  const auto has_counts = [](const auto& part) { return !part->ends.empty(); };
  if (std::any_of(parts_.begin(), parts_.end(), has_counts)) return std::nullopt;
  return Slots{dense_->base, dense_->range, slots()};
}

JoinTable::Match JoinTable::AllRows() const {
  return {all_.data(), static_cast<uint32_t>(all_.size())};
}

std::vector<RowRef> JoinTable::Unmatched(int64_t* next, int64_t max) const {
  std::vector<RowRef> rows;
  if (first_place_.empty()) return rows;
  auto chunk = static_cast<size_t>(
      std::upper_bound(first_place_.begin(), first_place_.end(), *next) - first_place_.begin() - 1);
  for (; *next < num_rows_ && static_cast<int64_t>(rows.size()) < max; ++*next) {
    while (chunk + 1 < first_place_.size() && first_place_[chunk + 1] <= *next) ++chunk;
    if (matched_[static_cast<size_t>(*next)].load(std::memory_order_relaxed) != 0) continue;
    rows.push_back(
        {static_cast<int32_t>(chunk), static_cast<int32_t>(*next - first_place_[chunk])});
  }
  return rows;
}

}  // namespace headrace
