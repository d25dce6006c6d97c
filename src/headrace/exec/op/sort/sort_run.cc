// Blocks of spilled runs hold the columns and the places of their rows.
#include "headrace/exec/op/sort/sort_run.h"

#include <algorithm>

#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/types/encoding.h"

namespace headrace {
SchemaPtr WithPlaces(const arrow::Schema& schema) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) {
    fields.push_back(arrow::field(field->name(), PlainType(field->type())));
  }
  fields.push_back(arrow::field("split", arrow::int64()));
  fields.push_back(arrow::field("row", arrow::int64()));
  return arrow::schema(std::move(fields));
}

int64_t LowerBound(const SortedBlock& block, int64_t begin, int64_t end, std::string_view key) {
  if (begin == end || block.IsBefore(end - 1, key)) return end;
  if (!block.IsBefore(begin, key)) return begin;
  while (begin < end) {
    const int64_t middle = begin + (end - begin) / 2;
    if (block.IsBefore(middle, key)) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

void BlockSlice::CutTo(const KeyRange& range) {
  if (!range.begin.empty()) begin = LowerBound(*block, begin, end, range.begin);
  if (!range.end.empty()) end = LowerBound(*block, begin, end, range.end);
}

void KeyStarts::Add(std::string_view key) {
  bytes_ += StartOf(key);
  ends_.push_back(static_cast<uint32_t>(bytes_.size()));
}

std::string_view KeyStarts::operator[](size_t index) const {
  const size_t begin = index == 0 ? 0 : ends_[index - 1];
  return std::string_view(bytes_).substr(begin, ends_[index] - begin);
}

size_t KeyStarts::CountBelow(std::string_view key) const {
  size_t begin = 0;
  for (size_t end = size(); begin < end;) {
    const size_t middle = begin + (end - begin) / 2;
    if ((*this)[middle] < key) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

Result<std::unique_ptr<SpilledRun>> SpilledRun::Make(const OperatorContext& context,
                                                     const SortTerms& terms) {
  ARROW_ASSIGN_OR_RAISE(auto file, SpillFile::Make(context, "sort"));
  return std::unique_ptr<SpilledRun>(new SpilledRun(context, terms, std::move(file)));
}

SpilledRun::SpilledRun(const OperatorContext& context, const SortTerms& terms,
                       std::unique_ptr<SpillFile> file)
    : terms_(terms),
      schema_(WithPlaces(*terms.schema)),
      pool_(context.pool),
      file_(std::move(file)) {}

Status SpilledRun::Write(const std::vector<ArrayPtr>& columns, int64_t num_rows, int64_t bytes,
                         std::string_view first_key) {
  ARROW_RETURN_NOT_OK(file_->Write(0, *arrow::RecordBatch::Make(schema_, num_rows, columns)));
  first_keys_.Add(first_key);
  num_rows_ += num_rows;
  bytes_ += bytes;
  block_bytes_max_ = std::max(block_bytes_max_, bytes);
  return Status::OK();
}

// The last block that surely starts below the range may reach into it, and all that start after
// it. A block whose first key starts like the begin of the range may start above or below it.
std::pair<size_t, size_t> SpilledRun::BlocksOf(const KeyRange& range) const {
  const size_t below =
      range.begin.empty() ? 0 : first_keys_.CountBelow(KeyStarts::StartOf(range.begin));
  const size_t end = range.end.empty() ? num_blocks() : first_keys_.CountBelow(range.end);
  return {below == 0 ? 0 : below - 1, end};
}

Result<SortedBlockPtr> SpilledRun::ReadAlone(size_t block) const {
  ARROW_ASSIGN_OR_RAISE(auto batch, file_->Read(file_->sections()[block]));
  std::vector<ArrayPtr> columns = batch->columns();
  RowPlaces places;
  places.rows = std::move(columns.back());
  columns.pop_back();
  places.splits = std::move(columns.back());
  columns.pop_back();
  return std::make_shared<SortedBlock>(std::move(columns), batch->num_rows(), std::move(places),
                                       terms_.encoder, pool_);
}

std::shared_ptr<SpilledRun::Shared> SpilledRun::Share(size_t block, int64_t users) {
  std::lock_guard lock(mutex_);
  std::shared_ptr<Shared>& shared = shared_[block];
  if (shared == nullptr) {
    shared = std::make_shared<Shared>();
    shared->users_left = users;
  }
  std::shared_ptr<Shared> found = shared;
  if (--shared->users_left == 0) shared_.erase(block);
  return found;
}

Result<SortedBlockPtr> SpilledRun::Read(size_t block, int64_t users) {
  if (users == 1) return ReadAlone(block);
  const std::shared_ptr<Shared> shared = Share(block, users);
  std::lock_guard lock(shared->mutex);
  if (shared->block == nullptr) {
    ARROW_ASSIGN_OR_RAISE(shared->block, ReadAlone(block));
  }
  return shared->block;
}

}  // namespace headrace
