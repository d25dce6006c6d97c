// Some batches are brought in the order of partitions while a cache holds them; a section joins the
// slices of many such.
#include "headrace/exec/op/join/hash_join_writer.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/exec/op/take_rows.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

// Rows held before they are written: this, or less in a small budget. Sections of the partitions
// then have some 128 KiB.
constexpr int64_t kHeldBytesMax = int64_t{16} << 20;
constexpr int64_t kHeldBytesMin = int64_t{256} << 10;
constexpr int64_t kHeldPerBudget = 16;
// Sections have about so many bytes at most: each is read at once.
constexpr int64_t kSectionBytes = int64_t{256} << 10;
// One place in so many is remembered, and one in so many bytes of rows.
constexpr int64_t kRowsPerPlaceMax = 4096;
constexpr int64_t kBytesPerPlace = int64_t{128} << 10;
// Rows of a section at least, on the whole, where rows are divided by more bits than these.
constexpr int64_t kRowsWorthWriting = 8;
constexpr int kBitsMin = 2;
// Rows that are brought in the order of their partitions together.
constexpr size_t kArrangedRows = size_t{1} << 16;

int64_t HeldBytesMax(const OperatorContext& context) {
  return std::clamp(context.budget->limit_bytes() / kHeldPerBudget, kHeldBytesMin, kHeldBytesMax);
}

}  // namespace

int BitsWorthWriting(int columns, const OperatorContext& context) {
  const int64_t row_bytes = static_cast<int64_t>(sizeof(int64_t)) * (columns + 1);
  const int64_t partitions = HeldBytesMax(context) / (row_bytes * kRowsWorthWriting);
  const auto bits = static_cast<int>(std::bit_width(static_cast<uint64_t>(partitions))) - 1;
  return std::clamp(bits, kBitsMin, HashBits().count);
}

SchemaPtr WithPlaceColumns(const arrow::Schema& schema, bool with_places) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) {
    fields.push_back(arrow::field(field->name(), PlainType(field->type())));
  }
  if (with_places) {
    fields.push_back(arrow::field("split", arrow::int64()));
    fields.push_back(arrow::field("row", arrow::int64()));
  }
  return arrow::schema(std::move(fields));
}

void JoinRowWriter::Open(const OperatorContext& context, HashBits bits) {
  context_ = &context;
  bits_ = bits;
  held_bytes_max_ = HeldBytesMax(context);
  reservation_ = Reservation(context.budget);
}

Status JoinRowWriter::Add(const Batch& rows, std::span<const uint64_t> hashes,
                          const std::vector<uint32_t>& selected) {
  if (selected.empty()) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(Batch taken, TakeRows(rows, selected, context_->pool));
  if (with_places_) {
    ARROW_ASSIGN_OR_RAISE(taken, WithPlaces(taken, rows.ordinal(), selected));
  }
  std::vector<uint8_t> partitions(selected.size());
  for (size_t i = 0; i < selected.size(); ++i) {
    partitions[i] = static_cast<uint8_t>(bits_.Of(hashes[selected[i]]));
  }
  return AddTo(std::move(taken), partitions);
}

Status JoinRowWriter::AddTo(Batch rows, std::span<const uint8_t> partitions) {
  const int64_t bytes = rows.num_bytes() + static_cast<int64_t>(sizeof(Held) + partitions.size());
  bool is_granted = reservation_.TryGrow(bytes);
  if (!is_granted) {
    ARROW_RETURN_NOT_OK(Flush());
    is_granted = reservation_.TryGrow(bytes);
  }
  held_bytes_ += bytes;
  held_rows_ += rows.num_rows();
  staged_.push_back(std::move(rows));
  partitions_.insert(partitions_.end(), partitions.begin(), partitions.end());
  if (!is_granted || held_bytes_ >= held_bytes_max_) return Flush();
  return partitions_.size() < kArrangedRows ? Status::OK() : Arrange();
}

Result<Batch> JoinRowWriter::WithPlaces(const Batch& taken, const Ordinal& ordinal,
                                        const std::vector<uint32_t>& rows) {
  arrow::Int64Builder split_builder(context_->pool);
  arrow::Int64Builder row_builder(context_->pool);
  ARROW_RETURN_NOT_OK(split_builder.Reserve(taken.num_rows()));
  ARROW_RETURN_NOT_OK(row_builder.Reserve(taken.num_rows()));
  const int64_t row_bytes = taken.num_bytes() / taken.num_rows() + 1;
  const int64_t rows_per_place =
      std::clamp<int64_t>(kBytesPerPlace / row_bytes, 1, kRowsPerPlaceMax);
  for (uint32_t row : rows) {
    split_builder.UnsafeAppend(ordinal.split);
    row_builder.UnsafeAppend(ordinal.seq * kBatchRowsMax + row);
    if (places_given_++ % rows_per_place > 0) continue;
    places_.push_back({ordinal.split, ordinal.seq * kBatchRowsMax + row});
  }
  std::vector<ArrayPtr> columns = taken.columns();
  ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), split_builder.Finish());
  ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), row_builder.Finish());
  return taken.WithColumns(std::move(columns));
}

// A counting sort.
Status JoinRowWriter::Arrange() {
  if (staged_.empty()) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const Batch rows, ConcatenateBatches(staged_, context_->pool));
  staged_.clear();
  Held held;
  for (uint8_t partition : partitions_) ++held.begins[size_t{partition} + 1];
  std::partial_sum(held.begins.begin(), held.begins.end(), held.begins.begin());
  std::array<uint32_t, kKeyGroups + 1> next = held.begins;
  std::vector<uint32_t> order(partitions_.size());
  for (size_t row = 0; row < order.size(); ++row) {
    order[next[partitions_[row]]++] = static_cast<uint32_t>(row);
  }
  partitions_.clear();
  ARROW_ASSIGN_OR_RAISE(held.rows, TakeRows(rows, order, context_->pool));
  held_.push_back(std::move(held));
  return Status::OK();
}

Status JoinRowWriter::Flush() {
  ARROW_RETURN_NOT_OK(Arrange());
  if (held_.empty()) return Status::OK();
  if (file_ == nullptr) {
    ARROW_ASSIGN_OR_RAISE(file_, SpillFile::Make(*context_, stem_));
  }
  for (size_t partition = 0; partition < kKeyGroups; ++partition) {
    ARROW_RETURN_NOT_OK(WritePartition(partition));
  }
  held_.clear();
  held_bytes_ = 0;
  held_rows_ = 0;
  reservation_.Clear();
  return Status::OK();
}

Status JoinRowWriter::WritePartition(size_t partition) {
  const int64_t row_bytes = held_bytes_ / held_rows_ + 1;
  const int64_t rows_max = std::max<int64_t>(1, kSectionBytes / row_bytes);
  std::vector<Batch> slices;
  int64_t rows = 0;
  for (const Held& held : held_) {
    int64_t begin = held.begins[partition];
    const int64_t end = held.begins[partition + 1];
    while (begin < end) {
      const int64_t count = std::min(end - begin, rows_max - rows);
      slices.push_back(held.rows.Slice(begin, count));
      begin += count;
      rows += count;
      if (rows < rows_max) continue;
      ARROW_RETURN_NOT_OK(WriteSection(partition, std::exchange(slices, {})));
      rows = 0;
    }
  }
  return slices.empty() ? Status::OK() : WriteSection(partition, std::move(slices));
}

Status JoinRowWriter::WriteSection(size_t partition, std::vector<Batch> slices) {
  if (context_->stop.stop_requested()) {
    return Error(ErrorKind::kCancelled, "the query was cancelled");
  }
  ARROW_ASSIGN_OR_RAISE(const Batch section, ConcatenateBatches(slices, context_->pool));
  return file_->Write(static_cast<int>(partition), *section.ToRecordBatch(schema_));
}

Result<std::shared_ptr<SpillFile>> JoinRowWriter::Take() {
  ARROW_RETURN_NOT_OK(Flush());
  if (file_ == nullptr) return nullptr;
  ARROW_RETURN_NOT_OK(file_->Seal());
  return std::shared_ptr<SpillFile>(std::move(file_));
}

}  // namespace headrace
