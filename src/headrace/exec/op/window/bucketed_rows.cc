// A section is some rows of a bucket; the key group of a section is its bucket.
#include "headrace/exec/op/window/bucketed_rows.h"

#include <algorithm>

#include "arrow/array/array_primitive.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/base/hash.h"
#include "headrace/exec/op/take_rows.h"

namespace headrace {
namespace {

const int64_t* RowNumbersOf(const Batch& rows) {
  return static_cast<const arrow::Int64Array&>(*rows.columns().back()).raw_values();
}

}  // namespace

Result<std::unique_ptr<BucketedRows>> BucketedRows::Make(const OperatorContext& context,
                                                         const SchemaPtr& schema, int buckets) {
  arrow::FieldVector fields = schema->fields();
  fields.push_back(arrow::field("number", arrow::int64(), /*nullable=*/false));
  ARROW_ASSIGN_OR_RAISE(auto file, SpillFile::Make(context, "buckets"));
  return std::unique_ptr<BucketedRows>(
      new BucketedRows(arrow::schema(std::move(fields)), std::move(file), buckets));
}

Status BucketedRows::Write(int bucket, const Batch& rows) {
  return file_->Write(bucket, *rows.ToRecordBatch(schema_));
}

Status BucketedRows::AddByPartition(const Batch& rows, const KeyEncoder& encoder,
                                    arrow::MemoryPool* pool) {
  EncodedKeys keys;
  ARROW_RETURN_NOT_OK(encoder.Encode(rows, pool, &keys));
  std::vector<std::vector<uint32_t>> by_bucket(buckets_.size());
  arrow::Int64Builder numbers(pool);
  for (size_t row = 0; row < keys.hashes.size(); ++row) {
    const int bucket = BucketOf(KeyGroupOf(keys.hashes[row]));
    by_bucket[static_cast<size_t>(bucket)].push_back(static_cast<uint32_t>(row));
    ARROW_RETURN_NOT_OK(numbers.Append(numbers_given_++));
  }
  std::vector<ArrayPtr> columns = rows.columns();
  ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), numbers.Finish());
  const Batch numbered(std::move(columns), rows.num_rows());
  for (size_t bucket = 0; bucket < by_bucket.size(); ++bucket) {
    if (by_bucket[bucket].empty()) continue;
    ARROW_ASSIGN_OR_RAISE(const Batch some, TakeRows(numbered, by_bucket[bucket], pool));
    ARROW_RETURN_NOT_OK(Write(static_cast<int>(bucket), some));
  }
  return Status::OK();
}

Status BucketedRows::Seal() {
  ARROW_RETURN_NOT_OK(file_->Seal());
  const std::vector<StateSection>& sections = file_->sections();
  for (size_t i = 0; i < sections.size(); ++i) {
    buckets_[static_cast<size_t>(sections[i].key_group)].sections.push_back(i);
  }
  return Status::OK();
}

Result<std::optional<Batch>> BucketedRows::Next(int bucket) {
  Bucket& from = buckets_[static_cast<size_t>(bucket)];
  if (from.next == from.sections.size()) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(const auto read,
                        file_->Read(file_->sections()[from.sections[from.next++]]));
  return Batch::FromRecordBatch(*read);
}

// The rows of a bucket whose numbers are below `end`.
Status BucketedRows::TakeBelow(int64_t end, Bucket* bucket, std::vector<Batch>* taken) {
  while (true) {
    if (bucket->rows.num_rows() == 0) {
      ARROW_ASSIGN_OR_RAISE(std::optional<Batch> next,
                            Next(static_cast<int>(bucket - buckets_.data())));
      if (!next.has_value()) return Status::OK();
      bucket->rows = *std::move(next);
    }
    const int64_t* numbers = RowNumbersOf(bucket->rows);
    const int64_t rows = bucket->rows.num_rows();
    const int64_t below = std::lower_bound(numbers, numbers + rows, end) - numbers;
    if (below > 0) taken->push_back(bucket->rows.Slice(0, below));
    bucket->rows = bucket->rows.Slice(below, rows - below);
    if (below < rows) return Status::OK();
  }
}

Result<Batch> BucketedRows::NextInOrder(int64_t count, arrow::MemoryPool* pool) {
  std::vector<Batch> taken;
  for (Bucket& bucket : buckets_) {
    ARROW_RETURN_NOT_OK(TakeBelow(next_number_ + count, &bucket, &taken));
  }
  if (taken.empty()) return Batch();
  ARROW_ASSIGN_OR_RAISE(const Batch all, ConcatenateBatches(taken, pool));
  const int64_t* numbers = RowNumbersOf(all);
  std::vector<int64_t> place_of(static_cast<size_t>(all.num_rows()), -1);
  for (int64_t row = 0; row < all.num_rows(); ++row) {
    const int64_t place = numbers[row] - next_number_;
    HEADRACE_CHECK(place >= 0 && place < all.num_rows(), "a number is missing");
    place_of[static_cast<size_t>(place)] = row;
  }
  next_number_ += all.num_rows();
  const arrow::Int64Array indices(all.num_rows(), arrow::Buffer::Wrap(place_of));
  std::vector<ArrayPtr> columns = all.columns();
  columns.pop_back();
  return Batch(std::move(columns), all.num_rows()).Take(indices, pool);
}

}  // namespace headrace
