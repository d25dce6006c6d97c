// Rows stay in the batches they came in; a section is gathered from them when it is written.
#include "headrace/exec/op/hash_join_writer.h"

#include <algorithm>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
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

}  // namespace

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

JoinRowWriter::JoinRowWriter(const arrow::Schema& schema, bool with_places, std::string_view stem)
    : rows_schema_(WithPlaceColumns(schema, false)),
      schema_(WithPlaceColumns(schema, with_places)),
      with_places_(with_places),
      stem_(stem),
      store_(*rows_schema_) {}

void JoinRowWriter::Open(const OperatorContext& context, int depth) {
  context_ = &context;
  depth_ = depth;
  held_bytes_max_ =
      std::clamp(context.budget->limit_bytes() / kHeldPerBudget, kHeldBytesMin, kHeldBytesMax);
  reservation_ = Reservation(context.budget);
}

Status JoinRowWriter::Add(const Batch& rows, std::span<const uint64_t> hashes,
                          const std::vector<uint32_t>& selected) {
  if (selected.empty()) return Status::OK();
  const int64_t bytes = rows.num_bytes() + static_cast<int64_t>(selected.size() * sizeof(RowRef));
  bool is_granted = reservation_.TryGrow(bytes);
  if (!is_granted) {
    ARROW_RETURN_NOT_OK(Flush());
    is_granted = reservation_.TryGrow(bytes);
  }
  const int32_t chunk = store_.Add(rows);
  ordinals_.push_back(rows.ordinal());
  for (uint32_t row : selected) {
    refs_[static_cast<size_t>(JoinPartitionOf(hashes[row], depth_))].push_back(
        {chunk, static_cast<int32_t>(row)});
  }
  held_bytes_ += bytes;
  held_rows_ += rows.num_rows();
  return is_granted && held_bytes_ < held_bytes_max_ ? Status::OK() : Flush();
}

Status JoinRowWriter::Flush() {
  if (held_bytes_ == 0) return Status::OK();
  if (file_ == nullptr) {
    ARROW_ASSIGN_OR_RAISE(file_, SpillFile::Make(*context_, stem_));
  }
  for (size_t partition = 0; partition < refs_.size(); ++partition) {
    ARROW_RETURN_NOT_OK(WritePartition(static_cast<int>(partition)));
  }
  store_ = RowStore(*rows_schema_);
  ordinals_.clear();
  held_bytes_ = 0;
  held_rows_ = 0;
  reservation_.Clear();
  return Status::OK();
}

Status JoinRowWriter::WritePartition(int partition) {
  std::vector<RowRef>& refs = refs_[static_cast<size_t>(partition)];
  const int64_t row_bytes = held_bytes_ / held_rows_ + 1;
  const auto rows_max = static_cast<size_t>(std::max<int64_t>(1, kSectionBytes / row_bytes));
  for (size_t begin = 0; begin < refs.size(); begin += rows_max) {
    if (context_->stop.stop_requested()) {
      return Error(ErrorKind::kCancelled, "the query was cancelled");
    }
    const size_t count = std::min(rows_max, refs.size() - begin);
    ARROW_ASSIGN_OR_RAISE(const Batch section, Section({refs.data() + begin, count}));
    ARROW_RETURN_NOT_OK(file_->Write(partition, *section.ToRecordBatch(schema_)));
  }
  refs.clear();
  return Status::OK();
}

Result<Batch> JoinRowWriter::Section(std::span<const RowRef> refs) const {
  ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns, store_.Gather(refs, context_->pool));
  if (with_places_) {
    ARROW_ASSIGN_OR_RAISE(const std::vector<ArrayPtr> places, PlacesOf(refs));
    columns.insert(columns.end(), places.begin(), places.end());
  }
  return Batch(std::move(columns), static_cast<int64_t>(refs.size()));
}

Result<std::vector<ArrayPtr>> JoinRowWriter::PlacesOf(std::span<const RowRef> refs) const {
  arrow::Int64Builder splits(context_->pool);
  arrow::Int64Builder rows(context_->pool);
  ARROW_RETURN_NOT_OK(splits.Reserve(static_cast<int64_t>(refs.size())));
  ARROW_RETURN_NOT_OK(rows.Reserve(static_cast<int64_t>(refs.size())));
  for (const RowRef& ref : refs) {
    const Ordinal& ordinal = ordinals_[static_cast<size_t>(ref.chunk)];
    splits.UnsafeAppend(ordinal.split);
    rows.UnsafeAppend(ordinal.seq * kBatchRowsMax + ref.row);
  }
  std::vector<ArrayPtr> places(2);
  ARROW_RETURN_NOT_OK(splits.Finish(&places[0]));
  ARROW_RETURN_NOT_OK(rows.Finish(&places[1]));
  return places;
}

Result<std::shared_ptr<SpillFile>> JoinRowWriter::Take() {
  ARROW_RETURN_NOT_OK(Flush());
  if (file_ == nullptr) return nullptr;
  ARROW_RETURN_NOT_OK(file_->Seal());
  return std::shared_ptr<SpillFile>(std::move(file_));
}

}  // namespace headrace
