// Rows by key group on disk, and the order of the pieces of a table.
#include "headrace/exec/op/hash_join_state.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/hash.h"
#include "headrace/base/limits.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

// Tables with fewer rows are not worth parts.
constexpr int64_t kRowsPerPart = int64_t{1} << 17;
constexpr int kJoinPartsMax = 64;
// Sections have about so many bytes at most: each is read at once.
constexpr int64_t kSectionBytes = int64_t{128} << 10;

bool ComesBefore(const JoinChunk& left, const JoinChunk& right) {
  const Ordinal& a = left.batch.ordinal();
  const Ordinal& b = right.batch.ordinal();
  return std::tie(a.split, a.seq) < std::tie(b.split, b.seq);
}

}  // namespace

SchemaPtr WithPlaceColumns(const arrow::Schema& schema) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) {
    fields.push_back(arrow::field(field->name(), PlainType(field->type())));
  }
  fields.push_back(arrow::field("split", arrow::int64()));
  fields.push_back(arrow::field("row", arrow::int64()));
  return arrow::schema(std::move(fields));
}

KeyGroupWriter::KeyGroupWriter(SchemaPtr schema) : schema_(WithPlaceColumns(*schema)) {}

void KeyGroupWriter::Add(Batch rows, std::vector<uint64_t> hashes) {
  held_bytes_ += rows.num_bytes() + static_cast<int64_t>(hashes.size() * sizeof(uint64_t));
  batches_.push_back(std::move(rows));
  hashes_.insert(hashes_.end(), hashes.begin(), hashes.end());
}

Result<Batch> KeyGroupWriter::WithPlaces(arrow::MemoryPool* pool) const {
  ARROW_ASSIGN_OR_RAISE(const Batch rows, ConcatenateBatches(batches_, pool));
  ARROW_ASSIGN_OR_RAISE(const Batch plain, DecodeBatch(rows, pool));
  arrow::Int64Builder splits(pool);
  arrow::Int64Builder places(pool);
  for (const Batch& batch : batches_) {
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      const RowPosition position = batch.PositionOf(row);
      ARROW_RETURN_NOT_OK(splits.Append(position.split));
      ARROW_RETURN_NOT_OK(places.Append(position.row));
    }
  }
  std::vector<ArrayPtr> columns = plain.columns();
  ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), splits.Finish());
  ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), places.Finish());
  return plain.WithColumns(std::move(columns));
}

Status KeyGroupWriter::Flush(const OperatorContext& context) {
  if (batches_.empty()) return Status::OK();
  if (file_ == nullptr) {
    ARROW_ASSIGN_OR_RAISE(file_, SpillFile::Make(context, "join"));
  }
  ARROW_ASSIGN_OR_RAISE(const Batch rows, WithPlaces(context.pool));
  std::vector<int64_t> order(hashes_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return KeyGroupOf(hashes_[static_cast<size_t>(a)]) <
           KeyGroupOf(hashes_[static_cast<size_t>(b)]);
  });
  const arrow::Int64Array indices(static_cast<int64_t>(order.size()),
                                  arrow::Buffer::Wrap(order.data(), order.size()));
  ARROW_ASSIGN_OR_RAISE(const Batch sorted, rows.Take(indices, context.pool));
  const int64_t row_bytes = held_bytes_ / static_cast<int64_t>(order.size()) + 1;
  const auto rows_max = static_cast<size_t>(std::max<int64_t>(1, kSectionBytes / row_bytes));
  for (size_t begin = 0; begin < order.size();) {
    const int group = KeyGroupOf(hashes_[static_cast<size_t>(order[begin])]);
    size_t end = begin;
    while (end < order.size() && end - begin < rows_max &&
           KeyGroupOf(hashes_[static_cast<size_t>(order[end])]) == group) {
      ++end;
    }
    const Batch slice =
        sorted.Slice(static_cast<int64_t>(begin), static_cast<int64_t>(end - begin));
    ARROW_RETURN_NOT_OK(file_->Write(group, *slice.ToRecordBatch(schema_)));
    begin = end;
  }
  batches_.clear();
  hashes_.clear();
  held_bytes_ = 0;
  return Status::OK();
}

Result<std::shared_ptr<SpillFile>> KeyGroupWriter::Take() {
  if (file_ == nullptr) return nullptr;
  ARROW_RETURN_NOT_OK(file_->Seal());
  return std::shared_ptr<SpillFile>(std::move(file_));
}

void HashJoinPieces::Add(std::vector<JoinChunk> chunks, Reservation reservation,
                         std::shared_ptr<SpillFile> file, JoinNullKeys null_keys) {
  lanes_.push_back({std::move(chunks), std::move(reservation)});
  if (file != nullptr) files_.push_back(std::move(file));
  null_keys_.any_row = null_keys_.any_row || null_keys.any_row;
  null_keys_.any_null_key = null_keys_.any_null_key || null_keys.any_null_key;
}

Status HashJoinPieces::Seal(const OperatorContext& context) {
  if (is_spilled()) return Status::OK();
  std::vector<JoinChunk> chunks;
  int64_t rows = 0;
  for (Lane& lane : lanes_) {
    for (JoinChunk& chunk : lane.chunks) {
      rows += chunk.batch.num_rows();
      chunks.push_back(std::move(chunk));
    }
    lane.chunks.clear();
    table_->Charge(std::move(lane.reservation));
  }
  std::stable_sort(chunks.begin(), chunks.end(), ComesBefore);
  int parts = 1;
  while (parts < kJoinPartsMax && parts < context.lanes && rows / (2 * parts) >= kRowsPerPart) {
    parts *= 2;
  }
  return table_->Start(std::move(chunks), parts, context);
}

int64_t HashJoinPieces::num_parts() const {
  return is_spilled() ? static_cast<int64_t>(lanes_.size()) : table_->part_count();
}

std::vector<JoinChunk> HashJoinPieces::TakeLane(int64_t lane, Reservation* reservation) {
  Lane& taken = lanes_[static_cast<size_t>(lane)];
  *reservation = std::move(taken.reservation);
  return std::move(taken.chunks);
}

void HashJoinPieces::AddFile(std::shared_ptr<SpillFile> file) {
  std::lock_guard lock(mutex_);
  files_.push_back(std::move(file));
}

int64_t HashJoinRest::num_parts() const {
  if (pieces_->is_spilled()) return kKeyGroups;
  return terms_->keeps_build() ? 1 : 0;
}

void HashJoinRest::AddProbeFile(std::shared_ptr<SpillFile> file) {
  std::lock_guard lock(mutex_);
  probe_files_.push_back(std::move(file));
}

}  // namespace headrace
