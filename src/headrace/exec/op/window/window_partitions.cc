// A saved section has some partitions of one key group: the key columns, then a column of bytes per
// call.
#include "headrace/exec/op/window/window_partitions.h"

#include <algorithm>

#include "arrow/array.h"
#include "arrow/array/builder_binary.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/limits.h"
#include "headrace/exec/spill/spill_file.h"
#include "headrace/exec/spill/state_file.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

constexpr size_t kPartitionsPerSection = 4096;

}  // namespace

WindowPartitions::WindowPartitions(SchemaPtr schema, std::vector<int> partition_by,
                                   const std::vector<WindowCall>& calls, std::string owner,
                                   arrow::MemoryPool* pool)
    : schema_(std::move(schema)),
      partition_by_(std::move(partition_by)),
      calls_(calls),
      owner_(std::move(owner)),
      pool_(pool) {}

Status WindowPartitions::Clear() {
  std::vector<PartitionKernel*> kernels;
  for (const WindowCall& call : calls_) kernels.push_back(call.kernel.get());
  states_.emplace(std::move(kernels));
  owned_bytes_ = 0;
  ARROW_ASSIGN_OR_RAISE(KeyNumbering keys,
                        KeyNumbering::Make({KeyColumnsOf(*schema_, partition_by_)}));
  keys_.emplace(std::move(keys));
  if (!keys_->has_keys()) states_->Extend(1);
  return Status::OK();
}

Status WindowPartitions::ForgetAllBut(uint32_t partition) {
  std::vector<std::string> saved(calls_.size());
  for (size_t i = 0; i < calls_.size(); ++i) {
    ARROW_RETURN_NOT_OK(calls_[i].kernel->Save(states_->State(partition, i), &saved[i]));
  }
  ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> key, keys_->KeysOf({partition}, pool_));
  ARROW_RETURN_NOT_OK(Clear());
  ARROW_RETURN_NOT_OK(keys_->FindColumns(std::move(key), 1, pool_).status());
  (void)keys_->Assign();
  Extend();
  for (size_t i = 0; i < calls_.size(); ++i) {
    ARROW_RETURN_NOT_OK(calls_[i].kernel->Load(states_->State(0, i), saved[i]));
  }
  owned_bytes_ = states_->OwnedBytes(0);
  return Status::OK();
}

void WindowPartitions::Extend() { states_->Extend(keys_->size()); }

Status WindowPartitions::Save(StateWriter& writer) { return SaveTo(writer); }
Status WindowPartitions::Save(SpillFile& file) { return SaveTo(file); }

template <typename Writer>
Status WindowPartitions::SaveTo(Writer& writer) {
  if (!keys_->has_keys()) return SaveSome(writer, 0, {0});
  std::vector<std::vector<uint32_t>> by_key_group(kKeyGroups);
  for (uint32_t partition = 0; partition < keys_->size(); ++partition) {
    by_key_group[static_cast<size_t>(keys_->KeyGroupOfNumber(partition))].push_back(partition);
  }
  for (int key_group = 0; key_group < kKeyGroups; ++key_group) {
    const std::vector<uint32_t>& all = by_key_group[static_cast<size_t>(key_group)];
    for (size_t begin = 0; begin < all.size(); begin += kPartitionsPerSection) {
      const size_t end = std::min(all.size(), begin + kPartitionsPerSection);
      ARROW_RETURN_NOT_OK(SaveSome(
          writer, key_group,
          {all.begin() + static_cast<int64_t>(begin), all.begin() + static_cast<int64_t>(end)}));
    }
  }
  return Status::OK();
}

template <typename Writer>
Status WindowPartitions::SaveSome(Writer& writer, int key_group,
                                  const std::vector<uint32_t>& groups) {
  const auto count = static_cast<int64_t>(groups.size());
  std::vector<ArrayPtr> columns;
  if (keys_->has_keys()) {
    ARROW_ASSIGN_OR_RAISE(columns, keys_->KeysOf(groups, pool_));
  }
  arrow::FieldVector fields;
  for (size_t i = 0; i < columns.size(); ++i) {
    fields.push_back(arrow::field(fmt::format("key_{}", i), columns[i]->type()));
  }
  for (size_t i = 0; i < calls_.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), SavedStates(i, groups));
    fields.push_back(arrow::field(calls_[i].call.function->id, arrow::binary(), false));
  }
  return writer.Write(key_group, *arrow::RecordBatch::Make(arrow::schema(std::move(fields)), count,
                                                           std::move(columns)));
}

Result<ArrayPtr> WindowPartitions::SavedStates(size_t index,
                                               const std::vector<uint32_t>& groups) const {
  arrow::BinaryBuilder builder(pool_);
  std::string bytes;
  for (uint32_t group : groups) {
    bytes.clear();
    ARROW_RETURN_NOT_OK(calls_[index].kernel->Save(states_->State(group, index), &bytes));
    ARROW_RETURN_NOT_OK(builder.Append(bytes));
  }
  return builder.Finish();
}

Status WindowPartitions::CheckSection(const arrow::Schema& section, int64_t num_rows) const {
  const size_t num_keys = partition_by_.size();
  bool fits = static_cast<size_t>(section.num_fields()) == num_keys + calls_.size() &&
              (num_keys > 0 || num_rows == 1);
  for (int i = 0; fits && i < section.num_fields(); ++i) {
    const auto index = static_cast<size_t>(i);
    const arrow::DataType& type = *section.field(i)->type();
    fits = index < num_keys
               ? type.Equals(*PlainType(schema_->field(partition_by_[index])->type()))
               : type.id() == arrow::Type::BINARY &&
                     section.field(i)->name() == calls_[index - num_keys].call.function->id;
  }
  if (fits) return Status::OK();
  return Error(ErrorKind::kBadData, "the saved state of {} does not fit it: {}", owner_,
               section.ToString());
}

Status WindowPartitions::Load(const arrow::RecordBatch& saved_rows) {
  const Batch section = Batch::FromRecordBatch(saved_rows);
  ARROW_RETURN_NOT_OK(CheckSection(*saved_rows.schema(), section.num_rows()));
  std::vector<uint32_t> groups(static_cast<size_t>(section.num_rows()), 0);
  if (keys_->has_keys()) {
    ARROW_RETURN_NOT_OK(LoadKeys(section, &groups));
  }
  for (size_t i = 0; i < calls_.size(); ++i) {
    const auto column = static_cast<int>(partition_by_.size() + i);
    const auto& saved = static_cast<const arrow::BinaryArray&>(*section.column(column));
    for (int64_t row = 0; row < saved.length(); ++row) {
      ARROW_RETURN_NOT_OK(calls_[i].kernel->Load(
          states_->State(groups[static_cast<size_t>(row)], i), saved.GetView(row)));
    }
  }
  for (uint32_t group : groups) owned_bytes_ += states_->OwnedBytes(group);
  return Status::OK();
}

Status WindowPartitions::LoadKeys(const Batch& section, std::vector<uint32_t>* groups) {
  const auto& columns = section.columns();
  const auto num_keys = static_cast<int64_t>(partition_by_.size());
  const int64_t before = keys_->size();
  ARROW_ASSIGN_OR_RAISE(
      int64_t missing,
      keys_->FindColumns({columns.begin(), columns.begin() + num_keys}, section.num_rows(), pool_));
  *groups = keys_->Assign();
  if (missing != section.num_rows() || keys_->size() != before + missing) {
    return Error(ErrorKind::kBadData, "the saved state of {} has a partition twice", owner_);
  }
  Extend();
  return Status::OK();
}

}  // namespace headrace
